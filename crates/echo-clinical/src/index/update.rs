//! Writing an index.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use echo_files::{FileLock, UNFINISHED, lock_file};

use super::manifest::{self, Listed, Manifest};
use super::search::unit;
use super::vectors::{BLOCK, MAX_DIM, Shape, bytes_of, read_exact_at};
use super::{Index, Row, Spec, rows};
use crate::error::Error;

/// A file that was begun so long ago is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The next state of an index: every row that it is to have, in the order of calls. Dropped without
/// [`commit`](Self::commit), it leaves the index as it was.
#[derive(Debug)]
pub struct Update {
    folder: PathBuf,
    spec: Spec,
    old: Option<Index>,
    /// Where the vector of a digest is.
    known: HashMap<blake3::Hash, Source>,
    rows: Vec<Row>,
    /// Where the vector of each row is.
    sources: Vec<Source>,
    /// Vectors that the old index lacks, in a file without a name.
    added: File,
    count: usize,
    _lock: FileLock,
}

/// A row of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Old(usize),
    Added(usize),
}

impl Index {
    /// Begins an update of the index in `folder`, which is made if there is none.
    ///
    /// # Errors
    /// When another update is going on, the index was made with another `spec` or is damaged (all vectors are read to compare
    /// their checksum), the dim is not possible, or the folder cannot be written.
    pub fn update(folder: &Path, spec: &Spec) -> Result<Update, Error> {
        Update::begin(folder, spec, |folder| match Self::open(folder) {
            Err(Error::NoIndex { .. }) => Ok(None),
            opened => opened.and_then(|old| {
                old.check_spec(spec)?;
                old.vectors.check(old.manifest.vectors.checksum)?;
                Ok(Some(old))
            }),
        })
    }

    /// Begins an index in place of the one in `folder`, whatever that is.
    ///
    /// # Errors
    /// When an update is going on, the dim is not possible, or the folder cannot be written.
    pub fn rebuild(folder: &Path, spec: &Spec) -> Result<Update, Error> {
        Update::begin(folder, spec, |_| Ok(None))
    }
}

impl Update {
    fn begin(
        folder: &Path,
        spec: &Spec,
        old: impl FnOnce(&Path) -> Result<Option<Index>, Error>,
    ) -> Result<Self, Error> {
        if !(1..=MAX_DIM).contains(&spec.dim) {
            return Err(Error::Dim { dim: spec.dim, most: MAX_DIM });
        }
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let lock = FileLock::claim(&lock_file(folder, "index")).map_err(Error::file(folder))?;
        let lock = lock.ok_or_else(|| Error::Busy { folder: folder.to_owned() })?;
        let old = old(folder)?;
        let digests = old.iter().flat_map(Index::rows).map(|row| row.digest);
        let known = digests.zip((0..).map(Source::Old)).collect();
        let added = tempfile::tempfile_in(folder).map_err(Error::file(folder))?;
        let (folder, spec) = (folder.to_owned(), spec.clone());
        Ok(Self { folder, spec, old, known, rows: Vec::new(), sources: Vec::new(), added, count: 0, _lock: lock })
    }

    /// Rows of the old index; none where there was none.
    pub fn old_rows(&self) -> &[Row] {
        self.old.as_ref().map_or(&[], Index::rows)
    }

    /// Whether a vector is known of this content, from the old index or added since.
    pub fn has(&self, digest: &blake3::Hash) -> bool {
        self.known.contains_key(digest)
    }

    /// Appends a row with the vector that is known of its content. Returns whether there is one; if not, nothing is appended.
    ///
    /// # Errors
    /// When name or warning is too long.
    pub fn keep(&mut self, row: &Row) -> Result<bool, Error> {
        let Some(&source) = self.known.get(&row.digest) else { return Ok(false) };
        rows::check(row)?;
        self.push(row, source);
        Ok(true)
    }

    /// Appends a row with its embedding `[dim]`, which need not have length one.
    ///
    /// # Errors
    /// When the embedding has another length, is all zeros or not finite, name or warning is too long, or the disk is full.
    pub fn add(&mut self, row: &Row, embedding: &[f32]) -> Result<(), Error> {
        let vector = unit(embedding, self.spec.dim);
        let vector = vector.map_err(|reason| Error::Embedding { of: row.name.clone(), reason })?;
        rows::check(row)?;
        self.write_added(&bytes_of(&vector, self.spec.dtype)).map_err(Error::file(&self.folder))?;
        let source = Source::Added(self.count);
        self.count += 1;
        self.known.insert(row.digest, source);
        self.push(row, source);
        Ok(())
    }

    /// Where half a vector may be, if the disk was full before.
    fn write_added(&mut self, vector: &[u8]) -> io::Result<()> {
        self.added.seek(SeekFrom::Start(self.count as u64 * vector.len() as u64))?;
        self.added.write_all(vector)
    }

    fn push(&mut self, row: &Row, source: Source) {
        self.rows.push(row.clone());
        self.sources.push(source);
    }

    /// Makes the rows so far the index. Old rows that were not kept are gone.
    ///
    /// # Errors
    /// When the folder cannot be written, and the old index is then untouched.
    pub fn commit(self) -> Result<Index, Error> {
        if !self.is_unchanged() {
            self.write()?;
        }
        let Self { folder, old, .. } = self;
        // Before its files are removed: some systems keep those that are open.
        drop(old);
        let index = Index::open(&folder)?;
        remove_others(&index);
        Ok(index)
    }

    fn is_unchanged(&self) -> bool {
        let same = |old: &Index| {
            old.rows() == self.rows && self.sources.iter().copied().eq((0..self.rows.len()).map(Source::Old))
        };
        self.old.as_ref().is_some_and(same)
    }

    fn write(&self) -> Result<(), Error> {
        let Self { folder, spec, .. } = self;
        let shape = Shape { dtype: spec.dtype, dim: spec.dim, rows: self.rows.len() };
        let [vectors, table] = next_names(folder)?;
        let vectors = write_new(folder, vectors, |file| self.write_vectors(file, shape))?;
        let table = write_new(folder, table, |file| rows::write(file, &self.rows))?;
        Manifest::new(spec.settings.clone(), shape, vectors, table).write(folder)
    }

    /// Copies rows that follow each other in one file together.
    fn write_vectors(&self, file: &mut dyn Write, shape: Shape) -> io::Result<()> {
        file.write_all(&shape.header())?;
        let most = BLOCK / shape.row();
        let mut buffer = vec![0; most * shape.row()];
        let follows = |one: &Source, other: &Source| match (one, other) {
            (Source::Old(one), Source::Old(other)) | (Source::Added(one), Source::Added(other)) => one + 1 == *other,
            _ => false,
        };
        // Without an old index no row is of one.
        let old = self.old.as_ref().map_or(&self.added, |old| old.vectors.file());
        for run in self.sources.chunk_by(follows).flat_map(|run| run.chunks(most)) {
            let bytes = &mut buffer[..run.len() * shape.row()];
            match run[0] {
                Source::Old(row) => read_exact_at(old, bytes, shape.at(row))?,
                Source::Added(row) => read_exact_at(&self.added, bytes, row as u64 * shape.row() as u64)?,
            }
            file.write_all(bytes)?;
        }
        Ok(())
    }
}

/// Names with a number above that of all files.
fn next_names(folder: &Path) -> Result<[String; 2], Error> {
    match numbered(folder).map_err(Error::file(folder))?.into_iter().max() {
        None => Ok(manifest::names(1)),
        Some((number, path)) => number.checked_add(1).map(manifest::names).ok_or_else(|| {
            Error::file(&path)(io::Error::new(io::ErrorKind::InvalidInput, "no number comes after this; remove it"))
        }),
    }
}

/// Removes files of older indexes, and what updates that were killed have left. What cannot be removed now goes with a later
/// update.
fn remove_others(Index { folder, manifest, .. }: &Index) {
    let keep = [&manifest.vectors.file, &manifest.table.file].map(|name| folder.join(name));
    for (_, path) in numbered(folder).into_iter().flatten().filter(|(_, path)| !keep.contains(path)) {
        let _ = std::fs::remove_file(path);
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // Of `index.json`, if nobody writes anything else here.
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let begun = entry.metadata().and_then(|metadata| metadata.modified());
        if is_unfinished && begun.is_ok_and(|begun| begun.elapsed().is_ok_and(|age| age > ABANDONED)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Files with names as [`manifest::names`] gives them, and their numbers.
fn numbered(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(manifest::number_of);
        found.extend(number.map(|number| (number, entry.path())));
    }
    Ok(found)
}

/// Writes a file that does not exist yet and brings it to the disk.
fn write_new(
    folder: &Path,
    name: String,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Listed, Error> {
    let path = folder.join(&name);
    let file = File::create_new(&path).map_err(Error::file(&path))?;
    let mut writer = BufWriter::with_capacity(BLOCK, Hashed { file, hasher: blake3::Hasher::new() });
    let written = write(&mut writer).and_then(|()| writer.flush()).and_then(|()| writer.get_ref().file.sync_all());
    match written {
        Ok(()) => Ok(Listed { file: name, checksum: writer.get_ref().hasher.finalize() }),
        Err(error) => {
            // The disk may be full of it.
            let _ = std::fs::remove_file(&path);
            Err(Error::file(&path)(error))
        }
    }
}

/// A file whose bytes are hashed as they are written.
struct Hashed {
    file: File,
    hasher: blake3::Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
