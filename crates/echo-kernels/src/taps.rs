//! Weights of depthwise convolutions: `[channels, taps]` in the layer, `[taps, channels]` for vectors of channels.

/// Weights by channel, by tap.
pub(crate) fn by_tap(weights: &[f32], channels: usize) -> Vec<f32> {
    let taps = weights.len() / channels.max(1);
    (0..weights.len()).map(|index| weights[index % channels * taps + index / channels]).collect()
}

/// The sum of parts by tap, by channel.
pub(crate) fn sum_by_channel(parts: &[Vec<f32>], channels: usize, taps: usize) -> Vec<f32> {
    let mut out = vec![0.0; channels * taps];
    for part in parts {
        for (tap, sums) in part.chunks_exact(channels).enumerate() {
            sums.iter().enumerate().for_each(|(channel, x)| out[channel * taps + tap] += x);
        }
    }
    out
}
