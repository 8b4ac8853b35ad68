//! A folder with a few phantoms, and videos of other kinds.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use echo_phantom::{DatasetSpec, Phantom, Population, write_dataset};
use echo_video::AviWriter;

pub struct Place(tempfile::TempDir);

impl Place {
    /// With `videos` phantoms in the data set `data`, if any.
    pub fn new(videos: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if videos > 0 {
            write_dataset(&dir.path().join("data"), &DatasetSpec::with_total(videos, 5), &|_, _| ()).unwrap();
        }
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The phantoms, by name.
    pub fn videos(&self) -> Vec<PathBuf> {
        let videos = std::fs::read_dir(self.path("data/Videos")).unwrap();
        let mut videos: Vec<PathBuf> = videos.map(|entry| entry.unwrap().path()).collect();
        videos.sort();
        videos
    }

    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_echozoo"), args)
    }

    /// The same of another program.
    pub fn command_of(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.0.path()).env("ECHOZOO_HOME", self.path("home")).stdin(Stdio::null());
        command
    }

    /// Runs what must end with `code`; standard output and standard error.
    pub fn run(&self, code: i32, args: &[&str]) -> (String, String) {
        ended(code, &mut self.command(args))
    }

    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Videos of the default data sets in `home` that have been rendered.
    pub fn rendered(&self, home: &str) -> Vec<PathBuf> {
        let below =
            |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        let sets = below(self.path(home).join("data")).filter(|path| path.is_dir()).flat_map(below);
        let videos = sets.flat_map(|set| below(set.join("Videos")));
        videos.filter(|video| std::fs::metadata(video).is_ok_and(|metadata| metadata.len() > 0)).collect()
    }

    /// Rows of a CSV file by their columns' names.
    pub fn rows(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        csv::Reader::from_path(self.path(name)).unwrap().deserialize().map(Result::unwrap).collect()
    }

    /// Writes a video of the frames of a heart with these numbers.
    pub fn write_video(&self, name: &str, frames: impl IntoIterator<Item = usize>) -> PathBuf {
        let jpegs: Vec<Vec<u8>> =
            Phantom::draw(7, 0, Population::Target(35.0)).unwrap().render().jpegs().map(Result::unwrap).collect();
        self.write_jpegs(name, 112, frames.into_iter().map(|frame| jpegs[frame].as_slice()))
    }

    /// Writes a video of JPEG images of `side` pixels.
    pub fn write_jpegs<'a>(&self, name: &str, side: usize, jpegs: impl IntoIterator<Item = &'a [u8]>) -> PathBuf {
        let path = self.path(name);
        let mut writer = AviWriter::create(&path, side, side, 50.0).unwrap();
        jpegs.into_iter().for_each(|jpeg| writer.push(jpeg).unwrap());
        writer.finish().unwrap();
        path
    }
}

/// Runs what must end with `code`; standard output and standard error.
pub fn ended(code: i32, command: &mut Command) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (out, err) = (text(&stdout), text(&stderr));
    assert_eq!(status.code(), Some(code), "{command:?}\n{out}{err}");
    (out, err)
}

pub fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
