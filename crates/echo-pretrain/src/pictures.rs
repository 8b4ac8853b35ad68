//! Pictures of plain shapes before plain textures, still or moving: what an encoder learns from that is never to see a heart.

use std::f64::consts::TAU;

use echo_random::Stream;

use crate::captions::PLACE;

/// Pixels along each side of a picture.
pub(crate) const PICTURE_SIZE: usize = 64;

/// The breadths that are drawn, percent of the picture's width.
pub(crate) const BREADTHS: std::ops::RangeInclusive<u32> = 20..=70;

/// Ways of saying how broad the shape is, in percent of the picture's width.
pub(crate) const SHAPE_BREADTH_WORDS: [&str; 2] =
    ["the shape is <#> percent as broad as the picture.", "breadth of the shape <#>%."];

/// Points along each side of a pixel that decide how much of it is covered.
const POINTS: usize = 2;

/// Whether a shape covers a place, of which its own breadth is from -1 to 1.
pub(crate) type Covers = fn(f64, f64) -> bool;

pub(crate) const SHAPES: [(&str, Covers); 6] = [
    ("disc", |x, y| x.hypot(y) <= 1.0),
    ("ring", |x, y| (0.6..=1.0).contains(&x.hypot(y))),
    ("square", |x, y| x.abs().max(y.abs()) <= 0.8),
    ("triangle", |x, y| y <= 0.5 && 3f64.sqrt() * x.abs() - y <= 1.0),
    ("cross", |x, y| x.abs().min(y.abs()) <= 0.3 && x.abs().max(y.abs()) <= 1.0),
    ("bar", |x, y| x.abs() <= 1.0 && y.abs() <= 0.25),
];

const COLOURS: [(&str, [f64; 3]); 7] = [
    ("white", [245.0, 245.0, 245.0]),
    ("grey", [128.0, 128.0, 128.0]),
    ("black", [15.0, 15.0, 15.0]),
    ("red", [210.0, 40.0, 40.0]),
    ("green", [40.0, 160.0, 60.0]),
    ("blue", [50.0, 80.0, 210.0]),
    ("yellow", [230.0, 210.0, 50.0]),
];

/// How much darker a place `(x, y)` of the unit square is, 0 to 1. Two numbers of the picture's own, each in 0..1, vary it.
type Darkness = fn(f64, f64, [f64; 2]) -> f64;

const TEXTURES: [(&str, Darkness); 5] = [
    ("plain", |_, _, _| 0.0),
    ("striped", |x, y, [turn, pitch]| {
        let (sin, cos) = (turn * TAU).sin_cos();
        f64::from(u8::from(((x * cos + y * sin) * (4.0 + 4.0 * pitch)).rem_euclid(1.0) < 0.5))
    }),
    ("chequered", |x, y, [_, pitch]| {
        let cell = |value: f64| (value * (4.0 + 4.0 * pitch)).floor();
        (cell(x) + cell(y)).rem_euclid(2.0)
    }),
    ("dotted", |x, y, [_, pitch]| {
        let off = |value: f64| (value * (4.0 + 4.0 * pitch)).rem_euclid(1.0) - 0.5;
        f64::from(u8::from(off(x).hypot(off(y)) < 0.3))
    }),
    ("shaded", |x, y, [turn, _]| {
        let (sin, cos) = (turn * TAU).sin_cos();
        0.5 + 0.5 * ((x - 0.5) * cos + (y - 0.5) * sin) / 0.5f64.hypot(0.5)
    }),
];

/// How a shape moves: its place and breadth when the share `t` of a clip is over, 0 to 1.
pub(crate) type Moved = fn([f64; 2], f64, f64) -> ([f64; 2], f64);

/// How far a shape moves, share of the picture's width.
const WAY: f64 = 0.4;

pub(crate) const MOVEMENTS: [(&str, Moved); 8] = [
    ("rests", |centre, breadth, _| (centre, breadth)),
    ("goes right", |[x, y], breadth, t| ([x + WAY * (t - 0.5), y], breadth)),
    ("goes left", |[x, y], breadth, t| ([x - WAY * (t - 0.5), y], breadth)),
    ("falls", |[x, y], breadth, t| ([x, y + WAY * (t - 0.5)], breadth)),
    ("rises", |[x, y], breadth, t| ([x, y - WAY * (t - 0.5)], breadth)),
    ("grows", |centre, breadth, t| (centre, breadth * 2f64.powf(t - 0.5))),
    ("shrinks", |centre, breadth, t| (centre, breadth * 2f64.powf(0.5 - t))),
    ("goes to and fro", |[x, y], breadth, t| ([x + 0.5 * WAY * (t * TAU).sin(), y], breadth)),
];

/// Names of the shapes.
pub fn shape_names() -> [&'static str; 6] {
    SHAPES.map(|(name, _)| name)
}

/// One shape before one texture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    shape: usize,
    colour: usize,
    ground: usize,
    texture: usize,
    /// Share of the picture's width.
    breadth: f64,
    /// Centre of the shape in the unit square.
    centre: [f64; 2],
    turn: f64,
    texture_numbers: [f64; 2],
    /// Index of how the shape moves, where there is more than one frame.
    movement: usize,
}

impl Picture {
    /// A picture in which shape and ground differ in colour.
    pub(crate) fn draw(stream: &mut Stream) -> Self {
        let colour = stream.below(COLOURS.len());
        let percent = |share: f64| f64::from(*BREADTHS.start()) + share * f64::from(BREADTHS.end() - BREADTHS.start());
        let breadth = percent(stream.uniform()) / 100.0;
        // All of the shape is in the picture.
        let mut place = || 0.5 * breadth + stream.uniform() * (1.0 - breadth);
        let centre = [place(), place()];
        Self {
            shape: stream.below(SHAPES.len()),
            colour,
            ground: (colour + 1 + stream.below(COLOURS.len() - 1)) % COLOURS.len(),
            texture: stream.below(TEXTURES.len()),
            breadth,
            centre,
            turn: stream.uniform(),
            texture_numbers: [stream.uniform(), stream.uniform()],
            movement: stream.below(MOVEMENTS.len()),
        }
    }

    /// The frame when the share `t` of a clip is over, 0 to 1.
    pub(crate) fn at(&self, t: f64) -> Self {
        let (centre, breadth) = MOVEMENTS[self.movement].1(self.centre, self.breadth, t);
        Self { centre, breadth, ..self.clone() }
    }

    /// Place and breadth in the middle of a clip, about as far from zero as one.
    pub(crate) fn numbers(&self) -> [f32; 3] {
        let [x, y] = self.centre;
        [5.0 * (x - 0.5), 5.0 * (y - 0.5), 7.0 * (self.breadth - 0.45)].map(|number| number as f32)
    }

    /// Which of the ways of moving the shape has.
    pub(crate) fn movement(&self) -> usize {
        self.movement
    }

    /// Which of [`shape_names`] it shows.
    pub fn shape(&self) -> usize {
        self.shape
    }

    /// How broad the shape is, percent of the picture's width.
    pub fn breadth(&self) -> f64 {
        100.0 * self.breadth
    }

    /// Red, green and blue of every pixel, row by row.
    pub(crate) fn render(&self) -> Vec<u8> {
        let (covers, darkness) = (SHAPES[self.shape].1, TEXTURES[self.texture].1);
        let (colour, ground) = (COLOURS[self.colour].1, COLOURS[self.ground].1);
        let (sin, cos) = (self.turn * TAU).sin_cos();
        let at =
            |index: usize, point: usize| (index as f64 + (point as f64 + 0.5) / POINTS as f64) / PICTURE_SIZE as f64;
        let mut pixels = Vec::with_capacity(3 * PICTURE_SIZE * PICTURE_SIZE);
        for (row, column) in (0..PICTURE_SIZE * PICTURE_SIZE).map(|i| (i / PICTURE_SIZE, i % PICTURE_SIZE)) {
            let mut sum = [0.0; 3];
            for point in 0..POINTS * POINTS {
                let (x, y) = (at(column, point % POINTS), at(row, point / POINTS));
                let [right, down] = [x - self.centre[0], y - self.centre[1]].map(|offset| 2.0 * offset / self.breadth);
                let is_shape = covers(right * cos + down * sin, down * cos - right * sin);
                let light = 1.0 - 0.5 * darkness(x, y, self.texture_numbers);
                for (sum, channel) in sum.iter_mut().zip(0..3) {
                    *sum += if is_shape { colour[channel] } else { ground[channel] * light };
                }
            }
            pixels.extend(sum.map(|sum| (sum / (POINTS * POINTS) as f64).round() as u8));
        }
        pixels
    }

    /// What could be said of it.
    pub(crate) fn caption(&self, stream: &mut Stream) -> String {
        let names = [
            ("<shape>", SHAPES[self.shape].0),
            ("<colour>", COLOURS[self.colour].0),
            ("<ground>", COLOURS[self.ground].0),
            ("<texture>", TEXTURES[self.texture].0),
        ];
        let ways = [
            "a <colour> <shape> on <texture> <ground>.",
            "a <shape>.",
            "a picture of a <colour> <shape>.",
            "<texture> <ground> behind a <shape>.",
        ];
        let way = ways[stream.below(ways.len())].to_owned();
        let caption = names.iter().fold(way, |caption, (place, name)| caption.replace(place, name));
        if stream.uniform() < 0.5 {
            return caption;
        }
        let words = SHAPE_BREADTH_WORDS[stream.below(SHAPE_BREADTH_WORDS.len())];
        format!("{caption} {}", words.replace(PLACE, &format!("{:.0}", self.breadth())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(number: u64) -> Picture {
        Picture::draw(&mut Stream::new(1, "test/pictures", number))
    }

    #[test]
    fn pictures_follow_the_stream_and_show_every_name() {
        let all: Vec<Picture> = (0..300).map(picture).collect();
        assert_eq!(all, (0..300).map(picture).collect::<Vec<_>>());
        let captions: Vec<String> =
            all.iter().zip(0..).map(|(picture, i)| picture.caption(&mut Stream::new(1, "test/words", i))).collect();
        let names = SHAPES.map(|(name, _)| name).into_iter().chain(COLOURS.map(|(name, _)| name));
        for name in names.chain(TEXTURES.map(|(name, _)| name)) {
            assert!(captions.iter().any(|caption| caption.contains(name)), "{name}");
        }
        assert!(captions.iter().all(|caption| !caption.contains(['<', '>', '#'])), "{captions:?}");
        assert!(all.iter().all(|picture| picture.colour != picture.ground));
    }

    /// A disc is as broad as it says, and lies where it says.
    #[test]
    fn a_shape_is_drawn_where_and_as_broad_as_it_is_said_to_be() {
        let disc =
            Picture { shape: 0, colour: 0, ground: 2, texture: 0, breadth: 0.5, centre: [0.4, 0.6], ..picture(1) };
        let pixels = disc.render();
        assert_eq!(pixels.len(), 3 * PICTURE_SIZE * PICTURE_SIZE);
        let bright = |row: usize, column: usize| pixels[3 * (row * PICTURE_SIZE + column)] > 128;
        let columns: Vec<usize> =
            (0..PICTURE_SIZE).filter(|&column| (0..PICTURE_SIZE).any(|row| bright(row, column))).collect();
        let rows: Vec<usize> =
            (0..PICTURE_SIZE).filter(|&row| (0..PICTURE_SIZE).any(|column| bright(row, column))).collect();
        // 64 pixels: from 0.15 to 0.65 across, from 0.35 to 0.85 down.
        for (found, expected) in
            [(columns[0], 9.6), (columns[columns.len() - 1], 41.6), (rows[0], 22.4), (rows[rows.len() - 1], 54.4)]
        {
            assert!((found as f64 + 0.5 - expected).abs() <= 1.0, "{found} {expected}");
        }
        let share = pixels.chunks(3).filter(|pixel| pixel[0] > 128).count() as f64 / 4096.0;
        assert!((share - std::f64::consts::PI * 0.0625).abs() < 0.01, "{share}");
    }

    /// The middle of what is bright, and how much is.
    fn bright(picture: &Picture) -> ([f64; 2], f64) {
        let pixels = picture.render();
        let bright: Vec<usize> = (0..pixels.len() / 3).filter(|&index| pixels[3 * index] > 128).collect();
        let mean = |of: fn(usize) -> usize| bright.iter().map(|&index| of(index) as f64).sum::<f64>();
        let count = bright.len() as f64;
        ([mean(|index| index % PICTURE_SIZE) / count, mean(|index| index / PICTURE_SIZE) / count], count)
    }

    #[test]
    fn shapes_move_as_the_names_of_their_movements_say() {
        let disc =
            Picture { shape: 0, colour: 0, ground: 2, texture: 0, breadth: 0.3, centre: [0.5, 0.5], ..picture(1) };
        for (movement, (name, _)) in MOVEMENTS.iter().enumerate() {
            let [from, quarter, to] = [0.0, 0.25, 1.0].map(|t| bright(&Picture { movement, ..disc.clone() }.at(t)));
            let [right, down] = [0, 1].map(|axis| to.0[axis] - from.0[axis]);
            let expected = match *name {
                "goes right" => [1, 0, 0],
                "goes left" => [-1, 0, 0],
                "falls" => [0, 1, 0],
                "rises" => [0, -1, 0],
                "grows" => [0, 0, 1],
                "shrinks" => [0, 0, -1],
                _ => [0, 0, 0],
            };
            let sign = |value: f64, least: f64| if value.abs() < least { 0 } else { value.signum() as i32 };
            assert_eq!([sign(right, 20.0), sign(down, 20.0), sign(to.1 - from.1, 100.0)], expected, "{name}");
            let is_away = (quarter.0[0] - from.0[0]) > 10.0;
            assert_eq!(is_away && right.abs() < 2.0, *name == "goes to and fro", "{name}");
        }
    }

    #[test]
    fn textures_differ_and_plain_is_plain() {
        let with = |texture| Picture { shape: 5, texture, ground: 0, colour: 2, ..picture(2) }.render();
        let all: Vec<Vec<u8>> = (0..TEXTURES.len()).map(with).collect();
        for (first, second) in (1..all.len()).flat_map(|second| (0..second).map(move |first| (first, second))) {
            assert_ne!(all[first], all[second], "{first} {second}");
        }
        let corner = &all[0][..3];
        assert!(all[0].chunks(3).filter(|pixel| *pixel == corner).count() > 2000);
    }
}
