//! Normalising: from stored pixel values to the unit an encoder was trained in.

use echo_core::ClipSpec;

use crate::error::DataError;

/// For each channel of the clip, what each pixel value 0-255 becomes: `(value * scale - mean) / std` in f32.
///
/// # Errors
/// A scale or mean that is not finite, a standard deviation that is not finite and above 0.
pub(crate) fn normalization(spec: &ClipSpec) -> Result<[[f32; 256]; 3], DataError> {
    let ClipSpec { scale, mean, std, .. } = spec;
    if !scale.is_finite() || !mean.iter().all(|mean| mean.is_finite()) {
        return Err(DataError::ClipSpec(format!("scale {scale} and mean {mean:?} must be finite")));
    }
    if !std.iter().all(|std| std.is_finite() && *std > 0.0) {
        return Err(DataError::ClipSpec(format!("std {std:?} must be finite and above 0")));
    }
    Ok(std::array::from_fn(|c| std::array::from_fn(|value| (value as f32 * scale - mean[c]) / std[c])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::spec;

    #[test]
    fn scale_comes_before_mean_and_mean_before_std() -> Result<(), DataError> {
        let spec = ClipSpec { scale: 0.5, mean: [1.0, 2.0, 3.0], std: [1.0, 2.0, 4.0], ..spec() };
        let table = normalization(&spec)?;
        assert_eq!((table[0][10], table[1][10], table[2][255]), (4.0, 1.5, 31.125));
        Ok(())
    }

    #[test]
    fn a_deviation_of_zero_is_refused() {
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let error = normalization(&ClipSpec { std: [1.0, bad, 1.0], ..spec() }).unwrap_err().to_string();
            assert!(error.contains("std"), "{error}");
        }
        assert!(normalization(&ClipSpec { mean: [f32::NAN; 3], ..spec() }).is_err());
    }
}
