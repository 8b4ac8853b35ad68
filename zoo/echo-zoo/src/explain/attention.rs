//! How much an adapter's attention weighs each frame: as a table, and below the frames of a picture.

use image::{Rgb, RgbImage};

use crate::contact_sheet::{LETTER, write_line};
use crate::heat::colour;

/// Height of the strip below a picture.
pub(super) const STRIP: usize = LETTER + 2;

/// What bars stand on.
const GROUND: [u8; 3] = [40; 3];

/// What every frame weighs: a time step that shows several is divided among them, so that the sum stays.
///
/// - weights: of all steps of all clips
/// - steps: of every clip
/// - steps_of: the steps that show a frame
pub(super) fn of_frames(
    weights: &[f32],
    steps: usize,
    frames: usize,
    steps_of: impl Fn(usize) -> Vec<usize>,
) -> Vec<f32> {
    let shown: Vec<Vec<usize>> = (0..frames).map(steps_of).collect();
    let mut times = vec![0.0f32; steps];
    shown.iter().flatten().for_each(|&step| times[step] += 1.0);
    let of_clip = |weights: &[f32]| {
        shown.iter().map(|of| of.iter().map(|&step| weights[step] / times[step]).sum()).collect::<Vec<f32>>()
    };
    weights.chunks(steps).flat_map(of_clip).collect()
}

/// A row for every frame of all clips: its number in the video, which padding has none of, and its weight.
pub(super) fn table(numbers: &[Option<usize>], weights: &[f32]) -> String {
    let row = |(number, weight): (&Option<usize>, &f32)| {
        format!("{},{weight}\n", number.map_or(String::new(), |number| number.to_string()))
    };
    "frame,weight\n".to_owned() + &numbers.iter().zip(weights).map(row).collect::<String>()
}

/// A bar as long and as hot as `weight` is beside the largest of all frames, and its number where there is room for it: two
/// pictures of `size` x [`STRIP`] pixels.
pub(super) fn strip(weight: f32, most: f32, size: usize) -> [Vec<u8>; 2] {
    let share = if most > 0.0 { weight / most } else { 0.0 };
    let filled = (share * size as f32).round() as u32;
    let (width, height) = (size as u32, STRIP as u32);
    let bar = RgbImage::from_fn(width, height, |x, _| Rgb(if x < filled { colour(share) } else { GROUND }));
    let mut number = RgbImage::new(width, height);
    let text = format!("{weight:.4}");
    if text.len() * LETTER <= size {
        write_line(&mut number, [0, 1], size, &text);
    }
    [bar.into_raw(), number.into_raw()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_share_their_steps_and_the_sum_stays() {
        // Two clips of two steps of two frames each.
        let weights = of_frames(&[0.1, 0.2, 0.3, 0.4], 2, 4, |frame| vec![frame / 2]);
        assert_eq!(weights, [0.05, 0.05, 0.1, 0.1, 0.15, 0.15, 0.2, 0.2]);
        // Three steps, each of which mixes planes of three frames, as PanEcho's.
        let mixed = |frame| (0..3).map(|channel| (channel * 3 + frame) / 3).collect::<Vec<usize>>();
        assert_eq!(of_frames(&[0.3, 0.0, 0.6], 3, 3, mixed), [0.3, 0.3, 0.3]);
        let uneven = |frame: usize| (0..3).map(|channel| (channel * 4 + frame) / 3).collect::<Vec<usize>>();
        let weights = of_frames(&[0.25, 0.1, 0.25, 0.4], 4, 4, uneven);
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{weights:?}");
    }

    #[test]
    fn padding_has_a_weight_and_no_number() {
        assert_eq!(table(&[Some(4), None], &[0.75, 0.25]), "frame,weight\n4,0.75\n,0.25\n");
    }

    #[test]
    fn bars_are_as_long_and_as_hot_as_their_weight() {
        let pixels = |bar: &[u8]| bar.as_chunks::<3>().0[..64].to_vec();
        let [hot, number] = strip(0.5, 0.5, 64);
        let [mild, _] = strip(0.25, 0.5, 64);
        let [none, _] = strip(0.0, 0.5, 64);
        assert_eq!(hot.len(), 64 * STRIP * 3);
        assert_eq!(pixels(&hot), [[252, 255, 164]; 64]);
        assert!(pixels(&mild)[..32].iter().all(|pixel| *pixel == colour(0.5)));
        assert!(pixels(&mild)[32..].iter().chain(&pixels(&none)).all(|pixel| *pixel == GROUND));
        assert!(number.contains(&255), "0.5000 has room in 64 pixels");
        assert!(!strip(0.5, 0.5, 40)[1].contains(&255), "and none in 40");
    }
}
