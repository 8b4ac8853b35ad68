//! Channel order: which stored channel stands where in a clip.

use echo_core::ChannelOrder;

/// For each channel of the clip, the channel of the RGB frames it is taken from.
///
/// Every later step treats the channels alike, so the order is applied when pixels become numbers, not by another
/// copy of the frames before the crop: the result is the same.
pub(crate) fn source_channels(order: ChannelOrder) -> [usize; 3] {
    match order {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bgr_begins_with_blue() {
        let rgb = ['r', 'g', 'b'];
        assert_eq!(source_channels(ChannelOrder::Rgb).map(|c| rgb[c]), ['r', 'g', 'b']);
        assert_eq!(source_channels(ChannelOrder::Bgr).map(|c| rgb[c]), ['b', 'g', 'r']);
    }
}
