//! A tracing as in EchoNet-Dynamic's `VolumeTracings.csv`: the long axis and twenty chords across it.

use std::f64::consts::FRAC_PI_4;

use crate::sector::FRAME_SIZE;

/// Number of discs that a cavity is cut into.
pub const DISCS: usize = 20;

/// A line between two points `(x, y)` in pixels; pixel centres are at whole numbers, y points down.
pub type Line = [(f64, f64); 2];

/// The traced cavity in one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// The traced frame, counted from 0.
    pub frame: usize,
    /// From the apex to the middle of the mitral annulus.
    pub long_axis: Line,
    /// At the middle of each disc, perpendicular to the long axis, from apex to base; left end first.
    pub chords: [Line; DISCS],
}

impl Tracing {
    /// In the picture with left and right exchanged; the left end of a chord stays the first.
    pub(crate) fn mirrored(self) -> Self {
        let mirror = |(x, y): (f64, f64)| ((FRAME_SIZE - 1) as f64 - x, y);
        let chords = self.chords.map(|[left, right]| [mirror(right), mirror(left)]);
        Self { long_axis: self.long_axis.map(mirror), chords, ..self }
    }

    /// Volume by the single-plane method of discs, in cubic pixels.
    pub fn volume(&self) -> f64 {
        disc_volume(length(self.long_axis), self.chords.map(length))
    }

    /// The longest chord, pixels.
    pub fn width(&self) -> f64 {
        self.chords.map(length).into_iter().fold(0.0, f64::max)
    }

    /// The long axis, then the chords: the lines of the table.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        std::iter::once(self.long_axis).chain(self.chords)
    }
}

fn length([(x1, y1), (x2, y2)]: Line) -> f64 {
    (x2 - x1).hypot(y2 - y1)
}

/// Volume of a stack of circular discs of the given diameters and equal heights that is `length` long.
pub(crate) fn disc_volume(length: f64, diameters: [f64; DISCS]) -> f64 {
    let height = length / DISCS as f64;
    diameters.iter().map(|diameter| FRAC_PI_4 * diameter * diameter * height).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discs_of_a_sphere_have_its_volume() {
        let radius: f64 = 3.0;
        let diameters = std::array::from_fn(|i| {
            let from_centre = radius * ((2 * i + 1) as f64 / DISCS as f64 - 1.0);
            2.0 * (radius * radius - from_centre * from_centre).sqrt()
        });
        let sphere = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3);
        // The midpoint rule over a parabola with 20 steps is off by 1 / (2 x 20^2).
        assert!((disc_volume(2.0 * radius, diameters) / sphere - 1.0).abs() < 0.0013);
    }

    #[test]
    fn volume_does_not_depend_on_where_and_how_the_cavity_lies() {
        let upright =
            Tracing { frame: 0, long_axis: [(0.0, 0.0), (0.0, 20.0)], chords: [[(-3.0, 1.0), (3.0, 1.0)]; 20] };
        let turn = |(x, y): (f64, f64)| (5.0 + 0.6 * x - 0.8 * y, 7.0 + 0.8 * x + 0.6 * y);
        let turned = Tracing {
            frame: 3,
            long_axis: upright.long_axis.map(turn),
            chords: upright.chords.map(|chord| chord.map(turn)),
        };
        assert!((upright.volume() - FRAC_PI_4 * 36.0 * 20.0).abs() < 1e-9);
        assert!((turned.volume() - upright.volume()).abs() < 1e-9);
        assert!((turned.width() - 6.0).abs() < 1e-9);
    }
}
