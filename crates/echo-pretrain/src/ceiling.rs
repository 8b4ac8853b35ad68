//! The best that can be hoped for: ejection fraction out of the true volumes in the frames that a clip shows.
//!
//! Where a clip's frames miss the moments at which the cavity is largest and smallest, even a reader who measured every
//! frame without error would be off by this much; the rest of an encoder's error is its own. An encoder that sees frames
//! one by one and averages them has a ceiling of its own: its embedding is a mean of what single frames show, and the
//! ejection fraction is a ratio of two of them.

use echo_core::ClipSpec;
use echo_data::{Start, select_frames};
use echo_metrics::median;
use echo_phantom::{Cavity, Phantom, Purpose};

use crate::PretrainError;

/// Phantoms to fit and to test.
const FITTED: u32 = 2000;
const TESTED: u32 = 500;

/// Added to the normal equations, as a part of their trace.
const RIDGE: f64 = 1e-9;

/// Centres on the logarithm of a cavity's breadth and on how full it is, as evenly spaced as they are wide.
const BREADTHS: [f64; 10] = [-2.1, -1.93, -1.76, -1.59, -1.42, -1.25, -1.08, -0.91, -0.74, -0.57];
const FILLINGS: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// Mean absolute errors on phantoms for watching pretraining, percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// Of ridge regression on the sorted volumes over the largest one.
    pub volumes: f64,
    /// Of ridge regression on means over frames of smooth functions of the cavity's breadth and filling in each.
    pub frame_by_frame: f64,
    /// Of the median of what was fitted to.
    pub constant: f64,
}

/// What clips of this specification allow.
///
/// # Errors
/// A phantom cannot be drawn.
pub fn ceiling(spec: &ClipSpec, seed: u64) -> Result<Ceiling, PretrainError> {
    let fitted = hearts(spec, seed, Purpose::Pretraining, FITTED)?;
    let tested = hearts(spec, seed, Purpose::PretrainingValidation, TESTED)?;
    let constant = median(&fitted.iter().map(|heart| heart.ef).collect::<Vec<_>>())
        .map_err(|error| PretrainError::Setting(error.to_string()))?;
    Ok(Ceiling {
        volumes: error_of(sorted_volumes, &fitted, &tested),
        frame_by_frame: error_of(frame_by_frame, &fitted, &tested),
        constant: tested.iter().map(|heart| (constant - heart.ef).abs()).sum::<f64>() / tested.len() as f64,
    })
}

/// What a clip shows of a heart.
struct Heart {
    ef: f64,
    /// One per frame; what a short video lacks is its last frame again.
    cavities: Vec<Cavity>,
}

fn hearts(spec: &ClipSpec, seed: u64, purpose: Purpose, count: u32) -> Result<Vec<Heart>, PretrainError> {
    let heart = |number: u32| -> Result<Heart, PretrainError> {
        let phantom = Phantom::of(seed, purpose, number)?;
        let all = phantom.cavities();
        let selection = select_frames(phantom.frame_count(), spec, Start::First);
        let mut cavities: Vec<Cavity> = selection.frames.iter().map(|&frame| all[frame]).collect();
        cavities.resize(spec.frames, all[selection.frames.last().copied().unwrap_or(0)]);
        Ok(Heart { ef: phantom.findings().ef, cavities })
    };
    (0..count).map(heart).collect()
}

fn sorted_volumes(heart: &Heart) -> Vec<f64> {
    let mut volumes: Vec<f64> = heart.cavities.iter().map(|cavity| cavity.volume).collect();
    volumes.sort_by(f64::total_cmp);
    let largest = volumes.last().copied().unwrap_or(1.0);
    volumes.into_iter().map(|volume| volume / largest).collect()
}

fn frame_by_frame(heart: &Heart) -> Vec<f64> {
    let bump = |x: f64, centre: f64, width: f64| (-0.5 * ((x - centre) / width).powi(2)).exp();
    let of_frame = |cavity: &Cavity| -> Vec<f64> {
        let breadth = cavity.breadth.ln();
        let bumps = BREADTHS.map(|centre| bump(breadth, centre, BREADTHS[1] - BREADTHS[0]));
        let fillings = FILLINGS.map(|centre| bump(cavity.filled, centre, FILLINGS[1] - FILLINGS[0]));
        let of_breadth = bumps.into_iter().chain([breadth, breadth * breadth]);
        of_breadth.flat_map(|x| fillings.map(|y| x * y)).collect()
    };
    let mut mean = vec![0.0; (BREADTHS.len() + 2) * FILLINGS.len()];
    for cavity in &heart.cavities {
        let shown = of_frame(cavity).into_iter();
        mean.iter_mut().zip(shown).for_each(|(mean, value)| *mean += value / heart.cavities.len() as f64);
    }
    mean
}

/// Mean absolute error of a ridge regression on `features` with an intercept.
fn error_of(features: impl Fn(&Heart) -> Vec<f64>, fitted: &[Heart], tested: &[Heart]) -> f64 {
    let row = |heart: &Heart| -> Vec<f64> { features(heart).into_iter().chain([1.0]).collect() };
    let targets: Vec<f64> = fitted.iter().map(|heart| heart.ef).collect();
    let weights = fit(&fitted.iter().map(row).collect::<Vec<_>>(), &targets);
    let predicted = |heart: &Heart| row(heart).iter().zip(&weights).map(|(x, weight)| x * weight).sum::<f64>();
    tested.iter().map(|heart| (predicted(heart) - heart.ef).abs()).sum::<f64>() / tested.len() as f64
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
    use echo_core::{Aspect, ChannelOrder, Crop, Filter, Padding, Sampling};
    use echo_random::Stream;

    use super::*;

    #[test]
    fn a_linear_law_is_found() {
        let mut stream = Stream::new(1, "test/ceiling", 0);
        let rows: Vec<Vec<f64>> = (0..50).map(|_| vec![stream.normal(), stream.normal(), 1.0]).collect();
        let targets: Vec<f64> = rows.iter().map(|row| 2.0 * row[0] - row[1] + 3.0).collect();
        let weights = fit(&rows, &targets);
        assert!(weights.iter().zip([2.0, -1.0, 3.0]).all(|(found, expected)| (found - expected).abs() < 1e-5));
    }

    /// Frames over a whole beat give the ejection fraction almost exactly to those who compare them, and not to those
    /// who average what each shows.
    #[test]
    fn frames_tell_more_beside_each_other_than_one_by_one() {
        let spec = ClipSpec {
            frames: 16,
            sampling: Sampling::Strided,
            stride: 5,
            padding: Padding::RepeatLast,
            channels: ChannelOrder::Rgb,
            crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.0 },
            filter: Filter::OpenCvCubic,
            resize: 32,
            size: 32,
            scale: 1.0,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        let Ceiling { volumes, frame_by_frame, constant } = ceiling(&spec, 1).unwrap();
        assert!(volumes < 0.2, "{volumes}");
        assert!((0.4..0.75).contains(&(frame_by_frame / constant)), "{frame_by_frame} of {constant}");
    }
}
