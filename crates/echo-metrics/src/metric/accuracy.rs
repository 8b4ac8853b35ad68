//! Accuracy: the share of rows whose class was predicted right. Where classes are unequally usual, predicting the most
//! usual one has a high accuracy.

use super::{Better, Definition, Of};
use crate::{
    confusion::ratio,
    scored::{Kind, Sample},
};

pub(super) const ACCURACY: Definition = Definition {
    key: "accuracy",
    label: "Accuracy",
    kinds: &[Kind::SingleLabel, Kind::Ordinal],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(accuracy),
};

fn accuracy(sample: &Sample<'_>) -> Option<f64> {
    let confusion = sample.confusion()?;
    ratio((0..confusion.classes()).map(|class| confusion.at(class, class)).sum(), confusion.rows())
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_classes};

    #[test]
    fn rows_weigh_the_same() -> Result<(), Error> {
        assert_eq!(of_classes("accuracy", &[0, 0, 0, 1, 1], &[0, 0, 0, 1, 2])?, Some(0.8));
        Ok(())
    }
}
