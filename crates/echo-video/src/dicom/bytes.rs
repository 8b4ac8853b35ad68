//! The bytes of a data set, from front to end: of a file, or of one that is deflated.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::DeflateDecoder;

/// Where reading is; nothing is taken into memory that is not there.
#[derive(Debug)]
pub(crate) struct Bytes {
    source: Source,
    position: u64,
    /// Where the file ends, or the most that deflated bytes may come to.
    end: u64,
}

#[derive(Debug)]
enum Source {
    Plain(BufReader<File>),
    Deflated(Box<DeflateDecoder<BufReader<File>>>),
}

impl Bytes {
    /// A file of `len` bytes, from its byte `start` on; positions are the file's.
    pub(crate) fn plain(mut file: File, start: u64, len: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { source: Source::Plain(BufReader::new(file)), position: start, end: len })
    }

    /// What is deflated in a file from its byte `start` on, at most `most` bytes; positions are those of the inflated bytes.
    pub(crate) fn deflated(mut file: File, start: u64, most: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        let inflated = DeflateDecoder::new(BufReader::new(file));
        Ok(Self { source: Source::Deflated(Box::new(inflated)), position: 0, end: most })
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// `UnexpectedEof` when there are fewer.
    pub(crate) fn take(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let bytes = self.take_up_to(count)?;
        if (bytes.len() as u64) < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
    }

    /// The next `count` bytes, or as many as there are.
    pub(crate) fn take_up_to(&mut self, count: u64) -> io::Result<Vec<u8>> {
        // Grows with what comes, not with what is promised.
        let mut bytes = Vec::new();
        match &mut self.source {
            Source::Plain(file) => file.take(count).read_to_end(&mut bytes)?,
            Source::Deflated(inflated) => inflated.take(count).read_to_end(&mut bytes)?,
        };
        self.advance(bytes.len() as u64)?;
        Ok(bytes)
    }

    /// Passes over `count` bytes.
    ///
    /// # Errors
    /// `UnexpectedEof` when there are fewer.
    pub(crate) fn skip(&mut self, count: u64) -> io::Result<()> {
        let there = match &mut self.source {
            Source::Plain(file) => {
                let there = count.min(self.end.saturating_sub(self.position));
                file.seek_relative(there.try_into().map_err(io::Error::other)?)?;
                there
            }
            Source::Deflated(inflated) => io::copy(&mut inflated.take(count), &mut io::sink())?,
        };
        self.advance(there)?;
        if there < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The bytes that come next, some of them; none at the end.
    pub(crate) fn peek(&mut self) -> io::Result<&[u8]> {
        match &mut self.source {
            Source::Plain(file) => file.fill_buf(),
            Source::Deflated(_) => Ok(&[]),
        }
    }

    fn advance(&mut self, count: u64) -> io::Result<()> {
        self.position += count;
        match &self.source {
            Source::Deflated(_) if self.position > self.end => {
                Err(io::Error::other(format!("it inflates to more than {} bytes", self.end)))
            }
            _ => Ok(()),
        }
    }
}
