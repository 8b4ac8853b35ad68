//! The frames of a clip in one picture.

use std::io::Cursor;

use echo_core::{ChannelOrder, ClipSpec};
use echo_data::Clip;
use font8x8::{BASIC_FONTS, UnicodeFonts};
use image::{ImageFormat, ImageResult, Rgb, RgbImage};

/// Frames in a row.
const COLUMNS: usize = 5;
/// Pixels between pictures, and between them and what is written above.
pub(crate) const GAP: usize = 4;
/// Lines of a title at most.
const MOST_LINES: usize = 4;
/// Height and width of a letter.
pub(crate) const LETTER: usize = 8;

/// A clip's frames as PNG, as they are after all steps but normalisation and in true colours, below `title` and each below its
/// number in the video; `numbers` has fewer where the video is too short.
pub(crate) fn contact_sheet(clip: &Clip, spec: &ClipSpec, numbers: &[usize], title: &str) -> ImageResult<Vec<u8>> {
    let label = |frame: usize| numbers.get(frame).map_or("padding".to_owned(), usize::to_string);
    let frames: Vec<(String, Vec<u8>)> =
        pictures(clip, spec).into_iter().enumerate().map(|(frame, rgb)| (label(frame), rgb)).collect();
    sheet(&frames, [clip.size; 2], COLUMNS, title)
}

/// A clip's frames before normalisation and in true colours, each `[size, size, 3]`.
pub(crate) fn pictures(clip: &Clip, spec: &ClipSpec) -> Vec<Vec<u8>> {
    let Clip { data, frames, size } = clip;
    let plane = size * size;
    let level = |frame: usize, channel: usize, pixel: usize| {
        let normalised = data[(channel * frames + frame) * plane + pixel];
        ((normalised * spec.std[channel] + spec.mean[channel]) / spec.scale).round().clamp(0.0, 255.0) as u8
    };
    let order = match spec.channels {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    };
    let picture = |frame| (0..plane).flat_map(|pixel| order.map(|channel| level(frame, channel, pixel))).collect();
    (0..*frames).map(picture).collect()
}

/// Pictures of one width and height as PNG, so many in a row, each below its label, all below a title.
pub(crate) fn sheet(
    pictures: &[(String, Vec<u8>)],
    [width, height]: [usize; 2],
    columns: usize,
    title: &str,
) -> ImageResult<Vec<u8>> {
    let columns = columns.min(pictures.len()).max(1);
    let rows = pictures.len().div_ceil(columns);
    let (line, step) = (LETTER + GAP, width + GAP);
    let title = lines(title, (columns * step - GAP) / LETTER);
    let top_of_all = title.len() * line;
    let size = [columns * step - GAP, top_of_all + rows * (line + height + GAP) - GAP];
    let mut sheet = RgbImage::new(size[0] as u32, size[1] as u32);
    for (place, text) in title.iter().enumerate() {
        write_line(&mut sheet, [0, place * line], size[0], text);
    }
    for (place, (label, rgb)) in pictures.iter().enumerate() {
        let (left, top) = ((place % columns) * step, top_of_all + (place / columns) * (line + height + GAP));
        write_line(&mut sheet, [left, top], width, label);
        for (pixel, rgb) in rgb.as_chunks::<3>().0.iter().enumerate() {
            sheet.put_pixel((left + pixel % width) as u32, (top + line + pixel / width) as u32, Rgb(*rgb));
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    sheet.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// A text in lines of so many letters; the last holds what is left.
fn lines(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let count = lines.len();
        let last = &mut lines[count - 1];
        match last.is_empty() || count == MOST_LINES || last.chars().count() + 1 + word.chars().count() <= room {
            true => {
                last.push_str(if last.is_empty() { "" } else { " " });
                last.push_str(word);
            }
            false => lines.push(word.to_owned()),
        }
    }
    lines
}

/// White letters, as many as go into `width` pixels; where some do not, the last are dots.
pub(crate) fn write_line(sheet: &mut RgbImage, [left, top]: [usize; 2], width: usize, text: &str) {
    let room = width / LETTER;
    let letters: Vec<char> = match text.chars().count() > room {
        true => text.chars().take(room.saturating_sub(2)).chain("..".chars()).take(room).collect(),
        false => text.chars().collect(),
    };
    for (place, letter) in letters.into_iter().enumerate() {
        // A font of ASCII.
        let Some(rows) = BASIC_FONTS.get(letter).or_else(|| BASIC_FONTS.get('?')) else { continue };
        for (row, bits) in rows.into_iter().enumerate() {
            for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                sheet.put_pixel((left + place * LETTER + column) as u32, (top + row) as u32, Rgb([255; 3]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture's letters in a line, read by the font.
    fn line(sheet: &RgbImage, [left, top]: [u32; 2], letters: u32) -> String {
        let read = |place: u32| {
            let rows: Vec<u8> = (0..8)
                .map(|row| {
                    let is_set = |column: &u32| sheet.get_pixel(left + place * 8 + column, top + row).0 == [255; 3];
                    (0..8).filter(is_set).map(|column| 1 << column).sum()
                })
                .collect();
            (' '..='~').find(|&letter| BASIC_FONTS.get(letter).is_some_and(|font| font[..] == rows[..])).unwrap()
        };
        (0..letters).map(read).collect()
    }

    #[test]
    fn frames_stand_below_their_numbers_and_the_name() {
        let spec = ClipSpec { std: [1.0; 3], mean: [0.0; 3], scale: 1.0, ..echo_zoo_spec() };
        let (frames, size) = (6, 64);
        // Each frame is as grey as its place.
        let data: Vec<f32> =
            (0..3 * frames).flat_map(|place| vec![(10 * (place % frames)) as f32; size * size]).collect();
        let clip = Clip { data, frames, size };
        let title = "a name that is longer than all five frames together, with \u{e9}";
        let png = contact_sheet(&clip, &spec, &[0, 2, 4, 6, 118], title).unwrap();
        let sheet = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!(sheet.dimensions(), (5 * 68 - 4, 24 + 2 * (12 + 68) - 4));
        assert_eq!(line(&sheet, [0, 0], 42), "a name that is longer than all five frames");
        // The font has ASCII alone.
        assert_eq!(line(&sheet, [0, 12], 16), "together, with ?");
        assert_eq!(line(&sheet, [4 * 68, 24], 3), "118");
        assert_eq!(line(&sheet, [0, 24 + 80], 7), "padding");
        assert_eq!(sheet.get_pixel(4 * 68, 36).0, [40; 3]);
        assert_eq!(sheet.get_pixel(0, 36 + 80).0, [50; 3]);
        assert_eq!(lines("one two", 3), ["one", "two"]);
        assert_eq!(lines("a b c d e f", 1), ["a", "b", "c", "d e f"]);
        assert_eq!(lines("longer", 3), ["longer"]);
    }

    fn echo_zoo_spec() -> ClipSpec {
        crate::ZOO[0].card.preset(echo_core::Preset::NANO).unwrap().clip.clone()
    }
}
