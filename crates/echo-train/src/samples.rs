//! What is trained on.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{Features, Stage, Truth};

use crate::TrainError;

/// Labelled samples, batched on demand.
pub trait Samples {
    /// What is true of each sample; all are of one kind.
    fn truths(&self) -> &[Truth];

    /// The stage that its features are of.
    fn stage(&self) -> Stage;

    /// Clips of all samples together.
    fn clips(&self) -> usize {
        self.truths().len()
    }

    /// `indices` in groups that make one batch each: features of different shapes do not.
    fn groups(&self, indices: &[usize]) -> Vec<Vec<usize>> {
        vec![indices.to_vec()]
    }

    /// Features of the samples `indices`, which are one group, on `device`. `epoch` may choose what is seen of them.
    ///
    /// # Errors
    /// A sample cannot be read.
    fn batch(&self, indices: &[usize], epoch: Option<usize>, device: &Device) -> Result<Features, TrainError>;
}

/// Features of a frozen stage in memory.
#[derive(Clone, Debug)]
pub struct FeatureTable {
    stage: Stage,
    /// Of each sample: a study has those of all its videos.
    clips: Vec<usize>,
    columns: usize,
    rows: Vec<Vec<f32>>,
    /// Other looks at the samples, each with a row for every one.
    views: Vec<Vec<Vec<f32>>>,
    truths: Vec<Truth>,
}

impl FeatureTable {
    /// For each sample its number of `clips`, and a row of as many times `columns` values for [`Stage::Embedding`]; any multiple of that, the clips' frames or
    /// tokens, for the stages of those.
    ///
    /// # Errors
    /// A row is missing or of a wrong length.
    pub fn new(
        stage: Stage,
        clips: Vec<usize>,
        columns: usize,
        rows: Vec<Vec<f32>>,
        truths: Vec<Truth>,
    ) -> Result<Self, TrainError> {
        let fits = |(row, clips): (&Vec<f32>, &usize)| match stage {
            Stage::Embedding | Stage::SecondEmbedding => row.len() == clips * columns,
            _ => !row.is_empty() && row.len().is_multiple_of((clips * columns).max(1)),
        };
        let wrong = rows.iter().zip(&clips).find(|pair| !fits(*pair));
        if rows.len() != truths.len() || clips.len() != truths.len() || wrong.is_some() {
            let (values, unit) = wrong.map_or((rows.len(), 1), |(row, clips)| (row.len(), clips * columns));
            return Err(TrainError::Shape { values, samples: truths.len(), row: unit });
        }
        Ok(Self { stage, clips, columns, rows, views: Vec::new(), truths })
    }

    /// The same with other looks at its samples, which epochs take in turn instead of the plain one.
    ///
    /// # Errors
    /// A row is missing or of another length than the plain one.
    pub fn with_views(self, views: Vec<Vec<Vec<f32>>>) -> Result<Self, TrainError> {
        for view in &views {
            let wrong = view.iter().zip(&self.rows).find(|(row, plain)| row.len() != plain.len());
            if view.len() != self.rows.len() || wrong.is_some() {
                let (values, row) =
                    wrong.map_or((view.len(), self.rows.len()), |(row, plain)| (row.len(), plain.len()));
                return Err(TrainError::Shape { values, samples: self.truths.len(), row });
            }
        }
        Ok(Self { views, ..self })
    }
}

impl Samples for FeatureTable {
    fn truths(&self) -> &[Truth] {
        &self.truths
    }

    fn stage(&self) -> Stage {
        self.stage
    }

    fn clips(&self) -> usize {
        self.clips.iter().sum()
    }

    /// By clips and length: studies have any number of videos, and short videos fewer frames where an encoder does not pad
    /// them.
    fn groups(&self, indices: &[usize]) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for &index in indices {
            groups.entry((self.clips[index], self.rows[index].len())).or_default().push(index);
        }
        groups.into_values().collect()
    }

    fn batch(&self, indices: &[usize], epoch: Option<usize>, device: &Device) -> Result<Features, TrainError> {
        let rows = match epoch {
            Some(epoch) if !self.views.is_empty() => &self.views[epoch % self.views.len()],
            _ => &self.rows,
        };
        let clips = indices.first().map_or(1, |&index| self.clips[index]);
        let values: Vec<f32> = indices.iter().flat_map(|&index| &rows[index]).copied().collect();
        let time = values.len() / (indices.len() * clips * self.columns).max(1);
        let tensor = Tensor::<1>::from_data(TensorData::new(values.clone(), [values.len()]), device);
        let shape = [indices.len(), clips, time, self.columns];
        Ok(match self.stage {
            Stage::Embedding | Stage::SecondEmbedding => {
                Features::Embedding(tensor.reshape([indices.len(), clips, self.columns]))
            }
            Stage::Frames => Features::Frames(tensor.reshape(shape)),
            Stage::ZoomFrames => Features::ZoomFrames(tensor.reshape(shape)),
            Stage::Tokens => Features::Tokens(tensor.reshape(shape)),
            Stage::Clip => return Err(TrainError::Config("clips are not kept in a feature table".to_owned())),
        })
    }
}
