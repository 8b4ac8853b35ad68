//! Sentences that upstream's tokenizer knows by heart, known here by their fingerprints.
//!
//! Some sentences come without the period that their template has, and two differ from theirs in wording. Which they
//! are is part of what gives equal ids; the sentences themselves are upstream's and not to be passed on, so what is
//! stored is their length and hash. `reference/template_tokenizer.py` prints the tables from a copy of upstream's code.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use super::characters::is_digit;

/// A number, whatever its digits, in a text to be hashed.
const NUMBER: u32 = char::MAX as u32 + 1;

/// Hashes are polynomials over this prime field, 2^61 - 1, so that those of all windows of a text come from its prefixes.
const PRIME: u64 = (1 << 61) - 1;
const BASE: u64 = 0x0ec0_c11b_2024_0077;

/// A sentence by its symbols: characters, or numbers as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    length: usize,
    hash: u64,
}

/// A sentence, and the ranges of its characters that its template lacks.
struct Rewording {
    from: Fingerprint,
    cut: &'static [(usize, usize)],
}

/// Numbers in them are one symbol each.
static PERIODS: [Fingerprint; 18] = [
    Fingerprint { length: 38, hash: 0x175bdba7e00d5373 },
    Fingerprint { length: 38, hash: 0x1ddef79bac30ea71 },
    Fingerprint { length: 26, hash: 0x07f2d47b78cc821c },
    Fingerprint { length: 30, hash: 0x03621edaec642a36 },
    Fingerprint { length: 38, hash: 0x00f313c205227fb4 },
    Fingerprint { length: 23, hash: 0x07feb220fef63cfe },
    Fingerprint { length: 36, hash: 0x1eb5f6bba0f627c1 },
    Fingerprint { length: 28, hash: 0x0256ffa71e3fd4ff },
    Fingerprint { length: 26, hash: 0x1f6e8e679c6fbb22 },
    Fingerprint { length: 23, hash: 0x1a66fe4e83b24953 },
    Fingerprint { length: 22, hash: 0x11d1a3fc2f97a381 },
    Fingerprint { length: 38, hash: 0x0d23e39e581c8590 },
    Fingerprint { length: 38, hash: 0x13a6ff9224401c8e },
    Fingerprint { length: 19, hash: 0x152d45e5eb58165b },
    Fingerprint { length: 39, hash: 0x0cdae5937981c09f },
    Fingerprint { length: 16, hash: 0x11385b2c1cf1ca47 },
    Fingerprint { length: 34, hash: 0x006dc2badbdf0f46 },
    Fingerprint { length: 78, hash: 0x07b12974bb9b7841 },
];

/// By characters alone: their numbers are holes already.
static REWORDINGS: [Rewording; 2] = [
    Rewording { from: Fingerprint { length: 137, hash: 0x1968c8cb36abc9d6 }, cut: &[(22, 44), (80, 81)] },
    Rewording { from: Fingerprint { length: 40, hash: 0x0b0309a3e950a8ac }, cut: &[(39, 40)] },
];

/// A cleaned report with a period after each of the sentences that need one and lack it.
pub(super) fn end_sentences(report: &str) -> String {
    insert_periods(report, &PERIODS)
}

/// A report with holes, and in it the sentences that differ from their templates put as these put them.
pub(super) fn reword(report: &str) -> String {
    REWORDINGS.iter().fold(report.to_owned(), |report, rewording| cut(&report, rewording))
}

fn insert_periods(report: &str, sentences: &[Fingerprint]) -> String {
    let symbols = Symbols::with_numbers(report);
    let lacks_period = |found: &Range<usize>| symbols.symbols.get(found.end) != Some(&u32::from('.'));
    let mut ended = String::with_capacity(report.len());
    let mut kept = 0;
    for found in symbols.find(sentences, lacks_period) {
        let end = symbols.offset(found.end);
        ended.push_str(&report[kept..end]);
        ended.push('.');
        kept = end;
    }
    ended + &report[kept..]
}

fn cut(report: &str, rewording: &Rewording) -> String {
    let symbols = Symbols::of_characters(report);
    let mut left = String::with_capacity(report.len());
    let mut kept = 0;
    for found in symbols.find(&[rewording.from], |_| true) {
        for (start, end) in rewording.cut {
            left.push_str(&report[kept..symbols.offset(found.start + start)]);
            kept = symbols.offset(found.start + end);
        }
    }
    left + &report[kept..]
}

/// A text as what is hashed.
struct Symbols {
    symbols: Vec<u32>,
    /// Where each begins in the text, and the text's length.
    offsets: Vec<usize>,
    /// Hash of the symbols before each, and of all.
    prefixes: Vec<u64>,
}

impl Symbols {
    fn of_characters(text: &str) -> Self {
        Self::new(text.char_indices().map(|(offset, letter)| (offset, u32::from(letter))), text.len())
    }

    /// Every number (digits, or digits around a period) as one symbol.
    fn with_numbers(text: &str) -> Self {
        let mut letters = text.char_indices().peekable();
        let symbols = std::iter::from_fn(move || {
            let (offset, letter) = letters.next()?;
            if !is_digit(letter) {
                return Some((offset, u32::from(letter)));
            }
            skip_digits(&mut letters);
            if letters.next_if(|&(_, next)| next == '.').is_some() {
                skip_digits(&mut letters);
            }
            Some((offset, NUMBER))
        });
        Self::new(symbols, text.len())
    }

    fn new(symbols: impl Iterator<Item = (usize, u32)>, length: usize) -> Self {
        let (mut offsets, symbols): (Vec<usize>, Vec<u32>) = symbols.unzip();
        offsets.push(length);
        let mut prefixes = Vec::with_capacity(offsets.len());
        prefixes.push(0);
        let mut hash = 0;
        for &symbol in &symbols {
            hash = (multiply(hash, BASE) + u64::from(symbol) + 1) % PRIME;
            prefixes.push(hash);
        }
        Self { symbols, offsets, prefixes }
    }

    /// Where in the text the symbol `index` begins.
    fn offset(&self, index: usize) -> usize {
        self.offsets[index]
    }

    /// The places of `sentences` that `counts` accepts, from the left, none overlapping the one before.
    fn find(&self, sentences: &[Fingerprint], counts: impl Fn(&Range<usize>) -> bool) -> Vec<Range<usize>> {
        let powers: Vec<u64> = sentences.iter().map(|sentence| power(sentence.length)).collect();
        let mut found = Vec::new();
        let mut start = 0;
        while start < self.symbols.len() {
            let here = sentences.iter().zip(&powers).find_map(|(sentence, &power)| {
                let range = start..start + sentence.length;
                let hash = self.prefixes.get(range.end)? + PRIME - multiply(self.prefixes[start], power);
                (hash % PRIME == sentence.hash && counts(&range)).then_some(range)
            });
            start = here.as_ref().map_or(start + 1, |range| range.end);
            found.extend(here);
        }
        found
    }
}

fn skip_digits(letters: &mut Peekable<CharIndices<'_>>) {
    while letters.next_if(|&(_, letter)| is_digit(letter)).is_some() {}
}

fn multiply(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(PRIME)) as u64
}

/// `BASE` to the power of `exponent`.
fn power(exponent: usize) -> u64 {
    (0..exponent).fold(1, |power, _| multiply(power, BASE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `<#>` stands for a number when `numbers`, for itself otherwise.
    fn fingerprint(sentence: &str, numbers: bool) -> Fingerprint {
        let sentence = if numbers { sentence.replace("<#>", "1") } else { sentence.to_owned() };
        let symbols = if numbers { Symbols::with_numbers(&sentence) } else { Symbols::of_characters(&sentence) };
        Fingerprint { length: symbols.symbols.len(), hash: symbols.prefixes[symbols.symbols.len()] }
    }

    #[test]
    fn a_sentence_without_its_period_gets_one_whatever_its_numbers() {
        let sentences = [fingerprint("THE JET IS <#>MM", true), fingerprint("RHYTHM IRREGULAR", true)];
        for (report, ended) in [
            ("THE JET IS 12MM ", "THE JET IS 12MM. "),
            ("THE JET IS 12.25MM. ", "THE JET IS 12.25MM. "),
            ("THE JET IS 3.MM RHYTHM IRREGULAR THE", "THE JET IS 3.MM. RHYTHM IRREGULAR. THE"),
            ("É THE JET IS ٣MMHG", "É THE JET IS ٣MM.HG"),
            ("THE JET IS 1.2.3MM THE JET IS MM", "THE JET IS 1.2.3MM THE JET IS MM"),
            ("RHYTHM IRREGULARRHYTHM IRREGULAR", "RHYTHM IRREGULAR.RHYTHM IRREGULAR."),
            ("", ""),
        ] {
            assert_eq!(insert_periods(report, &sentences), ended, "{report:?}");
        }
    }

    #[test]
    fn a_sentence_loses_what_its_template_lacks() {
        let rewording = Rewording { from: fingerprint("FLOW, OR SO, IS <#>.", false), cut: &[(4, 11), (11, 12)] };
        for (report, reworded) in [
            ("FLOW, OR SO, IS <#>.", "FLOW IS <#>."),
            ("É FLOW, OR SO, IS <#>. FLOW, OR SO, IS <#>. X", "É FLOW IS <#>. FLOW IS <#>. X"),
            ("FLOW, OR SO, IS <#>", "FLOW, OR SO, IS <#>"),
        ] {
            assert_eq!(cut(report, &rewording), reworded, "{report:?}");
        }
    }
}
