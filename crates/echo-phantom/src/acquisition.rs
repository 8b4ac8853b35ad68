//! How a heart was scanned. Nothing here depends on the heart.

use echo_random::Stream;

use crate::population::interpolate;
use crate::sector::{FRAME_SIZE, Sector};

/// How good the recordings are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quality {
    /// As in a clinic: gain, attenuation, shadows, clutter and noise vary widely.
    #[default]
    Typical,
    /// One good setting for all, hardly any noise: for quick checks that a model can learn at all.
    Easy,
}

/// Beams that see less: a rib or lung in front of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shadow {
    /// Steering angle of its middle, radians.
    pub angle: f64,
    /// Half-width, radians.
    pub half_width: f64,
    /// Depth at which it has half of its effect, cm.
    pub depth: f64,
    /// Loss behind it, dB.
    pub loss: f64,
}

/// Machine, probe position and recording of one loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Acquisition {
    /// Frames a second, the same number in the video's header and in the table.
    pub fps: u32,
    /// Number of frames; raised in the recording when it would not last 1.5 beats.
    pub frames: usize,
    /// Where in the beat the recording starts, as a share of the beat.
    pub start: f64,
    /// Depth that the sector shows, cm.
    pub depth: f64,
    /// Half of the sector's opening angle, radians.
    pub half_angle: f64,
    /// Pixel `(x, y)` of the sector's apex.
    pub sector_apex: (f64, f64),
    /// Where the heart's apex lies, cm right of and below the probe.
    pub heart_apex: (f64, f64),
    /// Angle of the long axis against straight down, radians; positive leans the base to the right.
    pub tilt: f64,
    /// The heart slides sideways and in depth by up to these distances with breathing, cm.
    pub breathing: (f64, f64),
    /// Breaths a second.
    pub breathing_rate: f64,
    /// Phase of breathing at the start, radians.
    pub breathing_phase: f64,
    /// Overall gain, dB.
    pub gain: f64,
    /// Gain rises and falls with breathing by this much, dB.
    pub gain_swing: f64,
    /// Loss with depth that the machine does not make up for, dB/cm.
    pub attenuation: f64,
    /// Depth of the transmit focus, cm.
    pub focus: f64,
    /// Loss at the edges of the sector, dB.
    pub edge_loss: f64,
    /// Level of the noise at 10 cm, dB below muscle.
    pub noise: f64,
    /// Strength of the still haze in front of the probe, dB relative to muscle.
    pub clutter: f64,
    /// Echo level of blood, dB relative to muscle.
    pub blood: f64,
    /// Range of echo levels between black and white, dB.
    pub dynamic_range: f64,
    /// Exponent of the grey curve.
    pub gamma: f64,
    /// Width of the beam at the focus, in beams.
    pub lateral_blur: f64,
    /// Length of the pulse, in samples along the beam.
    pub axial_blur: f64,
    /// Beams that see less.
    pub shadows: Vec<Shadow>,
    /// Picks the speckle and the patchiness of this recording.
    pub texture: u64,
}

/// (probability, number of frames), as in EchoNet-Dynamic's test set.
const FRAME_QUANTILES: [(f64, f64); 8] =
    [(0.0, 68.0), (0.05, 108.0), (0.1, 120.0), (0.25, 146.0), (0.5, 173.0), (0.75, 201.0), (0.95, 257.0), (1.0, 330.0)];

impl Acquisition {
    /// Draws a recording.
    pub fn draw(stream: &mut Stream, quality: Quality) -> Self {
        let fps = if stream.uniform() < 0.8 {
            50
        } else {
            // 43 to 62 without 50.
            let other = 43 + stream.below(19) as u32;
            if other < 50 { other } else { other + 1 }
        };
        let normal =
            |stream: &mut Stream, mean: f64, deviation: f64| mean + deviation * stream.normal().clamp(-2.2, 2.2);
        let half_angle = stream.range(38.0, 46.0).to_radians();
        let shadows = (0..stream.below(4))
            .map(|_| Shadow {
                angle: stream.range(-1.1, 1.1) * half_angle,
                half_width: stream.range(2.5, 9.0).to_radians(),
                depth: stream.range(0.5, 8.0),
                loss: stream.range(3.0, 16.0),
            })
            .collect();
        let typical = Self {
            fps,
            frames: interpolate(&FRAME_QUANTILES, stream.uniform()).round() as usize,
            start: stream.uniform(),
            depth: stream.range(15.0, 18.6),
            half_angle,
            sector_apex: (0.5 * FRAME_SIZE as f64 + normal(stream, 0.0, 2.0), stream.range(1.0, 7.0)),
            heart_apex: (normal(stream, 0.35, 0.25), stream.range(1.7, 2.7)),
            tilt: normal(stream, 1.0, 4.5).to_radians(),
            breathing: (normal(stream, 0.0, 0.12), normal(stream, 0.0, 0.12)),
            breathing_rate: stream.range(0.18, 0.35),
            breathing_phase: stream.range(0.0, std::f64::consts::TAU),
            gain: normal(stream, 0.0, 4.5),
            gain_swing: normal(stream, 0.0, 1.2),
            attenuation: normal(stream, 0.35, 0.3),
            focus: stream.range(5.0, 11.0),
            edge_loss: stream.range(2.0, 12.0),
            noise: stream.range(-36.0, -20.0),
            clutter: stream.range(-22.0, -4.0),
            blood: stream.range(-38.0, -28.0),
            dynamic_range: stream.range(42.0, 58.0),
            gamma: stream.range(1.0, 1.6),
            lateral_blur: stream.range(0.9, 1.5),
            axial_blur: stream.range(0.55, 0.8),
            shadows,
            texture: stream.bits64(),
        };
        match quality {
            Quality::Typical => typical,
            Quality::Easy => Self {
                breathing: (0.0, 0.0),
                gain: 0.0,
                gain_swing: 0.0,
                attenuation: 0.3,
                edge_loss: 4.0,
                noise: -45.0,
                clutter: -24.0,
                blood: -38.0,
                dynamic_range: 48.0,
                gamma: 1.2,
                lateral_blur: 1.0,
                axial_blur: 0.6,
                tilt: 0.0,
                heart_apex: (0.4, 2.0),
                shadows: Vec::new(),
                ..typical
            },
        }
    }

    /// Gain on top of the overall one, `time` seconds into the recording, dB.
    pub(crate) fn gain_at(&self, time: f64) -> f64 {
        self.gain_swing * self.breath(time)
    }

    /// Breathing, -1 to 1, `time` seconds into the recording.
    pub(crate) fn breath(&self, time: f64) -> f64 {
        (std::f64::consts::TAU * self.breathing_rate * time + self.breathing_phase).sin()
    }

    /// Where the sector lies in the frame.
    pub(crate) fn sector(&self) -> Sector {
        Sector { apex: self.sector_apex, depth: self.depth, half_angle: self.half_angle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates_and_lengths_are_those_of_the_real_set() {
        let draws: Vec<Acquisition> =
            (0..4000).map(|i| Acquisition::draw(&mut Stream::new(2, "test", i), Quality::Typical)).collect();
        let share = |matches: &dyn Fn(&Acquisition) -> bool| {
            draws.iter().filter(|draw| matches(draw)).count() as f64 / draws.len() as f64
        };
        // Four standard errors of 4,000 draws.
        assert!((share(&|a| a.fps == 50) - 0.8).abs() < 0.026);
        assert_eq!(share(&|a| (43..=62).contains(&a.fps)), 1.0);
        assert!((share(&|a| (108..=257).contains(&a.frames)) - 0.9).abs() < 0.02);
    }

    #[test]
    fn easy_recordings_have_no_shadows_and_little_noise() {
        let easy = Acquisition::draw(&mut Stream::new(2, "test", 1), Quality::Easy);
        assert!(easy.shadows.is_empty() && easy.noise < -40.0);
    }
}
