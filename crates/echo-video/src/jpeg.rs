//! What a JPEG says about itself before its pixels: size, layout, tables, and the marks that Motion-JPEG adds.

/// The markers between a JPEG's start and its first scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JpegHeader<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Bits per sample.
    pub(crate) precision: u8,
    /// The low byte of the start-of-frame marker: 0xc0 and 0xc1 sequential, 0xc2 progressive, others rare.
    pub(crate) process: u8,
    pub(crate) components: Vec<Component>,
    /// The contents of the quantisation table segments.
    pub(crate) quantisation: Vec<&'a [u8]>,
    /// The contents of the Huffman table segments; Motion-JPEG may bring none.
    pub(crate) huffman: Vec<&'a [u8]>,
    /// Minimum coded units between restart markers, 0 for none.
    pub(crate) restart: u16,
    /// ffmpeg's comment that luma is 16 to 235 and chroma 16 to 240, where JPEG otherwise means 0 to 255.
    pub(crate) limited_range: bool,
    /// There is a JFIF segment, which goes with luma and chroma.
    pub(crate) jfif: bool,
    /// Adobe's segment, if there is one, says what the components were made by: 1 is luma and chroma.
    pub(crate) adobe: Option<u8>,
    /// The `AVI1` segment says that the frame is one field of two.
    pub(crate) field: bool,
    /// The content of the start-of-scan segment.
    pub(crate) scan: &'a [u8],
    /// What follows it: the compressed pixels.
    pub(crate) data: &'a [u8],
}

/// A colour component as the start of frame declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) id: u8,
    /// Horizontal sampling factor, 1 to 4 when legal.
    pub(crate) h: u8,
    /// Vertical sampling factor.
    pub(crate) v: u8,
    /// Number of its quantisation table.
    pub(crate) table: u8,
}

impl<'a> JpegHeader<'a> {
    /// Reads the markers up to the first scan; what is wrong with them otherwise.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if !bytes.starts_with(&[0xff, 0xd8]) {
            return Err(format!("not a JPEG, it starts with {:02x?}", bytes.get(..4).unwrap_or(bytes)));
        }
        let mut header = Self {
            width: 0,
            height: 0,
            precision: 0,
            process: 0,
            components: Vec::new(),
            quantisation: Vec::new(),
            huffman: Vec::new(),
            restart: 0,
            limited_range: false,
            jfif: false,
            adobe: None,
            field: false,
            scan: &[],
            data: &[],
        };
        let mut at = 2usize;
        let short = || "the JPEG header is cut off".to_owned();
        loop {
            let (&lead, &marker) = (bytes.get(at).ok_or_else(short)?, bytes.get(at + 1).ok_or_else(short)?);
            if lead != 0xff {
                return Err(format!("the JPEG has {lead:#04x} at byte {at} where a marker belongs"));
            }
            // A marker may be preceded by any number of 0xff.
            if marker == 0xff {
                at += 1;
                continue;
            }
            // Markers without content: TEM, restarts, a second start.
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                at += 2;
                continue;
            }
            if marker == 0xd9 {
                return Err("the JPEG ends before its picture".to_owned());
            }
            let &[high, low] = bytes.get(at + 2..at + 4).ok_or_else(short)? else { return Err(short()) };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length < 2 {
                return Err(format!("the JPEG has a segment of length {length} at byte {at}"));
            }
            let end = at + 2 + length;
            let content = bytes.get(at + 4..end).ok_or_else(short)?;
            match marker {
                0xc4 => header.huffman.push(content),
                0xdb => header.quantisation.push(content),
                0xdd => match content {
                    &[high, low] => header.restart = u16::from_be_bytes([high, low]),
                    _ => return Err("the JPEG's restart interval has the wrong length".to_owned()),
                },
                0xda => {
                    header.scan = content;
                    header.data = bytes.get(end..).unwrap_or(&[]);
                    break;
                }
                0xe0 if content.starts_with(b"AVI1") => header.field = matches!(content.get(4), Some(1 | 2)),
                0xe0 if content.starts_with(b"JFIF\0") => header.jfif = true,
                0xee if content.starts_with(b"Adobe") => header.adobe = content.get(11).copied(),
                0xfe if content.starts_with(b"CS=ITU601") => header.limited_range = true,
                0xc0..=0xcf if marker != 0xc8 && marker != 0xcc => header.start_of_frame(marker, content)?,
                _ => {}
            }
            at = end;
        }
        if header.components.is_empty() {
            return Err("the JPEG has no start of frame".to_owned());
        }
        Ok(header)
    }

    /// Whether the JPEG says that its components are something else than luma and chroma.
    pub(crate) fn not_ycc(&self) -> bool {
        matches!(self.adobe, Some(0 | 2)) || self.components.iter().map(|component| component.id).eq(*b"RGB")
    }

    fn start_of_frame(&mut self, marker: u8, content: &[u8]) -> Result<(), String> {
        if !self.components.is_empty() {
            return Err("the JPEG has two starts of frame".to_owned());
        }
        let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = content else {
            return Err("the JPEG's start of frame is cut off".to_owned());
        };
        self.process = marker;
        self.precision = precision;
        self.height = usize::from(u16::from_be_bytes([h1, h0]));
        self.width = usize::from(u16::from_be_bytes([w1, w0]));
        self.components = rest
            .chunks_exact(3)
            .map(|c| Component { id: c[0], h: c[1] >> 4, v: c[1] & 15, table: c[2] })
            .take(usize::from(count))
            .collect();
        if self.width == 0 || self.height == 0 {
            return Err(format!("the JPEG declares {}x{} pixels", self.width, self.height));
        }
        if self.components.len() != usize::from(count) || count == 0 {
            return Err(format!("the JPEG declares {count} components and describes {}", self.components.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(segments: &[&[u8]]) -> Vec<u8> {
        let sof: &[u8] = &[0xff, 0xc0, 0, 17, 8, 0, 48, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
        let sos: &[u8] = &[0xff, 0xda, 0, 3, 7];
        [&[0xff, 0xd8][..], &segments.concat(), sof, sos].concat()
    }

    #[test]
    fn reads_size_and_layout() {
        let bytes = [&jpeg(&[b"\xff\xdd\x00\x04\x01\x02"])[..], b"pixels"].concat();
        let header = JpegHeader::parse(&bytes).unwrap();
        assert_eq!((header.width, header.height, header.process, header.precision), (64, 48, 0xc0, 8));
        assert_eq!(header.components[0], Component { id: 1, h: 2, v: 2, table: 0 });
        assert_eq!(header.components[2], Component { id: 3, h: 1, v: 1, table: 1 });
        assert!(header.huffman.is_empty() && !header.limited_range && !header.field && !header.not_ycc());
        assert_eq!((header.restart, header.scan, header.data), (0x0102, &[7][..], &b"pixels"[..]));
    }

    #[test]
    fn reads_the_marks_of_motion_jpeg() {
        let with =
            |segment: &[u8], check: fn(JpegHeader<'_>) -> bool| check(JpegHeader::parse(&jpeg(&[segment])).unwrap());
        assert!(with(b"\xff\xfe\x00\x0bCS=ITU601", |header| header.limited_range));
        assert!(with(b"\xff\xe0\x00\x07AVI1\x00", |header| !header.field));
        assert!(with(b"\xff\xe0\x00\x07AVI1\x02", |header| header.field));
        assert!(with(b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\0", |header| header.not_ycc()));
        assert!(with(b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\x01", |header| !header.not_ycc()));
        assert!(with(b"\xff\xe0\x00\x07JFIF\0", |header| header.jfif && !header.field));
        assert!(with(b"\xff\xff\xff\xc4\x00\x03a", |header| header.huffman == [b"a"]));
    }

    #[test]
    fn every_prefix_is_an_error() {
        let bytes = jpeg(&[b"\xff\xfe\x00\x0bCS=ITU601"]);
        for length in 0..bytes.len() {
            assert!(JpegHeader::parse(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn nonsense_is_named() {
        let error = |segments: &[&[u8]]| JpegHeader::parse(&jpeg(segments)).unwrap_err();
        assert!(error(&[b"\xff\xfe\x00\x01"]).contains("length 1"));
        assert!(error(&[b"\xff\xd9"]).contains("before its picture"));
        assert!(error(&[b"zz"]).contains("where a marker belongs"));
        let zero = b"\xff\xc0\x00\x0b\x08\x00\x00\x00\x40\x01\x01\x11\x00";
        assert!(error(&[zero]).contains("64x0"));
        let short = b"\xff\xc0\x00\x0b\x08\x00\x10\x00\x40\x04\x01\x11\x00";
        assert!(error(&[short]).contains("4 components and describes 1"));
        assert!(JpegHeader::parse(b"\xff\xd8\xff\xda\x00\x02").unwrap_err().contains("no start of frame"));
    }
}
