//! The sector: where beams and samples lie, and how they become pixels.

/// Width and height of a frame in pixels.
pub const FRAME_SIZE: usize = 112;

/// Beams in the sector.
pub(crate) const BEAMS: usize = 84;

/// Samples along a beam.
pub(crate) const SAMPLES: usize = 108;

/// A sector that opens downwards. Physical coordinates are in cm from its apex: x to the right, y down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sector {
    /// Pixel of the apex.
    pub apex: (f64, f64),
    /// Radius, cm.
    pub depth: f64,
    /// Half of the opening angle, radians.
    pub half_angle: f64,
}

impl Sector {
    /// The lowest point of the arc touches the last row.
    pub fn cm_per_pixel(&self) -> f64 {
        self.depth / ((FRAME_SIZE - 1) as f64 - self.apex.1)
    }

    /// Pixel coordinates of a physical point.
    pub fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.apex.0 + x / self.cm_per_pixel(), self.apex.1 + y / self.cm_per_pixel())
    }

    /// Depth of a (fractional) sample, cm.
    pub fn radius(&self, sample: f64) -> f64 {
        (sample + 0.5) * self.depth / SAMPLES as f64
    }

    /// Steering angle of a (fractional) beam, radians.
    pub fn angle(&self, beam: f64) -> f64 {
        self.half_angle * (2.0 * beam / (BEAMS - 1) as f64 - 1.0)
    }

    /// Physical point at a (fractional) sample and beam.
    pub fn point(&self, sample: f64, beam: f64) -> (f64, f64) {
        let (sin, cos) = self.angle(beam).sin_cos();
        (self.radius(sample) * sin, self.radius(sample) * cos)
    }

    /// Fractional sample and beam of a physical point; possibly outside the sector.
    pub fn sample_and_beam(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let sample = (x * x + y * y).sqrt() * SAMPLES as f64 / self.depth - 0.5;
        let beam = 0.5 * (x.atan2(y) / self.half_angle + 1.0) * (BEAMS - 1) as f64;
        (sample, beam)
    }
}

/// For each pixel inside the sector, the four samples around it and their weights.
#[derive(Clone, Debug)]
pub(crate) struct ScanConverter {
    taps: Vec<Tap>,
}

#[derive(Clone, Copy, Debug)]
struct Tap {
    pixel: u32,
    /// Index of the upper left sample in `[SAMPLES, BEAMS]`.
    sample: u32,
    weights: [f32; 4],
}

impl ScanConverter {
    pub fn new(sector: &Sector) -> Self {
        let mut taps = Vec::new();
        for row in 0..FRAME_SIZE {
            for column in 0..FRAME_SIZE {
                let scale = sector.cm_per_pixel();
                let point = ((column as f64 - sector.apex.0) * scale, (row as f64 - sector.apex.1) * scale);
                let (sample, beam) = sector.sample_and_beam(point);
                let inside =
                    (0.0..=(SAMPLES - 1) as f64).contains(&sample) && (0.0..=(BEAMS - 1) as f64).contains(&beam);
                if !inside || point.1 <= 0.0 {
                    continue;
                }
                let (i, j) = ((sample as usize).min(SAMPLES - 2), (beam as usize).min(BEAMS - 2));
                let (u, v) = ((sample - i as f64) as f32, (beam - j as f64) as f32);
                taps.push(Tap {
                    pixel: (row * FRAME_SIZE + column) as u32,
                    sample: (i * BEAMS + j) as u32,
                    weights: [(1.0 - u) * (1.0 - v), (1.0 - u) * v, u * (1.0 - v), u * v],
                });
            }
        }
        Self { taps }
    }

    /// Writes grey levels `[SAMPLES, BEAMS]` (0 to 255) into a frame, through `curve`; pixels outside the sector are
    /// left alone.
    pub fn convert(&self, levels: &[f32], curve: &[u8; 256], frame: &mut [u8]) {
        for tap in &self.taps {
            let at = tap.sample as usize;
            let [a, b, c, d] = tap.weights;
            let (upper, lower) = (&levels[at..at + 2], &levels[at + BEAMS..at + BEAMS + 2]);
            let level = a * upper[0] + b * upper[1] + c * lower[0] + d * lower[1];
            frame[tap.pixel as usize] = curve[(level + 0.5) as u8 as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector() -> Sector {
        Sector { apex: (54.0, 4.0), depth: 16.0, half_angle: 0.7 }
    }

    #[test]
    fn points_and_samples_are_inverses() {
        let sector = sector();
        for (sample, beam) in [(0.0, 0.0), (30.5, 10.25), (107.0, 83.0)] {
            let (s, b) = sector.sample_and_beam(sector.point(sample, beam));
            assert!((s - sample).abs() < 1e-9 && (b - beam).abs() < 1e-9, "{s} {b}");
        }
    }

    #[test]
    fn conversion_keeps_a_ramp_and_leaves_the_outside_black() {
        let sector = sector();
        let levels: Vec<f32> = (0..SAMPLES * BEAMS).map(|i| (i / BEAMS) as f32 * 2.0).collect();
        let identity: [u8; 256] = std::array::from_fn(|i| i as u8);
        let mut frame = vec![0; FRAME_SIZE * FRAME_SIZE];
        ScanConverter::new(&sector).convert(&levels, &identity, &mut frame);
        assert_eq!(frame[60 * FRAME_SIZE], 0);
        assert_eq!(frame[0], 0);
        for row in [20usize, 60, 100] {
            let radius = (row as f64 - 4.0) * sector.cm_per_pixel();
            let expected = 2.0 * (radius * SAMPLES as f64 / sector.depth - 0.5);
            // Rounded to whole grey levels.
            assert!((f64::from(frame[row * FRAME_SIZE + 54]) - expected).abs() <= 0.51, "{row}");
        }
    }
}
