//! Nothing about a recording but the heart in it tells the ejection fraction.
//!
//! A model that reads the ejection fraction from brightness, length, frame rate or file size would score well on
//! phantoms that leak it there, and a benchmark on them would prove nothing.

use echo_phantom::{Phantom, Population};
use rayon::prelude::*;

/// Phantoms to fit on, and as many others to score on.
const COUNT: usize = 1000;

struct Measured {
    ef: f64,
    edv: f64,
    esv: f64,
    brightness: f64,
    /// Of the frames' mean brightness over time.
    flicker: f64,
    /// Of all pixels.
    contrast: f64,
    frames: f64,
    fps: f64,
    bytes: f64,
    view: f64,
    /// From good to poor.
    window: f64,
    /// From low to high.
    gain: f64,
}

/// What a linear model sees of a phantom.
type Features<'a> = &'a dyn Fn(&Measured) -> Vec<f64>;

fn measure(index: u64) -> Measured {
    let video = Phantom::draw(20, index, Population::Natural).unwrap().render();
    let frames = video.frame_count();
    let size = video.frames.len() / frames;
    let means: Vec<f64> = video
        .frames
        .chunks_exact(size)
        .map(|frame| frame.iter().map(|&pixel| u64::from(pixel)).sum::<u64>() as f64 / size as f64)
        .collect();
    let brightness = means.iter().sum::<f64>() / frames as f64;
    let squares: u64 = video.frames.iter().map(|&pixel| u64::from(pixel) * u64::from(pixel)).sum();
    Measured {
        ef: video.ef(),
        edv: video.edv(),
        esv: video.esv(),
        brightness,
        flicker: means.iter().map(|mean| (mean - brightness).powi(2)).sum::<f64>() / frames as f64,
        contrast: squares as f64 / video.frames.len() as f64 - brightness * brightness,
        frames: frames as f64,
        fps: f64::from(video.fps),
        bytes: video.jpegs().map(|jpeg| jpeg.unwrap().len() as f64).sum(),
        view: f64::from(video.findings.view as u8),
        window: f64::from(video.findings.window as u8),
        gain: f64::from(video.findings.gain as u8),
    }
}

/// Share of the variance of the ejection fraction in `score` that a linear model fitted on `fit` explains.
fn held_out_r2(fit: &[Measured], score: &[Measured], features: Features<'_>) -> f64 {
    let count = features(&fit[0]).len();
    let moments: Vec<(f64, f64)> = (0..count)
        .map(|i| {
            let mean = fit.iter().map(|m| features(m)[i]).sum::<f64>() / fit.len() as f64;
            let variance = fit.iter().map(|m| (features(m)[i] - mean).powi(2)).sum::<f64>() / fit.len() as f64;
            (mean, variance.sqrt())
        })
        .collect();
    let row = |measured: &Measured| {
        let scaled = features(measured).into_iter().zip(&moments).map(|(value, (mean, scale))| (value - mean) / scale);
        std::iter::once(1.0).chain(scaled).collect::<Vec<f64>>()
    };
    // Normal equations with the target as last column.
    let n = count + 1;
    let mut equations = vec![vec![0.0; n + 1]; n];
    for measured in fit {
        let row = row(measured);
        for i in 0..n {
            (0..n).for_each(|j| equations[i][j] += row[i] * row[j]);
            equations[i][n] += row[i] * measured.ef;
        }
    }
    for pivot in 0..n {
        let best = (pivot..n).max_by(|&a, &b| equations[a][pivot].abs().total_cmp(&equations[b][pivot].abs())).unwrap();
        equations.swap(pivot, best);
        let pivot_row = equations[pivot].clone();
        for (i, equation) in equations.iter_mut().enumerate().filter(|(i, _)| *i != pivot) {
            let factor = equation[pivot] / pivot_row[pivot];
            assert!(factor.is_finite(), "feature {i} repeats another");
            equation.iter_mut().zip(&pivot_row).for_each(|(value, above)| *value -= factor * above);
        }
    }
    let weights: Vec<f64> = (0..n).map(|i| equations[i][n] / equations[i][i]).collect();
    let mean = score.iter().map(|m| m.ef).sum::<f64>() / score.len() as f64;
    let residual: f64 =
        score.iter().map(|m| (m.ef - row(m).iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>()).powi(2)).sum();
    1.0 - residual / score.iter().map(|m| (m.ef - mean).powi(2)).sum::<f64>()
}

#[test]
fn only_the_heart_tells_the_ejection_fraction() {
    let measured: Vec<Measured> = (0..2 * COUNT as u64).into_par_iter().map(measure).collect();
    let (fit, score) = measured.split_at(COUNT);
    let r2 = |features: Features<'_>| held_out_r2(fit, score, features);

    let volumes = r2(&|m| vec![m.edv, m.esv, m.edv.ln(), m.esv.ln()]);
    assert!(volumes > 0.9, "the true volumes explain {volumes}: the test itself is broken");

    let brightness = r2(&|m| vec![m.brightness]);
    let alone: [(&str, Features<'_>); 6] = [
        ("variance over time", &|m| vec![m.flicker]),
        ("variance over pixels", &|m| vec![m.contrast]),
        ("frames", &|m| vec![m.frames]),
        ("frame rate", &|m| vec![m.fps]),
        ("file size", &|m| vec![m.bytes]),
        ("view, window and gain", &|m| vec![m.view, m.window, m.gain]),
    ];
    let without_brightness = r2(&|m| vec![m.flicker, m.contrast, m.frames, m.fps, m.bytes]);
    let all = r2(&|m| vec![m.brightness, m.flicker, m.contrast, m.frames, m.fps, m.bytes]);
    println!("volumes {volumes:.3}, brightness {brightness:.3}, others {without_brightness:.3}, all {all:.3}");
    for (name, features) in alone {
        let explained = r2(features);
        println!("{name}: {explained:.4}");
        assert!(explained < 0.05, "{name} explains {explained} of the ejection fraction");
    }
    assert!(without_brightness < 0.05, "recording and file explain {without_brightness}");
    // The mean brightness honestly carries the size of the cavity, which is black.
    assert!(brightness < 0.10, "mean brightness explains {brightness}");
    assert!(all < 0.10, "all together explain {all}");
}
