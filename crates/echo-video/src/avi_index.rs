//! The two indices of AVI: `idx1` of 1992 and OpenDML's `indx` with its `ix##` chunks of 1996.
//!
//! An index is believed only where the file agrees: every entry must point at a chunk of that name and length.

use std::io;

use crate::riff::{Chunk, Source, u16_at, u32_at, u64_at};

/// Where a frame's bytes are. No bytes mean «the previous frame again».
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) size: u32,
}

/// An index cannot be used: what is wrong with it.
#[derive(Debug)]
pub(crate) enum IndexError {
    Io(io::Error),
    Lies(String),
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn lies<T>(cause: String) -> Result<T, IndexError> {
    Err(IndexError::Lies(cause))
}

/// Whether the frames that an index lists share bytes without being the same. Nested chunks could make a small file cost
/// the reading of a large one for each frame.
pub(crate) fn overlap(spans: &[Span]) -> bool {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable_by_key(|span| span.start);
    sorted.dedup();
    sorted.windows(2).any(|pair| matches!(pair, [a, b] if a.start + u64::from(a.size) > b.start))
}

/// Whether `id` names a frame of stream number `stream`: `00dc`, `00db`.
pub(crate) fn is_frame(id: [u8; 4], stream: usize) -> bool {
    let [tens, ones, kind, _] = id;
    kind == b'd'
        && tens.is_ascii_digit()
        && ones.is_ascii_digit()
        && usize::from(tens - b'0') * 10 + usize::from(ones - b'0') == stream
}

/// The frames of `stream` by the `idx1` chunk. `movi` is where the fourcc of the list is, from which most writers count;
/// others count from the file's start.
pub(crate) fn idx1(source: &mut Source, chunk: Chunk, movi: u64, stream: usize) -> Result<Vec<Span>, IndexError> {
    let bytes = source.bytes(chunk.start, u64::from(chunk.size))?;
    let mut base = None;
    let mut spans = Vec::new();
    for (number, entry) in bytes.chunks_exact(16).enumerate() {
        let &[a, b, c, d, ..] = entry else { continue };
        let id = [a, b, c, d];
        let (Some(offset), Some(size)) = (u32_at(entry, 8), u32_at(entry, 12)) else { continue };
        if !is_frame(id, stream) {
            continue;
        }
        let base = match base {
            Some(base) => base,
            None => {
                let relative = source.chunk(movi + u64::from(offset))?;
                let found = if relative.is_some_and(|chunk| chunk.id == id) { movi } else { 0 };
                *base.insert(found)
            }
        };
        let at = base + u64::from(offset);
        match source.chunk(at)? {
            Some(chunk) if chunk.id == id && chunk.size == size && chunk.end() <= source.len() => {
                spans.push(Span { start: chunk.start, size });
            }
            _ => return lies(format!("entry {number} of its index points at byte {at}, where its frame is not")),
        }
    }
    Ok(spans)
}

/// The frames by OpenDML's index: `chunk` is the stream's `indx`, an index or an index of indices.
pub(crate) fn indx(source: &mut Source, chunk: Chunk, stream: usize) -> Result<Vec<Span>, IndexError> {
    let mut spans = Vec::new();
    let bytes = source.bytes(chunk.start, u64::from(chunk.size))?;
    // The parts together are no longer than the file, else the index goes in circles, which could take days to follow.
    let mut unread = source.len();
    match bytes.get(3) {
        Some(1) => leaf(source, &bytes, stream, &mut spans)?,
        Some(0) => {
            let used = u32_at(&bytes, 4).unwrap_or(0) as usize;
            let entries = bytes.get(24..).unwrap_or(&[]);
            if used > entries.len() / 16 {
                return lies(format!("its index declares {used} entries and has room for {}", entries.len() / 16));
            }
            for entry in entries.chunks_exact(16).take(used) {
                let at = u64_at(entry, 0).unwrap_or(u64::MAX);
                let chunk =
                    source.chunk(at)?.filter(|chunk| chunk.id.starts_with(b"ix") && chunk.end() <= source.len());
                let Some(chunk) = chunk else {
                    return lies(format!("its index points at byte {at}, where no index is"));
                };
                unread = match unread.checked_sub(chunk.next() - at) {
                    Some(unread) => unread,
                    None => return lies("the parts of its OpenDML index are longer than the file".to_owned()),
                };
                let bytes = source.bytes(chunk.start, u64::from(chunk.size))?;
                leaf(source, &bytes, stream, &mut spans)?;
            }
        }
        _ => return lies("its OpenDML index is of an unknown kind".to_owned()),
    }
    Ok(spans)
}

fn leaf(source: &mut Source, bytes: &[u8], stream: usize, spans: &mut Vec<Span>) -> Result<(), IndexError> {
    let (Some(longs), Some(used), Some(base)) = (u16_at(bytes, 0), u32_at(bytes, 4), u64_at(bytes, 12)) else {
        return lies("a part of its OpenDML index is cut off".to_owned());
    };
    let entry_bytes = usize::from(longs) * 4;
    let entries = bytes.get(24..).unwrap_or(&[]);
    if entry_bytes < 8 || used as usize > entries.len() / entry_bytes {
        return lies(format!("its OpenDML index declares {used} entries of {entry_bytes} bytes, more than it has"));
    }
    for entry in entries.chunks_exact(entry_bytes).take(used as usize) {
        let (Some(offset), Some(size)) = (u32_at(entry, 0), u32_at(entry, 4)) else { continue };
        // The top bit marks frames that are no key frames.
        let size = size & 0x7fff_ffff;
        let start = base.saturating_add(u64::from(offset));
        match start.checked_sub(8).map(|at| source.chunk(at)).transpose()?.flatten() {
            Some(chunk) if is_frame(chunk.id, stream) && chunk.size == size && chunk.end() <= source.len() => {
                spans.push(Span { start, size });
            }
            _ => return lies(format!("its OpenDML index points at byte {start}, where its frame is not")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_frames_do_not_overlap_and_nested_ones_do() {
        let span = |start, size| Span { start, size };
        assert!(!overlap(&[span(100, 8), span(8, 92), span(8, 92), span(108, 0)]));
        assert!(overlap(&[span(8, 93), span(100, 8)]));
        assert!(overlap(&[span(8, 93), span(8, 92)]));
    }

    #[test]
    fn frames_are_told_by_stream_and_kind() {
        assert!(is_frame(*b"00dc", 0) && is_frame(*b"01db", 1) && is_frame(*b"12dc", 12));
        assert!(!is_frame(*b"00wb", 0) && !is_frame(*b"00dc", 1) && !is_frame(*b"ix00", 0));
    }
}
