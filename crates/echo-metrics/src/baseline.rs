//! Predictors that see no video: what every table's rows must beat. They are fitted on labels of training or validation,
//! never of test rows.

use crate::error::Error;

/// The median, as the value of every row: the mean of the two middle ones of an even number.
///
/// # Errors
/// Without a label.
pub fn median(truth: &[f64]) -> Result<f64, Error> {
    let mut sorted = truth.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted[..] {
        [] => Err(Error::Empty { row: "truth" }),
        _ => Ok((sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0),
    }
}

/// The share of positives, as the probability of every row.
///
/// # Errors
/// Without a label.
pub fn prevalence(truth: &[bool]) -> Result<f64, Error> {
    Ok(class_shares(&truth.iter().map(|&positive| usize::from(positive)).collect::<Vec<_>>(), 2)?[1])
}

/// The share of each class, as the probabilities of every row: predicts the majority class, the first of equal ones.
///
/// # Errors
/// Without a label, or when one is no class.
pub fn class_shares(truth: &[usize], classes: usize) -> Result<Vec<f64>, Error> {
    if truth.is_empty() {
        return Err(Error::Empty { row: "truth" });
    }
    let mut counts = vec![0usize; classes];
    for (row, &class) in truth.iter().enumerate() {
        *counts.get_mut(class).ok_or(Error::Class { row, class, classes })? += 1;
    }
    Ok(counts.into_iter().map(|count| count as f64 / truth.len() as f64).collect())
}

/// The share of positives of each label where it is known, as the probabilities of every row; one half where it never is.
///
/// # Errors
/// Without a row, or when rows differ in length.
pub fn label_prevalences<T: AsRef<[Option<bool>]>>(truth: &[T]) -> Result<Vec<f64>, Error> {
    let labels = truth.first().ok_or(Error::Empty { row: "truth" })?.as_ref().len();
    if let Some((row, got)) = truth.iter().map(|row| row.as_ref().len()).enumerate().find(|&(_, got)| got != labels) {
        return Err(Error::Width { name: "truth", row, got, want: labels });
    }
    let of_label = |label: usize| {
        let known: Vec<bool> = truth.iter().filter_map(|row| row.as_ref()[label]).collect();
        if known.is_empty() { Ok(0.5) } else { prevalence(&known) }
    };
    (0..labels).map(of_label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_known_labels() -> Result<(), Error> {
        assert_eq!((median(&[3.0, 1.0, 7.0])?, median(&[3.0, 1.0, 7.0, 4.0])?), (3.0, 3.5));
        assert_eq!(prevalence(&[true, false, false, false])?, 0.25);
        assert_eq!(class_shares(&[2, 0, 2, 2], 4)?, [0.25, 0.0, 0.75, 0.0]);
        let truth = [[Some(true), None, None], [Some(false), Some(true), None]];
        assert_eq!(label_prevalences(&truth)?, [0.5, 1.0, 0.5]);
        Ok(())
    }

    #[test]
    fn labels_that_are_none_are_refused() {
        assert_eq!(
            (prevalence(&[]), median(&[])),
            (Err(Error::Empty { row: "truth" }), Err(Error::Empty { row: "truth" }))
        );
        assert_eq!(class_shares(&[0, 3], 3), Err(Error::Class { row: 1, class: 3, classes: 3 }));
        let ragged: [&[Option<bool>]; 2] = [&[None, None], &[None]];
        assert_eq!(label_prevalences(&ragged), Err(Error::Width { name: "truth", row: 1, got: 1, want: 2 }));
    }
}
