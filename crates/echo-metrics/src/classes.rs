//! Predicted probabilities of several classes, of which one is true, or of several labels, of which any may be.

use std::collections::HashSet;

use crate::{
    column::Column,
    error::{Error, check_length},
};

/// A sum of single-precision probabilities, or of their means over clips, is as near to one as this.
const SUM_TOLERANCE: f64 = 1e-3;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Classes {
    pub(crate) names: Vec<String>,
    pub(crate) ordered: bool,
    pub(crate) truth: Vec<usize>,
    pub(crate) predicted: Vec<usize>,
    /// Each class against the rest.
    pub(crate) columns: Vec<Column>,
}

impl Classes {
    pub(crate) fn new<P: AsRef<[f64]>>(
        truth: &[usize],
        probabilities: &[P],
        names: &[String],
        ordered: bool,
    ) -> Result<Self, Error> {
        check_names(names, 2)?;
        check_length("probabilities", probabilities.len(), truth.len())?;
        let classes = names.len();
        if let Some((row, &class)) = truth.iter().enumerate().find(|&(_, &class)| class >= classes) {
            return Err(Error::Class { row, class, classes });
        }
        check_width("probabilities", probabilities, classes)?;
        let of_class = |class: usize| -> Result<Column, Error> {
            let is_class = truth.iter().map(|&truth| Some(truth == class)).collect();
            Column::new(is_class, probabilities.iter().map(|row| row.as_ref()[class]).collect())
        };
        let columns = (0..classes).map(of_class).collect::<Result<_, _>>()?;
        for (row, probabilities) in probabilities.iter().enumerate() {
            let sum: f64 = probabilities.as_ref().iter().sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(Error::Sum { row, sum });
            }
        }
        let predicted = probabilities.iter().map(|row| most_probable(row.as_ref())).collect();
        Ok(Self { names: names.to_vec(), ordered, truth: truth.to_vec(), predicted, columns })
    }
}

/// The first of equally probable ones.
fn most_probable(probabilities: &[f64]) -> usize {
    (1..probabilities.len())
        .fold(0, |best, class| if probabilities[class] > probabilities[best] { class } else { best })
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Labels {
    pub(crate) names: Vec<String>,
    pub(crate) columns: Vec<Column>,
}

impl Labels {
    pub(crate) fn new<T: AsRef<[Option<bool>]>, P: AsRef<[f64]>>(
        truth: &[T],
        probabilities: &[P],
        names: &[String],
    ) -> Result<Self, Error> {
        check_names(names, 1)?;
        check_length("probabilities", probabilities.len(), truth.len())?;
        check_width("truth", truth, names.len())?;
        check_width("probabilities", probabilities, names.len())?;
        let of_label = |label: usize| {
            let truth = truth.iter().map(|row| row.as_ref()[label]).collect();
            Column::new(truth, probabilities.iter().map(|row| row.as_ref()[label]).collect())
        };
        Ok(Self { names: names.to_vec(), columns: (0..names.len()).map(of_label).collect::<Result<_, _>>()? })
    }
}

/// Keys of metrics hold the names.
fn check_names(names: &[String], least: usize) -> Result<(), Error> {
    let distinct: HashSet<&String> = names.iter().filter(|name| !name.is_empty()).collect();
    match distinct.len() == names.len() && names.len() >= least {
        true => Ok(()),
        false => Err(Error::Names { names: names.join(", "), least }),
    }
}

fn check_width<T, R: AsRef<[T]>>(name: &'static str, rows: &[R], want: usize) -> Result<(), Error> {
    match rows.iter().position(|row| row.as_ref().len() != want) {
        Some(row) => Err(Error::Width { name, row, got: rows[row].as_ref().len(), want }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equally_probable_classes_is_predicted() {
        assert_eq!(most_probable(&[0.2, 0.4, 0.4]), 1);
        assert_eq!(most_probable(&[0.25; 4]), 0);
        assert_eq!(most_probable(&[0.1, 0.2, 0.7]), 2);
    }
}
