//! What kind of file it is, by its bytes; names lie.

use crate::open::Container;

/// Bytes that [`sniff`] wants to see.
pub(crate) const SNIFF_BYTES: usize = 512;

/// The kind of file whose first bytes are `head`, or what it is instead of a video.
pub(crate) fn sniff(head: &[u8]) -> Result<Container, String> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|tail| tail.starts_with(magic));
    if at(0, b"RIFF") || at(0, b"RIFX") {
        if at(0, b"RIFF") && at(8, b"AVI ") {
            return Ok(Container::Avi);
        }
        let form = head.get(8..12).map(|form| form.escape_ascii().to_string());
        return Err(match form {
            Some(form) => format!("a RIFF file of form «{form}», not «AVI »"),
            None => "a RIFF file that ends after its first bytes".to_owned(),
        });
    }
    // The first box of a MOV need not be `ftyp`.
    if [&b"ftyp"[..], b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"].iter().any(|kind| at(4, kind)) {
        return Ok(Container::IsoBmff);
    }
    if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) {
        return Ok(Container::Matroska);
    }
    if at(128, b"DICM") {
        return Ok(Container::Dicom);
    }
    let stills: [(&[u8], &str); 5] = [
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"%PDF", "a PDF document"),
        (b"\x1f\x8b", "gzip-compressed; unpack it first"),
    ];
    if let Some((_, what)) = stills.iter().find(|(magic, _)| at(0, magic)) {
        return Err((*what).to_owned());
    }
    if head.iter().all(|&byte| byte == 0) {
        return Err(format!("its first {} bytes are all zero", head.len()));
    }
    // ffmpeg takes some texts for subtitles, playlists or scripts that name other files.
    let cut = head.len() - std::str::from_utf8(head).map_or_else(|error| error.valid_up_to(), str::len);
    let text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace() || *byte == 0x1b;
    if cut < 4 && head.iter().all(text) {
        return Err("it is text".to_owned());
    }
    Ok(Container::Other)
}

/// Whether a file that begins with `head` is a video of a known kind: what [`sniff`] names, and the kinds that it leaves
/// to ffmpeg. Anything else might be a video too, but in a folder it is more likely not.
pub(crate) fn is_known_video(head: &[u8]) -> bool {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|tail| tail.starts_with(magic));
    let transport_stream = at(0, b"G") && at(188, b"G");
    let starts: [&[u8]; 8] = [
        b"\0\0\x01\xba", // MPEG programme stream
        b"\0\0\x01\xb3", // MPEG video
        b"\0\0\0\x01",   // H.264 and H.265
        b"GIF8",
        b"\x30\x26\xb2\x75", // ASF: .wmv
        b"FLV\x01",
        b"OggS",
        b"DKIF", // IVF
    ];
    match sniff(head) {
        Ok(Container::Other) => transport_stream || starts.iter().any(|start| at(0, start)),
        Ok(_) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_bytes() {
        assert_eq!(sniff(b"RIFF\x10\0\0\0AVI LIST"), Ok(Container::Avi));
        assert_eq!(sniff(b"\0\0\0\x20ftypisom"), Ok(Container::IsoBmff));
        assert_eq!(sniff(b"\0\0\0\x08wide\0\0"), Ok(Container::IsoBmff));
        assert_eq!(sniff(b"\x1a\x45\xdf\xa3\x9f"), Ok(Container::Matroska));
        assert_eq!(sniff(&[&[0; 128][..], b"DICM"].concat()), Ok(Container::Dicom));
        assert_eq!(sniff(b"\x00\x00\x01\xba\x44\x00"), Ok(Container::Other));
    }

    #[test]
    fn videos_of_any_name_are_told_from_other_files() {
        let transport = [&b"G"[..], &[0x01; 187], b"G\x01"].concat();
        for head in
            [&b"RIFF\x10\0\0\0AVI LIST"[..], b"\0\0\0\x20ftypisom", b"GIF89a\x10\0", b"\0\0\x01\xba\x44", &transport]
        {
            assert!(is_known_video(head), "{head:02x?}");
        }
        for head in [&b"FileName,EF\n"[..], b"\x89PNG\r\n", b"\x93NUMPY\x01\0", b"RIFF\x10\0\0\0WAVEfmt ", b""] {
            assert!(!is_known_video(head), "{head:02x?}");
        }
    }

    #[test]
    fn what_is_no_video_is_named() {
        let cases: [(&[u8], &str); 7] = [
            (b"RIFF\x10\0\0\0WAVEfmt ", "WAVE"),
            (b"RIFF", "ends after"),
            (b"\x89PNG\r\n", "PNG"),
            (b"FileName,EF\r\nabc,55\r\n", "text"),
            ("Zürich è".as_bytes(), "text"),
            (b"ffconcat version 1.0\nfile /etc/passwd", "text"),
            (&[0; 300], "zero"),
        ];
        for (head, word) in cases {
            let cause = sniff(head).unwrap_err();
            assert!(cause.contains(word), "{cause}");
        }
    }
}
