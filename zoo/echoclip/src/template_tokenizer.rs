//! EchoCLIP-R's tokenizer: a report to the ids of the template phrases that it is made of.
//!
//! Not words but whole phrases have ids. The report is cleaned ([`clean`]), its numbers and severities are taken out as
//! variables ([`variables`]), the phrases are found in what is left, the longest at the leftmost place, and each is
//! followed by the ids of its variables. What is no phrase is passed over, with its variables. Ids are those of
//! upstream's tokenizer (github.com/echonet/echo_CLIP at commit 23cd327, run with `tokenizers` 0.23.3 and its own 0.13.3).
//!
//! The phrases are upstream's and not to be passed on, so they are read from the user's copy.

mod characters;
mod clean;
mod fingerprints;
mod variables;

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use echo_weights::WeightsError;
use regex::Regex;

use variables::{HOLE, VARIABLE_IDS};

/// Ids 0 to 4, of the templates as of the variables: what upstream's `blank_wordpiece.tokenizer` holds. The first is for
/// what is unknown; the others never occur.
const SPECIAL: [&str; 5] = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"];

/// Larger files are no vocabulary; upstream's has 47 kB.
const LARGEST_FILE: u64 = 1 << 20;

/// A template tokenizer. Cheap to clone.
#[derive(Clone)]
pub struct TemplateTokenizer {
    vocabulary: Arc<Vocabulary>,
}

struct Vocabulary {
    /// Finds the leftmost phrase, of several there the longest.
    phrases: Regex,
    ids: HashMap<String, u32>,
}

impl TemplateTokenizer {
    /// Name of upstream's vocabulary file: one phrase a line.
    pub const FILE: &str = "template_vocab.txt";

    /// Reads upstream's `template_vocab.txt`.
    ///
    /// - path: the file, or the folder that holds it
    ///
    /// # Errors
    /// [`WeightsError::Companion`]: there is no such file, it cannot be read, or it holds no phrases.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let path = if path.is_dir() { path.join(Self::FILE) } else { path.to_owned() };
        read(&path)
            .and_then(|text| Self::from_phrases(&text))
            .map_err(|reason| WeightsError::Companion { path, reason })
    }

    fn from_phrases(text: &str) -> Result<Self, String> {
        let mut ids = HashMap::new();
        // Python's line ends: CR, LF, or both.
        for phrase in text.split(['\n', '\r']).filter(|phrase| !phrase.is_empty() && !SPECIAL.contains(phrase)) {
            let next = (SPECIAL.len() + ids.len()) as u32;
            ids.entry(phrase.to_owned()).or_insert(next);
        }
        if ids.is_empty() {
            return Err("it holds no phrases".to_owned());
        }
        // A regular expression prefers the alternative that stands first.
        let mut phrases: Vec<&str> = ids.keys().map(String::as_str).collect();
        phrases.sort_by_key(|phrase| (std::cmp::Reverse(phrase.len()), *phrase));
        let pattern: Vec<String> = phrases.into_iter().map(regex::escape).collect();
        let phrases = Regex::new(&pattern.join("|")).map_err(|error| error.to_string())?;
        Ok(Self { vocabulary: Arc::new(Vocabulary { phrases, ids }) })
    }

    /// Start, the ids of the report's phrases and their variables, end: neither padded nor cut, at least two ids, and
    /// two alone when nothing in the report is known.
    pub fn encode(&self, report: &str) -> Vec<u32> {
        let cleaned = clean::clean(report);
        let (variables, text) = variables::extract(&cleaned);
        let text = fingerprints::reword(&text);
        let mut variables = variables.into_iter();
        let mut ids = vec![self.start()];
        let mut end = 0;
        for phrase in self.vocabulary.phrases.find_iter(&text) {
            let passed_over = &text[end..phrase.start()];
            variables.by_ref().take(passed_over.matches(HOLE).count()).for_each(drop);
            ids.push(self.vocabulary.ids.get(phrase.as_str()).copied().unwrap_or(0));
            let own = variables.by_ref().take(phrase.as_str().matches(HOLE).count());
            ids.extend(variables::encode(own).into_iter().map(|id| self.template_ids() + id));
            end = phrase.end();
        }
        ids.push(self.end());
        ids
    }

    /// As [`encode`](Self::encode), but of more than `context` ids the first are kept, and the last of those is the end.
    pub fn encode_within(&self, report: &str, context: usize) -> Vec<u32> {
        let mut ids = self.encode(report);
        if ids.len() > context {
            ids.truncate(context);
            if let Some(last) = ids.last_mut() {
                *last = self.end();
            }
        }
        ids
    }

    /// How many ids there are: the rows that a token embedding needs.
    pub fn vocabulary_size(&self) -> usize {
        self.end() as usize + 1
    }

    /// The first id of every report, the second largest of the vocabulary.
    pub fn start(&self) -> u32 {
        self.template_ids() + VARIABLE_IDS
    }

    /// The last id of every report and the largest of the vocabulary.
    pub fn end(&self) -> u32 {
        self.start() + 1
    }

    /// Ids below those of the variables.
    fn template_ids(&self) -> u32 {
        (SPECIAL.len() + self.vocabulary.ids.len()) as u32
    }
}

impl fmt::Debug for TemplateTokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TemplateTokenizer").field("vocabulary_size", &self.vocabulary_size()).finish()
    }
}

fn read(path: &Path) -> Result<String, String> {
    let about = std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "there is no such file; get EchoCLIP-R's list of template phrases from \
                                https://github.com/echonet/echo_CLIP and put it there"
            .to_owned(),
        _ => error.to_string(),
    })?;
    if !about.is_file() || about.len() > LARGEST_FILE {
        return Err(format!("it is no file of at most {LARGEST_FILE} bytes, as a list of template phrases is"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        text: String,
        ids: Vec<u32>,
        /// Where there are more than 77.
        within_77: Option<Vec<u32>>,
    }

    fn own() -> TemplateTokenizer {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/own_templates.txt");
        TemplateTokenizer::open(&path).unwrap()
    }

    /// Written by `reference/template_tokenizer.py` with upstream's algorithm and the vocabulary of the fixtures.
    #[test]
    fn ids_are_those_of_upstreams_algorithm() {
        let rows: Vec<Golden> = serde_json::from_str(include_str!("../fixtures/template_tokenizer.json")).unwrap();
        assert!(rows.len() >= 130, "only {} reports", rows.len());
        let (tokenizer, mut cut) = (own(), 0);
        for Golden { text, ids, within_77 } in rows {
            assert_eq!(tokenizer.encode(&text), ids, "{text:?}");
            cut += usize::from(within_77.is_some());
            assert_eq!(tokenizer.encode_within(&text, 77), within_77.unwrap_or(ids), "{text:?}");
        }
        assert!(cut >= 3, "only {cut} over-long reports");
    }

    #[test]
    fn an_over_long_report_keeps_its_end_at_any_context() {
        let tokenizer = own();
        let report = "The pump squeezes well. ".repeat(5);
        let whole = tokenizer.encode(&report);
        assert_eq!(whole.len(), 7);
        for context in 0..10 {
            let ids = tokenizer.encode_within(&report, context);
            assert_eq!(ids.len(), context.min(7));
            assert_eq!(ids.last().copied(), (context > 0).then_some(tokenizer.end()));
            assert_eq!(ids[..ids.len().saturating_sub(1)], whole[..ids.len().saturating_sub(1)]);
        }
    }

    #[test]
    fn start_and_end_are_the_largest_ids() {
        let tokenizer = own();
        assert_eq!(tokenizer.vocabulary_size(), 169);
        assert_eq!([tokenizer.start(), tokenizer.end()], [167, 168]);
        assert_eq!(tokenizer.encode(""), [167, 168]);
        assert_eq!(format!("{tokenizer:?}"), "TemplateTokenizer { vocabulary_size: 169 }");
    }

    /// Upstream stops with an error at a hole that is no variable's; here it stays empty.
    #[test]
    fn holes_in_the_report_itself_do_no_harm() {
        let tokenizer = own();
        let score = tokenizer.encode("Score 5; ");
        assert_eq!(score.len(), 4);
        assert_eq!(tokenizer.encode("Score <#>; "), [score[0], score[1], score[3]]);
        assert_eq!(tokenizer.encode("<#> 5 Score <#>; Score 7; ").len(), 4);
    }

    /// Quadratic work on a megabyte would take hours.
    #[test]
    fn hostile_reports_take_linear_time() {
        let tokenizer = own();
        let pieces =
            ["A1.", " ", "1", "VERY ", "The back door leaks. ", "The back door ", "\u{663}.", " %", "<#>", "X^"];
        for piece in pieces {
            let ids = tokenizer.encode(&piece.repeat(1_000_000 / piece.len()));
            assert_eq!(ids.len() > 2, piece.contains("leaks"), "{piece:?}");
        }
    }

    #[test]
    fn files_that_are_no_vocabulary_are_named_with_the_reason() {
        let folder = std::env::temp_dir().join(format!("echoclip-templates-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(TemplateTokenizer::FILE);
        let refused = || {
            let message = TemplateTokenizer::open(&folder).unwrap_err().to_string();
            assert!(message.contains(file.to_str().unwrap()), "{message}");
            message
        };
        assert!(refused().contains("no such file"), "{}", refused());
        std::fs::write(&file, "\n[PAD]\r\n").unwrap();
        assert!(refused().contains("no phrases"), "{}", refused());
        std::fs::write(&file, [0xff, b'A']).unwrap();
        assert!(refused().contains("UTF-8"), "{}", refused());
        std::fs::write(&file, vec![b'A'; LARGEST_FILE as usize + 1]).unwrap();
        assert!(refused().contains("at most 1048576 bytes"), "{}", refused());
        std::fs::write(&file, "ONE. \r\nTWO. \rTHREE. ").unwrap();
        let tokenizer = TemplateTokenizer::open(&folder).unwrap();
        assert_eq!(tokenizer.encode("Three. Two. One.")[1..4], [7, 6, 5]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
