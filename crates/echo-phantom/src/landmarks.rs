//! Fibrous and muscular landmarks: the rings of the valves, the crux, the moderator band, the papillary muscles and
//! the ridge beside the appendage.

use crate::chambers::{Chambers, Neighbours, RightChambers};
use crate::shapes::{Ellipse, bump};
use crate::ventricle::Side;

/// Echo strength of a ring relative to muscle.
const FIBROUS: f64 = 3.0;

/// Landmarks of one heart at end-diastole.
#[derive(Clone, Debug)]
pub(crate) struct Landmarks<'a> {
    chambers: &'a Chambers<'a>,
    /// Bright spots: x, level and radius, cm.
    spots: Vec<(f64, f64, f64)>,
}

impl<'a> Landmarks<'a> {
    pub fn new(chambers: &'a Chambers<'a>) -> Self {
        let v = &chambers.heart.ventricle;
        let [left, right] = [Side::Left, Side::Right].map(|side| v.relaxed_half_width(side, v.length));
        let mut spots = vec![(-left - 0.12, v.length, 0.28), (right + 0.15, v.length + 0.02, 0.3)];
        match &chambers.beside {
            Neighbours::RightHeart(right_heart) => {
                let ring = right_heart.tricuspid_level;
                spots.extend([(-left - 0.45, v.length - 0.2, 0.3), (-right_heart.free_wall(ring) - 0.1, ring, 0.28)]);
            }
            Neighbours::Groove { appendage: Some(appendage), .. } => {
                let ridge = appendage.level + appendage.half_height + 0.35;
                spots.push((right_edge(&chambers.left_atrium, ridge), ridge, 0.3));
            }
            Neighbours::Groove { appendage: None, .. } | Neighbours::OutflowTract(_) => {}
        }
        // Where the roots of both valves meet.
        spots.extend(chambers.aortic_root.as_ref().map(|root| (root.mitral_edge(), v.length + 0.1, 0.24)));
        Self { chambers, spots }
    }

    /// Echo strength that the landmarks add at a place.
    pub fn strength(&self, x: f64, level: f64) -> f64 {
        let rings = self.spots.iter().map(|(spot_x, spot_level, radius)| {
            let (dx, dl) = ((x - spot_x) / radius, (level - spot_level) / radius);
            FIBROUS * (1.0 - (dx * dx + dl * dl)).max(0.0)
        });
        let band = self.chambers.right_heart().map_or(0.0, |right_heart| self.moderator_band(right_heart, x, level));
        rings.sum::<f64>() + band + self.papillary_muscle(x, level)
    }

    /// From the septum to the free wall near the right ventricle's apex.
    fn moderator_band(&self, right_heart: &RightChambers<'_>, x: f64, level: f64) -> f64 {
        let v = &self.chambers.heart.ventricle;
        let band = right_heart.shape.apex * v.length + 1.9;
        let from_septum = -x - v.relaxed_outer_half_width(Side::Left, band);
        let inside = (0.0..right_heart.ventricle_width(band)).contains(&from_septum);
        if inside { 0.6 * bump(level - band - 0.5 * from_septum, 0.2) } else { 0.0 }
    }

    /// A strand at a wall of the left ventricle: the lateral one, or the inferior one of a two-chamber view. It counts as
    /// cavity, as in tracings.
    fn papillary_muscle(&self, x: f64, level: f64) -> f64 {
        let v = &self.chambers.heart.ventricle;
        let side = if self.chambers.right_heart().is_some() { Side::Right } else { Side::Left };
        if Side::of(x) != side || !(0.42..0.68).contains(&(level / v.length)) {
            return 0.0;
        }
        let from_wall = v.relaxed_half_width(side, level) - x.abs();
        0.3 * bump(from_wall - 0.3, 0.3)
    }
}

/// x of the ellipse's right border at a level.
fn right_edge(ellipse: &Ellipse, level: f64) -> f64 {
    let along = (level - ellipse.level) / ellipse.half_height;
    ellipse.x + ellipse.half_width * (1.0 - along * along).max(0.0).sqrt()
}
