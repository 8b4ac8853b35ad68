//! The scanner: from scatterers to grey levels along beams.
//!
//! Each sample adds the complex scatterers found there to noise and clutter; the pulse (along the beam) and the
//! beam's width (across) blur them; the logarithm of the power is the grey level.

use crate::acquisition::Acquisition;
use crate::anatomy::{Anatomy, GridPoint};
use crate::lattice::Lattice;
use crate::pose::Pose;
use crate::sector::{BEAMS, SAMPLES, ScanConverter, Sector};
use crate::speckle::{NoiseTile, TILE};
use crate::valves::Echo;

/// Zeros at both ends of a row of beams, so that blurring needs no special case there.
const PAD: usize = 4;
const STRIDE: usize = BEAMS + 2 * PAD;
/// Reach of the blur across beams, in beams.
const REACH: usize = 3;
/// Share of the dynamic range at which muscle lies.
const MUSCLE_LEVEL: f64 = 0.53;
/// Decibels in a factor of two of power.
const DB_PER_OCTAVE: f64 = 3.010_299_956_639_812;

/// Everything about a recording that does not change from frame to frame.
#[derive(Debug)]
pub(crate) struct Scanner {
    sector: Sector,
    converter: ScanConverter,
    /// Grey levels per octave of power.
    contrast: f32,
    /// Grey level of unit power, `[SAMPLES, BEAMS]`.
    gain: Vec<f32>,
    /// Grey levels that an extra decibel adds.
    per_db: f32,
    clutter: [Vec<f32>; 2],
    /// Of each sample.
    noise: Vec<f32>,
    /// Of each sample: weights of the beams 0, 1, 2 and 3 away.
    lateral: Vec<[f32; REACH + 1]>,
    /// Weights of the samples 0, 1 and 2 away.
    axial: [f32; 3],
    curve: [u8; 256],
    planes: [Vec<f32>; 2],
    blurred: [Vec<f32>; 2],
    levels: Vec<f32>,
}

impl Scanner {
    pub fn new(acquisition: &Acquisition) -> Self {
        let sector = acquisition.sector();
        let per_db = 255.0 / acquisition.dynamic_range;
        let mut gain = Vec::with_capacity(SAMPLES * BEAMS);
        let mut clutter = [vec![0.0; SAMPLES * STRIDE], vec![0.0; SAMPLES * STRIDE]];
        let grain = NoiseTile::grainy();
        let entry = |shift: u32| (acquisition.texture >> shift) as usize & (TILE - 1);
        let clutter_strength = 10f64.powf(acquisition.clutter / 20.0);
        for sample in 0..SAMPLES {
            let radius = sector.radius(sample as f64);
            let focusing = -0.03 * (radius - acquisition.focus).powi(2).min(60.0);
            // Reverberations in the chest wall, strong at the probe and gone a few centimetres into the heart.
            let haze = clutter_strength * (-(radius / 2.6).powi(2)).exp() + 1.5 * (-(radius / 0.7).powi(2)).exp();
            for beam in 0..BEAMS {
                let angle = sector.angle(beam as f64);
                let steering = angle / sector.half_angle;
                let mut db = acquisition.gain + focusing - acquisition.attenuation * (radius - 8.0);
                db -= acquisition.edge_loss * steering.powi(4);
                // Slow variation from beam to beam: contact of the probe with the skin.
                db += 1.5 * grain.between(entry(20) as f64, entry(28) as f64 + beam as f64 / 9.0);
                db -= acquisition.shadows.iter().map(|shadow| shadow.loss_at(angle, radius)).sum::<f64>();
                gain.push((per_db * (db + MUSCLE_LEVEL * acquisition.dynamic_range)) as f32);
                for (part, plane) in clutter.iter_mut().enumerate() {
                    let speckle = grain.at(entry(7) + 3 * sample, entry(13) + 200 * part + beam);
                    plane[sample * STRIDE + PAD + beam] = haze as f32 * speckle;
                }
            }
        }
        let noise = (0..SAMPLES)
            .map(|sample| 10f64.powf((acquisition.noise + 0.9 * (sector.radius(sample as f64) - 10.0)) / 20.0) as f32)
            .collect();
        let lateral = (0..SAMPLES)
            .map(|sample| {
                let off_focus = (sector.radius(sample as f64) - acquisition.focus).abs();
                let width = (acquisition.lateral_blur * (1.0 + 0.05 * off_focus)).min(1.7);
                kernel::<{ REACH + 1 }>(width)
            })
            .collect();
        let curve = std::array::from_fn(|level| (255.0 * (level as f64 / 255.0).powf(acquisition.gamma)).round() as u8);
        let plane = || vec![0.0; SAMPLES * STRIDE];
        Self {
            sector,
            converter: ScanConverter::new(&sector),
            contrast: (per_db * DB_PER_OCTAVE) as f32,
            gain,
            per_db: per_db as f32,
            clutter,
            noise,
            lateral,
            axial: kernel(acquisition.axial_blur),
            curve,
            planes: [plane(), plane()],
            blurred: [plane(), plane()],
            levels: vec![0.0; SAMPLES * BEAMS],
        }
    }

    /// Scans one moment. `noise` picks this frame's receiver noise and `extra_gain` is in dB.
    pub fn scan(
        &mut self,
        anatomy: &Anatomy,
        lattice: &Lattice,
        (echoes, pose): (&[Echo], Pose),
        noise: u64,
        extra_gain: f64,
    ) {
        self.collect(anatomy, lattice, noise);
        for echo in echoes {
            self.add(*echo, pose);
        }
        for part in 0..2 {
            self.blur(part);
        }
        self.compress(extra_gain as f32);
    }

    /// What was scanned last, as a frame of `FRAME_SIZE` squared pixels.
    pub fn picture(&self, frame: &mut [u8]) {
        self.converter.convert(&self.levels, &self.curve, frame);
    }

    /// What was scanned last along one beam, from the probe on.
    pub fn beam(&self, beam: usize) -> impl Iterator<Item = u8> + '_ {
        (0..SAMPLES).map(move |sample| self.curve[(self.levels[sample * BEAMS + beam] + 0.5) as usize])
    }

    fn collect(&mut self, anatomy: &Anatomy, lattice: &Lattice, noise: u64) {
        let white = NoiseTile::white();
        let mut places = [GridPoint::default(); BEAMS];
        let [real, imaginary] = &mut self.planes;
        // Rows of the tile are entered at a column that leaves room for a whole row of beams.
        let column = (noise >> 40) as usize % (TILE - BEAMS);
        let rows = [noise as usize & (TILE - 1), (noise >> 12) as usize & (TILE - 1)];
        for sample in 0..SAMPLES {
            lattice.row(sample, &mut places);
            let span = sample * STRIDE + PAD..sample * STRIDE + PAD + BEAMS;
            let level = self.noise[sample];
            let noise_of = |part: usize| &white.row(rows[part] + sample)[column..column + BEAMS];
            let (real, imaginary) = (&mut real[span.clone()], &mut imaginary[span.clone()]);
            let (noise_real, noise_imaginary) = (noise_of(0), noise_of(1));
            let (clutter_real, clutter_imaginary) = (&self.clutter[0][span.clone()], &self.clutter[1][span]);
            // Gathering and adding apart: the second loop then runs on whole vectors.
            for (beam, place) in places.iter().enumerate() {
                [real[beam], imaginary[beam]] = anatomy.sample(*place);
            }
            for (beam, value) in real.iter_mut().enumerate() {
                *value += clutter_real[beam] + level * noise_real[beam];
            }
            for (beam, value) in imaginary.iter_mut().enumerate() {
                *value += clutter_imaginary[beam] + level * noise_imaginary[beam];
            }
        }
    }

    /// Spreads a point scatterer over the four samples around it.
    fn add(&mut self, echo: Echo, pose: Pose) {
        let (sample, beam) = self.sector.sample_and_beam(pose.to_sector((echo.x, echo.level)));
        if !(0.0..(SAMPLES - 1) as f64).contains(&sample) || !(0.0..(BEAMS - 1) as f64).contains(&beam) {
            return;
        }
        let (i, j) = (sample as usize, beam as usize);
        let (u, v) = ((sample - i as f64) as f32, (beam - j as f64) as f32);
        let at = i * STRIDE + PAD + j;
        let grain = NoiseTile::grainy();
        for (part, plane) in self.planes.iter_mut().enumerate() {
            // Half steady, half speckle: a leaflet is a surface, not a cloud.
            let value = echo.strength as f32 * (0.6 * (1 - part) as f32 + 0.5 * grain.at(echo.label, 64 + 128 * part));
            plane[at] += (1.0 - u) * (1.0 - v) * value;
            plane[at + 1] += (1.0 - u) * v * value;
            plane[at + STRIDE] += u * (1.0 - v) * value;
            plane[at + STRIDE + 1] += u * v * value;
        }
    }

    fn blur(&mut self, part: usize) {
        let (plane, blurred) = (&mut self.planes[part], &mut self.blurred[part]);
        for sample in 0..SAMPLES {
            let [w0, w1, w2, w3] = self.lateral[sample];
            let row: &[f32; STRIDE] = plane[sample * STRIDE..].first_chunk().expect("a plane has all rows");
            let out = &mut blurred[sample * STRIDE + PAD..sample * STRIDE + PAD + BEAMS];
            for (beam, out) in out.iter_mut().enumerate() {
                let at = beam + PAD;
                *out = w0 * row[at]
                    + w1 * (row[at - 1] + row[at + 1])
                    + w2 * (row[at - 2] + row[at + 2])
                    + w3 * (row[at - 3] + row[at + 3]);
            }
        }
        let [w0, w1, w2] = self.axial;
        let row = |sample: usize| &blurred[sample * STRIDE..(sample + 1) * STRIDE];
        for sample in 0..SAMPLES {
            // The first and last two samples repeat the edge.
            let [b, a] = [1, 2].map(|back| row(sample.saturating_sub(back)));
            let [d, e] = [1, 2].map(|ahead| row((sample + ahead).min(SAMPLES - 1)));
            let c = row(sample);
            let out = &mut plane[sample * STRIDE..(sample + 1) * STRIDE];
            for (i, out) in out.iter_mut().enumerate() {
                *out = w0 * c[i] + w1 * (b[i] + d[i]) + w2 * (a[i] + e[i]);
            }
        }
    }

    fn compress(&mut self, extra_gain: f32) {
        let extra = self.per_db * extra_gain;
        for sample in 0..SAMPLES {
            let span = sample * STRIDE + PAD..sample * STRIDE + PAD + BEAMS;
            let (real, imaginary) = (&self.planes[0][span.clone()], &self.planes[1][span]);
            let row = sample * BEAMS..(sample + 1) * BEAMS;
            let levels = self.levels[row.clone()].iter_mut().zip(&self.gain[row]);
            for ((level, gain), (re, im)) in levels.zip(real.iter().zip(imaginary)) {
                // Muscle's power is about 2: a real and an imaginary part of variance 1 each.
                let power = 0.5 * (re * re + im * im) + 1e-9;
                *level = (self.contrast * log2(power) + gain + extra).clamp(0.0, 255.0);
            }
        }
    }
}

/// Half of a Gaussian of this standard deviation, scaled so that blurring noise keeps its power.
fn kernel<const N: usize>(deviation: f64) -> [f32; N] {
    let weight = |i: usize| (-0.5 * (i as f64 / deviation).powi(2)).exp();
    let power = 2.0 * (0..N).map(|i| weight(i).powi(2)).sum::<f64>() - 1.0;
    std::array::from_fn(|i| (weight(i) / power.sqrt()) as f32)
}

/// Logarithm of a positive, normal number to base 2, off by at most 0.01: the exponent's bits and a parabola.
#[inline]
fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = ((bits >> 23) as i32 - 127) as f32;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    exponent + (-0.336 * mantissa + 2.0) * mantissa - 1.658
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_is_close_enough_for_grey_levels() {
        for i in 1..4000 {
            let x = 1e-9 * 1.01f32.powi(i % 3000);
            // 0.01 octaves are 0.03 dB, a sixth of a grey level.
            assert!((log2(x) - x.log2()).abs() < 0.011, "{x}: {} {}", log2(x), x.log2());
        }
    }

    #[test]
    fn blur_keeps_the_power_of_noise() {
        for deviation in [0.6, 1.0, 1.6] {
            let half: [f32; 4] = kernel(deviation);
            let power = half[0].powi(2) + 2.0 * half[1..].iter().map(|w| w * w).sum::<f32>();
            assert!((power - 1.0).abs() < 1e-5);
        }
    }
}
