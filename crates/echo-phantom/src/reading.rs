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
