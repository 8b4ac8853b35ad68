//! What open_clip does to a text before byte-pair encoding: ftfy's `fix_text`, HTML entities decoded twice,
//! white space collapsed, lower case.
//!
//! Covered of ftfy 6.3.1: entities, C1 controls, Latin ligatures, full- and half-width forms, curly quotes, terminal
//! escapes, control characters, NFC, and UTF-8 that was read as Latin-1 or Windows-1252. Not covered: the same
//! accident with other code pages (Windows-1250 to 1257, Mac Roman, CP437), with bytes that were lost on the way
//! (a no-break space turned into a space, U+FFFD), with surrogates encoded as UTF-8, and a lone damaged letter
//! outside Latin-1 and the general punctuation (`Å“` for `œ`), where ftfy weighs its neighbours; in doubtful cases
//! (`â„–`) the two decide differently. Undamaged text is untouched by either.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use entities::ENTITIES;
use unicode_normalization::UnicodeNormalization;

/// The characters of bytes 0x80 to 0x9F in Windows-1252; its five holes hold the control of the same number.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', //
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The text as the byte-pair encoding wants it.
pub(super) fn clean(text: &str) -> String {
    let text = unescape(&unescape(&fix_text(text)));
    // Line breaks of all kinds end here, so ftfy's step that unifies them is left out.
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// ftfy's fixes, line by line. From the first line with a `<` on the text counts as HTML and keeps its entities.
fn fix_text(text: &str) -> String {
    let mut html = false;
    let fix = |line: &str| {
        html |= line.contains('<');
        fix_line(line, html)
    };
    text.split_inclusive('\n').map(fix).collect()
}

fn fix_line(line: &str, html: bool) -> String {
    let mut line = line.to_owned();
    // One fix can bring up another (an entity that names a curly quote), so until nothing changes. Ends: every
    // fix removes characters or takes them out of the set that it acts on.
    loop {
        let mut fixed = if html { line.clone() } else { unescape_whole(&line) };
        while let Some(decoded) = decode_mojibake(&fixed) {
            fixed = decoded;
        }
        let mut plain = String::with_capacity(fixed.len());
        fixed.chars().for_each(|c| push_plain(c, &mut plain));
        fixed = without_terminal_escapes(&plain).chars().filter(|c| !is_stray_control(*c)).nfc().collect();
        if fixed == line {
            return line;
        }
        line = fixed;
    }
}

/// One character without C1 control, Latin ligature, unusual width or curl.
fn push_plain(c: char, out: &mut String) {
    let c = match c {
        '\u{80}'..='\u{9f}' => WINDOWS_1252[c as usize - 0x80],
        _ => c,
    };
    match c {
        '‘'..='‛' | 'ʼ' => out.push('\''),
        '“'..='‟' => out.push('"'),
        '\u{3000}' => out.push(' '),
        '！'..='\u{ffef}' => out.extend(std::iter::once(c).nfkc()),
        'ŉ' => out.push_str("'n"),
        'ﬅ' => out.push_str("ſt"),
        'Ĳ' | 'ĳ' | 'Ǆ'..='ǌ' | 'Ǳ'..='ǳ' | 'ﬀ'..='ﬄ' | 'ﬆ' => out.extend(std::iter::once(c).nfkc()),
        _ => out.push(c),
    }
}

/// Controls that show nothing and part no words: not tab, line feed, form feed, carriage return.
fn is_stray_control(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}

/// Without `ESC [ digits and semicolons letter`, a terminal's colours and cursor moves.
fn without_terminal_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let after = escape[2..].trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        rest = match after.strip_prefix(|c: char| c.is_ascii_alphabetic()) {
            Some(after) => after,
            None => {
                out.push_str(&escape[..escape.len() - after.len()]);
                after
            }
        };
    }
    out + rest
}

/// The text with UTF-8 that was read as Latin-1 or Windows-1252 read as UTF-8, if there is such a thing in it.
///
/// The whole line if it decodes; else the runs that are evidence by themselves.
fn decode_mojibake(line: &str) -> Option<String> {
    let chars: Vec<char> = line.chars().collect();
    let evidence: Vec<Range<usize>> = runs(&chars).into_iter().filter(|run| is_evidence(&chars[run.clone()])).collect();
    if evidence.is_empty() {
        return None;
    }
    if let Some(whole) = decode(&chars) {
        return Some(whole);
    }
    let mut out = String::with_capacity(line.len());
    let mut done = 0;
    for run in evidence {
        out.extend(&chars[done..run.start]);
        done = run.end;
        out.push_str(&decode(&chars[run])?);
    }
    out.extend(&chars[done..]);
    Some(out)
}

/// Where characters stand whose bytes are UTF-8 sequences of two to four bytes, one after the other.
fn runs(chars: &[char]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let length = sequence(&chars[at..]);
        match runs.last_mut() {
            Some(run) if length > 0 && run.end == at => run.end += length,
            _ if length > 0 => runs.push(at..at + length),
            _ => {}
        }
        at += length.max(1);
    }
    runs
}

/// How many characters at the start are the bytes of one character beyond ASCII in UTF-8; 0 if none.
fn sequence(chars: &[char]) -> usize {
    let length = match byte(chars[0]) {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => return 0,
    };
    let decodes = chars.get(..length).is_some_and(|sequence| decode(sequence).is_some());
    if decodes { length } else { 0 }
}

/// Whether a run is no plausible text: `Â`, `Ã` or `ð` before symbols, `â` before a symbol of Windows-1252's own
/// range, or several sequences in a row. A French capital before a closing quote is plausible.
fn is_evidence(run: &[char]) -> bool {
    match run[0] {
        'Â' | 'Ã' | 'ð' => true,
        'â' if !matches!(run[1], '\u{a0}'..='\u{ff}') => true,
        _ => sequence(run) < run.len(),
    }
}

fn decode(chars: &[char]) -> Option<String> {
    let bytes: Option<Vec<u8>> = chars.iter().copied().map(byte).collect();
    String::from_utf8(bytes?).ok()
}

/// The byte that Windows-1252, or Latin-1 where it has a control instead, reads as this character.
fn byte(c: char) -> Option<u8> {
    if let Ok(byte) = u8::try_from(c) {
        return Some(byte);
    }
    WINDOWS_1252.iter().position(|own| *own == c).and_then(|at| u8::try_from(0x80 + at).ok())
}

/// HTML5's named character references without their `&`: `amp;`, and the 106 old ones also as `amp`.
fn named() -> &'static HashMap<&'static str, &'static str> {
    static NAMED: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    NAMED.get_or_init(|| ENTITIES.iter().map(|entity| (&entity.entity[1..], entity.characters)).collect())
}

/// Calls `replace` on what follows each `&`; it gives a replacement and the rest, or nothing if the `&` is text.
fn replace_entities<'a>(mut rest: &'a str, replace: impl Fn(&'a str) -> Option<(String, &'a str)>) -> String {
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        rest = match replace(after) {
            Some((replacement, after)) => {
                out.push_str(&replacement);
                after
            }
            None => {
                out.push('&');
                after
            }
        };
    }
    out + rest
}

/// Entities as HTML5 parses them (Python's `html.unescape`): the semicolon may be missing, the longest known
/// name wins.
fn unescape(text: &str) -> String {
    replace_entities(text, |after| {
        if let Some(number) = after.strip_prefix('#') {
            return numeric(number);
        }
        let ends = |c: char| matches!(c, '\t' | '\n' | '\u{c}' | ' ' | '<' | '&' | '#' | ';');
        let length = after.chars().take(32).take_while(|c| !ends(*c)).map(char::len_utf8).sum::<usize>();
        let whole = length + usize::from(length > 0 && after[length..].starts_with(';'));
        let boundaries = after[..whole].char_indices().map(|(at, c)| at + c.len_utf8()).collect::<Vec<_>>();
        let known = |end: usize| named().get(&after[..end]).map(|characters| (characters.to_string(), &after[end..]));
        boundaries.into_iter().rev().find_map(known)
    })
}

/// What follows `&#`: the character of that number, and the rest.
fn numeric(text: &str) -> Option<(String, &str)> {
    let (digits, radix) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let rest = digits.trim_start_matches(|c: char| c.is_digit(radix));
    let digits = &digits[..digits.len() - rest.len()];
    if digits.is_empty() {
        return None;
    }
    let replacement = match u32::from_str_radix(digits, radix) {
        Ok(0) => "\u{fffd}".to_owned(),
        Ok(number @ 0x80..=0x9f) => WINDOWS_1252[number as usize - 0x80].to_string(),
        Ok(0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f | 0xfdd0..=0xfdef) => String::new(),
        Ok(number) if number <= 0x10_ffff && number & 0xfffe == 0xfffe => String::new(),
        Ok(number) => char::from_u32(number).unwrap_or('\u{fffd}').to_string(),
        Err(_) => "\u{fffd}".to_owned(),
    };
    Some((replacement, rest.strip_prefix(';').unwrap_or(rest)))
}

/// Entities as ftfy decodes them: only with their semicolon, and also `&EACUTE;`, which is no HTML.
fn unescape_whole(text: &str) -> String {
    replace_entities(text, |after| {
        let hash = usize::from(after.starts_with('#'));
        let length = hash + after[hash..].find(|c: char| !c.is_ascii_alphanumeric())?;
        let rest = after[length..].strip_prefix(';')?;
        let name = &after[..=length];
        if !(1..=24).contains(&(length - hash)) {
            return None;
        }
        if hash == 1 {
            let (character, left) = numeric(&after[1..])?;
            return (left.len() == rest.len() && character != ";").then_some((character, rest));
        }
        if let Some(characters) = named().get(name) {
            return Some((characters.to_string(), rest));
        }
        let shouted = !name.contains(|c: char| c.is_ascii_lowercase());
        let characters = named().get(name.to_ascii_lowercase().as_str()).filter(|_| shouted)?;
        let entity = format!("&{name}");
        (unescape(&entity) == entity).then(|| (characters.to_uppercase(), rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_clean(pairs: &[(&str, &str)]) {
        for (text, expected) in pairs {
            assert_eq!(clean(text), *expected, "{text:?}");
        }
    }

    // The expected texts are what open_clip 3.3.0's cleaning (ftfy 6.3.1) gives.

    #[test]
    fn characters_become_plain() {
        assert_clean(&[
            ("“Quoted” ‘text’, it’s ʼ", "\"quoted\" 'text', it's '"),
            ("\u{93}C1\u{94} 5\u{96}10", "\"c1\" 5–10"),
            ("ﬁbrous ﬂaps, ﬃ ﬄ ﬀ ﬅ ﬆ ĳ ǆ ŉ", "fibrous flaps, ffi ffl ff ſt st ij dž 'n"),
            ("ＥＦ　５５％ ｶﾞ", "ef 55% ガ"),
            ("cafe\u{301} A\u{30a}", "café å"),
            ("a\u{0}b\u{feff}c\u{7f}\u{1b}[31;1mred\u{1b}[0m \u{1b}[", "abcred ["),
            ("ΑΟΡΤΗΣ İ ẞ", "αορτης i\u{307} ß"),
        ]);
    }

    #[test]
    fn white_space_collapses() {
        assert_clean(&[("", ""), (" \t\r\n ", ""), (" a\u{a0}\u{2003}b\u{2028}c\t\n d\u{c}e ", "a b c d e")]);
    }

    #[test]
    fn entities_are_decoded_with_and_without_semicolon() {
        assert_clean(&[
            ("E&amp;A &lt; 5 &GT; &deg;&plusmn;&frac12;", "e&a < 5 > °±½"),
            ("&eacute &notit; &notin; &copy2", "é ¬it; ∉ ©2"),
            ("&EACUTE;&SZLIG; &nTILDE; &LTIMES;", "éss &ntilde; <imes;"),
            (
                "&#8805; &#x2264 &#150; &#0; &#1; &#xD800; &#99999999999; &#; &#x;",
                "≥ ≤ – \u{fffd} \u{fffd} \u{fffd} &#; &#x;",
            ),
            ("&amp;amp;lt; &rsquo; &#59;", "< ' ;"),
            ("a &nbsp; b & c &; &unknown;", "a b & c &; &unknown;"),
        ]);
    }

    #[test]
    fn a_text_with_tags_keeps_its_entities_until_the_last_step() {
        assert_clean(&[("it&rsquo;s <b>", "it’s <b>"), ("it&rsquo;s\n<b>\nit&rsquo;s", "it's <b> it’s")]);
    }

    #[test]
    fn utf8_read_as_windows_1252_is_read_again() {
        assert_clean(&[
            ("45Â° Â±2 cmÂ² dâ€™Ã©tude â‰¥ 5 â€“ 10", "45° ±2 cm² d'étude ≥ 5 – 10"),
            ("Ð´Ð° ðŸ˜€", "да 😀"),
            ("ÃƒÂ©", "é"),
            ("naïve Â± 2", "naïve ± 2"),
            ("â\u{80}\u{99}", "'"),
        ]);
    }

    #[test]
    fn accented_letters_before_symbols_are_left_alone() {
        assert_clean(&[
            ("«CAFÉ» 10 m² ±2 É”", "«café» 10 m² ±2 é\""),
            ("château “pâté”… à 5°", "château \"pâté\"… à 5°"),
        ]);
    }
}
