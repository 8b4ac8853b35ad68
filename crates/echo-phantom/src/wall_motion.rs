//! Regional wall motion: walls that move less than the rest of the heart, as after an infarction.
//!
//! A region's activity says how much of the inward motion it keeps. The ejection fraction is wanted first and the
//! narrowing solved for it, so the other walls make up for a weak one, as they do in patients.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

use crate::population::interpolate;
use crate::ventricle::{Side, Ventricle};
use crate::view::View;
use crate::volume_curve::smooth;

/// How well a wall moves, as readers score it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WallMotion {
    /// Moves inwards and thickens.
    Normal,
    /// Moves too little.
    Hypokinetic,
    /// Hardly moves at all.
    Akinetic,
}

/// Share of its half-width by which a wall must move in to count as moving, and as moving normally.
const MOVING: f64 = 0.06;
const MOVING_NORMALLY: f64 = 0.18;

impl WallMotion {
    /// The word for it in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Hypokinetic => "hypokinetic",
            Self::Akinetic => "akinetic",
        }
    }

    /// The usual score: 1 normal, 2 hypokinetic, 3 akinetic.
    pub fn score(self) -> u8 {
        match self {
            Self::Normal => 1,
            Self::Hypokinetic => 2,
            Self::Akinetic => 3,
        }
    }

    /// Scores the drawn motion of the walls on the left and on the right, then of the apex: a heart that fails as a
    /// whole has no normal wall.
    pub(crate) fn of(ventricle: &Ventricle) -> [Self; 3] {
        let loss = |sides: &[Side], from: f64, to: f64| {
            const STEPS: usize = 8;
            let shares = (0..=STEPS).map(|i| from + (to - from) * i as f64 / STEPS as f64);
            let losses = shares.flat_map(|share| {
                sides.iter().map(move |side| ventricle.loss_of_width(*side, share * ventricle.length))
            });
            losses.sum::<f64>() / ((STEPS + 1) * sides.len()) as f64
        };
        let walls = [
            loss(&[Side::Left], 0.4, 0.7),
            loss(&[Side::Right], 0.4, 0.7),
            loss(&[Side::Left, Side::Right], 0.08, 0.28),
        ];
        walls.map(|loss| match loss {
            loss if loss < MOVING => Self::Akinetic,
            loss if loss < MOVING_NORMALLY => Self::Hypokinetic,
            _ => Self::Normal,
        })
    }
}

/// How much of the inward motion each region keeps: 1 all, 0 none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activity {
    /// The wall on the left of the picture.
    pub left: f64,
    /// The wall on the right.
    pub right: f64,
    /// The apical third of both.
    pub apex: f64,
}

/// (ejection fraction in percent, share of hearts with a weak region): the worse the heart, the likelier an old
/// infarction; the rest of the failing hearts fail as a whole.
const WEAK: [(f64, f64); 7] =
    [(15.0, 0.5), (30.0, 0.6), (40.0, 0.55), (50.0, 0.3), (56.0, 0.1), (62.0, 0.05), (70.0, 0.02)];

/// (ejection fraction in percent, share of the weak regions that stand still).
const STILL: [(f64, f64); 3] = [(30.0, 0.65), (45.0, 0.45), (58.0, 0.0)];

impl Activity {
    /// All walls move as they should.
    pub const NORMAL: Self = Self { left: 1.0, right: 1.0, apex: 1.0 };

    /// Draws the activity of a heart with this ejection fraction in percent; regions fail together as the arteries
    /// supply them.
    pub(crate) fn draw(stream: &mut Stream, ef: f64, view: View) -> Self {
        let [weak, still, place, remainder] = std::array::from_fn(|_| stream.uniform());
        if weak >= interpolate(&WEAK, ef) {
            return Self::NORMAL;
        }
        let kept = if still < interpolate(&STILL, ef) { 0.12 * remainder } else { 0.3 + 0.25 * remainder };
        // The artery of the apex also supplies the septum and the anterior wall.
        let (left, right, apex) = match (place, view) {
            (p, _) if p < 0.25 => (1.0, 1.0, kept),
            // It lies on the right where the view shows it.
            (p, View::A2c | View::A3c | View::Plax) if p < 0.5 => (1.0, kept, kept),
            (p, _) if p < 0.5 => (kept, 1.0, kept),
            (p, _) if p < 0.75 => (kept, 1.0, 1.0),
            _ => (1.0, kept, 1.0),
        };
        Self { left, right, apex }
    }

    /// The same regions, less weak: for hearts whose other walls could not make up for it.
    pub(crate) fn milder(self) -> Self {
        let milder = |activity: f64| if activity > 0.85 { 1.0 } else { 1.0 - 0.7 * (1.0 - activity) };
        Self { left: milder(self.left), right: milder(self.right), apex: milder(self.apex) }
    }

    pub(crate) fn of_wall(self, side: Side) -> f64 {
        match side {
            Side::Left => self.left,
            Side::Right => self.right,
        }
    }

    /// Activity at a share of the length, 0 at the apex and 1 at the annulus.
    pub(crate) fn at(self, side: Side, share: f64) -> f64 {
        let wall = self.of_wall(side);
        wall + (self.apex - wall) * (1.0 - smooth((share - 0.2) / 0.25))
    }

    /// Of the annulus' descent. Half of it is the pull of muscle elsewhere.
    pub(crate) fn of_annulus(self) -> f64 {
        0.5 + 0.5 * (self.left + self.right + self.apex) / 3.0
    }

    /// Of the apex's descent.
    pub(crate) fn of_apex(self) -> f64 {
        self.apex
    }

    /// Thickness of a wall as a share of a healthy one's: scars are thin.
    pub(crate) fn thickness(activity: f64) -> f64 {
        0.8 + 0.2 * activity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::Plane;
    use crate::physiology::Physiology;
    use crate::population::Population;

    fn scores(ef: f64, view: View, count: u64) -> Vec<[WallMotion; 3]> {
        let plane = Plane { view, shown_length: 1.0 };
        let heart = |i| Physiology::draw(&mut Stream::new(4, "test", i), Population::Target(ef), plane).unwrap();
        (0..count).map(|i| WallMotion::of(&heart(i).ventricle)).collect()
    }

    #[test]
    fn weak_regions_are_frequent_in_failing_hearts_and_rare_in_healthy_ones() {
        for view in [View::A4c, View::A2c] {
            let regional = |ef: f64| {
                let scores = scores(ef, view, 500);
                scores.iter().filter(|walls| walls.iter().min() != walls.iter().max()).count() as f64 / 500.0
            };
            let (failing, healthy) = (regional(38.0), regional(62.0));
            assert!(failing > 0.4 && healthy < 0.1, "{view:?}: {failing} {healthy}");
            assert!(healthy > 0.0, "{view:?}: never in healthy hearts");
        }
    }

    #[test]
    fn every_wall_is_akinetic_at_times_and_normal_at_others() {
        for view in [View::A4c, View::A2c] {
            let scores = scores(42.0, view, 500);
            for wall in 0..3 {
                for motion in [WallMotion::Normal, WallMotion::Hypokinetic, WallMotion::Akinetic] {
                    let count = scores.iter().filter(|walls| walls[wall] == motion).count();
                    assert!(count >= 15, "{view:?} wall {wall} is {motion:?} {count} times in 500");
                }
            }
        }
    }

    #[test]
    fn a_heart_that_fails_as_a_whole_has_no_normal_wall() {
        let all = |ef: f64, wanted: fn(WallMotion) -> bool| {
            let scores = scores(ef, View::A4c, 300);
            scores.iter().filter(|walls| walls.iter().all(|wall| wanted(*wall))).count() as f64 / 300.0
        };
        assert!(all(20.0, |wall| wall != WallMotion::Normal) > 0.6);
        assert!(all(64.0, |wall| wall == WallMotion::Normal) > 0.9);
    }
}
