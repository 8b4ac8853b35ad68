//! DICOM's run-length encoding (PS3.5, annex G).

use super::samples::Samples;

/// Bytes before the first segment: their number and 15 offsets.
const HEADER: usize = 64;

/// Decodes a frame of so many pixels, channels and bytes a sample to `[pixels, channels]`.
pub(crate) fn decode(frame: &[u8], pixels: usize, channels: usize, width: usize) -> Result<Samples, String> {
    let (words, _) = frame.get(..HEADER).ok_or("its run-length header is cut off")?.as_chunks::<4>();
    let words: Vec<usize> = words.iter().map(|&word| u32::from_le_bytes(word) as usize).collect();
    let segments = channels * width;
    if words[0] != segments {
        return Err(format!("{} run-length segments, where {segments} belong", words[0]));
    }
    let offsets = &words[1..=segments];
    let mut samples = vec![0u16; pixels * channels];
    for (segment, &start) in offsets.iter().enumerate() {
        let end = offsets.get(segment + 1).copied().unwrap_or(frame.len()).min(frame.len());
        let bytes =
            frame.get(start..end).ok_or_else(|| format!("run-length segment {segment} lies outside of its frame"))?;
        let plane = unpack(bytes, pixels).ok_or_else(|| format!("run-length segment {segment} is corrupt or cut"))?;
        // The most significant bytes of a channel go first.
        let (channel, byte) = (segment / width, width - 1 - segment % width);
        for (pixel, value) in samples.chunks_exact_mut(channels).zip(plane) {
            pixel[channel] |= u16::from(value) << (8 * byte);
        }
    }
    Ok(match width {
        1 => Samples::Eight(samples.into_iter().map(|sample| sample as u8).collect()),
        _ => Samples::Sixteen(samples),
    })
}

/// Exactly `size` bytes of PackBits; `None` where there are fewer.
fn unpack(mut bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut unpacked = Vec::with_capacity(size);
    while unpacked.len() < size {
        let (&code, rest) = bytes.split_first()?;
        let room = size - unpacked.len();
        match code {
            128 => bytes = rest,
            0..=127 => {
                let count = usize::from(code) + 1;
                let (literal, rest) = rest.split_at_checked(count)?;
                unpacked.extend_from_slice(&literal[..count.min(room)]);
                bytes = rest;
            }
            129.. => {
                let (&value, rest) = rest.split_first()?;
                unpacked.resize(unpacked.len() + (257 - usize::from(code)).min(room), value);
                bytes = rest;
            }
        }
    }
    Some(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut words = vec![segments.len() as u32];
        let mut at = HEADER as u32;
        for segment in segments {
            words.push(at);
            at += segment.len() as u32;
        }
        words.resize(16, 0);
        let header = words.into_iter().flat_map(u32::to_le_bytes);
        header.chain(segments.concat()).collect()
    }

    #[test]
    fn literals_runs_and_pauses_are_unpacked() {
        let frame = frame(&[&[1, 7, 8, 128, 254, 9]]);
        assert_eq!(decode(&frame, 5, 1, 1), Ok(Samples::Eight(vec![7, 8, 9, 9, 9])));
    }

    #[test]
    fn bytes_of_a_sample_lie_in_segments_of_their_own() {
        let two = frame(&[&[1, 1, 2], &[1, 3, 4]]);
        assert_eq!(decode(&two, 2, 1, 2), Ok(Samples::Sixteen(vec![0x0103, 0x0204])));
        assert_eq!(decode(&two, 2, 2, 1), Ok(Samples::Eight(vec![1, 3, 2, 4])));
    }

    #[test]
    fn what_is_cut_or_lies_outside_is_an_error() {
        let whole = frame(&[&[1, 7, 8, 254, 9]]);
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], 5, 1, 1).is_err(), "{length}");
        }
        assert!(decode(&whole, 5, 3, 1).unwrap_err().contains("where 3 belong"));
        let mut outside = whole;
        outside[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(decode(&outside, 5, 1, 1).unwrap_err().contains("outside"));
    }
}
