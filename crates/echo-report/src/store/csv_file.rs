//! Tables of results: written one way, and read also after a spreadsheet has saved them again.

use std::path::Path;

use csv::StringRecord;
use echo_files::{excerpt, from_cell, to_cell};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ReportError;

/// Separators that spreadsheets write, by the language that they are set to.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// Rows below their names as CSV.
pub(crate) fn to_bytes<R: Serialize>(rows: &[R]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// Rows of cells, the first of which are the columns' names. Those that may be a formula to a spreadsheet have gone
/// through [`to_cell`]: a name may look like a number, and a number with a sign is no formula.
pub(crate) fn to_text(rows: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("rows are of one length and memory is not full");
    }
    let bytes = writer.into_inner().expect("memory is not full");
    String::from_utf8(bytes).expect("texts are UTF-8")
}

/// The rows of the table `path`.
///
/// # Errors
/// It cannot be read, or a row is not of the kind that is wanted.
pub(crate) fn read<R: DeserializeOwned>(path: &Path) -> Result<Vec<R>, ReportError> {
    let invalid = |error: csv::Error| ReportError::Io { path: path.to_owned(), source: error.into() };
    let (names, records) = cells(path)?;
    records.iter().map(|record| record.deserialize(Some(&names)).map_err(invalid)).collect()
}

/// The columns' names of the table `path`, and its rows.
///
/// # Errors
/// It cannot be read.
pub(crate) fn cells(path: &Path) -> Result<(StringRecord, Vec<StringRecord>), ReportError> {
    let invalid = |error: csv::Error| ReportError::Io { path: path.to_owned(), source: error.into() };
    let text = echo_files::read_text(path).map_err(ReportError::io(path))?;
    let header = text.lines().next().unwrap_or_default();
    let count = |separator: u8| header.bytes().filter(|&byte| byte == separator).count();
    // Of as many the comma: `max_by_key` takes the last one.
    let separator = SEPARATORS.into_iter().rev().max_by_key(|&separator| count(separator)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let names = reader.headers().map_err(invalid)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(invalid)?;
        // Spreadsheets end a table with rows of nothing.
        if record.iter().any(|cell| !cell.trim().is_empty()) {
            rows.push(record);
        }
    }
    Ok((names, rows))
}

/// For fields of text, which may be anything.
pub(crate) mod text {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_cell(text))
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<String, D::Error> {
        Ok(from_cell(&String::deserialize(deserializer)?).to_owned())
    }
}

/// For fields of yes and no, which a spreadsheet writes in capitals.
pub(crate) mod truth {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(truth: &bool, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*truth)
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<bool, D::Error> {
        let text = String::deserialize(deserializer)?;
        to_truth(&text).ok_or_else(|| D::Error::custom(format!("{:?} is neither true nor false", excerpt(&text))))
    }
}

/// For fields of several numbers, between spaces.
pub(crate) mod numbers {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(numbers: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<String> = numbers.iter().map(f32::to_string).collect();
        serializer.serialize_str(&texts.join(" "))
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number =
            |part: &str| to_number(part).ok_or_else(|| D::Error::custom(format!("{:?} is no number", excerpt(part))));
        from_cell(&text).split_whitespace().map(number).collect()
    }
}

/// A number that a spreadsheet may have written as text or with a decimal comma.
pub(crate) fn to_number(text: &str) -> Option<f32> {
    text.trim().trim_start_matches('\'').replace(',', ".").parse().ok()
}

/// Yes or no, which a spreadsheet writes in capitals.
pub(crate) fn to_truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        #[serde(with = "text")]
        name: String,
        #[serde(with = "truth")]
        used: bool,
        #[serde(with = "numbers")]
        values: Vec<f32>,
    }

    fn rows() -> Vec<Row> {
        let row = |name: &str, used, values: &[f32]| Row { name: name.to_owned(), used, values: values.to_vec() };
        vec![row("=HYPERLINK(\"x\")", true, &[-1.5]), row("two\nlines, and a comma", false, &[60.25, 0.5])]
    }

    #[test]
    fn tables_come_back_as_they_were_and_no_name_is_a_formula() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), to_bytes(&rows()).unwrap()).unwrap();
        assert_eq!(read::<Row>(file.path()).unwrap(), rows());
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.contains("\"'=HYPERLINK(\"\"x\"\")\",true,-1.5\n"), "{text}");
    }

    #[test]
    fn what_spreadsheets_do_to_a_table_is_undone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for saved in [
            "\u{feff}name,used,values\r\n\"=HYPERLINK(\"\"x\"\")\",TRUE,\"-1.5\"\r\n\"two\nlines, and a comma\",FALSE,60.250 .5\r\n",
            "name;used;values\n'=HYPERLINK(\"x\");TRUE;-1,5\n\"two\nlines, and a comma\";False;\"60,25 0,5\"\n;;\n",
            "name\tused\tvalues\t\n'=HYPERLINK(\"x\")\t1\t'-1.5\t\n\"two\nlines, and a comma\"\t0\t60.25 0.5\t\n",
        ] {
            std::fs::write(file.path(), saved).unwrap();
            assert_eq!(read::<Row>(file.path()).unwrap(), rows(), "{saved:?}");
        }
        std::fs::write(file.path(), "name,used,values\na,maybe,1\n").unwrap();
        let message = read::<Row>(file.path()).unwrap_err().to_string();
        let name = file.path().display().to_string();
        assert!(message.contains("maybe") && message.contains(&name), "{message}");
    }
}
