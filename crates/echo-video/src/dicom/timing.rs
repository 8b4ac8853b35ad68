//! When frames were taken (PS3.3, C.7.6.5).

use super::data_set::Values;
use super::tags::{CINE_RATE, DISPLAY_FRAME_RATE, FRAME_TIME, FRAME_TIME_VECTOR};

/// Frame times that differ by more than this share of their mean are told.
const UNEVEN: f64 = 0.1;

/// Frames per second, and what is doubtful about it.
#[derive(Debug, PartialEq)]
pub(crate) struct Timing {
    /// 0 where the file does not say.
    pub(crate) fps: f64,
    pub(crate) warnings: Vec<String>,
}

impl Timing {
    pub(crate) fn of(values: &Values, frames: usize) -> Self {
        let mut warnings = Vec::new();
        // The first of them is the time before the first frame.
        let steps: Vec<f64> = values.decimals(FRAME_TIME_VECTOR).into_iter().skip(1).take(frames.max(1) - 1).collect();
        let vector = (!steps.is_empty()).then(|| steps.iter().sum::<f64>() / steps.len() as f64);
        if let Some(mean) = vector {
            let (least, most) = steps.iter().fold((f64::INFINITY, 0.0_f64), |(l, m), &t| (l.min(t), m.max(t)));
            if most - least > UNEVEN * mean {
                warnings.push(format!(
                    "its frames are not evenly spaced, {least:.1} to {most:.1} ms apart; the mean is taken for all"
                ));
            }
        }
        let milliseconds = vector.into_iter().chain(values.decimal(FRAME_TIME)).map(|time| 1000.0 / time);
        let rates = [CINE_RATE, DISPLAY_FRAME_RATE].into_iter().filter_map(|tag| values.decimal(tag));
        let fps = milliseconds.chain(rates).find(|fps| (0.1..=10_000.0).contains(fps)).unwrap_or(0.0);
        Self { fps, warnings }
    }
}
