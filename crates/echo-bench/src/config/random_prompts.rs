//! Ranks whose prompts mean nothing: what a prompt head learns with them, it does not learn from words.

use echo_core::{Rank, RankSpec};
use echo_random::Stream;

/// Short words that have nothing to do with hearts or numbers: most are one token in any vocabulary, so that prompts
/// stay about as long as they were.
const WORDS: [&str; 32] = [
    "table", "river", "window", "paper", "garden", "music", "train", "stone", "bread", "winter", "street", "green",
    "letter", "market", "summer", "bridge", "silver", "forest", "dinner", "yellow", "ship", "cloud", "horse", "island",
    "brown", "door", "rain", "coffee", "mountain", "chair", "lake", "road",
];

/// `ranks` with every word of their prompts replaced by one of [`WORDS`].
pub(crate) fn random_prompts(ranks: &RankSpec, seed: u64) -> RankSpec {
    let mut stream = Stream::new(seed, "bench/random-prompts", 0);
    let mut prompt =
        |words: usize| -> String { (0..words).map(|_| WORDS[stream.below(WORDS.len())]).collect::<Vec<_>>().join(" ") };
    let ranks = ranks.ranks.iter().map(|rank| {
        let words = rank.prompt.split_whitespace().count();
        Rank { prompt: prompt(words), ..rank.clone() }
    });
    RankSpec { ranks: ranks.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_keep_their_numbers_of_words_and_nothing_else() {
        let rank = |prompt: &str| Rank { up_to: 1, value: 2.0, prompt: prompt.to_owned() };
        let ranks = RankSpec { ranks: vec![rank("weak heart, 30 percent"), rank("strong heart")] };
        let random = random_prompts(&ranks, 1);
        assert_eq!(random, random_prompts(&ranks, 1));
        assert_ne!(random, random_prompts(&ranks, 2));
        for (random, rank) in random.ranks.iter().zip(&ranks.ranks) {
            let words: Vec<&str> = random.prompt.split(' ').collect();
            assert_eq!(words.len(), rank.prompt.split(' ').count());
            assert!(words.iter().all(|word| WORDS.contains(word)), "{words:?}");
            assert_eq!((random.up_to, random.value), (1, 2.0));
        }
        assert_ne!(random.ranks[0].prompt, random.ranks[1].prompt);
    }
}
