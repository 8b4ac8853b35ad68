//! Tables of results that other programs read.

use std::path::Path;

use echo_files::to_cell;

use crate::CliError;

/// A CSV file in the making.
pub(crate) struct Table(csv::Writer<Vec<u8>>);

impl Table {
    pub(crate) fn new(header: &[&str]) -> Result<Self, csv::Error> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(header)?;
        Ok(Self(table))
    }

    /// A row that begins with a name from anywhere, which no spreadsheet is to take for a formula.
    pub(crate) fn row(&mut self, name: &str, cells: &[&str]) -> Result<(), csv::Error> {
        self.0.write_record(std::iter::once(&*to_cell(name)).chain(cells.iter().copied()))
    }

    /// # Errors
    /// For the file `path` that it is to become: it cannot be put together.
    pub(crate) fn into_bytes(self, path: &Path) -> Result<Vec<u8>, CliError> {
        self.0.into_inner().map_err(|error| CliError::file(path)(error.into_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_whatever_is_in_them() {
        let mut table = Table::new(&["name", "value", "warning"]).unwrap();
        table.row("=1+1,\"a\"\nb.avi", &["-1.5", ""]).unwrap();
        let text = String::from_utf8(table.into_bytes(Path::new("a.csv")).unwrap()).unwrap();
        assert_eq!(text, "name,value,warning\n\"'=1+1,\"\"a\"\"\nb.avi\",-1.5,\n");
    }
}
