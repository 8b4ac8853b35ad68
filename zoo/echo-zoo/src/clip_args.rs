//! Videos, folders of videos or ready clips: what several commands take.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use echo_bench::Progress;
use echo_core::ClipSpec;
use echo_data::{Look, Start, for_each_clip};
use echo_video::OpenOptions;

use crate::CliError;
use crate::array_file::read_safetensors;
use crate::find_videos::find_videos;

/// The smallest side of a frame that every encoder takes: four halvings and a stem of four pixels need it.
const SMALLEST_SIDE: usize = 32;

/// Flags that name clips.
#[derive(Debug, clap::Args)]
pub(crate) struct ClipArgs {
    /// Videos, or folders of videos.
    pub(crate) inputs: Vec<PathBuf>,
    /// Ready clips (tensor `clip`, floats [batch, 3, frames, height, width]) instead of videos.
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    pub(crate) tensor: Option<PathBuf>,
    /// Use what can be decoded of truncated videos, and report it.
    #[arg(long)]
    allow_truncated: bool,
}

/// What was made of each clip, by the name of its file, and how many files could not be used.
#[derive(Debug)]
pub(crate) struct PerClip<T> {
    pub(crate) rows: Vec<(String, Vec<T>)>,
    pub(crate) failed: usize,
}

impl ClipArgs {
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
        clips: usize,
        device: &Device,
        see: impl Fn(Tensor<5>) -> T + Sync,
    ) -> Result<PerClip<T>, CliError> {
        self.see_as(spec, clips, |_, index| Start::Even { index, of: clips }.into(), device, see)
    }

    /// The same with clips of a video that are seen as `look` says of its path and the clip's place.
    ///
    /// # Errors
    /// As [`see`](Self::see).
    pub(crate) fn see_as<T: Send>(
        &self,
        spec: &ClipSpec,
        clips: usize,
        look: impl Fn(&Path, usize) -> Look + Sync,
        device: &Device,
        see: impl Fn(Tensor<5>) -> T + Sync,
    ) -> Result<PerClip<T>, CliError> {
        if let Some(path) = &self.tensor {
            let clip = ready_clips(path, device)?;
            let [batch, ..] = clip.dims();
            let rows = (0..batch).map(|row| (format!("clip {row}"), vec![see(clip.clone().narrow(0, row, 1))]));
            return Ok(PerClip { rows: rows.collect(), failed: 0 });
        }
        let files = find_videos(&self.inputs)?;
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let options = OpenOptions { allow_truncated: self.allow_truncated, ..OpenOptions::default() };
        let mut progress = Progress::new("clips", paths.len() * clips);
        let mut found: BTreeMap<usize, Vec<T>> = BTreeMap::new();
        let mut done = 0;
        for index in 0..clips {
            for_each_clip(
                &paths,
                spec,
                |file| look(paths[file], index),
                &options,
                |loaded| {
                    let clip = loaded.clip;
                    let shape = [1, 3, clip.frames, clip.size, clip.size];
                    (
                        see(Tensor::from_data(TensorData::new(clip.data, shape), device)),
                        loaded.truncation,
                        loaded.warnings,
                    )
                },
                |file, result| {
                    done += 1;
                    // What is wrong with a file is said once, not once for every clip.
                    match result {
                        Ok((seen, truncation, warnings)) => {
                            let truncation = truncation.map(|truncation| format!("truncated: {truncation}"));
                            for reason in truncation.into_iter().chain(warnings).filter(|_| index == 0) {
                                progress.line(&format!("{}: {reason}; used all the same", paths[file].display()));
                            }
                            found.entry(file).or_default().push(seen);
                        }
                        Err(error) if index == 0 => progress.line(&format!("left out: {error}")),
                        Err(_) => {}
                    }
                    progress.set(done, "");
                },
            );
        }
        found.retain(|_, rows| rows.len() == clips);
        let failed = paths.len() - found.len();
        if found.is_empty() {
            return Err(CliError::Inputs { failed, total: failed });
        }
        let rows = found.into_iter().map(|(file, rows)| (paths[file].display().to_string(), rows));
        Ok(PerClip { rows: rows.collect(), failed })
    }
}

/// The tensor `clip` of a safetensors file.
fn ready_clips(path: &Path, device: &Device) -> Result<Tensor<5>, CliError> {
    let complain = |reason: String| CliError::File { path: path.to_owned(), reason };
    let (shape, values) = read_safetensors(path, "clip")?;
    let [batch, 3, frames, height, width] = shape[..] else {
        return Err(complain(format!(
            "tensor \"clip\" has shape {shape:?}; [batch, 3, frames, height, width] is needed"
        )));
    };
    if values.is_empty() || height < SMALLEST_SIDE || width < SMALLEST_SIDE {
        return Err(complain(format!(
            "tensor \"clip\" has shape {shape:?}; frames of at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels are needed"
        )));
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(complain("tensor \"clip\" holds values that are not finite".to_owned()));
    }
    Ok(Tensor::from_data(TensorData::new(values, [batch, 3, frames, height, width]), device))
}
