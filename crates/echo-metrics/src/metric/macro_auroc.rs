//! Macro AUROC: the mean of the classes' AUROC against the rest, over the classes that have one on the sample.

use super::{Better, Definition, Of};
use crate::{
    confusion::mean_of_defined,
    scored::{Kind, Sample},
};

pub(super) const MACRO_AUROC: Definition = Definition {
    key: "macro_auroc",
    label: "Macro AUROC",
    kinds: &[Kind::SingleLabel],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(macro_auroc),
};

fn macro_auroc(sample: &Sample<'_>) -> Option<f64> {
    mean_of_defined(sample.columns().iter().map(|column| column.auroc(sample.counts)))
}

#[cfg(test)]
mod tests {
    use crate::{Error, Scored, metric::tests::names};

    #[test]
    fn an_absent_class_is_left_out() -> Result<(), Error> {
        let rows = [[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.7, 0.2, 0.1]];
        let scored = Scored::single_label(&[0, 0, 1, 1], &rows, &names(3))?;
        // Either class: 0.6 and 0.5 beat 0.3 but not 0.7.
        assert_eq!("macro_auroc".parse::<crate::Metric>()?.of(&scored)?, Some(0.5));
        Ok(())
    }
}
