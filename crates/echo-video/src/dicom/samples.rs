//! Decoded samples, before they are colours.

use super::data_set::Encoding;

/// The samples of a frame, `[rows, columns, channels]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Samples {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

impl Samples {
    /// Of uncompressed bytes with 8 or 16 bits a sample.
    pub(crate) fn of_bytes(bytes: &[u8], bits: u8, encoding: Encoding) -> Self {
        match bits {
            8 => Self::Eight(bytes.to_vec()),
            _ => Self::Sixteen(bytes.as_chunks::<2>().0.iter().map(|&pair| encoding.u16(pair)).collect()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Eight(samples) => samples.len(),
            Self::Sixteen(samples) => samples.len(),
        }
    }

    /// From one plane after the other to pixels.
    pub(crate) fn interleave(self, channels: usize) -> Self {
        fn interleaved<T: Copy>(samples: &[T], channels: usize) -> Vec<T> {
            let plane = samples.len() / channels;
            (0..plane * channels).map(|at| samples[at % channels * plane + at / channels]).collect()
        }
        match self {
            Self::Eight(samples) => Self::Eight(interleaved(&samples, channels)),
            Self::Sixteen(samples) => Self::Sixteen(interleaved(&samples, channels)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels_and_words_have_an_order() {
        let planes = Samples::of_bytes(&[1, 2, 10, 20, 100, 200], 8, Encoding::EXPLICIT);
        assert_eq!(planes.interleave(3), Samples::Eight(vec![1, 10, 100, 2, 20, 200]));
        let big = Encoding { explicit: true, big_endian: true };
        assert_eq!(Samples::of_bytes(&[1, 2, 3, 4], 16, big), Samples::Sixteen(vec![0x0102, 0x0304]));
        assert_eq!(Samples::of_bytes(&[1, 2, 3, 4], 16, Encoding::EXPLICIT), Samples::Sixteen(vec![0x0201, 0x0403]));
    }
}
