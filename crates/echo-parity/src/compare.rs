//! One comparison.

use burn::tensor::Tensor;

/// What a comparison's line begins with.
pub const MARK: &str = "parity|";

/// Largest error, relative to the largest value: what 32-bit sums in another order leave.
const TOLERANCE: f32 = 1e-4;

/// Smallest cosine of two rows.
const COSINE: f32 = 0.999_999;

/// Prints and bounds the largest absolute difference relative to the largest expected value, and the smallest cosine
/// of two rows.
///
/// # Panics
/// When shapes differ, or numbers differ by more than rounding.
pub fn compare<const D: usize>(what: &str, actual: Tensor<D>, expected: Tensor<D>) {
    assert_eq!(actual.dims(), expected.dims(), "{what}");
    let scale = expected.clone().abs().max().into_scalar::<f32>();
    let error = (actual.clone() - expected.clone()).abs().max().into_scalar::<f32>();
    let dot = (actual.clone() * expected.clone()).sum_dim(D - 1);
    let norms = actual.square().sum_dim(D - 1).sqrt() * expected.square().sum_dim(D - 1).sqrt();
    let cosine = (dot / norms).min().into_scalar::<f32>();
    let relative = error / scale;
    println!("{MARK}{what}|{error:.1e}|{relative:.1e}|{cosine:.7}");
    assert!(relative <= TOLERANCE, "{what}: error {relative} of the largest value {scale}");
    assert!(cosine >= COSINE, "{what}: cosine {cosine}");
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn of(values: [[f32; 2]; 2]) -> Tensor<2> {
        Tensor::from_floats(values, &Device::flex())
    }

    #[test]
    fn rounding_passes_and_a_row_that_points_elsewhere_does_not() {
        let expected = [[100.0, 0.0], [1e-3, 1e-3]];
        compare("rounding", of([[100.001, 0.0], [1e-3, 1e-3]]), of(expected));
        let fails = |actual| std::panic::catch_unwind(|| compare("wrong", of(actual), of(expected))).is_err();
        assert!(fails([[100.1, 0.0], [1e-3, 1e-3]]));
        // Small beside the largest value, so that only the cosine tells.
        assert!(fails([[100.0, 0.0], [1e-3, -1e-3]]));
    }
}
