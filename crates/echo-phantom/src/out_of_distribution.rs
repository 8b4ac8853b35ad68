//! Loops that are no beating heart in a standard view: what a model of such loops should not answer for.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use echo_random::Stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::acquisition::{Acquisition, Quality};
use crate::dataset::MOST_VIDEOS;
use crate::marker::{self, VIDEOS};
use crate::organs::Organ;
use crate::phantom::{PIXELS, Phantom, Setting};
use crate::site::Site;
use crate::sweep::{Doppler, m_mode, spectrum};
use crate::tables::write_other_lists;
use crate::unfinished::Unfinished;
use crate::video::write_avi;
use crate::view::{View, Views};
use crate::{FRAME_SIZE, PhantomError, Population};

/// A kind of loop that is out of distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfDistribution {
    /// Liver with veins, before the diaphragm.
    Liver,
    /// A kidney.
    Kidney,
    /// Lung between two ribs, with A-lines or B-lines.
    Lung,
    /// The thyroid gland beside the windpipe.
    Thyroid,
    /// An artery in the neck along its axis.
    Vessel,
    /// M-mode of a heart along one beam.
    MMode,
    /// Spectrum of pulsed-wave Doppler at the mitral valve.
    PulsedDoppler,
    /// Spectrum of continuous-wave Doppler through the aortic valve.
    ContinuousDoppler,
    /// One grey level and nothing else.
    Blank,
    /// Receiver noise: a probe without contact.
    Noise,
    /// A heart in a standard view that does not move: one frame again and again.
    Frozen,
}

/// A rendered loop without a heart that could be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherLoop {
    /// What it shows.
    pub kind: OutOfDistribution,
    /// Grey levels `[frames, FRAME_SIZE, FRAME_SIZE]`, row by row.
    pub frames: Vec<u8>,
    /// Frames a second.
    pub fps: u32,
}

impl OtherLoop {
    /// Number of frames.
    pub fn frame_count(&self) -> usize {
        self.frames.len() / PIXELS
    }
}

impl OutOfDistribution {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Liver,
        Self::Kidney,
        Self::Lung,
        Self::Thyroid,
        Self::Vessel,
        Self::MMode,
        Self::PulsedDoppler,
        Self::ContinuousDoppler,
        Self::Blank,
        Self::Noise,
        Self::Frozen,
    ];

    /// The name in lower case, with hyphens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Liver => "liver",
            Self::Kidney => "kidney",
            Self::Lung => "lung",
            Self::Thyroid => "thyroid",
            Self::Vessel => "vessel",
            Self::MMode => "m-mode",
            Self::PulsedDoppler => "pulsed-doppler",
            Self::ContinuousDoppler => "continuous-doppler",
            Self::Blank => "blank",
            Self::Noise => "noise",
            Self::Frozen => "frozen",
        }
    }

    /// Renders loop `number` of this kind, as the machines of the home site record it.
    ///
    /// # Errors
    /// None in practice: the hearts that are frozen or traced can all be drawn.
    pub fn render(self, seed: u64, number: u32) -> Result<OtherLoop, PhantomError> {
        let index = (self as u64) << 32 | u64::from(number);
        let mut stream = Stream::new(seed, "other/loop", index);
        let heart = |views: Views, quality: Quality| {
            let setting = Setting { views, quality, site: Site::Home };
            Phantom::draw_with(Stream::new(seed, "other/heart", index).bits64(), index, Population::Natural, setting)
        };
        let still = |organ: Organ, stream: &mut Stream| {
            let setting = Setting { views: Views::Only(View::A4c), ..Setting::default() };
            let mut acquisition = Acquisition::draw(stream, setting);
            if organ == Organ::None {
                // The machine turns its gain up until something is seen.
                acquisition = Acquisition { noise: stream.range(-16.0, -6.0), shadows: Vec::new(), ..acquisition };
            }
            let frames = organ.render(stream, &acquisition, acquisition.frames);
            OtherLoop { kind: self, frames, fps: acquisition.fps }
        };
        let doppler = |doppler: Doppler, stream: &mut Stream| {
            let Phantom { physiology, acquisition: Acquisition { fps, frames, .. }, .. } =
                heart(Views::Both, Quality::Typical)?;
            let frames = spectrum(stream, doppler, &physiology.volume_curve, f64::from(fps), frames);
            Ok::<_, PhantomError>(OtherLoop { kind: self, frames, fps })
        };
        Ok(match self {
            Self::Liver => still(Organ::Liver, &mut stream),
            Self::Kidney => still(Organ::Kidney, &mut stream),
            Self::Lung => still(Organ::Lung, &mut stream),
            Self::Thyroid => still(Organ::Thyroid, &mut stream),
            Self::Vessel => still(Organ::Vessel, &mut stream),
            Self::Noise => still(Organ::None, &mut stream),
            Self::MMode => {
                let mut phantom = heart(Views::Only(View::Plax), Quality::Typical)?;
                let count = phantom.acquisition.frames;
                phantom.acquisition.frames += FRAME_SIZE;
                let fps = phantom.acquisition.fps;
                OtherLoop { kind: self, frames: m_mode(&mut stream, &phantom, count), fps }
            }
            Self::PulsedDoppler => doppler(Doppler::Pulsed, &mut stream)?,
            Self::ContinuousDoppler => doppler(Doppler::Continuous, &mut stream)?,
            Self::Blank => {
                let Acquisition { fps, frames, .. } = heart(Views::Both, Quality::Typical)?.acquisition;
                OtherLoop { kind: self, frames: vec![stream.below(24) as u8; frames * PIXELS], fps }
            }
            Self::Frozen => {
                let phantom = heart(Views::Standard, Quality::Typical)?;
                let count = phantom.frame_count();
                let frame = phantom.render_frames(&[stream.below(count)]);
                OtherLoop { kind: self, frames: frame.repeat(count), fps: phantom.acquisition.fps }
            }
        })
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherSummary {
    /// Loops.
    pub videos: usize,
    /// Frames in all of them.
    pub frames: usize,
}

/// Writes `count` loops to the folder `out`, all kinds in turn, in the layout of [`write_dataset`](crate::write_dataset) for as
/// long as `go_on` says so: `Videos/*.avi`, `FileList.csv` with all in the split `TEST` and without ejection fractions,
/// `Findings.csv` with the column `Kind`, and `Phantoms.csv`.
///
/// # Errors
/// When `out` holds something, when `count` is none or more than a million, when a file cannot be written, or when `go_on` ended
/// it.
pub fn write_out_of_distribution(
    out: &Path,
    count: usize,
    seed: u64,
    go_on: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<OtherSummary, PhantomError> {
    match count {
        0 => return Err(PhantomError::NoVideos),
        count if count > MOST_VIDEOS => return Err(PhantomError::TooManyVideos(count, MOST_VIDEOS)),
        _ => {}
    }
    let folder = Unfinished::beside(out)?;
    let videos = folder.path.join(VIDEOS);
    std::fs::create_dir_all(&videos).map_err(PhantomError::io(&videos))?;
    let done = AtomicUsize::new(0);
    let kinds = OutOfDistribution::ALL;
    let rows: Vec<OtherRow> = (0..count)
        .into_par_iter()
        .map(|place| {
            let (kind, number) = (kinds[place % kinds.len()], place / kinds.len());
            let rendered = kind.render(seed, number as u32)?;
            let name = format!("phantom-other-{}-{number:05}", kind.name());
            write_avi(&videos.join(&name).with_extension("avi"), &rendered.frames, rendered.fps)?;
            match go_on(done.fetch_add(1, Ordering::Relaxed) + 1, count) {
                true => Ok(OtherRow { name, kind, fps: rendered.fps, frames: rendered.frame_count() }),
                false => Err(PhantomError::Stopped(out.to_owned())),
            }
        })
        .collect::<Result<_, PhantomError>>()?;
    write_other_lists(&folder.path, &rows)?;
    marker::list(&folder.path, &videos, rows.iter().map(|row| row.name.as_str()))?;
    folder.finish(out)?;
    Ok(OtherSummary { videos: rows.len(), frames: rows.iter().map(|row| row.frames).sum() })
}

/// What the tables say about a loop.
pub(crate) struct OtherRow {
    pub name: String,
    pub kind: OutOfDistribution,
    pub fps: u32,
    pub frames: usize,
}
