//! Where loops come from: the machines, the patients and the readers of one hospital, as data.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

use crate::population::Population;
use crate::reading::Reading;

/// A hospital.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    half_angle: (37.0, 43.0),
    gain: (0.0, 4.5),
    noise: 2.0,
    dynamic_range: (50.0, 63.0),
    gamma: (0.8, 1.1),
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

    /// How ejection fractions and volumes are read there. At the new site by eye, lower, and in steps of 5: the bins that
    /// few-shot draws fill are fewer, and a bin holds more videos.
    pub fn reading(self) -> Reading {
        match self {
            Self::Home => Reading::TRACED,
            Self::New => Reading { slope: 0.85, offset: 0.0, noise: 2.5, step: 5.0, volume: 0.85 },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Phantom, Purpose, Setting};

    fn phantoms(site: Site, count: u32) -> Vec<Phantom> {
        let setting = Setting { site, ..Setting::default() };
        (0..count).map(|number| Phantom::of_with(1, Purpose::Test, number, setting).unwrap()).collect()
    }

    /// Otherwise there would be nothing to learn about the new site, or its test hearts would be known from home.
    #[test]
    fn the_new_site_has_other_machines_and_other_patients() {
        let (home, new) = (phantoms(Site::Home, 300), phantoms(Site::New, 300));
        let band = |phantoms: &[Phantom], value: fn(&Phantom) -> f64| {
            let values = phantoms.iter().map(value);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
        };
        let rates = [&home, &new].map(|phantoms| band(phantoms, |phantom| f64::from(phantom.acquisition.fps)));
        assert!(rates[1].1 < rates[0].0, "{rates:?}");
        // Half a grey level of the home site's muscle is another grey there.
        let grey = |phantom: &Phantom| phantom.acquisition.gamma * 50.0 / phantom.acquisition.dynamic_range;
        let mean = |phantoms: &[Phantom]| phantoms.iter().map(grey).sum::<f64>() / 300.0;
        assert!(mean(&new) < 0.8 * mean(&home), "{} {}", mean(&new), mean(&home));
        assert!(new.iter().all(|phantom| phantom.acquisition.mirrored));
        assert!(home.iter().all(|phantom| !phantom.acquisition.mirrored));
        let reduced = |phantoms: &[Phantom]| phantoms.iter().filter(|phantom| phantom.physiology.ef < 50.0).count();
        assert!(reduced(&new) > 180 && reduced(&home) < 90, "{} {}", reduced(&new), reduced(&home));
        assert!(home.iter().zip(&new).all(|(a, b)| a.physiology.heart_rate != b.physiology.heart_rate));
    }

    #[test]
    fn a_usual_frame_rate_is_as_frequent_as_stated_and_all_others_occur() {
        for site in [Site::Home, Site::New] {
            let rates = site.bands().frame_rates;
            let drawn: Vec<u32> = (0..4000).map(|i| rates.draw(&mut Stream::new(1, "test", i))).collect();
            let usual = drawn.iter().filter(|&&rate| rate == rates.usual).count() as f64 / 4000.0;
            // Four standard errors.
            assert!((usual - rates.share).abs() < 0.03, "{usual}");
            assert!((rates.least..=rates.most).all(|rate| drawn.contains(&rate)));
            assert!(drawn.iter().all(|rate| (rates.least..=rates.most).contains(rate)));
        }
    }
}
