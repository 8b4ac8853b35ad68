//! The heart: its size, its function, and what goes along with them in patients.

use echo_random::Stream;

use crate::ventricle::Ventricle;
use crate::volume_curve::VolumeCurve;
use crate::{PhantomError, Population};

/// One heart. Lengths in cm, at end-diastole unless said otherwise.
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
    /// Width of the right ventricle's cavity at its base.
    pub right_ventricle_width: f64,
    /// Where the right ventricle's apex lies, as a share of the left ventricle's length.
    pub right_ventricle_apex: f64,
    /// Thickness of the right ventricle's free wall.
    pub right_wall: f64,
    /// The right ventricle narrows by this share in systole.
    pub right_narrowing: f64,
    /// Half-width of the left atrium.
    pub left_atrium: f64,
    /// Half-width of the right atrium.
    pub right_atrium: f64,
    /// Thickness of the wall between the atria.
    pub atrial_septum: f64,
    /// Length of the anterior mitral leaflet.
    pub anterior_leaflet: f64,
    /// Length of the posterior mitral leaflet.
    pub posterior_leaflet: f64,
    /// How far the heart swings about its apex in systole, radians.
    pub rocking: f64,
}

impl Physiology {
    /// Draws a heart from `population`.
    ///
    /// # Errors
    /// When the population's target ejection fraction is outside 5 to 85 %.
    pub fn draw(stream: &mut Stream, population: Population) -> Result<Self, PhantomError> {
        if let Population::Target(ef) = population
            && !(5.0..=85.0).contains(&ef)
        {
            return Err(PhantomError::EjectionFraction(ef));
        }
        let (ef, edv) = population.draw(stream);
        let normal =
            |stream: &mut Stream, mean: f64, deviation: f64| mean + deviation * stream.normal().clamp(-2.2, 2.2);
        let size = (edv / 82.0).cbrt();
        let fraction = ef / 100.0;
        // Exponent below a third: dilated ventricles are rounder.
        let length = 8.0 * (edv / 82.0).powf(0.29) * normal(stream, 1.0, 0.05);
        let wall = normal(stream, 0.92, 0.12);
        let shape = Ventricle {
            length,
            half_width: 1.0,
            bulge: normal(stream, 0.0, 0.06),
            belly: normal(stream, 0.6, 0.04),
            annulus_width: normal(stream, 0.74, 0.05),
            septum: wall * normal(stream, 1.0, 0.08),
            lateral_wall: wall * normal(stream, 0.97, 0.08),
            apical_wall: wall * 0.65,
            atrial_depth: 4.6 * size.sqrt() * normal(stream, 1.0, 0.09),
            annulus_descent: length * (0.01 + 0.23 * fraction) * normal(stream, 1.0, 0.08),
            apex_descent: 0.08 + 0.3 * fraction * normal(stream, 1.0, 0.2),
            annulus_narrowing: 1.0 - 0.16 * fraction,
            body_narrowing: 1.0,
            lateral_excess: normal(stream, 0.06, 0.08),
        };
        let ventricle = Ventricle::solve(shape, edv, ef)?;
        let heart_rate = (70.0 * normal(stream, 0.0, 0.245).exp()).clamp(45.0, 120.0);
        let volume_curve = VolumeCurve::new(
            heart_rate,
            stream.range(0.05, 0.065),
            stream.range(0.065, 0.09),
            normal(stream, 0.66, 0.08),
        );
        let atrium = 2.05 * size.sqrt();
        Ok(Self {
            ef,
            edv,
            heart_rate,
            rate_variability: stream.range(0.0, 0.04),
            ventricle,
            volume_curve,
            right_ventricle_width: normal(stream, 3.0, 0.35),
            right_ventricle_apex: stream.range(0.14, 0.3),
            right_wall: normal(stream, 0.38, 0.05),
            right_narrowing: (0.08 + 0.28 * fraction) * normal(stream, 1.0, 0.15),
            left_atrium: atrium * normal(stream, 1.0, 0.09),
            right_atrium: atrium * normal(stream, 1.0, 0.1),
            atrial_septum: normal(stream, 0.34, 0.05),
            anterior_leaflet: 2.3 * size.sqrt() * normal(stream, 1.0, 0.07),
            posterior_leaflet: 1.35 * size.sqrt() * normal(stream, 1.0, 0.07),
            rocking: normal(stream, 0.0, 0.02),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heart_of_the_population_can_be_drawn() {
        for index in 0..400 {
            let target = Population::Target(5.0 + 0.2 * index as f64);
            for population in [Population::Natural, target] {
                let heart = Physiology::draw(&mut Stream::new(1, "test", index), population).unwrap();
                let solved = heart.ventricle.contracted(1.0).volume() / heart.ventricle.contracted(0.0).volume();
                assert!((100.0 * (1.0 - solved) - heart.ef).abs() < 1e-6);
                assert!((45.0..=120.0).contains(&heart.heart_rate));
                // Longer than this and the annulus leaves the shallowest sector.
                assert!(heart.ventricle.length < 12.5, "{}", heart.ventricle.length);
            }
        }
    }

    #[test]
    fn impossible_targets_are_refused() {
        for ef in [f64::NAN, -1.0, 4.0, 90.0] {
            assert!(Physiology::draw(&mut Stream::new(1, "test", 0), Population::Target(ef)).is_err(), "{ef}");
        }
    }
}
