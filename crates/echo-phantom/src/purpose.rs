//! What phantoms are for: each purpose has numbers of its own, so that nothing is tested on what it was trained on.

use echo_random::Stream;

use crate::population::Population;
use crate::site::Site;

/// What a phantom is for. Phantoms of different purposes are never the same, whatever their seeds and numbers. A purpose's
/// own number is part of all its draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The benchmark's training videos; all ejection fractions are about equally frequent.
    Train = 0,
    /// The benchmark's validation videos; as in patients.
    Validation = 1,
    /// The benchmark's test videos; as in patients.
    Test = 2,
    /// Making weights before any benchmark: in turn as for [`Purpose::Train`], so that no ejection fraction is rare, and
    /// as in patients, so that what is usual is known.
    Pretraining = 4,
    /// Watching pretraining; as in patients.
    PretrainingValidation = 5,
}

/// Whole ejection fractions of which a block of training videos holds one each.
const MIDDLE: std::ops::RangeInclusive<u32> = 20..=75;
/// Rarer ones: every second block has one of each, as [`BLOCK`] leaves room for half of them.
const ENDS: [u32; 10] = [15, 16, 17, 18, 19, 76, 77, 78, 79, 80];
/// Videos in a block; what is left of it are patients as they come.
const BLOCK: usize = 75;

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 5] =
        [Self::Train, Self::Validation, Self::Test, Self::Pretraining, Self::PretrainingValidation];

    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Test => "test",
            Self::Pretraining => "pretrain",
            Self::PretrainingValidation => "pretrain-val",
        }
    }

    /// The value in the column `Split` of EchoNet-Dynamic's list.
    pub fn split(self) -> &'static str {
        match self {
            Self::Train | Self::Pretraining => "TRAIN",
            Self::Validation | Self::PretrainingValidation => "VAL",
            Self::Test => "TEST",
        }
    }

    /// The index of phantom `number` in all streams of random draws: different for different purposes or numbers.
    pub(crate) fn index(self, number: u32) -> u64 {
        (self as u64) << 40 | u64::from(number)
    }

    /// The patients from whom phantom `number` of a site is drawn.
    pub fn population(self, seed: u64, number: u32, site: Site) -> Population {
        match self {
            Self::Validation | Self::Test | Self::PretrainingValidation => site.patients(),
            Self::Train => self.enriched(seed, number, site),
            Self::Pretraining if number.is_multiple_of(2) => self.enriched(seed, number / 2, site),
            Self::Pretraining => site.patients(),
        }
    }

    /// Any 600 videos that begin with the first one hold 8 of each whole ejection fraction from 20 to 75 %, 4 of each
    /// of the rarer ones, and 112 patients as they come.
    fn enriched(self, seed: u64, number: u32, site: Site) -> Population {
        let (block, place) = (number as usize / BLOCK, number as usize % BLOCK);
        let ends = ENDS.iter().copied().skip(block % 2).step_by(2);
        let mut bins: Vec<Option<u32>> = MIDDLE.chain(ends).map(Some).collect();
        bins.resize(BLOCK, None);
        let mut stream = Stream::new(seed, "phantom/pool", site.index(self.index(block as u32)));
        stream.shuffle(&mut bins);
        let within = Stream::new(seed, "phantom/bin", site.index(self.index(number))).range(0.02, 0.98);
        // Away from the edges of the bin, so that rounding cannot move the label into the next one.
        bins[place].map_or(site.patients(), |bin| Population::Target(f64::from(bin) + within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Phantom;
    use std::collections::HashSet;

    #[test]
    fn no_phantom_of_one_purpose_equals_one_of_another() {
        let numbers = [0, 1, 2, 1000, u32::MAX - 1, u32::MAX];
        let indices: HashSet<u64> =
            Purpose::ALL.iter().flat_map(|purpose| numbers.map(|number| purpose.index(number))).collect();
        assert_eq!(indices.len(), Purpose::ALL.len() * numbers.len());

        // Also of the nano weights, which hearts of these numbers made.
        assert_eq!(Purpose::ALL.map(|purpose| purpose as u64), [0, 1, 2, 4, 5]);

        // The same number of all purposes: other hearts, other speckle.
        let phantoms = Purpose::ALL.map(|purpose| Phantom::of(1, purpose, 7).unwrap());
        for (i, a) in phantoms.iter().enumerate() {
            for b in &phantoms[..i] {
                assert_ne!(a.physiology, b.physiology);
                assert_ne!((a.acquisition.texture, a.seed), (b.acquisition.texture, b.seed));
            }
        }
    }

    /// By their labels, not by what was asked for.
    #[test]
    fn the_training_pool_covers_every_whole_ejection_fraction() {
        for (purpose, seed, every) in [(Purpose::Train, 1, 1), (Purpose::Train, 77, 1), (Purpose::Pretraining, 1, 2)] {
            let mut in_bin = [0; 100];
            for number in (0..600 * every).step_by(every as usize) {
                in_bin[Phantom::of(seed, purpose, number).unwrap().findings().ef.floor() as usize] += 1;
            }
            assert!(in_bin[20..=75].iter().all(|&count| count >= 8), "seed {seed}: {in_bin:?}");
            assert!(in_bin[15..=80].iter().all(|&count| count >= 4), "seed {seed}: {in_bin:?}");
        }
    }

    #[test]
    fn tests_are_drawn_from_patients_as_they_come() {
        use Purpose::{Pretraining, PretrainingValidation, Test, Validation};
        for purpose in [Validation, Test, PretrainingValidation] {
            assert!((0..100).all(|number| purpose.population(1, number, Site::Home) == Population::Natural));
        }
        assert!((0..100).all(|number| Pretraining.population(1, 2 * number + 1, Site::Home) == Population::Natural));
    }
}
