//! Classes of characters as Python's regular expressions know them; Rust's own differ in a few.

use std::sync::OnceLock;

use regex::Regex;

/// Python's `\d`: a decimal digit of any script.
pub(super) fn is_digit(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_digit(),
        false => c.is_numeric() && classes().digit.is_match(c.encode_utf8(&mut [0; 4])),
    }
}

/// Python's `\s`, which has the four separators U+001C to U+001F too.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `\w`, which leaves out combining marks.
pub(super) fn is_word(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || c == '_',
        false => classes().word.is_match(c.encode_utf8(&mut [0; 4])),
    }
}

struct Classes {
    digit: Regex,
    word: Regex,
}

fn classes() -> &'static Classes {
    static BUILT: OnceLock<Classes> = OnceLock::new();
    BUILT.get_or_init(|| {
        let regex = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
        Classes { digit: regex(r"\p{Nd}"), word: regex(r"[\p{L}\p{N}]") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_pythons_where_rusts_differ() {
        for (c, digit, space, word) in [
            ('7', true, false, true),
            ('٣', true, false, true),
            ('²', false, false, true),
            ('½', false, false, true),
            ('_', false, false, true),
            ('é', false, false, true),
            ('\u{301}', false, false, false),
            ('Ⓐ', false, false, false),
            ('\u{1d}', false, true, false),
            ('\u{a0}', false, true, false),
            ('\u{200b}', false, false, false),
            ('-', false, false, false),
        ] {
            assert_eq!((is_digit(c), is_space(c), is_word(c)), (digit, space, word), "{c:?}");
        }
    }
}
