//! How many bits the numbers of a product have.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use crate::processor::is_intel;
use crate::reduced::has_words;
use crate::scope;

thread_local! {
    static PRECISION: Cell<Precision> = const { Cell::new(Precision::F32) };
}

/// How many bits the numbers have that layers on the processor multiply. Sums, norms, softmax and whatever a gradient is asked of
/// have 32 bits always.
///
/// Instructions for the shorter ones (AVX-512 with VNNI, with BF16) are used where the processor has them. Elsewhere numbers are
/// rounded the same way and multiplied in 32 bits: slower, and the same result but for the rounding of sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// bfloat16: the range of 32 bits, with 8 bits of a number's digits.
    Bf16,
    /// Whole numbers of 8 bits: weights by a scale of their column, what they are multiplied with by a scale and a zero of its row.
    /// Attention multiplies in 32 bits: the shares of places are too far apart for 8, and to round them to 16 took longer on Intel's
    /// processors than it saved.
    Int8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// As a user names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Whether it is worth asking for on this processor. If not, an encoder is slower in it than in 32 bits.
    pub fn is_quick(self) -> bool {
        match self {
            Self::F32 => true,
            // Intel's vector units multiply as many numbers of 32 bits in the same time, and rounding comes on top.
            Self::Bf16 => has_words(self) && !is_intel(),
            Self::Int8 => has_words(self),
        }
    }

    /// Does `work`, whose layers are computed in this precision where this thread calls them.
    pub fn run<T>(self, work: impl FnOnce() -> T) -> T {
        scope::with(&PRECISION, self, work)
    }

    /// What the layers that this thread calls are to have.
    pub(crate) fn current() -> Self {
        PRECISION.get()
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|precision| precision.name() == name);
        found.ok_or_else(|| format!("known precisions: {}", Self::ALL.map(Self::name).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_is_of_what_is_done_in_it_and_of_nothing_else() {
        assert_eq!(Precision::current(), Precision::F32);
        Precision::Int8.run(|| {
            assert_eq!(Precision::current(), Precision::Int8);
            Precision::F32.run(|| assert_eq!(Precision::current(), Precision::F32));
            assert_eq!(Precision::current(), Precision::Int8);
        });
        let failed = std::panic::catch_unwind(|| Precision::Bf16.run(|| panic!("on purpose")));
        assert!(failed.is_err());
        assert_eq!(Precision::current(), Precision::F32);
    }

    #[test]
    fn names_come_back() {
        for precision in Precision::ALL {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        assert_eq!("fp16".parse::<Precision>(), Err("known precisions: f32, bf16, int8".to_owned()));
    }
}
