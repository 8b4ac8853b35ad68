//! How a continuous target is cut into ordered ranks for prompt-based regression.

use serde::{Deserialize, Serialize};

use crate::Error;

/// One rank: an interval of the target, the value that stands for it, and the words that describe it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rank {
    /// Largest `floor(target)` that belongs to this rank.
    pub up_to: i64,
    /// The value that the rank contributes to a prediction.
    pub value: f32,
    /// A sentence that describes the rank, for the text encoder.
    pub prompt: String,
}

/// Ordered ranks that cover all targets: a target belongs to the first rank whose `up_to` is not below its floor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankSpec {
    /// The ranks, ascending.
    pub ranks: Vec<Rank>,
}

impl RankSpec {
    /// The most ranks: each is a prompt that passes through the text encoder in every step.
    pub const MOST: usize = 1000;

    /// The rank of each `target` is found by its floor; the last rank also takes everything above its bound.
    ///
    /// # Errors
    /// Fewer than two ranks, bounds that do not ascend strictly, values that do not ascend or are not finite,
    /// or an empty prompt.
    pub fn validate(&self) -> Result<(), Error> {
        let refused = |place: usize, reason: String| Err(Error::Ranks { place, reason });
        if self.ranks.len() < 2 {
            return refused(0, format!("at least two ranks are needed, {} given", self.ranks.len()));
        }
        if self.ranks.len() > Self::MOST {
            return refused(Self::MOST, format!("at most {} ranks are taken, {} given", Self::MOST, self.ranks.len()));
        }
        for (place, pair) in self.ranks.windows(2).enumerate() {
            let [one, next] = [&pair[0], &pair[1]];
            if one.up_to >= next.up_to {
                return refused(
                    place + 1,
                    format!("bounds must ascend, but {} is followed by {}", one.up_to, next.up_to),
                );
            }
            if one.value.partial_cmp(&next.value) != Some(std::cmp::Ordering::Less) {
                return refused(
                    place + 1,
                    format!("values must ascend, but {} is followed by {}", one.value, next.value),
                );
            }
        }
        match self.ranks.iter().position(|rank| rank.prompt.trim().is_empty() || !rank.value.is_finite()) {
            Some(place) => {
                let up_to = self.ranks[place].up_to;
                refused(place, format!("the rank up to {up_to} needs a prompt and a finite value"))
            }
            None => Ok(()),
        }
    }

    /// Index of the rank that `target` belongs to.
    pub fn rank_of(&self, target: f32) -> usize {
        let floor = target.floor() as i64;
        self.ranks.iter().position(|rank| floor <= rank.up_to).unwrap_or(self.ranks.len().saturating_sub(1))
    }

    /// The ranks' values in order.
    pub fn values(&self) -> Vec<f32> {
        self.ranks.iter().map(|rank| rank.value).collect()
    }

    /// The ranks' prompts in order.
    pub fn prompts(&self) -> Vec<&str> {
        self.ranks.iter().map(|rank| rank.prompt.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(rows: &[(i64, f32)]) -> RankSpec {
        let ranks = rows.iter().map(|&(up_to, value)| Rank { up_to, value, prompt: format!("up to {up_to}") });
        RankSpec { ranks: ranks.collect() }
    }

    #[test]
    fn a_target_is_ranked_by_its_floor() {
        let spec = spec(&[(30, 15.0), (45, 37.0), (55, 50.0), (70, 62.0), (100, 85.0)]);
        spec.validate().unwrap();
        let ranks: Vec<usize> =
            [0.0, 30.99, 31.0, 45.9, 46.0, 55.5, 70.9, 71.0, 120.0].iter().map(|&ef| spec.rank_of(ef)).collect();
        assert_eq!(ranks, [0, 0, 1, 1, 2, 2, 3, 4, 4]);
    }

    #[test]
    fn disordered_ranks_are_refused() {
        assert!(spec(&[(30, 15.0)]).validate().is_err());
        assert!(spec(&[(45, 15.0), (30, 37.0)]).validate().unwrap_err().to_string().contains("45 is followed by 30"));
        assert!(spec(&[(30, 15.0), (45, f32::NAN)]).validate().is_err());
        let many: Vec<(i64, f32)> = (0..100_000).map(|bound| (bound, bound as f32)).collect();
        assert!(spec(&many).validate().unwrap_err().to_string().contains("at most 1000 ranks"));
        assert!(spec(&[(30, 37.0), (45, 15.0)]).validate().is_err());
    }
}
