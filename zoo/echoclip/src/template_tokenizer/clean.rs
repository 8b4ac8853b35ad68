//! A report in the spelling of the templates: upper case, one sentence after another with plain spaces and periods.

use std::sync::OnceLock;

use regex::{NoExpand, Regex};

use super::characters::{is_digit, is_space, is_word};
use super::fingerprints;

/// Words in the form that the templates have.
const STEMS: [(&str, &str); 5] = [
    ("NORMALLY", "NORMAL"),
    ("MILDLY", "MILD"),
    ("MODERATELY", "MODERATE"),
    ("SEVERELY", "SEVERE"),
    ("PULMONARY ARTERY", "PA"),
];

/// As [`STEMS`], but whole words only.
const WORDS: [(&str, &str); 3] = [("WAS", "IS"), ("WERE", "ARE"), ("AND/OR", "AND")];

/// The report as the templates spell it. A text of one character, or none, is left as it is. The order of the steps
/// counts: what one removes, a later one no longer sees.
pub(super) fn clean(report: &str) -> String {
    if report.chars().nth(1).is_none() {
        return report.to_owned();
    }
    let steps = steps();
    let text = report.to_uppercase();
    // Line marks go first, so that a caret within one keeps it.
    let text = text.trim_matches(is_space).replace('`', "'").replace("CRLF", "").replace(['^', '‡'], "");
    let text = space_after_periods(&text).replace(['[', ']'], "");
    let text = WORDS.iter().fold(text, |text, (from, to)| replace_word(&text, from, to));
    let text = STEMS.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let text = steps.slash_date.replace_all(&text, NoExpand(""));
    let text = steps.dot_date.replace_all(&text, NoExpand(""));
    let text = without_codes(&text, &steps.code);
    let text = steps.space_before_unit.replace_all(&text, "$1");
    let text = steps.space_before_period.replace_all(&text, NoExpand("."));
    let text = steps.spaces.replace_all(&text, NoExpand(" "));
    let text = text.replace(" + ", "+").replace("+CVPMMHG", "MMHG");
    let text = fingerprints::end_sentences(&format!("{} ", text.trim_matches(is_space)));
    steps.periods.replace_all(&text, NoExpand(".")).into_owned()
}

struct Steps {
    slash_date: Regex,
    dot_date: Regex,
    code: Regex,
    space_before_unit: Regex,
    space_before_period: Regex,
    spaces: Regex,
    periods: Regex,
}

fn steps() -> &'static Steps {
    static BUILT: OnceLock<Steps> = OnceLock::new();
    BUILT.get_or_init(|| {
        let regex = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
        let space = r"[\s\x1c-\x1f]";
        Steps {
            slash_date: regex(r"\d{2}/\d{2}/\d{4}"),
            dot_date: regex(r"\d{2}\.\d{2}\.\d{4}"),
            code: regex(r"[A-Z]\d+\.\d*"),
            space_before_unit: regex(&format!("{space}+(MMHG|MM|CM|%)")),
            space_before_period: regex(&format!(r"{space}\.")),
            spaces: regex(&format!("{space}+")),
            periods: regex(r"\.+"),
        }
    })
}

/// A space after every period but those between two digits, and the two at the ends of the text that have a digit
/// beside them.
fn space_after_periods(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        spaced.push(letter);
        let is_other = |neighbour: Option<char>| neighbour.is_some_and(|neighbour| !is_digit(neighbour));
        if letter == '.' && (is_other(before) || is_other(letters.peek().copied())) {
            spaced.push(' ');
        }
        before = Some(letter);
    }
    spaced
}

/// `from` replaced where neither neighbour belongs to a word.
fn replace_word(text: &str, from: &str, to: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut kept = 0;
    for (start, _) in text.match_indices(from) {
        let end = start + from.len();
        let inside = text[..start].chars().next_back().is_some_and(is_word) || text[end..].starts_with(is_word);
        if !inside {
            replaced.push_str(&text[kept..start]);
            replaced.push_str(to);
            kept = end;
        }
    }
    replaced + &text[kept..]
}

/// Diagnosis codes (a letter, digits, a period, digits) removed. Of one that runs on into a word, only what stands
/// before its second group of digits goes.
fn without_codes(text: &str, code: &Regex) -> String {
    let mut left = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = code.find_at(text, at) {
        let runs_on = text[found.end()..].starts_with(is_word);
        let period = found.start() + found.as_str().find('.').unwrap_or(0);
        left.push_str(&text[at..found.start()]);
        at = match found.end() {
            end if !runs_on && end > period + 1 => end,
            // A date may have been cut out after the period.
            end if !runs_on => {
                left.push_str(found.as_str());
                end
            }
            _ => period + 1,
        };
    }
    left + &text[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_to_the_spelling_of_the_templates() {
        for (report, cleaned) in [
            ("", ""),
            ("x", "x"),
            ("\u{1f}", "\u{1f}"),
            ("xy", "XY "),
            ("  the pump  was\tfine\u{1d}", "THE PUMP IS FINE "),
            ("walls were thin and/or stiff", "WALLS ARE THIN AND STIFF "),
            ("wasp swas was_ was\u{301} (was)", "WASP SWAS WAS_ IS\u{301} (IS) "),
            ("abnormally mildly severely", "ABNORMAL MILD SEVERE "),
            ("a^b‡c CRLF d CR^LF", "ABC D CRLF "),
            ("one.two. 3.5 .5 x.5 5.x 6.", "ONE. TWO. 3.5. 5 X. 5 5. X 6. "),
            ("[.5] 7 .", ". 5 7. "),
            ("end...", "END. "),
            ("size 4.5 cm, 30 mmhg, 50  % and 12 \n mm", "SIZE 4.5CM, 30MMHG, 50% AND 12MM "),
            ("a + b +  c+d 30 + cvpmmhg", "A+B+C+D 30MMHG "),
            ("on 12/31/2020 or 01.02.2021 or 1/2/2020", "ON OR OR 1/2/2020 "),
            ("pulmonary artery flow `ok`", "PA FLOW 'OK' "),
            ("x i25.10 y", "X Y "),
            ("i25.10a i25. i25", "10A I25. I25 "),
            ("a1.2b3.4", "2 "),
            ("a1.01/02/2003b a1.01/02/2003 b", "B A1. B "),
            ("große", "GROSSE "),
        ] {
            assert_eq!(clean(report), cleaned, "{report:?}");
        }
    }
}
