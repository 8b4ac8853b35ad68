//! Numbers in, numbers out: how well predictions agree with the truth, for every kind of task.
//!
//! [`Scored`] holds what is scored, [`metrics()`] lists the metrics of its kind, [`score`] gives each with a bootstrap
//! interval. [`compare`] says whether predictions of the same rows differ. [`roc`], [`precision_recall`], [`confusion`] and
//! [`reliability`] are what reports draw. Resamples are drawn by patient. Values are in the target's unit; ejection
//! fractions are in EF points (per cent, 0 to 100). What cannot be computed is an [`Error`] or an explicit `None`; no result
//! is ever NaN or infinite.
//!
//! ```
//! use echo_metrics::{BootstrapOptions, Metric, Parameters, Scored, metrics, score};
//! let scored = Scored::regression(&[55.0, 62.0, 31.0, 48.0], &[53.0, 60.0, 40.0, 49.0], &[])?;
//! let of_kind = metrics(scored.kind(), &Parameters::default());
//! let scores = score(&scored, &of_kind, &BootstrapOptions::default())?;
//! assert_eq!(scores.value(&Metric::MAE), Some(3.5));
//! # Ok::<(), echo_metrics::Error>(())
//! ```

mod baseline;
mod bootstrap;
mod classes;
mod column;
mod confusion;
mod curves;
mod epoch;
mod error;
mod metric;
mod patients;
mod rank;
mod ranking;
mod reliability;
mod scored;
mod scores;
mod spread;
mod truth;
mod values;
mod versus;
mod youden;

pub use baseline::{class_shares, label_prevalences, median, prevalence};
pub use bootstrap::{BootstrapOptions, Interval, MAX_SAMPLES};
pub use confusion::{Confusion, confusion};
pub use curves::{CurvePoint, Line, precision_recall, precision_recall_line, roc, roc_line};
pub use epoch::Epoch;
pub use error::Error;
pub use metric::{Better, Metric, Parameters, Threshold, metrics};
pub use patients::Patients;
pub use rank::Rank;
pub use reliability::{ReliabilityBin, reliability};
pub use scored::{Kind, Scored};
pub use scores::{Score, Scores, score};
pub use spread::Spread;
pub use truth::Truth;
pub use versus::{Comparison, compare, compare_errors};
pub use youden::youden;
