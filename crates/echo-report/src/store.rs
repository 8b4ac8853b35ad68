//! What a benchmark leaves in its output folder: records of cells, and their files.

mod csv_file;
mod excluded;
mod machine;
mod outputs;
mod prediction;
mod runs;

pub(crate) use csv_file::{numbers, read, text, to_text};
pub use echo_metrics::Truth;
pub use excluded::Excluded;
pub use machine::Machine;
pub use outputs::{Outputs, Predictions};
pub use prediction::PredictionRow;
#[cfg(test)]
pub(crate) use runs::tests;
pub use runs::{
    AloneRecord, BestRecord, CellRecord, CellStatus, DataRecord, EncoderRecord, ExternalRecord, FileRecord, Keeping,
    ParameterCounts, Runs, Seconds, read_runs,
};
