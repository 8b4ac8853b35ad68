//! Texts with names, from files.

use std::path::{Path, PathBuf};

use echo_files::{from_cell, read_text};

use crate::CliError;
use crate::names::Names;

/// Texts, and what each is called.
#[derive(Debug)]
pub(crate) struct TextRows {
    pub(crate) rows: Vec<(String, String)>,
}

impl TextRows {
    /// The rows of tables (.csv) and the whole text of all other files.
    ///
    /// # Errors
    /// A file cannot be read, is no such table, or is empty.
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self, CliError> {
        let names = Names::of(files);
        let mut rows = Vec::new();
        for path in files {
            if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
                rows.extend(Self::of_table(path)?.rows);
                continue;
            }
            let text = read_text(path).map_err(CliError::file(path))?;
            if text.trim().is_empty() {
                return Err(CliError::File { path: path.clone(), reason: "it holds no text".to_owned() });
            }
            rows.push((names.name(path), text));
        }
        Ok(Self { rows })
    }

    /// The columns `name` and `text` of a table.
    ///
    /// # Errors
    /// It is no such table, or a text is empty.
    pub(crate) fn of_table(path: &Path) -> Result<Self, CliError> {
        let complain = |reason: String| CliError::File { path: path.to_owned(), reason };
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(CliError::file(path))?;
        let header = reader.headers().map_err(CliError::file(path))?.clone();
        let column = |name: &str| {
            let is_it = |column: &str| column.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name);
            let found = header.iter().position(is_it);
            found.ok_or_else(|| complain(format!("it has no column {name}; it needs name and text")))
        };
        let [name, text] = [column("name")?, column("text")?];
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(CliError::file(path))?;
            let field = |at: usize| from_cell(record.get(at).unwrap_or_default()).to_owned();
            if field(text).trim().is_empty() {
                let line = record.position().map_or(0, csv::Position::line);
                return Err(complain(format!("line {line}: it has no text")));
            }
            rows.push((field(name), field(text)));
        }
        if rows.is_empty() {
            return Err(complain("it has no rows".to_owned()));
        }
        Ok(Self { rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_a_text_in_every_row_and_other_files_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let table = put("a.csv", "Name,Text\na.avi,\"large, round\"\nb.avi,'=small\n");
        let report = put("report.txt", "Normal.\nLarge.");
        let rows = TextRows::read(&[table, report]).unwrap().rows;
        assert_eq!(rows[0], ("a.avi".to_owned(), "large, round".to_owned()));
        // Without the folder, which is nobody's business.
        assert_eq!((&*rows[1].1, &rows[2]), ("=small", &("report.txt".to_owned(), "Normal.\nLarge.".to_owned())));
        let error = |text: &str| TextRows::of_table(&put("b.csv", text)).unwrap_err().to_string();
        assert!(error("name,report\na,b\n").contains("no column text"));
        assert!(error("name,text\na,b\nc,\n").contains("line 3"));
        assert!(error("name,text\n").contains("no rows"));
        assert!(TextRows::read(&[put("c.txt", " \n")]).unwrap_err().to_string().contains("no text"));
    }
}
