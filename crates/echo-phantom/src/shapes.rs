//! Outlines of chambers: functions that are negative inside and grow by about 1 per cm.

use crate::ventricle::{Side, Ventricle};

/// The apical half of an ellipse above the belly and part of a longer one below it, cut off at the base.
#[derive(Clone, Debug)]
pub(crate) struct HalfEllipses {
    belly: f64,
    above: f64,
    below: f64,
    half_width: [f64; 2],
    base: f64,
}

impl HalfEllipses {
    /// The ventricle's cavity grown by walls at the apex and at both sides (left, right).
    pub fn new(v: &Ventricle, apical: f64, walls: [f64; 2], base: f64) -> Self {
        let length = v.length + apical;
        let widest = |side, wall: f64| v.relaxed_half_width(side, v.belly * v.length) + wall;
        Self {
            belly: v.belly * length - apical,
            above: v.belly * length,
            below: (1.0 - v.belly) * length / (1.0 - v.annulus_width * v.annulus_width).sqrt(),
            half_width: [widest(Side::Left, walls[0]), widest(Side::Right, walls[1])],
            base,
        }
    }

    pub fn distance(&self, x: f64, level: f64) -> f64 {
        let half_width = self.half_width[usize::from(x >= 0.0)];
        let along = level - self.belly;
        let height = if along < 0.0 { self.above } else { self.below };
        implicit_distance(x / half_width, along / height, half_width, height).max(level - self.base)
    }
}

/// An ellipse.
#[derive(Clone, Debug)]
pub(crate) struct Ellipse {
    pub x: f64,
    pub level: f64,
    pub half_width: f64,
    pub half_height: f64,
    /// How far it drops per cm to the right; 0 when it is upright.
    pub drop: f64,
}

impl Ellipse {
    /// The ellipse whose half-width at `opening_level` is `opening` and which ends `depth` below.
    pub fn below(x: f64, opening_level: f64, half_width: f64, opening: f64, depth: f64) -> Self {
        let rise = (1.0 - (opening / half_width).min(0.98).powi(2)).sqrt();
        let half_height = depth / (1.0 + rise);
        Self { x, level: opening_level + rise * half_height, half_width, half_height, drop: 0.0 }
    }

    pub fn distance(&self, x: f64, level: f64) -> f64 {
        let middle = self.level + self.drop * (x - self.x);
        let (across, along) = ((x - self.x) / self.half_width, (level - middle) / self.half_height);
        implicit_distance(across, along, self.half_width, self.half_height)
    }
}

/// First-order distance to the ellipse: its function over the length of its gradient.
fn implicit_distance(across: f64, along: f64, half_width: f64, half_height: f64) -> f64 {
    let value = across * across + along * along - 1.0;
    // Not `hypot`: these numbers are near 1, and it is ten times slower than the square root.
    let gradient = 2.0 * ((across / half_width).powi(2) + (along / half_height).powi(2)).sqrt();
    value / gradient.max(0.2)
}

/// 1 at 0, 0 from `half_width` on, smooth between.
pub(crate) fn bump(x: f64, half_width: f64) -> f64 {
    let share = x / half_width;
    let inside = (1.0 - share * share).max(0.0);
    inside * inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ellipse_opens_and_ends_where_it_should() {
        let ellipse = Ellipse::below(1.0, 8.0, 2.0, 1.5, 5.0);
        for (x, level) in [(2.5, 8.0), (-0.5, 8.0), (1.0, 13.0)] {
            assert!(ellipse.distance(x, level).abs() < 1e-9, "{x} {level}");
        }
        // Near the border the function is the distance.
        assert!((ellipse.distance(1.0, 13.1) - 0.1).abs() < 0.01);
        assert!(ellipse.distance(1.0, 10.0) < -1.0);
    }
}
