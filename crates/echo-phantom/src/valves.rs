//! The leaflets of the mitral and tricuspid valves and the cusps of the aortic one: thin bright curves that swing.

use crate::aortic_root::AorticRoot;
use crate::beats::Moment;
use crate::chambers::Chambers;
use crate::motion::Deformation;
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

/// Adds the echoes of all leaflets and cusps at a moment.
pub(crate) fn leaflets(
    chambers: &Chambers<'_>,
    deformation: &Deformation<'_>,
    moment: &Moment,
    echoes: &mut Vec<Echo>,
) {
    let opening = moment.opening;
    // Shut leaflets are straight and form a shallow tent; open ones bow.
    let bow = 0.1 + 0.9 * opening;
    mitral(chambers, deformation, (opening, bow), echoes);
    if let Some(right_heart) = chambers.right_heart() {
        let ring = deformation.contracted().annulus - (chambers.heart.ventricle.length - right_heart.tricuspid_level);
        tricuspid(ring, deformation.right_ventricle(ring), (opening, bow), echoes);
    }
    if let Some(root) = &chambers.aortic_root {
        aortic(root, deformation.contracted().annulus, moment.ejecting, echoes);
    }
}

fn mitral(chambers: &Chambers<'_>, deformation: &Deformation<'_>, (opening, bow): (f64, f64), echoes: &mut Vec<Echo>) {
    let heart = chambers.heart;
    let contracted = deformation.contracted();
    let annulus = contracted.annulus;
    let left = -contracted.half_width(Side::Left, annulus);
    let right = contracted.half_width(Side::Right, annulus);
    // The long anterior leaflet hangs at the septum of a four-chamber view and at the anterior wall of a two-chamber view.
    let (anterior, posterior) = if chambers.right_heart().is_some() { (left, right) } else { (right, left) };
    // Where the plane runs through the aorta, at its root instead, and it opens towards the septum.
    let root = chambers.aortic_root.as_ref();
    let anterior = root.map_or(anterior, |root| root.mitral_edge() * deformation.ring_narrowing());
    let towards = if root.is_some() { 0.02 } else { 0.30 };
    let across = posterior - anterior;
    // Shut leaflets meet a little on the ventricle's side of the ring.
    let meeting = (anterior + 0.62 * across, annulus - 0.45);
    let anterior_tip = (anterior + towards * across, annulus - 0.88 * heart.anterior_leaflet);
    let posterior_tip = (posterior - 0.10 * across, annulus - 0.92 * heart.posterior_leaflet);
    let outwards = across.signum() * bow;
    curve((anterior, annulus), mix(meeting, anterior_tip, opening), -0.25 * outwards, 0, echoes);
    curve((posterior, annulus), mix(meeting, posterior_tip, opening), 0.2 * outwards, 1, echoes);
}

/// Between the septum and the free wall, which are at these distances from the axis.
fn tricuspid(ring: f64, (septum, free_wall): (f64, f64), (opening, bow): (f64, f64), echoes: &mut Vec<Echo>) {
    let (near, far) = (-septum - 0.05, -free_wall + 0.15);
    let meeting = (near + 0.45 * (far - near), ring - 0.35);
    let septal_tip = (near + 0.12 * (far - near), ring - 1.3);
    let free_tip = (near + 0.80 * (far - near), ring - 1.5);
    curve((near, ring), mix(meeting, septal_tip, opening), 0.1 * bow, 2, echoes);
    curve((far, ring), mix(meeting, free_tip, opening), -0.1 * bow, 3, echoes);
}

/// Cusps from the ring: shut they meet in the middle of the sinuses, open they lie along the walls.
fn aortic(root: &AorticRoot, annulus: f64, ejecting: f64, echoes: &mut Vec<Echo>) {
    let (middle, half_width) = root.section(0.0);
    let (tip, _) = root.section(0.9);
    for (leaflet, side) in [(2, -1.0), (3, 1.0)] {
        let hinge = (middle + side * half_width, annulus + 0.05);
        let (shut, open) = ((tip, annulus + 0.75), (tip + 0.9 * side * half_width, annulus + 1.35));
        curve(hinge, mix(shut, open, ejecting), 0.25 * side * (1.0 - ejecting), leaflet, echoes);
    }
}

fn mix(a: (f64, f64), b: (f64, f64), share: f64) -> (f64, f64) {
    (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1))
}

/// A quadratic curve from the hinge to the tip, bent sideways by a share of its length.
pub(crate) fn curve(hinge: (f64, f64), tip: (f64, f64), bend: f64, leaflet: usize, echoes: &mut Vec<Echo>) {
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
    use crate::physiology::tests::heart;
    use crate::view::View;

    /// Echoes of a leaflet, and the half-widths of the cavity at its tip.
    fn tips(view: View, opening: f64) -> ([Echo; 2], Vec<usize>, [f64; 2]) {
        let heart = heart(58.0, view);
        let chambers = Chambers::new(&heart);
        let walls = Walls::new(&chambers);
        let deformation = Deformation::new(&walls, 0.3);
        let mut echoes = Vec::new();
        let moment = Moment { time: 0.0, beat: 0, filled: 0.5, contraction: 0.3, opening, ejecting: 0.0 };
        leaflets(&chambers, &deformation, &moment, &mut echoes);
        let tips = [0, 1].map(|leaflet| *echoes.iter().rfind(|echo| echo.label / 128 == leaflet).unwrap());
        let leaflets = echoes.iter().map(|echo| echo.label / 128).collect();
        let widths = [Side::Left, Side::Right].map(|side| deformation.contracted().half_width(side, tips[0].level));
        (tips, leaflets, widths)
    }

    #[test]
    fn mitral_leaflets_meet_when_shut_and_point_to_the_apex_when_open() {
        for (view, to_posterior) in [(View::A4c, 1.0), (View::A2c, -1.0)] {
            let ([anterior, posterior], ..) = tips(view, 0.0);
            assert!((anterior.x - posterior.x).hypot(anterior.level - posterior.level) < 1e-9);
            let ([anterior_open, posterior_open], _, [left, right]) = tips(view, 1.0);
            assert!(to_posterior * (posterior_open.x - anterior_open.x) > 1.0, "{view:?}");
            assert!(anterior_open.level < anterior.level - 0.8);
            // Leaflets stay inside the cavity: outside they would look like wall.
            assert!((-left..right).contains(&anterior_open.x), "{view:?} {}", anterior_open.x);
        }
    }

    #[test]
    fn only_the_right_heart_has_a_tricuspid_valve() {
        let last = |view| tips(view, 0.5).1.into_iter().max();
        assert_eq!([View::A4c, View::A2c].map(last), [Some(3), Some(1)]);
    }
}
