//! Where loops come from: the machines, the patients and the readers of one hospital, as data.

use echo_random::Stream;

use crate::population::Population;
use crate::reading::Reading;

/// A hospital.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Site {
    /// Where nano weights were trained.
    #[default]
    Home,
    /// Another hospital: what differs there can be learnt from its labels.
    New,
}

/// The bands from which a site's recordings are drawn, where sites differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bands {
    pub frame_rates: FrameRates,
    /// Length of its recordings in frames, against those of EchoNet-Dynamic.
    pub duration: f64,
    /// Depth of the sector, cm.
    pub depth: (f64, f64),
    /// Half of the sector's opening angle, degrees.
    pub half_angle: (f64, f64),
    /// Mean and standard deviation of the gain, dB.
    pub gain: (f64, f64),
    /// Noise on top of the window's, dB.
    pub noise: f64,
    /// Range of echo levels between black and white, dB.
    pub dynamic_range: (f64, f64),
    /// Exponent of the grey curve.
    pub gamma: (f64, f64),
    /// Width of the beam at the focus, in beams.
    pub lateral_blur: (f64, f64),
    /// Whether its pictures show the left ventricle on the left.
    pub mirrored: bool,
}

/// Frames a second: one rate in most recordings, any other from the least to the most in the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameRates {
    pub usual: u32,
    pub share: f64,
    pub least: u32,
    pub most: u32,
}

impl FrameRates {
    pub fn draw(self, stream: &mut Stream) -> u32 {
        if stream.uniform() < self.share {
            return self.usual;
        }
        // From the least to the most without the usual one.
        let other = self.least + stream.below((self.most - self.least) as usize) as u32;
        if other < self.usual { other } else { other + 1 }
    }
}

const HOME: Bands = Bands {
    frame_rates: FrameRates { usual: 50, share: 0.8, least: 43, most: 62 },
    duration: 1.0,
    depth: (15.0, 18.6),
    half_angle: (38.0, 46.0),
    gain: (0.0, 4.5),
    noise: 0.0,
    dynamic_range: (42.0, 58.0),
    gamma: (1.0, 1.6),
    lateral_blur: (0.9, 1.5),
    mirrored: false,
};

const NEW: Bands = Bands {
    frame_rates: FrameRates { usual: 30, share: 0.7, least: 25, most: 34 },
    duration: 0.55,
    depth: (17.0, 20.5),
    half_angle: (34.0, 40.0),
    gain: (3.0, 4.0),
    noise: 2.0,
    dynamic_range: (62.0, 78.0),
    gamma: (0.6, 0.9),
    lateral_blur: (1.1, 1.6),
    mirrored: true,
};

impl Site {
    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::New => "new",
        }
    }

    /// The patients as they come.
    pub fn patients(self) -> Population {
        match self {
            Self::Home => Population::Natural,
            Self::New => Population::HeartFailure,
        }
    }

    /// How ejection fractions and volumes are read there.
    pub fn reading(self) -> Reading {
        match self {
            Self::Home => Reading::TRACED,
            Self::New => Reading { slope: 0.85, offset: 2.0, noise: 2.5, step: 5.0, volume: 0.85 },
        }
    }

    pub(crate) fn bands(self) -> &'static Bands {
        match self {
            Self::Home => &HOME,
            Self::New => &NEW,
        }
    }

    /// The index in all streams of random draws of what has this one at home: sites share no patients.
    pub(crate) fn index(self, index: u64) -> u64 {
        (self as u64) << 56 | index
    }
}
