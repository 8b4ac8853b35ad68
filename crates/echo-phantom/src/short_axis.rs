//! Short-axis views: the left ventricle as a ring, the right one as a crescent beside it, and what the level shows in the
//! ring: the mitral valve's fish mouth, the papillary muscles, or nothing.
//!
//! Coordinates are those of long axes with another meaning: `x` runs from the septum to the lateral wall and `level` from the
//! anterior to the inferior wall, in cm; the middle of the cavity lies at `(0, MIDDLE)`.

use std::f64::consts::TAU;

use crate::beats::Moment;
use crate::chambers::Distances;
use crate::motion::{Ray, Section};
use crate::physiology::{Physiology, RightHeart};
use crate::shapes::bump;
use crate::tracing::{DISCS, Line};
use crate::valves::{Echo, curve};
use crate::ventricle::{Side, Ventricle};

/// Level of the cavity's middle, cm.
pub(crate) const MIDDLE: f64 = 5.0;

/// From this share of the ventricle's length on, the plane cuts the mitral valve.
const VALVE: f64 = 0.7;
/// From this share on, it cuts the papillary muscles.
const PAPILLARY: f64 = 0.35;

/// Direction from the middle of the left ventricle to that of the right one: left and up.
const TO_THE_RIGHT_HEART: (f64, f64) = (-0.9, -0.436);

/// Middles of the papillary muscles at about four and eight o'clock as shares of the cavity's radius, and their radius.
const MUSCLES: [(f64, f64, f64); 2] = [(0.6, 0.38, 0.27), (-0.55, 0.48, 0.27)];

/// Rays in a full turn.
const RAYS: usize = 180;

/// One heart in short axis, at end-diastole.
#[derive(Clone, Debug)]
pub(crate) struct ShortAxis<'a> {
    heart: &'a Physiology,
    /// The plane's place, as a share of the ventricle's length.
    level: f64,
    /// Half-widths of the cavity towards septum and lateral wall.
    half_widths: [f64; 2],
    /// The right ventricle's outline, where the plane cuts it.
    right: Option<Circle>,
    rays: Vec<Ray>,
}

#[derive(Clone, Copy, Debug)]
struct Circle {
    x: f64,
    y: f64,
    radius: f64,
    wall: f64,
}

impl<'a> ShortAxis<'a> {
    /// The heart at this share of the ventricle's length, with a right ventricle as wide as `right` says.
    pub fn new(heart: &'a Physiology, level: f64, right: &RightHeart) -> Self {
        let v = &heart.ventricle;
        let at = level * v.length;
        let sides = [Side::Left, Side::Right];
        let half_widths = sides.map(|side| v.relaxed_half_width(side, at));
        let outer = sides.map(|side| v.relaxed_outer_half_width(side, at));
        let losses = sides.map(|side| v.loss_of_width(side, at));
        let circle = Circle::of(outer, right);
        let ray = |i: usize| {
            let (sin, cos) = (TAU * i as f64 / RAYS as f64).sin_cos();
            // The ring's sides go over into each other.
            let to_lateral = 0.5 * (1.0 + cos);
            let mix = |[septal, lateral]: [f64; 2]| septal + to_lateral * (lateral - septal);
            let wall = [mix(half_widths), mix(outer)];
            let free_wall = circle.map_or(0.0, |circle| circle.along(cos, sin));
            Ray { wall, loss: mix(losses), free_wall: free_wall.max(wall[1]), right_loss: right.narrowing }
        };
        let rays = (0..=RAYS).map(ray).collect();
        Self { heart, level, half_widths, right: circle, rays }
    }

    /// The ray through a place, between the tabulated ones; `angle` in radians.
    #[inline]
    fn ray(&self, angle: f64) -> Ray {
        let place = angle.rem_euclid(TAU) / TAU * RAYS as f64;
        let i = (place as usize).min(RAYS - 1);
        let share = place - i as f64;
        let (a, b) = (&self.rays[i], &self.rays[i + 1]);
        let mix = |a: f64, b: f64| a + share * (b - a);
        Ray {
            wall: [mix(a.wall[0], b.wall[0]), mix(a.wall[1], b.wall[1])],
            loss: mix(a.loss, b.loss),
            free_wall: mix(a.free_wall, b.free_wall),
            right_loss: a.right_loss,
        }
    }

    /// Whether a place is in the left ventricle's cavity.
    #[cfg(test)]
    pub fn is_cavity(&self, x: f64, level: f64) -> bool {
        let y = level - MIDDLE;
        x.hypot(y) < self.ray(y.atan2(x)).wall[0]
    }

    pub fn distances(&self, x: f64, level: f64) -> Distances {
        let y = level - MIDDLE;
        let r = (x * x + y * y).sqrt();
        let [inner, outer] = self.ray(y.atan2(x)).wall;
        let epicardium = r - outer;
        let (right, right_outside) = self.right.map_or((f64::INFINITY, f64::INFINITY), |circle| {
            let from_border = ((x - circle.x).powi(2) + (y - circle.y).powi(2)).sqrt() - circle.radius;
            (from_border.max(-epicardium), from_border - circle.wall)
        });
        Distances { cavity: (r - inner).min(right), epicardium, outside: epicardium.min(right_outside) }
    }

    /// Echo strength of what stands in the cavity. It counts as cavity, as in tracings.
    pub fn strength(&self, x: f64, level: f64) -> f64 {
        if !(PAPILLARY..VALVE).contains(&self.level) {
            return 0.0;
        }
        let radius = 0.5 * (self.half_widths[0] + self.half_widths[1]);
        let (x, y) = (x / radius, (level - MIDDLE) / radius);
        if x * x + y * y > 1.0 {
            return 0.0;
        }
        let muscle = |(mx, my, r): (f64, f64, f64)| {
            // A round tip on a broad foot at the wall.
            let (out, across) = (x * mx + y * my, x * my - y * mx);
            let length = (mx * mx + my * my).sqrt();
            let (out, across) = (out / length - length, across / length);
            let from_tip = (out.min(0.0).powi(2) + (across / (1.0 + 0.8 * out.max(0.0))).powi(2)).sqrt();
            let edge = ((r - from_tip) / 0.08).clamp(0.0, 1.0);
            edge * (0.8 + 0.5 * bump(from_tip - r + 0.1, 0.12))
        };
        MUSCLES.map(muscle).into_iter().fold(0.0, f64::max)
    }

    /// Length of the wall at this level, at a contraction, as a share of that at end-diastole.
    fn shortening(&self, contraction: f64) -> f64 {
        let v = &self.heart.ventricle;
        let shortening = v.contracted(contraction).shortening();
        1.0 - (1.0 - shortening) * v.shares_shortening(self.level * v.length)
    }

    /// The ring at a contraction.
    pub fn contracted(&self, contraction: f64) -> ContractedRing<'_> {
        ContractedRing { ring: self, contraction, shortening: self.shortening(contraction) }
    }

    /// Adds the echoes of the mitral valve, seen from the apex: two lips that part.
    pub fn leaflets(&self, moment: &Moment, echoes: &mut Vec<Echo>) {
        if self.level < VALVE {
            return;
        }
        let ring = self.contracted(moment.contraction);
        let [septal, lateral] = [ring.section(TAU / 2.0), ring.section(0.0)].map(|section| section.inner);
        let (left, right) = ((-0.84 * septal, MIDDLE + 0.1), (0.84 * lateral, MIDDLE + 0.1));
        let gape = 0.55 * (septal + lateral) * moment.opening;
        // Shut lips meet along a line that is a little arched; a bend of the line's length arches it by half of that.
        for (lip, arch) in [(0, -gape - 0.2), (1, 0.8 * gape - 0.2)] {
            curve(left, right, arch / (right.0 - left.0), lip, echoes);
        }
    }
}

/// Level of the heart's anterior border.
pub(crate) fn top(v: &Ventricle, level: f64, right: &RightHeart) -> f64 {
    let outer = [Side::Left, Side::Right].map(|side| v.relaxed_outer_half_width(side, level * v.length));
    let left = -0.5 * (outer[0] + outer[1]);
    MIDDLE + Circle::of(outer, right).map_or(left, |circle| left.min(circle.y - circle.radius - circle.wall))
}

impl Circle {
    /// A right ventricle beside a ring of these outer half-widths.
    fn of(outer: [f64; 2], right: &RightHeart) -> Option<Self> {
        let septum = 0.5 * (outer[0] + outer[1]);
        let radius = 1.12 * septum;
        let away = septum + right.ventricle - radius;
        let (dx, dy) = TO_THE_RIGHT_HEART;
        (right.ventricle > 0.0).then_some(Self { x: dx * away, y: dy * away, radius, wall: right.wall })
    }

    /// Where a ray from the origin leaves the circle, grown by half of its wall.
    fn along(&self, cos: f64, sin: f64) -> f64 {
        let towards = self.x * cos + self.y * sin;
        let aside = self.y * cos - self.x * sin;
        let radius = self.radius + 0.5 * self.wall;
        towards + (radius * radius - aside * aside).max(0.0).sqrt()
    }
}

/// A [`ShortAxis`] at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContractedRing<'a> {
    ring: &'a ShortAxis<'a>,
    contraction: f64,
    shortening: f64,
}

impl ContractedRing<'_> {
    /// The wall now in the direction `angle`, radians from the lateral wall clockwise.
    pub fn section(&self, angle: f64) -> Section {
        self.ring.ray(angle).section(self.contraction, self.shortening)
    }

    /// End-diastolic place of the tissue that is now at `(x, level)`.
    pub fn reference(&self, (x, level): (f64, f64)) -> (f64, f64) {
        let y = level - MIDDLE;
        let r = (x * x + y * y).sqrt().max(1e-9);
        let then = self.ring.ray(y.atan2(x)).reference(self.contraction, self.shortening, r);
        (x * then / r, MIDDLE + y * then / r)
    }

    /// The cavity's vertical diameter and twenty chords across it from top to bottom.
    pub fn lines(&self) -> (Line, [Line; DISCS]) {
        let [right, down, left, up] = [0.0, 0.25, 0.5, 0.75].map(|turn| self.section(turn * TAU).inner);
        let chord = |i: usize| {
            let share = (2 * i + 1) as f64 / DISCS as f64 - 1.0;
            let y = if share < 0.0 { share * up } else { share * down };
            let across = (1.0 - share * share).sqrt();
            [(-left * across, MIDDLE + y), (right * across, MIDDLE + y)]
        };
        ([(0.0, MIDDLE - up), (0.0, MIDDLE + down)], std::array::from_fn(chord))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physiology::Beside;
    use crate::physiology::tests::heart;
    use crate::view::View;

    fn with_ring(view: View, check: impl Fn(&Physiology, &ShortAxis<'_>)) {
        let heart = heart(60.0, view);
        let Beside::Crescent { level, right } = &heart.beside else { panic!("{view:?} is no short axis") };
        check(&heart, &ShortAxis::new(&heart, *level, right));
    }

    #[test]
    fn muscle_goes_all_around_and_the_right_ventricle_lies_to_the_left() {
        for view in [View::PsaxMv, View::PsaxPm, View::PsaxAp] {
            with_ring(view, |_, ring| {
                for i in 0..36 {
                    let angle = TAU * f64::from(i) / 36.0;
                    let [inner, outer] = ring.ray(angle).wall;
                    let at = |r: f64| ring.distances(r * angle.cos(), MIDDLE + r * angle.sin());
                    assert!(at(0.9 * inner).cavity < 0.0 && at(0.5 * (inner + outer)).cavity > 0.0, "{view:?} {i}");
                    assert!(at(outer - 0.05).epicardium < 0.0 && at(outer + 0.05).epicardium > 0.0);
                }
                let beside = |x: f64| ring.distances(x, MIDDLE - 0.45 * x.abs()).cavity < 0.0;
                let outer = ring.ray(0.0).wall[1];
                assert_eq!(beside(-outer - 0.3), view != View::PsaxAp, "{view:?}");
                assert!(!beside(outer + 0.3), "{view:?}");
            });
        }
    }

    /// From base to apex the ring grows smaller, and only the middle has papillary muscles.
    #[test]
    fn levels_differ_in_size_and_in_what_stands_in_the_cavity() {
        let radius = |view| {
            let heart = heart(60.0, view);
            let Beside::Crescent { level, right } = &heart.beside else { panic!() };
            ShortAxis::new(&heart, *level, right).half_widths[1]
        };
        assert!(radius(View::PsaxAp) < 0.8 * radius(View::PsaxPm));
        for (view, has_muscles) in [(View::PsaxMv, false), (View::PsaxPm, true), (View::PsaxAp, false)] {
            with_ring(view, |_, ring| {
                let r = ring.half_widths[1];
                let muscles = MUSCLES.map(|(x, y, _)| ring.strength(x * r, MIDDLE + y * r));
                assert_eq!(muscles.map(|strength| strength > 0.5), [has_muscles; 2], "{view:?}");
                assert_eq!(ring.strength(0.0, MIDDLE), 0.0);
            });
        }
    }

    #[test]
    fn lips_of_the_mitral_valve_part_in_diastole_and_stay_in_the_ring() {
        let moment =
            |opening: f64| Moment { time: 0.0, beat: 0, filled: 0.6, contraction: 0.4, opening, ejecting: 0.0 };
        let gap = |ring: &ShortAxis<'_>, opening: f64| {
            let mut echoes = Vec::new();
            ring.leaflets(&moment(opening), &mut echoes);
            assert!(echoes.iter().all(|echo| ring.is_cavity(echo.x, echo.level)));
            let middle = echoes.iter().filter(|echo| echo.x.abs() < 0.3).map(|echo| echo.level);
            middle.clone().fold(f64::NEG_INFINITY, f64::max) - middle.fold(f64::INFINITY, f64::min)
        };
        with_ring(View::PsaxMv, |_, ring| {
            let (shut, open) = (gap(ring, 0.0), gap(ring, 1.0));
            assert!(shut < 0.3 && open > 1.0, "{shut} {open}");
        });
        with_ring(View::PsaxPm, |_, ring| {
            let mut echoes = Vec::new();
            ring.leaflets(&moment(1.0), &mut echoes);
            assert!(echoes.is_empty());
        });
    }

    #[test]
    fn nothing_moves_at_end_diastole_and_no_tissue_folds() {
        for view in [View::PsaxMv, View::PsaxPm, View::PsaxAp] {
            with_ring(view, |_, ring| {
                let (still, systole) = (ring.contracted(0.0), ring.contracted(1.0));
                for i in 0..24 {
                    let (sin, cos) = (TAU * f64::from(i) / 24.0).sin_cos();
                    let place = |r: f64| (r * cos, MIDDLE + r * sin);
                    let distance = |(x, level): (f64, f64)| x.hypot(level - MIDDLE);
                    for r in [0.5, 2.0, 3.5, 6.0] {
                        assert!((distance(still.reference(place(r))) - r).abs() < 1e-9, "{view:?} {i} {r}");
                    }
                    let then: Vec<f64> =
                        (1..80).map(|n| distance(systole.reference(place(0.1 * f64::from(n))))).collect();
                    assert!(then.windows(2).all(|pair| pair[1] > pair[0]), "{view:?} {i}: {then:?}");
                }
            });
        }
    }
}
