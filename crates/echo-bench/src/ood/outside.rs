//! Videos of another folder, all of which are out of distribution.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use echo_data::{DatasetConfig, Digests, Target, patient_key, read_dataset};
use echo_files::counted;
use echo_phantom::{OnDemand, is_phantom};
use echo_report::Excluded;

use super::samples::Video;
use crate::{BenchError, Observer};

/// A folder, and the videos below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The folder: of a data set, or any.
    pub folder: PathBuf,
    /// Its videos.
    pub videos: Vec<PathBuf>,
}

/// A file that lies in distribution, or is held out.
pub(super) enum Known {
    /// A training or test video in distribution, and its name.
    Inside(String),
    /// A test video of a class that is held out, and its name.
    HeldOut(String),
}

/// What was read of a folder.
pub(super) struct Read {
    /// Each with its patient, where that is known.
    pub(super) videos: Vec<(Video, Option<String>)>,
    pub(super) excluded: Vec<Excluded>,
    pub(super) notes: Vec<String>,
}

impl Outside {
    /// # Errors
    /// It is the folder of the data set itself.
    pub(super) fn check(&self, data: &Path) -> Result<(), BenchError> {
        let same = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if same(&self.folder) == same(data) {
            return Err(BenchError::Config(format!(
                "--out-of-distribution {}: it is the data set itself, whose videos are in distribution; give another folder, or \
                 --hold-out",
                self.folder.display()
            )));
        }
        Ok(())
    }

    /// Its videos, each once, without those that are held out too. Phantoms that are not there yet are rendered.
    ///
    /// # Errors
    /// A video is in distribution, or a phantom cannot be rendered.
    pub(super) fn read(
        &self,
        known: &HashMap<blake3::Hash, Known>,
        target: &Target,
        digests: &Digests,
        observer: &dyn Observer,
    ) -> Result<Read, BenchError> {
        if let Some(on_demand) = OnDemand::of(&self.folder)? {
            let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            let names: Vec<String> = self.videos.iter().filter_map(stem).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            on_demand.render(&names, &|done, total| observer.progress("rendering", done, total, ""))?;
        }
        let patients = self.patients(target);
        let paths: Vec<&Path> = self.videos.iter().map(PathBuf::as_path).collect();
        let (mut videos, mut excluded, mut seen) = (Vec::new(), Vec::new(), HashMap::new());
        let mut inside = Vec::new();
        for (path, digest) in paths.iter().zip(digests.of_all(&paths)) {
            let name = path.strip_prefix(&self.folder).unwrap_or(path).display().to_string();
            let mut leave_out = |reason: String| excluded.push(Excluded { video: name.clone(), used: false, reason });
            let digest = match digest {
                Ok(digest) => digest,
                Err(error) => {
                    leave_out(error.to_string());
                    continue;
                }
            };
            match known.get(&digest) {
                Some(Known::Inside(own)) => inside.push(format!("{name} is {own}")),
                Some(Known::HeldOut(own)) => leave_out(format!("the same file as {own}, which is held out")),
                None => match seen.get(&digest) {
                    Some(first) => leave_out(format!("the same file as {first}")),
                    None => {
                        seen.insert(digest, name.clone());
                        let patient = path.canonicalize().ok().and_then(|path| patients.get(&path).cloned());
                        // Who cannot be asked whether it is a phantom is none.
                        let phantom = is_phantom(path).unwrap_or(false);
                        videos.push((Video { name, path: (*path).to_owned(), digest: Some(digest), phantom }, patient));
                    }
                },
            }
        }
        if !inside.is_empty() {
            let more = if inside.len() > SHOWN { format!(" and {} more", inside.len() - SHOWN) } else { String::new() };
            inside.truncate(SHOWN);
            return Err(BenchError::Config(format!(
                "--out-of-distribution {}: videos that training or test has in distribution are among these, by their bytes: \
                 {}{more}; take them out of the folder",
                self.folder.display(),
                inside.join(", ")
            )));
        }
        let unknown = videos.iter().filter(|(_, patient)| patient.is_none()).count();
        let mut notes = Vec::new();
        if unknown > 0 {
            notes.push(format!(
                "The patients of {} out of distribution are not known: in the intervals each is of a patient of its own.",
                counted(unknown, "video")
            ));
        }
        Ok(Read { videos, excluded, notes })
    }

    /// The patients of videos, where the folder is a data set whose table names them. They make intervals wider and change no
    /// value, so a folder whose table cannot be read has none.
    fn patients(&self, target: &Target) -> HashMap<PathBuf, String> {
        let description = self.folder.join("dataset.toml");
        let dataset = match description.is_file() {
            true => DatasetConfig::read(&description).ok(),
            false => Some(DatasetConfig::echonet()),
        };
        let Some(dataset) = dataset.filter(DatasetConfig::knows_patients) else { return HashMap::new() };
        // A video without the label of one task may have that of another.
        let targets: Vec<&Target> = dataset.targets().chain([target]).collect();
        let mut tried = HashSet::new();
        let mut patients = HashMap::new();
        for target in targets.into_iter().filter(|target| tried.insert(target.task.name.clone())) {
            let Ok(found) = read_dataset(&self.folder, &dataset, target) else { continue };
            for video in found.videos {
                if let (Some(patient), Ok(path)) = (video.patient, video.path.canonicalize()) {
                    // Numbers of patients mean nothing in another hospital.
                    patients.insert(path, format!("out of distribution/{}", patient_key(&patient)));
                }
            }
        }
        patients
    }
}

/// Videos that a message shows of many.
const SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTION: &str = "name = 'other'\ntable = 'list.csv'\n[videos]\nfolder = 'Videos'\nextension = 'avi'\n[columns]\n\
                               video = 'File'\nsplit = 'Split'\npatient = 'Patient'\n[tasks.EF]\n";

    #[test]
    fn patients_are_those_of_the_folder_s_table_and_no_others_are_made_up() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::create_dir(dir.path().join("Videos")).unwrap();
        let videos = ["a", "b", "c", "new"].map(|name| dir.path().join("Videos").join(name).with_extension("avi"));
        videos.iter().for_each(|path| std::fs::write(path, path.display().to_string()).unwrap());
        let outside = Outside { folder: dir.path().to_owned(), videos: videos.to_vec() };
        let read = || {
            let digests = Digests::open(&dir.path().join("digests.tsv")).unwrap();
            outside.read(&HashMap::new(), &Target::shipped("view"), &digests, &()).unwrap()
        };
        let patients = |read: &Read| read.videos.iter().map(|(_, patient)| patient.clone()).collect::<Vec<_>>();
        // Without a table nobody is known.
        let found = read();
        assert!(
            patients(&found) == [None, None, None, None] && found.notes[0].contains("of 4 videos"),
            "{:?}",
            found.notes
        );
        put("dataset.toml", DESCRIPTION);
        put("list.csv", "File,Split,Patient,EF\na,TRAIN,01,50\nb,TEST,1,55\nc,TEST,2,60\n");
        let found = read();
        let of = patients(&found);
        assert!(of[0] == of[1] && of[0] != of[2] && of[2].is_some() && of[3].is_none(), "{of:?}");
        assert!(found.notes[0].contains("of 1 video "), "{:?}", found.notes);
    }

    #[test]
    fn the_data_set_is_not_out_of_its_own_distribution_however_it_is_spelled() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        let outside = |folder: PathBuf| Outside { folder, videos: Vec::new() };
        assert!(outside(dir.path().join("a/..")).check(dir.path()).is_err());
        assert!(outside(dir.path().join("a")).check(dir.path()).is_ok());
    }
}
