//! Traces over time: M-mode and Doppler spectra, column by column behind a sweeping gap.

use echo_random::Stream;

use crate::phantom::{PIXELS, Phantom};
use crate::sector::{BEAMS, FRAME_SIZE, SAMPLES};
use crate::volume_curve::VolumeCurve;

/// Columns that are dark behind the newest one.
const GAP: usize = 4;

/// Grey level of a spectrum's zero line.
const BASELINE: u8 = 120;

/// A column of the picture, from top to bottom.
type Column = Vec<u8>;

/// `count` frames of a trace; each adds a column where the oldest was. Columns of the first screen come first.
fn sweep(columns: &[Column], count: usize) -> Vec<u8> {
    let mut frames = vec![0; count * PIXELS];
    for (number, frame) in frames.chunks_exact_mut(PIXELS).enumerate() {
        let newest = number + FRAME_SIZE - 1;
        for back in 0..FRAME_SIZE - GAP {
            let column = newest - back;
            for (row, &grey) in columns[column].iter().enumerate() {
                frame[row * FRAME_SIZE + column % FRAME_SIZE] = grey;
            }
        }
    }
    frames
}

/// M-mode of the heart along one beam near the middle: `phantom` must be long enough for a screen and `count` frames.
pub(crate) fn m_mode(stream: &mut Stream, phantom: &Phantom, count: usize) -> Vec<u8> {
    let beam = BEAMS / 2 + stream.below(13) - 6;
    let margin = (FRAME_SIZE - SAMPLES) / 2;
    let columns = phantom.beam_over_time(beam).into_iter().map(|samples| {
        let mut column = vec![0; FRAME_SIZE];
        column[margin..margin + samples.len()].copy_from_slice(&samples);
        column
    });
    sweep(&columns.collect::<Vec<_>>(), count)
}

/// How a spectrum was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doppler {
    /// From a sample volume at the mitral valve: an outline of early and atrial filling above the line.
    Pulsed,
    /// From all along a beam through the aortic valve: filled below the line in systole, fainter above it in diastole.
    Continuous,
}

/// Frames of the spectrum of a heart with this volume over time, `rate` columns a second.
pub(crate) fn spectrum(stream: &mut Stream, doppler: Doppler, curve: &VolumeCurve, rate: f64, count: usize) -> Vec<u8> {
    let start = stream.range(0.0, curve.period);
    let baseline = match doppler {
        Doppler::Pulsed => stream.range(70.0, 84.0),
        Doppler::Continuous => stream.range(28.0, 40.0),
    };
    let noise = stream.range(0.008, 0.03);
    let gain = stream.range(-4.0, 4.0);
    // Rows at the fastest flow into and out of the ventricle.
    let (inwards, outwards) = match doppler {
        Doppler::Pulsed => (stream.range(42.0, 60.0), 0.0),
        Doppler::Continuous => (stream.range(14.0, 22.0), stream.range(46.0, 64.0)),
    };
    let flow = |time: f64| (curve.filled(time + 0.004) - curve.filled(time - 0.004)) / 0.008;
    let steps = (0..400).map(|i| flow(curve.period * f64::from(i) / 400.0));
    let (most, least) = steps.fold((1e-9, -1e-9), |(high, low): (f64, f64), flow| (high.max(flow), low.min(flow)));
    let columns: Vec<Column> = (0..count + FRAME_SIZE)
        .map(|number| {
            let flow = flow(start + number as f64 / rate);
            let fastest = if flow > 0.0 { inwards * flow / most } else { -outwards * flow / least };
            (0..FRAME_SIZE)
                .map(|row| {
                    let height = baseline - row as f64;
                    // Power of speckle is exponential.
                    let grain = -(1.0 - stream.uniform()).ln();
                    let power = grain * (noise * noise + doppler.power(height, fastest, flow > 0.0));
                    let grey = 255.0 * (1.0 + (10.0 * power.max(1e-9).log10() + gain) / 36.0).clamp(0.0, 1.0);
                    if height.abs() < 0.5 { BASELINE } else { grey as u8 }
                })
                .collect()
        })
        .collect();
    sweep(&columns, count)
}

impl Doppler {
    /// Power at a height of rows above the line when the fastest flow reaches `fastest`. What hardly moves is filtered out.
    fn power(self, height: f64, fastest: f64, is_filling: bool) -> f64 {
        if height.abs() < 3.0 || height * fastest <= 0.0 || height.abs() > fastest.abs() + 4.0 {
            return 0.0;
        }
        let from_edge = fastest.abs() - height.abs();
        let outline = (-(from_edge / 4.5).powi(2)).exp();
        let filling = if from_edge > 0.0 { 1.0 } else { 0.0 };
        match self {
            Self::Pulsed => outline + 0.02 * filling,
            Self::Continuous => (0.5 * outline + 0.35 * filling) * if is_filling { 0.12 } else { 1.0 },
        }
    }
}
