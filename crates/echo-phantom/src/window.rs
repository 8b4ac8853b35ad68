//! The acoustic window: how well ribs, lung and the probe's contact let the heart be seen.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

/// Quality of the acoustic window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// All walls are seen.
    Good,
    /// Some shadows and haze.
    #[default]
    Fair,
    /// Walls or whole parts of the sector drop out, the plane misses the true apex, noise is high.
    Poor,
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

impl Shadow {
    /// Loss at a steering angle and depth, dB. Its sides are steeper than a Gaussian's: a rib has an edge.
    pub(crate) fn loss_at(&self, angle: f64, radius: f64) -> f64 {
        let across = ((angle - self.angle) / self.half_width).powi(2);
        let behind = 1.0 / (1.0 + (-1.5 * (radius - self.depth)).exp());
        self.loss * behind * (-across * across).exp()
    }
}

/// Ranges from which a window's recordings are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bands {
    /// Level of the noise, dB below muscle.
    pub noise: (f64, f64),
    /// Strength of the haze in front of the probe, dB relative to muscle.
    pub clutter: (f64, f64),
    /// Share of the ventricle's length that the plane shows.
    pub shown_length: (f64, f64),
}

impl Window {
    /// The window's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
        }
    }

    /// Good, fair and poor as 7 : 8 : 5.
    pub(crate) fn draw(stream: &mut Stream) -> Self {
        match stream.uniform() {
            u if u < 0.35 => Self::Good,
            u if u < 0.75 => Self::Fair,
            _ => Self::Poor,
        }
    }

    pub(crate) fn bands(self) -> Bands {
        match self {
            Self::Good => Bands { noise: (-38.0, -28.0), clutter: (-24.0, -12.0), shown_length: (0.97, 1.0) },
            Self::Fair => Bands { noise: (-34.0, -22.0), clutter: (-20.0, -5.0), shown_length: (0.92, 1.0) },
            Self::Poor => Bands { noise: (-26.0, -18.0), clutter: (-14.0, -2.0), shown_length: (0.82, 0.97) },
        }
    }

    /// Shadows in a sector of this half angle, in radians.
    pub(crate) fn shadows(self, stream: &mut Stream, half_angle: f64) -> Vec<Shadow> {
        let mut shadows = Vec::new();
        let (most, loss) = match self {
            Self::Good => (2, (2.0, 7.0)),
            Self::Fair | Self::Poor => (4, (3.0, 15.0)),
        };
        for _ in 0..stream.below(most) {
            shadows.push(Shadow {
                angle: stream.range(-1.1, 1.1) * half_angle,
                half_width: stream.range(2.5, 9.0).to_radians(),
                depth: stream.range(0.5, 8.0),
                loss: stream.range(loss.0, loss.1),
            });
        }
        if self == Self::Poor {
            // At least one of the three.
            let always = stream.below(3);
            let mut has = |defect: usize| stream.uniform() < 0.35 || defect == always;
            let defects = [has(0), has(1), has(2)];
            let drawn =
                [Self::wall_dropout(stream, half_angle), Self::rib(stream, half_angle), Self::lung(stream, half_angle)];
            shadows.extend(drawn.into_iter().zip(defects).filter(|(_, has)| *has).map(|(shadow, _)| shadow));
        }
        shadows
    }

    /// The wall on the right lies along the beams and behind the edge of the lung: the one that is lost most often.
    fn wall_dropout(stream: &mut Stream, half_angle: f64) -> Shadow {
        Shadow {
            angle: stream.range(0.5, 0.8) * half_angle,
            half_width: stream.range(9.0, 15.0).to_radians(),
            depth: stream.range(1.5, 4.5),
            loss: stream.range(16.0, 28.0),
        }
    }

    /// A dark stripe from the skin to the end of the sector. Nobody puts the probe right onto a rib.
    fn rib(stream: &mut Stream, half_angle: f64) -> Shadow {
        let side = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
        Shadow {
            angle: side * stream.range(0.25, 0.85) * half_angle,
            half_width: stream.range(3.0, 6.0).to_radians(),
            depth: stream.range(-1.0, 1.0),
            loss: stream.range(18.0, 32.0),
        }
    }

    /// Lung or lost contact: one side of the sector stays black.
    fn lung(stream: &mut Stream, half_angle: f64) -> Shadow {
        let side = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
        Shadow {
            angle: side * stream.range(0.85, 1.1) * half_angle,
            half_width: stream.range(12.0, 20.0).to_radians(),
            depth: stream.range(-0.5, 1.0),
            loss: stream.range(20.0, 36.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst_loss(window: Window, number: u64) -> f64 {
        let shadows = window.shadows(&mut Stream::new(1, "test", number), 0.7);
        shadows.iter().map(|shadow| shadow.loss_at(shadow.angle, 9.0)).fold(0.0, f64::max)
    }

    #[test]
    fn poor_windows_always_lose_something_and_good_ones_never_much() {
        for number in 0..500 {
            assert!(worst_loss(Window::Poor, number) > 15.0, "{number}");
            assert!(worst_loss(Window::Good, number) < 7.0, "{number}");
        }
    }

    #[test]
    fn shadows_lie_behind_their_depth_and_between_their_edges() {
        let shadow = Shadow { angle: 0.2, half_width: 0.1, depth: 5.0, loss: 20.0 };
        assert!(shadow.loss_at(0.2, 9.0) > 19.0);
        assert!(shadow.loss_at(0.2, 1.0) < 0.1, "in front");
        assert!(shadow.loss_at(0.45, 9.0) < 0.1, "beside");
        assert!((shadow.loss_at(0.2, 5.0) - 10.0).abs() < 1e-9, "half at its depth");
    }
}
