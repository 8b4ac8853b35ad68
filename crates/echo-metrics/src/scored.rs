//! What is scored: truth and predictions of one kind, and the patient of every row.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    classes::{Classes, Labels},
    column::Column,
    confusion::Confusion,
    error::{Error, check_length, check_row},
    patients::Patients,
    rank::Rank,
    ranking::Ranking,
    values::{CountedValues, Values},
};

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A number, such as an ejection fraction.
    Regression,
    /// Yes or no.
    Binary,
    /// One class of several.
    SingleLabel,
    /// One grade of several that have an order.
    Ordinal,
    /// Several yes-or-no labels, each of which may be missing.
    MultiLabel,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regression => "regression",
            Self::Binary => "binary classification",
            Self::SingleLabel => "single-label classification",
            Self::Ordinal => "ordinal classification",
            Self::MultiLabel => "multi-label classification",
        })
    }
}

/// Truth and predictions, one row per video or study. Each row is a patient of its own unless
/// [`with_patients`](Self::with_patients) says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    data: Data,
    /// Of the rows in the order in which they are kept.
    patients: Patients,
    /// The row of the input that stands at each place.
    order: Vec<usize>,
    /// How often each row counts.
    weights: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Data {
    Values(Values),
    Binary(Column, f64),
    Classes(Classes),
    Labels(Labels),
}

impl Scored {
    /// Values in the target's unit, and the ranges of true values that macro MAE averages over (there may be none).
    ///
    /// # Errors
    /// When the rows are empty, differ in length or hold a value that is not finite.
    pub fn regression(truth: &[f64], prediction: &[f64], ranks: &[Rank]) -> Result<Self, Error> {
        let (values, order) = Values::new(truth, prediction, ranks)?;
        Ok(Self::new(Data::Values(values), order))
    }

    /// The probability of a positive. A row counts as predicted positive from `threshold` upwards, which must not be
    /// chosen on these rows; see [`youden`](crate::youden).
    ///
    /// # Errors
    /// When the rows are empty or differ in length, or a probability or the threshold is outside 0 to 1.
    pub fn binary(truth: &[bool], probability: &[f64], threshold: f64) -> Result<Self, Error> {
        check_length("probability", probability.len(), truth.len())?;
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Error::Threshold { threshold });
        }
        let column = Column::new(truth.iter().copied().map(Some).collect(), probability.to_vec())?;
        Ok(Self::new(Data::Binary(column, threshold), (0..truth.len()).collect()))
    }

    /// Scores of any range, the higher the more likely positive. Only their order counts, so metrics of order alone mean
    /// something: [`AUROC`](crate::Metric::AUROC), [`AUPRC`](crate::Metric::AUPRC) and
    /// [`FPR95`](crate::Metric::FPR95) do, what needs a threshold or a probability does not.
    ///
    /// # Errors
    /// When the rows are empty, differ in length or hold a score that is not finite.
    pub fn ordered(truth: &[bool], score: &[f64]) -> Result<Self, Error> {
        check_length("score", score.len(), truth.len())?;
        check_row("score", score)?;
        // Places in ascending order, the same for equal scores, brought between 0 and 1.
        let ranking = Ranking::of(score);
        let last = (ranking.runs().count() - 1).max(1) as f64;
        let mut places = vec![0.0; score.len()];
        for (place, run) in ranking.runs().enumerate() {
            run.iter().for_each(|&row| places[row] = place as f64 / last);
        }
        Self::binary(truth, &places, 0.5)
    }

    /// The probability of every class, row by row; `truth` counts classes from zero. The predicted class is the most
    /// probable one, the first of equally probable ones.
    ///
    /// # Errors
    /// When the rows are empty or differ in length, there are not two or more classes of different names, a truth is no
    /// class, or a row's probabilities are outside 0 to 1 or do not add up to 1.
    pub fn single_label<P: AsRef<[f64]>>(
        truth: &[usize],
        probabilities: &[P],
        classes: &[String],
    ) -> Result<Self, Error> {
        let classes = Classes::new(truth, probabilities, classes, false)?;
        Ok(Self::new(Data::Classes(classes), (0..truth.len()).collect()))
    }

    /// As [`single_label`](Self::single_label), of classes in ascending order.
    ///
    /// # Errors
    /// As there.
    pub fn ordinal<P: AsRef<[f64]>>(truth: &[usize], probabilities: &[P], grades: &[String]) -> Result<Self, Error> {
        let classes = Classes::new(truth, probabilities, grades, true)?;
        Ok(Self::new(Data::Classes(classes), (0..truth.len()).collect()))
    }

    /// The probability of every label, row by row; a label is `None` where nobody has said whether it holds.
    ///
    /// # Errors
    /// When the rows are empty or differ in length, two labels have one name, or a probability is outside 0 to 1.
    pub fn multi_label<T: AsRef<[Option<bool>]>, P: AsRef<[f64]>>(
        truth: &[T],
        probabilities: &[P],
        labels: &[String],
    ) -> Result<Self, Error> {
        let labels = Labels::new(truth, probabilities, labels)?;
        Ok(Self::new(Data::Labels(labels), (0..truth.len()).collect()))
    }

    fn new(data: Data, order: Vec<usize>) -> Self {
        let patients = Patients::each(order.len()).of(&order);
        let weights = vec![1; order.len()];
        Self { data, patients, order, weights }
    }

    /// With the patients of the rows, in the order of the truth.
    ///
    /// # Errors
    /// When there are more or fewer of them than rows.
    pub fn with_patients(self, patients: &Patients) -> Result<Self, Error> {
        check_length("patients", patients.rows(), self.rows())?;
        Ok(Self { patients: patients.of(&self.order), ..self })
    }

    /// With weights of the rows, in the order of the truth: a row of weight 2 counts as two equal ones.
    ///
    /// # Errors
    /// When there are more or fewer of them than rows.
    pub fn with_weights(self, weights: &[u32]) -> Result<Self, Error> {
        check_length("weights", weights.len(), self.rows())?;
        Ok(Self { weights: self.order.iter().map(|&row| weights[row]).collect(), ..self })
    }

    /// One class against the rest, or one label on the rows where it is known, as a binary classification.
    ///
    /// # Errors
    /// When there is no such class or label, no row where it is known, or the threshold is outside 0 to 1.
    pub fn one_vs_rest(&self, class: &str, threshold: f64) -> Result<Self, Error> {
        let unknown = || Error::UnknownClass { class: class.to_owned(), known: self.classes().join(", ") };
        let index = self.classes().iter().position(|name| name == class).ok_or_else(unknown)?;
        let column = &self.columns()[index];
        let known: Vec<usize> = (0..self.rows()).filter(|&row| column.truth[row].is_some()).collect();
        let truth: Vec<bool> = column.truth.iter().flatten().copied().collect();
        let probability: Vec<f64> = known.iter().map(|&row| column.probability[row]).collect();
        let binary = Self::binary(&truth, &probability, threshold)?;
        // Numbered anew: a patient of whom nothing is known must not be drawn.
        let numbers = self.patients.of(&known);
        let names: Vec<Option<String>> = numbers.numbers().iter().map(|number| Some(number.to_string())).collect();
        binary.with_patients(&Patients::named(&names))
    }

    /// What is predicted.
    pub fn kind(&self) -> Kind {
        match &self.data {
            Data::Values(_) => Kind::Regression,
            Data::Binary(..) => Kind::Binary,
            Data::Classes(Classes { ordered: false, .. }) => Kind::SingleLabel,
            Data::Classes(_) => Kind::Ordinal,
            Data::Labels(_) => Kind::MultiLabel,
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// The patients of the rows.
    pub fn patients(&self) -> &Patients {
        &self.patients
    }

    /// The names of the classes, grades or labels; of other kinds none.
    pub fn classes(&self) -> &[String] {
        match &self.data {
            Data::Classes(Classes { names, .. }) | Data::Labels(Labels { names, .. }) => names,
            _ => &[],
        }
    }

    /// What keeps metrics from being defined, one clause for each class, such as ``none is of class `A2C` ``. Macro means
    /// are over the other classes.
    pub fn absent(&self) -> Vec<String> {
        let sides = |column: &Column| column.sides(&vec![1; self.rows()]);
        match &self.data {
            Data::Values(_) => Vec::new(),
            Data::Binary(column, _) => missing_sides(sides(column)).map(|side| format!("none is {side}")).collect(),
            Data::Classes(Classes { names, columns, .. }) => {
                let absent = names.iter().zip(columns).filter(|(_, column)| sides(column)[1] == 0);
                absent.map(|(name, _)| format!("none is of class `{name}`")).collect()
            }
            Data::Labels(Labels { names, columns }) => {
                let of = |(name, column): (&String, &Column)| {
                    let missing = missing_sides(sides(column)).collect::<Vec<_>>();
                    (!missing.is_empty()).then(|| format!("none is {} for label `{name}`", missing.join(" or ")))
                };
                names.iter().zip(columns).filter_map(of).collect()
            }
        }
    }

    /// Whether the other predicts the same rows, so that the two can be compared row by row.
    pub(crate) fn same_rows(&self, other: &Self) -> bool {
        // In the order of the input: values are kept in that of their predictions.
        let by_input = |scored: &Self| {
            let mut rows = vec![(0, 0); scored.rows()];
            for (place, &row) in scored.order.iter().enumerate() {
                let value = scored.values().map_or(0, |values| values.truth[place].to_bits());
                rows[row] = (scored.patients.numbers()[place], value);
            }
            rows
        };
        fn truths(scored: &Scored) -> impl Iterator<Item = &Vec<Option<bool>>> {
            scored.columns().iter().map(|column| &column.truth)
        }
        self.kind() == other.kind()
            && self.classes() == other.classes()
            && truths(self).eq(truths(other))
            && by_input(self) == by_input(other)
    }

    /// The rows as measured.
    pub(crate) fn once(&self) -> Vec<u32> {
        self.weights.clone()
    }

    /// The rows of a resample that draws patients so often.
    pub(crate) fn drawn(&self, patients: &[usize]) -> Vec<u32> {
        self.patients.tally(patients).iter().zip(&self.weights).map(|(count, weight)| count * weight).collect()
    }

    pub(crate) fn sample<'a>(&'a self, counts: &'a [u32]) -> Sample<'a> {
        Sample { scored: self, counts }
    }

    fn values(&self) -> Option<&Values> {
        if let Data::Values(values) = &self.data { Some(values) } else { None }
    }

    /// One for a binary classification, one for each class or label, else none.
    fn columns(&self) -> &[Column] {
        match &self.data {
            Data::Values(_) => &[],
            Data::Binary(column, _) => std::slice::from_ref(column),
            Data::Classes(Classes { columns, .. }) | Data::Labels(Labels { columns, .. }) => columns,
        }
    }
}

fn missing_sides([negatives, positives]: [u64; 2]) -> impl Iterator<Item = &'static str> {
    [(positives, "positive"), (negatives, "negative")].into_iter().filter(|(rows, _)| *rows == 0).map(|(_, side)| side)
}

/// The rows as measured, or one resample of them: `counts` says how often each row occurs. What a metric is computed
/// from; `None` where the kind has no such thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    scored: &'a Scored,
    pub(crate) counts: &'a [u32],
}

impl<'a> Sample<'a> {
    pub(crate) fn values(&self) -> Option<CountedValues<'a>> {
        Some(self.scored.values()?.counted(self.counts))
    }

    pub(crate) fn binary(&self) -> Option<&'a Column> {
        if let Data::Binary(column, _) = &self.scored.data { Some(column) } else { None }
    }

    pub(crate) fn classes(&self) -> &'a [String] {
        self.scored.classes()
    }

    pub(crate) fn columns(&self) -> &'a [Column] {
        self.scored.columns()
    }

    /// Rows by true and predicted class; a binary classification has the classes negative and positive.
    pub(crate) fn confusion(&self) -> Option<Confusion> {
        match &self.scored.data {
            Data::Values(_) | Data::Labels(_) => None,
            Data::Binary(column, threshold) => {
                let rows = column.rows(self.counts);
                let classes = |(truth, probability, count): (bool, f64, u32)| {
                    (usize::from(truth), usize::from(probability >= *threshold), count)
                };
                Some(Confusion::of(2, rows.map(classes)))
            }
            Data::Classes(Classes { names, truth, predicted, .. }) => {
                let rows = truth.iter().zip(predicted).zip(self.counts);
                Some(Confusion::of(names.len(), rows.map(|((&truth, &predicted), &count)| (truth, predicted, count))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn classes_and_sides_without_a_row_are_named() -> Result<(), Error> {
        let classes = names(&["A4C", "A2C", "PLAX"]);
        let views = Scored::single_label(&[0, 2, 0], &[[0.8, 0.1, 0.1]; 3], &classes)?;
        assert_eq!(views.absent(), ["none is of class `A2C`"]);
        assert_eq!(Scored::binary(&[true, true], &[0.1, 0.2], 0.5)?.absent(), ["none is negative"]);
        let truth = [[Some(true), None, Some(true)], [Some(false), None, None]];
        let findings = Scored::multi_label(&truth, &[[0.5; 3]; 2], &names(&["effusion", "clot", "thick"]))?;
        let absent = ["none is positive or negative for label `clot`", "none is negative for label `thick`"];
        assert_eq!(findings.absent(), absent);
        Ok(())
    }

    #[test]
    fn a_label_alone_keeps_its_known_rows_and_their_patients() -> Result<(), Error> {
        let truth = [[None, Some(true)], [Some(true), None], [Some(false), None], [Some(true), Some(true)]];
        let probabilities = [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]];
        let patients = Patients::named(&[Some("a"), Some("b"), Some("c"), Some("b")]);
        let findings = Scored::multi_label(&truth, &probabilities, &names(&["effusion", "clot"]))?;
        let alone = findings.with_patients(&patients)?.one_vs_rest("effusion", 0.3)?;
        let of_b_and_c = Patients::named(&[Some("b"), Some("c"), Some("b")]);
        let expected = Scored::binary(&[true, false, true], &[0.2, 0.3, 0.4], 0.3)?.with_patients(&of_b_and_c)?;
        assert_eq!(alone, expected);
        assert_eq!(findings_error(&alone.one_vs_rest("mass", 0.5)), "there is no class or label `mass`; known are: ");
        Ok(())
    }

    fn findings_error(result: &Result<Scored, Error>) -> String {
        result.as_ref().err().map(Error::to_string).unwrap_or_default()
    }

    #[test]
    fn scores_of_any_range_keep_their_order_and_their_ties() -> Result<(), Error> {
        let truth = [true, false, true, false, true];
        let scored = Scored::ordered(&truth, &[-1e9, 0.0, -0.0, -2e9, 1e-300])?;
        assert_eq!(scored, Scored::binary(&truth, &[1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 0.0, 1.0], 0.5)?);
        assert_eq!(Scored::ordered(&[true], &[7.0])?, Scored::binary(&[true], &[0.0], 0.5)?);
        assert_eq!(Scored::ordered(&[true], &[]), Err(Error::Length { row: "score", got: 0, want: 1 }));
        assert!(matches!(Scored::ordered(&[true], &[f64::NAN]), Err(Error::Value { row: "score", index: 0, .. })));
        Ok(())
    }

    #[test]
    fn what_no_metric_can_use_is_refused() {
        let two = names(&["a", "b"]);
        let single = |truth: &[usize], rows: &[[f64; 2]], names: &[String]| Scored::single_label(truth, rows, names);
        assert_eq!(Scored::binary(&[], &[], 0.5), Err(Error::Empty { row: "truth" }));
        assert!(matches!(Scored::binary(&[true], &[0.1, 0.2], 0.5), Err(Error::Length { row: "probability", .. })));
        assert_eq!(Scored::binary(&[true], &[2.5], 0.5), Err(Error::Probability { row: 0, value: 2.5 }));
        assert!(matches!(Scored::binary(&[true], &[f64::NAN], 0.5), Err(Error::Probability { row: 0, .. })));
        assert!(matches!(Scored::binary(&[true], &[0.5], f64::NAN), Err(Error::Threshold { .. })));
        assert!(matches!(single(&[2], &[[0.5, 0.5]], &two), Err(Error::Class { row: 0, class: 2, classes: 2 })));
        assert!(matches!(single(&[0, 1], &[[0.5, 0.5], [0.5, 0.4]], &two), Err(Error::Sum { row: 1, .. })));
        assert!(matches!(single(&[0], &[[0.5, 0.5]], &names(&["a", "a"])), Err(Error::Names { .. })));
        assert!(matches!(single(&[0], &[[0.5, 0.5]], &two[..1]), Err(Error::Names { .. })));
        assert_eq!(
            Scored::ordinal(&[0], &[[0.5, 0.5, 0.0]], &two),
            Err(Error::Width { name: "probabilities", row: 0, got: 3, want: 2 })
        );
        assert_eq!(
            Scored::multi_label(&[[None]], &[[0.5, 0.5]], &two),
            Err(Error::Width { name: "truth", row: 0, got: 1, want: 2 })
        );
        let patients = Scored::binary(&[true], &[0.5], 0.5).and_then(|one| one.with_patients(&Patients::each(2)));
        assert_eq!(patients, Err(Error::Length { row: "patients", got: 2, want: 1 }));
    }
}
