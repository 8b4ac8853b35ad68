//! What a JPEG says about itself before its pixels: size, layout, and the marks that Motion-JPEG adds.

/// The markers between a JPEG's start and its first scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JpegHeader {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Bits per sample.
    pub(crate) precision: u8,
    /// The low byte of the start-of-frame marker: 0xc0 and 0xc1 sequential, 0xc2 progressive, others rare.
    pub(crate) process: u8,
    /// Horizontal and vertical sampling factor of each component.
    pub(crate) sampling: Vec<(u8, u8)>,
    /// Whether the frame brings Huffman tables.
    pub(crate) has_tables: bool,
    /// ffmpeg's comment that luma is 16 to 235 and chroma 16 to 240, where JPEG otherwise means 0 to 255.
    pub(crate) limited_range: bool,
    /// The `AVI1` segment says that the frame is one field of two.
    pub(crate) field: bool,
}

impl JpegHeader {
    /// Reads the markers up to the first scan; what is wrong with them otherwise.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if !bytes.starts_with(&[0xff, 0xd8]) {
            return Err(format!("not a JPEG, it starts with {:02x?}", bytes.get(..4).unwrap_or(bytes)));
        }
        let mut header = Self {
            width: 0,
            height: 0,
            precision: 0,
            process: 0,
            sampling: Vec::new(),
            has_tables: false,
            limited_range: false,
            field: false,
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
            let length = bytes.get(at + 2..at + 4).ok_or_else(short)?;
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let content = match length.checked_sub(2) {
                Some(_) => bytes.get(at + 4..at + 2 + length).ok_or_else(short)?,
                None => return Err(format!("the JPEG has a segment of length {length} at byte {at}")),
            };
            match marker {
                0xc4 => header.has_tables = true,
                0xda => break,
                0xe0 if content.starts_with(b"AVI1") => header.field = matches!(content.get(4), Some(1 | 2)),
                0xfe if content.starts_with(b"CS=ITU601") => header.limited_range = true,
                0xc0..=0xcf if marker != 0xc8 && marker != 0xcc => header.start_of_frame(marker, content)?,
                _ => {}
            }
            at += 2 + length;
        }
        if header.sampling.is_empty() {
            return Err("the JPEG has no start of frame".to_owned());
        }
        Ok(header)
    }

    fn start_of_frame(&mut self, marker: u8, content: &[u8]) -> Result<(), String> {
        if !self.sampling.is_empty() {
            return Err("the JPEG has two starts of frame".to_owned());
        }
        let &[precision, h1, h0, w1, w0, components, ref rest @ ..] = content else {
            return Err("the JPEG's start of frame is cut off".to_owned());
        };
        self.process = marker;
        self.precision = precision;
        self.height = usize::from(u16::from_be_bytes([h1, h0]));
        self.width = usize::from(u16::from_be_bytes([w1, w0]));
        self.sampling = rest.chunks_exact(3).map(|c| (c[1] >> 4, c[1] & 15)).take(usize::from(components)).collect();
        if self.width == 0 || self.height == 0 {
            return Err(format!("the JPEG declares {}x{} pixels", self.width, self.height));
        }
        if self.sampling.len() != usize::from(components) || components == 0 {
            return Err(format!("the JPEG declares {components} components and describes {}", self.sampling.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(segments: &[&[u8]]) -> Vec<u8> {
        let sof: &[u8] = &[0xff, 0xc0, 0, 17, 8, 0, 48, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0];
        let sos: &[u8] = &[0xff, 0xda, 0, 2];
        [&[&[0xff, 0xd8]], segments, &[sof, sos]].concat().concat()
    }

    #[test]
    fn reads_size_and_layout() {
        let header = JpegHeader::parse(&jpeg(&[])).unwrap();
        assert_eq!((header.width, header.height, header.process, header.precision), (64, 48, 0xc0, 8));
        assert_eq!(header.sampling, [(2, 2), (1, 1), (1, 1)]);
        assert!(!header.has_tables && !header.limited_range && !header.field);
    }

    #[test]
    fn reads_the_marks_of_motion_jpeg() {
        let comment = b"\xff\xfe\x00\x0bCS=ITU601";
        assert!(JpegHeader::parse(&jpeg(&[comment])).unwrap().limited_range);
        assert!(!JpegHeader::parse(&jpeg(&[b"\xff\xe0\x00\x07AVI1\x00"])).unwrap().field);
        assert!(JpegHeader::parse(&jpeg(&[b"\xff\xe0\x00\x07AVI1\x02"])).unwrap().field);
        assert!(JpegHeader::parse(&jpeg(&[b"\xff\xff\xff\xc4\x00\x02"])).unwrap().has_tables);
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
