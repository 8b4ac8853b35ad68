//! Numbers as spreadsheets of all languages write them: with a decimal point or comma, perhaps with their unit.

use std::fmt;

/// How the numbers of a table are written, by those that can be read in one way only.
#[derive(Debug, Default)]
pub(crate) struct Notation {
    /// Whether commas separate the table's fields, so that one within a number is not expected.
    commas_separate: bool,
    /// Line and text of the first number with a decimal point.
    point: Option<(u64, String)>,
    /// The same with a decimal comma.
    comma: Option<(u64, String)>,
}

/// A number of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    /// Always finite.
    pub(crate) value: f64,
    /// Whether the unit stands behind it.
    pub(crate) has_unit: bool,
}

/// Of a number whose marks may separate thousands or decimals: the line and text of another that makes one doubt it.
#[derive(Debug, PartialEq)]
pub(crate) struct UnclearMarks(Option<(u64, String)>);

impl fmt::Display for UnclearMarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its marks may separate thousands or decimals")?;
        if let Some((line, other)) = &self.0 {
            write!(f, ", as line {line} has {other:?}")?;
        }
        write!(f, "; write all numbers alike, without marks between thousands")
    }
}

/// What can be told of a number by itself.
enum Marks {
    /// None, or one that can only be decimal; the number with a decimal point.
    Decimal(String, Option<char>),
    /// One with three digits behind it, as in `1.234`.
    Unclear(String, char),
    /// Several.
    Thousands,
}

impl Notation {
    /// Of the fields `numbers`, each with its line and unit, in a table whose fields `separator` separates.
    pub(crate) fn of<'a>(separator: char, numbers: impl Iterator<Item = (u64, &'a str, &'a str)>) -> Self {
        let mut notation = Self { commas_separate: separator == ',', ..Self::default() };
        for (line, field, unit) in numbers {
            let bare = without_unit(field, unit).unwrap_or(field);
            let Marks::Decimal(number, Some(mark)) = marks(bare) else { continue };
            let first = if mark == '.' { &mut notation.point } else { &mut notation.comma };
            if first.is_none() && number.parse::<f64>().is_ok() {
                *first = Some((line, field.to_owned()));
            }
        }
        notation
    }

    /// The number that a field holds, with or without `unit` behind it; none where it holds something else.
    pub(crate) fn number(&self, field: &str, unit: &str) -> Result<Option<Number>, UnclearMarks> {
        let bare = without_unit(field, unit);
        let text = match marks(bare.unwrap_or(field)) {
            Marks::Decimal(text, _) => text,
            Marks::Unclear(text, mark) => {
                let (same, other) = match mark {
                    '.' => (&self.point, &self.comma),
                    _ => (&self.comma, &self.point),
                };
                if other.is_some() {
                    return Err(UnclearMarks(other.clone()));
                }
                if mark == ',' && self.commas_separate && same.is_none() {
                    return Err(UnclearMarks(None));
                }
                text
            }
            Marks::Thousands => return Err(UnclearMarks(None)),
        };
        let value = text.parse().ok().filter(|value: &f64| value.is_finite());
        Ok(value.map(|value| Number { value, has_unit: bare.is_some() }))
    }
}

/// The text before its unit, where it ends so.
fn without_unit<'a>(field: &'a str, unit: &str) -> Option<&'a str> {
    let (number, end) = field.split_at_checked(field.len().checked_sub(unit.len())?)?;
    (!unit.is_empty() && end.eq_ignore_ascii_case(unit)).then(|| number.trim_end())
}

fn marks(text: &str) -> Marks {
    // An apostrophe makes a text of a spreadsheet's number.
    let text = text.strip_prefix('\'').unwrap_or(text);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.trim_start_matches(['+', '-']);
    let parts: Vec<&str> = unsigned.split(['.', ',']).collect();
    match parts[..] {
        [_] => Marks::Decimal(text.to_owned(), None),
        [whole, rest] => {
            let mark = if text.contains('.') { '.' } else { ',' };
            let is_unclear = rest.len() == 3
                && (1..=3).contains(&whole.len())
                && !whole.starts_with('0')
                && is_digits(whole)
                && is_digits(rest);
            let text = text.replace(',', ".");
            if is_unclear { Marks::Unclear(text, mark) } else { Marks::Decimal(text, Some(mark)) }
        }
        [_, ref middle @ .., _] if parts.iter().all(|part| is_digits(part)) && middle.iter().all(|m| m.len() == 3) => {
            Marks::Thousands
        }
        _ => Marks::Decimal(text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last of `fields` in a table of all of them.
    fn read(separator: char, fields: &[&str]) -> Result<Option<f64>, UnclearMarks> {
        let notation = Notation::of(separator, (2..).zip(fields).map(|(line, field)| (line, *field, "%")));
        let number = notation.number(fields[fields.len() - 1], "%")?;
        Ok(number.map(|number| number.value))
    }

    #[test]
    fn decimal_marks_are_those_of_the_language_and_units_may_follow() {
        for (separator, fields, expected) in [
            (',', &["55.5"][..], 55.5),
            (',', &["55,5"], 55.5),
            (';', &["55,5"], 55.5),
            (';', &["55.5"], 55.5),
            (';', &["55,5", "60.5"], 60.5),
            (';', &["55,123"], 55.123),
            (',', &["55.123"], 55.123),
            (',', &["55,5", "55,123"], 55.123),
            (';', &["55,5", "0.123"], 0.123),
            (',', &["55,5 %", "55,123"], 55.123),
            (',', &["42.3%"], 42.3),
            (',', &["42,3 %"], 42.3),
            (',', &["'42"], 42.0),
            (',', &["+4.2e1"], 42.0),
            (',', &["-.5"], -0.5),
        ] {
            assert_eq!(read(separator, fields), Ok(Some(expected)), "{separator} {fields:?}");
        }
        let has_unit = |field: &str| Notation::default().number(field, "ml").unwrap().unwrap().has_unit;
        assert_eq!([has_unit("120 mL"), has_unit("120")], [true, false]);
    }

    #[test]
    fn marks_that_may_separate_thousands_are_refused_with_the_reason() {
        for (separator, fields, other) in [
            (';', &["55,5", "1.234"][..], Some("55,5")),
            ('\t', &["55,5", "1.234 %"], Some("55,5")),
            (',', &["55.5", "1,234"], Some("55.5")),
            (';', &["55.5", "1,234"], Some("55.5")),
            (',', &["1,234"], None),
            (';', &["1.234,5"], None),
            (',', &["1,234.5"], None),
            (',', &["1.234.567"], None),
        ] {
            let error = read(separator, fields).unwrap_err();
            assert_eq!(error, UnclearMarks(other.map(|other| (2, other.to_owned()))), "{separator} {fields:?}");
            assert!(error.to_string().contains("thousands"), "{error}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for field in ["", "%", "x", "inf", "NaN", "1e999", "55-60", ">70", "5 5", "12.5 ml", "12.03.2024", "1.234.5e4"]
        {
            assert_eq!(read(',', &[field]), Ok(None), "{field}");
        }
    }
}
