//! The liver that a subcostal view looks through: finer and more even than muscle, with a few dark veins.

use crate::shapes::Ellipse;
use crate::view::View;
use crate::volume_curve::smooth;

/// Echo strength relative to muscle.
const STRENGTH: f64 = 0.62;

/// The liver before a heart, in heart coordinates.
#[derive(Clone, Debug)]
pub(crate) struct Liver {
    veins: [Ellipse; 3],
}

impl Liver {
    /// The liver, where the view looks through it.
    pub fn before(view: View) -> Option<Self> {
        let vein = |x, level, half_width, half_height, drop| Ellipse { x, level, half_width, half_height, drop };
        let veins =
            [vein(-7.0, 2.6, 0.9, 0.22, 0.6), vein(-7.6, 4.7, 0.26, 0.7, 0.0), vein(-6.3, 6.0, 0.8, 0.28, -0.5)];
        (view == View::Sc4c).then_some(Self { veins })
    }

    /// Echo strength at a place outside the heart that would have the strength `haze` without the liver.
    pub fn over(&self, haze: f64, x: f64, level: f64, patch: f64) -> f64 {
        // Right of the heart's apex it gives way to the stomach and the ribs.
        let share = smooth((-x - 2.0) / 1.5) * smooth((level + 1.0) / 2.5);
        let from_vein = self.veins.iter().map(|vein| vein.distance(x, level)).fold(f64::INFINITY, f64::min);
        let wall = 0.35 * (1.0 - (from_vein - 0.1).abs() / 0.15).max(0.0);
        let tissue = if from_vein < 0.0 { 0.05 } else { STRENGTH * (1.0 + 0.12 * patch) + wall };
        haze + share * (tissue - haze)
    }
}
