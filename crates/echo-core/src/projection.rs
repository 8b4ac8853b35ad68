//! From frame features to embeddings.

use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;

/// An encoder's pretrained norm and projection, as layers: what makes embeddings of frame features, and where an adapter
/// that widens them starts from. The default changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    /// Before the projection.
    pub norm: Option<LayerNorm>,
    /// From `width` to `dim`; `None` where frame features are embeddings already.
    pub linear: Option<Linear>,
    /// Whether embeddings, of frames and of clips, are divided by their length.
    pub unit_length: bool,
}

impl Projection {
    /// The norm alone: `[batch, time, width]` of the same shape.
    pub fn normalize(&self, features: Tensor<3>) -> Tensor<3> {
        match &self.norm {
            Some(norm) => norm.forward(features),
            None => features,
        }
    }

    /// Frame features `[batch, time, width]` -> frame embeddings `[batch, time, dim]`.
    pub fn apply(&self, features: Tensor<3>) -> Tensor<3> {
        let normed = self.normalize(features);
        self.finish(match &self.linear {
            Some(linear) => linear.forward(normed),
            None => normed,
        })
    }

    /// What is done to projected vectors last, `[..., dim]`.
    pub fn finish<const D: usize>(&self, projected: Tensor<D>) -> Tensor<D> {
        if self.unit_length { l2_normalize(projected) } else { projected }
    }

    /// Frame embeddings `[batch, time, dim]` -> clip embeddings `[batch, dim]`: their mean.
    pub fn pool(&self, embeddings: Tensor<3>) -> Tensor<2> {
        self.finish(embeddings.mean_dim(1).squeeze_dim(1))
    }
}

/// Rows of `x` divided by their Euclidean norm along the last axis, which is kept from falling below 1e-12 as in
/// PyTorch's `normalize`.
pub fn l2_normalize<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let norm = x.clone().square().sum_dim(D - 1).sqrt().clamp_min(1e-12);
    x / norm
}
