//! A folder of phantoms in EchoNet-Dynamic's layout.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use echo_random::Stream;
use rayon::prelude::*;

use crate::acquisition::Quality;
use crate::sector::FRAME_SIZE;
use crate::tracing::Tracing;
use crate::{Phantom, PhantomError, Population};

/// Raised whenever the same seed gives other files: folders made by another version are not reused.
pub const GENERATOR_VERSION: u32 = 3;

/// Part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Enriched: all ejection fractions are about equally frequent.
    Train,
    /// As in patients.
    Validation,
    /// As in patients.
    Test,
}

impl Split {
    /// All splits, in the order in which they are written.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name in the column `Split`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "TRAIN",
            Self::Validation => "VAL",
            Self::Test => "TEST",
        }
    }

    /// Phantoms of different splits have numbers in disjoint ranges, whatever the splits' sizes.
    fn first_index(self) -> u64 {
        match self {
            Self::Train => 0,
            Self::Validation => 1 << 40,
            Self::Test => 1 << 41,
        }
    }
}

/// What a data set holds. The default has 600 training, 200 validation and 400 test videos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetSpec {
    /// Number of training videos.
    pub train: usize,
    /// Number of validation videos.
    pub validation: usize,
    /// Number of test videos.
    pub test: usize,
    /// Seed of all of them.
    pub seed: u64,
    /// How good the recordings are.
    pub quality: Quality,
}

impl Default for DatasetSpec {
    fn default() -> Self {
        Self { train: 600, validation: 200, test: 400, seed: 1, quality: Quality::Typical }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Number of videos per split, in the order of [`Split::ALL`].
    pub videos: [usize; 3],
    /// Frames in all videos.
    pub frames: usize,
    /// Smallest and largest ejection fraction, percent.
    pub ef_range: (f64, f64),
}

/// Whole ejection fractions that the training pool holds, and how many videos of each at least.
const POOL: [(std::ops::RangeInclusive<u32>, usize); 3] = [(20..=75, 8), (15..=19, 4), (76..=80, 4)];

impl DatasetSpec {
    /// `count` videos, split about as the default: a half, a sixth and a third.
    pub fn with_total(count: usize, seed: u64) -> Self {
        let test = (count + 1) / 3;
        let validation = (count - test) / 4;
        Self { train: count - test - validation, validation, test, seed, quality: Quality::Typical }
    }

    /// Number of videos.
    pub fn total(&self) -> usize {
        self.train + self.validation + self.test
    }

    /// A name that changes with everything that changes the files; good as a folder's name.
    pub fn id(&self) -> String {
        let Self { train, validation, test, seed, quality } = self;
        let quality = match quality {
            Quality::Typical => "",
            Quality::Easy => "-easy",
        };
        format!("phantom-v{GENERATOR_VERSION}-{train}-{validation}-{test}-s{seed}{quality}")
    }

    /// Number of videos in a split.
    pub fn len(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    /// Every video's split, number within the split and population, in the order of the table.
    fn videos(&self) -> Vec<Video> {
        let pool = self.training_pool();
        let of = |split: Split| {
            let pool = &pool;
            (0..self.len(split)).map(move |number| Video {
                split,
                number,
                population: if split == Split::Train { pool[number] } else { Population::Natural },
            })
        };
        Split::ALL.into_iter().flat_map(of).collect()
    }

    /// One video per whole ejection fraction in turn until each has its share, then patients as they come.
    fn training_pool(&self) -> Vec<Population> {
        let mut stream = Stream::new(self.seed, "phantom/pool", 0);
        let rounds = POOL.iter().map(|(_, share)| *share).max().unwrap_or(0);
        let mut pool = Vec::with_capacity(self.train);
        for round in 0..rounds {
            let mut bins: Vec<u32> =
                POOL.iter().filter(|(_, share)| round < *share).flat_map(|(bins, _)| bins.clone()).collect();
            stream.shuffle(&mut bins);
            // Away from the edges of the bin, so that rounding cannot move the label into the next one.
            pool.extend(bins.into_iter().map(|bin| Population::Target(f64::from(bin) + stream.range(0.02, 0.98))));
        }
        pool.resize(self.train, Population::Natural);
        stream.shuffle(&mut pool);
        pool
    }
}

#[derive(Clone, Copy, Debug)]
struct Video {
    split: Split,
    number: usize,
    population: Population,
}

impl Video {
    fn name(&self) -> String {
        format!("phantom-{}-{:05}", self.split.name().to_lowercase(), self.number)
    }

    fn phantom(&self, spec: &DatasetSpec) -> Result<Phantom, PhantomError> {
        let index = self.split.first_index() + self.number as u64;
        Phantom::draw_with(spec.seed, index, self.population, spec.quality)
    }
}

/// A row of `FileList.csv` and the tracings that belong to it.
struct Written {
    video: Video,
    ef: f64,
    esv: f64,
    edv: f64,
    fps: u32,
    frames: usize,
    tracings: [Tracing; 2],
}

/// Writes the data set to the folder `out`: `Videos/*.avi`, `FileList.csv` and `VolumeTracings.csv`.
///
/// All is written into a folder beside `out`, which takes its name when it is complete, so that `out` never holds
/// half a data set. `progress` is called from several threads with the number of videos done and in total. The files
/// do not depend on the number of threads.
///
/// # Errors
/// When `out` holds something, when the specification is empty, or when a file cannot be written.
pub fn write_dataset(
    out: &Path,
    spec: &DatasetSpec,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Summary, PhantomError> {
    if spec.total() == 0 {
        return Err(PhantomError::NoVideos);
    }
    let folder = Unfinished::beside(out)?;
    let videos = folder.path.join("Videos");
    fs::create_dir_all(&videos).map_err(PhantomError::io(&videos))?;

    let done = AtomicUsize::new(0);
    let total = spec.total();
    let written: Vec<Written> = spec
        .videos()
        .into_par_iter()
        .map(|video| {
            let written = write_video(&videos, video, spec)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            Ok(written)
        })
        .collect::<Result<_, PhantomError>>()?;

    write_file_list(&folder.path.join("FileList.csv"), &written)?;
    write_tracings(&folder.path.join("VolumeTracings.csv"), &written)?;
    folder.finish(out)?;
    Ok(Summary {
        videos: Split::ALL.map(|split| spec.len(split)),
        frames: written.iter().map(|video| video.frames).sum(),
        ef_range: written
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), video| (low.min(video.ef), high.max(video.ef))),
    })
}

fn write_video(folder: &Path, video: Video, spec: &DatasetSpec) -> Result<Written, PhantomError> {
    let rendered = video.phantom(spec)?.render();
    rendered.write_avi(&folder.join(video.name()).with_extension("avi"))?;
    Ok(Written {
        video,
        ef: rendered.ef(),
        esv: rendered.esv(),
        edv: rendered.edv(),
        fps: rendered.fps,
        frames: rendered.frame_count(),
        tracings: [rendered.end_diastole, rendered.end_systole],
    })
}

fn write_file_list(path: &Path, written: &[Written]) -> Result<(), PhantomError> {
    let mut table = csv::Writer::from_path(path).map_err(PhantomError::csv(path))?;
    let mut write = |row: [String; 9]| table.write_record(row).map_err(PhantomError::csv(path));
    write(
        ["FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split"]
            .map(str::to_owned),
    )?;
    for Written { video, ef, esv, edv, fps, frames, .. } in written {
        write([
            video.name(),
            format!("{ef:.8}"),
            format!("{esv:.8}"),
            format!("{edv:.8}"),
            FRAME_SIZE.to_string(),
            FRAME_SIZE.to_string(),
            fps.to_string(),
            frames.to_string(),
            video.split.name().to_owned(),
        ])?;
    }
    table.flush().map_err(PhantomError::io(path))
}

fn write_tracings(path: &Path, written: &[Written]) -> Result<(), PhantomError> {
    let mut table = csv::Writer::from_path(path).map_err(PhantomError::csv(path))?;
    table.write_record(["FileName", "X1", "Y1", "X2", "Y2", "Frame"]).map_err(PhantomError::csv(path))?;
    for Written { video, tracings, .. } in written {
        let name = format!("{}.avi", video.name());
        for tracing in tracings {
            let frame = tracing.frame.to_string();
            for [(x1, y1), (x2, y2)] in tracing.lines() {
                let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(|value| format!("{value:.4}"));
                table.write_record([&name, &x1, &y1, &x2, &y2, &frame]).map_err(PhantomError::csv(path))?;
            }
        }
    }
    table.flush().map_err(PhantomError::io(path))
}

/// A folder that disappears unless it is finished.
struct Unfinished {
    path: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// A new folder beside `out`, on the same file system so that it can be renamed.
    fn beside(out: &Path) -> Result<Self, PhantomError> {
        match fs::read_dir(out) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(PhantomError::NotEmpty(out.to_owned()));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(PhantomError::NotAFolder(out.to_owned()));
            }
            Err(error) => return Err(PhantomError::io(out)(error)),
        }
        let name = out.file_name().ok_or_else(|| PhantomError::NotAFolder(out.to_owned()))?;
        // The process number keeps two runs into the same folder apart; the slower one fails at its end.
        let path = out.with_file_name(format!(".{}.unfinished-{}", name.to_string_lossy(), std::process::id()));
        fs::create_dir_all(&path).map_err(PhantomError::io(&path))?;
        Ok(Self { path, finished: false })
    }

    fn finish(mut self, out: &Path) -> Result<(), PhantomError> {
        // An empty folder may be in the place; one that has been filled meanwhile may not be replaced.
        match fs::remove_dir(out) {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
                return Err(PhantomError::NotEmpty(out.to_owned()));
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(PhantomError::io(out)(error)),
            _ => {}
        }
        fs::rename(&self.path, out).map_err(PhantomError::io(out))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing can be done about a failure here; the folder's name says what it is.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_split_and_kept() {
        for count in 1..200 {
            let spec = DatasetSpec::with_total(count, 1);
            assert_eq!(spec.total(), count);
            assert!(spec.train >= 1);
        }
        let DatasetSpec { train, validation, test, .. } = DatasetSpec::with_total(1200, 1);
        assert_eq!((train, validation, test), (600, 200, 400));
    }

    #[test]
    fn names_change_with_everything_that_changes_the_files() {
        let base = DatasetSpec::default();
        let others = [
            DatasetSpec { train: 601, ..base.clone() },
            DatasetSpec { validation: 1, ..base.clone() },
            DatasetSpec { test: 1, ..base.clone() },
            DatasetSpec { seed: 2, ..base.clone() },
            DatasetSpec { quality: Quality::Easy, ..base.clone() },
        ];
        assert!(others.iter().all(|other| other.id() != base.id()));
        assert!(base.id().contains(&format!("v{GENERATOR_VERSION}")));
    }

    /// By their labels, not by what was asked for.
    #[test]
    fn the_training_pool_covers_every_whole_ejection_fraction() {
        for seed in [1, 2, 77] {
            let spec = DatasetSpec { seed, ..DatasetSpec::default() };
            assert!(spec.train >= 600 && spec.validation >= 200 && spec.test >= 400);
            let mut in_bin = [0; 100];
            for video in spec.videos().iter().filter(|video| video.split == Split::Train) {
                let [diastole, systole] = video.phantom(&spec).unwrap().tracings().map(|tracing| tracing.volume());
                in_bin[(100.0 * (1.0 - systole / diastole)).floor() as usize] += 1;
            }
            assert!(in_bin[20..=75].iter().all(|&count| count >= 8), "seed {seed}: {in_bin:?}");
            assert!(in_bin[15..=80].iter().all(|&count| count >= 4), "seed {seed}: {in_bin:?}");
        }
    }

    #[test]
    fn phantoms_of_different_splits_have_different_numbers() {
        let spec = DatasetSpec { train: 1000, validation: 1000, test: 1000, ..DatasetSpec::default() };
        let mut indices: Vec<u64> =
            spec.videos().iter().map(|video| video.split.first_index() + video.number as u64).collect();
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), 3000);
    }
}
