//! The heart: its size, its function, and what goes along with them in patients.

use echo_random::Stream;

use crate::acquisition::Plane;
use crate::chamber_sizes::ChamberSizes;
use crate::ventricle::{Side, Ventricle};
use crate::view::View;
use crate::volume_curve::VolumeCurve;
use crate::wall_motion::Activity;
use crate::{PhantomError, Population};

/// One heart as a plane cuts it. Lengths in cm, at end-diastole unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Physiology {
    /// Ejection fraction aimed at, percent; the label is measured from the drawn contour.
    pub ef: f64,
    /// End-diastolic volume aimed at, ml.
    pub edv: f64,
    /// Heart rate, beats a minute; independent of the ejection fraction.
    pub heart_rate: f64,
    /// Beats differ in length by about this share.
    pub rate_variability: f64,
    /// Shape and motion of the left ventricle.
    pub ventricle: Ventricle,
    /// Volume over a beat of average length.
    pub volume_curve: VolumeCurve,
    /// Half-width of the left atrium.
    pub left_atrium: f64,
    /// What the plane cuts beside the left heart.
    pub beside: Beside,
    /// Width of the aortic root at its sinuses, where the plane runs through it.
    pub aortic_root: Option<f64>,
    /// Length of the anterior mitral leaflet.
    pub anterior_leaflet: f64,
    /// Length of the posterior mitral leaflet.
    pub posterior_leaflet: f64,
    /// How far the heart swings about its apex in systole, radians.
    pub rocking: f64,
}

/// What lies beside the left ventricle and atrium. Lengths in cm.
#[derive(Clone, Debug, PartialEq)]
pub enum Beside {
    /// Four- and five-chamber views: right ventricle and atrium.
    RightHeart(RightHeart),
    /// Two-chamber view: the vein in the groove below the inferior wall, and the atrium's appendage below the
    /// anterior wall.
    Groove {
        /// Radius of the coronary sinus.
        coronary_sinus: f64,
        /// Length of the left atrial appendage, where the plane cuts it.
        appendage: Option<f64>,
    },
    /// Long-axis views through the aortic valve: the right ventricle's outflow tract before the aortic root, and the
    /// descending aorta behind the left atrium.
    OutflowTract {
        /// Width of the outflow tract.
        outflow: f64,
        /// Thickness of its wall.
        wall: f64,
        /// Radius of the descending aorta.
        descending_aorta: f64,
    },
    /// Short-axis views: the right ventricle as a crescent.
    Crescent {
        /// Where the plane lies, as a share of the left ventricle's length from its apex.
        level: f64,
        /// The right ventricle there; no width where the plane misses it.
        right: RightHeart,
    },
}

/// The right heart. Lengths in cm.
#[derive(Clone, Debug, PartialEq)]
pub struct RightHeart {
    /// Width of the ventricle's cavity at its base.
    pub ventricle: f64,
    /// Where the ventricle's apex lies, as a share of the left ventricle's length.
    pub apex: f64,
    /// Thickness of the free wall.
    pub wall: f64,
    /// The ventricle narrows by this share in systole.
    pub narrowing: f64,
    /// Half-width of the atrium.
    pub atrium: f64,
    /// Depth of the atrium below the mitral annulus.
    pub atrial_depth: f64,
    /// Thickness of the wall between the atria.
    pub atrial_septum: f64,
}

impl Physiology {
    /// Draws a heart from `population`, cut by `plane`.
    ///
    /// # Errors
    /// When the population's target ejection fraction is outside 5 to 85 %.
    pub fn draw(stream: &mut Stream, population: Population, plane: Plane) -> Result<Self, PhantomError> {
        if let Population::Target(ef) | Population::Volumes { ef, .. } = population
            && !(5.0..=85.0).contains(&ef)
        {
            return Err(PhantomError::EjectionFraction(ef));
        }
        let (ef, edv) = population.draw(stream);
        let size = (edv / 82.0).cbrt();
        let fraction = ef / 100.0;
        let activity = Activity::draw(stream, ef, plane.view);
        let sizes = ChamberSizes::draw(stream, ef, size);
        // Exponent below a third: dilated ventricles are rounder.
        let shows_aorta = plane.view.shows_aorta();
        let length = 8.0 * (edv / 82.0).powf(0.29) * normal(stream, 1.0, 0.05) * plane.shown_length;
        let wall = normal(stream, 0.92, 0.12);
        let shape = Ventricle {
            length,
            half_width: 1.0,
            bulge: normal(stream, 0.0, 0.06),
            belly: normal(stream, 0.6, 0.04),
            // Where both valves are cut, the base is as wide as both.
            annulus_width: (normal(stream, 0.74, 0.05) + if shows_aorta { 0.18 } else { 0.0 }).min(0.97),
            left_wall: wall * normal(stream, 1.0, 0.08),
            right_wall: wall * normal(stream, 0.97, 0.08),
            apical_wall: wall * 0.65,
            atrial_depth: sizes.left_atrial_depth,
            annulus_descent: length * (0.01 + 0.23 * fraction) * normal(stream, 1.0, 0.08),
            apex_descent: 0.08 + 0.3 * fraction * normal(stream, 1.0, 0.2),
            // A wide base that kept its width would leave vigorous hearts nothing to eject with.
            annulus_narrowing: 1.0 - if shows_aorta { 0.28 } else { 0.16 } * fraction,
            body_narrowing: 1.0,
            right_excess: normal(stream, 0.06, 0.08),
            activity: Activity::NORMAL,
        };
        let ventricle = Self::ventricle(&shape, activity, edv, ef)?;
        let heart_rate = (70.0 * normal(stream, 0.0, 0.245).exp()).clamp(45.0, 120.0);
        let volume_curve = VolumeCurve::new(
            heart_rate,
            stream.range(0.05, 0.065),
            stream.range(0.065, 0.09),
            normal(stream, 0.66, 0.08),
        );
        let right_heart = RightHeart {
            ventricle: sizes.right_ventricle,
            apex: sizes.right_ventricular_apex,
            wall: normal(stream, 0.38, 0.05),
            narrowing: (0.08 + 0.28 * fraction) * normal(stream, 1.0, 0.15),
            atrium: sizes.right_atrium,
            atrial_depth: sizes.right_atrial_depth,
            atrial_septum: normal(stream, 0.34, 0.05),
        };
        let groove = Beside::Groove {
            coronary_sinus: normal(stream, 0.46, 0.06),
            appendage: Some(normal(stream, 2.0, 0.3)).filter(|_| stream.uniform() < 0.55),
        };
        let annulus: f64 =
            [Side::Left, Side::Right].map(|side| ventricle.relaxed_half_width(side, length)).iter().sum();
        let mitral = if shows_aorta { 0.55 * annulus } else { annulus };
        let mut heart = Self {
            ef,
            edv,
            heart_rate,
            rate_variability: stream.range(0.0, 0.04),
            ventricle,
            volume_curve,
            // An atrium is at least as wide as its valve.
            left_atrium: sizes.left_atrium.max(0.5 * mitral),
            beside: groove,
            aortic_root: None,
            anterior_leaflet: 2.3 * size.sqrt() * normal(stream, 1.0, 0.07),
            posterior_leaflet: 1.35 * size.sqrt() * normal(stream, 1.0, 0.07),
            rocking: normal(stream, 0.0, 0.02),
        };
        let aortic_root = normal(stream, 3.0, 0.25) * size.sqrt();
        heart.aortic_root = Some(aortic_root).filter(|_| shows_aorta);
        let outflow = Beside::OutflowTract {
            outflow: 0.72 * right_heart.ventricle,
            wall: right_heart.wall,
            descending_aorta: normal(stream, 1.1, 0.1),
        };
        let crescent = |level: f64, share: f64| Beside::Crescent {
            level,
            right: RightHeart { ventricle: share * right_heart.ventricle, ..right_heart.clone() },
        };
        match plane.view {
            View::A2c => {}
            View::A3c | View::Plax => heart.beside = outflow,
            View::PsaxMv => heart.beside = crescent(0.76, 0.66),
            View::PsaxPm => heart.beside = crescent(0.52, 0.56),
            View::PsaxAp => heart.beside = crescent(0.17, 0.0),
            View::A4c | View::A5c | View::Sc4c => heart.beside = Beside::RightHeart(right_heart),
        }
        Ok(heart)
    }

    /// The solved ventricle with the weak regions of `activity`, made milder until the others can make up for them.
    fn ventricle(shape: &Ventricle, mut activity: Activity, edv: f64, ef: f64) -> Result<Ventricle, PhantomError> {
        /// No wall moves in by more than this share, or half as much again on one side.
        const MOST: f64 = 0.55;
        loop {
            let weakened = Ventricle {
                left_wall: shape.left_wall * Activity::thickness(activity.left),
                right_wall: shape.right_wall * Activity::thickness(activity.right),
                apical_wall: shape.apical_wall * Activity::thickness(activity.apex),
                activity,
                ..shape.clone()
            };
            match Ventricle::solve(weakened, edv, ef) {
                solved if activity == Activity::NORMAL => return solved,
                Ok(solved) if 1.0 - solved.body_narrowing < MOST => return Ok(solved),
                _ => activity = activity.milder(),
            }
        }
    }

    /// The right heart, where the plane cuts ventricle and atrium.
    pub fn right_heart(&self) -> Option<&RightHeart> {
        match &self.beside {
            Beside::RightHeart(right_heart) => Some(right_heart),
            _ => None,
        }
    }
}

/// A normal deviate without the tails in which no patient lies.
pub(crate) fn normal(stream: &mut Stream, mean: f64, deviation: f64) -> f64 {
    mean + deviation * stream.normal().clamp(-2.2, 2.2)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The same heart for every view and every test that needs just one.
    pub(crate) fn heart(ef: f64, view: View) -> Physiology {
        let plane = Plane { view, shown_length: 1.0 };
        Physiology::draw(&mut Stream::new(1, "test", 0), Population::Target(ef), plane).unwrap()
    }

    /// As [`heart`], but the wall on the left stands still.
    pub(crate) fn weak_heart(ef: f64, view: View) -> Physiology {
        let healthy = heart(ef, view);
        let activity = Activity { left: 0.0, ..Activity::NORMAL };
        let weakened = Ventricle { activity, ..healthy.ventricle.clone() };
        Physiology { ventricle: Ventricle::solve(weakened, healthy.edv, ef).unwrap(), ..healthy }
    }

    #[test]
    fn every_heart_of_the_population_can_be_drawn() {
        for index in 0..400 {
            let target = Population::Target(5.0 + 0.2 * index as f64);
            for (population, view) in
                [Population::Natural, target, target].into_iter().zip([View::A4c, View::A2c, View::A3c])
            {
                for shown_length in [0.82, 1.0] {
                    let plane = Plane { view, shown_length };
                    let heart = Physiology::draw(&mut Stream::new(1, "test", index), population, plane).unwrap();
                    let solved = heart.ventricle.contracted(1.0).volume() / heart.ventricle.contracted(0.0).volume();
                    assert!((100.0 * (1.0 - solved) - heart.ef).abs() < 1e-6);
                    // The contour has no gap between belly and base.
                    let base = heart.ventricle.relaxed_half_width(Side::Right, 0.9 * heart.ventricle.length);
                    assert!(base > 0.6 * heart.ventricle.half_width, "{view:?} {index}: {base}");
                    assert!((45.0..=120.0).contains(&heart.heart_rate));
                    // Longer than this and the annulus leaves the shallowest sector.
                    assert!(heart.ventricle.length < 12.5, "{}", heart.ventricle.length);
                }
            }
        }
    }

    #[test]
    fn impossible_targets_are_refused() {
        let plane = Plane { view: View::A4c, shown_length: 1.0 };
        for ef in [f64::NAN, -1.0, 4.0, 90.0] {
            assert!(Physiology::draw(&mut Stream::new(1, "test", 0), Population::Target(ef), plane).is_err(), "{ef}");
        }
    }
}
