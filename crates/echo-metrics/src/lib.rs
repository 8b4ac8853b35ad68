//! Numbers in, numbers out: how well predicted ejection fractions agree with measured ones.
//!
//! [`score`] gives every metric of [`METRICS`] with a bootstrap interval, [`compare`] says whether two sets of
//! predictions on the same videos differ, [`compare_errors`] does so for many at once, [`Spread`] summarises repeated
//! runs. Values are in the target's unit; ejection fractions are in EF points (per cent, 0 to 100). What cannot be computed is an [`Error`] or an explicit `None`; no result is ever NaN or infinite.
//!
//! ```
//! use echo_metrics::{BootstrapOptions, Metric, score};
//! let scores = score(&[55.0, 62.0, 31.0, 48.0], &[53.0, 60.0, 40.0, 49.0], &BootstrapOptions::default())?;
//! assert_eq!(scores.value(Metric::Mae), Some(3.5));
//! # Ok::<(), echo_metrics::Error>(())
//! ```

mod auc;
mod bland_altman;
mod bootstrap;
mod error;
mod macro_mae;
mod mae;
mod metric;
mod pearson;
mod r2;
mod rank;
mod rmse;
mod sample;
mod scores;
mod spread;
mod versus;

pub use auc::Threshold;
pub use bootstrap::{BootstrapOptions, Interval, MAX_SAMPLES};
pub use error::Error;
pub use metric::{Better, METRICS, Metric};
pub use rank::Rank;
pub use scores::{Score, Scores, score, score_metrics};
pub use spread::Spread;
pub use versus::{Comparison, compare, compare_errors};
