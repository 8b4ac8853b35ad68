//! The text of a CSV file as spreadsheets save it: its encoding, its marks and its separator.

/// What may stand between fields.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// First bytes of files that are often named `.csv` and are something else.
const OTHERS: [(&[u8], &str); 9] = [
    (b"PK\x03\x04", "a workbook, such as .xlsx; open it and save the sheet as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an old workbook (.xls); open it and save the sheet as CSV (UTF-8)"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet file; save the table as CSV"),
    (b"{", "JSON; save the table as CSV"),
    (b"[{", "JSON; save the table as CSV"),
    (b"<!", "a page or XML; save the table as CSV"),
    (b"<html", "a page; save the table as CSV"),
];

/// A table's text, ready for the reader.
#[derive(Debug, PartialEq)]
pub(crate) struct CsvText {
    /// Without marks, with LF at the ends of lines.
    pub(crate) text: String,
    pub(crate) separator: char,
    /// Lines before the header that are not in `text`.
    pub(crate) skipped: u64,
}

impl CsvText {
    /// # Errors
    /// What the file is instead, and the way out.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
            return Err(format!("this is no CSV file but {what}"));
        }
        let text = match bytes {
            [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
            [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
            _ => std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
                format!("line {line} is not in UTF-8; save the table as CSV (UTF-8)")
            })?,
        };
        // Joining files leaves several marks.
        let text = text.trim_start_matches('\u{feff}');
        if text.contains('\0') {
            return Err(
                "it holds zero bytes, as damaged files and UTF-16 without a mark do; save it as CSV (UTF-8)".to_owned()
            );
        }
        let start: String = text.trim_start().chars().take(9).collect::<String>().to_ascii_lowercase();
        if ["<!doctype", "<html", "<?xml"].iter().any(|tag| start.starts_with(tag)) {
            return Err("this is no CSV file but a web page or XML".to_owned());
        }
        let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
        let stated = text.lines().next().and_then(stated_separator);
        if stated.is_some() {
            text = text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned());
        }
        let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        if header.is_empty() {
            return Err("the file is empty; it must have a line of column names, and a row for every video".to_owned());
        }
        let separator = stated.unwrap_or_else(|| usual_separator(header));
        let skipped = stated.is_some().into();
        if let Some(line) = unclosed_quote(&text, separator) {
            return Err(format!("line {}: a field begins with a quote that is never closed", line + skipped));
        }
        Ok(Self { text, separator, skipped })
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| unit(pair));
    match char::decode_utf16(units).collect::<Result<String, _>>() {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err("it begins as UTF-16 and is not; save it as CSV (UTF-8)".to_owned()),
    }
}

/// The separator that a first line `sep=;` tells to a spreadsheet.
fn stated_separator(line: &str) -> Option<char> {
    let line = line.trim_matches(['"', ' ']);
    let (key, value) = line.split_at_checked(4)?;
    let mut value = value.chars();
    let (separator, rest) = (value.next()?, value.next());
    (key.eq_ignore_ascii_case("sep=") && rest.is_none() && separator.is_ascii()).then_some(separator)
}

/// The one that the header has most of, outside quotes; a comma where it has none.
fn usual_separator(header: &str) -> char {
    let mut counts = [0; SEPARATORS.len()];
    let mut quoted = false;
    for character in header.chars() {
        quoted ^= character == '"';
        if let Some(place) = SEPARATORS.iter().position(|&separator| separator == character && !quoted) {
            counts[place] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    counts.iter().position(|&count| count == most).map_or(',', |place| SEPARATORS[place])
}

/// The line, counted from 1, of a quote that encloses all that is left of the text.
fn unclosed_quote(text: &str, separator: char) -> Option<u64> {
    let (mut line, mut opened) = (1, None);
    let mut before = '\n';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, opened) {
            ('"', None) if before == separator || before == '\n' => opened = Some(line),
            // Two within quotes are one that is meant.
            ('"', Some(_)) if characters.next_if_eq(&'"').is_none() => opened = None,
            _ => {}
        }
        line += u64::from(character == '\n');
        before = character;
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> (String, char, u64) {
        let CsvText { text, separator, skipped } = CsvText::decode(bytes).expect("a table");
        (text, separator, skipped)
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "Name;EF\nJos\u{e9};55,5\n";
        let expected = (text.to_owned(), ';', 0);
        let units: Vec<u16> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let two_marks = format!("\u{feff}\u{feff}{}", text.replace('\n', "\r\n"));
        for bytes in [text.as_bytes(), &little, &big, two_marks.as_bytes(), text.replace('\n', "\r").as_bytes()] {
            assert_eq!(decode(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn the_separator_is_the_stated_one_or_the_headers() {
        assert_eq!(decode(b"sep=,\r\na,b;c;d\n"), ("a,b;c;d\n".to_owned(), ',', 1));
        assert_eq!(decode(b"\xef\xbb\xbf\"sep=;\"\na\n").1, ';');
        assert_eq!(decode(b"sep=\t\na,b\n").1, '\t');
        for (header, separator) in [("a", ','), ("a,b", ','), ("a\tb\tc,d", '\t'), ("\"a,b,c\";d", ';'), ("a|b", '|')] {
            assert_eq!(decode(header.as_bytes()).1, separator, "{header:?}");
        }
        assert_eq!(decode(b"sep=ab,c\n").2, 0, "a column may be called so");
    }

    #[test]
    fn quotes_that_are_closed_or_stand_within_a_field_are_let_pass() {
        for text in ["a\n\"x\"\"\"\n", "a\n5\" probe\n", "a,b\n\"two\nlines\",\"\"\n", "a\n\"x\"y\n"] {
            assert_eq!(decode(text.as_bytes()).0, text);
        }
    }

    #[test]
    fn what_is_no_table_is_named() {
        for (bytes, expected) in [
            (&b"PK\x03\x04\x14\0"[..], "workbook"),
            (b"\xd0\xcf\x11\xe0\xa1", "workbook"),
            (b"PAR1\x15", "Parquet"),
            (b"{\"FileName\": {\"0\": \"a\"}}", "JSON"),
            (b"[{\"FileName\": \"a\"}]", "JSON"),
            (b"<!DOCTYPE html>", "page"),
            (b"\x1f\x8b\x08", "gzip"),
            (b" <!DOCTYPE html><html>", "web page"),
            (b"F\0i\0l\0e\0", "zero bytes"),
            (b"\xff\xfea\0b", "UTF-16"),
            (b"a,b\nJos\xe9,1\n", "line 2 is not in UTF-8"),
            (b"", "the file is empty"),
            (b"\xef\xbb\xbf \r\n", "the file is empty"),
            (b"sep=;\n", "the file is empty"),
            (b"a,b\n\"x\",1\ny,\"2\nz,3\n", "line 3: a field begins with a quote"),
            (b"sep=,\na,b\n\"\"\"x,1\n", "line 3: a field begins with a quote"),
        ] {
            let reason = CsvText::decode(bytes).unwrap_err();
            assert!(reason.contains(expected), "{expected}: {reason}");
        }
    }
}
