//! What a reader could say about a loop: the truth behind captions and classification heads.

use serde::{Deserialize, Serialize};

use crate::Phantom;
use crate::acquisition::Gain;
use crate::chamber_sizes::{ChamberSize, LEFT_ATRIUM, LEFT_VENTRICLE, RIGHT_ATRIUM, RIGHT_VENTRICLE};
use crate::image_quality::ImageQuality;
use crate::reading::Label;
use crate::tracing::Tracing;
use crate::view::{View, Wall};
use crate::wall_motion::{Activity, WallMotion};
use crate::window::Window;

/// Below this an ejection fraction is called reduced, percent.
const REDUCED_EF: f64 = 50.0;

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
    /// Width of the left atrium, where the view shows it.
    pub left_atrium: Option<Chamber>,
    /// Width of the right ventricle at its base, where the view shows it.
    pub right_ventricle: Option<Chamber>,
    /// Width of the right atrium, where the view shows it.
    pub right_atrium: Option<Chamber>,
    /// The walls that the view shows, in the order of [`View::walls`].
    pub walls: Vec<(Wall, WallMotion)>,
    /// Whether a region moves visibly worse than the others, as after an infarction. A heart that fails as a whole has
    /// weak walls and no such region.
    pub regional_abnormality: bool,
    /// Overall gain.
    pub gain: Gain,
    /// Quality of the acoustic window.
    pub window: Window,
    /// Quality of the picture, where recordings are drawn by grade.
    pub image_quality: Option<ImageQuality>,
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
        let view = acquisition.plane.view;
        let [edv, esv] = match view.is_short_axis() {
            // A single ring has no volume; the heart that was cut has.
            true => [0.0, 1.0].map(|contraction| heart.ventricle.contracted(contraction).volume()),
            false => [diastole, systole].map(|tracing| tracing.volume() * cm.powi(3)),
        };
        let motions = WallMotion::of(&heart.ventricle);
        let shown = view.walls().into_iter().zip(motions).filter_map(|(wall, motion)| Some((wall?, motion)));
        let walls: Vec<(Wall, WallMotion)> = shown.collect();
        let right_heart = heart.right_heart().filter(|_| view.shows_right_heart());
        let is_weak = heart.ventricle.activity != Activity::NORMAL;
        Self {
            view,
            ef: 100.0 * (1.0 - esv / edv),
            edv,
            esv,
            heart_rate: heart.heart_rate,
            left_ventricle: Chamber { width: diastole.width() * cm, size: ChamberSize::of(edv, LEFT_VENTRICLE) },
            left_atrium: (!view.is_short_axis()).then(|| Chamber::of(2.0 * heart.left_atrium, LEFT_ATRIUM)),
            right_ventricle: right_heart.map(|right| Chamber::of(right.ventricle, RIGHT_VENTRICLE)),
            right_atrium: right_heart.map(|right| Chamber::of(2.0 * right.atrium, RIGHT_ATRIUM)),
            regional_abnormality: is_weak && walls.iter().any(|(_, motion)| *motion != walls[0].1),
            walls,
            gain: acquisition.gain_class(),
            window: acquisition.window,
            image_quality: acquisition.image_quality,
        }
    }

    /// The measurements that a table holds.
    pub fn label(&self) -> Label {
        Label { ef: self.ef, edv: self.edv, esv: self.esv }
    }

    /// What a report would list, by name; nothing where the view does not show it. Several may be present at once.
    pub fn present(&self) -> [(&'static str, Option<bool>); 6] {
        let dilated = |chamber: Option<Chamber>| chamber.map(|chamber| chamber.size != ChamberSize::Normal);
        [
            ("ReducedEF", Some(self.ef < REDUCED_EF)),
            ("DilatedLeftVentricle", dilated(Some(self.left_ventricle))),
            ("DilatedLeftAtrium", dilated(self.left_atrium)),
            ("DilatedRightVentricle", dilated(self.right_ventricle)),
            ("DilatedRightAtrium", dilated(self.right_atrium)),
            // One wall alone has nothing to be compared with.
            ("RegionalWallMotionAbnormality", Some(self.regional_abnormality).filter(|_| self.walls.len() > 1)),
        ]
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
        for phantom in phantoms(View::PsaxPm, 20) {
            let findings = phantom.findings();
            assert!(findings.left_atrium.is_none() && findings.right_ventricle.is_none());
            assert!(findings.wall(Wall::Septal).is_some() && findings.wall(Wall::Apical).is_none());
        }
        for phantom in phantoms(View::PsaxAp, 20) {
            let regional = phantom.findings().present()[5];
            assert_eq!(regional, ("RegionalWallMotionAbnormality", None), "one wall alone");
        }
        for phantom in phantoms(View::A2c, 20) {
            let findings = phantom.findings();
            assert!(findings.right_ventricle.is_none() && findings.right_atrium.is_none());
            assert!(findings.wall(Wall::Inferior).is_some() && findings.wall(Wall::Septal).is_none());
        }
    }

    /// Otherwise the finding would be a noisy ejection fraction: it must be frequent beside a moderately reduced one,
    /// absent beside a vigorous one, and never said of walls that all move alike.
    #[test]
    fn a_regional_abnormality_is_a_wall_that_moves_worse_than_others() {
        let found = |ef: f64| {
            let findings = (0..400).map(|i| Phantom::draw(8, i, Population::Target(ef)).unwrap().findings());
            let abnormal = findings.filter(|findings| {
                let mut scores: Vec<WallMotion> = findings.walls.iter().map(|(_, motion)| *motion).collect();
                scores.sort();
                assert!(!findings.regional_abnormality || scores[0] < scores[2], "{findings:?}");
                findings.regional_abnormality
            });
            abnormal.count()
        };
        let [failing, reduced, vigorous] = [22.0, 42.0, 68.0].map(found);
        assert!((100..300).contains(&failing) && (100..300).contains(&reduced), "{failing} and {reduced} of 400");
        assert!(vigorous < 20, "{vigorous} of 400");
    }

    #[test]
    fn what_a_report_lists_follows_the_findings() {
        let of = |findings: &Findings, name: &str| findings.present().into_iter().find(|row| row.0 == name).unwrap().1;
        let mut seen = [0; 2];
        for phantom in phantoms(View::A4c, 100).chain(phantoms(View::A2c, 100)) {
            let findings = Findings { ef: 50.0, ..phantom.findings() };
            let dilated = findings.left_ventricle.size >= ChamberSize::MildlyDilated;
            seen[usize::from(dilated)] += 1;
            assert_eq!(of(&findings, "DilatedLeftVentricle"), Some(dilated));
            let right = findings.right_atrium.map(|chamber| chamber.size != ChamberSize::Normal);
            assert_eq!(of(&findings, "DilatedRightAtrium"), right);
            assert_eq!(of(&findings, "ReducedEF"), Some(false));
            assert_eq!(of(&Findings { ef: 49.9, ..findings }, "ReducedEF"), Some(true));
        }
        assert!(seen.iter().all(|&count| count > 20), "{seen:?}");
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
