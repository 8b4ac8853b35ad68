//! Bounded reading of a file made of chunks: fourcc, 32-bit length, content, padding to an even length.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

/// A file and its length; every read is checked against it before memory is taken.
#[derive(Debug)]
pub(crate) struct Source {
    file: BufReader<File>,
    position: u64,
    len: u64,
}

/// A chunk's first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) id: [u8; 4],
    /// Where its content begins.
    pub(crate) start: u64,
    pub(crate) size: u32,
}

impl Chunk {
    /// The first byte after the content, without padding.
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.size)
    }

    /// Where the next chunk begins.
    pub(crate) fn next(&self) -> u64 {
        self.end() + u64::from(self.size % 2)
    }
}

impl Source {
    pub(crate) fn new(file: File, len: u64) -> Self {
        Self { file: BufReader::with_capacity(4096, file), position: u64::MAX, len }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn into_file(self) -> File {
        self.file.into_inner()
    }

    /// `size` bytes from `at`; an error, before any allocation, when the file has fewer.
    pub(crate) fn bytes(&mut self, at: u64, size: u64) -> io::Result<Vec<u8>> {
        if at.checked_add(size).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// The chunk header at `at`, `None` when the file ends before it is complete.
    pub(crate) fn chunk(&mut self, at: u64) -> io::Result<Option<Chunk>> {
        if at.checked_add(8).is_none_or(|start| start > self.len) {
            return Ok(None);
        }
        let mut header = [0; 8];
        self.read(at, &mut header)?;
        let [a, b, c, d, size @ ..] = header;
        Ok(Some(Chunk { id: [a, b, c, d], start: at + 8, size: u32::from_le_bytes(size) }))
    }

    /// The fourcc at `at`, as after the length of a list.
    pub(crate) fn fourcc(&mut self, at: u64) -> io::Result<Option<[u8; 4]>> {
        if at.checked_add(4).is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        let mut id = [0; 4];
        self.read(at, &mut id)?;
        Ok(Some(id))
    }

    fn read(&mut self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        // A relative seek keeps what is buffered, which matters when a file is walked chunk by chunk.
        match i64::try_from(i128::from(at) - i128::from(self.position)) {
            Ok(distance) if self.position != u64::MAX => self.file.seek_relative(distance)?,
            _ => {
                self.file.seek(io::SeekFrom::Start(at))?;
            }
        }
        self.position = u64::MAX;
        self.file.read_exact(bytes)?;
        self.position = at + bytes.len() as u64;
        Ok(())
    }
}

/// The 16-bit little-endian number at `at`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// The 32-bit little-endian number at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// The 64-bit little-endian number at `at`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn reads_in_any_order_and_never_past_the_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abcd\x03\0\0\0xyz\0efgh").unwrap();
        let mut source = Source::new(file, 16);
        assert_eq!(source.fourcc(12).unwrap(), Some(*b"efgh"));
        let chunk = source.chunk(0).unwrap().unwrap();
        assert_eq!((chunk.id, chunk.start, chunk.end(), chunk.next()), (*b"abcd", 8, 11, 12));
        assert_eq!(source.bytes(8, 3).unwrap(), b"xyz");
        assert_eq!(source.chunk(9).unwrap(), None);
        assert_eq!(source.fourcc(u64::MAX).unwrap(), None);
        for (at, size) in [(8, 9), (17, 0), (0, u64::MAX), (u64::MAX, 1)] {
            assert_eq!(source.bytes(at, size).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{at} {size}");
        }
        assert_eq!(source.bytes(0, 2).unwrap(), b"ab");
    }

    #[test]
    fn numbers_are_little_endian_and_bounded() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(u16_at(&bytes, 1), Some(0x0302));
        assert_eq!(u32_at(&bytes, 5), Some(0x0908_0706));
        assert_eq!(u64_at(&bytes, 1), Some(0x0908_0706_0504_0302));
        assert_eq!((u16_at(&bytes, 8), u32_at(&bytes, 6), u64_at(&bytes, usize::MAX)), (None, None, None));
    }
}
