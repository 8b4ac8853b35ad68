//! The best that can be hoped for: ejection fraction out of the true volumes in the frames that a clip shows.
//!
//! Where a clip's frames miss the moments at which the cavity is largest and smallest, even a reader who measured every
//! frame without error would be off by this much; the rest of an encoder's error is its own.

use echo_core::ClipSpec;
use echo_data::{Start, select_frames};
use echo_phantom::{Phantom, Purpose};
use echo_random::Stream;

use crate::PretrainError;

/// Phantoms to fit and to test.
const FITTED: u32 = 2000;
const TESTED: u32 = 500;

/// Added to the normal equations, as a part of their trace.
const RIDGE: f64 = 1e-9;

/// Mean absolute errors on phantoms for watching pretraining, percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// Of ridge regression on the sorted volumes over the largest one.
    pub volumes: f64,
    /// Of the median of what was fitted to.
    pub constant: f64,
}

/// What clips of this specification allow.
///
/// # Errors
/// A phantom cannot be drawn.
pub fn ceiling(spec: &ClipSpec, seed: u64) -> Result<Ceiling, PretrainError> {
    let (rows, targets) = table(spec, seed, Purpose::Pretraining, FITTED)?;
    let weights = fit(&rows, &targets);
    let (held, truths) = table(spec, seed, Purpose::PretrainingValidation, TESTED)?;
    let predicted = held.iter().map(|row| row.iter().zip(&weights).map(|(x, weight)| x * weight).sum::<f64>());
    let error = |predicted: &mut dyn Iterator<Item = f64>| {
        predicted.zip(&truths).map(|(value, truth)| (value - truth).abs()).sum::<f64>() / truths.len() as f64
    };
    let constant = median(&targets);
    Ok(Ceiling {
        volumes: error(&mut predicted.into_iter()),
        constant: error(&mut std::iter::repeat_n(constant, truths.len())),
    })
}

/// The middle one of `values`, the upper of two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Features with a one at their end, and ejection fractions.
fn table(spec: &ClipSpec, seed: u64, purpose: Purpose, count: u32) -> Result<(Vec<Vec<f64>>, Vec<f64>), PretrainError> {
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for number in 0..count {
        let phantom = Phantom::of(seed, purpose, number)?;
        let findings = phantom.findings();
        let selection = select_frames(phantom.frame_count(), spec, Start::First);
        let filled = filled(&phantom, selection.frames.last().map_or(0, |last| last + 1));
        let volume = |frame: &usize| findings.esv + (findings.edv - findings.esv) * filled[*frame];
        let mut volumes: Vec<f64> = selection.frames.iter().map(volume).collect();
        volumes.sort_by(f64::total_cmp);
        // What a short video lacks is its last frame again.
        let largest = volumes.last().copied().unwrap_or(1.0);
        volumes.resize(spec.frames, largest);
        let mut row: Vec<f64> = volumes.into_iter().map(|volume| volume / largest).collect();
        row.push(1.0);
        rows.push(row);
        targets.push(findings.ef);
    }
    Ok((rows, targets))
}

/// The share of the stroke volume that is in the cavity in each of the first `frames` frames, as the phantom is drawn.
fn filled(phantom: &Phantom, frames: usize) -> Vec<f64> {
    let heart = &phantom.physiology;
    let period = heart.volume_curve.period;
    let mut beats = Stream::new(phantom.seed, "phantom/beats", 0);
    let mut stretch = move || 1.0 + heart.rate_variability * beats.range(-1.0, 1.0);
    let mut scale = stretch();
    let mut started = -phantom.acquisition.start * period * scale;
    (0..frames)
        .map(|frame| {
            let time = frame as f64 / f64::from(phantom.acquisition.fps);
            while time - started >= period * scale {
                started += period * scale;
                scale = stretch();
            }
            heart.volume_curve.filled((time - started) / scale)
        })
        .collect()
}

/// Weights that minimise the squared error, by Gauss's elimination of the normal equations.
fn fit(rows: &[Vec<f64>], targets: &[f64]) -> Vec<f64> {
    let dim = rows.first().map_or(0, Vec::len);
    let mut system = vec![vec![0.0; dim + 1]; dim];
    for (row, target) in rows.iter().zip(targets) {
        for (equation, x) in system.iter_mut().zip(row) {
            equation.iter_mut().zip(row.iter().chain([target])).for_each(|(entry, y)| *entry += x * y);
        }
    }
    let trace: f64 = (0..dim).map(|i| system[i][i]).sum();
    (0..dim).for_each(|i| system[i][i] += RIDGE * trace);
    for pivot in 0..dim {
        let row = system[pivot].clone();
        for (_, equation) in system.iter_mut().enumerate().filter(|(other, _)| *other != pivot) {
            let factor = equation[pivot] / row[pivot];
            equation.iter_mut().zip(&row).for_each(|(entry, value)| *entry -= factor * value);
        }
    }
    (0..dim).map(|i| system[i][dim] / system[i][i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_law_is_found() {
        let mut stream = Stream::new(1, "test/ceiling", 0);
        let rows: Vec<Vec<f64>> = (0..50).map(|_| vec![stream.normal(), stream.normal(), 1.0]).collect();
        let targets: Vec<f64> = rows.iter().map(|row| 2.0 * row[0] - row[1] + 3.0).collect();
        let weights = fit(&rows, &targets);
        assert!(weights.iter().zip([2.0, -1.0, 3.0]).all(|(found, expected)| (found - expected).abs() < 1e-5));
    }

    /// Fails when the beats are not those that are drawn: the tracings stand at the largest and the smallest volume.
    #[test]
    fn the_cavity_is_full_and_empty_where_the_phantom_is_traced() {
        for number in 0..50 {
            let phantom = Phantom::of(1, Purpose::Pretraining, number).unwrap();
            let filled = filled(&phantom, phantom.frame_count());
            let [diastole, systole] = phantom.tracings().map(|tracing| filled[tracing.frame]);
            assert_eq!((diastole, systole), (1.0, 0.0), "{number}");
        }
    }
}
