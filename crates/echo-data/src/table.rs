//! The CSV files that list videos, as people's spreadsheets write them.

use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::csv_text::CsvText;
use crate::error::DataError;
use crate::split::Split;

/// What spreadsheets and data frames write where there is no value, in small letters.
const MISSING: [&str; 8] = ["", "na", "n/a", "#n/a", "nan", "none", "null", "<na>"];

/// A list of videos: any columns, one row for each video.
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    header: StringRecord,
    separator: char,
    /// Line, counted from 1, and fields without surrounding space, as many as the header has.
    pub(crate) rows: Vec<(u64, StringRecord)>,
}

impl Table {
    /// Reads a whole list. Rows of nothing but separators, and separators at the ends of rows, are let pass.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = echo_files::read_bytes(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        let CsvText { text, separator, skipped } =
            CsvText::decode(&bytes).map_err(|reason| DataError::NotCsv { path: path.to_owned(), reason })?;
        let as_csv = |source| DataError::Csv { path: path.to_owned(), source };
        let mut reader = ReaderBuilder::new();
        reader.trim(Trim::All).flexible(true).delimiter(u8::try_from(separator).unwrap_or(b','));
        let mut reader = reader.from_reader(text.as_bytes());
        let header = without_empty_end(reader.headers().map_err(as_csv)?, 0);
        let mut table = Self { path: path.to_owned(), header, separator, rows: Vec::new() };
        for record in reader.records() {
            let record = record.map_err(as_csv)?;
            if record.iter().all(str::is_empty) {
                continue;
            }
            let at = record.position().map_or(0, |position| line(position, &text)) + skipped;
            let record = without_empty_end(&record, table.header.len());
            if record.len() != table.header.len() {
                let (found, expected) = (record.len(), table.header.len());
                let reason = format!(
                    "the row has {found} fields, the header has {expected}; quote fields that hold {separator:?}"
                );
                return Err(table.wrong_row(at, record.get(0).unwrap_or_default(), reason));
            }
            table.rows.push((at, record));
        }
        Ok(table)
    }

    /// The place of a column that must be there once; case and spaces do not count.
    pub(crate) fn column(&self, name: &str) -> Result<usize, DataError> {
        self.optional_column(name)?.ok_or_else(|| self.wrong_column(name, 0))
    }

    /// The place of a column that may be absent, but not be there twice.
    pub(crate) fn optional_column(&self, name: &str) -> Result<Option<usize>, DataError> {
        let plain = |name: &str| -> String {
            name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
        };
        let places: Vec<usize> =
            self.header.iter().enumerate().filter(|(_, found)| plain(found) == plain(name)).map(|(at, _)| at).collect();
        match places[..] {
            [] => Ok(None),
            [place] => Ok(Some(place)),
            _ => Err(self.wrong_column(name, places.len())),
        }
    }

    fn wrong_column(&self, column: &str, count: usize) -> DataError {
        let found = self.header.iter().map(str::to_owned).collect();
        DataError::Column { path: self.path.clone(), column: column.to_owned(), count, found }
    }

    /// An error that names a row.
    pub(crate) fn wrong_row(&self, line: u64, name: &str, reason: String) -> DataError {
        DataError::Row { path: self.path.clone(), line, name: name.to_owned(), reason }
    }

    /// The finite number that a field holds; decimal commas count where commas do not separate.
    pub(crate) fn number(&self, field: &str) -> Option<f64> {
        let number = match self.separator {
            ',' => field.parse(),
            _ => field.replacen(',', ".", 1).parse(),
        };
        number.ok().filter(|number: &f64| number.is_finite())
    }

    /// The video's name without `.avi` in any case.
    pub(crate) fn name<'a>(&self, line: u64, field: &'a str) -> Result<&'a str, DataError> {
        let name = without_avi(field).unwrap_or(field);
        if name.is_empty() {
            return Err(self.wrong_row(line, field, "the file name is empty".to_owned()));
        }
        Ok(name)
    }

    /// The row's split.
    pub(crate) fn split(&self, line: u64, name: &str, field: &str) -> Result<Split, DataError> {
        Split::parse(field).ok_or_else(|| {
            self.wrong_row(line, name, format!("the split is {field:?}; it must be TRAIN, VAL or TEST (in any case)"))
        })
    }

    /// An error on two rows of one video.
    pub(crate) fn contradiction(&self, name: &str, first: u64, second: u64) -> DataError {
        DataError::Contradiction { path: self.path.clone(), name: name.to_owned(), first, second }
    }
}

/// Whether a field says that there is no value.
pub(crate) fn is_missing(field: &str) -> bool {
    MISSING.iter().any(|missing| field.eq_ignore_ascii_case(missing))
}

/// The fields up to the last that is not empty, but `least` of them where there are as many.
fn without_empty_end(fields: &StringRecord, least: usize) -> StringRecord {
    let used = (0..fields.len()).rev().find(|&place| !fields[place].is_empty()).map_or(0, |last| last + 1);
    let mut shorter = fields.clone();
    shorter.truncate(used.max(least));
    shorter
}

/// The line of a row; the reader's position is before the empty lines that it skips.
fn line(position: &csv::Position, text: &str) -> u64 {
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    let skipped = rest.iter().take_while(|&&byte| byte == b'\n').count();
    position.line() + skipped as u64
}

/// The name before `.avi` in any case, if it ends so.
pub(crate) fn without_avi(name: &str) -> Option<&str> {
    without_extension(name, "avi")
}

/// The name before an extension in any case, if it ends so.
pub(crate) fn without_extension<'a>(name: &'a str, extension: &str) -> Option<&'a str> {
    let (stem, found) = name.rsplit_once('.')?;
    found.eq_ignore_ascii_case(extension).then_some(stem)
}
#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &[u8]) -> Result<Table, DataError> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("the temporary file can be written");
        Table::read(file.path())
    }

    #[test]
    fn marks_spaces_case_and_line_ends_do_not_count() -> Result<(), DataError> {
        for text in
            ["\u{feff}FileName,EF\r\nx,1\r\n", " file name , ef\nx , 1\n\n,\n", "\u{feff}\"FILENAME\",\"Ef\"\nx,1"]
        {
            let table = table(text.as_bytes())?;
            assert_eq!((table.column("FileName")?, table.column("EF")?), (0, 1), "{text:?}");
            assert_eq!(table.rows.len(), 1, "{text:?}");
            assert_eq!((table.rows[0].0, &table.rows[0].1), (2, &StringRecord::from(vec!["x", "1"])));
        }
        Ok(())
    }

    #[test]
    fn lines_are_those_of_an_editor() -> Result<(), DataError> {
        for text in ["\u{feff}EF\n\n1\n2\n\n\n3", "EF\r\n\r\n1\r\n2\r\n\r\n\r\n3\r\n"] {
            let lines: Vec<u64> = table(text.as_bytes())?.rows.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [3, 4, 7], "{text:?}");
        }
        Ok(())
    }

    #[test]
    fn a_column_that_is_absent_or_there_twice_is_named_with_those_found() -> Result<(), DataError> {
        let error = table(b"FileName|EF\nx|1\n")?.column("EF").unwrap_err().to_string();
        assert!(error.ends_with("expected one column \"EF\", found 0; the columns are: FileName|EF"), "{error}");
        let error = table(b"EF,ef\n1,2\n")?.optional_column("EF").unwrap_err().to_string();
        assert!(error.contains("found 2; the columns are: EF, ef"), "{error}");
        Ok(())
    }

    #[test]
    fn separators_and_numbers_are_those_of_the_spreadsheets_language() -> Result<(), DataError> {
        for (text, field, number) in [
            ("FileName;EF\nx;55,5\n", "55,5", Some(55.5)),
            ("FileName\tEF\nx\t55.5\n", "55.5", Some(55.5)),
            ("sep=;\nFileName;EF\nx;55,5\n", "55,5", Some(55.5)),
            ("FileName,EF\nx,\"55,5\"\n", "55,5", None),
            ("FileName;EF\nx;1.055,5\n", "1.055,5", None),
        ] {
            let table = table(text.as_bytes())?;
            assert_eq!(table.rows[0].1, vec!["x", field], "{text:?}");
            assert_eq!(table.number(field), number, "{text:?}");
        }
        assert_eq!(table(b"sep=,\nEF\n\n1\n")?.rows[0].0, 4, "the line of an editor");
        Ok(())
    }

    #[test]
    fn separators_at_the_ends_of_rows_do_not_count() -> Result<(), DataError> {
        for text in ["FileName,EF,\nx,1,\n", "FileName,EF\nx,1,,\n", "FileName,EF,,\nx,1\n", "FileName,EF\nx,1\n"] {
            let table = table(text.as_bytes())?;
            assert_eq!(table.rows, [(2, StringRecord::from(vec!["x", "1"]))], "{text:?}");
        }
        assert_eq!(table(b"FileName,EF,\nx,,\n")?.rows[0].1, vec!["x", ""]);
        Ok(())
    }

    #[test]
    fn a_ragged_row_is_an_error_with_its_line() {
        let error = |text: &[u8]| table(text).err().expect("an error").to_string();
        for text in ["FileName,EF\nx,1\ny\n", "FileName,EF\nx,1\ny,55,5\n"] {
            let error = error(text.as_bytes());
            assert!(error.contains("line 3, video \"y\"") && error.contains("the header has 2"), "{error}");
        }
        assert!(error(b"PK\x03\x04").contains("workbook"));
        assert!(matches!(Table::read(Path::new("no/such/list.csv")), Err(DataError::Io { .. })));
    }

    #[test]
    fn what_stands_for_no_value_is_known() {
        assert!(["", "NA", "NaN", "None", "N/A", "#N/A", "nan", "NULL", "<NA>"].into_iter().all(is_missing));
        assert!(["0", "no", "-", "unknown", "NAN1"].into_iter().all(|field| !is_missing(field)));
    }

    #[test]
    fn only_avi_is_taken_off_a_name() {
        assert_eq!(["a.avi", "a.AVI", "a.b.Avi"].map(without_avi), [Some("a"), Some("a"), Some("a.b")]);
        assert_eq!(["a", "a.mp4", "avi"].map(without_avi), [None; 3]);
    }
}
