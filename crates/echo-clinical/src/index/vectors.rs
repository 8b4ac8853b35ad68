//! `vectors-N.npy`, read in blocks.
//!
//! The header of a NumPy file follows from type and shape (numpy.lib.format, version 1.0). `index.json` says both, so nothing
//! is parsed: the file begins with the header that it should have, or is refused.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use half::{f16, slice::HalfFloatSliceExt};
use rayon::prelude::*;
use zerocopy::IntoBytes;

use super::Dtype;
use crate::error::Error;

/// Bytes that are read at a time.
pub(super) const BLOCK: usize = 1 << 19;

/// Numbers that are compared with a query at a time: they stay in the fastest cache.
const TILE: usize = 1 << 12;

/// Numbers of a row: no file makes it longer than a block.
pub(super) const MAX_DIM: usize = 1 << 16;

/// Bytes of the header.
const HEADER: usize = 128;

/// How far a length or a cosine may lie beyond 1. Half precision rounds by less than 0.0005.
pub(super) const TOLERANCE: f64 = 0.001;

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) dtype: Dtype,
    pub(super) dim: usize,
    pub(super) rows: usize,
}

impl Shape {
    /// Bytes of a row.
    pub(super) fn row(&self) -> usize {
        self.dim * self.dtype.size()
    }

    /// Place of a row in the file.
    pub(super) fn at(&self, row: usize) -> u64 {
        HEADER as u64 + row as u64 * self.row() as u64
    }

    /// Beginning of the file.
    pub(super) fn header(&self) -> [u8; HEADER] {
        let Self { dtype, dim, rows } = self;
        let dtype = dtype.name();
        let text = format!("{{'descr': '<{dtype}', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
        let mut header = [b' '; HEADER];
        header[..10].copy_from_slice(b"\x93NUMPY\x01\x00\x76\x00");
        header[10..][..text.len()].copy_from_slice(text.as_bytes());
        header[HEADER - 1] = b'\n';
        header
    }
}

/// Vectors of an index.
#[derive(Debug)]
pub(super) struct Vectors {
    path: PathBuf,
    file: File,
    shape: Shape,
}

impl Vectors {
    /// Refuses a file of another length or with another header.
    pub(super) fn open(path: PathBuf, shape: Shape) -> Result<Self, Error> {
        let Shape { dim, rows, .. } = shape;
        let file = echo_files::open(&path).map_err(Error::file(&path))?;
        let length = file.metadata().map_err(Error::file(&path))?.len();
        let vectors = Self { path, file, shape };
        if !(1..=MAX_DIM).contains(&dim) {
            return Err(vectors.damaged(format!("its rows have {dim} numbers; 1 to {MAX_DIM} are possible")));
        }
        let expected = (rows as u64).checked_mul(shape.row() as u64).and_then(|bytes| bytes.checked_add(HEADER as u64));
        if expected != Some(length) {
            return Err(vectors.damaged(format!("it has {length} bytes, which are not {rows} rows of {dim} numbers")));
        }
        let mut header = [0; HEADER];
        vectors.read_at(&mut header, 0)?;
        match header == shape.header() {
            true => Ok(vectors),
            false => Err(vectors.damaged("its header is not that of its type and shape in index.json".to_owned())),
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// A row as it is stored.
    pub(super) fn row(&self, row: usize) -> Result<Vec<f32>, Error> {
        let dim = self.shape.dim;
        let mut stored = Stored::new(self.shape.dtype, dim);
        self.read_rows(stored.bytes(), row)?;
        Ok(stored.floats(0..dim, &mut vec![0.0; dim]).to_vec())
    }

    /// Hands some rows at a time to `each`, with the number of the first of them, on all threads and in any order. Each thread
    /// has a state of its own.
    pub(super) fn scan<S: Send>(
        &self,
        state: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, usize, &[f32]) -> Result<(), Error> + Sync,
    ) -> Result<Vec<S>, Error> {
        let Shape { dtype, dim, rows } = self.shape;
        let tile = (TILE / dim).max(1);
        let block = BLOCK / self.shape.row();
        let next = AtomicUsize::new(0);
        let worker = |_| {
            let mut state = state();
            let mut stored = Stored::new(dtype, block.min(rows) * dim);
            let mut converted = vec![0.0; tile * dim];
            loop {
                let first = next.fetch_add(1, Ordering::Relaxed).saturating_mul(block);
                if first >= rows {
                    return Ok(state);
                }
                let count = block.min(rows - first);
                self.read_rows(&mut stored.bytes()[..count * self.shape.row()], first)?;
                for begin in (0..count).step_by(tile) {
                    let end = count.min(begin + tile);
                    each(&mut state, first + begin, stored.floats(begin * dim..end * dim, &mut converted))?;
                }
            }
        };
        (0..rayon::current_num_threads()).into_par_iter().map(worker).collect()
    }

    /// Refuses a file with another checksum.
    pub(super) fn check(&self, checksum: blake3::Hash) -> Result<(), Error> {
        let length = self.shape.at(self.shape.rows);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; BLOCK];
        for at in (0..length).step_by(BLOCK) {
            let bytes = &mut buffer[..(length - at).min(BLOCK as u64) as usize];
            self.read_at(bytes, at)?;
            hasher.update(bytes);
        }
        match hasher.finalize() == checksum {
            true => Ok(()),
            false => Err(self.damaged("its checksum is not that in index.json".to_owned())),
        }
    }

    /// Refuses a row whose length is not one.
    pub(super) fn check_lengths(&self) -> Result<(), Error> {
        let check = |_: &mut (), first: usize, rows: &[f32]| {
            for (row, values) in (first..).zip(rows.chunks_exact(self.shape.dim)) {
                let length = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
                if (length - 1.0).abs() > TOLERANCE || length.is_nan() {
                    return Err(self.damaged(format!("row {row} has the length {length}, not 1")));
                }
            }
            Ok(())
        };
        self.scan(|| (), check).map(|_| ())
    }

    pub(super) fn damaged(&self, reason: String) -> Error {
        Error::Damaged { path: self.path.clone(), reason }
    }

    /// Whole rows, in the processor's order of bytes.
    fn read_rows(&self, buffer: &mut [u8], first: usize) -> Result<(), Error> {
        self.read_at(buffer, self.shape.at(first))?;
        if cfg!(target_endian = "big") {
            buffer.chunks_exact_mut(self.shape.dtype.size()).for_each(<[u8]>::reverse);
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<(), Error> {
        read_exact_at(&self.file, buffer, at).map_err(Error::file(&self.path))
    }
}

/// Numbers as they are stored. They are read in place: copying them first would cost as much as comparing them.
#[derive(Debug)]
enum Stored {
    Halves(Vec<f16>),
    Floats(Vec<f32>),
}

impl Stored {
    fn new(dtype: Dtype, count: usize) -> Self {
        match dtype {
            Dtype::F16 => Self::Halves(vec![f16::ZERO; count]),
            Dtype::F32 => Self::Floats(vec![0.0; count]),
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        match self {
            Self::Halves(halves) => halves.as_mut_bytes(),
            Self::Floats(floats) => floats.as_mut_bytes(),
        }
    }

    /// Some of the numbers, in `converted` where they have to be.
    fn floats<'a>(&'a self, range: Range<usize>, converted: &'a mut [f32]) -> &'a [f32] {
        match self {
            Self::Halves(halves) => {
                let converted = &mut converted[..range.len()];
                halves[range].convert_to_f32_slice(converted);
                converted
            }
            Self::Floats(floats) => &floats[range],
        }
    }
}

/// Bytes of a vector of length one.
pub(super) fn bytes_of(vector: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F16 => vector.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
        Dtype::F32 => vector.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

/// Threads share a file, but not a place in it.
#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => (buffer, at) = (&mut buffer[read..], at + read as u64),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `numpy.save` writes, for which numpy 2.4 was asked, and the longest that there is.
    #[test]
    fn headers_are_those_of_numpy() {
        let header = Shape { dtype: Dtype::F16, dim: 512, rows: 3 }.header();
        let text = b"\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'fortran_order': False, 'shape': (3, 512), }";
        assert_eq!(&header[..text.len()], text);
        assert_eq!(header[text.len()..], *[b" ".repeat(HEADER - 1 - text.len()).as_slice(), b"\n"].concat());
        let longest = Shape { dtype: Dtype::F32, dim: MAX_DIM, rows: usize::MAX }.header();
        assert!(longest.ends_with(b"  \n"));
    }

    #[test]
    fn numbers_are_stored_little_end_first() {
        assert_eq!(bytes_of(&[1.0, -0.5], Dtype::F16), [0x00, 0x3c, 0x00, 0xb8]);
        assert_eq!(bytes_of(&[1.0, -0.5], Dtype::F32), [0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf]);
    }
}
