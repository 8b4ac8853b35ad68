//! The left outflow tract and the root of the aorta with its valve: what makes a three-chamber, five-chamber or parasternal
//! long-axis view.

use crate::physiology::Physiology;
use crate::population::interpolate;
use crate::ventricle::Side;

/// Thickness of the aorta's wall, cm.
pub(crate) const AORTIC_WALL: f64 = 0.24;

/// (distance beyond the ring in cm, half-width as a share of the width at the sinuses): ring, sinuses, the waist above
/// them, ascending aorta.
const OUTLINE: [(f64, f64); 5] = [(-0.2, 0.31), (0.35, 0.44), (0.95, 0.5), (1.9, 0.39), (3.2, 0.45)];

/// The aortic root of one heart at end-diastole.
#[derive(Clone, Debug)]
pub(crate) struct AorticRoot {
    /// Side of the ventricle's base from which it rises.
    pub side: Side,
    /// Width at the sinuses, cm.
    pub width: f64,
    /// Middle and level of the ring.
    ring: (f64, f64),
    /// How far its middle moves outwards per cm of level.
    lean: f64,
    /// How far it can be followed, cm.
    reach: f64,
}

impl AorticRoot {
    /// The root at the base of `heart`: on the septal side, which is on the left where the right heart lies beside it.
    pub fn new(width: f64, heart: &Physiology) -> Self {
        let v = &heart.ventricle;
        let (side, lean, reach) = match heart.right_heart() {
            Some(_) => (Side::Left, -0.06, 4.0),
            None => (Side::Right, 0.3, 6.5),
        };
        // Septum and anterior wall of the aorta go on into each other.
        let inwards = 0.31 * width - 0.12;
        let edge = v.relaxed_half_width(side, v.length) - inwards;
        let middle = if side == Side::Left { -edge } else { edge };
        Self { side, width, ring: (middle, v.length), lean, reach }
    }

    fn sign(&self) -> f64 {
        if self.side == Side::Left { -1.0 } else { 1.0 }
    }

    /// Middle and half-width, so far beyond the ring.
    pub fn section(&self, beyond: f64) -> (f64, f64) {
        let middle = self.ring.0 + self.sign() * self.lean * beyond.max(0.0);
        (middle, self.width * interpolate(&OUTLINE, beyond))
    }

    /// x of the ring's border towards the mitral valve, where the anterior leaflet hangs.
    pub fn mitral_edge(&self) -> f64 {
        let (middle, half_width) = self.section(0.0);
        middle - self.sign() * half_width
    }

    /// x of both borders at the sinuses, the smaller first.
    pub fn widest(&self) -> (f64, f64) {
        let (middle, half_width) = self.section(0.95);
        (middle - half_width, middle + half_width)
    }

    /// x of the middle of an atrium of this half-width that leans against the root.
    pub fn beside(&self, half_width: f64) -> f64 {
        let (left, right) = self.widest();
        let gap = half_width - 0.6 + AORTIC_WALL;
        if self.side == Side::Left { right + gap } else { left - gap }
    }

    /// Distances to the left atrium, of which the root takes its part, and to the lumen. The mitral valve reaches from
    /// `posterior` (x) to the root, and the atrium up to all of it.
    pub fn distances(&self, left_atrium: f64, posterior: f64, x: f64, level: f64) -> (f64, f64) {
        let beyond = level - self.ring.1;
        let anterior = self.mitral_edge();
        let funnel = (x - 0.5 * (anterior + posterior)).abs() - 0.46 * (anterior - posterior).abs();
        let left_atrium = left_atrium.min(funnel.max(-0.3 - beyond).max(beyond - 1.6));
        let (middle, half_width) = self.section(beyond);
        let across = (x - middle).abs() - half_width;
        let lumen = across.max(-0.3 - beyond).max(beyond - self.reach);
        let atrium = if beyond > -0.2 { left_atrium.max(AORTIC_WALL - across) } else { left_atrium };
        (atrium, lumen)
    }
}
