//! The share of rows whose grade was missed by at most one.

use super::{Better, Definition, Of};
use crate::{
    confusion::ratio,
    scored::{Kind, Sample},
};

pub(super) const WITHIN_ONE: Definition = Definition {
    key: "within_one",
    label: "Within one grade",
    kinds: &[Kind::Ordinal],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(within_one),
};

fn within_one(sample: &Sample<'_>) -> Option<f64> {
    let confusion = sample.confusion()?;
    let grades = 0..confusion.classes();
    let near = |truth: usize| {
        let near = grades.clone().filter(move |predicted| predicted.abs_diff(truth) <= 1);
        near.map(|predicted| confusion.at(truth, predicted)).sum::<u64>()
    };
    ratio(grades.clone().map(near).sum(), confusion.rows())
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_grades};

    #[test]
    fn the_neighbour_counts_on_either_side() -> Result<(), Error> {
        assert_eq!(of_grades("within_one", &[0, 1, 2, 2], &[1, 0, 2, 0])?, Some(0.75));
        Ok(())
    }
}
