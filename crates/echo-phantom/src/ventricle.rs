//! The left ventricle: its cavity's contour at end-diastole, and how the contour narrows and shortens.
//!
//! Heart coordinates, in cm: `level` runs along the long axis from the endocardial apex at end-diastole (0) to the
//! mitral annulus and on into the atrium; `x` runs across it, negative to the left of the picture. A level of the
//! contracted heart corresponds to a level of the same tissue at end-diastole, its *reference level*.

use crate::PhantomError;
use crate::monotone::Monotone;
use crate::tracing::{DISCS, disc_volume};
use crate::volume_curve::smooth;
use crate::wall_motion::Activity;

/// Which wall of the ventricle, as seen from its long axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Left in the picture: the septum in four-chamber views, the inferior wall in two-chamber views.
    Left,
    /// Right in the picture: the lateral or the anterior wall.
    Right,
}

impl Side {
    /// The side on which `x` lies.
    pub fn of(x: f64) -> Self {
        if x < 0.0 { Self::Left } else { Self::Right }
    }
}

/// Shape of the ventricle at end-diastole and what contraction does to it. Lengths in cm.
#[derive(Clone, Debug, PartialEq)]
pub struct Ventricle {
    /// From the endocardial apex to the annulus at end-diastole.
    pub length: f64,
    /// Widest half-width at end-diastole, mean of both sides.
    pub half_width: f64,
    /// The right side is wider by this share, the left side narrower.
    pub bulge: f64,
    /// Where along the axis the cavity is widest, as a share of its length.
    pub belly: f64,
    /// Half-width at the annulus as a share of the widest.
    pub annulus_width: f64,
    /// Thickness of the wall on the left at end-diastole.
    pub left_wall: f64,
    /// Thickness of the wall on the right at end-diastole.
    pub right_wall: f64,
    /// Thickness of the apical cap at end-diastole.
    pub apical_wall: f64,
    /// Distance from the annulus to the back of the atria, which stays where it is.
    pub atrial_depth: f64,
    /// How far the annulus moves towards the apex.
    pub annulus_descent: f64,
    /// How far the endocardial apex moves towards the base.
    pub apex_descent: f64,
    /// Half-width of the contracted annulus as a share of its relaxed one.
    pub annulus_narrowing: f64,
    /// Half-width of the contracted body as a share of its relaxed one; solved for from the ejection fraction.
    pub body_narrowing: f64,
    /// The wall on the right moves in by this share more, the one on the left by this share less.
    pub right_excess: f64,
    /// How well each region moves.
    pub activity: Activity,
}

impl Ventricle {
    /// The ventricle of this shape that holds `edv` ml when relaxed and ejects `ef` percent of it when contracted.
    ///
    /// # Errors
    /// When no narrowing of the body gives this ejection fraction beside the given motion of annulus and apex.
    pub fn solve(shape: Self, edv: f64, ef: f64) -> Result<Self, PhantomError> {
        let mut solved = shape;
        solved.half_width *= (edv / solved.contracted(0.0).volume()).sqrt();
        let esv = edv * (1.0 - ef / 100.0);
        let volume_at = |narrowing: f64| {
            let tried = Self { body_narrowing: narrowing, ..solved.clone() };
            tried.contracted(1.0).volume()
        };
        let (mut low, mut high) = (0.12, 1.05);
        if !(volume_at(low) < esv && esv < volume_at(high)) {
            return Err(PhantomError::EjectionFraction(ef));
        }
        // Halving 50 times reaches the last bit of the interval; the volume grows with the width.
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            if volume_at(middle) < esv { low = middle } else { high = middle }
        }
        solved.body_narrowing = 0.5 * (low + high);
        Ok(solved)
    }

    /// The ventricle at `contraction` 0 (end-diastole) to 1 (end-systole).
    pub fn contracted(&self, contraction: f64) -> Contracted<'_> {
        let annulus = self.length - contraction * self.annulus_descent * self.activity.of_annulus();
        let apex = contraction * self.apex_descent * self.activity.of_apex();
        let back = self.length + self.atrial_depth;
        let now = [-self.apical_wall - 2.0, -self.apical_wall, apex, annulus, back, back + 2.0];
        let reference = [-self.apical_wall - 2.0, -self.apical_wall, 0.0, self.length, back, back + 2.0];
        Contracted { ventricle: self, contraction, apex, annulus, levels: Monotone::through(now, reference) }
    }

    /// Contractions at which the cavity holds evenly spaced shares of the stroke volume, from full to empty.
    pub(crate) fn contraction_table(&self) -> Vec<(f64, f64)> {
        const STEPS: usize = 48;
        let volume = |u: f64| self.contracted(u).volume();
        let (full, empty) = (volume(0.0), volume(1.0));
        // (filled share, contraction), ascending in the share.
        (0..=STEPS).rev().map(|i| i as f64 / STEPS as f64).map(|u| ((volume(u) - empty) / (full - empty), u)).collect()
    }

    /// Half-width of the cavity at end-diastole, cm; 0 above the apex, that of the annulus below it.
    pub fn relaxed_half_width(&self, side: Side, reference_level: f64) -> f64 {
        self.half_width * self.bulged(side) * self.profile(reference_level / self.length)
    }

    /// Distance of the outer border of the wall from the axis at end-diastole, cm.
    pub fn relaxed_outer_half_width(&self, side: Side, reference_level: f64) -> f64 {
        let wall = match side {
            Side::Left => self.left_wall,
            Side::Right => self.right_wall,
        };
        let share = (reference_level + self.apical_wall) / (self.length + self.apical_wall);
        (self.half_width * self.bulged(side) + wall) * self.profile(share)
    }

    /// Share of its half-width that the cavity has lost when fully contracted.
    pub(crate) fn loss_of_width(&self, side: Side, reference_level: f64) -> f64 {
        let excess = match side {
            Side::Left => 1.0 - self.right_excess,
            Side::Right => 1.0 + self.right_excess,
        };
        let share = reference_level / self.length;
        let body = (1.0 - self.body_narrowing) * excess * self.activity.at(side, share);
        let annulus = (1.0 - self.annulus_narrowing) * self.activity.at(side, 1.0);
        let base = smooth((share - 0.5) / 0.5);
        let beyond = smooth((reference_level - self.length) / 1.5);
        (body + (annulus - body) * base) * (1.0 - beyond)
    }

    /// How much of the cavity's shortening the tissue at a level takes part in, 0 to 1.
    pub(crate) fn shares_shortening(&self, reference_level: f64) -> f64 {
        smooth((reference_level + self.apical_wall) / (self.apical_wall + 0.15 * self.length))
            * (1.0 - smooth(reference_level - self.length))
    }

    fn bulged(&self, side: Side) -> f64 {
        match side {
            Side::Left => 1.0 - self.bulge,
            Side::Right => 1.0 + self.bulge,
        }
    }

    /// Half an ellipse from the apex to the belly, part of a longer one from there to the annulus.
    fn profile(&self, share: f64) -> f64 {
        let share = share.min(1.0);
        let from_belly = if share < self.belly {
            (share - self.belly) / self.belly
        } else {
            (share - self.belly) / (1.0 - self.belly) * (1.0 - self.annulus_width * self.annulus_width).sqrt()
        };
        (1.0 - from_belly * from_belly).max(0.0).sqrt()
    }
}

/// A [`Ventricle`] at one moment.
#[derive(Clone, Debug)]
pub struct Contracted<'a> {
    ventricle: &'a Ventricle,
    contraction: f64,
    /// Level of the endocardial apex now, cm.
    pub apex: f64,
    /// Level of the annulus now, cm.
    pub annulus: f64,
    levels: Monotone,
}

impl Contracted<'_> {
    /// Where the tissue that is now at `level` was at end-diastole, cm.
    pub fn reference_level(&self, level: f64) -> f64 {
        self.levels.at(level)
    }

    /// Width now as a share of the width at end-diastole. Beyond the annulus it returns to 1.
    pub fn narrowing(&self, side: Side, reference_level: f64) -> f64 {
        1.0 - self.contraction * self.ventricle.loss_of_width(side, reference_level)
    }

    /// Length of the cavity now as a share of its length at end-diastole.
    pub fn shortening(&self) -> f64 {
        (self.annulus - self.apex) / self.ventricle.length
    }

    /// Half-width of the cavity at `level`, cm.
    pub fn half_width(&self, side: Side, level: f64) -> f64 {
        let reference = self.reference_level(level);
        self.ventricle.relaxed_half_width(side, reference) * self.narrowing(side, reference)
    }

    /// Levels and half-widths (left, right) at the middle of each disc, from apex to annulus, cm.
    pub fn discs(&self) -> [(f64, f64, f64); DISCS] {
        std::array::from_fn(|disc| {
            let share = (disc as f64 + 0.5) / DISCS as f64;
            let level = self.apex + share * (self.annulus - self.apex);
            (level, self.half_width(Side::Left, level), self.half_width(Side::Right, level))
        })
    }

    /// Volume of the cavity by the method of discs, ml.
    pub fn volume(&self) -> f64 {
        disc_volume(self.annulus - self.apex, self.discs().map(|(_, left, right)| left + right))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn shape() -> Ventricle {
        Ventricle {
            length: 8.0,
            half_width: 2.1,
            bulge: 0.04,
            belly: 0.6,
            annulus_width: 0.75,
            left_wall: 0.9,
            right_wall: 0.9,
            apical_wall: 0.6,
            atrial_depth: 5.0,
            annulus_descent: 1.3,
            apex_descent: 0.2,
            annulus_narrowing: 0.9,
            body_narrowing: 0.7,
            right_excess: 0.1,
            activity: Activity::NORMAL,
        }
    }

    #[test]
    fn the_solved_ventricle_has_the_wanted_volumes() {
        for ef in [25.0, 40.0, 58.7, 70.0] {
            let v = Ventricle::solve(shape(), 95.0, ef).unwrap();
            let (edv, esv) = (v.contracted(0.0).volume(), v.contracted(1.0).volume());
            assert!((edv - 95.0).abs() < 1e-6, "{edv}");
            assert!((100.0 * (1.0 - esv / edv) - ef).abs() < 1e-6, "{ef}: {esv}");
        }
        assert!(matches!(Ventricle::solve(shape(), 95.0, 99.9), Err(PhantomError::EjectionFraction(_))));
    }

    #[test]
    fn discs_agree_with_the_integral_of_the_cross_sections() {
        let v = Ventricle::solve(shape(), 82.0, 60.0).unwrap();
        for contraction in [0.0, 0.5, 1.0] {
            let c = v.contracted(contraction);
            let steps = 20_000;
            let step = (c.annulus - c.apex) / f64::from(steps);
            let integral: f64 = (0..steps)
                .map(|i| c.apex + (f64::from(i) + 0.5) * step)
                .map(|level| c.half_width(Side::Left, level) + c.half_width(Side::Right, level))
                .map(|width| std::f64::consts::FRAC_PI_4 * width * width * step)
                .sum();
            // Twenty discs against 20,000: half a percent.
            assert!((c.volume() / integral - 1.0).abs() < 0.005, "{} {integral}", c.volume());
        }
    }

    #[test]
    fn contraction_shortens_narrows_and_empties_monotonically() {
        let v = Ventricle::solve(shape(), 82.0, 60.0).unwrap();
        let volumes: Vec<f64> = (0..=20).map(|i| v.contracted(f64::from(i) / 20.0).volume()).collect();
        assert!(volumes.windows(2).all(|pair| pair[1] < pair[0]), "{volumes:?}");
        let end = v.contracted(1.0);
        assert!(end.annulus < v.length && end.apex > 0.0);
        assert!(end.narrowing(Side::Right, 4.0) < end.narrowing(Side::Left, 4.0));
    }

    #[test]
    fn tissue_levels_keep_their_order_and_landmarks() {
        let v = Ventricle::solve(shape(), 82.0, 75.0).unwrap();
        let c = v.contracted(1.0);
        assert!(c.reference_level(c.apex).abs() < 1e-9);
        assert!((c.reference_level(c.annulus) - v.length).abs() < 1e-9);
        let levels: Vec<f64> = (-40..200).map(|i| c.reference_level(0.1 * f64::from(i))).collect();
        assert!(levels.windows(2).all(|pair| pair[1] > pair[0]));
    }
}
