//! Reports of the candidates, as numbers of phrases.

use std::collections::HashMap;

use echo_clinical::study::{PhraseCode, Phrases};
use echo_weights::{PickledData, PickledValue};

use super::AssetsError;
use super::files::Files;

/// Reports of the candidates. A million of them have some ten million phrases, so that they are kept as numbers.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    /// Of each report the end among all phrases.
    ends: Vec<usize>,
    phrases: Vec<Phrase>,
    /// Each text once.
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Phrase {
    section: u32,
    phrase: u32,
    /// Its place in `values`.
    value: u32,
}

impl Reports {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The phrases of a candidate's report, in its order; `None` where there are fewer candidates.
    pub fn get(&self, candidate: usize) -> Option<impl ExactSizeIterator<Item = PhraseCode<'_>>> {
        let end = *self.ends.get(candidate)?;
        let start = candidate.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(self.phrases[start..end].iter().map(|&Phrase { section, phrase, value }| PhraseCode {
            section: section as usize,
            phrase: phrase as usize,
            value: &self.values[value as usize],
        }))
    }

    /// Reads a list of a report for each candidate, each a list of (section, phrase, value). A value counts where its
    /// phrase has a blank.
    pub(super) fn read(files: &Files, phrases: &Phrases) -> Result<Self, AssetsError> {
        let path = &files.reports;
        let data = PickledData::open(path)?;
        let PickledValue::List(reports) = data.root() else {
            return Err(AssetsError::kind(path, data.root(), "a list of reports"));
        };
        let mut read = Self::default();
        let mut texts = HashMap::from([(String::new(), 0)]);
        for (number, report) in reports.iter().enumerate() {
            let unexpected = |value: PickledValue<'_>, expected| {
                let reason = format!("report {number} holds {} where {expected} is expected", value.kind());
                AssetsError::content(path, reason)
            };
            let PickledValue::List(report) = report else { return Err(unexpected(report, "a list of phrases")) };
            for phrase in report.iter() {
                let (section, phrase, value) =
                    triple(phrase).ok_or_else(|| unexpected(phrase, "a triple of section, phrase and value"))?;
                let Some(has_blank) = phrases.has_blank(section as usize, phrase as usize) else {
                    let reason = format!("report {number} has phrase {phrase} of section {section}, the other has not");
                    return Err(AssetsError::disagree(path, &files.phrases, reason));
                };
                let text = match has_blank {
                    true => python_str(value).ok_or_else(|| unexpected(value, "what fills a blank"))?,
                    false => String::new(),
                };
                let next = texts.len() as u32;
                let value = *texts.entry(text).or_insert(next);
                read.phrases.push(Phrase { section, phrase, value });
            }
            read.ends.push(read.phrases.len());
        }
        read.values = vec![String::new(); texts.len()];
        texts.into_iter().for_each(|(text, place)| read.values[place as usize] = text);
        Ok(read)
    }
}

fn triple(phrase: PickledValue<'_>) -> Option<(u32, u32, PickledValue<'_>)> {
    let PickledValue::List(members) = phrase else { return None };
    let mut members = members.iter();
    let (section, phrase, value) = (members.next()?, members.next()?, members.next()?);
    match (section, phrase, members.len()) {
        (PickledValue::Int(section), PickledValue::Int(phrase), 0) => {
            Some((section.try_into().ok()?, phrase.try_into().ok()?, value))
        }
        _ => None,
    }
}

/// What Python's `str` makes of a value; `None` of bytes, lists and dicts, which fill no blank.
fn python_str(value: PickledValue<'_>) -> Option<String> {
    Some(match value {
        PickledValue::None => "None".to_owned(),
        PickledValue::Bool(true) => "True".to_owned(),
        PickledValue::Bool(false) => "False".to_owned(),
        PickledValue::Int(value) => value.to_string(),
        PickledValue::Float32(value) => float(value.into(), format!("{value:?}"), format!("{value:e}")),
        PickledValue::Float(value) => float(value, format!("{value:?}"), format!("{value:e}")),
        PickledValue::Text(text) => text.to_owned(),
        PickledValue::Bytes(_) | PickledValue::List(_) | PickledValue::Dict(_) => return None,
    })
}

/// A float with the fewest digits that tell it from others, as Python writes it: with an exponent of at least two
/// digits below 0.0001 and from 1e16 on.
fn float(value: f64, plain: String, with_exponent: String) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value == 0.0 || value.is_infinite() || (1e-4..1e16).contains(&value.abs()) {
        return plain;
    }
    match with_exponent.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => with_exponent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        // By str() of Python 3.11 and NumPy 2.4.
        for (value, text) in [
            (55.0, "55.0"),
            (-0.0, "-0.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (2.5e-7, "2.5e-07"),
            (1e-100, "1e-100"),
            (9007199254740993.0, "9007199254740992.0"),
            (1e16, "1e+16"),
            (-1.5e22, "-1.5e+22"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(python_str(PickledValue::Float(value)).as_deref(), Some(text));
        }
        assert_eq!(python_str(PickledValue::Float32(0.1)).as_deref(), Some("0.1"));
        assert_eq!(python_str(PickledValue::Float32(3e-6)).as_deref(), Some("3e-06"));
        assert_eq!(python_str(PickledValue::Bytes(b"a")), None);
    }
}
