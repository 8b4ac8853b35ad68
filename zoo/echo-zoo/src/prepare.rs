//! `echozoo prepare`: a tree of DICOM files or videos to a data set that shows hearts and names nobody.

mod identity;
mod journal;
mod sheet;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use echo_data::files_below;
use echo_files::{FileLock, UNFINISHED, counted, printable, say, write_atomically};
use echo_video::{Mask, OpenOptions, looks_like_video};
use rayon::prelude::*;

use self::identity::Identities;
use self::journal::{Done, Journal, Outcome};
use crate::find_videos::has_video_name;
use crate::output::print;
use crate::progress::Progress;
use crate::table::Table;
use crate::{CliError, interrupt};

/// The folder of what must not be passed on.
const PRIVATE: &str = "private";

/// What the data set's folder says of itself.
const DATASET: &str = "\
# What `echozoo prepare` wrote. Labels go into Labels.csv beside this file: a column FileName, and one for each label.

name = \"prepared\"
table = \"FileList.csv\"

[videos]
folder = \"Videos\"
extension = \"avi\"

[columns]
video = \"FileName\"
patient = \"Patient\"
study = \"Study\"

[labels]
table = \"Labels.csv\"

# By patient; the rest trains.
[split]
seed = 1
validation = 0.15
test = 0.3

[tasks.EF]
";

/// Flags of `echozoo prepare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of DICOM files or videos, in any order of folders below it.
    folder: PathBuf,
    /// The data set's folder. What an earlier run wrote there is kept, so that a run that was stopped goes on.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Whether all that is outside of the ultrasound sector becomes black: auto (yes) or none.
    #[arg(long, value_name = "WHICH", default_value = "auto", value_parser = mask)]
    mask: Mask,
    /// A file whose content the new names of patients, studies and videos depend on, so that two runs give the same names
    /// [default: DIR/private/key, made at random].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Use what can be decoded of truncated videos, and report it.
    #[arg(long)]
    allow_truncated: bool,
    /// Quality of the JPEGs, 50 to 100.
    #[arg(long, default_value_t = 95, value_parser = clap::value_parser!(u8).range(50..=100))]
    quality: u8,
}

fn mask(name: &str) -> Result<Mask, String> {
    match name {
        "auto" => Ok(Mask::Auto),
        "none" => Ok(Mask::None),
        _ => Err("auto or none is needed".to_owned()),
    }
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    if !args.folder.is_dir() {
        let reason = "this is no folder; give the folder that holds the files".to_owned();
        return Err(CliError::File { path: args.folder.clone(), reason });
    }
    let real = |path: &Path| path.canonicalize().ok();
    if real(&args.out).is_some_and(|out| Some(out) == real(&args.folder)) {
        return Err(CliError::Usage("--out is the folder of the files themselves; give another".to_owned()));
    }
    let private = args.out.join(PRIVATE);
    let videos = args.out.join("Videos");
    std::fs::create_dir_all(&videos).map_err(CliError::file(&videos))?;
    make_private(&private)?;
    let lock = private.join("lock");
    let Some(_lock) = FileLock::claim(&lock).map_err(CliError::file(&lock))? else {
        return Err(CliError::File {
            path: args.out.clone(),
            reason: "another process is preparing this folder".to_owned(),
        });
    };
    remove_unfinished(&videos)?;
    let identities = Identities::open(&args.folder, args.key.as_deref(), &private)?;
    let options = OpenOptions { allow_truncated: args.allow_truncated, mask: args.mask, ..OpenOptions::default() };
    let settings = format!(
        "{}, truncated {}, quality {}, names {}",
        options.decoder(),
        if args.allow_truncated { "allowed" } else { "refused" },
        args.quality,
        identities.check()
    );
    let journal = Journal::open(&private.join("journal.jsonl"), &settings)?;
    let (files, others) = inputs(&args.folder, &args.out)?;
    let progress = Mutex::new((Progress::new("files", files.len()), 0));
    let writer = write::Writer { options: &options, identities: &identities, out: &args.out, quality: args.quality };
    let one = |file: &PathBuf, is_asked_to_end: &dyn Fn() -> bool| {
        if is_asked_to_end() {
            return Err(CliError::Usage("stopped; the same command goes on".to_owned()));
        }
        let below = file.strip_prefix(&args.folder).unwrap_or(file);
        let done = match journal.known(file, below, &videos) {
            Some(done) => done,
            None => {
                let done = writer.write(file, below)?;
                journal.add(&done)?;
                done
            }
        };
        let (progress, count) = &mut *progress.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        if let Outcome::Failed { reason, .. } = &done.outcome {
            progress.line(&format!("left out: {}", printable(reason)));
        }
        progress.set(*count, &below.to_string_lossy());
        Ok(done)
    };
    let done: Vec<Done> = interrupt::hold(|is_asked_to_end| {
        files.par_iter().map(|file| one(file, is_asked_to_end)).collect::<Result<_, _>>()
    })?;
    let done = without_doubles(done, &journal, &videos)?;
    let fresh = |done: &Done| !journal.has(done);
    finish(args, &private, &done, others, &fresh)
}

/// Of files that hold the same object, the first alone.
fn without_doubles(mut done: Vec<Done>, journal: &Journal, videos: &Path) -> Result<Vec<Done>, CliError> {
    let mut seen = BTreeSet::new();
    for done in &mut done {
        let Outcome::Written(video) = &done.outcome else { continue };
        let Some(object) = &video.object else { continue };
        if !seen.insert(object.clone()) {
            let path = video.path(videos);
            let reason = "the same object as another file".to_owned();
            done.outcome = Outcome::Skipped { study: video.study.clone(), reason };
            journal.add(done)?;
            std::fs::remove_file(&path).map_err(CliError::file(&path))?;
        }
    }
    Ok(done)
}

/// What may be a video below the folder, but for what is written, and how many other files there are.
fn inputs(folder: &Path, out: &Path) -> Result<(Vec<PathBuf>, usize), CliError> {
    let files = files_below(folder).map_err(CliError::file(folder))?;
    let written = out.canonicalize().map_err(CliError::file(out))?;
    let is_ours = |file: &PathBuf| file.canonicalize().is_ok_and(|file| file.starts_with(&written));
    let files: Vec<PathBuf> = files.into_iter().filter(|file| !is_ours(file)).collect();
    let total = files.len();
    let videos: Vec<PathBuf> =
        files.into_iter().filter(|file| has_video_name(file) || looks_like_video(file)).collect();
    if videos.is_empty() {
        let reason = format!("neither DICOM nor a video is among the {total} files below this folder");
        return Err(CliError::File { path: folder.to_owned(), reason });
    }
    let others = total - videos.len();
    Ok((videos, others))
}

/// Removes what a killed run was writing.
fn remove_unfinished(videos: &Path) -> Result<(), CliError> {
    for entry in std::fs::read_dir(videos).map_err(CliError::file(videos))? {
        let path = entry.map_err(CliError::file(videos))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED)) {
            std::fs::remove_file(&path).map_err(CliError::file(&path))?;
        }
    }
    Ok(())
}

/// Makes the folder for what must not be passed on, for its owner alone.
fn make_private(folder: &Path) -> Result<(), CliError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(CliError::file(folder))
}

/// Removes the videos and sheets of files that are no longer in the folder; how many videos. Whoever takes a recording back
/// takes it out of what is passed on.
fn remove_gone(out: &Path, studies: &BTreeMap<&str, Vec<&Done>>) -> Result<usize, CliError> {
    let written = studies.values().flatten().filter_map(|done| match &done.outcome {
        Outcome::Written(video) => Some(video.name.as_str()),
        _ => None,
    });
    let videos: BTreeSet<&str> = written.collect();
    let mut gone = 0;
    for (folder, ending, is_kept) in [
        ("Videos", "avi", &(|name: &str| videos.contains(name)) as &dyn Fn(&str) -> bool),
        ("sheets", "png", &|name: &str| studies.contains_key(name)),
    ] {
        let folder = out.join(folder);
        for entry in std::fs::read_dir(&folder).map_err(CliError::file(&folder))? {
            let path = entry.map_err(CliError::file(&folder))?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            if path.extension().is_some_and(|found| found == ending) && !is_kept(name) {
                std::fs::remove_file(&path).map_err(CliError::file(&path))?;
                gone += usize::from(ending == "avi");
            }
        }
    }
    Ok(gone)
}

/// `1 other file is`, `3 other files are`.
fn counted_are(files: usize) -> String {
    format!("{} {}", counted(files, "other file"), if files == 1 { "is" } else { "are" })
}

/// Writes the tables and the sheets; `others` files are no videos, `fresh` says what this run has done.
fn finish(
    args: &Args,
    private: &Path,
    done: &[Done],
    others: usize,
    fresh: &dyn Fn(&Done) -> bool,
) -> Result<(), CliError> {
    let mut list = Table::new(&[
        "FileName",
        "Patient",
        "Study",
        "FPS",
        "NumberOfFrames",
        "FrameHeight",
        "FrameWidth",
        "SpacingRowsCm",
        "SpacingColumnsCm",
        "Warning",
    ])?;
    let mut sources = Table::new(&["Source", "FileName", "Patient", "Study"])?;
    let mut skipped = Table::new(&["Source", "Study", "Reason"])?;
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut studies: BTreeMap<&str, Vec<&Done>> = BTreeMap::new();
    let (mut patients, mut failed, mut written) = (BTreeSet::new(), 0, 0);
    let mut order: Vec<&Done> = done.iter().collect();
    order.sort_by_key(|done| done.outcome.order());
    for done in order {
        match &done.outcome {
            Outcome::Written(video) => {
                let [frames, height, width] =
                    [video.frames, video.height, video.width].map(|number| number.to_string());
                let [rows, columns] =
                    video.spacing.map_or_else(Default::default, |spacing| spacing.map(|cm| cm.to_string()));
                let cells =
                    [&video.patient, &video.study, &video.fps.to_string(), &frames, &height, &width, &rows, &columns];
                let mut cells: Vec<&str> = cells.into_iter().map(String::as_str).collect();
                cells.push(&video.warning);
                list.row(&video.name, &cells)?;
                sources.row(&done.source, &[&video.name, &video.patient, &video.study])?;
                studies.entry(&video.study).or_default().push(done);
                patients.insert(&video.patient);
                written += 1;
            }
            Outcome::Skipped { study, reason } => {
                skipped.row(&done.source, &[study, reason])?;
                *reasons.entry(reason).or_default() += 1;
                studies.entry(study).or_default().push(done);
            }
            Outcome::Failed { study, reason } => {
                skipped.row(&done.source, &[study, reason])?;
                failed += 1;
                studies.entry(study).or_default().push(done);
            }
        }
    }
    let put = |path: PathBuf, table: Table| -> Result<(), CliError> {
        let bytes = table.into_bytes(&path)?;
        write_atomically(&path, |file| std::io::Write::write_all(file, &bytes)).map_err(CliError::file(&path))
    };
    put(args.out.join("FileList.csv"), list)?;
    put(private.join("sources.csv"), sources)?;
    put(private.join("skipped.csv"), skipped)?;
    let description = args.out.join("dataset.toml");
    if !description.exists() {
        write_atomically(&description, |file| std::io::Write::write_all(file, DATASET.as_bytes()))
            .map_err(CliError::file(&description))?;
    }
    let with_videos = studies.values().filter(|videos| videos.iter().any(|done| done.outcome.is_written())).count();
    sheet::write_all(&args.out, &studies, fresh)?;
    let gone = remove_gone(&args.out, &studies)?;
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("  {count} x {reason}\n")).collect();
    let left_out = if reasons.is_empty() { String::new() } else { format!("skipped:\n{}", reasons.concat()) };
    let printed = print(&format!(
        "{} of {} of {} in {}\n{left_out}",
        counted(written, "video"),
        counted(with_videos, "study"),
        counted(patients.len(), "patient"),
        args.out.display(),
    ));
    if others > 0 {
        say(&format!("{} neither DICOM nor a video, and not looked at", counted_are(others)));
    }
    if gone > 0 {
        say(&format!("removed {} of files that are no longer there, and their sheets", counted(gone, "video")));
    }
    say(&format!(
        "look at the sheets in {} before you use or pass on the data; keep {} to yourself: it links new names to old ones",
        args.out.join("sheets").display(),
        private.display()
    ));
    if args.mask == Mask::None {
        say("nothing was masked: what stands beside the sector, names of patients for example, is in the videos");
    }
    match failed {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: done.len() }),
    }
}
