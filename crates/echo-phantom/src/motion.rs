//! Where the tissue that is now at a place was at end-diastole.
//!
//! The wall keeps its volume: as the cavity narrows from `a0` to `a` and the wall shortens by `s`, a point at radius
//! `r` was at `r0` with `r0^2 - a0^2 = s (r^2 - a^2)`, so the wall thickens by itself. Inside the cavity the map
//! joins this one without a kink, outside the wall the displacement fades.

use crate::chambers::Chambers;
use crate::physiology::Physiology;
use crate::ventricle::{Contracted, Side};
use crate::volume_curve::smooth;

/// The walls at end-diastole and what contraction does to them, tabulated by reference level: the map is evaluated
/// hundreds of times a frame, and the formulas are full of divisions and roots.
#[derive(Clone, Debug)]
pub(crate) struct Walls<'a> {
    heart: &'a Physiology,
    /// Whether the right heart lies to the left of the septum.
    right_heart: bool,
    levels: Vec<[f64; COLUMNS]>,
}

/// Lowest tabulated level, cm, and levels per cm.
const FIRST_LEVEL: f64 = -4.0;
const PER_CM: f64 = 40.0;
/// Columns of the table: inner and outer half-width and loss of width of both sides, share in the shortening, distance
/// of the right ventricle's free wall from the axis, loss of width of the right ventricle.
const COLUMNS: usize = 9;

impl<'a> Walls<'a> {
    pub fn new(chambers: &Chambers<'a>) -> Self {
        let heart = chambers.heart;
        let v = &heart.ventricle;
        let row = |i: usize| {
            let level = FIRST_LEVEL + i as f64 / PER_CM;
            let [left, right] = [Side::Left, Side::Right].map(|side| {
                let inner = v.relaxed_half_width(side, level);
                [inner, v.relaxed_outer_half_width(side, level), v.loss_of_width(side, level)]
            });
            // The right ventricle narrows except at its valve and beyond.
            let base = smooth((level - 0.85 * v.length) / (0.3 * v.length));
            let free_wall = chambers.right_heart().map_or([0.0; 2], |right_heart| {
                let shape = right_heart.shape;
                [right_heart.free_wall(level) + 0.5 * shape.wall, shape.narrowing * (1.0 - base)]
            });
            [
                left[0],
                left[1],
                left[2],
                right[0],
                right[1],
                right[2],
                v.shares_shortening(level),
                free_wall[0],
                free_wall[1],
            ]
        };
        let levels = (0..(25.0 * PER_CM) as usize).map(row).collect();
        Self { heart, right_heart: chambers.right_heart().is_some(), levels }
    }

    /// The table's row at a level.
    #[inline]
    fn at(&self, level: f64) -> [f64; COLUMNS] {
        let place = ((level - FIRST_LEVEL) * PER_CM).clamp(0.0, (self.levels.len() - 2) as f64);
        let i = place as usize;
        let share = place - i as f64;
        let (above, below) = (&self.levels[i], &self.levels[i + 1]);
        std::array::from_fn(|column| above[column] + share * (below[column] - above[column]))
    }
}

/// The map at one moment.
#[derive(Debug)]
pub(crate) struct Deformation<'a> {
    walls: &'a Walls<'a>,
    contracted: Contracted<'a>,
    contraction: f64,
    loss_of_length: f64,
}

impl<'a> Deformation<'a> {
    pub fn new(walls: &'a Walls<'a>, contraction: f64) -> Self {
        let contracted = walls.heart.ventricle.contracted(contraction);
        let loss_of_length = 1.0 - contracted.shortening();
        Self { walls, contracted, contraction, loss_of_length }
    }

    pub fn contracted(&self) -> &Contracted<'a> {
        &self.contracted
    }

    /// Width of the mitral ring now as a share of its width at end-diastole.
    pub fn ring_narrowing(&self) -> f64 {
        let v = &self.walls.heart.ventricle;
        0.5 * (self.contracted.narrowing(Side::Left, v.length) + self.contracted.narrowing(Side::Right, v.length))
    }

    /// Distances of the septum's right side and of the right ventricle's free wall from the axis at a level, cm.
    pub fn right_ventricle(&self, level: f64) -> (f64, f64) {
        let row = self.walls.at(self.contracted.reference_level(level));
        let septum = self.wall(Side::Left, &row);
        (septum.outer, self.free_wall(&row, &septum).now)
    }

    #[inline]
    fn wall(&self, side: Side, row: &[f64; COLUMNS]) -> Section {
        let [inner_then, outer_then, loss] = match side {
            Side::Left => [row[0], row[1], row[2]],
            Side::Right => [row[3], row[4], row[5]],
        };
        let shortening = 1.0 - self.loss_of_length * row[6];
        Section::new([inner_then, outer_then], 1.0 - self.contraction * loss, shortening)
    }

    #[inline]
    fn free_wall(&self, row: &[f64; COLUMNS], septum: &Section) -> FreeWall {
        FreeWall::over(septum, row[7], 1.0 - self.contraction * row[8])
    }

    /// End-diastolic place of the tissue that is now at `(x, level)`.
    pub fn reference(&self, (x, level): (f64, f64)) -> (f64, f64) {
        let moved = self.contracted.reference_level(level);
        let row = self.walls.at(moved);
        let side = Side::of(x);
        let wall = self.wall(side, &row);
        let r = x.abs();
        let (then, heart_edge) = if side == Side::Left && self.walls.right_heart {
            self.free_wall(&row, &wall).reference(&wall, r)
        } else {
            let then = wall.reference(r).unwrap_or_else(|beyond| r + (wall.outer_then - wall.outer) * fading(beyond));
            (then, wall.outer)
        };
        // Far tissue (lung, liver, chest wall) is pulled along less and less.
        let pull = 1.0 - 0.75 * smooth((r - heart_edge - 0.4) / 4.0);
        (then.copysign(x), level + (moved - level) * pull)
    }
}

/// A wall of the left ventricle at one level: distances from the axis, cm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    shortening: f64,
    inner_then: f64,
    pub inner: f64,
    outer_then: f64,
    outer: f64,
}

impl Section {
    /// A wall between two distances at end-diastole whose cavity has narrowed to `narrowing`; it keeps its volume while it
    /// shortens to `shortening`.
    fn new([inner_then, outer_then]: [f64; 2], narrowing: f64, shortening: f64) -> Self {
        let inner = inner_then * narrowing;
        let outer = (inner * inner + (outer_then * outer_then - inner_then * inner_then) / shortening).sqrt();
        Self { shortening, inner_then, inner, outer_then, outer }
    }

    /// End-diastolic distance from the axis of what is now at `r`; beyond the wall, how far beyond.
    #[inline]
    fn reference(&self, r: f64) -> Result<f64, f64> {
        if r < self.inner {
            // From the border half-way to the axis a parabola with the wall's slope and the opposite of its curvature, so
            // that the straight lines of [`crate::lattice`] are off as much to one side as to the other and the drawn
            // cavity is as wide as the measured one. From there straight to the axis: blood has no shape to keep.
            let (then, now) = (self.inner_then, self.inner);
            let slope = self.shortening * now / then;
            let curvature = self.shortening * (then * then - self.shortening * now * now) / then.powi(3);
            let depth = (now - r).min(0.5 * now);
            let parabola = then - depth * (slope + 0.5 * curvature * depth);
            Ok(parabola * (r / (0.5 * now)).min(1.0))
        } else if r < self.outer {
            let square = self.inner_then * self.inner_then + self.shortening * (r * r - self.inner * self.inner);
            Ok(square.sqrt())
        } else {
            Err(r - self.outer)
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct FreeWall {
    then: f64,
    now: f64,
}

impl FreeWall {
    /// A free wall that was at distance `then`, over a septum, with a cavity that has narrowed to `narrowing`.
    fn over(septum: &Section, then: f64, narrowing: f64) -> Self {
        Self { then, now: septum.outer + (then - septum.outer_then) * narrowing }
    }

    /// End-diastolic distance from the axis of what is now at `r`, and the heart's edge now.
    #[inline]
    fn reference(&self, septum: &Section, r: f64) -> (f64, f64) {
        let then = septum.reference(r).unwrap_or_else(|beyond| {
            if r < self.now {
                let share = beyond / (self.now - septum.outer).max(1e-6);
                septum.outer_then + share * (self.then - septum.outer_then)
            } else {
                r + (self.then - self.now) * fading(r - self.now)
            }
        });
        (then, self.now)
    }
}

/// The same along one ray of a short axis, from the middle of the cavity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ray {
    /// Distances of the wall's inner and outer border at end-diastole, cm.
    pub wall: [f64; 2],
    /// Share of the inner one that the wall loses.
    pub loss: f64,
    /// Distance of the right ventricle's free wall; that of the outer border where there is none.
    pub free_wall: f64,
    /// Share of its width that the right ventricle loses.
    pub right_loss: f64,
}

impl Ray {
    /// The wall at this contraction of a ventricle that has shortened to `shortening`.
    #[inline]
    pub fn section(&self, contraction: f64, shortening: f64) -> Section {
        Section::new(self.wall, 1.0 - contraction * self.loss, shortening)
    }

    /// End-diastolic distance from the middle of what is now at `r`.
    #[inline]
    pub fn reference(&self, contraction: f64, shortening: f64, r: f64) -> f64 {
        let section = self.section(contraction, shortening);
        FreeWall::over(&section, self.free_wall, 1.0 - contraction * self.right_loss).reference(&section, r).0
    }
}

fn fading(distance: f64) -> f64 {
    let share = distance / 2.5;
    1.0 / (1.0 + share * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physiology::tests::{heart, weak_heart};
    use crate::view::View;

    /// Hearts of both views, healthy, failing and with a wall that stands still.
    fn hearts() -> Vec<Physiology> {
        let healthy = [View::A4c, View::A2c].map(|view| heart(60.0, view));
        let others = [heart(12.0, View::A2c), heart(80.0, View::A4c), weak_heart(40.0, View::A4c)];
        healthy.into_iter().chain(others).collect()
    }

    fn at_contraction(contraction: f64, check: impl Fn(&Physiology, &Deformation<'_>)) {
        for heart in hearts() {
            let chambers = Chambers::new(&heart);
            let walls = Walls::new(&chambers);
            check(&heart, &Deformation::new(&walls, contraction));
        }
    }

    #[test]
    fn nothing_moves_at_end_diastole() {
        let points =
            [(0.5, 3.0), (-2.5, 4.0), (-4.0, 6.0), (2.6, 5.0), (6.0, 4.0), (-8.0, 9.0), (0.0, 10.0), (0.3, -1.0)];
        at_contraction(0.0, |_, still| {
            for point in points {
                let (x, level) = still.reference(point);
                assert!((x - point.0).abs() < 1e-9 && (level - point.1).abs() < 1e-9, "{point:?} -> {x} {level}");
            }
        });
    }

    #[test]
    fn the_contracted_contour_comes_from_the_relaxed_one() {
        at_contraction(1.0, |heart, systole| {
            for (level, left, right) in systole.contracted().discs() {
                for (side, x) in [(Side::Left, -left), (Side::Right, right)] {
                    let (then, level_then) = systole.reference((x, level));
                    let expected = heart.ventricle.relaxed_half_width(side, level_then);
                    // The table's steps, a hundredth of a pixel.
                    assert!((then.abs() - expected).abs() < 2e-3, "{side:?} at {level}: {then} for {expected}");
                }
            }
        });
    }

    /// Breaks if the wall does not thicken, if a still one does, or if its volume changes.
    #[test]
    fn moving_walls_thicken_and_all_keep_their_volume() {
        let growth = |heart: &Physiology| {
            let chambers = Chambers::new(heart);
            let walls = Walls::new(&chambers);
            let systole = Deformation::new(&walls, 1.0);
            let middle = systole.contracted().reference_level(0.5 * systole.contracted().annulus);
            [Side::Left, Side::Right].map(|side| {
                let wall = systole.wall(side, &walls.at(middle));
                let area = wall.outer.powi(2) - wall.inner.powi(2);
                let area_then = wall.outer_then.powi(2) - wall.inner_then.powi(2);
                assert!((area * wall.shortening / area_then - 1.0).abs() < 1e-9);
                (wall.outer - wall.inner) / (wall.outer_then - wall.inner_then)
            })
        };
        assert!(growth(&heart(60.0, View::A4c)).iter().all(|&growth| growth > 1.15));
        // Its septum stands still; what is left is its share in the shortening.
        let [septal, lateral] = growth(&weak_heart(40.0, View::A4c));
        assert!(septal < 1.12 && lateral > septal + 0.1, "{septal} {lateral}");
    }

    #[test]
    fn no_tissue_folds_over_another() {
        at_contraction(1.0, |heart, systole| {
            for row in -20..140 {
                let level = 0.1 * f64::from(row);
                let places: Vec<f64> = (-90..=80).map(|i| systole.reference((0.1 * f64::from(i), level)).0).collect();
                let folds = places.windows(2).any(|pair| pair[1] <= pair[0]);
                assert!(!folds, "EF {} at level {level}: {places:?}", heart.ef);
            }
        });
    }
}
