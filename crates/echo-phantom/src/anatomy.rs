//! The heart at end-diastole as the scanner will find it: how strongly each place scatters.
//!
//! The scatterers are a grid of complex numbers in heart coordinates (see [`crate::ventricle`]): Gaussian noise times
//! the local echo strength, which follows from the distances to borders and from the direction of surfaces.

use crate::acquisition::Acquisition;
use crate::chambers::Distances;
use crate::cut::Cut;
use crate::liver::Liver;
use crate::physiology::Physiology;
use crate::pose::Pose;
use crate::shapes::bump;
use crate::speckle::NoiseTile;

/// Grid spacing, cm.
const STEP: f64 = 0.1;
/// x of the first column, cm.
const LEFT: f64 = -11.0;
/// Level of the first row, cm.
const TOP: f64 = -4.0;
const COLUMNS: usize = 205;
const ROWS: usize = 236;

/// Echo strengths relative to muscle.
const ATRIAL_WALL: f64 = 1.3;
const PERICARDIUM: f64 = 5.0;
const SURROUNDINGS: f64 = 1.3;

/// Scatterers at their end-diastolic places.
#[derive(Clone, Debug)]
pub(crate) struct Anatomy {
    /// `[ROWS, COLUMNS, 2]`: real and imaginary parts.
    scatterers: Vec<f32>,
}

impl Anatomy {
    /// Lays out the scatterers of a heart as `acquisition` will see them: surfaces across the beam echo more
    /// strongly than surfaces along it.
    pub fn new(cut: &Cut<'_>, heart: &Physiology, acquisition: &Acquisition) -> Self {
        let landmarks = cut.landmarks();
        let liver = Liver::before(acquisition.plane.view);
        let distances: Vec<Distances> = (0..ROWS * COLUMNS)
            .map(|i| cut.distances(LEFT + STEP * (i % COLUMNS) as f64, TOP + STEP * (i / COLUMNS) as f64))
            .collect();
        let probe = Pose::probe(acquisition, heart);
        let blood = 10f64.powf(acquisition.blood / 20.0);
        Self::laid_out(acquisition.texture, |at, (x, level), patch| {
            let gradient = |field: fn(&Distances) -> f64| {
                let along = field(&distances[at + 1]) - field(&distances[at - 1]);
                let down = field(&distances[at + COLUMNS]) - field(&distances[at - COLUMNS]);
                facing((along, down), (x - probe.0, level - probe.1))
            };
            let d = &distances[at];
            // Lung, liver and fat: islands of echoes that fade away from the heart.
            let fading = 1.0 / (1.0 + (d.outside / 1.5).powi(2)) + 0.06;
            let mut haze = SURROUNDINGS * fading * (1.9 * patch - 0.4).exp2().min(5.0);
            if let Some(liver) = &liver {
                haze = liver.over(haze, x, level, patch);
            }
            strength(d, gradient(|d| d.cavity), gradient(|d| d.outside), (patch, haze), blood) + landmarks(x, level)
        })
    }

    /// Scatterers of the strength that `strength` gives each grid cell: of its index, its place and slow noise there, since no
    /// tissue is uniform. `texture` picks the speckle.
    pub fn laid_out(texture: u64, strength: impl Fn(usize, (f64, f64), f64) -> f64) -> Self {
        let speckle = NoiseTile::grainy();
        let entry = |shift: u32| (texture >> shift) as usize & 511;
        let mut scatterers = vec![0.0; ROWS * COLUMNS * 2];
        for row in 1..ROWS - 1 {
            for column in 1..COLUMNS - 1 {
                let at = row * COLUMNS + column;
                let place = (LEFT + STEP * column as f64, TOP + STEP * row as f64);
                let patch = |shift: u32, texels: f64| {
                    let (i, j) = (row as f64 / texels, column as f64 / texels);
                    speckle.between(entry(shift) as f64 + i, entry(shift + 9) as f64 + j)
                };
                // Slow variation over centimetres.
                let patch = 0.75 * patch(36, 22.0) + 0.65 * patch(27, 9.0);
                let strength = strength(at, place, patch) as f32;
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
/// `patch` is slow noise, and `haze` what is there outside the heart.
fn strength(d: &Distances, cavity_facing: f64, outside_facing: f64, (patch, haze): (f64, f64), blood: f64) -> f64 {
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
        let border = PERICARDIUM * (0.35 + 0.65 * outside_facing) * bump(d.outside - 0.14, 0.3);
        haze + border * (1.2 * patch - 0.2).exp2().min(2.0)
    };
    blood + tissue * wall
}

/// How squarely a beam meets a surface: 1 head-on, 0 grazing.
fn facing(normal: (f64, f64), beam: (f64, f64)) -> f64 {
    let dot = normal.0 * beam.0 + normal.1 * beam.1;
    let lengths = (normal.0 * normal.0 + normal.1 * normal.1) * (beam.0 * beam.0 + beam.1 * beam.1);
    (dot.abs() / lengths.sqrt().max(1e-9)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Setting;
    use crate::acquisition::Quality;
    use crate::physiology::tests::heart;
    use crate::ventricle::Side;
    use crate::view::{View, Views};
    use echo_random::Stream;

    #[test]
    fn blood_is_dark_and_muscle_is_not() {
        for view in [View::A4c, View::A2c] {
            let heart = heart(58.0, view);
            let setting = Setting { views: Views::Only(view), quality: Quality::Easy, ..Setting::default() };
            let acquisition = Acquisition::draw(&mut Stream::new(1, "test", 0), setting);
            let anatomy = Anatomy::new(&Cut::new(&heart), &heart, &acquisition);
            let power = |x: f64, level: f64| {
                let around = (0..60).map(|i| level + 0.03 * (f64::from(i) - 30.0));
                let samples = around.map(|level| anatomy.sample(Anatomy::grid((x, level))));
                samples.map(|[re, im]| re * re + im * im).sum::<f32>()
            };
            let v = &heart.ventricle;
            let blood = power(-0.3, 0.4 * v.length);
            let wall = -v.relaxed_half_width(Side::Left, 0.6 * v.length) - 0.5 * v.left_wall;
            let muscle = power(wall, 0.6 * v.length);
            assert!(muscle > 100.0 * blood, "{view:?}: {muscle} {blood}");
        }
    }
}
