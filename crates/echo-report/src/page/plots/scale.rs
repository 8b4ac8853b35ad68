//! Where values of the target lie, and what they are called: the axes of a row's plots.

use super::canvas::range;
use crate::quantity::Quantity;

/// The axis of true and predicted values.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Scale<'a> {
    pub(super) quantity: &'a Quantity,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl<'a> Scale<'a> {
    /// 0 to 100 for a percentage, so that plots can be compared by eye; else what fits. A prediction farther from the true
    /// values than these are from each other would press them together, and stands at the edge.
    pub(in super::super) fn of(quantity: &'a Quantity, truth: &[f64], predictions: &[f64]) -> Self {
        if quantity.is_percentage() && truth.iter().all(|truth| (0.0..=100.0).contains(truth)) {
            return Self { quantity, low: 0.0, high: 100.0 };
        }
        let (least, most) = range(truth.iter().copied());
        let near = |value: f64| value.clamp(least - (most - least), most + (most - least));
        let (low, high) = range(truth.iter().copied().chain(predictions.iter().copied().map(near)));
        // A quantity that is never negative has no negative axis.
        let never_negative = truth.iter().chain(predictions).all(|&value| value >= 0.0);
        Self { quantity, low: if never_negative { low.max(0.0) } else { low }, high }
    }

    pub(super) fn inside(&self, value: f64) -> f64 {
        value.clamp(self.low, self.high)
    }

    pub(super) fn span(&self) -> f64 {
        self.high - self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_fit_and_percentages_have_the_same_axis() {
        let (edv, ef) = (Quantity::regression("EDV", "ml"), Quantity::default());
        let scale = Scale::of(&edv, &[60.0, 290.0], &[80.0, 310.0]);
        assert!(scale.low >= 0.0 && scale.low < 60.0 && (310.0..400.0).contains(&scale.high), "{scale:?}");
        let far = Scale::of(&edv, &[60.0, 290.0], &[80.0, 1e30]);
        assert!(far.high < 700.0 && far.inside(1e30) == far.high, "{far:?}");
        assert!(Scale::of(&edv, &[60.0, 290.0], &[-80.0, 100.0]).low < -80.0);
        let strain = Quantity::regression("GLS", "%");
        assert!(Scale::of(&strain, &[-22.0, -8.0], &[-20.0, -9.0]).high < 0.0);
        let scale = Scale::of(&ef, &[60.0], &[300.0]);
        assert_eq!((scale.low, scale.high), (0.0, 100.0));
    }
}
