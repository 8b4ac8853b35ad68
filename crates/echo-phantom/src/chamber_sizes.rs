//! How large the other chambers are: normal in most hearts, dilated in some, more often beside a failing ventricle.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

use crate::physiology::normal;

/// Size of a chamber in classes that readers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChamberSize {
    /// Not dilated.
    Normal,
    /// Mildly dilated.
    MildlyDilated,
    /// Moderately or severely dilated.
    SeverelyDilated,
}

/// Limits between the classes: from the first number on mildly, from the second on more than mildly dilated. They lie
/// between those of women and of men in the recommendations of Lang et al. (J Am Soc Echocardiogr 2015).
///
/// End-diastolic volume of the left ventricle in ml; widths of the others in cm.
pub(crate) const LEFT_VENTRICLE: (f64, f64) = (130.0, 160.0);
pub(crate) const LEFT_ATRIUM: (f64, f64) = (4.2, 4.8);
pub(crate) const RIGHT_VENTRICLE: (f64, f64) = (4.2, 4.7);
pub(crate) const RIGHT_ATRIUM: (f64, f64) = (4.5, 5.1);

impl ChamberSize {
    /// The name with an underscore between words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::MildlyDilated => "mildly_dilated",
            Self::SeverelyDilated => "severely_dilated",
        }
    }

    pub(crate) fn of(measure: f64, (mild, severe): (f64, f64)) -> Self {
        match measure {
            measure if measure < mild => Self::Normal,
            measure if measure < severe => Self::MildlyDilated,
            _ => Self::SeverelyDilated,
        }
    }
}

/// Sizes at end-diastole, cm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChamberSizes {
    /// Half-width.
    pub left_atrium: f64,
    pub left_atrial_depth: f64,
    /// Half-width.
    pub right_atrium: f64,
    pub right_atrial_depth: f64,
    /// Width of the cavity at its base.
    pub right_ventricle: f64,
    /// Where its apex lies, as a share of the left ventricle's length.
    pub right_ventricular_apex: f64,
}

impl ChamberSizes {
    /// Draws the sizes beside a left ventricle of this ejection fraction (percent) and relative size (1 for 82 ml).
    pub fn draw(stream: &mut Stream, ef: f64, size: f64) -> Self {
        let failing = ((58.0 - ef) / 38.0).clamp(0.0, 1.0);
        // By how much a chamber is dilated, as a share. Always two draws.
        let mut dilated = |share: f64, least: f64, most: f64| {
            let (drawn, amount) = (stream.uniform(), stream.range(least, most));
            if drawn < share { amount } else { 0.0 }
        };
        let left_atrium = dilated(0.17 + 0.4 * failing, 0.1, 0.45);
        let right_ventricle = dilated(0.12 + 0.25 * failing, 0.28, 0.65);
        let right_atrium = dilated(if right_ventricle > 0.0 { 0.7 } else { 0.1 + 0.1 * failing }, 0.2, 0.5);
        let depth = 4.6 * size.sqrt();
        Self {
            left_atrium: 1.9 * size.sqrt() * normal(stream, 1.0, 0.06) * (1.0 + left_atrium),
            left_atrial_depth: depth * normal(stream, 1.0, 0.08) * (1.0 + 0.6 * left_atrium),
            right_atrium: 1.9 * size.sqrt() * normal(stream, 1.0, 0.07) * (1.0 + right_atrium),
            right_atrial_depth: depth * normal(stream, 0.96, 0.06) * (1.0 + 0.5 * right_atrium),
            right_ventricle: normal(stream, 3.15, 0.3) * (1.0 + right_ventricle),
            // A large right ventricle reaches further down and shares the apex.
            right_ventricular_apex: stream.range(0.14, 0.3) * (1.0 - right_ventricle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_occurs_and_failing_hearts_have_larger_atria() {
        let sizes = |ef: f64| -> Vec<ChamberSizes> {
            (0..2000).map(|i| ChamberSizes::draw(&mut Stream::new(1, "test", i), ef, 1.0)).collect()
        };
        let share = |sizes: &[ChamberSizes], class: &dyn Fn(&ChamberSizes) -> ChamberSize, wanted: ChamberSize| {
            sizes.iter().filter(|sizes| class(sizes) == wanted).count() as f64 / sizes.len() as f64
        };
        let left_atrium = |sizes: &ChamberSizes| ChamberSize::of(2.0 * sizes.left_atrium, LEFT_ATRIUM);
        let right_atrium = |sizes: &ChamberSizes| ChamberSize::of(2.0 * sizes.right_atrium, RIGHT_ATRIUM);
        let right_ventricle = |sizes: &ChamberSizes| ChamberSize::of(sizes.right_ventricle, RIGHT_VENTRICLE);
        let (healthy, failing) = (sizes(60.0), sizes(25.0));
        for class in [&left_atrium as &dyn Fn(&ChamberSizes) -> ChamberSize, &right_atrium, &right_ventricle] {
            for size in [ChamberSize::MildlyDilated, ChamberSize::SeverelyDilated] {
                assert!(share(&healthy, class, size) > 0.02, "{size:?}");
            }
            assert!(share(&healthy, class, ChamberSize::Normal) > 0.75);
            assert!(share(&failing, class, ChamberSize::Normal) < 0.8);
        }
    }

    #[test]
    fn limits_belong_to_the_larger_class() {
        let sizes = [4.1, 4.2, 4.8].map(|width| ChamberSize::of(width, LEFT_ATRIUM));
        assert_eq!(sizes, [ChamberSize::Normal, ChamberSize::MildlyDilated, ChamberSize::SeverelyDilated]);
    }
}
