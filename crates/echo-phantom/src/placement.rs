//! Where a sonographer puts the heart in each view: probe position and angle, as data.

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
    /// What is put there, as a share of the ventricle's length: 0 its apex, 1 its base. In short axis, the cavity's middle.
    pub anchor: f64,
}

/// Views from the apex: straight above it.
const APICAL: Placement = Placement { right: 0.0, down: (1.7, 2.7), tilt: 1.0, depth: 1.0, width: 1.0, anchor: 0.0 };

impl Placement {
    pub fn of(view: View) -> Self {
        match view {
            // Without the right heart beside it, the left ventricle stands in the middle of the sector.
            View::A4c => Self { right: 0.35, ..APICAL },
            View::A5c => Self { right: 0.6, ..APICAL },
            View::A2c | View::A3c => APICAL,
            // From the left of the breastbone: the base in the middle, the apex to the left and partly out of sight.
            View::Plax => Self { right: 1.3, down: (6.9, 7.8), tilt: 93.0, depth: 0.82, width: 1.05, anchor: 1.0 },
            View::PsaxMv | View::PsaxPm => {
                Self { right: 0.7, down: (6.8, 7.6), tilt: 0.0, depth: 0.80, width: 1.0, anchor: 0.0 }
            }
            View::PsaxAp => Self { right: 0.2, down: (5.6, 6.4), tilt: 0.0, depth: 0.76, width: 1.0, anchor: 0.0 },
            // From below the ribs, through the liver: right heart nearest, apex to the upper right.
            View::Sc4c => Self { right: 0.7, down: (9.6, 10.4), tilt: -66.0, depth: 1.03, width: 1.08, anchor: 0.6 },
        }
    }
}
