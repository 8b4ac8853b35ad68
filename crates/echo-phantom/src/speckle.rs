//! One tile of Gaussian noise with a short correlation, from which tissue, clutter and receiver noise are cut.
//!
//! Drawing fresh noise for every texel of every phantom would take longer than rendering it; a tile of a quarter
//! of a million values, entered at a random place, looks no different.

use std::sync::OnceLock;

use echo_random::Stream;

/// Side of the tile; a power of two, so that wrapping is a mask.
pub(crate) const TILE: usize = 512;

/// Periodic noise with mean 0 and variance 1.
#[derive(Debug)]
pub(crate) struct NoiseTile {
    values: Vec<f32>,
}

impl NoiseTile {
    /// White noise: receiver noise.
    pub fn white() -> &'static Self {
        static TILE_WHITE: OnceLock<NoiseTile> = OnceLock::new();
        TILE_WHITE.get_or_init(|| Self::draw("phantom/noise"))
    }

    /// Noise that neighbours share: scatterers, which must survive being sampled between grid points.
    pub fn grainy() -> &'static Self {
        static TILE_GRAINY: OnceLock<NoiseTile> = OnceLock::new();
        TILE_GRAINY.get_or_init(|| Self::draw("phantom/speckle").smoothed())
    }

    fn draw(purpose: &str) -> Self {
        // The tile is the same for all seeds: what a seed picks is the place where it is entered.
        let mut stream = Stream::new(0, purpose, 0);
        Self { values: (0..TILE * TILE).map(|_| stream.normal() as f32).collect() }
    }

    /// Blurred by (1 2 1) both ways and scaled back to variance 1.
    fn smoothed(&self) -> Self {
        let at = |row: usize, column: usize| f64::from(self.at(row, column));
        let mut values = Vec::with_capacity(TILE * TILE);
        for row in 0..TILE {
            for column in 0..TILE {
                let mut sum = 0.0;
                for (i, vertical) in [1.0, 2.0, 1.0].into_iter().enumerate() {
                    for (j, horizontal) in [1.0, 2.0, 1.0].into_iter().enumerate() {
                        sum += vertical * horizontal * at(row + TILE + i - 1, column + TILE + j - 1);
                    }
                }
                // The squares of 1 2 1 sum to 6, so the weights' squares to 36.
                values.push((sum / 6.0) as f32);
            }
        }
        Self { values }
    }

    /// The value at a row and column, both periodic.
    #[inline]
    pub fn at(&self, row: usize, column: usize) -> f32 {
        self.values[(row & (TILE - 1)) * TILE + (column & (TILE - 1))]
    }

    /// A whole row, periodic in the row number.
    #[inline]
    pub fn row(&self, row: usize) -> &[f32] {
        let start = (row & (TILE - 1)) * TILE;
        &self.values[start..start + TILE]
    }

    /// Between the values, periodic; `row` and `column` are not negative.
    pub fn between(&self, row: f64, column: f64) -> f64 {
        let (i, j) = (row as usize, column as usize);
        let (u, v) = (row - i as f64, column - j as f64);
        let at = |i, j| f64::from(self.at(i, j));
        (1.0 - u) * ((1.0 - v) * at(i, j) + v * at(i, j + 1)) + u * ((1.0 - v) * at(i + 1, j) + v * at(i + 1, j + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_have_mean_zero_and_variance_one() {
        for tile in [NoiseTile::white(), NoiseTile::grainy()] {
            let n = tile.values.len() as f32;
            let mean = tile.values.iter().sum::<f32>() / n;
            let variance = tile.values.iter().map(|x| x * x).sum::<f32>() / n;
            // Six standard errors of the smoothed tile, whose values are worth a fifth as many draws.
            assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
        }
    }

    #[test]
    fn tiles_repeat_without_a_seam_and_interpolate() {
        let tile = NoiseTile::grainy();
        assert_eq!(tile.at(TILE + 3, 2 * TILE + 5), tile.at(3, 5));
        assert_eq!(tile.row(TILE + 1)[7], tile.at(1, 7));
        let middle = tile.between(3.0, 5.5);
        assert!((middle - 0.5 * f64::from(tile.at(3, 5) + tile.at(3, 6))).abs() < 1e-6);
    }
}
