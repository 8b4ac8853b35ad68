//! Where the tissue that is now at a place was at end-diastole.
//!
//! The wall keeps its volume: as the cavity narrows from `a0` to `a` and the wall shortens by `s`, a point at radius
//! `r` was at `r0` with `r0^2 - a0^2 = s (r^2 - a^2)`, so the wall thickens by itself. Inside the cavity the map
//! joins this one without a kink, outside the wall the displacement fades.

use crate::acquisition::Acquisition;
use crate::anatomy::{Anatomy, Chambers, GridPoint};
use crate::physiology::Physiology;
use crate::sector::{BEAMS, SAMPLES, Sector};
use crate::ventricle::{Contracted, Side};
use crate::volume_curve::smooth;

/// Samples and beams between two nodes of the lattice on which the map is evaluated. The map is smooth at the
/// cavity's border, so that straight lines between nodes are off by less than a tenth of a pixel there.
const SAMPLES_PER_CELL: usize = 3;
const BEAMS_PER_CELL: usize = 4;
const NODE_ROWS: usize = SAMPLES / SAMPLES_PER_CELL + 1;
const NODE_COLUMNS: usize = BEAMS / BEAMS_PER_CELL + 1;

/// Where the heart lies in the sector at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pose {
    apex: (f64, f64),
    sin: f64,
    cos: f64,
}

impl Pose {
    /// The pose `time` seconds into the recording.
    pub fn at(acquisition: &Acquisition, heart: &Physiology, time: f64, contraction: f64) -> Self {
        let breath = acquisition.breath(time);
        let (sin, cos) = (acquisition.tilt + heart.rocking * contraction).sin_cos();
        let apex = (
            acquisition.heart_apex.0 + acquisition.breathing.0 * breath,
            acquisition.heart_apex.1 + acquisition.breathing.1 * breath,
        );
        Self { apex, sin, cos }
    }

    /// From the sector's coordinates (cm) to `(x, level)` of the heart.
    pub fn to_heart(self, (x, y): (f64, f64)) -> (f64, f64) {
        let (right, down) = (x - self.apex.0, y - self.apex.1);
        (right * self.cos - down * self.sin, right * self.sin + down * self.cos)
    }

    /// From `(x, level)` of the heart to the sector's coordinates.
    pub fn to_sector(self, (x, level): (f64, f64)) -> (f64, f64) {
        (self.apex.0 + x * self.cos + level * self.sin, self.apex.1 - x * self.sin + level * self.cos)
    }
}

/// The walls at end-diastole and what contraction does to them, tabulated by reference level: the map is evaluated
/// hundreds of times a frame, and the formulas are full of divisions and roots.
#[derive(Clone, Debug)]
pub(crate) struct Walls<'a> {
    heart: &'a Physiology,
    levels: Vec<[f64; COLUMNS]>,
}

/// Lowest tabulated level, cm, and levels per cm.
const FIRST_LEVEL: f64 = -4.0;
const PER_CM: f64 = 40.0;
/// Columns of the table: inner and outer half-width and loss of width of both sides, share in the shortening, distance
/// of the right free wall from the axis, loss of width of the right ventricle.
const COLUMNS: usize = 9;

impl<'a> Walls<'a> {
    pub fn new(heart: &'a Physiology, chambers: &Chambers<'_>) -> Self {
        let v = &heart.ventricle;
        let row = |i: usize| {
            let level = FIRST_LEVEL + i as f64 / PER_CM;
            let [septal, lateral] = [Side::Septal, Side::Lateral].map(|side| {
                let inner = v.relaxed_half_width(side, level);
                [inner, v.relaxed_outer_half_width(side, level), v.loss_of_width(side, level)]
            });
            // The right ventricle narrows except at its valve and beyond.
            let base = smooth((level - 0.85 * v.length) / (0.3 * v.length));
            [
                septal[0],
                septal[1],
                septal[2],
                lateral[0],
                lateral[1],
                lateral[2],
                v.shares_shortening(level),
                chambers.right_free_wall(level) + 0.5 * heart.right_wall,
                heart.right_narrowing * (1.0 - base),
            ]
        };
        Self { heart, levels: (0..(23.0 * PER_CM) as usize).map(row).collect() }
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

    /// Distances of the septum's right side and of the right free wall from the axis at a level, cm.
    pub fn right_ventricle(&self, level: f64) -> (f64, f64) {
        let row = self.walls.at(self.contracted.reference_level(level));
        let septum = self.wall(Side::Septal, &row);
        (septum.outer, self.free_wall(&row, &septum).now)
    }

    #[inline]
    fn wall(&self, side: Side, row: &[f64; COLUMNS]) -> Wall {
        let [inner_then, outer_then, loss] = match side {
            Side::Septal => [row[0], row[1], row[2]],
            Side::Lateral => [row[3], row[4], row[5]],
        };
        let shortening = 1.0 - self.loss_of_length * row[6];
        let narrowing = 1.0 - self.contraction * loss;
        let inner = narrowing * inner_then;
        let outer = (inner * inner + (outer_then * outer_then - inner_then * inner_then) / shortening).sqrt();
        Wall { shortening, narrowing, inner_then, inner, outer_then, outer }
    }

    #[inline]
    fn free_wall(&self, row: &[f64; COLUMNS], septum: &Wall) -> FreeWall {
        let then = row[7];
        let now = septum.outer + (then - septum.outer_then) * (1.0 - self.contraction * row[8]);
        FreeWall { then, now }
    }

    /// End-diastolic place of the tissue that is now at `(x, level)`.
    pub fn reference(&self, (x, level): (f64, f64)) -> (f64, f64) {
        let moved = self.contracted.reference_level(level);
        let row = self.walls.at(moved);
        let side = Side::of(x);
        let wall = self.wall(side, &row);
        let r = x.abs();
        let (then, heart_edge) = match side {
            Side::Lateral => (
                wall.reference(r).unwrap_or_else(|beyond| r + (wall.outer_then - wall.outer) * fading(beyond)),
                wall.outer,
            ),
            Side::Septal => {
                let free_wall = self.free_wall(&row, &wall);
                let then = wall.reference(r).unwrap_or_else(|beyond| {
                    if r < free_wall.now {
                        let share = beyond / (free_wall.now - wall.outer).max(1e-6);
                        wall.outer_then + share * (free_wall.then - wall.outer_then)
                    } else {
                        r + (free_wall.then - free_wall.now) * fading(r - free_wall.now)
                    }
                });
                (then, free_wall.now)
            }
        };
        // Far tissue (lung, liver, chest wall) is pulled along less and less.
        let pull = 1.0 - 0.75 * smooth((r - heart_edge - 0.4) / 4.0);
        (then.copysign(x), level + (moved - level) * pull)
    }
}

/// A wall of the left ventricle at one level: distances from the axis, cm.
#[derive(Clone, Copy, Debug)]
struct Wall {
    shortening: f64,
    narrowing: f64,
    inner_then: f64,
    inner: f64,
    outer_then: f64,
    outer: f64,
}

impl Wall {
    /// End-diastolic distance from the axis of what is now at `r`; beyond the wall, how far beyond.
    #[inline]
    fn reference(&self, r: f64) -> Result<f64, f64> {
        if r < self.inner {
            // A hyperbola through the axis and the border with the wall's slope at the border. Its curvature there is
            // small, which the lattice's straight lines need.
            let slope = self.narrowing * self.narrowing * self.shortening;
            let share = r / self.inner;
            Ok(self.inner_then * share / (slope + (1.0 - slope) * share))
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

fn fading(distance: f64) -> f64 {
    let share = distance / 2.5;
    1.0 / (1.0 + share * share)
}

/// The map from samples and beams to grid coordinates of the [`Anatomy`], at the nodes of a coarse lattice.
#[derive(Clone, Debug)]
pub(crate) struct Lattice {
    nodes: Vec<GridPoint>,
}

impl Lattice {
    pub fn new() -> Self {
        Self { nodes: vec![GridPoint::default(); NODE_ROWS * NODE_COLUMNS] }
    }

    /// Evaluates the map of this moment.
    pub fn fill(&mut self, deformation: &Deformation<'_>, pose: Pose, points: &NodePoints) {
        for (node, &point) in self.nodes.iter_mut().zip(&points.0) {
            *node = Anatomy::grid(deformation.reference(pose.to_heart(point)));
        }
    }

    /// Grid coordinates for all beams at one sample.
    #[inline]
    pub fn row(&self, sample: usize, row: &mut [GridPoint; BEAMS]) {
        let (cell, within) = (sample / SAMPLES_PER_CELL, (sample % SAMPLES_PER_CELL) as i32);
        let upper = &self.nodes[cell * NODE_COLUMNS..(cell + 1) * NODE_COLUMNS];
        let lower = &self.nodes[(cell + 1) * NODE_COLUMNS..(cell + 2) * NODE_COLUMNS];
        let mut mixed = [GridPoint::default(); NODE_COLUMNS];
        for ((mixed, a), b) in mixed.iter_mut().zip(upper).zip(lower) {
            mixed.column = a.column + (b.column - a.column) / SAMPLES_PER_CELL as i32 * within;
            mixed.row = a.row + (b.row - a.row) / SAMPLES_PER_CELL as i32 * within;
        }
        for (group, pair) in row.chunks_exact_mut(BEAMS_PER_CELL).zip(mixed.windows(2)) {
            let step = [pair[1].column - pair[0].column, pair[1].row - pair[0].row].map(|d| d / BEAMS_PER_CELL as i32);
            for (i, place) in group.iter_mut().enumerate() {
                place.column = pair[0].column + step[0] * i as i32;
                place.row = pair[0].row + step[1] * i as i32;
            }
        }
    }
}

/// Physical points of the lattice's nodes.
#[derive(Clone, Debug)]
pub(crate) struct NodePoints(Vec<(f64, f64)>);

impl NodePoints {
    pub fn new(sector: &Sector) -> Self {
        let at = |i: usize| {
            let (row, column) = (i / NODE_COLUMNS, i % NODE_COLUMNS);
            sector.point((row * SAMPLES_PER_CELL) as f64, (column * BEAMS_PER_CELL) as f64)
        };
        Self((0..NODE_ROWS * NODE_COLUMNS).map(at).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::Quality;
    use crate::population::Population;
    use echo_random::Stream;

    fn heart(ef: f64) -> Physiology {
        Physiology::draw(&mut Stream::new(1, "test", 0), Population::Target(ef)).unwrap()
    }

    #[test]
    fn nothing_moves_at_end_diastole() {
        let heart = heart(60.0);
        let chambers = Chambers::new(&heart);
        let walls = Walls::new(&heart, &chambers);
        let still = Deformation::new(&walls, 0.0);
        for point in
            [(0.5, 3.0), (-2.5, 4.0), (-4.0, 6.0), (2.6, 5.0), (6.0, 4.0), (-8.0, 9.0), (0.0, 10.0), (0.3, -1.0)]
        {
            let (x, level) = still.reference(point);
            assert!((x - point.0).abs() < 1e-9 && (level - point.1).abs() < 1e-9, "{point:?} -> {x} {level}");
        }
    }

    #[test]
    fn the_contracted_contour_comes_from_the_relaxed_one() {
        let heart = heart(70.0);
        let chambers = Chambers::new(&heart);
        let walls = Walls::new(&heart, &chambers);
        let systole = Deformation::new(&walls, 1.0);
        for (level, septal, lateral) in systole.contracted().discs() {
            for (side, x) in [(Side::Septal, -septal), (Side::Lateral, lateral)] {
                let (then, level_then) = systole.reference((x, level));
                let expected = heart.ventricle.relaxed_half_width(side, level_then);
                // The table's steps, a hundredth of a pixel.
                assert!((then.abs() - expected).abs() < 2e-3, "{side:?} at {level}: {then} for {expected}");
            }
        }
    }

    /// Breaks if the wall does not thicken, or if its volume changes.
    #[test]
    fn the_wall_thickens_and_keeps_its_volume() {
        let heart = heart(60.0);
        let chambers = Chambers::new(&heart);
        let walls = Walls::new(&heart, &chambers);
        let systole = Deformation::new(&walls, 1.0);
        let middle = systole.contracted().reference_level(0.5 * systole.contracted().annulus);
        for side in [Side::Septal, Side::Lateral].map(|side| systole.wall(side, &walls.at(middle))) {
            assert!(side.outer - side.inner > 1.15 * (side.outer_then - side.inner_then), "{side:?}");
            let area = side.outer.powi(2) - side.inner.powi(2);
            let area_then = side.outer_then.powi(2) - side.inner_then.powi(2);
            assert!((area * side.shortening / area_then - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn no_tissue_folds_over_another() {
        for ef in [12.0, 60.0, 80.0] {
            let heart = heart(ef);
            let chambers = Chambers::new(&heart);
            let walls = Walls::new(&heart, &chambers);
            let systole = Deformation::new(&walls, 1.0);
            for row in -20..140 {
                let level = 0.1 * f64::from(row);
                let places: Vec<f64> = (-90..=80).map(|i| systole.reference((0.1 * f64::from(i), level)).0).collect();
                assert!(places.windows(2).all(|pair| pair[1] > pair[0]), "EF {ef} at level {level}: {places:?}");
            }
        }
    }

    #[test]
    fn pose_is_a_rigid_motion_and_its_inverse() {
        let heart = heart(60.0);
        let acquisition = Acquisition::draw(&mut Stream::new(1, "test", 4), Quality::Typical);
        let pose = Pose::at(&acquisition, &heart, 0.7, 0.5);
        let (x, level) = pose.to_heart(pose.to_sector((1.5, 6.0)));
        assert!((x - 1.5).abs() < 1e-12 && (level - 6.0).abs() < 1e-12);
    }
}
