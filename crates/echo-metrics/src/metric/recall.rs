//! Recall of one class: the share of its rows that were predicted right. It is undefined without a row of the class.

use super::{Better, Definition, Of};
use crate::scored::Kind;

pub(super) const RECALL: Definition = Definition {
    key: "recall",
    label: "Recall",
    kinds: &[Kind::SingleLabel],
    better: Better::Higher,
    in_unit: false,
    of: Of::Class(|sample, class| sample.confusion()?.recall(class)),
};

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_classes};

    #[test]
    fn only_rows_of_the_class_count() -> Result<(), Error> {
        let of = |key| of_classes(key, &[0, 0, 1, 1], &[0, 2, 0, 1]);
        assert_eq!((of("recall_0")?, of("recall_1")?, of("recall_2")?), (Some(0.5), Some(0.5), None));
        assert!(of("recall_3").is_err_and(|error| error.to_string().contains("known are: 0, 1, 2")));
        Ok(())
    }
}
