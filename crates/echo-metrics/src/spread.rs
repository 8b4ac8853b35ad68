//! Mean and standard deviation over repeated runs that differ in their seed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, check_row};

/// A value over several seeds. As text `7.12 +- 0.31`, with as many decimals as the format asks for.
///
/// It says how much training varies, where a bootstrap interval says how much the choice of videos matters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean over the seeds.
    pub mean: f64,
    /// The sample standard deviation (n - 1 in the denominator); one seed has none.
    pub deviation: Option<f64>,
    /// How many seeds.
    pub seeds: usize,
}

impl Spread {
    /// Summarises one value per seed.
    ///
    /// # Errors
    /// When there is no value, or one is not finite.
    pub fn of(values: &[f64]) -> Result<Self, Error> {
        check_row("values", values)?;
        let seeds = values.len();
        let mean = values.iter().sum::<f64>() / seeds as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (seeds > 1).then(|| (squares / (seeds - 1) as f64).sqrt());
        Ok(Self { mean, deviation, seeds })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2);
        write!(f, "{:.decimals$}", self.mean)?;
        self.deviation.map_or(Ok(()), |deviation| write!(f, " +- {deviation:.decimals$}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_a_sample() -> Result<(), Error> {
        let spread = Spread::of(&[5.0, 7.0, 9.0])?;
        assert_eq!(spread, Spread { mean: 7.0, deviation: Some(2.0), seeds: 3 });
        assert_eq!(format!("{spread:.1}"), "7.0 +- 2.0");
        Ok(())
    }

    #[test]
    fn one_seed_has_no_deviation_and_none_is_an_error() -> Result<(), Error> {
        let spread = Spread::of(&[5.0])?;
        assert_eq!(spread, Spread { mean: 5.0, deviation: None, seeds: 1 });
        assert_eq!(spread.to_string(), "5.00");
        assert_eq!(Spread::of(&[]), Err(Error::Empty { row: "values" }));
        assert!(matches!(Spread::of(&[5.0, f64::NAN]), Err(Error::Value { row: "values", index: 1, .. })));
        Ok(())
    }
}
