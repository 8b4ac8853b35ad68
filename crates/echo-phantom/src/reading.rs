//! What a site's readers make of what is drawn: the label of a video or study.

use echo_random::Stream;

/// What a table says about a heart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// Ejection fraction, percent.
    pub ef: f64,
    /// End-diastolic volume, ml.
    pub edv: f64,
    /// End-systolic volume, ml.
    pub esv: f64,
}

/// How a site reads ejection fractions: `offset + slope * true + noise`, in whole steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Points read for a true point.
    pub slope: f64,
    /// Points added.
    pub offset: f64,
    /// Standard deviation between readings of the same heart, points.
    pub noise: f64,
    /// Readings are multiples of this, as by eye; 0 for any number.
    pub step: f64,
    /// Share of the true end-diastolic volume that is read: traces inside the trabeculae give less.
    pub volume: f64,
}

impl Reading {
    /// The traced contour is the drawn one.
    pub const TRACED: Self = Self { slope: 1.0, offset: 0.0, noise: 0.0, step: 0.0, volume: 1.0 };

    /// The label for a heart of which this is true. The end-systolic volume follows from the other two.
    pub fn read(&self, truth: Label, stream: &mut Stream) -> Label {
        if *self == Self::TRACED {
            return truth;
        }
        let read = self.offset + self.slope * truth.ef + self.noise * stream.normal().clamp(-2.5, 2.5);
        let ef = if self.step > 0.0 { (read / self.step).round() * self.step } else { read };
        let ef = ef.clamp(LEAST, MOST);
        let edv = self.volume * truth.edv;
        Label { ef, edv, esv: edv * (1.0 - ef / 100.0) }
    }
}

/// Nobody reads less or more, percent.
const LEAST: f64 = 5.0;
const MOST: f64 = 85.0;

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: Label = Label { ef: 61.3, edv: 90.0, esv: 34.83 };

    #[test]
    fn a_traced_reading_is_the_truth() {
        assert_eq!(Reading::TRACED.read(TRUTH, &mut Stream::new(1, "test", 0)), TRUTH);
    }

    #[test]
    fn readings_scatter_about_their_line_in_whole_steps() {
        let reading = Reading { slope: 0.8, offset: 3.0, noise: 3.0, step: 5.0, volume: 0.9 };
        let read: Vec<Label> = (0..4000).map(|i| reading.read(TRUTH, &mut Stream::new(1, "test", i))).collect();
        let mean = read.iter().map(|label| label.ef).sum::<f64>() / 4000.0;
        let variance = read.iter().map(|label| (label.ef - mean).powi(2)).sum::<f64>() / 4000.0;
        // Four standard errors; rounding to steps of 5 adds a variance of 25 / 12, and the tails are cut.
        assert!((mean - 52.04).abs() < 0.25, "{mean}");
        assert!((variance - (9.0 + 25.0 / 12.0)).abs() < 1.2, "{variance}");
        assert!(read.iter().all(|label| label.ef % 5.0 == 0.0 && label.edv == 81.0));
        assert!(read.iter().all(|label| (100.0 * (1.0 - label.esv / label.edv) - label.ef).abs() < 1e-9));
    }

    #[test]
    fn nobody_reads_an_impossible_ejection_fraction() {
        let reading = Reading { slope: 3.0, offset: -120.0, ..Reading::TRACED };
        let read = |ef: f64| reading.read(Label { ef, ..TRUTH }, &mut Stream::new(1, "test", 0)).ef;
        assert_eq!([10.0, 80.0].map(read), [5.0, 85.0]);
    }
}
