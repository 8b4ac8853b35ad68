//! Whose videos the rows are. Videos of one heart resemble each other, so a resample draws patients with all of their
//! rows: drawn one by one, the rows would promise a precision that a study of so few patients does not have.

use std::collections::HashMap;

/// The patient of every row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patients {
    /// Numbered by first appearance.
    of_row: Vec<usize>,
    count: usize,
}

impl Patients {
    /// Every row is a patient of its own.
    pub fn each(rows: usize) -> Self {
        Self { of_row: (0..rows).collect(), count: rows }
    }

    /// From one name per row; a row without a name is a patient of its own.
    pub fn named<S: AsRef<str>>(names: &[Option<S>]) -> Self {
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut count = 0;
        let mut next = || {
            count += 1;
            count - 1
        };
        let of_row = names.iter().map(|name| match name {
            Some(name) => *known.entry(name.as_ref()).or_insert_with(&mut next),
            None => next(),
        });
        Self { of_row: of_row.collect(), count }
    }

    /// How many patients there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many rows they have together.
    pub fn rows(&self) -> usize {
        self.of_row.len()
    }

    /// Those of the given rows, which keep the numbers that their patients have.
    pub(crate) fn of(&self, rows: &[usize]) -> Self {
        Self { of_row: rows.iter().map(|&row| self.of_row[row]).collect(), count: self.count }
    }

    /// How often each row is in a resample that drew these patients.
    pub(crate) fn tally(&self, draws: &[usize]) -> Vec<u32> {
        let mut drawn = vec![0; self.count];
        draws.iter().for_each(|&patient| drawn[patient] += 1);
        self.of_row.iter().map(|&patient| drawn[patient]).collect()
    }

    /// The patient's number, row by row.
    pub(crate) fn numbers(&self) -> &[usize] {
        &self.of_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_patient_are_drawn_together_and_rows_without_one_alone() {
        let patients = Patients::named(&[Some("b"), None, Some("a"), Some("b"), None]);
        assert_eq!((patients.count(), patients.rows()), (4, 5));
        assert_eq!(patients.tally(&[0, 0, 2, 3]), [2, 0, 1, 2, 1]);
        assert_eq!(patients.of(&[3, 1]).tally(&[0, 0, 1]), [2, 1]);
    }

    #[test]
    fn without_names_every_row_is_a_patient() {
        assert_eq!(Patients::named::<&str>(&[None, None, None]), Patients::each(3));
        assert_eq!(Patients::named(&[Some("a"), Some("b"), Some("c")]), Patients::each(3));
    }
}
