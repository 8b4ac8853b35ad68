//! The leaflets of the mitral and tricuspid valves: thin bright curves that swing into the ventricles.

use crate::anatomy::Chambers;
use crate::motion::Deformation;
use crate::physiology::Physiology;
use crate::ventricle::Side;

/// Distance between two echoes along a leaflet, cm.
const SPACING: f64 = 0.09;
/// Echo strength of a leaflet relative to muscle.
const STRENGTH: f64 = 2.2;

/// A point scatterer in heart coordinates of the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub x: f64,
    pub level: f64,
    pub strength: f64,
    /// Which scatterer of which leaflet this is, so that its speckle stays with it.
    pub label: usize,
}

/// Replaces `echoes` by those of all leaflets, `opening` 0 (shut) to 1 (wide open).
pub(crate) fn leaflets(
    heart: &Physiology,
    chambers: &Chambers<'_>,
    deformation: &Deformation<'_>,
    opening: f64,
    echoes: &mut Vec<Echo>,
) {
    echoes.clear();
    let contracted = deformation.contracted();
    let annulus = contracted.annulus;
    let septal = -contracted.half_width(Side::Septal, annulus);
    let lateral = contracted.half_width(Side::Lateral, annulus);
    // Shut leaflets meet a little on the ventricle's side of the ring.
    let meeting = (septal + 0.62 * (lateral - septal), annulus - 0.45);
    let anterior = (septal + 0.30 * (lateral - septal), annulus - 0.88 * heart.anterior_leaflet);
    let posterior = (lateral - 0.10 * (lateral - septal), annulus - 0.92 * heart.posterior_leaflet);
    // Shut leaflets are straight and form a shallow tent; open ones bow.
    let bow = 0.1 + 0.9 * opening;
    curve((septal, annulus), mix(meeting, anterior, opening), -0.25 * bow, 0, echoes);
    curve((lateral, annulus), mix(meeting, posterior, opening), 0.2 * bow, 1, echoes);

    let ring = annulus - (heart.ventricle.length - chambers.tricuspid_level);
    let (near, far) = deformation.right_ventricle(ring);
    let (near, far) = (-near - 0.05, -far + 0.15);
    let meeting = (near + 0.45 * (far - near), ring - 0.35);
    let septal_leaflet = (near + 0.12 * (far - near), ring - 1.3);
    let free_leaflet = (near + 0.80 * (far - near), ring - 1.5);
    curve((near, ring), mix(meeting, septal_leaflet, opening), 0.1 * bow, 2, echoes);
    curve((far, ring), mix(meeting, free_leaflet, opening), -0.1 * bow, 3, echoes);
}

fn mix(a: (f64, f64), b: (f64, f64), share: f64) -> (f64, f64) {
    (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1))
}

/// A quadratic curve from the hinge to the tip, bent sideways by a share of its length.
fn curve(hinge: (f64, f64), tip: (f64, f64), bend: f64, leaflet: usize, echoes: &mut Vec<Echo>) {
    let (dx, dl) = (tip.0 - hinge.0, tip.1 - hinge.1);
    let control = (hinge.0 + 0.5 * dx - bend * dl, hinge.1 + 0.5 * dl + bend * dx);
    let count = (dx.hypot(dl) / SPACING).ceil() as usize;
    for i in 0..=count {
        let t = i as f64 / count.max(1) as f64;
        let along = mix(mix(hinge, control, t), mix(control, tip, t), t);
        // Two layers make it about 2 mm thick; the tip is a little thicker and brighter.
        for (layer, shift) in [-0.05, 0.05].into_iter().enumerate() {
            echoes.push(Echo {
                x: along.0 + shift,
                level: along.1 + shift,
                strength: STRENGTH * (0.55 + 0.6 * t),
                label: leaflet * 128 + layer * 64 + i,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::motion::Walls;
    use crate::population::Population;
    use echo_random::Stream;

    #[test]
    fn mitral_leaflets_meet_when_shut_and_point_to_the_apex_when_open() {
        let heart = Physiology::draw(&mut Stream::new(1, "test", 0), Population::Target(58.0)).unwrap();
        let chambers = Chambers::new(&heart);
        let walls = Walls::new(&heart, &chambers);
        let deformation = Deformation::new(&walls, 0.3);
        let tips = |opening: f64| {
            let mut echoes = Vec::new();
            leaflets(&heart, &chambers, &deformation, opening, &mut echoes);
            [0, 1].map(|leaflet| *echoes.iter().rfind(|echo| echo.label / 128 == leaflet).unwrap())
        };
        let [anterior, posterior] = tips(0.0);
        assert!((anterior.x - posterior.x).hypot(anterior.level - posterior.level) < 1e-9);
        let [anterior_open, posterior_open] = tips(1.0);
        assert!(posterior_open.x - anterior_open.x > 1.0);
        assert!(anterior_open.level < anterior.level - 0.8);
        // Leaflets stay inside the cavity: outside they would look like wall.
        let width = deformation.contracted().half_width(Side::Septal, anterior_open.level);
        assert!(anterior_open.x > -width, "{} {width}", anterior_open.x);
    }
}
