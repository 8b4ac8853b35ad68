//! The ultrasound sector of a loop: what moves in the middle, without the text, the ECG and the bars around it.
//!
//! The purpose is that of EchoPrime's preprocessing (Vukadinovic et al. 2025): what stands beside the sector tells the patient's
//! name and the machine, and models learn from both. The sector is what is lit over a breadth that no letter or curve has, and
//! moves; its convex hull is kept.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dicom::DicomFacts;
use crate::error::VideoError;
use crate::video::Video;

/// Frames that are looked at; a heart beats within less.
const FRAMES: usize = 48;
/// Levels above which a pixel is lit: what JPEG makes of black is darker.
const LIT: u8 = 2;
/// Levels by which a pixel that moves changes.
const MOVING: u8 = 2;
/// Letters and curves are narrower than twice this share of the picture's smaller side.
const BREADTH: f64 = 1.0 / 60.0;
/// The smallest share of the picture that a sector has.
const SMALLEST: f64 = 0.04;
/// The largest: where more seems to move, it is noise all over the picture, text and all.
const LARGEST: f64 = 0.9;

/// From this share of the largest part on, another moving part may as well be the sector.
const RIVAL: f64 = 0.25;
/// The share of a named region from which on a sector fills it. A sector that is cut out of a circle has less.
const FULL: f64 = 0.97;

/// Which videos show nothing but their sector when they are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// DICOM, whose pictures have names and text beside the sector; other files are usually prepared.
    #[default]
    Dicom,
    /// All.
    Auto,
    /// None.
    None,
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "dicom" => Ok(Self::Dicom),
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            _ => Err("dicom, auto or none is needed".to_owned()),
        }
    }
}

/// The part of every frame that shows ultrasound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sector {
    width: usize,
    /// By row: the first column inside and the one after the last.
    spans: Vec<(usize, usize)>,
    doubt: Option<&'static str>,
}

impl Sector {
    /// Finds the sector of a video.
    ///
    /// # Errors
    /// It cannot be decoded, or nothing moves over a breadth that text does not have.
    pub fn of(video: &Video) -> Result<Self, VideoError> {
        let info = video.info();
        if let Some(trace) = info.dicom.as_ref().and_then(DicomFacts::trace) {
            return Err(video.no_sector(&format!("it shows {trace}")));
        }
        let (width, height) = (info.width, info.height);
        let count = FRAMES.min(info.frames);
        let wanted: Vec<usize> = (0..count).map(|place| place * info.frames / count).collect();
        let mut extremes: Vec<[u8; 2]> = vec![[u8::MAX, 0]; width * height];
        video.decode_unmasked_in_parts(&wanted, |_, pixels| {
            for frame in pixels.chunks_exact(width * height * 3) {
                for ([least, most], rgb) in extremes.iter_mut().zip(frame.as_chunks::<3>().0) {
                    let level = luma(*rgb);
                    *least = level.min(*least);
                    *most = level.max(*most);
                }
            }
        })?;
        Self::find(&extremes, width, height, info.dicom.as_ref()).ok_or_else(|| {
            let seen = if count == 1 {
                "it has one frame, in which nothing moves".to_owned()
            } else {
                format!("in {count} of its frames nothing but text and curves moves, or nearly all of the picture")
            };
            video.no_sector(&seen)
        })
    }

    /// The sector by the least and greatest level of each pixel.
    fn find(extremes: &[[u8; 2]], width: usize, height: usize, facts: Option<&DicomFacts>) -> Option<Self> {
        let is_inside = region(width, height, facts);
        let radius = ((width.min(height) as f64 * BREADTH).round() as usize).max(1);
        let within = |at: usize| is_inside(at % width, at / width);
        let lit: Vec<bool> = extremes.iter().enumerate().map(|(at, [_, most])| *most > LIT && within(at)).collect();
        let broad = spread(&lit, width, radius, false);
        let moving = broad.iter().zip(extremes).map(|(&broad, [least, most])| broad && most - least > MOVING);
        let parts = spread(&moving.collect::<Vec<_>>(), width, radius, true);
        let (sector, size, next) = largest(&parts, width)?;
        let mut spans = hull(&sector, width);
        // Dilation goes a little over what is lit; nothing is taken that lies outside of a region that the file names.
        for (y, span) in spans.iter_mut().enumerate() {
            let columns = (span.0..span.1).filter(|&x| is_inside(x, y));
            *span = columns.fold((usize::MAX, 0), |(first, _), x| (first.min(x), x + 1));
            if span.0 >= span.1 {
                *span = (0, 0);
            }
        }
        let mut sector = Self { width, spans, doubt: None };
        let share = sector.area() as f64 / (width * height) as f64;
        let allowed = (0..width * height).filter(|&at| within(at)).count();
        sector.doubt = match () {
            () if next as f64 >= RIVAL * size as f64 => {
                Some("another part of the picture moves too, and is masked: this may be the wrong one")
            }
            () if allowed < width * height && sector.area() as f64 >= FULL * allowed as f64 => {
                Some("it fills the region that the file names, so text within that region is shown")
            }
            () => None,
        };
        (SMALLEST..=LARGEST).contains(&share).then_some(sector)
    }

    /// Why it may be wrong, in words.
    pub fn doubt(&self) -> Option<&'static str> {
        self.doubt
    }

    /// Pixels inside.
    pub fn area(&self) -> usize {
        self.spans.iter().map(|(first, end)| end - first).sum()
    }

    /// Whether a pixel is inside.
    pub fn contains(&self, x: usize, y: usize) -> bool {
        self.spans.get(y).is_some_and(|(first, end)| (*first..*end).contains(&x))
    }

    /// Left, top, right and bottom of the smallest rectangle around it; the last two are outside.
    pub fn bounds(&self) -> [usize; 4] {
        let rows = || self.spans.iter().enumerate().filter(|(_, span)| span.0 < span.1);
        let left = rows().map(|(_, span)| span.0).min().unwrap_or(0);
        let right = rows().map(|(_, span)| span.1).max().unwrap_or(0);
        let top = rows().map(|(y, _)| y).min().unwrap_or(0);
        let bottom = rows().map(|(y, _)| y + 1).max().unwrap_or(0);
        [left, top, right, bottom]
    }

    /// Makes all black that is outside, in frames `[.., height, width, 3]`.
    pub fn apply(&self, frames: &mut [u8]) {
        let row_len = self.width * 3;
        for frame in frames.chunks_exact_mut(row_len * self.spans.len()) {
            for (row, (first, end)) in frame.chunks_exact_mut(row_len).zip(&self.spans) {
                row[..first * 3].fill(0);
                row[end * 3..].fill(0);
            }
        }
    }
}

/// Brightness by BT.601, 0 to 255.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((77 * u32::from(r) + 150 * u32::from(g) + 29 * u32::from(b)) >> 8) as u8
}

/// Whether a pixel is in the 2-D regions that the file names; all are where it names none that lies in the picture.
fn region(width: usize, height: usize, facts: Option<&DicomFacts>) -> impl Fn(usize, usize) -> bool {
    let regions = facts.map_or(&[][..], |facts| &facts.regions);
    let sides: Vec<[usize; 4]> = regions
        .iter()
        .filter(|region| region.format == 1)
        .map(|region| region.sides.map(|side| side as usize))
        .collect();
    // Of a picture that was resized afterwards they say nothing.
    let is_sound = |[left, top, right, bottom]: &[usize; 4]| {
        left < right && top < bottom && *right < width + 2 && *bottom < height + 2
    };
    let sides = if sides.iter().all(is_sound) { sides } else { Vec::new() };
    move |x, y| {
        sides.is_empty()
            || sides
                .iter()
                .any(|&[left, top, right, bottom]| (left..=right).contains(&x) && (top..=bottom).contains(&y))
    }
}

/// Where a square of this radius around a pixel is set somewhere (`any`), or everywhere. What lies outside of the picture is
/// not set.
fn spread(set: &[bool], width: usize, radius: usize, any: bool) -> Vec<bool> {
    let height = set.len() / width;
    let size = 2 * radius + 1;
    let enough = |count: usize| if any { count > 0 } else { count == size };
    // Along rows, then along columns: how many are set in a window that moves on.
    let along = |from: &[bool], len: usize, lines: usize, at: &dyn Fn(usize, usize) -> usize| {
        let mut to = vec![false; from.len()];
        for line in 0..lines {
            let mut count = (0..radius.min(len)).filter(|&place| from[at(line, place)]).count();
            for place in 0..len {
                if place + radius < len && from[at(line, place + radius)] {
                    count += 1;
                }
                if place > radius && from[at(line, place - radius - 1)] {
                    count -= 1;
                }
                to[at(line, place)] = enough(count);
            }
        }
        to
    };
    let rows = along(set, width, height, &|line, place| line * width + place);
    along(&rows, height, width, &|line, place| place * width + line)
}

/// The largest part whose pixels touch by their sides, how many those are, and how many the next largest has.
fn largest(set: &[bool], width: usize) -> Option<(Vec<bool>, usize, usize)> {
    let mut seen = vec![false; set.len()];
    let mut best: Vec<usize> = Vec::new();
    let mut others = 0;
    for start in 0..set.len() {
        if !set[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut part = vec![start];
        let mut next = 0;
        while let Some(&at) = part.get(next) {
            next += 1;
            let (x, y) = (at % width, at / width);
            let sides = [
                (x > 0).then(|| at - 1),
                (x + 1 < width).then_some(at + 1),
                (y > 0).then(|| at - width),
                (at + width < set.len()).then_some(at + width),
            ];
            for side in sides.into_iter().flatten() {
                if set[side] && !seen[side] {
                    seen[side] = true;
                    part.push(side);
                }
            }
        }
        if part.len() > best.len() {
            std::mem::swap(&mut best, &mut part);
        }
        others = others.max(part.len());
    }
    if best.is_empty() {
        return None;
    }
    let mut part = vec![false; set.len()];
    best.iter().for_each(|&at| part[at] = true);
    Some((part, best.len(), others))
}

/// By row, the columns of the convex hull.
fn hull(set: &[bool], width: usize) -> Vec<(usize, usize)> {
    let rows = set.len() / width;
    let ends: Vec<(i64, [i64; 2])> = (0..rows)
        .filter_map(|y| {
            let row = &set[y * width..][..width];
            let first = row.iter().position(|&set| set)?;
            let last = row.iter().rposition(|&set| set)?;
            Some((y as i64, [first as i64, last as i64]))
        })
        .collect();
    // The left side bends to the left alone, the right one to the right (Andrew's monotone chain, row by row).
    let side = |which: usize, sign: i64| {
        let mut chain: Vec<[i64; 2]> = Vec::new();
        for &(y, x) in &ends {
            let point = [sign * x[which], y];
            while let [.., [x0, y0], [x1, y1]] = chain[..]
                && (x1 - x0) * (point[1] - y0) >= (point[0] - x0) * (y1 - y0)
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain
    };
    let (left, right) = (side(0, 1), side(1, -1));
    let on = |chain: &[[i64; 2]], y: i64| {
        let end = chain.iter().position(|point| point[1] >= y)?;
        let [x1, y1] = chain[end];
        let Some([x0, y0]) = end.checked_sub(1).map(|before| chain[before]) else {
            return (y1 == y).then_some(x1 as f64);
        };
        Some(x0 as f64 + (x1 - x0) as f64 * (y - y0) as f64 / (y1 - y0) as f64)
    };
    (0..rows as i64)
        .map(|y| match (on(&left, y), on(&right, y)) {
            (Some(first), Some(last)) => (first.floor() as usize, (-last).ceil() as usize + 1),
            _ => (0, 0),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::Region;

    /// A picture of letters: `#` is set.
    fn set(rows: &[&str]) -> (Vec<bool>, usize) {
        (rows.concat().chars().map(|letter| letter == '#').collect(), rows[0].len())
    }

    fn drawn(set: &[bool], width: usize) -> Vec<String> {
        set.chunks(width).map(|row| row.iter().map(|&set| if set { '#' } else { '.' }).collect()).collect()
    }

    #[test]
    fn erosion_takes_lines_away_and_dilation_gives_breadth_back() {
        let (picture, width) = set(&["........", ".###....", ".###..#.", ".###..#.", "......#.", "........"]);
        let eroded = spread(&picture, width, 1, false);
        assert_eq!(drawn(&eroded, width), ["........", "........", "..#.....", "........", "........", "........"]);
        let back = spread(&eroded, width, 1, true);
        assert_eq!(drawn(&back, width), ["........", ".###....", ".###....", ".###....", "........", "........"]);
        // At the border nothing is set beyond it.
        let (full, width) = set(&["####", "####", "####"]);
        assert_eq!(drawn(&spread(&full, width, 1, false), width), ["....", ".##.", "...."]);
    }

    #[test]
    fn the_largest_part_is_kept_and_made_convex() {
        let (picture, width) = set(&["##......", "....#...", "...#.#..", "..#...#.", ".#.....#", "........"]);
        let joined: Vec<bool> = spread(&picture, width, 1, true);
        assert_eq!(largest(&joined, width).unwrap().2, 0, "one part after dilation");
        let (shape, width) = set(&["...#...", "..#.#..", ".#...#.", ".##.##.", "#.....#", "......."]);
        let spans = hull(&shape, width);
        assert_eq!(spans, [(3, 4), (2, 5), (1, 6), (0, 7), (0, 7), (0, 0)]);
        let (two, width) = set(&["##...", ".....", "..###", "..###"]);
        let (kept, size, next) = largest(&two, width).unwrap();
        assert_eq!((size, next), (6, 2));
        assert_eq!(drawn(&kept, width), [".....", ".....", "..###", "..###"]);
        assert!(largest(&[false; 6], 3).is_none());
    }

    #[test]
    fn a_sector_is_what_moves_without_text_curves_and_bars() {
        let (width, height) = (240, 180);
        let mut extremes = vec![[0u8, 0u8]; width * height];
        let inside = |x: usize, y: usize| {
            let (dx, dy) = (x as f64 - 120.0, y as f64 - 10.0);
            dy > 0.0 && dx.hypot(dy) < 150.0 && dx.abs() < 0.8 * dy
        };
        for y in 0..height {
            for x in 0..width {
                let pixel = &mut extremes[y * width + x];
                // Speckle that changes, with a chamber that is black.
                if inside(x, y) && (x as f64 - 120.0).hypot(y as f64 - 90.0) > 20.0 {
                    *pixel = [10, 90];
                }
                // A line of letters, still; an ECG, moving; a bar, still and broad.
                if y == 5 && x % 3 != 0 && x < 100 {
                    *pixel = [200, 200];
                }
                if y == 172 || y == 173 {
                    *pixel = [0, 200];
                }
                if x > 225 && (20..160).contains(&y) {
                    *pixel = [120, 120];
                }
            }
        }
        let sector = Sector::find(&extremes, width, height, None).unwrap();
        let (mut lost, mut gained, mut area) = (0, 0, 0);
        for y in 0..height {
            for x in 0..width {
                area += usize::from(inside(x, y));
                lost += usize::from(inside(x, y) && !sector.contains(x, y));
                gained += usize::from(!inside(x, y) && sector.contains(x, y));
            }
        }
        assert!(lost * 100 < area && gained * 100 < 3 * area, "{lost} lost, {gained} gained of {area}");
        assert!(!sector.contains(120, 172) && !sector.contains(230, 90) && !sector.contains(20, 5));
        assert!(sector.contains(120, 90), "a black chamber is part of it");
        assert_eq!(sector.doubt(), None);
        // A second part, such as a box that blinks.
        let mut two = extremes.clone();
        (0..56 * 70).for_each(|at| two[at / 56 * width + at % 56] = [0, 200]);
        assert!(Sector::find(&two, width, height, None).unwrap().doubt().unwrap().contains("another part"));
        // Noise all over a region that the file names.
        let region = Region { format: 1, data_type: 1, sides: [60, 10, 200, 160], spacing: None };
        let facts = DicomFacts { regions: vec![region], ..DicomFacts::default() };
        let noise = vec![[5, 60]; width * height];
        assert!(
            Sector::find(&noise, width, height, Some(&facts)).unwrap().doubt().unwrap().contains("fills the region")
        );
        assert_eq!(Sector::find(&extremes, width, height, Some(&facts)).unwrap().doubt(), None);

        let mut frames = vec![7; width * height * 3 * 2];
        sector.apply(&mut frames);
        assert_eq!(frames.iter().filter(|&&level| level == 7).count(), sector.area() * 6);
        // Noise all over the picture, as of an analogue recording: no mask is better than a wrong one.
        let noisy: Vec<[u8; 2]> = extremes.iter().map(|[least, most]| [*least, most.saturating_add(20)]).collect();
        assert!(Sector::find(&noisy, width, height, None).is_none());
        let still: Vec<[u8; 2]> = extremes.iter().map(|[_, most]| [*most, *most]).collect();
        assert!(Sector::find(&still, width, height, None).is_none());
    }
}
