//! Quality of the picture by construction: a grade is drawn first, and what the machine and the window do follows from it.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

use crate::acquisition::Acquisition;
use crate::window::{Shadow, Window};

/// Quality of the picture, as a reader would grade it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageQuality {
    /// Two or more of: gain far off, much of the sector lost, strong noise, a broad beam, lost depth.
    Poor,
    /// One wall in shadow, some noise and haze.
    Medium,
    /// All borders are seen.
    Good,
}

/// What spoils a poor picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    /// Far too dark or far too bright.
    Gain,
    /// Lung or lost contact: parts of the sector stay black.
    CutOff,
    /// Noise as strong as muscle.
    Noise,
    /// A broad beam and a long pulse, and haze over the near field.
    Blur,
    /// Little comes back from deep tissue.
    Depth,
}

impl Defect {
    const ALL: [Self; 5] = [Self::Gain, Self::CutOff, Self::Noise, Self::Blur, Self::Depth];
}

impl ImageQuality {
    /// All grades, the worst first.
    pub const ALL: [Self; 3] = [Self::Poor, Self::Medium, Self::Good];

    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Poor => "poor",
            Self::Medium => "medium",
            Self::Good => "good",
        }
    }
}

impl Acquisition {
    /// The recording with a quality that is drawn by grade; the place of the heart and the machine stay.
    pub(crate) fn graded(self, stream: &mut Stream) -> Self {
        let grade = ImageQuality::ALL[stream.below(3)];
        let side = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
        let mut range = |low: f64, high: f64| stream.range(low, high);
        let good = Self {
            image_quality: Some(grade),
            window: Window::Good,
            gain: range(-2.0, 2.0),
            gain_swing: range(-0.6, 0.6),
            attenuation: range(0.1, 0.4),
            edge_loss: range(2.0, 6.0),
            noise: range(-42.0, -36.0),
            clutter: range(-26.0, -18.0),
            blood: range(-38.0, -32.0),
            lateral_blur: range(0.8, 1.0),
            axial_blur: range(0.5, 0.6),
            shadows: Vec::new(),
            ..self
        };
        match grade {
            ImageQuality::Good => good,
            ImageQuality::Medium => Self {
                window: Window::Fair,
                gain: side * range(2.5, 5.0),
                noise: range(-27.0, -23.0),
                clutter: range(-12.0, -7.0),
                lateral_blur: range(1.25, 1.45),
                axial_blur: range(0.75, 0.9),
                edge_loss: range(8.0, 13.0),
                attenuation: range(0.5, 0.8),
                shadows: vec![Shadow {
                    angle: side * range(0.35, 0.7) * good.half_angle,
                    half_width: range(6.0, 10.0).to_radians(),
                    depth: range(2.0, 4.0),
                    loss: range(9.0, 14.0),
                }],
                ..good
            },
            ImageQuality::Poor => {
                let mut defects = Defect::ALL;
                stream.shuffle(&mut defects);
                let count = 3 + stream.below(2);
                defects[..count].iter().fold(good.spoiled(stream), |picture, defect| picture.with(*defect, stream))
            }
        }
    }

    /// What all poor pictures have.
    fn spoiled(self, stream: &mut Stream) -> Self {
        Self {
            window: Window::Poor,
            noise: stream.range(-23.0, -19.0),
            clutter: stream.range(-8.0, -4.0),
            lateral_blur: stream.range(1.5, 1.6),
            axial_blur: stream.range(0.9, 1.1),
            edge_loss: stream.range(10.0, 16.0),
            ..self
        }
    }

    fn with(mut self, defect: Defect, stream: &mut Stream) -> Self {
        let side = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
        match defect {
            Defect::Gain => self.gain = if side < 0.0 { stream.range(-14.0, -10.0) } else { stream.range(9.0, 13.0) },
            Defect::CutOff => {
                let (lung, rib) = (stream.range(0.6, 0.95), stream.range(0.1, 0.4));
                self.shadows.push(Shadow {
                    angle: side * lung * self.half_angle,
                    half_width: stream.range(14.0, 20.0).to_radians(),
                    depth: stream.range(-0.5, 1.0),
                    loss: stream.range(24.0, 36.0),
                });
                self.shadows.push(Shadow {
                    angle: -side * rib * self.half_angle,
                    half_width: stream.range(4.0, 6.5).to_radians(),
                    depth: stream.range(0.0, 2.0),
                    loss: stream.range(18.0, 26.0),
                });
            }
            Defect::Noise => self.noise = stream.range(-15.0, -11.0),
            Defect::Blur => {
                self.lateral_blur = 1.7;
                self.axial_blur = stream.range(1.4, 1.8);
                self.clutter = stream.range(-3.0, 0.0);
            }
            Defect::Depth => self.attenuation = stream.range(1.7, 2.3),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::Quality;
    use crate::phantom::Setting;

    #[test]
    fn grades_are_drawn_evenly_and_from_their_number_alone() {
        let setting = Setting { quality: Quality::Graded, ..Setting::default() };
        let draw = |i: u64| Acquisition::draw(&mut Stream::new(2, "test", i), setting);
        let mut counts = [0; 3];
        for i in 0..3000 {
            counts[draw(i).image_quality.unwrap() as usize] += 1;
        }
        assert_eq!(draw(7), draw(7));
        // Four standard errors.
        assert!(counts.iter().all(|count| (897..=1103).contains(count)), "{counts:?}");
        assert!(Acquisition::draw(&mut Stream::new(2, "test", 0), Setting::default()).image_quality.is_none());
    }
}
