//! Maps of heat over pictures.

/// Points of the colours from no heat to most: black over purple, red and orange to light yellow, as maps of one measure are
/// usually drawn, so that they are told apart without red or green.
const COLOURS: [[f32; 3]; 6] = [
    [0.0, 0.0, 4.0],
    [66.0, 10.0, 104.0],
    [147.0, 38.0, 103.0],
    [221.0, 81.0, 58.0],
    [252.0, 165.0, 10.0],
    [252.0, 255.0, 164.0],
];

/// The most that a picture is covered.
const COVER: f32 = 0.7;

/// A map of `rows` x `columns` values at `size` x `size` pixels, between whose centres it is linear.
pub(crate) fn enlarge(map: &[f32], rows: usize, columns: usize, size: usize) -> Vec<f32> {
    let place = |pixel: usize, cells: usize| {
        let centre = ((pixel as f32 + 0.5) * cells as f32 / size as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
        let low = centre.floor() as usize;
        (low, (low + 1).min(cells - 1), centre - low as f32)
    };
    let mut large = Vec::with_capacity(size * size);
    for y in 0..size {
        let (top, bottom, down) = place(y, rows);
        for x in 0..size {
            let (left, right, across) = place(x, columns);
            let along = |row: usize| map[row * columns + left] * (1.0 - across) + map[row * columns + right] * across;
            large.push(along(top) * (1.0 - down) + along(bottom) * down);
        }
    }
    large
}

/// The colour of a heat from 0 to 1.
pub(crate) fn colour(heat: f32) -> [u8; 3] {
    exact_colour(heat.clamp(0.0, 1.0)).map(|level| level.round() as u8)
}

fn exact_colour(heat: f32) -> [f32; 3] {
    let place = heat * (COLOURS.len() - 1) as f32;
    let low = (place as usize).min(COLOURS.len() - 2);
    let share = place - low as f32;
    std::array::from_fn(|channel| COLOURS[low][channel] * (1.0 - share) + COLOURS[low + 1][channel] * share)
}

/// A picture `[pixels, 3]` under the colours of its heat, 0 to 1; where there is none it is as it was.
pub(crate) fn paint(picture: &[u8], heat: &[f32]) -> Vec<u8> {
    let pixels = picture.as_chunks::<3>().0.iter().zip(heat);
    let painted = pixels.flat_map(|(rgb, &heat)| {
        let heat = heat.clamp(0.0, 1.0);
        let colour = exact_colour(heat);
        let cover = COVER * heat.sqrt();
        std::array::from_fn::<u8, 3, _>(|channel| {
            (f32::from(rgb[channel]) * (1.0 - cover) + colour[channel] * cover).round() as u8
        })
    });
    painted.collect()
}

/// The frame with the most heat of all, of maps `[frames, size, size]`; none where there is no heat.
pub(crate) fn hottest(heat: &[f32], size: usize) -> Option<usize> {
    let sums: Vec<f32> = heat.chunks_exact(size * size).map(|frame| frame.iter().sum()).collect();
    let warm = (0..sums.len()).filter(|&frame| sums[frame] > 0.0);
    warm.reduce(|best, frame| if sums[frame] > sums[best] { frame } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_linear_between_centres_and_flat_beyond_them() {
        assert_eq!(enlarge(&[0.0, 1.0], 1, 2, 4), [[0.0, 0.25, 0.75, 1.0]; 4].concat());
        assert_eq!(enlarge(&[0.5], 1, 1, 3), [0.5; 9]);
        let large = enlarge(&[0.0, 1.0, 2.0, 3.0], 2, 2, 2);
        assert_eq!(large, [0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn the_hottest_frame_is_the_first_with_the_largest_sum() {
        assert_eq!(hottest(&[0.0, 0.9, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0], 1), Some(1));
        assert_eq!(hottest(&[0.0, 0.0, 0.0, 0.9, 0.5, 0.5, 0.5, 0.5], 2), Some(1));
        assert_eq!(hottest(&[0.0; 8], 2), None);
    }

    #[test]
    fn heat_covers_and_its_absence_does_not() {
        let painted = paint(&[10, 20, 30, 10, 20, 30], &[0.0, 1.0]);
        assert_eq!(painted[..3], [10, 20, 30]);
        // Three tenths of the picture, seven of the hottest colour.
        assert_eq!(painted[3..], [179, 185, 124]);
    }
}
