//! Numbers and severities: what stands in the holes of the templates, and its ids.

use std::sync::OnceLock;

use regex::Regex;

use super::SPECIAL;

/// What stands in a template in place of a variable.
pub(super) const HOLE: &str = "<#>";

/// Severities that have an id, in the order of their ids.
const SEVERITIES: [&str; 5] = ["MILD", "MODERATE", "SEVERE", "MILD/MODERATE", "MODERATE/SEVERE"];

/// Ids count from here, above those of the templates: first the whole numbers 0 to 100.
const NUMBERS: u32 = SPECIAL.len() as u32;
/// Stands between the variables of one template.
const SEPARATOR: u32 = NUMBERS + 101;
const FIRST_SEVERITY: u32 = SEPARATOR + 1;
/// A period with one digit after it.
const TENTHS: u32 = FIRST_SEVERITY + SEVERITIES.len() as u32;
/// Two digits of which the first is 0.
const ZERO_AND_DIGIT: u32 = TENTHS + 10;

/// How many ids variables have.
pub(super) const VARIABLE_IDS: u32 = ZERO_AND_DIGIT + 10;

/// The variables of a cleaned report in their order, and the report with holes in their place.
pub(super) fn extract(report: &str) -> (Vec<&str>, String) {
    static BUILT: OnceLock<Regex> = OnceLock::new();
    let variable = BUILT.get_or_init(|| {
        // At one place the first that fits counts, so the joined severities stand before their parts.
        Regex::new(r"\d+\.?\d*|MODERATE/SEVERE|MILD/MODERATE|MILD|MODERATE|SEVERE|VERY SEVERE")
            .expect("the pattern is a constant")
    });
    let (mut variables, mut holed) = (Vec::new(), String::with_capacity(report.len()));
    let (mut kept, mut from) = (0, 0);
    while let Some(found) = variable.find_at(report, from) {
        let severity = found.as_str().starts_with(|c: char| c.is_ascii_uppercase());
        if severity && report[..found.start()].ends_with(|c: char| c.is_ascii_alphabetic()) {
            // The end of a longer word; but another may begin within it.
            from = found.start() + 1;
            continue;
        }
        variables.push(found.as_str());
        holed.push_str(&report[kept..found.start()]);
        holed.push_str(HOLE);
        (kept, from) = (found.end(), found.end());
    }
    holed.push_str(&report[kept..]);
    (variables, holed)
}

/// The ids of the variables of one template, counted from 0.
pub(super) fn encode<'a>(variables: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mut ids = Vec::new();
    for (index, variable) in variables.enumerate() {
        if index > 0 {
            ids.push(SEPARATOR);
        }
        encode_one(variable, &mut ids);
    }
    ids
}

/// The longest pieces with an id from the left; all that lies between two of them is one unknown piece, of id 0.
fn encode_one(variable: &str, ids: &mut Vec<u32>) {
    let mut rest = variable;
    let mut in_unknown = false;
    while let Some(letter) = rest.chars().next() {
        let (id, length) = match longest_piece(rest) {
            Some(piece) => piece,
            None => (0, letter.len_utf8()),
        };
        if id != 0 || !in_unknown {
            ids.push(id);
        }
        in_unknown = id == 0;
        rest = &rest[length..];
    }
}

/// The longest piece that `text` begins with: its id and its length.
fn longest_piece(text: &str) -> Option<(u32, usize)> {
    let digit = |at: usize| text.as_bytes().get(at).filter(|byte| byte.is_ascii_digit()).map(|b| u32::from(b - b'0'));
    match (digit(0), digit(1)) {
        (Some(_), _) if text.starts_with("100") => Some((NUMBERS + 100, 3)),
        (Some(0), Some(second)) => Some((ZERO_AND_DIGIT + second, 2)),
        (Some(first), Some(second)) => Some((NUMBERS + 10 * first + second, 2)),
        (Some(first), None) => Some((NUMBERS + first, 1)),
        (None, Some(tenths)) if text.starts_with('.') => Some((TENTHS + tenths, 2)),
        _ => {
            let known = SEVERITIES.iter().zip(FIRST_SEVERITY..).filter(|(severity, _)| text.starts_with(**severity));
            known.map(|(severity, id)| (id, severity.len())).max_by_key(|(_, length)| *length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_numbers_and_severities_that_end_no_longer_word() {
        for (report, variables, holed) in [
            ("EF 55-60%, 3.25CM, 7. NEXT", &["55", "60", "3.25", "7."][..], "EF <#>-<#>%, <#>CM, <#> NEXT"),
            ("1,000 A2 .5", &["1", "000", "2", "5"], "<#>,<#> A<#> .<#>"),
            ("MILD TO MODERATE", &["MILD", "MODERATE"], "<#> TO <#>"),
            ("MILD/MODERATE/SEVERE", &["MILD/MODERATE", "SEVERE"], "<#>/<#>"),
            ("VERY SEVERE, EVERY SEVERE", &["VERY SEVERE", "SEVERE"], "<#>, EVERY <#>"),
            ("XMODERATE/SEVERE", &["SEVERE"], "XMODERATE/<#>"),
            ("MILDER ÉMILD 1MILD", &["MILD", "MILD", "1", "MILD"], "<#>ER É<#> <#><#>"),
            ("٣٤", &["٣٤"], "<#>"),
            ("", &[], ""),
        ] {
            assert_eq!(extract(report), (variables.to_vec(), holed.to_owned()), "{report:?}");
        }
    }

    #[test]
    fn a_variable_is_its_longest_pieces() {
        let (tenth, zero) = (TENTHS, ZERO_AND_DIGIT);
        for (variable, ids) in [
            ("0", &[NUMBERS][..]),
            ("100", &[NUMBERS + 100]),
            ("1000", &[NUMBERS + 100, NUMBERS]),
            ("12.5", &[NUMBERS + 12, tenth + 5]),
            ("3.25", &[NUMBERS + 3, tenth + 2, NUMBERS + 5]),
            ("20.07", &[NUMBERS + 20, tenth, NUMBERS + 7]),
            ("007", &[zero, NUMBERS + 7]),
            ("12.", &[NUMBERS + 12, 0]),
            ("1٣٤5", &[NUMBERS + 1, 0, NUMBERS + 5]),
            ("MODERATE/SEVERE", &[FIRST_SEVERITY + 4]),
            ("VERY SEVERE", &[0, FIRST_SEVERITY + 2]),
            ("", &[]),
        ] {
            assert_eq!(encode([variable].into_iter()), ids, "{variable:?}");
        }
        assert_eq!(encode(["1", "SEVERE"].into_iter()), [NUMBERS + 1, SEPARATOR, FIRST_SEVERITY + 2]);
        assert!(encode([].into_iter()).is_empty());
        assert_eq!(VARIABLE_IDS, 132);
    }
}
