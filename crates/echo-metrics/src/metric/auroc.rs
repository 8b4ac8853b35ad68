//! Area under the ROC curve: the chance that a positive row has a higher probability than a negative one, where ties count
//! half. It is undefined without rows of both sides.

use super::{Better, Definition, Of};
use crate::scored::Kind;

pub(super) const AUROC: Definition = Definition {
    key: "auroc",
    label: "AUROC",
    kinds: &[Kind::Binary],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(|sample| sample.binary()?.auroc(sample.counts)),
};

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_binary};

    #[test]
    fn it_is_the_share_of_pairs_in_the_right_order() -> Result<(), Error> {
        let truth = [true, false, true, false];
        assert_eq!(of_binary("auroc", &truth, &[0.9, 0.1, 0.8, 0.2])?, Some(1.0));
        assert_eq!(of_binary("auroc", &truth, &[0.1, 0.9, 0.2, 0.8])?, Some(0.0));
        // Pairs: (0.6, 0.6) tied, (0.6, 0.5), (0.7, 0.6) and (0.7, 0.5) right.
        assert_eq!(of_binary("auroc", &truth, &[0.6, 0.6, 0.7, 0.5])?, Some(0.875));
        assert_eq!(of_binary("auroc", &[true; 4], &[0.6, 0.6, 0.7, 0.5])?, None);
        Ok(())
    }
}
