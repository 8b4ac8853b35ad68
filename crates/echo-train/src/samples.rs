//! What is trained on.

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{Features, Stage};

use crate::TrainError;

/// Samples with a target each, batched on demand.
pub trait Samples {
    /// Targets in the target's own unit, one per sample.
    fn targets(&self) -> &[f32];

    /// The stage that its features are of.
    fn stage(&self) -> Stage;

    /// Features of the samples `indices`, on `device`.
    fn batch(&self, indices: &[usize], device: &Device) -> Features;
}

/// Features of a frozen stage in memory, one row per video.
#[derive(Clone, Debug)]
pub struct FeatureTable {
    stage: Stage,
    /// Clips and dim, or steps and width.
    row: [usize; 2],
    values: Vec<f32>,
    targets: Vec<f32>,
}

impl FeatureTable {
    /// Rows of `row[0] * row[1]` values: clips and dim for [`Stage::Embedding`], steps and width for [`Stage::Steps`].
    ///
    /// # Errors
    /// The values do not make one row per target.
    pub fn new(stage: Stage, row: [usize; 2], values: Vec<f32>, targets: Vec<f32>) -> Result<Self, TrainError> {
        if values.len() != targets.len() * row[0] * row[1] {
            return Err(TrainError::Shape { values: values.len(), targets: targets.len(), row: row[0] * row[1] });
        }
        Ok(Self { stage, row, values, targets })
    }

    /// The rows `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let length = self.row[0] * self.row[1];
        let values = indices.iter().flat_map(|&i| &self.values[i * length..(i + 1) * length]).copied().collect();
        let targets = indices.iter().map(|&i| self.targets[i]).collect();
        Self { stage: self.stage, row: self.row, values, targets }
    }
}

impl Samples for FeatureTable {
    fn targets(&self) -> &[f32] {
        &self.targets
    }

    fn stage(&self) -> Stage {
        self.stage
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Features {
        let [rows, columns] = self.row;
        let values = self.select(indices).values;
        let tensor = Tensor::<3>::from_data(TensorData::new(values, [indices.len(), rows, columns]), device);
        match self.stage {
            Stage::Embedding => Features::Embedding(tensor),
            Stage::Steps => Features::Steps(tensor),
            Stage::Clip => panic!("clips are not kept in a feature table"),
        }
    }
}
