//! Videos to clips, in parallel and in bounded memory.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use echo_core::ClipSpec;
use echo_video::{Info, OpenOptions, Sector, Video, VideoError};

use crate::pipeline::ClipPixels;
use crate::{Clip, DataError, Look, Selection, select_frames};

/// Results that may wait for their consumer: what bounds memory, whatever the number of videos.
const QUEUE: usize = 8;

/// Why there is no clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The video cannot be decoded.
    #[error(transparent)]
    Video(#[from] VideoError),
    /// Its frames make no clip.
    #[error("{path}: {source}", path = path.display())]
    Clip {
        /// The video.
        path: PathBuf,
        /// Why.
        source: DataError,
    },
}

impl ClipError {
    /// Whether the machine failed and not the file, which may be readable in a moment.
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::Video(error) => error.is_of_machine(),
            Self::Clip { source, .. } => source.is_of_machine(),
        }
    }
}

/// A clip, and what was wrong with a video that was used all the same.
#[derive(Debug)]
pub struct LoadedClip {
    /// The clip.
    pub clip: Clip,
    /// What is missing, for a truncated video opened with `allow_truncated`.
    pub truncation: Option<String>,
    /// What else a user should know of the video, or of how little of the heart's motion the clip shows.
    pub warnings: Vec<String>,
}

/// Decodes the frames of one clip and prepares them as `spec` says. Beside the clip there are no more of the video's
/// pixels in memory than one frame, or 32 MiB of them, however large frames are.
///
/// # Errors
/// The video cannot be decoded, or has no frames.
pub fn load_clip(path: &Path, spec: &ClipSpec, look: Look, options: &OpenOptions) -> Result<LoadedClip, ClipError> {
    clip_of(&Video::open(path, options)?, path, spec, look).map(|(clip, _)| clip)
}

/// The same of a video that is open, and which of its frames they are.
///
/// # Errors
/// As [`load_clip`].
pub fn clip_of(video: &Video, path: &Path, spec: &ClipSpec, look: Look) -> Result<(LoadedClip, Selection), ClipError> {
    let Info { height, width, truncated, warnings, frames, .. } = video.info();
    let selection = select_frames(*frames, spec, look.start);
    let no_clip = |source| ClipError::Clip { path: path.to_owned(), source };
    let mut pixels = ClipPixels::new(spec, selection.frames.len(), *height, *width).map_err(no_clip)?;
    video.decode_in_parts(&selection.frames, |first, frames| pixels.put(first, frames))?;
    let doubt = video.sector()?.and_then(Sector::doubt).map(|doubt| format!("the ultrasound sector: {doubt}"));
    let warnings = warnings.iter().cloned().chain(doubt).chain(pixels.doubt()).collect();
    let clip = pixels.clip(look.shift).map_err(no_clip)?;
    let truncation = truncated.as_ref().map(|truncation| truncation.cause.clone());
    Ok((LoadedClip { clip, truncation, warnings }, selection))
}

/// Loads the clip of every path, seen as `look` says of the path's index, turns it into something with `map`, and hands that
/// to `consume`, both with the path's index, in whatever order they are ready.
///
/// `map` runs on as many threads as Rayon's pool has, `consume` on the calling thread; at most a fixed number of results wait
/// for it. When it breaks, what is being made of other paths is dropped, and no more begun.
pub fn for_each_clip<T: Send>(
    paths: &[&Path],
    spec: &ClipSpec,
    look: impl Fn(usize) -> Look + Sync,
    options: &OpenOptions,
    map: impl Fn(usize, LoadedClip) -> T + Sync,
    mut consume: impl FnMut(usize, Result<T, ClipError>) -> ControlFlow<()>,
) {
    let workers = rayon::current_num_threads().min(paths.len());
    let next = AtomicUsize::new(0);
    let (sender, receiver) = sync_channel(QUEUE);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next, map, look) = (sender.clone(), &next, &map, &look);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = paths.get(index) else { return };
                    let result = load_clip(path, spec, look(index), options).map(|loaded| map(index, loaded));
                    // The receiver is gone when `consume` broke or panicked.
                    if sender.send((index, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Gone at the end of the loop, so that nobody waits to send to it.
        for (index, result) in receiver {
            if consume(index, result).is_break() {
                return;
            }
        }
    });
}
