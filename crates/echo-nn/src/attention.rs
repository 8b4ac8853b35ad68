//! Multi-head attention (Vaswani et al., "Attention is all you need", NeurIPS 2017).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Tensor};
use echo_kernels as kernels;

use crate::layers::linear;
use crate::texts::{Texts, Wanted};

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

    /// - x: `[batch, tokens, width]`
    /// - mask: see [`attend`]
    /// - output: `[batch, tokens, width]`
    pub fn forward(&self, x: Tensor<3>, mask: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let [query, key, value] = self.vectors(x);
        kernels::linear(attend(query, key, value, self.heads, mask), &self.out_proj)
    }

    /// The same within texts, of the tokens that are wanted: `[1, all tokens, width]` -> `[1, wanted, width]`.
    pub(crate) fn forward_texts(&self, x: Tensor<3>, texts: &Texts, wanted: Wanted) -> Tensor<3> {
        let [query, key, value] = self.vectors(x);
        let vectors = [texts.wanted(wanted, query), key, value];
        kernels::linear(texts.attend(wanted, vectors, self.heads), &self.out_proj)
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
/// - mask: true where a query must not see a key; of `[batch, heads, tokens, places]`, each axis either whole or 1
/// - output: `[batch, tokens, width]`
pub fn attend(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    mask: Option<Tensor<4, Bool>>,
) -> Tensor<3> {
    let ([query, key, value], scale) = in_heads([query, key, value], heads);
    kernels::attention(query, key, value, scale, mask)
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

    /// Two heads of width one: the first query is all for the second place of its head, the second for none.
    #[test]
    fn heads_weigh_places_apart_and_a_hidden_place_counts_nothing() {
        let device = Device::flex();
        let query = Tensor::<3>::from_floats([[[3f32.ln(), 0.0]]], &device);
        let key = Tensor::<3>::from_floats([[[0.0, 5.0], [1.0, -5.0], [9.0, 9.0]]], &device);
        let value = Tensor::<3>::from_floats([[[4.0, 1.0], [8.0, 3.0], [100.0, 100.0]]], &device);
        let mask = Tensor::<4, Bool>::from_data([[[[false, false, true]]]], &device);
        let found = attend(query, key, value, 2, Some(mask)).into_data().try_to_vec::<f32>().unwrap();
        // Weights 1/4 and 3/4 in the first head, one half each in the second.
        assert!((found[0] - 7.0).abs() < 1e-5 && (found[1] - 2.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    #[should_panic(expected = "3 heads do not divide a width of 4")]
    fn heads_that_do_not_divide_the_width_are_refused() {
        SelfAttention::new(4, 3, &Device::flex());
    }
}
