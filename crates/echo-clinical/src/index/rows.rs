//! `rows-N.csv`: what the vectors are of.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use echo_files::{from_cell, to_cell};

use super::Row;
use crate::error::Error;

const HEADER: [&str; 3] = ["name", "digest", "warning"];

/// Bytes of a name or a warning.
const MAX_TEXT: usize = 1 << 14;

/// Bytes of a row in the file: every byte of both texts may be a quote, which is written twice.
const MAX_ROW: usize = 5 * MAX_TEXT;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 16;

/// Refuses a row that [`read`] would refuse.
pub(super) fn check(row: &Row) -> Result<(), Error> {
    match [&row.name, &row.warning].into_iter().find(|text| text.len() > MAX_TEXT) {
        None => Ok(()),
        Some(text) => Err(Error::Text { text: text.clone(), most: MAX_TEXT }),
    }
}

pub(super) fn write(file: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(HEADER)?;
    for Row { name, digest, warning } in rows {
        writer.write_record([to_cell(name).as_ref(), digest.to_hex().as_str(), to_cell(warning).as_ref()])?;
    }
    writer.flush()
}

/// Reads as many rows as there are to be, and compares the file's checksum.
pub(super) fn read(path: &Path, count: usize, checksum: blake3::Hash) -> Result<Vec<Row>, Error> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let file = echo_files::open(path).map_err(Error::file(path))?;
    let file = Metered { file, hasher: blake3::Hasher::new(), left: MAX_ROW + BUFFER };
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(file);
    let unreadable = |error: csv::Error| match error.is_io_error() {
        true => Error::File { path: path.to_owned(), source: error.into() },
        false => damaged(error.to_string()),
    };
    if reader.headers().map_err(unreadable)? != HEADER[..] {
        return Err(damaged(format!("its columns are not {}", HEADER.join(", "))));
    }
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(unreadable)? {
        if rows.len() == count {
            return Err(damaged(format!("it has more than {count} rows")));
        }
        let [name, digest, warning] = [0, 1, 2].map(|column| &record[column]);
        let digest = blake3::Hash::from_hex(digest)
            .map_err(|_| damaged(format!("the digest of row {} is not one", rows.len())))?;
        rows.push(Row { name: from_cell(name).to_owned(), digest, warning: from_cell(warning).to_owned() });
        reader.get_mut().left = MAX_ROW + BUFFER;
    }
    if rows.len() < count {
        return Err(damaged(format!("it has {} rows, but index.json says {count}", rows.len())));
    }
    if reader.get_ref().hasher.finalize() != checksum {
        return Err(damaged("its checksum is not that in index.json".to_owned()));
    }
    Ok(rows)
}

/// A file whose bytes are hashed as they are read, and only so many for a row: a quote that is never closed would make one
/// cell of all of them.
struct Metered {
    file: File,
    hasher: blake3::Hasher,
    left: usize,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left = self.left.checked_sub(read).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a row has more than {MAX_ROW} bytes; rebuild the index"),
            )
        })?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_a_spreadsheet_would_compute_are_text() -> io::Result<()> {
        let row = Row { name: "=1+1".to_owned(), digest: blake3::hash(b""), warning: "@SUM(A1)".to_owned() };
        let mut bytes = Vec::new();
        write(&mut bytes, std::slice::from_ref(&row))?;
        let text = format!("name,digest,warning\n'=1+1,{},'@SUM(A1)\n", row.digest.to_hex());
        assert_eq!(bytes, text.as_bytes());
        Ok(())
    }

    /// Quotes are written twice, and an apostrophe comes before the first character.
    #[test]
    fn the_longest_row_that_is_written_is_read() -> Result<(), Box<dyn std::error::Error>> {
        let text = format!("={}", "\"".repeat(MAX_TEXT - 1));
        let row = Row { name: text.clone(), digest: blake3::hash(b""), warning: text.clone() };
        check(&row)?;
        assert!(check(&Row { name: text.clone() + "x", ..row.clone() }).is_err());
        assert!(check(&Row { warning: text + "x", ..row.clone() }).is_err());
        let rows = vec![row; 5];
        let mut bytes = Vec::new();
        write(&mut bytes, &rows)?;
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), &bytes)?;
        assert!(read(file.path(), 5, blake3::hash(&bytes))? == rows);
        Ok(())
    }
}
