//! The elements of a DICOM data set (PS3.5, chapter 7) that say what its pixels are, and where these lie.
//!
//! A walk without recursion that looks at every header, keeps the values it wants and passes over all others, so that
//! neither memory nor stack depends on what a file claims.

use std::collections::BTreeMap;
use std::io;

use super::bytes::Bytes;
use super::tags::{EXTENDED_OFFSETS, Tag, WANTED, WANTED_OF_REGIONS};
use super::tags::{ITEM, ITEM_END, PIXEL_DATA, REGIONS, SEQUENCE_END};

/// Sequences within sequences that a file may have; those of devices have less than ten.
const MOST_DEPTH: usize = 64;
/// Bytes that a wanted value may have: palettes have 2^17.
const MOST_VALUE: u32 = 1 << 18;
/// Bytes of a table that says where frames begin.
const MOST_TABLE: u32 = 1 << 24;
/// Regions of one picture that are read.
const MOST_REGIONS: usize = 64;

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// Every element says its value representation (VR).
    pub(crate) explicit: bool,
    pub(crate) big_endian: bool,
}

impl Encoding {
    pub(crate) const IMPLICIT: Self = Self { explicit: false, big_endian: false };
    pub(crate) const EXPLICIT: Self = Self { explicit: true, big_endian: false };

    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    pub(crate) fn f64(self, bytes: [u8; 8]) -> f64 {
        if self.big_endian { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) }
    }
}

/// Why a data set cannot be read.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(io::Error),
    /// It contradicts the standard.
    Malformed(String),
    /// It ends in the middle.
    Cut(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Cut("the file ends in the middle of an element".to_owned()),
            // What inflating says of bytes that are not deflated.
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Self::Malformed(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

/// The header of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Element {
    tag: Tag,
    /// Two letters, where the encoding has them.
    vr: Option<[u8; 2]>,
    /// `None` where it goes on to a mark of its end.
    length: Option<u32>,
}

/// Values by their elements.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values {
    encoding: Option<Encoding>,
    bytes: BTreeMap<Tag, Vec<u8>>,
}

impl Values {
    pub(crate) fn insert(&mut self, encoding: Encoding, tag: Tag, bytes: Vec<u8>) {
        self.encoding.get_or_insert(encoding);
        self.bytes.insert(tag, bytes);
    }

    pub(crate) fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        self.bytes.get(&tag).map(Vec::as_slice)
    }

    /// A text without the padding around it; `None` where it is empty.
    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        let text = String::from_utf8_lossy(self.bytes(tag)?);
        let text = text.trim_matches([' ', '\0', '\r', '\n', '\t']);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Numbers that are written as text, up to the first that is none.
    pub(crate) fn decimals(&self, tag: Tag) -> Vec<f64> {
        let text = self.text(tag).unwrap_or_default();
        let numbers = text.split('\\').map(|number| number.trim_matches([' ', '\0']).parse::<f64>());
        numbers.map_while(Result::ok).take_while(|number| number.is_finite()).collect()
    }

    pub(crate) fn decimal(&self, tag: Tag) -> Option<f64> {
        self.decimals(tag).first().copied()
    }

    /// All of a value's 16-bit numbers.
    pub(crate) fn words(&self, tag: Tag) -> Vec<u16> {
        let encoding = self.encoding();
        let pairs = self.bytes(tag).unwrap_or_default().chunks_exact(2);
        pairs.map(|pair| encoding.u16([pair[0], pair[1]])).collect()
    }

    pub(crate) fn word(&self, tag: Tag) -> Option<u16> {
        self.words(tag).first().copied()
    }

    /// A number of 16 or 32 bits, as long as it is written.
    pub(crate) fn whole(&self, tag: Tag) -> Option<i64> {
        match *self.bytes(tag)? {
            [a, b] => Some(i64::from(self.encoding().u16([a, b]))),
            [a, b, c, d, ..] => Some(i64::from(self.encoding().u32([a, b, c, d]) as i32)),
            _ => None,
        }
    }

    /// A number of 64 bits with a binary point.
    pub(crate) fn float(&self, tag: Tag) -> Option<f64> {
        let bytes = self.bytes(tag)?.first_chunk::<8>()?;
        Some(self.encoding().f64(*bytes)).filter(|value| value.is_finite())
    }

    /// All of a value's whole 64-bit numbers.
    pub(crate) fn longs(&self, tag: Tag) -> Vec<u64> {
        let (chunks, _) = self.bytes(tag).unwrap_or_default().as_chunks::<8>();
        let big_endian = self.encoding().big_endian;
        chunks
            .iter()
            .map(|&long| if big_endian { u64::from_be_bytes(long) } else { u64::from_le_bytes(long) })
            .collect()
    }

    fn encoding(&self) -> Encoding {
        self.encoding.unwrap_or(Encoding::EXPLICIT)
    }
}

/// A run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// Where the pixels lie.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pixels {
    /// The data set has none.
    None,
    /// One frame after the other, in words of 16 bits or in bytes. Where the file was cut there are fewer than it promises.
    Native { run: Run, words: bool },
    /// Compressed, in pieces; `table` has where frames begin, counted from `base`, or nothing.
    Pieces { table: Vec<u32>, base: u64, pieces: Vec<Run>, cut: Option<String> },
}

/// What a data set says of its pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DataSet {
    pub(crate) values: Values,
    /// The regions of an ultrasound picture (PS3.3, C.8.5.5).
    pub(crate) regions: Vec<Values>,
    pub(crate) pixels: Pixels,
    pub(crate) encoding: Encoding,
}

/// A sequence, or an item of one, that the walk is in.
struct Scope {
    tag: Tag,
    /// `None` up to a mark.
    end: Option<u64>,
    encoding: Encoding,
}

impl DataSet {
    /// Reads all elements up to the pixels, and where these are.
    pub(crate) fn read(bytes: &mut Bytes, encoding: Encoding, file_len: u64) -> Result<Self, Fault> {
        let mut found = Self { values: Values::default(), regions: Vec::new(), pixels: Pixels::None, encoding };
        let mut scopes: Vec<Scope> = Vec::new();
        loop {
            while scopes.last().and_then(|scope| scope.end).is_some_and(|end| bytes.position() >= end) {
                scopes.pop();
            }
            let at = bytes.position();
            let encoding = scopes.last().map_or(encoding, |scope| scope.encoding);
            let Some(element) = header(bytes, encoding)? else {
                // A group of elements may end anywhere, an item only by its mark.
                return match scopes.is_empty() {
                    true => Ok(found),
                    false => Err(Fault::Cut("the file ends in the middle of a sequence".to_owned())),
                };
            };
            let Element { tag, vr, length } = element;
            let end = |bytes: &Bytes| length.map(|length| bytes.position() + u64::from(length));
            match tag {
                ITEM => {
                    let Some(sequence) = scopes.last().filter(|scope| scope.tag != ITEM) else {
                        return Err(Fault::Malformed(format!("byte {at}: an item outside of any sequence")));
                    };
                    if scopes.len() == 1 && sequence.tag == REGIONS && found.regions.len() < MOST_REGIONS {
                        found.regions.push(Values::default());
                    }
                    scopes.push(Scope { tag, end: end(bytes), encoding });
                }
                ITEM_END | SEQUENCE_END => {
                    let is_item = scopes.pop().map(|scope| scope.tag == ITEM);
                    if is_item != Some(tag == ITEM_END) {
                        return Err(Fault::Malformed(format!("byte {at}: the end of what was not begun")));
                    }
                }
                PIXEL_DATA if scopes.is_empty() => {
                    found.pixels = match length {
                        Some(len) => {
                            let there = file_len.saturating_sub(bytes.position()).min(u64::from(len));
                            let words = vr == Some(*b"OW");
                            Pixels::Native { run: Run { start: bytes.position(), len: there }, words }
                        }
                        None => pieces(bytes, encoding)?,
                    };
                    return Ok(found);
                }
                _ if length.is_none() || vr == Some(*b"SQ") || tag == REGIONS => match length {
                    Some(length) if tag != REGIONS => bytes.skip(u64::from(length))?,
                    _ if scopes.len() >= MOST_DEPTH => {
                        return Err(Fault::Malformed(format!("byte {at}: more than {MOST_DEPTH} nested sequences")));
                    }
                    _ => {
                        // Of unknown representation (UN) up to a mark: written by something that did not know it
                        // either (PS3.5, 6.2.2).
                        let encoding = if vr == Some(*b"UN") { Encoding::IMPLICIT } else { encoding };
                        scopes.push(Scope { tag, end: end(bytes), encoding });
                    }
                },
                _ => {
                    let length = length.unwrap_or_default();
                    let wanted = match scopes.as_slice() {
                        [] => WANTED.contains(&tag).then_some(&mut found.values),
                        [sequence, _] if sequence.tag == REGIONS && WANTED_OF_REGIONS.contains(&tag) => {
                            found.regions.last_mut()
                        }
                        _ => None,
                    };
                    match wanted {
                        Some(values) => {
                            let most = if EXTENDED_OFFSETS.contains(&tag) { MOST_TABLE } else { MOST_VALUE };
                            if length > most {
                                return Err(Fault::Malformed(format!("element {tag} has {length} bytes")));
                            }
                            values.insert(encoding, tag, bytes.take(u64::from(length))?);
                        }
                        None => bytes.skip(u64::from(length))?,
                    }
                }
            }
        }
    }
}

/// The values of a group of elements at the beginning of `bytes`, which stay at the first element of another group.
pub(crate) fn group(bytes: &mut Bytes, group: u16) -> Result<Values, Fault> {
    let mut values = Values::default();
    loop {
        if bytes.peek()?.first_chunk().is_none_or(|&first| u16::from_le_bytes(first) != group) {
            return Ok(values);
        }
        let at = bytes.position();
        let Some(Element { tag, length: Some(length), .. }) = header(bytes, Encoding::EXPLICIT)? else {
            return Err(Fault::Malformed(format!("byte {at}: an element without length in the file's own group")));
        };
        match WANTED.contains(&tag) && length <= MOST_VALUE {
            true => values.insert(Encoding::EXPLICIT, tag, bytes.take(u64::from(length))?),
            false => bytes.skip(u64::from(length))?,
        }
    }
}

/// The next element's header; `None` at the end.
fn header(bytes: &mut Bytes, encoding: Encoding) -> Result<Option<Element>, Fault> {
    let at = bytes.position();
    let start = bytes.take_up_to(8)?;
    let &[g0, g1, e0, e1, a, b, c, d] = start.as_slice() else {
        // Some writers pad to an even number of bytes, or to a block.
        return match start.iter().all(|&byte| byte == 0) {
            true => Ok(None),
            false => Err(Fault::Cut("the file ends in the middle of an element".to_owned())),
        };
    };
    let tag = Tag(encoding.u16([g0, g1]), encoding.u16([e0, e1]));
    // Marks of sequences have no representation in any encoding.
    let (vr, length) = match encoding.explicit && tag.0 != ITEM.0 {
        false => (None, encoding.u32([a, b, c, d])),
        true if !a.is_ascii_uppercase() || !b.is_ascii_uppercase() => {
            return Err(Fault::Malformed(format!(
                "byte {at}: element {tag} has no value representation but the bytes {a:#04x} {b:#04x}"
            )));
        }
        true => match &[a, b] {
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV" => {
                let long = bytes.take(4)?;
                (Some([a, b]), encoding.u32([long[0], long[1], long[2], long[3]]))
            }
            _ => (Some([a, b]), u32::from(encoding.u16([c, d]))),
        },
    };
    Ok(Some(Element { tag, vr, length: (length != u32::MAX).then_some(length) }))
}

/// The pieces of compressed pixels (PS3.5, A.4), as far as they are there.
fn pieces(bytes: &mut Bytes, encoding: Encoding) -> Result<Pixels, Fault> {
    let mut table = None;
    let mut base = None;
    let mut pieces = Vec::new();
    let mut cut = None;
    loop {
        let at = bytes.position();
        let element = match header(bytes, encoding) {
            Ok(Some(element)) => element,
            Ok(None) => break,
            Err(Fault::Cut(cause)) => {
                cut = Some(cause);
                break;
            }
            Err(fault) => return Err(fault),
        };
        match element {
            Element { tag: ITEM, length: Some(length), .. } => {
                if table.is_none() {
                    if length > MOST_TABLE {
                        return Err(Fault::Malformed(format!("byte {at}: a table of frames of {length} bytes")));
                    }
                    let bytes = bytes.take(u64::from(length))?;
                    table = Some(bytes.as_chunks::<4>().0.iter().map(|&offset| encoding.u32(offset)).collect());
                    continue;
                }
                let start = bytes.position();
                base.get_or_insert(start);
                match bytes.skip(u64::from(length)) {
                    Ok(()) if length == 0 => {}
                    Ok(()) => pieces.push(Run { start, len: u64::from(length) }),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        cut = Some("the file ends in the middle of its pixels".to_owned());
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Element { tag: SEQUENCE_END, .. } => break,
            Element { tag, .. } => {
                return Err(Fault::Malformed(format!(
                    "byte {at}: element {tag} among the pieces of compressed pixels"
                )));
            }
        }
    }
    Ok(Pixels::Pieces { table: table.unwrap_or_default(), base: base.unwrap_or_default(), pieces, cut })
}
