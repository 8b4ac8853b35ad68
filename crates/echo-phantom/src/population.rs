//! Who is scanned: how ejection fraction and end-diastolic volume are distributed, and how they go together.
//!
//! The figures are those of EchoNet-Dynamic's test set (1,277 patients).

use echo_random::Stream;

/// The patients to draw from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Population {
    /// As in EchoNet-Dynamic's test set: mostly normal hearts, with a tail of failing ones.
    Natural,
    /// As in a heart failure clinic: half of the ejection fractions are below 42 %.
    HeartFailure,
    /// A heart with this ejection fraction in percent; the rest as in patients who have it.
    Target(f64),
    /// A heart with this ejection fraction in percent and end-diastolic volume in ml.
    Volumes {
        /// Ejection fraction, percent.
        ef: f64,
        /// End-diastolic volume, ml.
        edv: f64,
    },
}

/// (probability, ejection fraction in percent): mean 55.5, standard deviation 12.2.
const EF_QUANTILES: [(f64, f64); 10] = [
    (0.0, 11.0),
    (0.01, 18.0),
    (0.05, 27.6),
    (0.10, 35.2),
    (0.25, 51.4),
    (0.50, 58.7),
    (0.75, 63.5),
    (0.95, 68.9),
    (0.99, 73.4),
    (1.0, 80.0),
];

/// As [`EF_QUANTILES`], of [`Population::HeartFailure`].
const HEART_FAILURE_QUANTILES: [(f64, f64); 7] =
    [(0.0, 12.0), (0.05, 20.0), (0.25, 31.0), (0.50, 42.0), (0.75, 55.0), (0.95, 66.0), (1.0, 76.0)];

/// (ejection fraction in percent, mean of ln(EDV / ml), its standard deviation): failing hearts are dilated.
const LN_EDV: [(f64, f64, f64); 9] = [
    (12.0, 5.15, 0.42),
    (25.0, 4.97, 0.42),
    (35.0, 4.71, 0.42),
    (45.0, 4.60, 0.41),
    (52.0, 4.45, 0.38),
    (57.0, 4.38, 0.37),
    (62.0, 4.34, 0.37),
    (67.0, 4.22, 0.37),
    (75.0, 4.05, 0.37),
];

/// Hearts outside this range of end-diastolic volumes in ml do not fit the sector or fill too few pixels.
const EDV_RANGE: (f64, f64) = (32.0, 265.0);

impl Population {
    /// An ejection fraction in percent and an end-diastolic volume in ml.
    pub(crate) fn draw(self, stream: &mut Stream) -> (f64, f64) {
        let probability = stream.uniform();
        let ef = match self {
            Self::Natural => interpolate(&EF_QUANTILES, probability),
            Self::HeartFailure => interpolate(&HEART_FAILURE_QUANTILES, probability),
            Self::Target(ef) => ef,
            Self::Volumes { ef, edv } => return (ef, edv.clamp(EDV_RANGE.0, EDV_RANGE.1)),
        };
        let mean = interpolate(&LN_EDV.map(|(ef, mean, _)| (ef, mean)), ef);
        let deviation = interpolate(&LN_EDV.map(|(ef, _, deviation)| (ef, deviation)), ef);
        // Redrawing keeps the shape of the distribution inside the range; clamping would pile hearts up at its ends.
        let edv = loop {
            let edv = (mean + deviation * stream.normal()).exp();
            if (EDV_RANGE.0..EDV_RANGE.1).contains(&edv) {
                break edv;
            }
        };
        (ef, edv)
    }
}

/// Piecewise linear through `points`, which ascend in x, and constant outside them.
pub(crate) fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else { return x };
    if x <= first.0 {
        return first.1;
    }
    points
        .windows(2)
        .find(|pair| x < pair[1].0)
        .map_or(last.1, |pair| pair[0].1 + (pair[1].1 - pair[0].1) * (x - pair[0].0) / (pair[1].0 - pair[0].0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (ma, mb) = (mean(a), mean(b));
        let dot =
            |u: &[f64], mu: f64, v: &[f64], mv: f64| -> f64 { u.iter().zip(v).map(|(x, y)| (x - mu) * (y - mv)).sum() };
        dot(a, ma, b, mb) / (dot(a, ma, a, ma) * dot(b, mb, b, mb)).sqrt()
    }

    fn quantile(values: &[f64], probability: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[(probability * sorted.len() as f64) as usize]
    }

    #[test]
    fn the_natural_population_has_the_published_statistics() {
        let draws: Vec<(f64, f64)> =
            (0..20_000).map(|i| Population::Natural.draw(&mut Stream::new(3, "test", i))).collect();
        let ef: Vec<f64> = draws.iter().map(|d| d.0).collect();
        let edv: Vec<f64> = draws.iter().map(|d| d.1).collect();
        let esv: Vec<f64> = draws.iter().map(|d| d.1 * (1.0 - d.0 / 100.0)).collect();
        let mean = ef.iter().sum::<f64>() / 20_000.0;
        let deviation = (ef.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0).sqrt();
        // Half a point: the sampling error of 1,277 patients is 0.34.
        assert!((mean - 55.5).abs() < 0.7, "mean {mean}");
        assert!((deviation - 12.2).abs() < 0.7, "deviation {deviation}");
        for (p, expected) in [(0.05, 27.6), (0.25, 51.4), (0.5, 58.7), (0.75, 63.5), (0.95, 68.9)] {
            assert!((quantile(&ef, p) - expected).abs() < 0.8, "{p}: {}", quantile(&ef, p));
        }
        // A tenth: the tails are cut where hearts no longer fit the sector.
        for (p, expected) in [(0.05, 40.0), (0.5, 82.0), (0.95, 175.0)] {
            assert!((quantile(&edv, p) / expected - 1.0).abs() < 0.1, "{p}: {}", quantile(&edv, p));
        }
        assert!((correlation(&ef, &edv) + 0.53).abs() < 0.06, "{}", correlation(&ef, &edv));
        assert!((correlation(&ef, &esv) + 0.75).abs() < 0.06, "{}", correlation(&ef, &esv));
    }

    #[test]
    fn interpolation_is_constant_outside_its_points() {
        let points = [(0.0, 1.0), (2.0, 5.0)];
        assert_eq!([-1.0, 0.0, 1.0, 2.0, 9.0].map(|x| interpolate(&points, x)), [1.0, 1.0, 3.0, 5.0, 5.0]);
    }
}
