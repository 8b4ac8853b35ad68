//! The heart at end-diastole as the scanner will find it: how strongly each place scatters.
//!
//! The scatterers are a grid of complex numbers in heart coordinates (see [`crate::ventricle`]): Gaussian noise times
//! the local echo strength. Chambers are described by functions that are negative inside and grow by about 1 per
//! cm, from which borders, walls and the direction of surfaces follow.

use crate::acquisition::Acquisition;
use crate::physiology::Physiology;
use crate::speckle::NoiseTile;
use crate::ventricle::{Side, Ventricle};

/// Grid spacing, cm.
const STEP: f64 = 0.1;
/// x of the first column, cm.
const LEFT: f64 = -11.0;
/// Level of the first row, cm.
const TOP: f64 = -4.0;
const COLUMNS: usize = 205;
const ROWS: usize = 216;

/// Echo strengths relative to muscle.
const ATRIAL_WALL: f64 = 1.3;
const PERICARDIUM: f64 = 5.0;
const SURROUNDINGS: f64 = 1.3;
const FIBROUS: f64 = 3.0;

/// Scatterers at their end-diastolic places.
#[derive(Clone, Debug)]
pub(crate) struct Anatomy {
    /// `[ROWS, COLUMNS, 2]`: real and imaginary parts.
    scatterers: Vec<f32>,
}

/// Chambers and landmarks of a four-chamber view, at end-diastole.
#[derive(Clone, Debug)]
pub(crate) struct Chambers<'a> {
    heart: &'a Physiology,
    cavity: HalfEllipses,
    epicardium: HalfEllipses,
    left_atrium: Ellipse,
    right_atrium: Ellipse,
    /// Level of the tricuspid annulus: a little closer to the apex than the mitral one.
    pub tricuspid_level: f64,
}

impl<'a> Chambers<'a> {
    pub fn new(heart: &'a Physiology) -> Self {
        let v = &heart.ventricle;
        let annulus = |side| v.relaxed_half_width(side, v.length);
        let (septal, lateral) = (annulus(Side::Septal), annulus(Side::Lateral));
        let left_atrium = Ellipse::below(
            0.5 * (lateral - septal),
            v.length,
            heart.left_atrium.max(0.5 * (septal + lateral)),
            0.5 * (septal + lateral) * 0.93,
            v.atrial_depth,
        );
        let tricuspid_level = v.length - 0.45;
        let right_atrium = Ellipse::below(
            left_atrium.x - left_atrium.half_width - heart.atrial_septum - heart.right_atrium,
            tricuspid_level,
            heart.right_atrium,
            0.68 * heart.right_atrium,
            v.atrial_depth * 0.96 + 0.45,
        );
        Self {
            heart,
            cavity: HalfEllipses::new(v, 0.0, [0.0, 0.0], v.length),
            epicardium: HalfEllipses::new(v, v.apical_wall, [v.septum, v.lateral_wall], v.length + 0.35),
            left_atrium,
            right_atrium,
            tricuspid_level,
        }
    }

    /// Width of the right ventricle's cavity at a level, cm; 0 above its apex.
    pub fn right_ventricle_width(&self, level: f64) -> f64 {
        let apex = self.heart.right_ventricle_apex * self.heart.ventricle.length;
        let along = ((level - apex) / (self.tricuspid_level - apex)).clamp(0.0, 1.0);
        self.heart.right_ventricle_width * along.sqrt() * (0.55 + 0.63 * along - 0.18 * along * along)
    }

    /// Distance from the axis of the right ventricle's free wall (its inner side), cm.
    pub fn right_free_wall(&self, level: f64) -> f64 {
        let septum = self.heart.ventricle.relaxed_outer_half_width(Side::Septal, level);
        septum + self.right_ventricle_width(level)
    }

    fn right_ventricle(&self, x: f64, level: f64) -> f64 {
        let septum = self.heart.ventricle.relaxed_outer_half_width(Side::Septal, level);
        let width = self.right_ventricle_width(level);
        // 0.9: the walls lean, so that the distance across them is shorter than that along x.
        let across = 0.9 * f64::max(x + septum, -(septum + width) - x);
        across.max(level - self.tricuspid_level - 0.2).max(if width == 0.0 { 0.3 } else { -1e9 })
    }

    /// Distances to the nearest cavity and to the outside of the heart; negative inside.
    fn distances(&self, x: f64, level: f64) -> Distances {
        let left_ventricle = self.cavity.distance(x, level);
        let right_ventricle = self.right_ventricle(x, level);
        // The chambers overlap at their valve, or half-covered grid cells would draw a membrane across it.
        let left_atrium = self.left_atrium.distance(x, level).max(self.heart.ventricle.length - 0.3 - level);
        let right_atrium = self.right_atrium.distance(x, level).max(self.tricuspid_level - level);
        let epicardium = self.epicardium.distance(x, level);
        let atria = left_atrium.min(right_atrium);
        Distances {
            cavity: left_ventricle.min(right_ventricle).min(atria),
            epicardium,
            outside: epicardium.min(right_ventricle - self.heart.right_wall).min(atria - 0.28),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Distances {
    cavity: f64,
    epicardium: f64,
    outside: f64,
}

impl Anatomy {
    /// Lays out the scatterers of `heart` as `acquisition` will see them: surfaces across the beam echo more
    /// strongly than surfaces along it.
    pub fn new(heart: &Physiology, acquisition: &Acquisition) -> Self {
        let chambers = Chambers::new(heart);
        let distances: Vec<Distances> = (0..ROWS * COLUMNS)
            .map(|i| chambers.distances(LEFT + STEP * (i % COLUMNS) as f64, TOP + STEP * (i / COLUMNS) as f64))
            .collect();
        // The probe in heart coordinates at end-diastole.
        let (sin, cos) = acquisition.tilt.sin_cos();
        let (right, down) = (-acquisition.heart_apex.0, -acquisition.heart_apex.1);
        let probe = (right * cos - down * sin, right * sin + down * cos);
        let speckle = NoiseTile::grainy();
        let entry = |shift: u32| (acquisition.texture >> shift) as usize & 511;
        let blood = 10f64.powf(acquisition.blood / 20.0);

        let mut scatterers = vec![0.0; ROWS * COLUMNS * 2];
        for row in 1..ROWS - 1 {
            for column in 1..COLUMNS - 1 {
                let at = row * COLUMNS + column;
                let (x, level) = (LEFT + STEP * column as f64, TOP + STEP * row as f64);
                let gradient = |field: fn(&Distances) -> f64| {
                    let along = field(&distances[at + 1]) - field(&distances[at - 1]);
                    let down = field(&distances[at + COLUMNS]) - field(&distances[at - COLUMNS]);
                    facing((along, down), (x - probe.0, level - probe.1))
                };
                let patch = |shift: u32, texels: f64| {
                    let (i, j) = (row as f64 / texels, column as f64 / texels);
                    speckle.between(entry(shift) as f64 + i, entry(shift + 9) as f64 + j)
                };
                // Slow variation over centimetres: no tissue is uniform.
                let patch = 0.75 * patch(36, 22.0) + 0.65 * patch(27, 9.0);
                let strength = strength(&distances[at], gradient(|d| d.cavity), gradient(|d| d.outside), patch, blood)
                    + landmarks(&chambers, x, level);
                let strength = strength as f32;
                scatterers[2 * at] = strength * speckle.at(row + entry(0), column + entry(9));
                scatterers[2 * at + 1] = strength * speckle.at(row + entry(18), column + entry(27));
            }
        }
        Self { scatterers }
    }

    /// Grid coordinates of a place in heart coordinates.
    #[inline]
    pub fn grid((x, level): (f64, f64)) -> GridPoint {
        let fixed = |cells: f64, end: usize| (cells.clamp(0.0, (end - 2) as f64) * ONE) as i32;
        GridPoint { column: fixed((x - LEFT) / STEP, COLUMNS), row: fixed((level - TOP) / STEP, ROWS) }
    }

    /// The scatterers between grid points: real and imaginary part.
    #[inline]
    pub fn sample(&self, place: GridPoint) -> [f32; 2] {
        let (column, row) = (place.column >> FRACTION_BITS, place.row >> FRACTION_BITS);
        let share = |coordinate: i32| (coordinate & ((1 << FRACTION_BITS) - 1)) as f32 * (1.0 / ONE as f32);
        let (across, down) = (share(place.column), share(place.row));
        let at = 2 * (row as usize * COLUMNS + column as usize);
        // Both parts of two neighbours lie side by side.
        let pair =
            |at: usize| -> [f32; 4] { *self.scatterers[at..].first_chunk().expect("places are inside the grid") };
        let (upper, lower) = (pair(at), pair(at + 2 * COLUMNS));
        let mixed: [f32; 4] = std::array::from_fn(|i| upper[i] + down * (lower[i] - upper[i]));
        [mixed[0] + across * (mixed[2] - mixed[0]), mixed[1] + across * (mixed[3] - mixed[1])]
    }
}

/// Bits of a grid coordinate behind the point.
const FRACTION_BITS: u32 = 16;
const ONE: f64 = (1 << FRACTION_BITS) as f64;

/// A place between grid points, inside the grid, in fixed point: converting floating-point numbers to indices for
/// every sample of every frame would cost more than the sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GridPoint {
    pub column: i32,
    pub row: i32,
}

impl GridPoint {
    /// The heart coordinates `(x, level)`.
    #[cfg(test)]
    pub fn place(self) -> (f64, f64) {
        (LEFT + STEP * f64::from(self.column) / ONE, TOP + STEP * f64::from(self.row) / ONE)
    }
}

/// Echo strength of a place, from its distances to borders and how squarely the beam meets them.
fn strength(d: &Distances, cavity_facing: f64, outside_facing: f64, patch: f64, blood: f64) -> f64 {
    // Half-covered grid cells on the border get half of the strength.
    let tissue = (0.5 + d.cavity / STEP).clamp(0.0, 1.0);
    if tissue == 0.0 {
        return blood;
    }
    let wall = if d.outside < 0.0 {
        let muscle = 0.7 + 0.22 * patch.clamp(-1.5, 1.5);
        let body = if d.epicardium < 0.0 { muscle } else { ATRIAL_WALL * (0.7 + 0.3 * cavity_facing) };
        // The inner lining is a brighter line.
        body * (0.75 + 0.25 * cavity_facing) + 0.8 * cavity_facing * bump(d.cavity - 0.08, 0.14)
    } else {
        // Lung, liver and fat: islands of echoes that fade away from the heart.
        let fading = 1.0 / (1.0 + (d.outside / 1.5).powi(2)) + 0.06;
        let haze = SURROUNDINGS * fading * (1.9 * patch - 0.4).exp2().min(5.0);
        let border = PERICARDIUM * (0.35 + 0.65 * outside_facing) * bump(d.outside - 0.14, 0.3);
        haze + border * (1.2 * patch - 0.2).exp2().min(2.0)
    };
    blood + tissue * wall
}

/// Fibrous landmarks: the rings of the valves, the crux, the moderator band and the papillary muscles.
fn landmarks(chambers: &Chambers<'_>, x: f64, level: f64) -> f64 {
    let v = &chambers.heart.ventricle;
    let mut strength = 0.0;
    let septal = -v.relaxed_half_width(Side::Septal, v.length);
    let rings = [
        (septal - 0.12, v.length, 0.28),
        (v.relaxed_half_width(Side::Lateral, v.length) + 0.15, v.length + 0.02, 0.3),
        (septal - 0.45, v.length - 0.2, 0.3),
        (-chambers.right_free_wall(chambers.tricuspid_level) - 0.1, chambers.tricuspid_level, 0.28),
    ];
    for (ring_x, ring_level, radius) in rings {
        let (dx, dl) = ((x - ring_x) / radius, (level - ring_level) / radius);
        let inside = 1.0 - (dx * dx + dl * dl);
        if inside > 0.0 {
            strength += FIBROUS * inside;
        }
    }
    // The moderator band runs from the septum to the free wall near the right ventricle's apex.
    let band = chambers.heart.right_ventricle_apex * v.length + 1.9;
    let from_septum = -x - v.relaxed_outer_half_width(Side::Septal, band);
    let width = chambers.right_ventricle_width(band);
    if (0.0..width).contains(&from_septum) {
        strength += 0.6 * bump(level - band - 0.5 * from_septum, 0.2);
    }
    // Papillary muscle: a strand at the lateral wall of the left ventricle. It counts as cavity, as in tracings.
    let from_wall = v.relaxed_half_width(Side::Lateral, level) - x;
    if (0.42..0.68).contains(&(level / v.length)) && x > 0.0 {
        strength += 0.3 * bump(from_wall - 0.3, 0.3);
    }
    strength
}

/// 1 at 0, 0 from `half_width` on, smooth between.
fn bump(x: f64, half_width: f64) -> f64 {
    let share = x / half_width;
    let inside = (1.0 - share * share).max(0.0);
    inside * inside
}

/// How squarely a beam meets a surface: 1 head-on, 0 grazing.
fn facing(normal: (f64, f64), beam: (f64, f64)) -> f64 {
    let dot = normal.0 * beam.0 + normal.1 * beam.1;
    let lengths = (normal.0 * normal.0 + normal.1 * normal.1) * (beam.0 * beam.0 + beam.1 * beam.1);
    (dot.abs() / lengths.sqrt().max(1e-9)).min(1.0)
}

/// The apical half of an ellipse above the belly and part of a longer one below it, cut off at the base.
#[derive(Clone, Debug)]
struct HalfEllipses {
    belly: f64,
    above: f64,
    below: f64,
    half_width: [f64; 2],
    base: f64,
}

impl HalfEllipses {
    /// The ventricle's cavity grown by walls at the apex and at both sides.
    fn new(v: &Ventricle, apical: f64, walls: [f64; 2], base: f64) -> Self {
        let length = v.length + apical;
        let widest = |side, wall: f64| v.relaxed_half_width(side, v.belly * v.length) + wall;
        Self {
            belly: v.belly * length - apical,
            above: v.belly * length,
            below: (1.0 - v.belly) * length / (1.0 - v.annulus_width * v.annulus_width).sqrt(),
            half_width: [widest(Side::Septal, walls[0]), widest(Side::Lateral, walls[1])],
            base,
        }
    }

    fn distance(&self, x: f64, level: f64) -> f64 {
        let half_width = self.half_width[usize::from(x >= 0.0)];
        let along = level - self.belly;
        let height = if along < 0.0 { self.above } else { self.below };
        implicit_distance(x / half_width, along / height, half_width, height).max(level - self.base)
    }
}

#[derive(Clone, Debug)]
struct Ellipse {
    x: f64,
    level: f64,
    half_width: f64,
    half_height: f64,
}

impl Ellipse {
    /// The ellipse whose width at `opening_level` is that of the valve and which ends `depth` below.
    fn below(x: f64, opening_level: f64, half_width: f64, opening: f64, depth: f64) -> Self {
        let rise = (1.0 - (opening / half_width).min(0.98).powi(2)).sqrt();
        let half_height = depth / (1.0 + rise);
        Self { x, level: opening_level + rise * half_height, half_width, half_height }
    }

    fn distance(&self, x: f64, level: f64) -> f64 {
        let (across, along) = ((x - self.x) / self.half_width, (level - self.level) / self.half_height);
        implicit_distance(across, along, self.half_width, self.half_height)
    }
}

/// First-order distance to the ellipse: its function over the length of its gradient.
fn implicit_distance(across: f64, along: f64, half_width: f64, half_height: f64) -> f64 {
    let value = across * across + along * along - 1.0;
    // Not `hypot`: these numbers are near 1, and it is ten times slower than the square root.
    let gradient = 2.0 * ((across / half_width).powi(2) + (along / half_height).powi(2)).sqrt();
    value / gradient.max(0.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::Quality;
    use crate::population::Population;
    use echo_random::Stream;

    fn heart() -> Physiology {
        Physiology::draw(&mut Stream::new(1, "test", 0), Population::Target(58.0)).unwrap()
    }

    #[test]
    fn the_drawn_cavity_is_the_one_that_is_measured() {
        let heart = heart();
        let chambers = Chambers::new(&heart);
        for step in 1..40 {
            let level = heart.ventricle.length * f64::from(step) / 40.0;
            for (side, sign) in [(Side::Septal, -1.0), (Side::Lateral, 1.0)] {
                let edge = sign * heart.ventricle.relaxed_half_width(side, level);
                assert!(chambers.distances(edge * 0.98, level).cavity < 0.0, "{side:?} {level}");
                assert!(chambers.distances(edge * 1.02, level).cavity > 0.0, "{side:?} {level}");
            }
        }
    }

    #[test]
    fn chambers_lie_as_in_a_four_chamber_view() {
        let heart = heart();
        let chambers = Chambers::new(&heart);
        let v = &heart.ventricle;
        let inside = |x: f64, level: f64| chambers.distances(x, level).cavity < 0.0;
        let septum = -v.relaxed_half_width(Side::Septal, 0.8 * v.length) - 0.5 * v.septum;
        assert!(inside(0.0, 0.5 * v.length), "left ventricle");
        assert!(!inside(septum, 0.8 * v.length), "septum");
        assert!(inside(septum - 0.5 * v.septum - 1.0, 0.8 * v.length), "right ventricle to the left");
        assert!(inside(0.0, v.length + 2.0), "left atrium below");
        assert!(inside(chambers.right_atrium.x, v.length + 2.0) && chambers.right_atrium.x < -2.0, "right atrium");
        assert!(!inside(0.0, -0.3), "apical wall");
        let valve = chambers.distances(0.0, v.length).cavity;
        assert!(valve < -STEP, "nothing but leaflets separates ventricle and atrium: {valve}");
    }

    #[test]
    fn blood_is_dark_and_pericardium_bright() {
        let heart = heart();
        let acquisition = Acquisition::draw(&mut Stream::new(1, "test", 0), Quality::Easy);
        let anatomy = Anatomy::new(&heart, &acquisition);
        let power = |x: f64, level: f64| {
            let mut sum = 0.0;
            for i in 0..60 {
                let [re, im] = anatomy.sample(Anatomy::grid((x, level + 0.03 * (f64::from(i) - 30.0))));
                sum += re * re + im * im;
            }
            sum
        };
        let v = &heart.ventricle;
        let blood = power(-0.3, 0.4 * v.length);
        let muscle = power(-v.relaxed_half_width(Side::Septal, 0.6 * v.length) - 0.5 * v.septum, 0.6 * v.length);
        assert!(muscle > 100.0 * blood, "{muscle} {blood}");
    }
}
