//! Single passes on the real device, timed: what estimates rest on where nothing was measured before.

use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use echo_adapt::Adapted;
use echo_core::{Adapter, AnyEncoder, ClipSpec, Features, Fitting, Stage};
use echo_data::{Feature, Look, load_clip};
use echo_train::Samples;
use echo_video::OpenOptions;

use crate::cell::table;
use crate::dry_run::CellSize;
use crate::features::steps_of;
use crate::{BenchError, Recipe};

/// What a step of training takes, in passes forward: one forward, and about two for the way back.
const STEP: f64 = 3.0;

/// A pass longer than this is not run twice: its first run warms nothing up that matters.
const LONG: f64 = 1.0;

/// A clip on the device, and what it took to decode.
#[derive(Debug)]
pub(crate) struct ProbeClip {
    clip: Tensor<5>,
    decode: Option<f64>,
}

impl ProbeClip {
    /// The first clip of `video`; black frames where there is no video, or where it cannot be decoded.
    pub(crate) fn new(
        video: Option<&Path>,
        spec: &ClipSpec,
        look: Look,
        options: &OpenOptions,
        device: &Device,
    ) -> Self {
        let started = Instant::now();
        let loaded = video.and_then(|path| load_clip(path, spec, look, options).ok());
        let decode = loaded.is_some().then(|| started.elapsed().as_secs_f64());
        let (frames, size) =
            loaded.as_ref().map_or((spec.frames, spec.size), |loaded| (loaded.clip.frames, loaded.clip.size));
        let data = loaded.map_or_else(|| vec![0.0; 3 * frames * size * size], |loaded| loaded.clip.data);
        let clip = Tensor::from_data(TensorData::new(data, [1, 3, frames, size, size]), device);
        Self { clip, decode }
    }

    /// Seconds that decoding took, where a video was decoded.
    pub(crate) fn decode(&self) -> Option<f64> {
        self.decode
    }

    /// Bytes of the clip.
    pub(crate) fn bytes(&self) -> u64 {
        self.clip.dims().iter().product::<usize>() as u64 * 4
    }

    /// A stage's output for the clip, `[1, steps or 1, columns]`, and the seconds that it took.
    pub(crate) fn stage(&self, stage: Stage, encoder: &AnyEncoder) -> (Tensor<3>, f64) {
        timed(|| {
            let steps = steps_of(stage, encoder, self.clip.clone());
            // Devices compute when they are asked for numbers.
            let _ = steps.clone().into_data();
            steps
        })
    }
}

/// What an adapter's cells take, without fitting one.
#[derive(Debug)]
pub(crate) struct Probe {
    fitting: Fitting,
    /// Samples of a batch, and seconds of a pass over it.
    batch: usize,
    seconds: f64,
}

impl Probe {
    /// Times a pass of `adapted` over a batch such as `recipe` trains on, of `of_stage`, which its stage makes of `clip`,
    /// or, for adapters that train the encoder, of that clip alone.
    ///
    /// # Errors
    /// The stage's output is no sample.
    pub(crate) fn new(
        adapted: &Adapted,
        recipe: &Recipe,
        clip: &ProbeClip,
        of_stage: Option<&Tensor<3>>,
        clips: usize,
        most: usize,
    ) -> Result<Self, BenchError> {
        let adapted = adapted.clone().frozen();
        let batch = match adapted.stage() {
            Stage::Clip => 1,
            _ => recipe.train.batch.min(most).max(1),
        };
        let features: Box<dyn Fn() -> Result<Features, BenchError>> = match (adapted.stage(), of_stage) {
            (Stage::Clip, _) | (_, None) => {
                Box::new(|| Ok(Features::Clip(Tensor::cat(vec![clip.clip.clone(); clips], 0), clips)))
            }
            // As a cell's samples are made: the clips of a video one after the other.
            (stage, Some(rows)) => {
                let [_, steps, columns] = rows.dims();
                let values: Vec<f32> = rows.clone().into_data().iter::<f32>().collect();
                let feature =
                    Feature { shape: [steps * clips, columns], values: values.repeat(clips), note: String::new() };
                let samples = table(stage, clips, &vec![&feature; batch], &[], vec![0.0; batch])?;
                let (device, indices) = (clip.clip.device(), (0..batch).collect::<Vec<_>>());
                Box::new(move || Ok(samples.batch(&indices, None, &device)?))
            }
        };
        // What cannot be made cannot be made a second time either.
        features()?;
        let (_, seconds) = timed(|| features().map(|features| drop(adapted.forward(features).value.into_data())));
        Ok(Self { fitting: adapted.fitting(), batch, seconds })
    }

    /// Seconds of fitting a cell and predicting its test videos, and after every epoch `watched` more.
    pub(crate) fn cell(&self, size: CellSize, watched: usize) -> f64 {
        let passes = |videos: usize| videos.div_ceil(self.batch) as f64 * self.seconds;
        let fit = match self.fitting {
            Fitting::Gradient => size.epochs as f64 * (STEP * passes(size.train) + passes(watched)),
            Fitting::ClosedForm => passes(size.train),
            Fitting::Nothing => 0.0,
        };
        fit + passes(size.test)
    }
}

/// What `run` gives, and the seconds of its second run, or of its first if that is long.
fn timed<T>(run: impl Fn() -> T) -> (T, f64) {
    let once = || {
        let started = Instant::now();
        let given = run();
        (given, started.elapsed().as_secs_f64())
    };
    let first = once();
    if first.1 > LONG { first } else { once() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_grow_with_what_they_train_on_and_predict() {
        let size = CellSize { train: 20, test: 30, epochs: 4 };
        let probe = |fitting| Probe { fitting, batch: 10, seconds: 0.5 };
        assert_eq!(probe(Fitting::Gradient).cell(size, 0), 4.0 * 3.0 * 2.0 * 0.5 + 1.5);
        assert_eq!(probe(Fitting::Gradient).cell(size, 10), 4.0 * (3.0 * 2.0 * 0.5 + 0.5) + 1.5);
        assert_eq!(probe(Fitting::ClosedForm).cell(size, 0), 1.0 + 1.5);
        assert_eq!(probe(Fitting::Nothing).cell(size, 0), 1.5);
    }
}
