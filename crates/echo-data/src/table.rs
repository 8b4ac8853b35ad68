//! The CSV files that list videos, as people's spreadsheets write them.

use std::fs;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::error::DataError;
use crate::split::Split;

/// A list of videos: any columns, one row for each video.
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    header: StringRecord,
    /// Line, counted from 1, and fields without surrounding space.
    pub(crate) rows: Vec<(u64, StringRecord)>,
}

impl Table {
    /// Reads a whole list. CRLF, rows of nothing but commas and a byte-order mark (which the reader drops) are let pass.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let text = fs::read(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        let text = plain_line_ends(&text);
        let as_csv = |source| DataError::Csv { path: path.to_owned(), source };
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.as_slice());
        let header = reader.headers().map_err(as_csv)?.clone();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(as_csv)?;
            if record.iter().any(|field| !field.is_empty()) {
                rows.push((record.position().map_or(0, |position| line(position, &text)), record));
            }
        }
        Ok(Self { path: path.to_owned(), header, rows })
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

/// LF for CRLF: the reader takes the LF of a CRLF for a part of the next row, and so gives lines one too low.
fn plain_line_ends(text: &[u8]) -> Vec<u8> {
    let next = text.iter().skip(1).chain([&0]);
    text.iter().zip(next).filter(|pair| *pair != (&b'\r', &b'\n')).map(|(&byte, _)| byte).collect()
}

/// The line of a row; the reader's position is before the empty lines that it skips.
fn line(position: &csv::Position, text: &[u8]) -> u64 {
    let skipped = text.iter().skip(position.byte() as usize).take_while(|&&byte| byte == b'\n').count();
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
        let error = table(b"FileName;EF\nx;1\n")?.column("EF").unwrap_err().to_string();
        assert!(error.ends_with("expected one column \"EF\", found 0; the columns are: FileName;EF"), "{error}");
        let error = table(b"EF,ef\n1,2\n")?.optional_column("EF").unwrap_err().to_string();
        assert!(error.contains("found 2; the columns are: EF, ef"), "{error}");
        Ok(())
    }

    #[test]
    fn a_ragged_row_and_other_encodings_are_errors_with_their_line() {
        let error = |text: &[u8]| table(text).err().expect("an error").to_string();
        assert!(error(b"FileName,EF\nx,1\ny\n").contains("line: 3"), "{}", error(b"FileName,EF\nx,1\ny\n"));
        assert!(error(b"FileName,EF\n\xe9,1\n").contains("UTF-8"));
        assert!(matches!(Table::read(Path::new("no/such/list.csv")), Err(DataError::Io { .. })));
    }

    #[test]
    fn only_avi_is_taken_off_a_name() {
        assert_eq!(["a.avi", "a.AVI", "a.b.Avi"].map(without_avi), [Some("a"), Some("a"), Some("a.b")]);
        assert_eq!(["a", "a.mp4", "avi"].map(without_avi), [None; 3]);
    }
}
