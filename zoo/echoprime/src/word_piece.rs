//! BERT's WordPiece: text to token ids, as Hugging Face's uncased BERT tokenizer gives them.
//!
//! Written from Devlin et al. (NAACL 2019) and compared with `tokenizers` 0.23. The Rust crate of that name is not
//! used: it would change features of crates that Burn shares, and twenty more crates are much for a longest match. A
//! text that spells out `[SEP]` or another special token is split like any other text.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use regex::Regex;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::VocabularyError;

/// A vocabulary for phantoms: special tokens, characters, endings, numbers to 100 and words of echocardiography.
const NANO: &str = include_str!("../assets/vocabulary_nano.txt");

/// Longer words are unknown as a whole.
const LONGEST_WORD: usize = 100;

/// What stands before a piece that does not begin a word.
const CONTINUING: &str = "##";

/// A WordPiece tokenizer. Cheap to clone.
#[derive(Clone)]
pub struct WordPiece {
    vocabulary: Arc<Vocabulary>,
}

struct Vocabulary {
    ids: HashMap<String, u32>,
    unknown: u32,
    start: u32,
    end: u32,
    lowercase: bool,
    strip_accents: bool,
}

impl WordPiece {
    /// About 1,300 tokens, for a word embedding that is small enough to ship.
    pub fn nano() -> Self {
        static BUILT: OnceLock<WordPiece> = OnceLock::new();
        let built = BUILT.get_or_init(|| {
            Self::from_words(NANO).expect("the embedded vocabulary has its special tokens and no token twice")
        });
        built.clone()
    }

    /// The vocabulary in `folder`: `tokenizer.json`, or else `vocab.txt`.
    ///
    /// # Errors
    /// There is neither, or what there is cannot be used.
    pub fn from_folder(folder: &Path) -> Result<Self, VocabularyError> {
        let files = ["tokenizer.json", "vocab.txt"].map(|name| folder.join(name));
        match files.iter().find(|file| file.is_file()) {
            Some(file) => Self::from_file(file),
            None => Err(VocabularyError::Missing { folder: folder.to_owned() }),
        }
    }

    /// A vocabulary as one token a line, which is taken to be uncased, or as a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be read, is not a WordPiece vocabulary, or its rules are not BERT's.
    pub fn from_file(path: &Path) -> Result<Self, VocabularyError> {
        let text =
            echo_weights::read_text(path).map_err(|source| VocabularyError::Io { path: path.to_owned(), source })?;
        let built = match path.extension().is_some_and(|extension| extension == "json") {
            true => Self::from_json(&text),
            false => Self::from_words(&text),
        };
        built.map_err(|reason| VocabularyError::Format { path: path.to_owned(), reason })
    }

    fn from_words(text: &str) -> Result<Self, String> {
        let mut ids = HashMap::new();
        for (id, token) in text.lines().enumerate() {
            let id = u32::try_from(id).map_err(|_| "it has more lines than there are ids".to_owned())?;
            if ids.insert(token.to_owned(), id).is_some() {
                return Err(format!("line {} repeats the token {token:?}", id + 1));
            }
        }
        Self::new(ids, true, true)
    }

    fn from_json(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let (model, normalizer) = (&json["model"], &json["normalizer"]);
        let expect = |value: &Value, what: &str, expected: Value| match *value == expected {
            true => Ok(()),
            false => Err(format!("{what} is {value}, {expected} is expected")),
        };
        expect(&model["type"], "the model's type", "WordPiece".into())?;
        expect(&model["continuing_subword_prefix"], "the prefix of continuing pieces", CONTINUING.into())?;
        expect(&model["max_input_chars_per_word"], "the longest word", LONGEST_WORD.into())?;
        expect(&normalizer["type"], "the normalizer's type", "BertNormalizer".into())?;
        expect(&normalizer["clean_text"], "clean_text", true.into())?;
        expect(&normalizer["handle_chinese_chars"], "handle_chinese_chars", true.into())?;
        let entries = model["vocab"].as_object().ok_or("it has no vocabulary")?;
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = entries.iter().map(|(token, value)| {
            let id = id(value).ok_or_else(|| format!("the id of {token:?} is {value}"))?;
            Ok((token.clone(), id))
        });
        let lowercase = normalizer["lowercase"].as_bool().ok_or("its normalizer does not say whether to lower case")?;
        // Not stated means: as the letters' case.
        let strip_accents = normalizer["strip_accents"].as_bool().unwrap_or(lowercase);
        Self::new(ids.collect::<Result<_, String>>()?, lowercase, strip_accents)
    }

    fn new(ids: HashMap<String, u32>, lowercase: bool, strip_accents: bool) -> Result<Self, String> {
        let special = |token: &str| ids.get(token).copied().ok_or_else(|| format!("it lacks the token {token}"));
        let (unknown, start, end) = (special("[UNK]")?, special("[CLS]")?, special("[SEP]")?);
        let vocabulary = Vocabulary { ids, unknown, start, end, lowercase, strip_accents };
        Ok(Self { vocabulary: Arc::new(vocabulary) })
    }

    /// One more than the largest id: the rows that a word embedding needs.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary.ids.values().max().map_or(0, |&id| id as usize + 1)
    }

    /// `[CLS]`, the ids of the text's pieces, `[SEP]`: neither padded nor cut, at least two ids.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let vocabulary = &*self.vocabulary;
        let mut ids = vec![vocabulary.start];
        let text = vocabulary.normalize(text);
        for word in classes().words.find_iter(&text) {
            vocabulary.push_pieces(word.as_str(), &mut ids);
        }
        ids.push(vocabulary.end);
        ids
    }
}

impl Vocabulary {
    /// Control characters removed, white space made plain, ideographs set apart, accents and case dropped.
    fn normalize(&self, text: &str) -> String {
        let classes = classes();
        let text = classes.removed.replace_all(text, "");
        let mut text: String = classes.ideographs.replace_all(&text, " $0 ").into_owned();
        if self.strip_accents {
            let decomposed: String = text.nfd().collect();
            text = classes.accents.replace_all(&decomposed, "").into_owned();
        }
        if self.lowercase {
            // Letter by letter, which leaves out the rule of the Greek final sigma.
            text = text.chars().flat_map(char::to_lowercase).collect();
        }
        text
    }

    /// The longest pieces of `word` from its start, or the unknown token alone if it cannot be put together.
    fn push_pieces(&self, word: &str, ids: &mut Vec<u32>) {
        let pieces = ids.len();
        let mut rest = if word.chars().count() > LONGEST_WORD { "" } else { word };
        while !rest.is_empty() {
            let prefix = if rest.len() == word.len() { "" } else { CONTINUING };
            let ends = rest.char_indices().map(|(start, letter)| start + letter.len_utf8()).rev();
            let longest = ends.into_iter().find_map(|end| {
                let id = self.ids.get(&format!("{prefix}{}", &rest[..end]))?;
                Some((*id, &rest[end..]))
            });
            match longest {
                Some((id, after)) => {
                    ids.push(id);
                    rest = after;
                }
                None => {
                    ids.truncate(pieces);
                    break;
                }
            }
        }
        if ids.len() == pieces {
            ids.push(self.unknown);
        }
    }
}

impl fmt::Debug for WordPiece {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WordPiece").field("vocabulary_size", &self.vocabulary_size()).finish()
    }
}

/// Kinds of characters.
struct Classes {
    removed: Regex,
    ideographs: Regex,
    accents: Regex,
    /// A mark of punctuation alone, or a run of anything else between white space.
    words: Regex,
}

fn classes() -> &'static Classes {
    static BUILT: OnceLock<Classes> = OnceLock::new();
    BUILT.get_or_init(|| {
        let regex = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
        // ASCII marks such as `$` count as punctuation, though Unicode calls them symbols.
        let marks = r"\p{P}!-/:-@\[-`\{-~";
        Classes {
            removed: regex(r"[\p{Cc}\p{Cf}\p{Co}\x{FFFD}--\t\n\r]"),
            ideographs: regex(
                r"[\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}\x{2B920}-\x{2CEAF}\x{2F800}-\x{2FA1F}]",
            ),
            accents: regex(r"\p{Mn}"),
            words: regex(&format!(r"[{marks}]|[^\s{marks}]+")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, content: &str) -> String {
        let folder = std::env::temp_dir().join(format!("echoprime-vocabulary-{}-{name}", std::process::id()));
        std::fs::write(&folder, content).unwrap();
        let error = WordPiece::from_file(&folder).unwrap_err().to_string();
        std::fs::remove_file(&folder).unwrap();
        assert!(error.contains(name), "{error}");
        error
    }

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_is_not_waited_for() {
        let pipe = std::env::temp_dir().join(format!("echoprime-pipe-{}", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = WordPiece::from_file(&pipe).err().map(|error| error.to_string()).unwrap_or_default();
        std::fs::remove_file(&pipe).unwrap();
        assert!(error.contains("a pipe"), "{error}");
    }

    #[test]
    fn ids_are_those_of_hugging_face() {
        #[derive(Debug)]
        struct Row<'a>(&'a str, Vec<u32>);
        // Written by `reference/fixture.py` with the nano vocabulary.
        let golden: Value = serde_json::from_str(include_str!("../fixtures/word_piece.json")).unwrap();
        let rows = golden.as_array().unwrap();
        assert!(rows.len() >= 60, "only {} texts", rows.len());
        let tokenizer = WordPiece::nano();
        let ids = |row: &Value| row["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        let wrong: Vec<_> = rows
            .iter()
            .map(|row| Row(row["text"].as_str().unwrap(), ids(row)))
            .filter(|Row(text, expected)| tokenizer.encode(text) != *expected)
            .map(|row| format!("{row:?}, ours {:?}", tokenizer.encode(row.0)))
            .collect();
        assert!(wrong.is_empty(), "{} of {} texts differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }

    #[test]
    fn the_nano_vocabulary_can_spell_every_ascii_text() {
        let tokenizer = WordPiece::nano();
        assert!((600..=1500).contains(&tokenizer.vocabulary_size()), "{}", tokenizer.vocabulary_size());
        let unknown = tokenizer.vocabulary.unknown;
        for text in ["Zyxwvutsrqponmlkjihgfedcba 9876543210", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "a0b1c2d3"] {
            assert!(!tokenizer.encode(text).contains(&unknown), "{text}");
        }
        assert_eq!(tokenizer.encode("ejection fraction of 55 percent").len(), 7, "a word is a token");
    }

    #[test]
    fn vocabularies_that_are_not_berts_are_refused_with_the_reason() {
        assert!(refused("a.txt", "[UNK]\n[CLS]\n").contains("[SEP]"));
        assert!(refused("b.txt", "[UNK]\n[CLS]\n[SEP]\na\na\n").contains("line 5"));
        assert!(refused("c.json", "{").contains("EOF"));
        assert!(refused("d.json", r#"{"model": {"type": "BPE"}}"#).contains("\"BPE\""));
    }
}
