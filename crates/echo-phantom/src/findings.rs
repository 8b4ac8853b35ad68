//! What a reader could say about a loop: the truth behind captions and classification heads.

use serde::{Deserialize, Serialize};

use crate::Phantom;
use crate::acquisition::Gain;
use crate::chamber_sizes::{ChamberSize, LEFT_ATRIUM, LEFT_VENTRICLE, RIGHT_ATRIUM, RIGHT_VENTRICLE};
use crate::tracing::Tracing;
use crate::view::{View, Wall};
use crate::wall_motion::WallMotion;
use crate::window::Window;

/// Everything known about a phantom that can be seen in its loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// The plane.
    pub view: View,
    /// Ejection fraction by the method of discs on the drawn contour, percent.
    pub ef: f64,
    /// End-diastolic volume, ml.
    pub edv: f64,
    /// End-systolic volume, ml.
    pub esv: f64,
    /// Beats a minute.
    pub heart_rate: f64,
    /// Widest diameter of the left ventricle at end-diastole; its class is that of the end-diastolic volume.
    pub left_ventricle: Chamber,
    /// Width of the left atrium.
    pub left_atrium: Chamber,
    /// Width of the right ventricle at its base, where the view shows it.
    pub right_ventricle: Option<Chamber>,
    /// Width of the right atrium, where the view shows it.
    pub right_atrium: Option<Chamber>,
    /// The walls that the view shows: left in the picture, right, apex.
    pub walls: [(Wall, WallMotion); 3],
    /// Overall gain.
    pub gain: Gain,
    /// Quality of the acoustic window.
    pub window: Window,
}

/// A chamber's size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chamber {
    /// Width in cm.
    pub width: f64,
    /// The class that a reader would give it.
    pub size: ChamberSize,
}

/// The left ventricle's cavity in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cavity {
    /// Volume, ml.
    pub volume: f64,
    /// Share of the stroke volume that is in it: 1 at end-diastole, 0 at end-systole.
    pub filled: f64,
    /// Diameter of a ball of this volume as a share of the picture's width: what a frame shows of the volume whose scale
    /// in centimetres it does not show.
    pub breadth: f64,
}

impl Chamber {
    fn of(width: f64, limits: (f64, f64)) -> Self {
        Self { width, size: ChamberSize::of(width, limits) }
    }
}

impl Findings {
    /// The findings in a phantom with these tracings of end-diastole and end-systole.
    pub(crate) fn new(phantom: &Phantom, [diastole, systole]: &[Tracing; 2]) -> Self {
        let (heart, acquisition) = (&phantom.physiology, &phantom.acquisition);
        let cm = acquisition.sector().cm_per_pixel();
        let [edv, esv] = [diastole, systole].map(|tracing| tracing.volume() * cm.powi(3));
        let view = acquisition.plane.view;
        let [left, right, apex] = WallMotion::of(&heart.ventricle);
        let walls = view.walls();
        Self {
            view,
            ef: 100.0 * (1.0 - esv / edv),
            edv,
            esv,
            heart_rate: heart.heart_rate,
            left_ventricle: Chamber { width: diastole.width() * cm, size: ChamberSize::of(edv, LEFT_VENTRICLE) },
            left_atrium: Chamber::of(2.0 * heart.left_atrium, LEFT_ATRIUM),
            right_ventricle: heart.right_heart().map(|right| Chamber::of(right.ventricle, RIGHT_VENTRICLE)),
            right_atrium: heart.right_heart().map(|right| Chamber::of(2.0 * right.atrium, RIGHT_ATRIUM)),
            walls: [(walls[0], left), (walls[1], right), (walls[2], apex)],
            gain: acquisition.gain_class(),
            window: acquisition.window,
        }
    }

    /// How a wall moves; nothing when the view does not show it.
    pub fn wall(&self, wall: Wall) -> Option<WallMotion> {
        self.walls.iter().find(|(shown, _)| *shown == wall).map(|(_, motion)| *motion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ventricle::Side;
    use crate::{Population, Setting, Views};

    fn phantoms(view: View, count: u64) -> impl Iterator<Item = Phantom> {
        let setting = Setting { views: Views::Only(view), ..Setting::default() };
        (0..count).map(move |i| Phantom::draw_with(8, i, Population::Target(42.0), setting).unwrap())
    }

    #[test]
    fn findings_name_what_the_view_shows_and_nothing_else() {
        for phantom in phantoms(View::A4c, 20) {
            let findings = phantom.findings();
            assert!(findings.right_ventricle.is_some() && findings.right_atrium.is_some());
            assert!(findings.wall(Wall::Septal).is_some() && findings.wall(Wall::Anterior).is_none());
        }
        for phantom in phantoms(View::A2c, 20) {
            let findings = phantom.findings();
            assert!(findings.right_ventricle.is_none() && findings.right_atrium.is_none());
            assert!(findings.wall(Wall::Inferior).is_some() && findings.wall(Wall::Septal).is_none());
        }
    }

    /// Scores and tracings must tell the same story: of two walls the worse one moves less on the picture.
    #[test]
    fn akinetic_walls_stand_still_in_the_tracings() {
        let mut seen = 0;
        for phantom in phantoms(View::A4c, 200).chain(phantoms(View::A2c, 200)) {
            let walls = phantom.findings().walls;
            let ventricle = &phantom.physiology.ventricle;
            let systole = ventricle.contracted(1.0);
            let moved = |side| {
                // The same tissue, half-way down the ventricle.
                let now = systole.apex + 0.55 * (systole.annulus - systole.apex);
                1.0 - systole.half_width(side, now) / ventricle.relaxed_half_width(side, systole.reference_level(now))
            };
            let [left, right] = [Side::Left, Side::Right].map(moved);
            for ((_, motion), moved, other) in [(walls[0], left, right), (walls[1], right, left)] {
                if motion == WallMotion::Akinetic {
                    seen += 1;
                    assert!(moved < 0.08 && other > moved + 0.08, "{moved} beside {other}");
                }
            }
        }
        assert!(seen > 40, "{seen} akinetic walls in 400 hearts");
    }
}
