//! The map of [`crate::motion`] for all samples and beams, evaluated on a coarse lattice and straight between its nodes.

use crate::anatomy::{Anatomy, GridPoint};
use crate::pose::Pose;
use crate::sector::{BEAMS, SAMPLES, Sector};

/// Samples and beams between two nodes of the lattice on which the map is evaluated. Straight lines between nodes are off
/// by a tenth of a pixel at the border of a vigorous ventricle's cavity; the tissue's path bends more along the axis than
/// across it.
const SAMPLES_PER_CELL: usize = 2;
const BEAMS_PER_CELL: usize = 4;
const NODE_ROWS: usize = SAMPLES / SAMPLES_PER_CELL + 1;
const NODE_COLUMNS: usize = BEAMS / BEAMS_PER_CELL + 1;

/// The map from samples and beams to grid coordinates of the [`Anatomy`], at the nodes of a coarse lattice.
#[derive(Clone, Debug)]
pub(crate) struct Lattice {
    nodes: Vec<GridPoint>,
}

impl Lattice {
    pub fn new() -> Self {
        Self { nodes: vec![GridPoint::default(); NODE_ROWS * NODE_COLUMNS] }
    }

    /// Evaluates this moment's map to end-diastolic places.
    pub fn fill(&mut self, reference: impl Fn((f64, f64)) -> (f64, f64), pose: Pose, points: &NodePoints) {
        for (node, &point) in self.nodes.iter_mut().zip(&points.0) {
            *node = Anatomy::grid(reference(pose.to_heart(point)));
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
