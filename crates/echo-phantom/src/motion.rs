//! Where the tissue that is now at a place was at end-diastole.
//!
//! The wall keeps its volume: as the cavity narrows from `a0` to `a` and the wall shortens by `s`, a point at radius
//! `r` was at `r0` with `r0^2 - a0^2 = s (r^2 - a^2)`, so the wall thickens by itself. Inside the cavity the map is the
//! cubic that joins this one without a kink, outside the wall the displacement fades.

use crate::acquisition::Acquisition;
use crate::anatomy::{Anatomy, Chambers};
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

/// The map at one moment.
#[derive(Debug)]
pub(crate) struct Deformation<'a> {
    heart: &'a Physiology,
    chambers: &'a Chambers<'a>,
    contracted: Contracted<'a>,
    contraction: f64,
}

impl<'a> Deformation<'a> {
    pub fn new(heart: &'a Physiology, chambers: &'a Chambers<'a>, contraction: f64) -> Self {
        Self { heart, chambers, contracted: heart.ventricle.contracted(contraction), contraction }
    }

    pub fn contracted(&self) -> &Contracted<'a> {
        &self.contracted
    }

    /// Distances of the septum's right side and of the right free wall from the axis at a level, cm.
    pub fn right_ventricle(&self, level: f64) -> (f64, f64) {
        let row = self.row(level);
        (row.septal.outer, row.free_wall)
    }

    /// What does not depend on x at a level.
    fn row(&self, level: f64) -> Row {
        let moved = self.contracted.reference_level(level);
        let v = &self.heart.ventricle;
        let shortening = self.contracted.shortening(moved);
        let side = |side: Side| {
            let inner_then = v.relaxed_half_width(side, moved);
            let narrowing = self.contracted.narrowing(side, moved);
            let inner = narrowing * inner_then;
            let outer_then = v.relaxed_outer_half_width(side, moved);
            let outer = (inner * inner + (outer_then * outer_then - inner_then * inner_then) / shortening).sqrt();
            RowSide { inner_then, inner, narrowing, outer_then, outer }
        };
        let septal = side(Side::Septal);
        // The right ventricle narrows, except at its valve and beyond.
        let squeeze = self.contraction
            * self.heart.right_narrowing
            * (1.0 - smooth((moved - 0.85 * v.length) / (0.3 * v.length)));
        let free_wall_then = self.chambers.right_free_wall(moved) + 0.5 * self.heart.right_wall;
        Row {
            moved,
            shortening,
            septal,
            lateral: side(Side::Lateral),
            free_wall_then,
            free_wall: septal.outer + (free_wall_then - septal.outer_then) * (1.0 - squeeze),
        }
    }

    /// End-diastolic place of the tissue that is now at `(x, level)`.
    pub fn reference(&self, (x, level): (f64, f64)) -> (f64, f64) {
        self.row(level).reference(x, level)
    }
}

#[derive(Clone, Copy, Debug)]
struct RowSide {
    inner_then: f64,
    inner: f64,
    narrowing: f64,
    outer_then: f64,
    outer: f64,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    moved: f64,
    shortening: f64,
    septal: RowSide,
    lateral: RowSide,
    free_wall_then: f64,
    free_wall: f64,
}

impl Row {
    #[inline]
    fn reference(&self, x: f64, level: f64) -> (f64, f64) {
        let right = x >= 0.0;
        let side = if right { &self.lateral } else { &self.septal };
        let r = x.abs();
        // Far tissue (lung, liver, chest wall) is pulled along less and less.
        let heart_edge = if right { self.lateral.outer } else { self.free_wall };
        let pull = 1.0 - 0.75 * smooth((r - heart_edge - 0.4) / 4.0);
        let level_then = level + (self.moved - level) * pull;
        let then = if r < side.inner {
            let bend = 0.5 * (1.0 - side.narrowing * side.narrowing * self.shortening);
            let share = r / side.inner;
            r / side.narrowing * (1.0 + bend * (1.0 - share * share))
        } else if r < side.outer {
            (side.inner_then * side.inner_then + self.shortening * (r * r - side.inner * side.inner)).sqrt()
        } else if right {
            r + (side.outer_then - side.outer) * fading(r - side.outer)
        } else if r < self.free_wall {
            let share = (r - side.outer) / (self.free_wall - side.outer).max(1e-6);
            side.outer_then + share * (self.free_wall_then - side.outer_then)
        } else {
            r + (self.free_wall_then - self.free_wall) * fading(r - self.free_wall)
        };
        (then.copysign(x), level_then)
    }
}

fn fading(distance: f64) -> f64 {
    let share = distance / 2.5;
    1.0 / (1.0 + share * share)
}

/// The map from samples and beams to grid coordinates of the [`Anatomy`], at the nodes of a coarse lattice.
#[derive(Clone, Debug)]
pub(crate) struct Lattice {
    nodes: Vec<(f32, f32)>,
}

impl Lattice {
    pub fn new() -> Self {
        Self { nodes: vec![(0.0, 0.0); NODE_ROWS * NODE_COLUMNS] }
    }

    /// Evaluates the map of this moment.
    pub fn fill(&mut self, deformation: &Deformation<'_>, pose: Pose, points: &NodePoints) {
        for (node, &point) in self.nodes.iter_mut().zip(&points.0) {
            *node = Anatomy::grid(deformation.reference(pose.to_heart(point)));
        }
    }

    /// Grid coordinates for all beams at one sample.
    #[inline]
    pub fn row(&self, sample: usize, row: &mut [(f32, f32); BEAMS]) {
        let cell = sample / SAMPLES_PER_CELL;
        let share = (sample % SAMPLES_PER_CELL) as f32 / SAMPLES_PER_CELL as f32;
        let upper = &self.nodes[cell * NODE_COLUMNS..(cell + 1) * NODE_COLUMNS];
        let lower = &self.nodes[(cell + 1) * NODE_COLUMNS..(cell + 2) * NODE_COLUMNS];
        let mut mixed = [(0.0f32, 0.0f32); NODE_COLUMNS];
        for ((mixed, a), b) in mixed.iter_mut().zip(upper).zip(lower) {
            *mixed = (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1));
        }
        for (group, pair) in row.chunks_exact_mut(BEAMS_PER_CELL).zip(mixed.windows(2)) {
            let step = ((pair[1].0 - pair[0].0) / BEAMS_PER_CELL as f32, (pair[1].1 - pair[0].1) / BEAMS_PER_CELL as f32);
            for (i, place) in group.iter_mut().enumerate() {
                *place = (pair[0].0 + step.0 * i as f32, pair[0].1 + step.1 * i as f32);
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
        let still = Deformation::new(&heart, &chambers, 0.0);
        for point in [(0.5, 3.0), (-2.5, 4.0), (-4.0, 6.0), (2.6, 5.0), (6.0, 4.0), (-8.0, 9.0), (0.0, 10.0), (0.3, -1.0)] {
            let (x, level) = still.reference(point);
            assert!((x - point.0).abs() < 1e-9 && (level - point.1).abs() < 1e-9, "{point:?} -> {x} {level}");
        }
    }

    #[test]
    fn the_contracted_contour_comes_from_the_relaxed_one() {
        let heart = heart(70.0);
        let chambers = Chambers::new(&heart);
        let systole = Deformation::new(&heart, &chambers, 1.0);
        for (level, septal, lateral) in systole.contracted().discs() {
            for (side, x) in [(Side::Septal, -septal), (Side::Lateral, lateral)] {
                let (then, level_then) = systole.reference((x, level));
                let expected = heart.ventricle.relaxed_half_width(side, level_then);
                assert!((then.abs() - expected).abs() < 1e-6, "{side:?} at {level}: {then} for {expected}");
            }
        }
    }

    /// Breaks if the wall does not thicken, or if its volume changes.
    #[test]
    fn the_wall_thickens_and_keeps_its_volume() {
        let heart = heart(60.0);
        let chambers = Chambers::new(&heart);
        let systole = Deformation::new(&heart, &chambers, 1.0);
        let row = systole.row(0.5 * systole.contracted().annulus);
        for side in [row.septal, row.lateral] {
            assert!(side.outer - side.inner > 1.15 * (side.outer_then - side.inner_then), "{side:?}");
            let area = side.outer.powi(2) - side.inner.powi(2);
            let area_then = side.outer_then.powi(2) - side.inner_then.powi(2);
            assert!((area * row.shortening / area_then - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn no_tissue_folds_over_another() {
        for ef in [12.0, 60.0, 80.0] {
            let heart = heart(ef);
            let chambers = Chambers::new(&heart);
            let systole = Deformation::new(&heart, &chambers, 1.0);
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
