//! What lies before and behind the left heart in long-axis views: the right ventricle's outflow tract and the descending
//! aorta.

use crate::shapes::Ellipse;
use crate::ventricle::{Side, Ventricle};
use crate::volume_curve::smooth;

/// Both, at end-diastole.
#[derive(Clone, Debug)]
pub(crate) struct OutflowTract<'a> {
    left: &'a Ventricle,
    width: f64,
    wall: f64,
    descending_aorta: Ellipse,
}

impl<'a> OutflowTract<'a> {
    /// An outflow tract of this width and wall, and a descending aorta of this radius behind a left atrium whose back is at x
    /// `behind`.
    pub fn new(left: &'a Ventricle, (width, wall): (f64, f64), radius: f64, behind: f64) -> Self {
        let descending_aorta = Ellipse {
            x: behind - 0.45 - radius,
            level: left.length + 1.5,
            half_width: radius,
            half_height: radius,
            drop: 0.0,
        };
        Self { left, width, wall, descending_aorta }
    }

    /// Width of the outflow tract at a level, cm: it tapers towards the apex.
    fn width_at(&self, level: f64) -> f64 {
        let share = level / self.left.length;
        self.width * smooth((share - 0.05) / 0.65)
    }

    /// Distances to the nearest cavity and to the outside, beside an aortic root whose lumen is `aorta` away.
    pub fn distances(&self, aorta: f64, x: f64, level: f64) -> (f64, f64) {
        let length = self.left.length;
        // Beyond the base the tract rides on the aorta.
        let septum =
            self.left.relaxed_outer_half_width(Side::Right, level.min(length)) + 0.3 * (level - length).max(0.0);
        let width = self.width_at(level);
        let across = 0.95 * f64::max(septum - x, x - septum - width);
        let tract = across.max(0.35 - aorta).max(level - length - 3.2).max(if width < 0.05 { 0.3 } else { -1e9 });
        let descending = self.descending_aorta.distance(x, level);
        (tract.min(descending), (tract - self.wall).min(descending - 0.22))
    }
}
