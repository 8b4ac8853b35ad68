//! Tables of results: written one way, and read also after a spreadsheet has saved them again.

use std::path::Path;

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
            rows.push(record.deserialize(Some(&names)).map_err(invalid)?);
        }
    }
    Ok(rows)
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
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(D::Error::custom(format!("{:?} is neither true nor false", excerpt(&text)))),
        }
    }
}

/// For fields of numbers, which a spreadsheet may write as text or with a decimal comma.
pub(crate) mod number {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(number: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f32(*number)
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<f32, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = text.trim().trim_start_matches('\'').replace(',', ".");
        plain.parse().map_err(|_| D::Error::custom(format!("{:?} is no number", excerpt(&text))))
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
        #[serde(with = "number")]
        value: f32,
    }

    fn rows() -> Vec<Row> {
        let row = |name: &str, used, value| Row { name: name.to_owned(), used, value };
        vec![row("=HYPERLINK(\"x\")", true, -1.5), row("two\nlines, and a comma", false, 60.25)]
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
            "\u{feff}name,used,value\r\n\"=HYPERLINK(\"\"x\"\")\",TRUE,\"-1.5\"\r\n\"two\nlines, and a comma\",FALSE,60.250\r\n",
            "name;used;value\n'=HYPERLINK(\"x\");TRUE;-1,5\n\"two\nlines, and a comma\";False;\"60,25\"\n;;\n",
            "name\tused\tvalue\t\n'=HYPERLINK(\"x\")\t1\t'-1.5\t\n\"two\nlines, and a comma\"\t0\t60.25\t\n",
        ] {
            std::fs::write(file.path(), saved).unwrap();
            assert_eq!(read::<Row>(file.path()).unwrap(), rows(), "{saved:?}");
        }
        std::fs::write(file.path(), "name,used,value\na,maybe,1\n").unwrap();
        let message = read::<Row>(file.path()).unwrap_err().to_string();
        let name = file.path().display().to_string();
        assert!(message.contains("maybe") && message.contains(&name), "{message}");
    }
}
