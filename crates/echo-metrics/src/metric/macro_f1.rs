//! Macro F1: the mean of the classes' F1, over the classes that the sample has or that were predicted for one of it.

use super::{Better, Definition, Of};
use crate::{
    confusion::mean_of_defined,
    scored::{Kind, Sample},
};

pub(super) const MACRO_F1: Definition = Definition {
    key: "macro_f1",
    label: "Macro F1",
    kinds: &[Kind::SingleLabel],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(macro_f1),
};

fn macro_f1(sample: &Sample<'_>) -> Option<f64> {
    let confusion = sample.confusion()?;
    mean_of_defined((0..confusion.classes()).map(|class| match confusion.of_class(class) {
        0 => (confusion.predicted(class) > 0).then_some(0.0),
        _ => confusion.f1(class),
    }))
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_classes};

    #[test]
    fn false_alarms_cost_the_class_they_name() -> Result<(), Error> {
        // Class 0: 2 of 2 found, 3 called; class 1: 1 of 2 found, 1 called; class 2 has no row.
        let expected = 0.5 * (4.0 / 5.0 + 2.0 / 3.0);
        assert_eq!(of_classes("macro_f1", &[0, 0, 1, 1], &[0, 0, 0, 1])?, Some(expected));
        // A class without a row that was called once is a class found wrong.
        assert_eq!(of_classes("macro_f1", &[0, 0, 1, 1], &[0, 0, 2, 1])?, Some((1.0 + 2.0 / 3.0 + 0.0) / 3.0));
        Ok(())
    }
}
