//! A data set whose tables are whole from the beginning, and whose videos are rendered when they are first needed.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use echo_files::{FileLock, lock_file};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::{GENERATOR_VERSION, Video};
use crate::marker::{self, VIDEOS, is_empty};
use crate::unfinished::Unfinished;
use crate::writer::{write_unrendered, write_video};
use crate::{DatasetSpec, PhantomError};

/// Says beside `FileList.csv` how the videos are rendered.
const RECIPE: &str = "OnDemand.toml";

/// What stands above it.
const HEADER: &str =
    "# Videos of this data set are rendered when they are first needed. Until then their files are empty.\n\n";

/// The folder of videos that have not all their place yet.
const RENDERING: &str = ".rendering";

/// Videos that are listed together; a kill costs no more than these.
const BATCH: usize = 32;

/// A data set of phantoms of which a video is an empty file until it is needed.
///
/// Any number of processes may use it at once; one after the other renders what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDemand {
    dir: PathBuf,
    spec: DatasetSpec,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    generator: u32,
    spec: DatasetSpec,
}

impl OnDemand {
    /// The data set `spec` in the folder `dir`. Where it is not there, its tables are written.
    ///
    /// # Errors
    /// The folder holds something else, the specification has no videos or more than a million, or a file cannot be written.
    pub fn create(dir: &Path, spec: &DatasetSpec) -> Result<Self, PhantomError> {
        if !dir.join(RECIPE).exists() {
            match Self::write(dir, spec) {
                Err(PhantomError::MadeMeanwhile(_)) => {}
                // Between the look and the lock.
                Err(PhantomError::NotEmpty(_)) if dir.join(RECIPE).exists() => {}
                written => written?,
            }
        }
        match Self::of(dir)? {
            Some(found) if found.spec == *spec => Ok(found),
            _ => Err(PhantomError::NotEmpty(dir.to_owned())),
        }
    }

    fn write(dir: &Path, spec: &DatasetSpec) -> Result<(), PhantomError> {
        let folder = Unfinished::beside(dir)?;
        write_unrendered(&folder.path, spec)?;
        let path = folder.path.join(RECIPE);
        let recipe = Recipe { generator: GENERATOR_VERSION, spec: spec.clone() };
        let text = toml::to_string(&recipe).map_err(|error| wrong(&path, error))?;
        echo_files::write_atomically(&path, |file| file.write_all((HEADER.to_owned() + &text).as_bytes()))
            .map_err(PhantomError::io(&path))?;
        folder.finish(dir)
    }

    /// The data set in the folder `dir`, if its videos are rendered on demand.
    ///
    /// # Errors
    /// What says how they are rendered cannot be read, or is of another version of this program.
    pub fn of(dir: &Path) -> Result<Option<Self>, PhantomError> {
        let path = dir.join(RECIPE);
        let text = match echo_files::read_text(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(PhantomError::io(&path))?,
        };
        let Recipe { generator, spec } = toml::from_str(&text).map_err(|error| wrong(&path, error))?;
        if generator != GENERATOR_VERSION {
            return Err(wrong(&path, format!("generator {generator} made it, and this is {GENERATOR_VERSION}")));
        }
        Ok(Some(Self { dir: dir.to_owned(), spec }))
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether a video has yet to be rendered.
    pub fn is_unrendered(&self, video: &Path) -> bool {
        is_empty(video)
    }

    /// Renders those of the videos `names` that are not there yet. `progress` is called from several threads with the number
    /// of videos done and in total.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn render(&self, names: &[&str], progress: &(dyn Fn(usize, usize) + Sync)) -> Result<(), PhantomError> {
        let known: HashMap<String, Video> =
            self.spec.videos()?.into_iter().map(|video| (video.name(), video)).collect();
        let unrendered = || -> Vec<(&str, Video)> {
            let known = names.iter().filter_map(|&name| Some((name, *known.get(name)?)));
            known.filter(|(name, _)| is_empty(&self.path(VIDEOS, name))).collect()
        };
        if unrendered().is_empty() {
            return Ok(());
        }
        let lock = lock_file(&self.dir, ".videos");
        let on_wait = || echo_files::say(&format!("{}: another process renders; waiting", self.dir.display()));
        let _lock = FileLock::wait(&lock, on_wait).map_err(PhantomError::io(&lock))?;
        // Without those that the other process has rendered.
        let videos = unrendered();
        let rendering = self.dir.join(RENDERING);
        let io = PhantomError::io;
        match fs::remove_dir_all(&rendering) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(&rendering)(error)),
            _ => fs::create_dir(&rendering).map_err(io(&rendering))?,
        }
        let done = AtomicUsize::new(0);
        for batch in videos.chunks(BATCH) {
            batch.par_iter().try_for_each(|&(_, video)| {
                write_video(&rendering, self.spec.recording(video)?)?;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, videos.len());
                Ok::<(), PhantomError>(())
            })?;
            // First listed, then in its place: at no instant is there a video that is not known to be a phantom.
            marker::list(&self.dir, &rendering, batch.iter().map(|(name, _)| *name))?;
            for (name, _) in batch {
                let path = self.path(VIDEOS, name);
                fs::rename(self.path(RENDERING, name), &path).map_err(io(&path))?;
            }
        }
        fs::remove_dir(&rendering).map_err(io(&rendering))
    }

    fn path(&self, folder: &str, name: &str) -> PathBuf {
        self.dir.join(folder).join(name).with_extension("avi")
    }
}

fn wrong(path: &Path, reason: impl std::fmt::Display) -> PhantomError {
    PhantomError::Recipe { path: path.to_owned(), reason: reason.to_string().trim_end().to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Site, are_phantoms, is_phantom, write_dataset};

    fn spec() -> DatasetSpec {
        DatasetSpec { train: 6, validation: 2, test: 3, ..DatasetSpec::of_site(Site::New, 3) }
    }

    fn all_are_phantoms(dir: &Path) -> bool {
        let videos = fs::read_dir(dir.join(VIDEOS)).unwrap().map(|entry| entry.unwrap().path());
        are_phantoms(dir, videos.collect::<Vec<_>>().iter().map(PathBuf::as_path)).unwrap()
    }

    fn rendered(set: &OnDemand) -> Vec<String> {
        let videos = set.spec.videos().unwrap().into_iter().map(Video::name);
        videos.filter(|name| !is_empty(&set.path(VIDEOS, name))).collect()
    }

    /// Whatever is rendered when, tables and videos are those of the data set that is written at once.
    #[test]
    fn tables_are_whole_at_once_and_videos_are_those_of_the_whole_data_set() {
        let dir = tempfile::tempdir().unwrap();
        let (whole, on_demand) = (dir.path().join("whole"), dir.path().join("on-demand"));
        write_dataset(&whole, &spec(), &|_, _| ()).unwrap();
        let set = OnDemand::create(&on_demand, &spec()).unwrap();
        for table in ["FileList.csv", "Findings.csv"] {
            assert_eq!(fs::read(on_demand.join(table)).unwrap(), fs::read(whole.join(table)).unwrap(), "{table}");
        }
        assert_eq!(rendered(&set), Vec::<String>::new());
        assert!(all_are_phantoms(&on_demand));

        let names = ["phantom-new-train-00004", "phantom-new-test-00002"];
        let told = Mutex::new(Vec::new());
        let unknown = ["phantom-new-train-00004", "phantom-new-test-00002", "phantom-new-test-00009", "../else"];
        set.render(&unknown, &|done, total| told.lock().unwrap().push((done, total))).unwrap();
        assert_eq!(rendered(&set), names);
        told.lock().unwrap().sort_unstable();
        assert_eq!(*told.lock().unwrap(), [(1, 2), (2, 2)]);
        for name in names {
            let video = |dir: &Path| dir.join(VIDEOS).join(name).with_extension("avi");
            assert_eq!(fs::read(video(&on_demand)).unwrap(), fs::read(video(&whole)).unwrap());
            assert!(is_phantom(&video(&on_demand)).unwrap());
        }
        assert!(all_are_phantoms(&on_demand));
        assert!(!on_demand.join(RENDERING).exists());

        // What is there is not rendered again; what is no phantom does not become one.
        fs::write(set.path(VIDEOS, names[0]), "a patient").unwrap();
        let again = OnDemand::create(&on_demand, &spec()).unwrap();
        again.render(&names, &|_, _| panic!("rendered twice")).unwrap();
        assert!(!all_are_phantoms(&on_demand));
    }

    #[test]
    fn what_a_kill_left_is_rendered_and_listed_once() {
        let dir = tempfile::tempdir().unwrap();
        let on_demand = dir.path().join("set");
        let set = OnDemand::create(&on_demand, &spec()).unwrap();
        let name = "phantom-new-val-00001";
        // Killed between the list and the last rename.
        set.render(&[name], &|_, _| ()).unwrap();
        let list = fs::read(on_demand.join("Phantoms.csv")).unwrap();
        fs::write(set.path(VIDEOS, name), "").unwrap();
        fs::create_dir(on_demand.join(RENDERING)).unwrap();
        fs::write(set.path(RENDERING, name), "half").unwrap();
        set.render(&[name], &|_, _| ()).unwrap();
        assert_eq!(rendered(&set), [name]);
        assert_eq!(fs::read(on_demand.join("Phantoms.csv")).unwrap(), list);
        assert!(is_phantom(&set.path(VIDEOS, name)).unwrap());
    }

    #[test]
    fn several_render_at_once_and_no_video_twice() {
        let dir = tempfile::tempdir().unwrap();
        let on_demand = dir.path().join("set");
        let names: Vec<String> = spec().videos().unwrap().into_iter().map(Video::name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for part in [&names[..8], &names[4..], &names[..]] {
                let (made, on_demand) = (&made, &on_demand);
                scope.spawn(move || {
                    let set = OnDemand::create(on_demand, &spec()).unwrap();
                    set.render(part, &|_, _| _ = made.fetch_add(1, Ordering::Relaxed)).unwrap();
                });
            }
        });
        let set = OnDemand::of(&on_demand).unwrap().unwrap();
        assert_eq!((rendered(&set).len(), made.into_inner()), (11, 11));
        assert!(all_are_phantoms(&on_demand));
    }

    #[test]
    fn a_folder_of_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert_eq!(OnDemand::of(&path("nowhere")).unwrap(), None);
        let other = DatasetSpec { seed: 4, ..spec() };
        OnDemand::create(&path("other"), &other).unwrap();
        assert!(matches!(OnDemand::create(&path("other"), &spec()), Err(PhantomError::NotEmpty(_))));
        fs::create_dir(path("mine")).unwrap();
        fs::write(path("mine/thesis.txt"), "mine").unwrap();
        assert!(matches!(OnDemand::create(&path("mine"), &spec()), Err(PhantomError::NotEmpty(_))));

        let recipe = path("other").join(RECIPE);
        let text = fs::read_to_string(&recipe).unwrap();
        for (from, to, reason) in [("generator = ", "generator = 9", "generator 9"), ("seed", "sed", "sed")] {
            fs::write(&recipe, text.replace(from, to)).unwrap();
            let error = OnDemand::of(&path("other")).unwrap_err().to_string();
            assert!(error.contains(RECIPE) && error.contains(reason) && error.contains("remove"), "{error}");
        }
    }
}
