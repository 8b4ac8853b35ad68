//! Where a sonographer puts the heart in each view: probe position and angle, as data. What is put there is the heart's
//! *anchor*: whatever its size, that part of it lies as near to the probe as the chest allows.

use crate::physiology::{Beside, Physiology};
use crate::short_axis;
use crate::ventricle::Side;
use crate::view::View;

/// The band of places that a view's recordings are drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    /// Mean place of the anchor, cm right of the probe.
    pub right: f64,
    /// Least and most depth of the anchor, cm.
    pub down: (f64, f64),
    /// Mean angle of the direction from apex to base against straight down, degrees; positive to the right.
    pub tilt: f64,
    /// Depth of the sector as a share of the apical views'.
    pub depth: f64,
    /// Half of the sector's opening angle as a share of the apical views'.
    pub width: f64,
}

/// Views from the apex: straight above it.
const APICAL: Placement = Placement { right: 0.0, down: (1.7, 2.7), tilt: 1.0, depth: 1.0, width: 1.0 };

impl Placement {
    pub fn of(view: View) -> Self {
        match view {
            // Without the right heart beside it, the left ventricle stands in the middle of the sector.
            View::A4c => Self { right: 0.35, ..APICAL },
            View::A5c => Self { right: 0.6, ..APICAL },
            View::A2c | View::A3c => APICAL,
            // From the left of the breastbone: the base in the middle, the apex to the left and partly out of sight.
            View::Plax => Self { right: 1.3, down: (1.5, 2.2), tilt: 93.0, depth: 0.82, width: 1.05 },
            View::PsaxMv | View::PsaxPm => Self { right: 0.7, down: (1.6, 2.3), tilt: 0.0, depth: 0.73, width: 1.0 },
            View::PsaxAp => Self { right: 0.2, down: (2.5, 3.3), tilt: 0.0, depth: 0.68, width: 1.0 },
            // From below the ribs, through the liver: right heart nearest, apex to the upper right.
            View::Sc4c => Self { right: -1.4, down: (3.4, 4.2), tilt: -66.0, depth: 1.03, width: 1.08 },
        }
    }
}

/// The anchor of a heart, `(x, level)`: its apex in views from there, else what lies nearest to the probe.
pub(crate) fn anchor(view: View, heart: &Physiology) -> (f64, f64) {
    let v = &heart.ventricle;
    match &heart.beside {
        Beside::Crescent { level, right } => (0.0, short_axis::top(v, *level, right)),
        Beside::OutflowTract { outflow, wall, .. } if view == View::Plax => {
            (v.relaxed_outer_half_width(Side::Right, v.length) + outflow + wall, v.length)
        }
        Beside::RightHeart(right) if view == View::Sc4c => {
            let level = 0.6 * v.length;
            (-v.relaxed_outer_half_width(Side::Left, level) - 0.8 * right.ventricle - right.wall, level)
        }
        _ => (0.0, 0.0),
    }
}
