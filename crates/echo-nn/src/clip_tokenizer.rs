//! CLIP's byte-pair encoding with open_clip's text cleaning: text to token ids.
//!
//! Ids are those of open_clip's `SimpleTokenizer` (github.com/mlfoundations/open_clip, MIT; compared with version
//! 3.3.0). The merges and their application are `instant-clip-tokenizer`'s, the cleaning is in `clean.rs`. A text
//! that spells out `<start_of_text>` or `<end_of_text>` as a word gets those ids, as in open_clip.

mod clean;

use std::fmt;
use std::sync::{Arc, OnceLock};

use instant_clip_tokenizer::{Token, Tokenizer};

/// The merges of the nano vocabulary: the first of OpenAI CLIP's, in its order, so that the ids of the bytes and of
/// these merges are the full vocabulary's; only start and end of text differ.
const NANO_MERGES: &[u8] = include_bytes!("../assets/bpe_nano.txt");

/// Ids of the nano vocabulary: 512 bytes, 3,582 merges, start and end of text.
const NANO_SIZE: u16 = 4096;

/// CLIP's tokenizer. Cheap to clone; each vocabulary is built once per process.
#[derive(Clone)]
pub struct ClipTokenizer {
    pairs: Arc<Tokenizer>,
}

impl ClipTokenizer {
    /// OpenAI CLIP's vocabulary of 49,408 ids.
    pub fn full() -> Self {
        static FULL: OnceLock<ClipTokenizer> = OnceLock::new();
        FULL.get_or_init(|| Self { pairs: Arc::new(Tokenizer::new()) }).clone()
    }

    /// A vocabulary of 4,096 ids, for a token embedding that is small enough to ship.
    pub fn nano() -> Self {
        static NANO: OnceLock<ClipTokenizer> = OnceLock::new();
        let built = NANO.get_or_init(|| {
            let pairs = Tokenizer::with_vocabulary(NANO_MERGES, NANO_SIZE);
            Self { pairs: Arc::new(pairs.expect("the embedded merges name only bytes and earlier merges")) }
        });
        built.clone()
    }

    /// Start of text, the ids of the cleaned text, end of text: neither padded nor cut, at least two ids.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = vec![self.pairs.start_of_text()];
        self.pairs.encode(&clean::clean(text), &mut tokens);
        tokens.push(self.pairs.end_of_text());
        tokens.into_iter().map(id).collect()
    }

    /// How many ids there are: the rows of the token embedding.
    pub fn vocabulary_size(&self) -> usize {
        usize::from(self.pairs.end_of_text().to_u16()) + 1
    }

    /// The first id of every text, the second largest of the vocabulary.
    pub fn start_of_text(&self) -> u32 {
        id(self.pairs.start_of_text())
    }

    /// The last id of every text and the largest of the vocabulary: the text tower pools where it stands.
    pub fn end_of_text(&self) -> u32 {
        id(self.pairs.end_of_text())
    }
}

impl fmt::Debug for ClipTokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClipTokenizer").field("vocabulary_size", &self.vocabulary_size()).finish()
    }
}

fn id(token: Token) -> u32 {
    u32::from(token.to_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        text: String,
        full: Vec<u32>,
        nano: Vec<u32>,
    }

    /// Written by `reference/tokenizer.py` from open_clip.
    fn golden() -> Vec<Golden> {
        serde_json::from_str(include_str!("../fixtures/tokenizer.json")).expect("the fixture is valid JSON")
    }

    fn assert_equal(tokenizer: &ClipTokenizer, expected: impl Fn(&Golden) -> &Vec<u32>) {
        let rows = golden();
        assert!(rows.len() >= 130, "only {} strings", rows.len());
        let wrong: Vec<_> = rows
            .iter()
            .filter(|row| tokenizer.encode(&row.text) != *expected(row))
            .map(|row| format!("{:?}: {:?}, open_clip {:?}", row.text, tokenizer.encode(&row.text), expected(row)))
            .collect();
        assert!(wrong.is_empty(), "{} of {} strings differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }

    #[test]
    fn the_full_vocabulary_gives_the_ids_of_open_clip() {
        assert_equal(&ClipTokenizer::full(), |row| &row.full);
    }

    #[test]
    fn the_nano_vocabulary_gives_the_ids_of_open_clip_with_the_same_merges() {
        assert_equal(&ClipTokenizer::nano(), |row| &row.nano);
    }

    #[test]
    fn vocabularies_have_the_sizes_of_their_embeddings_and_end_at_their_largest_id() {
        for (tokenizer, size) in [(ClipTokenizer::full(), 49_408), (ClipTokenizer::nano(), 4_096)] {
            assert_eq!(tokenizer.vocabulary_size(), size);
            let (start, end) = (tokenizer.start_of_text(), tokenizer.end_of_text());
            assert_eq!([start as usize, end as usize], [size - 2, size - 1]);
            assert_eq!(tokenizer.encode(""), [start, end]);
            // Text tower pooling takes the largest id, so no other token may reach it.
            let ids = tokenizer.encode("Mild mitral regurgitation, jet area 3.2 cm².");
            assert!(ids[1..ids.len() - 1].iter().all(|id| *id < start), "{ids:?}");
        }
    }

    #[test]
    fn a_second_tokenizer_shares_the_first_ones_vocabulary() {
        assert!(Arc::ptr_eq(&ClipTokenizer::nano().pairs, &ClipTokenizer::nano().pairs));
        assert!(Arc::ptr_eq(&ClipTokenizer::full().pairs, &ClipTokenizer::full().pairs));
        assert_eq!(format!("{:?}", ClipTokenizer::nano()), "ClipTokenizer { vocabulary_size: 4096 }");
    }
}
