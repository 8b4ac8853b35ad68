//! What a plane cuts, and how that moves: the one place that chooses between long and short axes.

use crate::beats::Moment;
use crate::chambers::{Chambers, Distances};
use crate::landmarks::Landmarks;
use crate::motion::{Deformation, Walls};
use crate::physiology::{Beside, Physiology};
use crate::short_axis::{ContractedRing, ShortAxis};
use crate::tracing::{DISCS, Line};
use crate::valves::{Echo, leaflets};

/// A heart as a plane cuts it, at end-diastole.
#[derive(Debug)]
pub(crate) enum Cut<'a> {
    /// Along the ventricle: contour, neighbours and what moves them.
    LongAxis(Box<Chambers<'a>>, Walls<'a>),
    /// Across it.
    ShortAxis(ShortAxis<'a>),
}

impl<'a> Cut<'a> {
    pub fn new(heart: &'a Physiology) -> Self {
        match &heart.beside {
            Beside::Crescent { level, right } => Self::ShortAxis(ShortAxis::new(heart, *level, right)),
            _ => {
                let chambers = Chambers::new(heart);
                let walls = Walls::new(&chambers);
                Self::LongAxis(Box::new(chambers), walls)
            }
        }
    }

    /// Distances of a place to borders.
    pub fn distances(&self, x: f64, level: f64) -> Distances {
        match self {
            Self::LongAxis(chambers, _) => chambers.distances(x, level),
            Self::ShortAxis(ring) => ring.distances(x, level),
        }
    }

    /// Echo strength that rings, bands and muscles add at a place.
    pub fn landmarks(&self) -> Box<dyn Fn(f64, f64) -> f64 + '_> {
        match self {
            Self::LongAxis(chambers, _) => {
                let landmarks = Landmarks::new(chambers);
                Box::new(move |x, level| landmarks.strength(x, level))
            }
            Self::ShortAxis(ring) => Box::new(|x, level| ring.strength(x, level)),
        }
    }

    /// The cut at a contraction of 0 (end-diastole) to 1 (end-systole).
    pub fn contracted(&self, contraction: f64) -> Contraction<'_> {
        match self {
            Self::LongAxis(chambers, walls) => {
                Contraction::LongAxis(chambers, Box::new(Deformation::new(walls, contraction)))
            }
            Self::ShortAxis(ring) => Contraction::ShortAxis(ring, ring.contracted(contraction)),
        }
    }
}

/// A [`Cut`] at one moment.
#[derive(Debug)]
pub(crate) enum Contraction<'a> {
    LongAxis(&'a Chambers<'a>, Box<Deformation<'a>>),
    ShortAxis(&'a ShortAxis<'a>, ContractedRing<'a>),
}

impl Contraction<'_> {
    /// End-diastolic place of the tissue that is now at `(x, level)`.
    pub fn reference(&self, place: (f64, f64)) -> (f64, f64) {
        match self {
            Self::LongAxis(_, deformation) => deformation.reference(place),
            Self::ShortAxis(_, ring) => ring.reference(place),
        }
    }

    /// Replaces `echoes` by those of the leaflets and cusps.
    pub fn leaflets(&self, moment: &Moment, echoes: &mut Vec<Echo>) {
        echoes.clear();
        match self {
            Self::LongAxis(chambers, deformation) => leaflets(chambers, deformation, moment, echoes),
            Self::ShortAxis(ring, _) => ring.leaflets(moment, echoes),
        }
    }
}

/// An axis of the cavity and chords across it, at a contraction: of a long axis from apex to base, of a short one from the
/// anterior to the inferior wall.
pub(crate) fn traced(heart: &Physiology, contraction: f64) -> (Line, [Line; DISCS]) {
    if let Beside::Crescent { level, right } = &heart.beside {
        return ShortAxis::new(heart, *level, right).contracted(contraction).lines();
    }
    let contracted = heart.ventricle.contracted(contraction);
    let chords = contracted.discs().map(|(level, left, right)| [(-left, level), (right, level)]);
    ([(0.0, contracted.apex), (0.0, contracted.annulus)], chords)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::Quality;
    use crate::beats::moments;
    use crate::phantom::{Phantom, Setting};
    use crate::population::Population;
    use crate::ventricle::Side;
    use crate::view::{View, Views};

    fn phantom(view: View, ef: f64) -> Phantom {
        let setting = Setting { views: Views::Only(view), quality: Quality::Easy, ..Setting::default() };
        Phantom::draw_with(7, 0, Population::Target(ef), setting).unwrap()
    }

    /// Area of what comes from the cavity at end-diastole, cm^2.
    fn area(heart: &Physiology, contracted: &Contraction<'_>) -> f64 {
        const STEP: f64 = 0.06;
        let v = &heart.ventricle;
        let is_cavity = |place: (f64, f64)| {
            let (x, level) = contracted.reference(place);
            match contracted {
                Contraction::LongAxis(..) => {
                    (0.0..v.length).contains(&level) && x.abs() < v.relaxed_half_width(Side::of(x), level)
                }
                Contraction::ShortAxis(ring, _) => ring.is_cavity(x, level),
            }
        };
        let places =
            |low: f64, high: f64| ((low / STEP) as i32..(high / STEP) as i32).map(|i| (f64::from(i) + 0.5) * STEP);
        let rows = places(-1.0, 13.0);
        rows.map(|level| places(-5.0, 5.0).filter(|&x| is_cavity((x, level))).count()).sum::<usize>() as f64
            * STEP
            * STEP
    }

    fn traced_area(heart: &Physiology, contraction: f64) -> f64 {
        let (axis, chords) = traced(heart, contraction);
        let height = (axis[1].1 - axis[0].1) / DISCS as f64;
        chords.iter().map(|[from, to]| (to.0 - from.0) * height).sum()
    }

    /// Otherwise a view would show another heart than its label says, or another beat.
    #[test]
    fn the_cavity_is_the_traced_one_and_follows_the_volume_over_the_beat_in_every_view() {
        for (view, ef) in View::ALL.into_iter().flat_map(|view| [(view, 30.0), (view, 65.0)]) {
            let phantom = phantom(view, ef);
            let heart = &phantom.physiology;
            let cut = Cut::new(heart);
            let beat: Vec<(f64, f64)> = moments(&phantom)
                .iter()
                .step_by(3)
                .take(24)
                .map(|moment| {
                    let area = area(heart, &cut.contracted(moment.contraction));
                    let traced = traced_area(heart, moment.contraction);
                    // Twenty chords, and squares of half a pixel.
                    assert!((area / traced - 1.0).abs() < 0.03, "{view:?}, EF {ef}: {area} for {traced}");
                    (area, moment.filled)
                })
                .collect();
            let mean = |of: fn(&(f64, f64)) -> f64| beat.iter().map(of).sum::<f64>() / beat.len() as f64;
            let (area, filled) = (mean(|at| at.0), mean(|at| at.1));
            let sum = |of: &dyn Fn(f64, f64) -> f64| beat.iter().map(|at| of(at.0 - area, at.1 - filled)).sum::<f64>();
            let correlation = sum(&|a, f| a * f) / (sum(&|a, _| a * a) * sum(&|_, f| f * f)).sqrt();
            assert!(correlation > 0.99, "{view:?}, EF {ef}: {correlation}");
        }
    }

    #[test]
    fn the_ejection_fraction_is_the_wanted_one_in_every_view() {
        for (view, ef) in View::ALL.into_iter().flat_map(|view| [(view, 22.0), (view, 58.0)]) {
            let found = phantom(view, ef).findings();
            assert!((found.ef - ef).abs() < 0.01 && found.view == view, "{view:?}: {}", found.ef);
        }
    }

    /// What lies where in the picture, in shares of places that a reader would look at.
    #[test]
    fn neighbours_lie_where_the_view_has_them() {
        let dark = |view: View, (x, level): (f64, f64)| {
            let phantom = phantom(view, 60.0);
            Cut::new(&phantom.physiology).distances(x, level).cavity < -0.1
        };
        for view in [View::A3c, View::Plax, View::A5c] {
            let phantom = phantom(view, 60.0);
            let Cut::LongAxis(chambers, _) = Cut::new(&phantom.physiology) else { panic!("{view:?} is long") };
            let (v, root) = (&phantom.physiology.ventricle, chambers.aortic_root.as_ref().unwrap());
            let (middle, _) = root.section(1.5);
            assert!(dark(view, (middle, v.length + 1.5)), "{view:?}: aorta");
            assert!(dark(view, (root.section(0.0).0, v.length)), "{view:?}: nothing but cusps before it");
            let atrium = &chambers.left_atrium;
            assert!(dark(view, (atrium.x, atrium.level)), "{view:?}: left atrium");
            assert_eq!(root.side == Side::Left, atrium.x > middle, "{view:?}: atrium beside the aorta");
            assert_eq!(chambers.right_heart().is_some(), view == View::A5c);
            let wall = 0.5 * (root.widest().0 + root.widest().1);
            let edge = if root.side == Side::Left { root.widest().1 + 0.12 } else { root.widest().0 - 0.12 };
            assert!(dark(view, (wall, v.length + 0.95)) && !dark(view, (edge, v.length + 0.95)), "{view:?}: its wall");
        }
        let v = phantom(View::Plax, 60.0).physiology.ventricle;
        let before = v.relaxed_outer_half_width(Side::Right, 0.8 * v.length) + 1.0;
        assert!(dark(View::Plax, (before, 0.8 * v.length)), "right outflow tract before the septum");
        assert!(!dark(View::Sc4c, (-8.0, 1.0)), "liver, not blood, before the right heart");
    }
}
