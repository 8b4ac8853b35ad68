//! Who is who, and by which new names.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use echo_files::{read_bytes, say, write_atomically};
use echo_video::DicomFacts;

use crate::CliError;

/// MIMIC-IV-ECHO's list of files, with the patient and study of each.
const RECORD_LIST: &str = "echo-record-list.csv";
/// What the key is derived for: another key of the same file is of no use here.
const PURPOSE: &str = "echozoo prepare, new names of patients, studies and videos, version 1";
/// Hexadecimal digits of a name: two of a million names are the same once in 10^7 times.
const DIGITS: usize = 16;
/// The least that a key's file may hold.
const LEAST_KEY: usize = 16;

/// Old names to new ones.
pub(super) struct Identities {
    key: [u8; 32],
    /// Patient and study of files below the folder, as a list has them.
    listed: HashMap<PathBuf, (String, String)>,
}

/// A video's new names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) patient: String,
    pub(super) study: String,
    pub(super) video: String,
    /// Of the object that the file holds: the same of two files that hold the same one.
    pub(super) object: Option<String>,
    /// Neither a list nor the file knows the patient: folders do, perhaps.
    pub(super) by_folder: bool,
    /// There is a list, and it does not have the file: its patient may have another name elsewhere.
    pub(super) is_unlisted: bool,
}

impl Identities {
    pub(super) fn open(folder: &Path, key: Option<&Path>, private: &Path) -> Result<Self, CliError> {
        let path = key.map_or_else(|| private.join("key"), Path::to_owned);
        if key.is_none() && !path.exists() {
            let mut random = [0; 32];
            getrandom::fill(&mut random).map_err(CliError::file(&path))?;
            let text = format!("{}\n", blake3::Hash::from_bytes(random).to_hex());
            write_atomically(&path, |file| std::io::Write::write_all(file, text.as_bytes()))
                .map_err(CliError::file(&path))?;
        }
        let secret = read_bytes(&path).map_err(CliError::file(&path))?;
        if secret.len() < LEAST_KEY {
            let reason = format!("a key of {} bytes can be guessed; {LEAST_KEY} are needed", secret.len());
            return Err(CliError::File { path, reason });
        }
        // MIMIC-IV-ECHO has its list beside the folder of files, and names them from there.
        let real = folder.canonicalize().map_err(CliError::file(folder))?;
        let beside = real.parent().zip(real.file_name()).map(|(parent, name)| (parent.to_owned(), PathBuf::from(name)));
        let places = [(real.clone(), PathBuf::new())].into_iter().chain(beside);
        let (list, below) = places
            .map(|(place, below)| (place.join(RECORD_LIST), below))
            .find(|(list, _)| list.exists())
            .unwrap_or_default();
        let mut listed = HashMap::new();
        if list.is_file() {
            let all = read_list(&list)?.into_iter();
            listed.extend(all.filter_map(|(file, names)| Some((file.strip_prefix(&below).ok()?.to_owned(), names))));
        }
        if !listed.is_empty() {
            say(&format!("patients and studies of {} files are those of {}", listed.len(), list.display()));
        }
        Ok(Self { key: blake3::derive_key(PURPOSE, &secret), listed })
    }

    /// Tells one key from another, and says nothing of it.
    pub(super) fn check(&self) -> String {
        self.hash("check", "")
    }

    /// The names of a file that lies at `below` in the folder.
    pub(super) fn names(&self, below: &Path, facts: Option<&DicomFacts>) -> Names {
        let place = below.to_string_lossy().replace('\\', "/");
        let listed = self.listed.get(below).cloned();
        // Without a study's identifier its files are told apart by their folder.
        let folder = below.parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
        let of_file = || facts.and_then(|facts| Some((facts.patient.clone()?, facts.study.clone().unwrap_or(folder))));
        let is_unlisted = listed.is_none() && !self.listed.is_empty();
        let known = listed.or_else(of_file);
        let by_folder = known.is_none();
        let (patient, study) = known.unwrap_or_else(|| {
            // PATIENT/STUDY/file, or a folder for each patient.
            let folders: Vec<&str> = place.split('/').collect();
            let parent = |up: usize| folders[..folders.len().saturating_sub(up)].join("/");
            match folders.len() {
                1 => (place.clone(), place.clone()),
                2 => (parent(1), parent(1)),
                _ => (parent(2), parent(1)),
            }
        });
        let object = facts.and_then(|facts| facts.instance.as_deref());
        Names {
            patient: format!("P{}", self.hash("patient", &patient)),
            // A study's number may be that of another patient's, of another hospital.
            study: format!("S{}", self.hash("study", &format!("{patient}\0{study}"))),
            video: format!("V{}", self.hash("video", &place)),
            object: object.map(|object| self.hash("object", object)),
            by_folder,
            is_unlisted,
        }
    }

    fn hash(&self, what: &str, name: &str) -> String {
        let hash = blake3::keyed_hash(&self.key, format!("{what}\0{name}").as_bytes());
        hash.to_hex()[..DIGITS].to_owned()
    }
}

fn read_list(path: &Path) -> Result<HashMap<PathBuf, (String, String)>, CliError> {
    let bytes = fs::read(path).map_err(CliError::file(path))?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().map_err(CliError::file(path))?.clone();
    let column = |name: &str| {
        let found = header.iter().position(|column| column.trim() == name);
        let reason = format!("it has no column {name}, as MIMIC-IV-ECHO's list has");
        found.ok_or_else(|| CliError::File { path: path.to_owned(), reason })
    };
    let [patient, study, file] = [column("subject_id")?, column("study_id")?, column("dicom_filepath")?];
    let mut listed = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(CliError::file(path))?;
        let field = |at: usize| record.get(at).unwrap_or_default().trim().to_owned();
        listed.insert(PathBuf::from(field(file)), (field(patient), field(study)));
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identities(key: u8) -> Identities {
        let listed = HashMap::from([(PathBuf::from("files/p1/a.dcm"), ("1".to_owned(), "9".to_owned()))]);
        Identities { key: [key; 32], listed }
    }

    fn facts(patient: &str, study: &str, instance: &str) -> DicomFacts {
        let [patient, study, instance] = [patient, study, instance].map(|name| Some(name.to_owned()));
        DicomFacts { patient, study, instance, ..DicomFacts::default() }
    }

    #[test]
    fn the_list_beats_the_file_and_the_file_beats_folders() {
        let names = identities(1);
        let of = |place: &str, facts: Option<&DicomFacts>| names.names(Path::new(place), facts);
        let (one, two) = (facts("1", "9", "x"), facts("2", "9", "y"));
        let listed = of("files/p1/a.dcm", Some(&two));
        assert_eq!(
            (&listed.patient, &listed.study),
            (&of("b.dcm", Some(&one)).patient, &of("b.dcm", Some(&one)).study)
        );
        assert_ne!(of("b.dcm", Some(&two)).study, listed.study, "study 9 of another patient");
        assert_eq!(listed.object, of("z.dcm", Some(&two)).object);
        assert!(listed.object != of("z.dcm", Some(&one)).object && listed.video != of("z.dcm", Some(&two)).video);
        assert!(!listed.by_folder && !listed.is_unlisted && of("b.dcm", Some(&one)).is_unlisted);
        let no_study = DicomFacts { study: None, ..one.clone() };
        assert_eq!(of("c/x.dcm", Some(&no_study)).patient, listed.patient, "a patient is one, whatever its studies");
        assert_ne!(of("c/x.dcm", Some(&no_study)).study, of("d/x.dcm", Some(&no_study)).study);

        let folders = ["p1/s1/a.avi", "p1/s1/b.avi", "p1/s2/a.avi", "p2/a.avi", "a.avi"].map(|place| of(place, None));
        assert!(folders.iter().all(|names| names.by_folder));
        assert_eq!((&folders[0].study, &folders[0].patient), (&folders[1].study, &folders[2].patient));
        assert_ne!(folders[0].study, folders[2].study);
        assert_ne!(folders[0].video, folders[2].video);
        assert_ne!(folders[3].patient, folders[4].patient);
    }

    #[test]
    fn names_depend_on_the_key_and_hide_the_old_ones() {
        let patient = facts("MILLER", "1.2.3", "1.2.3.4");
        let of = |key: u8| identities(key).names(Path::new("MILLER/a.dcm"), Some(&patient));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1).patient, of(2).patient);
        assert!(!format!("{:?}", of(1)).contains("MILLER"));
        assert_ne!(identities(1).check(), identities(2).check());
    }
}
