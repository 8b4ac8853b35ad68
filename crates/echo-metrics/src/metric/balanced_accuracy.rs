//! Balanced accuracy: the mean of the classes' recalls, so that a rare class weighs as much as a usual one. It is over the
//! classes that the sample has; guessing scores one over their number, so there must be two at least.

use super::{Better, Definition, Of};
use crate::{
    confusion::mean_of_defined,
    scored::{Kind, Sample},
};

pub(super) const BALANCED_ACCURACY: Definition = Definition {
    key: "balanced_accuracy",
    label: "Balanced accuracy",
    kinds: &[Kind::SingleLabel],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(balanced_accuracy),
};

fn balanced_accuracy(sample: &Sample<'_>) -> Option<f64> {
    let confusion = sample.confusion()?;
    let recalls = || (0..confusion.classes()).map(|class| confusion.recall(class));
    mean_of_defined(recalls()).filter(|_| recalls().flatten().nth(1).is_some())
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_classes};

    #[test]
    fn classes_weigh_the_same_and_absent_ones_nothing() -> Result<(), Error> {
        // All of three zeros right, half of two ones, no two.
        assert_eq!(of_classes("balanced_accuracy", &[0, 0, 0, 1, 1], &[0, 0, 0, 1, 2])?, Some(0.75));
        // Of one class alone, who always names it is not known to tell it from others.
        assert_eq!(of_classes("balanced_accuracy", &[1, 1], &[1, 1])?, None);
        Ok(())
    }
}
