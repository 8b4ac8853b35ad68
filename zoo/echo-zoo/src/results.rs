//! Results as a table on the terminal, and as CSV or JSON for other programs.

use std::path::{Path, PathBuf};

use echo_report::text_table;
use serde_json::{Map, Value, json};

use crate::CliError;
use crate::array_file::{out_format, refuse_inputs, write_file};
use crate::output::print;
use crate::table::Table;

/// Flags that say in which form results are wanted.
#[derive(Debug, clap::Args)]
pub(crate) struct ResultArgs {
    /// Also write the results: .csv, or .json (an array of objects).
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the results as JSON instead of a table.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the results as CSV instead of a table.
    #[arg(long)]
    csv: bool,
}

/// A value of a result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Number(f64),
    /// Not of this row.
    None,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<f32> for Cell {
    /// The number that is written as the shortest decimal fraction for it, not one of 17 digits.
    fn from(number: f32) -> Self {
        Self::Number(number.to_string().parse().unwrap_or_else(|_| f64::from(number)))
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self::Number(number as f64)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

/// Rows of the same columns; the first is a name from anywhere.
#[derive(Debug)]
pub(crate) struct Results {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Results {
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn csv(&self, path: &Path) -> Result<Vec<u8>, CliError> {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let mut table = Table::new(&columns)?;
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(Cell::text).collect();
            let (name, others) = cells.split_first().expect("a name and its values");
            table.row(name, &others.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        table.into_bytes(path)
    }

    /// The same as text, for standard output.
    pub(crate) fn csv_text(&self) -> Result<String, CliError> {
        self.csv(Path::new("standard output")).map(text)
    }

    /// The same as text, for standard output.
    pub(crate) fn json_text(&self) -> String {
        text(self.json())
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        let object = |row: &Vec<Cell>| {
            let entries = self.columns.iter().cloned().zip(row.iter().map(Cell::value));
            Value::Object(entries.collect::<Map<_, _>>())
        };
        let rows: Vec<Value> = self.rows.iter().map(object).collect();
        let mut text = serde_json::to_vec_pretty(&rows).expect("rows of texts and numbers");
        text.push(b'\n');
        text
    }
}

/// What was made of texts.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text that was made of texts")
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::None => String::new(),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            // Whole numbers without a point.
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => json!(*number as i64),
            Self::Number(number) => json!(number),
            Self::None => Value::Null,
        }
    }
}

impl ResultArgs {
    /// Before anything is computed; `read` are the files that are.
    ///
    /// # Errors
    /// The file that is to be written has another ending, or is one that is read.
    pub(crate) fn check<'a>(&self, read: impl IntoIterator<Item = &'a Path>) -> Result<(), CliError> {
        let Some(path) = self.out.as_deref() else { return Ok(()) };
        out_format(path, &["csv", "json"])?;
        refuse_inputs([path], read)
    }

    /// Writes the file, then the terminal, whose reader may go at any time: as `table`, or what is asked for instead.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, results: &Results, table: &[Vec<String>]) -> Result<(), CliError> {
        if let Some(path) = &self.out {
            let bytes = match out_format(path, &["csv", "json"])? {
                "csv" => results.csv(path)?,
                _ => results.json(),
            };
            write_file(path, &bytes)?;
        }
        print(&match (self.json, self.csv) {
            (true, _) => results.json_text(),
            (_, true) => results.csv_text()?,
            _ => text_table(table),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_json_have_the_same_rows() {
        let mut results = Results::new(&["name", "value", "frame", "warning"]);
        results.push(vec!["=a.avi".into(), 0.1f32.into(), 3usize.into(), "".into()]);
        results.push(vec!["b".into(), 0.25f64.into(), None::<usize>.into(), "still".into()]);
        let csv = String::from_utf8(results.csv(Path::new("a.csv")).unwrap()).unwrap();
        assert_eq!(csv, "name,value,frame,warning\n'=a.avi,0.1,3,\nb,0.25,,still\n");
        let json: Value = serde_json::from_slice(&results.json()).unwrap();
        assert_eq!(
            json,
            json!([
                { "name": "=a.avi", "value": 0.1, "frame": 3, "warning": "" },
                { "name": "b", "value": 0.25, "frame": null, "warning": "still" },
            ])
        );
    }
}
