//! The CSV files that list videos, as people's spreadsheets write them.

use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};
use echo_files::excerpt;

use crate::csv_text::CsvText;
use crate::error::DataError;
use crate::numbers::Notation;
use crate::split::Split;

/// What people, statistics programs, databases and spreadsheets write where there is no value, or none that could be
/// computed; in small letters.
const MISSING: [&str; 29] = [
    "", "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "nat", "none", "null", "(null)", "nil", "\\n", "missing",
    "unknown", "-", "--", "\u{2013}", "\u{2014}", ".", "?", "#n/v", "#nv", "#value!", "#wert!", "#div/0!", "#ref!",
    "#num!", "#name?",
];

/// Columns that a message names of many.
const SHOWN: usize = 30;

/// A list of videos: any columns, one row for each video.
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    header: StringRecord,
    separator: char,
    /// Line, counted from 1 and on from one file to the next, and fields without surrounding space and marks, as many as the
    /// header has.
    pub(crate) rows: Vec<(u64, StringRecord)>,
    /// The files that it was read from, in order; empty where it is one, of no split.
    files: Vec<TableFile>,
}

/// One of several files that are one table.
struct TableFile {
    path: PathBuf,
    split: Option<Split>,
    /// Lines of the files before it.
    before: u64,
}

impl Table {
    /// Reads several lists, each of the split that stands beside it, as one. `header` names the columns of files without a line
    /// of them.
    ///
    /// # Errors
    /// As [`read`](Self::read), or the files have other columns.
    pub(crate) fn read_all(files: &[(Option<Split>, PathBuf)], header: Option<&[String]>) -> Result<Self, DataError> {
        let read = |path: &Path| match header {
            Some(header) => Self::read_spaced(path, header),
            None => Self::read(path),
        };
        let mut all: Option<Self> = None;
        for (split, path) in files {
            let next = read(path)?;
            let before = all.as_ref().and_then(|all| all.rows.last()).map_or(0, |(line, _)| *line);
            let of_file = TableFile { path: path.clone(), split: *split, before };
            let Self { header, separator, rows, .. } = next;
            let table = all.get_or_insert_with(|| Self {
                path: path.clone(),
                header: header.clone(),
                separator,
                rows: Vec::new(),
                files: Vec::new(),
            });
            if table.header != header {
                let columns = |header: &StringRecord| header.iter().take(SHOWN).collect::<Vec<_>>().join(", ");
                let (own, first) = (columns(&header), columns(&table.header));
                let reason = format!("its columns are {own}, and {} has {first}", table.path.display());
                return Err(DataError::NotCsv { path: path.clone(), reason });
            }
            table.rows.extend(rows.into_iter().map(|(line, fields)| (before + line, fields)));
            table.files.push(of_file);
        }
        Ok(all.expect("a description names a table"))
    }

    /// Reads a list without a line of column names, whose fields are separated by spaces. What `header` has no name for belongs
    /// to the first field, so that names of videos may hold spaces.
    fn read_spaced(path: &Path, header: &[String]) -> Result<Self, DataError> {
        let bytes = echo_files::read_bytes(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        let CsvText { text, skipped, .. } =
            CsvText::decode(&bytes).map_err(|reason| DataError::NotCsv { path: path.to_owned(), reason })?;
        let mut table = Self {
            path: path.to_owned(),
            header: StringRecord::from(header.to_vec()),
            separator: ' ',
            rows: Vec::new(),
            files: Vec::new(),
        };
        for (at, row) in (1 + skipped..).zip(text.lines()) {
            let row = row.trim();
            if row.is_empty() {
                continue;
            }
            let mut fields: Vec<&str> = row.rsplitn(header.len(), char::is_whitespace).map(str::trim).collect();
            fields.reverse();
            if fields.len() != header.len() || fields.iter().any(|field| field.is_empty()) {
                let reason = format!("the row must hold {}, separated by single spaces", header.join(" and "));
                return Err(table.wrong_row(at, row, reason));
            }
            table.rows.push((at, StringRecord::from(fields)));
        }
        Ok(table)
    }

    /// The split of the file that a line is in.
    pub(crate) fn split_at(&self, line: u64) -> Option<Split> {
        self.file_of(line)?.split
    }

    /// A line in words.
    pub(crate) fn place(&self, line: u64) -> String {
        match self.file_of(line).filter(|_| self.files.len() > 1) {
            Some(TableFile { path, before, .. }) => format!("line {} of {}", line - before, path.display()),
            None => format!("line {line}"),
        }
    }

    fn file_of(&self, line: u64) -> Option<&TableFile> {
        self.files.iter().rev().find(|file| file.before < line)
    }

    /// The file of a line, and the line in it.
    fn at(&self, line: u64) -> (PathBuf, u64) {
        self.file_of(line).map_or_else(|| (self.path.clone(), line), |file| (file.path.clone(), line - file.before))
    }

    /// Reads a whole list. Rows of nothing but separators, and separators at the ends of rows, are let pass.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = echo_files::read_bytes(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        let CsvText { text, separator, skipped } =
            CsvText::decode(&bytes).map_err(|reason| DataError::NotCsv { path: path.to_owned(), reason })?;
        let as_csv = |source| DataError::Csv { path: path.to_owned(), source };
        let mut reader = ReaderBuilder::new();
        reader.trim(Trim::All).flexible(true).delimiter(u8::try_from(separator).unwrap_or(b','));
        let mut reader = reader.from_reader(text.as_bytes());
        let header = without_empty_end(&bare(reader.headers().map_err(as_csv)?), 0);
        // Some programs quote lines, not fields.
        if header.len() == 1 && header[0].contains(separator) {
            let reason =
                format!("its lines are quoted as a whole, as {:?}; save it without these quotes", excerpt(&header[0]));
            return Err(DataError::NotCsv { path: path.to_owned(), reason });
        }
        let mut table = Self { path: path.to_owned(), header, separator, rows: Vec::new(), files: Vec::new() };
        for record in reader.records() {
            let read = record.map_err(as_csv)?;
            let record = bare(&read);
            if record.iter().all(str::is_empty) {
                continue;
            }
            let at = read.position().map_or(0, |position| line(position, &text)) + skipped;
            let record = without_empty_end(&record, table.header.len());
            if table.header.len() == 1 && record.len() > 1 {
                let reason = format!(
                    "its first line is {:?}; it must be the one of the column names, so remove whatever stands before that",
                    excerpt(&table.header[0])
                );
                return Err(DataError::NotCsv { path: table.path, reason });
            }
            if record.len() != table.header.len() {
                let (found, expected) = (record.len(), table.header.len());
                let reason = format!(
                    "the row has {found} fields, the header has {expected}; quote fields that hold {separator:?}"
                );
                return Err(table.wrong_row(at, record.get(0).unwrap_or_default(), reason));
            }
            table.rows.push((at, record));
        }
        if table.rows.is_empty() {
            let reason = "it has column names, but no rows; it must have one for every video".to_owned();
            return Err(DataError::NotCsv { path: table.path, reason });
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
        let mut found: Vec<String> = self.header.iter().take(SHOWN).map(|name| excerpt(name).into_owned()).collect();
        if self.header.len() > SHOWN {
            found.push(format!("and {} more", self.header.len() - SHOWN));
        }
        DataError::Column { path: self.path.clone(), column: column.to_owned(), count, found }
    }

    /// Names of its columns, as many as a message shows.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.header.iter().take(SHOWN).collect()
    }

    /// An error that names a row.
    pub(crate) fn wrong_row(&self, line: u64, name: &str, reason: String) -> DataError {
        let (path, line) = self.at(line);
        DataError::Row { path, line, name: excerpt(name).into_owned(), reason }
    }

    /// How the numbers in `columns`, each with its unit, are written.
    pub(crate) fn notation<'a>(&'a self, columns: &[(usize, &'a str)]) -> Notation {
        let of_row = |(line, fields): &'a (u64, StringRecord)| {
            let fields = columns.iter().map(|&(column, unit)| (*line, fields.get(column).unwrap_or_default(), unit));
            fields.collect::<Vec<_>>()
        };
        Notation::of(self.separator, self.rows.iter().flat_map(of_row))
    }

    /// An error on the name of a video that is nowhere, if it holds lines that a quote in the wrong place swallowed.
    pub(crate) fn check_missing(&self, line: u64, name: &str) -> Result<(), DataError> {
        match name.contains('\n') {
            true => Err(self.wrong_row(
                line,
                name,
                "the name holds a line break, as where a quote stands in the wrong place".to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// An error on two rows of one video.
    pub(crate) fn contradiction(&self, name: &str, first: u64, second: u64) -> DataError {
        let ((path, at), (other, second_at)) = (self.at(first), self.at(second));
        if path != other {
            let reason = format!("{} lists it otherwise", self.place(first));
            return self.wrong_row(second, name, reason);
        }
        DataError::Contradiction { path, name: excerpt(name).into_owned(), first: at, second: second_at }
    }
}

/// Whether a field says that there is no value.
pub(crate) fn is_missing(field: &str) -> bool {
    MISSING.iter().any(|missing| field.eq_ignore_ascii_case(missing))
}

/// Fields without the formula `="0101"`, by which exporters keep a spreadsheet from making numbers of texts.
fn bare(fields: &StringRecord) -> StringRecord {
    let is_text = |field: &&str| !field.contains('"');
    let text =
        |field: &str| field.strip_prefix("=\"")?.strip_suffix('"').filter(is_text).map(|text| text.trim().to_owned());
    fields.iter().map(|field| text(field).unwrap_or_else(|| field.to_owned())).collect()
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
        let error = table(b"FileName/EF\nx/1\n")?.column("EF").unwrap_err().to_string();
        assert!(error.ends_with("expected one column \"EF\", found 0; the columns are: FileName/EF"), "{error}");
        let error = table(b"EF,ef\n1,2\n")?.optional_column("EF").unwrap_err().to_string();
        assert!(error.contains("found 2; the columns are: EF, ef"), "{error}");
        Ok(())
    }

    #[test]
    fn separators_and_numbers_are_those_of_the_spreadsheets_language() -> Result<(), DataError> {
        for (text, field, number) in [
            ("FileName;EF\nx;55,5\n", "55,5", Some(55.5)),
            ("FileName\tEF\nx\t55.5\n", "55.5", Some(55.5)),
            ("FileName|EF\nx|55.5\n", "55.5", Some(55.5)),
            ("sep=;\nFileName;EF\nx;55,5\n", "55,5", Some(55.5)),
            ("FileName,EF\nx,\"55,5\"\n", "55,5", Some(55.5)),
            ("FileName,EF\n=\"x\",=\"55.5\"\n", "55.5", Some(55.5)),
            ("FileName,EF\n\"=\"\"x\"\"\",\"=\"\"55.5\"\"\"\n", "55.5", Some(55.5)),
            ("FileName;EF\nx;1.055,5\n", "1.055,5", None),
            ("FileName;EF\nx;1.055\ny;55,5\n", "1.055", None),
        ] {
            let table = table(text.as_bytes())?;
            assert_eq!(table.rows[0].1, vec!["x", field], "{text:?}");
            let notation = table.notation(&[(1, "%")]);
            assert_eq!(notation.number(field, "%").ok().flatten().map(|number| number.value), number, "{text:?}");
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
        assert!(error(b"FileName,EF\n,\n\n").contains("no rows"));
        assert!(error(b"\"FileName,EF\"\n\"x,1\"\n").contains("quoted as a whole"));
        let error_of_title = error(b"Export of Friday\n\nFileName,EF\nx,1\n");
        assert!(error_of_title.contains("first line is \"Export of Friday\""), "{error_of_title}");
        // A quote in the wrong place makes one field of many lines; nobody wants to read them all.
        let many = format!("FileName,EF\n\"y,1\n{}z\",2,3\n", "x,1\n".repeat(1000));
        assert!(error(many.as_bytes()).len() < 400, "{}", error(many.as_bytes()));
        assert!(matches!(Table::read(Path::new("no/such/list.csv")), Err(DataError::Io { .. })));
    }

    #[test]
    fn what_stands_for_no_value_is_known() {
        assert!(["", "NA", "NaN", "None", "N/A", "#N/A", "nan", "NULL", "<NA>"].into_iter().all(is_missing));
        assert!(
            ["-", "\u{2013}", ".", "?", "#VALUE!", "#DIV/0!", "#WERT!", "Missing", "Unknown"]
                .into_iter()
                .all(is_missing)
        );
        assert!(["0", "no", "-1", "#", "NAN1"].into_iter().all(|field| !is_missing(field)));
    }

    #[test]
    fn only_avi_is_taken_off_a_name() {
        let without_avi = |name| without_extension(name, "avi");
        assert_eq!(["a.avi", "a.AVI", "a.b.Avi"].map(without_avi), [Some("a"), Some("a"), Some("a.b")]);
        assert_eq!(["a", "a.mp4", "avi"].map(without_avi), [None; 3]);
    }
}
