//! AUROC of one label, on the rows where it is known, and the mean over the labels that have one on the sample.

use super::{Better, Definition, Of};
use crate::{
    confusion::mean_of_defined,
    scored::{Kind, Sample},
};

pub(super) const MEAN_AUROC: Definition = Definition {
    key: "mean_auroc",
    label: "Mean AUROC",
    kinds: &[Kind::MultiLabel],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(mean_auroc),
};

pub(super) const LABEL_AUROC: Definition = Definition {
    key: "label_auroc",
    label: "AUROC",
    kinds: &[Kind::MultiLabel],
    better: Better::Higher,
    in_unit: false,
    of: Of::Class(|sample, label| sample.columns().get(label)?.auroc(sample.counts)),
};

fn mean_auroc(sample: &Sample<'_>) -> Option<f64> {
    mean_of_defined(sample.columns().iter().map(|column| column.auroc(sample.counts)))
}

#[cfg(test)]
mod tests {
    use crate::{Error, Metric, Scored, metric::tests::names};

    #[test]
    fn unknown_labels_are_left_out() -> Result<(), Error> {
        let truth = [[Some(true), None], [Some(false), Some(true)], [None, Some(true)], [Some(true), None]];
        let rows = [[0.6, 0.1], [0.5, 0.1], [0.9, 0.1], [0.4, 0.1]];
        let scored = Scored::multi_label(&truth, &rows, &names(2))?;
        let of = |key: &str| key.parse::<Metric>().and_then(|metric| metric.of(&scored));
        assert_eq!((of("label_auroc_0")?, of("label_auroc_1")?, of("mean_auroc")?), (Some(0.5), None, Some(0.5)));
        Ok(())
    }
}
