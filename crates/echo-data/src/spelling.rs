//! Spellings of one name: what spreadsheets and operating systems change without anybody's intention.

use unicode_normalization::UnicodeNormalization;

/// A path or name as it is compared where no file is spelt exactly so: slashes for backslashes, small letters, composed
/// accents, nothing invisible, no space beside slashes and at the ends, nothing empty and no `.` between slashes.
pub(crate) fn plain(name: &str) -> String {
    let visible = |c: &char| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let name: String = name.replace('\\', "/").nfc().filter(visible).flat_map(char::to_lowercase).nfc().collect();
    name.split('/').map(str::trim).filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

/// Whether one of two plain paths is the other with folders before it.
pub(crate) fn is_same_but_for_folders(a: &str, b: &str) -> bool {
    let (longer, shorter) = if a.len() < b.len() { (b, a) } else { (a, b) };
    longer.strip_suffix(shorter).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// What tells a patient from others: a spreadsheet writes the number `0101` as `101`, as the text `'0101` or with its
/// language's decimal comma, and a data frame as `101.0`; East Asian keyboards have digits of another width.
pub fn patient_key(patient: &str) -> String {
    let narrow: String = patient.nfkc().collect();
    let narrow = narrow.trim();
    let plain = plain(narrow.strip_prefix(['\'', '+']).unwrap_or(narrow));
    let whole = plain.split_once(['.', ',']).filter(|(_, zeros)| zeros.bytes().all(|byte| byte == b'0'));
    let digits = whole.map_or(plain.as_str(), |(digits, _)| digits);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return plain;
    }
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_are_the_same() {
        let expected = "a/jos\u{e9}.avi";
        for name in ["a\\Jose\u{301}.AVI", "./a//JOS\u{c9}.avi", "/A/JOSE\u{301}.avi", " a / jose\u{301}.avi\u{200b} "]
        {
            assert_eq!(plain(name), expected, "{name}");
        }
        assert_ne!(plain("jose.avi"), plain("jos\u{e9}.avi"), "accents are part of a name");
    }

    #[test]
    fn folders_before_a_path_do_not_count_and_parts_of_names_do() {
        for (a, b, same) in [
            ("videos/a", "a", true),
            ("a", "x/videos/a", true),
            ("a", "a", true),
            ("ba", "a", false),
            ("x/a", "y/a", false),
        ] {
            assert_eq!(is_same_but_for_folders(a, b), same, "{a} {b}");
            assert_eq!(is_same_but_for_folders(b, a), same, "{b} {a}");
        }
    }

    #[test]
    fn a_patient_is_the_same_in_every_spelling() {
        for patient in
            ["101", "101.0", "0101", " 101.00 ", "'101", "+101", "101,0", "101\u{200b}", "\u{ff11}\u{ff10}\u{ff11}"]
        {
            assert_eq!(patient_key(patient), "101", "{patient}");
        }
        assert_eq!(patient_key("P001"), patient_key("p001"));
        for (a, b) in [("101", "1010"), ("101.5", "101"), ("P1", "P01"), ("0", "00a"), ("1.0.0", "1")] {
            assert_ne!(patient_key(a), patient_key(b), "{a} {b}");
        }
        assert_eq!(patient_key("000"), "0");
    }
}
