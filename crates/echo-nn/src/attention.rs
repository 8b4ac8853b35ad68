//! Multi-head attention (Vaswani et al., "Attention is all you need", NeurIPS 2017).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use echo_kernels as kernels;

use crate::layers::linear;
use crate::packed_texts::{PackedTexts, Queries};

/// Self-attention whose queries, keys and values come from one layer. Fields are named as in torch's
/// `nn.MultiheadAttention`; `in_proj` is its `in_proj_weight` and `in_proj_bias`.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// Queries, keys and values side by side: `[width, 3 * width]`.
    in_proj: Linear,
    out_proj: Linear,
    #[module(skip)]
    heads: usize,
}

impl SelfAttention {
    /// The layer with constant parameters.
    ///
    /// # Panics
    /// When `heads` does not divide `width`.
    pub fn new(width: usize, heads: usize, device: &Device) -> Self {
        check_heads(width, heads);
        Self { in_proj: linear(width, 3 * width, device), out_proj: linear(width, width, device), heads }
    }

    /// Every token attends to all of its row: `[batch, tokens, width]`, and the same shape again.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [query, key, value] = self.vectors(x);
        kernels::linear(attend(query, key, value, self.heads), &self.out_proj)
    }

    /// The same within packed texts: `[1, all tokens, width]` -> `[1, queries, width]`.
    pub(crate) fn forward_texts(&self, x: Tensor<3>, texts: &PackedTexts, queries: Queries) -> Tensor<3> {
        let [query, key, value] = self.vectors(x);
        let vectors = [texts.select(queries, query), key, value];
        kernels::linear(texts.attend(queries, vectors, self.heads), &self.out_proj)
    }

    /// Queries, keys and values.
    fn vectors(&self, x: Tensor<3>) -> [Tensor<3>; 3] {
        let [_, _, width] = x.dims();
        let qkv = kernels::linear(x, &self.in_proj);
        [0, 1, 2].map(|index| qkv.clone().narrow(2, index * width, width))
    }
}

/// Attention in `heads` heads, each on its own slice of the width.
///
/// - query: `[batch, tokens, width]`
/// - key, value: `[batch, places, width]`
/// - output: `[batch, tokens, width]`
pub fn attend(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: usize) -> Tensor<3> {
    let ([query, key, value], scale) = in_heads([query, key, value], heads);
    kernels::attention(query, key, value, scale)
}

/// Queries, keys and values, `[batch, tokens, width]` -> `[batch, heads, tokens, width / heads]`, and the factor of their scores.
pub(crate) fn in_heads(vectors: [Tensor<3>; 3], heads: usize) -> ([Tensor<4>; 3], f64) {
    let [_, _, width] = vectors[0].dims();
    let of_head = width / heads;
    let split = |x: Tensor<3>| {
        let [batch, tokens, _] = x.dims();
        x.reshape([batch, tokens, heads, of_head]).swap_dims(1, 2)
    };
    (vectors.map(split), 1.0 / (of_head as f64).sqrt())
}

/// # Panics
/// When `heads` does not divide `width`.
pub(crate) fn check_heads(width: usize, heads: usize) {
    assert!(heads > 0 && width.is_multiple_of(heads), "{heads} heads do not divide a width of {width}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two heads of width one: in the first the second place weighs three times as much, in the second both weigh the same.
    #[test]
    fn heads_weigh_places_apart() {
        let device = Device::flex();
        let query = Tensor::<3>::from_floats([[[3f32.ln(), 0.0]]], &device);
        let key = Tensor::<3>::from_floats([[[0.0, 5.0], [1.0, -5.0]]], &device);
        let value = Tensor::<3>::from_floats([[[4.0, 1.0], [8.0, 3.0]]], &device);
        let found = attend(query, key, value, 2).into_data().try_to_vec::<f32>().unwrap();
        // Weights 1/4 and 3/4 in the first head, one half each in the second.
        assert!((found[0] - 7.0).abs() < 1e-5 && (found[1] - 2.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    #[should_panic(expected = "3 heads do not divide a width of 4")]
    fn heads_that_do_not_divide_the_width_are_refused() {
        SelfAttention::new(4, 3, &Device::flex());
    }
}
