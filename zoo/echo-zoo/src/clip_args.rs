//! Videos, folders of videos or ready clips: what several commands take.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor, TensorData};
use echo_bench::Observer;
use echo_core::ClipSpec;
use echo_data::{ClipError, Look, SAME_LEVELS, Start, clip_starts, count_pictures, doubt, for_each_clip};
use echo_files::counted;
use echo_video::{Mask, OpenOptions, Video, VideoError};

use crate::CliError;
use crate::array_file::read_safetensors;
use crate::find_videos::find_videos;
use crate::names::Names;
use crate::progress::Display;

/// The smallest side of a frame that every encoder takes: four halvings and a stem of four pixels need it.
const SMALLEST_SIDE: usize = 32;

/// Flags that name clips.
#[derive(Debug, clap::Args)]
pub(crate) struct ClipArgs {
    /// Videos, or folders of videos.
    pub(crate) inputs: Vec<PathBuf>,
    /// What the user named, where that is something else.
    #[arg(skip)]
    named: Option<Vec<PathBuf>>,
    /// Is told how far it is, where that is not the terminal.
    #[arg(skip)]
    observer: Option<Arc<dyn Observer>>,
    /// Ready clips (tensor `clip`, floats [batch, 3, frames, height, width]) instead of videos.
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    pub(crate) tensor: Option<PathBuf>,
    /// Use what can be decoded of truncated videos, and report it.
    #[arg(long, conflicts_with = "tensor")]
    allow_truncated: bool,
    /// Which videos show nothing but their ultrasound sector: dicom, auto (all of them) or none.
    #[arg(long, value_name = "WHICH", default_value = "dicom", conflicts_with = "tensor")]
    mask: Mask,
}

/// What was made of one video, of one ready clip, or of the videos of a study.
#[derive(Debug)]
pub(crate) struct Row<R> {
    pub(crate) name: String,
    /// The videos.
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) value: R,
    /// What is doubtful about it.
    pub(crate) doubts: BTreeSet<String>,
}

impl Row<()> {
    /// The row of what is made of several.
    pub(crate) fn together<R>(name: String, rows: &[&Row<R>]) -> Self {
        let paths = rows.iter().flat_map(|row| row.paths.iter().cloned()).collect();
        let doubts = rows.iter().flat_map(|row| row.doubts.iter().cloned()).collect();
        Self { name, paths, value: (), doubts }
    }
}

/// What was made of all of them, and which files could not be used.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    pub(crate) rows: Vec<Row<R>>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// A file that was not used, and why.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// The file.
    pub path: PathBuf,
    /// Why, with its name.
    pub reason: String,
    /// Whether it should have been: it was named, or is damaged. A folder may hold reports, stills and spectra.
    pub is_fault: bool,
}

/// The message about a clip that was used, whatever is doubtful about it.
pub(crate) fn used_all_the_same(name: &str, doubt: &str) -> String {
    format!("{name}: {doubt}; used all the same")
}

/// What ends a command of whose files none could be used.
pub(crate) fn nothing_used(left_out: &[LeftOut]) -> CliError {
    match left_out.iter().any(|file| file.is_fault) {
        true => CliError::Inputs { failed: left_out.len(), total: left_out.len() },
        false => CliError::Usage(format!("none of these {} shows a moving heart", counted(left_out.len(), "file"))),
    }
}

impl<R> Rows<R> {
    /// How many files should have been used.
    pub(crate) fn faults(&self) -> usize {
        self.left_out.iter().filter(|file| file.is_fault).count()
    }
}

impl<T> Rows<Vec<T>> {
    /// All videos as those of one study.
    ///
    /// # Errors
    /// One of them is there twice.
    pub(crate) fn together<R>(self, conclude: impl FnOnce(Vec<T>) -> R) -> Result<Rows<R>, CliError> {
        let (mut values, mut paths, mut doubts) = (Vec::new(), Vec::new(), BTreeSet::new());
        for row in self.rows {
            values.extend(row.value);
            paths.extend(row.paths);
            doubts.extend(row.doubts);
        }
        refuse_twice(paths.iter())?;
        let of_all = if !self.left_out.is_empty() { format!("{} of ", paths.len()) } else { String::new() };
        let name = format!("study of {of_all}{}", counted(paths.len() + self.left_out.len(), "video"));
        Ok(Rows { rows: vec![Row { name, paths, value: conclude(values), doubts }], left_out: self.left_out })
    }
}

/// # Errors
/// One of a study's videos is there twice.
pub(crate) fn refuse_twice<'a>(mut paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), CliError> {
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut seen = BTreeSet::new();
    match paths.find(|path| !seen.insert(real(path))) {
        Some(twice) => {
            let reason = "is there twice, and would count twice in a study";
            Err(CliError::Usage(format!("{} {reason}", twice.display())))
        }
        None => Ok(()),
    }
}

/// How many clips of a video are seen, spread evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PerVideo {
    /// So many of each.
    Number(usize),
    /// One from every frame that a clip can begin at.
    EveryStart,
}

impl From<u16> for PerVideo {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl FromStr for PerVideo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("all", _) => Ok(Self::EveryStart),
            (_, Ok(number @ 1..=64)) => Ok(Self::Number(number)),
            _ => Err(format!("{text:?} is neither a number from 1 to 64 nor all")),
        }
    }
}

impl PerVideo {
    /// How many of the video at `path`; 1 where it cannot be read, which is told when it is decoded.
    fn of(self, path: &Path, spec: &ClipSpec, options: &OpenOptions) -> usize {
        match self {
            Self::Number(number) => number,
            Self::EveryStart => Video::open(path, options).map_or(1, |video| clip_starts(video.info().frames, spec)),
        }
    }
}

/// A video some of whose clips have been seen.
struct Pending<T> {
    clips: Vec<Option<T>>,
    missing: usize,
    doubts: BTreeSet<String>,
    failed: bool,
}

impl ClipArgs {
    /// The same flags for other videos.
    pub(crate) fn of(&self, inputs: Vec<PathBuf>) -> Self {
        let named = self.named().to_vec();
        let observer = self.observer.clone();
        let Self { allow_truncated, mask, .. } = *self;
        Self { inputs, named: Some(named), observer, tensor: None, allow_truncated, mask }
    }

    /// The same flags with somebody else than the terminal to be told how far it is.
    pub(crate) fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// What the user named.
    fn named(&self) -> &[PathBuf] {
        self.named.as_deref().unwrap_or(&self.inputs)
    }

    /// What the videos are called in results.
    pub(crate) fn names(&self) -> Names {
        Names::of(self.named())
    }

    /// The files that are read; what cannot be listed is told when it is.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        find_videos(&self.inputs).unwrap_or_default().into_iter().chain(self.tensor.clone()).collect()
    }

    /// How videos are opened.
    pub(crate) fn options(&self) -> OpenOptions {
        OpenOptions { allow_truncated: self.allow_truncated, mask: self.mask, ..OpenOptions::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.tensor.is_none()
    }

    /// Hands every clip, `[1, 3, frames, height, width]`, to `see`: `clips` of each video, spread evenly, or every
    /// one of the ready ones. A file that cannot be used is named on standard error and counted.
    ///
    /// # Errors
    /// A folder or the file of ready clips cannot be read, or nothing at all could be used.
    pub(crate) fn see<T: Send>(
        &self,
        spec: &ClipSpec,
        clips: impl Into<PerVideo>,
        device: &Device,
        see: impl Fn(Tensor<5>) -> T + Sync,
    ) -> Result<Rows<Vec<T>>, CliError> {
        let look = |_: &Path, index, of| Start::Even { index, of }.into();
        self.see_as(spec, clips.into(), look, device, see, |seen| seen)
    }

    /// The same with clips of a video that are seen as `look` says of its path, the clip's place and their number. What was seen of a
    /// video goes to `conclude` as soon as all of it is there, and is then forgotten, so that memory does not grow with
    /// the number of videos.
    ///
    /// # Errors
    /// As [`see`](Self::see).
    pub(crate) fn see_as<T: Send, R>(
        &self,
        spec: &ClipSpec,
        clips: PerVideo,
        look: impl Fn(&Path, usize, usize) -> Look + Sync,
        device: &Device,
        see: impl Fn(Tensor<5>) -> T + Sync,
        conclude: impl FnMut(Vec<T>) -> R,
    ) -> Result<Rows<R>, CliError> {
        let seen = self.see_each(spec, clips, look, device, see, conclude)?;
        if seen.rows.is_empty() { Err(nothing_used(&seen.left_out)) } else { Ok(seen) }
    }

    /// The same where none of the files need be of use.
    ///
    /// # Errors
    /// A folder or the file of ready clips cannot be read, or the observer stopped it.
    pub(crate) fn see_each<T: Send, R>(
        &self,
        spec: &ClipSpec,
        clips: PerVideo,
        look: impl Fn(&Path, usize, usize) -> Look + Sync,
        device: &Device,
        see: impl Fn(Tensor<5>) -> T + Sync,
        mut conclude: impl FnMut(Vec<T>) -> R,
    ) -> Result<Rows<R>, CliError> {
        let observer = self.observer.clone().unwrap_or_else(|| Arc::new(Display::default()));
        if let Some(path) = &self.tensor {
            let (shape, values) = read_safetensors(path, "clip")?;
            let clips = ready_clips(&shape, &values, spec, device).map_err(CliError::file(path))?;
            for (row, doubt) in
                clips.iter().enumerate().flat_map(|(row, (_, doubts))| doubts.iter().map(move |d| (row, d)))
            {
                observer.line(&used_all_the_same(&format!("{}: clip {row}", path.display()), doubt));
            }
            return see_ready(clips, &*observer, |clip| conclude(vec![see(clip)]));
        }
        let files = find_videos(&self.inputs)?;
        let names = self.names();
        let options = self.options();
        let counts: Vec<usize> = files.iter().map(|file| clips.of(file, spec, &options)).collect();
        // All clips of a video, then those of the next: each by its video's number and its place in it.
        let of_file = |(file, &count): (usize, &usize)| (0..count).map(move |clip| (file, clip));
        let places: Vec<(usize, usize)> = counts.iter().enumerate().flat_map(of_file).collect();
        let paths: Vec<&Path> = places.iter().map(|&(file, _)| files[file].as_path()).collect();
        let done = AtomicUsize::new(0);
        let progress = |message: &str| observer.progress("clips", done.load(Ordering::Relaxed), paths.len(), message);
        // At full size a clip takes long enough to want to know what is done with it.
        let tell = |what: &str, place: usize| {
            let name = paths[place].file_name().unwrap_or_default().to_string_lossy();
            progress(&format!("{what} {name}"));
        };
        let mut pending: BTreeMap<usize, Pending<T>> = BTreeMap::new();
        let mut rows: BTreeMap<usize, Row<R>> = BTreeMap::new();
        let mut left_out: BTreeMap<usize, LeftOut> = BTreeMap::new();
        for_each_clip(
            &paths,
            spec,
            |place| {
                tell("reading", place);
                let (file, clip) = places[place];
                look(paths[place], clip, counts[file])
            },
            &options,
            |place, loaded| {
                tell("encoding", place);
                (see(loaded.clip.into_tensor(device)), loaded.truncation, loaded.warnings)
            },
            |place, result| {
                let (file, clip) = places[place];
                let path = paths[place];
                let of_file = pending.entry(file).or_insert_with(|| Pending {
                    clips: std::iter::repeat_with(|| None).take(counts[file]).collect(),
                    missing: counts[file],
                    doubts: BTreeSet::new(),
                    failed: false,
                });
                match result {
                    Ok((seen, truncation, warnings)) => {
                        of_file.clips[clip] = Some(seen);
                        of_file.doubts.extend(truncation.map(|missing| format!("truncated: {missing}")));
                        of_file.doubts.extend(warnings);
                    }
                    // What is wrong with a file is said once, not once for every clip.
                    Err(_) if of_file.failed => {}
                    Err(error) => {
                        of_file.failed = true;
                        let reason = error.to_string();
                        observer.line(&format!("left out: {reason}"));
                        let is_fault = is_fault(self.named(), path, &error.into());
                        left_out.insert(file, LeftOut { path: path.to_owned(), reason, is_fault });
                    }
                }
                of_file.missing -= 1;
                if of_file.missing == 0
                    && let Some(Pending { clips, doubts, failed: false, .. }) = pending.remove(&file)
                {
                    for doubt in &doubts {
                        observer.line(&used_all_the_same(&path.display().to_string(), doubt));
                    }
                    let value = conclude(clips.into_iter().flatten().collect());
                    let name = names.name(path);
                    rows.insert(file, Row { name, paths: vec![path.to_owned()], value, doubts });
                }
                done.fetch_add(1, Ordering::Relaxed);
                progress("");
                if observer.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        if done.load(Ordering::Relaxed) < paths.len() {
            return Err(CliError::Stopped);
        }
        Ok(Rows { rows: rows.into_values().collect(), left_out: left_out.into_values().collect() })
    }
}

/// Whether a file is sound and of another kind: a report, a still or a spectrum.
fn shows_no_heart(error: &VideoError) -> bool {
    matches!(error, VideoError::NoPicture { .. } | VideoError::NoSector { .. })
}

/// Whether a file that is left out should have been used, as [`LeftOut::is_fault`] has it.
pub(crate) fn is_fault(inputs: &[PathBuf], path: &Path, error: &CliError) -> bool {
    let of_another_kind = match error {
        CliError::Video(error) | CliError::Clip(ClipError::Video(error)) => shows_no_heart(error),
        _ => false,
    };
    inputs.iter().any(|input| input == path) || !of_another_kind
}

/// A clip, and what is doubtful about it.
pub(crate) type ReadyClip = (Tensor<5>, BTreeSet<String>);

/// What `see` makes of ready clips.
///
/// # Errors
/// The observer asked to stop.
pub(crate) fn see_ready<T>(
    clips: Vec<ReadyClip>,
    observer: &dyn Observer,
    mut see: impl FnMut(Tensor<5>) -> T,
) -> Result<Rows<T>, CliError> {
    let row = |(row, (clip, doubts)): (usize, ReadyClip)| match observer.is_stopped() {
        true => Err(CliError::Stopped),
        false => Ok(Row { name: format!("clip {row}"), paths: Vec::new(), value: see(clip), doubts }),
    };
    Ok(Rows { rows: clips.into_iter().enumerate().map(row).collect::<Result<_, _>>()?, left_out: Vec::new() })
}

/// The single clips of a tensor.
///
/// # Errors
/// They are none: their shape or a value cannot be that of a clip.
pub(crate) fn ready_clips(
    shape: &[usize],
    values: &[f32],
    spec: &ClipSpec,
    device: &Device,
) -> Result<Vec<ReadyClip>, String> {
    let [batch, 3, frames, height, width] = shape[..] else {
        return Err(format!("tensor \"clip\" has shape {shape:?}; [batch, 3, frames, height, width] is needed"));
    };
    if values.is_empty() || height < SMALLEST_SIDE || width < SMALLEST_SIDE {
        return Err(format!(
            "tensor \"clip\" has shape {shape:?}; frames of at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels are needed"
        ));
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err("tensor \"clip\" holds values that are not finite".to_owned());
    }
    let size = other_size([frames, height, width], spec);
    let clips = values.chunks_exact(values.len() / batch).map(|values| {
        let doubts =
            [size.clone(), out_of_range(values, spec), still(values, frames, spec)].into_iter().flatten().collect();
        let data = TensorData::new(values.to_vec(), [1, 3, frames, height, width]);
        (Tensor::from_data(data, device), doubts)
    });
    Ok(clips.collect())
}

/// Whether frames, height and width are others than those of the encoder's own clips.
fn other_size(found: [usize; 3], spec: &ClipSpec) -> Option<String> {
    let own = [spec.frames, spec.size, spec.size];
    (found != own)
        .then(|| format!("frames, height and width are {found:?}, where the encoder's own clips have {own:?}"))
}

/// Whether values `[3, ...]` cannot be what the encoder's normalisation makes of the pixels 0 to 255.
fn out_of_range(values: &[f32], spec: &ClipSpec) -> Option<String> {
    values.chunks_exact(values.len() / 3).enumerate().find_map(|(channel, values)| {
        let normalised = |pixel: f32| (pixel * spec.scale - spec.mean[channel]) / spec.std[channel];
        let (black, white) = (normalised(0.0), normalised(255.0));
        let range = |limit: fn(f32, f32) -> f32, first: f32| values.iter().copied().fold(first, limit);
        let (low, high) = (range(f32::min, f32::INFINITY), range(f32::max, f32::NEG_INFINITY));
        // Resizing with floats overshoots, by less than this.
        let slack = (white - black) / 2.0;
        let is_outside = low < black - slack || high > white + slack;
        // Pixels that were scaled to 0..1 or -1..1 and no more. There is black in every ultrasound picture, and what
        // overshoots it is less than a fifth of what lies above.
        let is_scaled = low >= -1.0 && high <= 1.0 && (low - black).abs() > (high - black).abs() / 5.0;
        (is_outside || is_scaled).then(|| {
            format!(
                "values from {low:.2} to {high:.2}, where the encoder's normalisation of pixels gives {black:.2} for \
                 black to {white:.2} for white"
            )
        })
    })
}

/// What is doubtful about how much `[3, frames, height, width]` shows.
fn still(values: &[f32], frames: usize, spec: &ClipSpec) -> Option<String> {
    let plane = values.len() / 3 / frames;
    let pictures = count_pictures(frames, |one, other| {
        (0..3).all(|channel| {
            let frame = |index: usize| &values[(channel * frames + index) * plane..][..plane];
            let most = SAME_LEVELS * spec.scale / spec.std[channel];
            frame(one).iter().zip(frame(other)).all(|(a, b)| (a - b).abs() <= most)
        })
    });
    doubt(pictures, spec.frames)
}

#[cfg(test)]
mod tests {
    use echo_core::Preset;
    use echo_video::Video;

    use super::*;
    use crate::ZOO;

    /// The red, green and blue of these pixels as the encoder's normalisation and as other scales make them.
    fn of_pixels(pixels: &[f32], of: impl Fn(f32, usize) -> f32) -> Vec<f32> {
        (0..3).flat_map(|channel| pixels.iter().map(|&pixel| of(pixel, channel)).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn clips_that_were_not_normalised_are_doubtful_and_others_are_not() {
        for card in ZOO.iter().map(|entry| entry.card) {
            let spec = &card.preset(Preset::FULL).unwrap().clip;
            let normalised = |pixel: f32, channel: usize| (pixel * spec.scale - spec.mean[channel]) / spec.std[channel];
            // A whole range, a dark clip, one that overshoots black, and nothing but black.
            for pixels in [&[0.0, 30.0, 255.0][..], &[0.0, 5.0, 60.0], &[-20.0, 0.0, 180.0], &[0.0, 0.0]] {
                assert_eq!(out_of_range(&of_pixels(pixels, normalised), spec), None, "{}: {pixels:?}", card.name);
            }
            let scales: [fn(f32) -> f32; 4] =
                [|pixel| pixel, |pixel| pixel / 255.0, |pixel| pixel / 127.5 - 1.0, |pixel| pixel * 257.0];
            for (index, scaled) in scales.iter().enumerate() {
                let values = of_pixels(&[0.0, 30.0, 255.0], |pixel, _| scaled(pixel));
                let doubt = out_of_range(&values, spec).unwrap_or_else(|| panic!("{}: scale {index}", card.name));
                assert!(doubt.contains("for black"), "{doubt}");
            }
        }
    }

    #[test]
    fn clips_of_videos_are_as_the_encoders_normalise() {
        let folder = tempfile::tempdir().unwrap();
        echo_phantom::write_dataset(folder.path(), &echo_phantom::DatasetSpec::with_total(4, 5), &|_, _| ()).unwrap();
        for path in echo_data::files_below(&folder.path().join("Videos")).unwrap() {
            let video = Video::open(&path, &OpenOptions::default()).unwrap();
            for card in ZOO.iter().map(|entry| entry.card) {
                let spec = &card.preset(Preset::FULL).unwrap().clip;
                let (loaded, _) = echo_data::clip_of(&video, &path, spec, Start::First.into()).unwrap();
                assert_eq!(out_of_range(&loaded.clip.data, spec), None, "{}", card.name);
                assert_eq!(still(&loaded.clip.data, loaded.clip.frames, spec), None, "{}", card.name);
                assert_eq!(loaded.warnings, Vec::<String>::new(), "{}", card.name);
            }
        }
    }
}
