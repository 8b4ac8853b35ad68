//! A row of a prediction file. Its columns follow from the task: one for each number that is predicted.

use csv::StringRecord;
use echo_files::{excerpt, from_cell, printable, to_cell};
use echo_metrics::{Kind, Truth};

use super::csv_file;
use crate::{Quantity, ReportError};

/// One video's prediction by one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionRow {
    /// The video's name.
    pub video: String,
    /// Its patient; empty where patients are not known.
    pub patient: String,
    /// What is true.
    pub truth: Truth,
    /// Regression: the value. Binary: the probability of the second class. Single label and ordinal: the probability of
    /// each class. Multi-label: the probability of each label.
    pub prediction: Vec<f32>,
    /// What is doubtful about it; empty for most.
    pub warning: String,
}

/// The columns of what is true.
fn truths(task: &Quantity) -> Vec<String> {
    match task.kind {
        Kind::MultiLabel => task.classes.iter().map(|class| format!("truth: {}", printable(class))).collect(),
        _ => vec!["truth".to_owned()],
    }
}

/// The columns of what is predicted.
fn outputs(task: &Quantity) -> Vec<String> {
    match task.kind {
        Kind::Regression => vec!["prediction".to_owned()],
        Kind::Binary => vec!["probability".to_owned()],
        _ => task.classes.iter().map(|class| format!("p: {}", printable(class))).collect(),
    }
}

impl PredictionRow {
    /// The names of a file's columns.
    pub(crate) fn columns(task: &Quantity) -> Vec<String> {
        let ends = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        [ends(&["video", "patient"]), truths(task), outputs(task), ends(&["warning"])].concat()
    }

    /// What stands in them.
    ///
    /// # Errors
    /// The truth or the prediction is not of such a task.
    pub(crate) fn cells(&self, task: &Quantity) -> Result<Vec<String>, ReportError> {
        let Self { video, patient, truth, prediction, warning } = self;
        let text = |text: &str| to_cell(text).into_owned();
        let truth = match (task.kind, truth) {
            (Kind::Regression, Truth::Value(value)) => Some(vec![value.to_string()]),
            (Kind::Binary | Kind::SingleLabel | Kind::Ordinal, Truth::Class(class)) => {
                task.classes.get(*class).map(|class| vec![text(&printable(class))])
            }
            (Kind::MultiLabel, Truth::Labels(labels)) if labels.len() == task.classes.len() => {
                let cell = |label: &Option<bool>| label.map_or(String::new(), |label| u8::from(label).to_string());
                Some(labels.iter().map(cell).collect())
            }
            _ => None,
        };
        let truth = truth.filter(|_| prediction.len() == task.outputs()).ok_or_else(|| self.unfit(task))?;
        let prediction = prediction.iter().map(f32::to_string).collect();
        Ok([vec![text(video), text(patient)], truth, prediction, vec![text(warning)]].concat())
    }

    /// The row of a file's cells, which a spreadsheet may have written.
    ///
    /// # Errors
    /// A column is missing, or holds something else; a sentence about it.
    pub(crate) fn of_cells(task: &Quantity, names: &StringRecord, cells: &StringRecord) -> Result<Self, String> {
        let cell = |name: &str| {
            let place = names.iter().position(|other| from_cell(other.trim()) == name);
            let place = place.ok_or_else(|| format!("it has no column {name:?}"))?;
            cells.get(place).ok_or_else(|| format!("a row ends before the column {name:?}"))
        };
        let text = |name: &str| cell(name).map(|text| from_cell(text).to_owned());
        let number = |name: &str| {
            let found = cell(name)?;
            csv_file::to_number(found)
                .ok_or_else(|| format!("{:?} in the column {name:?} is no number", excerpt(found)))
        };
        let truth = match task.kind {
            Kind::Regression => Truth::Value(number("truth")?),
            Kind::MultiLabel => {
                let label = |name: &String| match cell(name)?.trim() {
                    "" => Ok(None),
                    found => match csv_file::to_truth(found) {
                        Some(label) => Ok(Some(label)),
                        None => Err(format!("{:?} in the column {name:?} is neither 1 nor 0", excerpt(found))),
                    },
                };
                Truth::Labels(truths(task).iter().map(label).collect::<Result<_, _>>()?)
            }
            Kind::Binary | Kind::SingleLabel | Kind::Ordinal => {
                let found = text("truth")?;
                let is_class = |class: &String| printable(class) == found.as_str();
                // A spreadsheet writes `true` in capitals.
                let is_like = |class: &String| printable(class).eq_ignore_ascii_case(&found);
                let place = task.classes.iter().position(is_class).or(task.classes.iter().position(is_like));
                let unknown = || format!("{:?} is none of the classes {}", excerpt(&found), task.classes.join(", "));
                Truth::Class(place.ok_or_else(unknown)?)
            }
        };
        let prediction = outputs(task).iter().map(|name| number(name)).collect::<Result<Vec<f32>, _>>()?;
        let row =
            Self { video: text("video")?, patient: text("patient")?, truth, prediction, warning: text("warning")? };
        // A record may come from anywhere, and no score is made of what is not finite.
        let numbers =
            row.prediction.iter().chain(if let Truth::Value(value) = &row.truth { Some(value) } else { None });
        match numbers.into_iter().all(|number| number.is_finite()) {
            true => Ok(row),
            false => Err(format!("{}: a value is not a finite number", row.video)),
        }
    }

    /// The error of a row that is not of such a task.
    pub(crate) fn unfit(&self, task: &Quantity) -> ReportError {
        let Self { video, truth, prediction, .. } = self;
        let truth = match truth {
            Truth::Value(_) => "a value".to_owned(),
            Truth::Class(class) => format!("class {class}"),
            Truth::Labels(labels) => format!("{} labels", labels.len()),
        };
        ReportError::Task {
            video: video.clone(),
            found: format!("{truth} and {} predicted numbers", prediction.len()),
            task: format!("{}, a {} with {} outputs", task.name, task.kind, task.outputs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::tests::task;

    fn row(truth: Truth, prediction: &[f32]) -> PredictionRow {
        let text = |text: &str| text.to_owned();
        PredictionRow {
            video: text("=a"),
            patient: text("-7"),
            truth,
            prediction: prediction.to_vec(),
            warning: text("w"),
        }
    }

    /// The file's lines, and the row that is read back from them.
    fn there_and_back(task: &Quantity, row: &PredictionRow) -> (String, Result<PredictionRow, String>) {
        let (names, cells) = (PredictionRow::columns(task), row.cells(task).unwrap());
        let read =
            PredictionRow::of_cells(task, &StringRecord::from(names.clone()), &StringRecord::from(cells.clone()));
        (format!("{}|{}", names.join(","), cells.join(",")), read)
    }

    #[test]
    fn every_kind_has_its_columns_and_comes_back_as_it_was() {
        let views = task(Kind::SingleLabel, &["A4C", "+A2C"]);
        let labels = vec![Some(true), None, Some(false)];
        for (task, row, lines) in [
            (Quantity::default(), row(Truth::Value(50.5), &[-1.25]), "truth,prediction,warning|'=a,'-7,50.5,-1.25,w"),
            (
                task(Kind::Binary, &["no", "yes"]),
                row(Truth::Class(1), &[0.1]),
                "truth,probability,warning|'=a,'-7,yes,0.1,w",
            ),
            (views, row(Truth::Class(1), &[0.75, 0.25]), "truth,p: A4C,p: +A2C,warning|'=a,'-7,'+A2C,0.75,0.25,w"),
            (
                task(Kind::MultiLabel, &["x", "y", "z"]),
                row(Truth::Labels(labels), &[0.5, 1.0, 0.0]),
                "truth: x,truth: y,truth: z,p: x,p: y,p: z,warning|'=a,'-7,1,,0,0.5,1,0,w",
            ),
        ] {
            let (found, read) = there_and_back(&task, &row);
            assert_eq!(found, format!("video,patient,{lines}"));
            assert_eq!(read, Ok(row));
        }
    }

    #[test]
    fn what_is_not_of_the_task_is_refused_by_name() {
        let binary = task(Kind::Binary, &["no", "yes"]);
        for unfit in [row(Truth::Value(1.0), &[0.5]), row(Truth::Class(2), &[0.5]), row(Truth::Class(0), &[0.5, 0.5])] {
            let message = unfit.cells(&binary).unwrap_err().to_string();
            assert!(message.contains("=a") && message.contains("task, a binary classification"), "{message}");
        }
        let read = |names: &[&str], cells: &[&str]| {
            PredictionRow::of_cells(&binary, &StringRecord::from(names.to_vec()), &StringRecord::from(cells.to_vec()))
        };
        let names = ["video", "patient", "truth", "probability", "warning"];
        assert_eq!(read(&names, &["a", "", "YES", "0,5", ""]).map(|row| row.prediction), Ok(vec![0.5]));
        assert!(read(&names, &["a", "", "maybe", "0.5", ""]).unwrap_err().contains("none of the classes no, yes"));
        assert!(read(&names, &["a", "", "yes", "NaN", ""]).unwrap_err().contains("not a finite number"));
        assert!(read(&names[..3], &["a", "", "yes"]).unwrap_err().contains("no column \"probability\""));
    }
}
