//! Ranges of true values, such as ejection fractions of 31 to 45 EF points.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The videos whose true value, rounded down to a whole number of the target's unit (EF points, millilitres), lies
/// between two values, both included.
///
/// As text `31-45`, or `71+` without an upper end.
///
/// ```
/// use echo_metrics::Rank;
/// let rank: Rank = "31-45".parse()?;
/// assert!(rank.holds(45.9) && !rank.holds(30.9) && !rank.holds(46.0));
/// # Ok::<(), echo_metrics::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Rank {
    first: u16,
    last: Option<u16>,
}

impl Rank {
    /// From `first` to `last`, or upwards without end; fails when `last` is less than `first`.
    pub fn new(first: u16, last: Option<u16>) -> Result<Self, Error> {
        let rank = Self { first, last };
        if last.is_some_and(|last| last < first) { Err(Error::Rank { text: rank.to_string() }) } else { Ok(rank) }
    }

    /// Whether a video of this true value belongs to the rank.
    pub fn holds(self, truth: f64) -> bool {
        // `floor(truth) <= last` and `truth < last + 1` are the same, and the latter needs no call.
        (truth >= f64::from(self.first)) & self.last.is_none_or(|last| truth < f64::from(last) + 1.0)
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) => write!(f, "{}-{last}", self.first),
            None => write!(f, "{}+", self.first),
        }
    }
}

impl FromStr for Rank {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Rank { text: text.to_owned() };
        let number = |digits: &str| digits.trim().parse::<u16>().map_err(|_| wrong());
        let rank = match text.split_once('-') {
            Some((first, last)) => Self::new(number(first)?, Some(number(last)?)),
            None => Self::new(number(text.trim_end().strip_suffix('+').ok_or_else(wrong)?)?, None),
        };
        rank.map_err(|_| wrong())
    }
}

impl From<Rank> for String {
    fn from(rank: Rank) -> Self {
        rank.to_string()
    }
}

impl TryFrom<String> for Rank {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways_and_nonsense_is_refused() {
        for text in ["0-30", "31-45", "71+", "5-5", "121-600"] {
            assert_eq!(text.parse::<Rank>().map(String::from), Ok(text.to_owned()));
        }
        for text in ["", "31", "45-31", "+", "-5", "0-70000", "31-45+", "a-b"] {
            assert_eq!(text.parse::<Rank>(), Err(Error::Rank { text: text.to_owned() }));
        }
        assert!(Rank::new(46, Some(45)).is_err());
    }
}
