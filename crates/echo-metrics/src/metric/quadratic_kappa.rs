//! Cohen's kappa with quadratic weights (Cohen 1968): the agreement beyond chance, where a miss by two grades weighs four
//! times one by one. One is perfect, zero is chance. It is undefined where the truth is of one grade alone.

use super::{Better, Definition, Of};
use crate::scored::{Kind, Sample};

pub(super) const QUADRATIC_KAPPA: Definition = Definition {
    key: "quadratic_kappa",
    label: "Quadratic kappa",
    kinds: &[Kind::Ordinal],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(quadratic_kappa),
};

fn quadratic_kappa(sample: &Sample<'_>) -> Option<f64> {
    let confusion = sample.confusion()?;
    (0..confusion.classes()).filter(|&class| confusion.of_class(class) > 0).nth(1)?;
    let (mut observed, mut expected) = (0.0, 0.0);
    for truth in 0..confusion.classes() {
        for predicted in 0..confusion.classes() {
            let weight = predicted.abs_diff(truth).pow(2) as f64;
            observed += weight * confusion.at(truth, predicted) as f64;
            expected += weight * confusion.of_class(truth) as f64 * confusion.predicted(predicted) as f64;
        }
    }
    (expected > 0.0).then(|| 1.0 - observed * confusion.rows() as f64 / expected)
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_grades};

    #[test]
    fn far_misses_weigh_more_and_a_constant_is_chance() -> Result<(), Error> {
        let of = |predicted: &[usize]| of_grades("quadratic_kappa", &[0, 1, 2, 2], predicted);
        assert_eq!((of(&[0, 1, 2, 2])?, of(&[1; 4])?), (Some(1.0), Some(0.0)));
        assert!(of(&[0, 1, 2, 1])? > of(&[0, 1, 2, 0])?);
        assert_eq!(of_grades("quadratic_kappa", &[1; 3], &[1; 3])?, None);
        assert_eq!(of_grades("quadratic_kappa", &[1; 3], &[1, 2, 1])?, None);
        Ok(())
    }
}
