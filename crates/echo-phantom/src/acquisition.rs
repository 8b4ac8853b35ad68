//! How a heart was scanned. Nothing here depends on the heart.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

use crate::image_quality::ImageQuality;
use crate::phantom::Setting;
use crate::placement::Placement;
use crate::population::interpolate;
use crate::sector::{FRAME_SIZE, Sector};
use crate::site::Bands;
use crate::view::View;
use crate::window::{Shadow, Window};

/// The bands from which recordings are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// As in a clinic: window, gain, attenuation, shadows, clutter and noise vary widely.
    #[default]
    Typical,
    /// One good setting for all, hardly any noise: for quick checks that a model can learn at all.
    Easy,
    /// One of three grades, evenly drawn, each with bands of its own (see [`ImageQuality`]).
    Graded,
}

/// Overall gain, as a reader of the loop would call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gain {
    /// Too dark.
    Low,
    /// As it should be.
    Normal,
    /// Too bright.
    High,
}

impl Gain {
    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// The plane in which the heart is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// Which view it is.
    pub view: View,
    /// Share of the left ventricle's length that it shows: less than 1 when it misses the true apex (foreshortening).
    pub shown_length: f64,
}

/// Machine, probe position and recording of one loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Acquisition {
    /// The plane.
    pub plane: Plane,
    /// How well the heart could be seen.
    pub window: Window,
    /// The grade from whose bands it was drawn, if it was.
    pub image_quality: Option<ImageQuality>,
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
    /// Where the heart lies, cm right of and below the probe: its apex in apical views, in others its nearest wall.
    pub anchor: (f64, f64),
    /// Angle of the long axis against straight down, radians; positive leans the base to the right. In short axis, of the line
    /// from the anterior to the inferior wall.
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
    /// Whether the picture is shown with left and right exchanged, as some laboratories do.
    pub mirrored: bool,
    /// Picks the speckle and the patchiness of this recording.
    pub texture: u64,
}

/// (probability, number of frames), as in EchoNet-Dynamic's test set.
const FRAME_QUANTILES: [(f64, f64); 8] =
    [(0.0, 68.0), (0.05, 108.0), (0.1, 120.0), (0.25, 146.0), (0.5, 173.0), (0.75, 201.0), (0.95, 257.0), (1.0, 330.0)];

/// From where on a reader would call the gain low or high, dB.
const GAIN_NOTICED: f64 = 4.0;

impl Acquisition {
    /// Draws a recording.
    pub fn draw(stream: &mut Stream, setting: Setting) -> Self {
        Self::through(stream, setting, None)
    }

    /// Another recording in the same study: of the same patient, through the same window, by the same machine, whose gain
    /// is turned a little; the probe, the breath and the beat are new.
    pub(crate) fn another(&self, stream: &mut Stream, setting: Setting) -> Self {
        let drawn = Self::through(stream, setting, Some(self.window));
        let [before, now] = [self, &drawn].map(|recording| Placement::of(recording.plane.view));
        let drawn = Self {
            fps: self.fps,
            depth: self.depth / before.depth * now.depth,
            half_angle: self.half_angle / before.width * now.width,
            sector_apex: self.sector_apex,
            breathing_rate: self.breathing_rate,
            dynamic_range: self.dynamic_range,
            gamma: self.gamma,
            mirrored: self.mirrored,
            ..drawn
        };
        if drawn.image_quality.is_some() {
            // Every loop of a study has a grade of its own.
            return drawn;
        }
        Self {
            gain: self.gain + 0.3 * drawn.gain_swing,
            attenuation: self.attenuation,
            focus: self.focus,
            edge_loss: self.edge_loss,
            noise: self.noise,
            blood: self.blood,
            lateral_blur: self.lateral_blur,
            axial_blur: self.axial_blur,
            ..drawn
        }
    }

    /// Draws a recording through this window, or any.
    fn through(stream: &mut Stream, setting: Setting, window: Option<Window>) -> Self {
        let view = setting.views.draw(stream);
        let typical = Self::typical(stream, view, setting.site.bands(), window);
        match setting.quality {
            Quality::Typical => typical,
            Quality::Easy => typical.easy(),
            Quality::Graded => typical.graded(stream),
        }
    }

    fn typical(stream: &mut Stream, view: View, site: &Bands, window: Option<Window>) -> Self {
        let normal =
            |stream: &mut Stream, mean: f64, deviation: f64| mean + deviation * stream.normal().clamp(-2.2, 2.2);
        let fps = site.frame_rates.draw(stream);
        let drawn = Window::draw(stream);
        let window = window.unwrap_or(drawn);
        let bands = window.bands();
        let placement = Placement::of(view);
        let half_angle = stream.range(site.half_angle.0, site.half_angle.1).to_radians() * placement.width;
        let shadows = window.shadows(stream, half_angle);
        // Behind a poor window there is often too little gain to be had.
        let lost_gain = stream.range(3.0, 7.0) * f64::from(stream.uniform() < 0.5 && window == Window::Poor);
        let shown_length = stream.range(bands.shown_length.0, bands.shown_length.1);
        Self {
            // Only who looks from the apex can miss it.
            plane: Plane { view, shown_length: if view.is_apical() { shown_length } else { 1.0 } },
            window,
            image_quality: None,
            fps,
            frames: (site.duration * interpolate(&FRAME_QUANTILES, stream.uniform())).round() as usize,
            start: stream.uniform(),
            depth: stream.range(site.depth.0, site.depth.1) * placement.depth,
            half_angle,
            sector_apex: (0.5 * FRAME_SIZE as f64 + normal(stream, 0.0, 2.0), stream.range(1.0, 7.0)),
            anchor: (normal(stream, placement.right, 0.25), stream.range(placement.down.0, placement.down.1)),
            tilt: normal(stream, placement.tilt, 4.5).to_radians(),
            breathing: (normal(stream, 0.0, 0.12), normal(stream, 0.0, 0.12)),
            breathing_rate: stream.range(0.18, 0.35),
            breathing_phase: stream.range(0.0, std::f64::consts::TAU),
            gain: normal(stream, site.gain.0, site.gain.1) - lost_gain,
            gain_swing: normal(stream, 0.0, 1.2),
            attenuation: normal(stream, 0.35, 0.3),
            focus: stream.range(5.0, 11.0),
            edge_loss: stream.range(2.0, 12.0),
            noise: site.noise + stream.range(bands.noise.0, bands.noise.1),
            clutter: stream.range(bands.clutter.0, bands.clutter.1),
            blood: stream.range(-38.0, -28.0),
            dynamic_range: stream.range(site.dynamic_range.0, site.dynamic_range.1),
            gamma: stream.range(site.gamma.0, site.gamma.1),
            lateral_blur: stream.range(site.lateral_blur.0, site.lateral_blur.1),
            axial_blur: stream.range(0.55, 0.8),
            shadows,
            texture: stream.bits64(),
            mirrored: site.mirrored,
        }
    }

    fn easy(self) -> Self {
        let placement = Placement::of(self.plane.view);
        let (anchor, tilt) = match self.plane.view.is_apical() {
            true => ((0.4, 2.0), 0.0),
            false => ((placement.right, 0.5 * (placement.down.0 + placement.down.1)), placement.tilt.to_radians()),
        };
        Self {
            plane: Plane { shown_length: 1.0, ..self.plane },
            window: Window::Good,
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
            tilt,
            anchor,
            shadows: Vec::new(),
            ..self
        }
    }

    /// The overall gain in words.
    pub fn gain_class(&self) -> Gain {
        match self.gain {
            gain if gain < -GAIN_NOTICED => Gain::Low,
            gain if gain > GAIN_NOTICED => Gain::High,
            _ => Gain::Normal,
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

    fn draws(quality: Quality, count: u64) -> Vec<Acquisition> {
        let setting = Setting { quality, ..Setting::default() };
        (0..count).map(|i| Acquisition::draw(&mut Stream::new(2, "test", i), setting)).collect()
    }

    #[test]
    fn frame_rates_and_lengths_are_those_of_the_real_set() {
        let draws = draws(Quality::Typical, 4000);
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
        let easy = &draws(Quality::Easy, 1)[0];
        assert!(easy.shadows.is_empty() && easy.noise < -40.0 && easy.plane.shown_length == 1.0);
    }
}
