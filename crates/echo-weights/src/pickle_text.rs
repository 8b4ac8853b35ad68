//! Texts and bytes in the forms of protocols 0 to 2.

/// A text of protocol 0, as Python's codec `raw_unicode_escape` writes it: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub(crate) fn from_raw_unicode(line: &[u8]) -> String {
    let (mut text, mut rest) = (String::new(), line);
    while let Some((&byte, after)) = rest.split_first() {
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0,
        };
        (text, rest) = match after.get(1..=digits).and_then(hexadecimal).and_then(char::from_u32) {
            Some(character) => (text + character.encode_utf8(&mut [0; 4]), &after[1 + digits..]),
            None => (text + char::from(byte).encode_utf8(&mut [0; 4]), after),
        };
    }
    text
}

/// The bytes of a string of Python 2 in protocol 0, as its `repr` writes them: in quotes, with `\n` and `\xXX`.
pub(crate) fn from_quoted(line: &[u8]) -> Vec<u8> {
    let unquoted = match line {
        [first @ (b'\'' | b'"'), inner @ .., last] if first == last => inner,
        other => other,
    };
    let (mut bytes, mut rest) = (Vec::new(), unquoted);
    while let Some((&byte, after)) = rest.split_first() {
        let (found, length) = match (byte, after) {
            (b'\\', [b'x', digits @ ..]) => match digits.get(..2).and_then(hexadecimal) {
                Some(code) => (code as u8, 3),
                None => (byte, 0),
            },
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b'r', ..]) => (b'\r', 1),
            (b'\\', [b't', ..]) => (b'\t', 1),
            (b'\\', [escaped @ (b'\\' | b'\'' | b'"'), ..]) => (*escaped, 1),
            _ => (byte, 0),
        };
        bytes.push(found);
        rest = &after[length..];
    }
    bytes
}

/// Bytes as protocols 0 to 2 write them: a character for each. `None` where one is no byte.
pub(crate) fn to_latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(character).ok()).collect()
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    all.then(|| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_python_wrote_them() {
        // Written by pickle.dumps('a\\b\n\xe9\u5fc3\U0001f600', 0) of Python 3.
        let line = b"a\\u005cb\\u000a\xe9\\u5fc3\\U0001f600";
        assert_eq!(from_raw_unicode(line), "a\\b\n\u{e9}\u{5fc3}\u{1f600}");
        for broken in [&b"\\u00"[..], b"\\ud800", b"\\U+0000041", b"\\"] {
            assert_eq!(from_raw_unicode(broken), str::from_utf8(broken).unwrap(), "what is no escape is kept");
        }
        // Written by Python 2.
        assert_eq!(from_quoted(br#"'it\'s \\ "\x00\xff\n'"#), b"it's \\ \"\0\xff\n");
        assert_eq!(from_quoted(br#""it's""#), b"it's");
        for broken in [&b"'"[..], b"", br"\x0", br"\q"] {
            assert_eq!(from_quoted(broken), broken);
        }
        assert_eq!((to_latin_1("a\u{ff}"), to_latin_1("\u{100}")), (Some(vec![b'a', 0xff]), None));
    }
}
