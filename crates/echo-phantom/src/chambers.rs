//! Where chambers and walls lie at end-diastole.

use crate::aortic_root::AorticRoot;
use crate::outflow_tract::OutflowTract;
use crate::physiology::{Beside, Physiology, RightHeart};
use crate::shapes::{Ellipse, HalfEllipses};
use crate::ventricle::{Side, Ventricle};

/// Thickness of an atrium's wall, cm.
const ATRIAL_WALL: f64 = 0.28;

/// The chambers that a plane cuts.
#[derive(Clone, Debug)]
pub(crate) struct Chambers<'a> {
    pub heart: &'a Physiology,
    cavity: HalfEllipses,
    /// x of both ends of the mitral valve.
    mitral: (f64, f64),
    epicardium: HalfEllipses,
    pub left_atrium: Ellipse,
    pub aortic_root: Option<AorticRoot>,
    pub beside: Neighbours<'a>,
}

/// What lies beside the left heart.
#[derive(Clone, Debug)]
pub(crate) enum Neighbours<'a> {
    RightHeart(RightChambers<'a>),
    OutflowTract(OutflowTract<'a>),
    Groove { coronary_sinus: Ellipse, appendage: Option<Ellipse> },
}

/// The right ventricle and atrium.
#[derive(Clone, Debug)]
pub(crate) struct RightChambers<'a> {
    pub shape: &'a RightHeart,
    left: &'a Ventricle,
    pub atrium: Ellipse,
    /// Level of the tricuspid annulus: a little closer to the apex than the mitral one.
    pub tricuspid_level: f64,
}

/// Distances of a place to borders, cm; negative inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distances {
    /// To the nearest cavity.
    pub cavity: f64,
    /// To the outer border of the left ventricle's wall.
    pub epicardium: f64,
    /// To the outside of the heart.
    pub outside: f64,
}

impl<'a> Chambers<'a> {
    pub fn new(heart: &'a Physiology) -> Self {
        let v = &heart.ventricle;
        let [left, right] = [Side::Left, Side::Right].map(|side| v.relaxed_half_width(side, v.length));
        let aortic_root = heart.aortic_root.map(|width| AorticRoot::new(width, heart));
        // The mitral valve has what the aortic one leaves of the base.
        let (from, to) = match &aortic_root {
            Some(root) if root.side == Side::Left => (root.mitral_edge(), right),
            Some(root) => (-left, root.mitral_edge()),
            None => (-left, right),
        };
        let mut left_atrium =
            Ellipse::below(0.5 * (from + to), v.length, heart.left_atrium, 0.5 * (to - from) * 0.93, v.atrial_depth);
        if let Some(root) = &aortic_root {
            left_atrium.x = root.beside(left_atrium.half_width);
        }
        let beside = match &heart.beside {
            Beside::RightHeart(shape) => {
                let edge = left_atrium.x - left_atrium.half_width;
                let edge = aortic_root.as_ref().map_or(edge, |root| root.widest().0);
                Neighbours::RightHeart(RightChambers::new(shape, v, edge))
            }
            Beside::OutflowTract { outflow, wall, descending_aorta } => {
                let behind = left_atrium.x - left_atrium.half_width;
                Neighbours::OutflowTract(OutflowTract::new(v, (*outflow, *wall), *descending_aorta, behind))
            }
            Beside::Crescent { .. } => unreachable!("short axes are cut by `ShortAxis`"),
            Beside::Groove { coronary_sinus, appendage } => Neighbours::Groove {
                coronary_sinus: Ellipse {
                    x: -left - 0.5 - coronary_sinus,
                    level: v.length + 0.3,
                    half_width: *coronary_sinus,
                    half_height: 1.1 * coronary_sinus,
                    drop: 0.0,
                },
                // It opens into the atrium below the annulus and points up along the anterior wall.
                appendage: appendage.map(|length| Ellipse {
                    x: left_atrium.x + left_atrium.half_width + 0.2 * length,
                    level: v.length + 1.3,
                    half_width: 0.6 * length,
                    half_height: 0.28 * length,
                    drop: -0.45,
                }),
            },
        };
        Self {
            heart,
            cavity: HalfEllipses::new(v, 0.0, [0.0, 0.0], v.length),
            epicardium: HalfEllipses::new(v, v.apical_wall, [v.left_wall, v.right_wall], v.length + 0.35),
            mitral: (from, to),
            left_atrium,
            aortic_root,
            beside,
        }
    }

    /// The right heart, where the plane cuts it.
    pub fn right_heart(&self) -> Option<&RightChambers<'a>> {
        match &self.beside {
            Neighbours::RightHeart(right_heart) => Some(right_heart),
            _ => None,
        }
    }

    pub fn distances(&self, x: f64, level: f64) -> Distances {
        // The chambers overlap at their valve, or half-covered grid cells would draw a membrane across it.
        let left_atrium = self.left_atrium.distance(x, level).max(self.heart.ventricle.length - 0.3 - level);
        let (left_atrium, aorta) = match &self.aortic_root {
            Some(root) => {
                let posterior = if root.side == Side::Left { self.mitral.1 } else { self.mitral.0 };
                root.distances(left_atrium, posterior, x, level)
            }
            None => (left_atrium, f64::INFINITY),
        };
        let left_heart = self.cavity.distance(x, level).min(left_atrium).min(aorta);
        let epicardium = self.epicardium.distance(x, level);
        let (cavity, outside) = match &self.beside {
            Neighbours::RightHeart(right_heart) => {
                let ventricle = right_heart.ventricle_distance(x, level);
                let atrium = right_heart.atrium.distance(x, level).max(right_heart.tricuspid_level - level);
                // Its wall stands between the aorta and the right heart.
                let (ventricle, atrium) = (ventricle.max(ATRIAL_WALL - aorta), atrium.max(ATRIAL_WALL - aorta));
                (ventricle.min(atrium), (ventricle - right_heart.shape.wall).min(atrium - ATRIAL_WALL))
            }
            Neighbours::OutflowTract(tract) => tract.distances(aorta, x, level),
            Neighbours::Groove { coronary_sinus, appendage } => {
                let sinus = coronary_sinus.distance(x, level);
                let appendage = appendage.as_ref().map_or(f64::INFINITY, |appendage| appendage.distance(x, level));
                (sinus.min(appendage), (sinus - 0.35).min(appendage - 0.2))
            }
        };
        Distances {
            cavity: cavity.min(left_heart),
            epicardium,
            outside: outside.min(epicardium).min(left_atrium.min(aorta) - ATRIAL_WALL),
        }
    }
}

impl<'a> RightChambers<'a> {
    /// The chambers to the left of `left` and of a left atrium that ends at `left_atrial_edge`.
    fn new(shape: &'a RightHeart, left: &'a Ventricle, left_atrial_edge: f64) -> Self {
        let tricuspid_level = left.length - 0.45;
        let atrium = Ellipse::below(
            left_atrial_edge - shape.atrial_septum - shape.atrium,
            tricuspid_level,
            shape.atrium,
            0.68 * shape.atrium,
            shape.atrial_depth + 0.45,
        );
        Self { shape, left, atrium, tricuspid_level }
    }

    /// Width of the ventricle's cavity at a level, cm; 0 above its apex.
    pub fn ventricle_width(&self, level: f64) -> f64 {
        let apex = self.shape.apex * self.left.length;
        let along = ((level - apex) / (self.tricuspid_level - apex)).clamp(0.0, 1.0);
        self.shape.ventricle * along.sqrt() * (0.55 + 0.63 * along - 0.18 * along * along)
    }

    /// Distance from the axis of the free wall (its inner side), cm.
    pub fn free_wall(&self, level: f64) -> f64 {
        self.left.relaxed_outer_half_width(Side::Left, level) + self.ventricle_width(level)
    }

    fn ventricle_distance(&self, x: f64, level: f64) -> f64 {
        let septum = self.left.relaxed_outer_half_width(Side::Left, level);
        let width = self.ventricle_width(level);
        // 0.9: the walls lean, so that the distance across them is shorter than that along x.
        let across = 0.9 * f64::max(x + septum, -(septum + width) - x);
        across.max(level - self.tricuspid_level - 0.2).max(if width == 0.0 { 0.3 } else { -1e9 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physiology::tests::heart;
    use crate::view::View;

    #[test]
    fn the_drawn_cavity_is_the_one_that_is_measured() {
        for view in [View::A4c, View::A2c] {
            let heart = heart(58.0, view);
            let chambers = Chambers::new(&heart);
            for step in 1..40 {
                let level = heart.ventricle.length * f64::from(step) / 40.0;
                for (side, sign) in [(Side::Left, -1.0), (Side::Right, 1.0)] {
                    let edge = sign * heart.ventricle.relaxed_half_width(side, level);
                    assert!(chambers.distances(edge * 0.98, level).cavity < 0.0, "{view:?} {side:?} {level}");
                    assert!(chambers.distances(edge * 1.02, level).cavity > 0.0, "{view:?} {side:?} {level}");
                }
            }
        }
    }

    #[test]
    fn chambers_lie_as_in_a_four_chamber_view() {
        let heart = heart(58.0, View::A4c);
        let chambers = Chambers::new(&heart);
        let v = &heart.ventricle;
        let inside = |x: f64, level: f64| chambers.distances(x, level).cavity < 0.0;
        let septum = -v.relaxed_half_width(Side::Left, 0.8 * v.length) - 0.5 * v.left_wall;
        assert!(inside(0.0, 0.5 * v.length), "left ventricle");
        assert!(!inside(septum, 0.8 * v.length), "septum");
        assert!(inside(septum - 0.5 * v.left_wall - 1.0, 0.8 * v.length), "right ventricle to the left");
        assert!(inside(0.0, v.length + 2.0), "left atrium below");
        let right_atrium = &chambers.right_heart().unwrap().atrium;
        assert!(inside(right_atrium.x, v.length + 2.0) && right_atrium.x < -2.0, "right atrium");
        assert!(!inside(0.0, -0.3), "apical wall");
        let valve = chambers.distances(0.0, v.length).cavity;
        assert!(valve < -0.1, "nothing but leaflets separates ventricle and atrium: {valve}");
    }

    #[test]
    fn two_chamber_views_have_no_right_heart_but_a_vein_and_an_appendage() {
        let mut heart = heart(58.0, View::A2c);
        heart.beside = Beside::Groove { coronary_sinus: 0.45, appendage: Some(2.0) };
        let chambers = Chambers::new(&heart);
        let v = &heart.ventricle;
        let inside = |x: f64, level: f64| chambers.distances(x, level).cavity < 0.0;
        assert!(inside(0.0, 0.5 * v.length) && inside(0.0, v.length + 2.0), "left ventricle and atrium");
        let wall = v.relaxed_outer_half_width(Side::Left, 0.6 * v.length);
        assert!((0..40).all(|i| !inside(-wall - 0.1 * f64::from(i), 0.6 * v.length)), "nothing beside the wall");
        let Neighbours::Groove { coronary_sinus, appendage } = &chambers.beside else { panic!("a right heart") };
        assert!(coronary_sinus.x < -v.relaxed_half_width(Side::Left, v.length));
        assert!(inside(coronary_sinus.x, coronary_sinus.level));
        let appendage = appendage.as_ref().unwrap();
        let between = 0.5 * (chambers.left_atrium.x + chambers.left_atrium.half_width + appendage.x);
        assert!(inside(between, appendage.level), "the appendage opens into the atrium");
        let (x, up) = (appendage.x + 0.8 * appendage.half_width, 0.36 * appendage.half_width);
        assert!(inside(x, appendage.level - up) && !inside(x, appendage.level + up), "and points up along the wall");
    }
}
