//! What an ultrasound probe finds where there is no heart: other organs, drawn by the scanner that draws hearts.
//!
//! Places are in cm right of and below the probe. Organs near the skin are drawn three times as large, as a probe for them
//! would show them.

use echo_random::Stream;

use crate::acquisition::Acquisition;
use crate::anatomy::Anatomy;
use crate::lattice::{Lattice, NodePoints};
use crate::phantom::PIXELS;
use crate::pose::Pose;
use crate::scan::Scanner;
use crate::shapes::{Ellipse, bump};

/// An organ, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Organ {
    Liver,
    Kidney,
    Lung,
    Thyroid,
    Vessel,
    /// Nothing but the receiver's noise.
    None,
}

/// Echo strengths relative to heart muscle.
const PARENCHYMA: f64 = 0.7;
const FLUID: f64 = 0.02;

/// Random numbers of one organ, -1 to 1.
type Shape = [f64; 8];

impl Organ {
    /// `count` frames of the organ as `acquisition` shows it.
    pub fn render(self, stream: &mut Stream, acquisition: &Acquisition, count: usize) -> Vec<u8> {
        let shape: Shape = std::array::from_fn(|_| stream.range(-1.0, 1.0));
        // Beats of a vessel's wall, a second.
        let pulse = stream.range(0.9, 1.5);
        let sector = acquisition.sector();
        let anatomy = Anatomy::laid_out(acquisition.texture, |_, place, patch| self.strength(&shape, place, patch));
        let mut scanner = Scanner::new(acquisition);
        let points = NodePoints::new(&sector);
        let mut lattice = Lattice::new();
        let seed = stream.bits64();
        let mut frames = vec![0; count * PIXELS];
        for (number, frame) in frames.chunks_exact_mut(PIXELS).enumerate() {
            let time = number as f64 / f64::from(acquisition.fps);
            let moved = self.motion(acquisition, (time, pulse));
            lattice.fill(moved, Pose::STILL, &points);
            let noise = Stream::new(seed, "phantom/noise", number as u64).bits64();
            scanner.scan(&anatomy, &lattice, (&[], Pose::STILL), noise, acquisition.gain_at(time));
            scanner.picture(frame);
        }
        frames
    }

    /// Where what is now at a place was at the start: organs slide with breathing, and vessels widen with every pulse.
    fn motion(self, acquisition: &Acquisition, (time, pulse): (f64, f64)) -> impl Fn((f64, f64)) -> (f64, f64) {
        let breath = acquisition.breath(time);
        let slide = match self {
            Self::Liver | Self::Kidney => 0.7 * breath,
            Self::Lung => 0.5 * breath,
            _ => 0.08 * breath,
        };
        let beat = (time * pulse).fract();
        let width = match self {
            Self::Vessel => 1.0 + 0.07 * (-(beat / 0.3)).exp() * (beat / 0.06).min(1.0),
            _ => 1.0,
        };
        let is_lung = self == Self::Lung;
        move |(x, y)| {
            // The lung slides along the chest wall, which stays.
            let slide = if is_lung && y < PLEURA - 0.2 { 0.0 } else { slide };
            (x - slide, VESSEL + (y - VESSEL) / width)
        }
    }

    fn strength(self, shape: &Shape, (x, y): (f64, f64), patch: f64) -> f64 {
        match self {
            Self::Liver => liver(shape, (x, y), patch),
            Self::Kidney => kidney(shape, (x, y), patch),
            Self::Lung => lung(shape, (x, y), patch),
            Self::Thyroid => thyroid(shape, (x, y), patch),
            Self::Vessel => vessel(shape, (x, y), patch),
            Self::None => 0.0,
        }
    }
}

/// Depth of the pleura, cm.
const PLEURA: f64 = 3.0;
/// Depth of the vessel's axis.
const VESSEL: f64 = 8.0;

fn ellipse(x: f64, level: f64, half_width: f64, half_height: f64, drop: f64) -> Ellipse {
    Ellipse { x, level, half_width, half_height, drop }
}

/// Layers of skin, fat and muscle down to `depth`, or nothing below.
fn layers(depth: f64, y: f64, patch: f64) -> Option<f64> {
    (y < depth).then(|| 0.35 + 0.25 * patch.abs() + 1.2 * (6.0 * y).sin().max(0.0).powi(4))
}

/// Even tissue with dark veins, of which one has bright walls, before the bright arc of the diaphragm.
fn liver(shape: &Shape, (x, y): (f64, f64), patch: f64) -> f64 {
    if let Some(wall) = layers(1.4, y, patch) {
        return wall;
    }
    let from_diaphragm = (x * x + (y - 1.0) * (y - 1.0)).sqrt() - 12.0 - 0.6 * shape[0];
    if from_diaphragm > 0.25 {
        return 0.25 * (1.0 + patch) * (-0.35 * from_diaphragm).exp();
    }
    let portal = ellipse(1.0 + shape[1], 7.0 + shape[2], 2.6, 0.5, -0.45 + 0.2 * shape[3]).distance(x, y);
    let veins = [
        ellipse(-3.2 + shape[4], 6.0 + shape[5], 0.38, 2.0, 0.4),
        ellipse(-1.0 + shape[6], 9.5, 2.4, 0.42, 0.5),
        ellipse(3.8 + shape[7], 10.0, 0.5, 0.4, 0.0),
    ];
    let vein = veins.iter().map(|vein| vein.distance(x, y)).fold(f64::INFINITY, f64::min);
    if portal.min(vein) < 0.0 {
        return FLUID;
    }
    PARENCHYMA * (1.0 + 0.12 * patch) + 1.6 * bump(portal - 0.14, 0.2) + 4.0 * bump(from_diaphragm, 0.25)
}

/// A bean with a dark rim and a bright middle in the liver's tissue.
fn kidney(shape: &Shape, (x, y): (f64, f64), patch: f64) -> f64 {
    if let Some(wall) = layers(1.6, y, patch) {
        return wall;
    }
    let (middle, drop) = ((0.4 * shape[0], 7.6 + 0.6 * shape[1]), 0.25 + 0.2 * shape[2]);
    let grown = |width: f64, height: f64| {
        ellipse(middle.0, middle.1, width + 0.4 * shape[3], height + 0.2 * shape[4], drop).distance(x, y)
    };
    let (border, sinus) = (grown(5.6, 2.7), grown(3.3, 1.1));
    // Dark pyramids between sinus and rim.
    let pyramid = (2.2 * x + 3.0 * shape[5]).sin().max(0.0).powi(2);
    match (border, sinus) {
        (_, sinus) if sinus < 0.0 => 1.5 + 0.9 * patch.clamp(-1.0, 1.0),
        (border, sinus) if border < 0.0 => {
            let cortex = 0.4 * (1.0 + 0.1 * patch);
            cortex * (1.0 - 0.7 * pyramid * bump(sinus - 0.5, 0.6)) + 2.2 * bump(border + 0.05, 0.14)
        }
        _ if y > middle.1 => 0.5 + 0.5 * patch.abs(),
        _ => PARENCHYMA * (1.0 + 0.12 * patch) + 2.2 * bump(border - 0.05, 0.14),
    }
}

/// Muscle between two ribs, the bright pleura, and behind it repetitions of it or bright rays down to the end.
fn lung(shape: &Shape, (x, y): (f64, f64), patch: f64) -> f64 {
    let r = (x * x + y * y).sqrt();
    let angle = x.atan2(y);
    let rib = [-0.42 + 0.05 * shape[0], 0.44 + 0.05 * shape[1]].map(|at| (angle - at).abs());
    let behind_rib = rib.into_iter().fold(f64::INFINITY, f64::min) < 0.12;
    if y < PLEURA - 0.5 {
        let surface = if behind_rib { 5.0 * bump(r - 1.9, 0.25) } else { 0.0 };
        return if behind_rib && r > 2.0 { FLUID } else { 0.45 + 0.25 * patch.abs() + surface };
    }
    if behind_rib {
        return FLUID;
    }
    let haze = 0.12 + 0.08 * patch.abs();
    let pleura = 7.0 * bump(r - PLEURA, 0.22);
    if shape[2] < 0.0 {
        // Repetitions at multiples of the pleura's depth.
        let repeated = |n: i32| 3.0 * 0.6f64.powi(n) * bump(r - PLEURA * f64::from(n + 1), 0.25);
        return haze + pleura + (1..5).map(repeated).sum::<f64>();
    }
    let rays = [-0.2 + 0.08 * shape[3], 0.02 + 0.06 * shape[4], 0.24 + 0.06 * shape[5]];
    let ray = rays.iter().map(|at| bump(angle - at, 0.055)).fold(0.0, f64::max);
    haze + pleura + if r > PLEURA { 2.4 * ray } else { 0.0 }
}

/// Two even lobes beside the windpipe, with an artery outside each, below thin dark muscles.
fn thyroid(shape: &Shape, (x, y): (f64, f64), patch: f64) -> f64 {
    if let Some(wall) = layers(1.3, y, patch) {
        return wall;
    }
    let lobe =
        |side: f64| ellipse(side * (3.3 + 0.2 * shape[0]), 7.2, 1.9, 2.3 + 0.4 * shape[1], 0.12 * side).distance(x, y);
    let lobes = lobe(-1.0).min(lobe(1.0));
    let isthmus = (x.abs() - 2.5).max((y - 5.2).abs() - 0.4);
    let artery = |side: f64| ellipse(side * 6.4, 8.4 + 0.4 * shape[2], 1.15, 1.15, 0.0).distance(x, y);
    let arteries = artery(-1.0).min(artery(1.0));
    let windpipe = (x * x + (y - 7.4).powi(2)).sqrt() - 1.6;
    if arteries < 0.0 {
        return FLUID;
    }
    if windpipe < 0.12 || (x.abs() < 1.4 && y > 7.4) {
        // Cartilage and then air: nothing, but a few repetitions.
        return 4.5 * bump(windpipe, 0.25) * f64::from(u8::from(y < 7.6))
            + 0.06
            + 0.5 * bump((y - 8.0).rem_euclid(1.4) - 0.2, 0.2);
    }
    if lobes.min(isthmus) < 0.0 {
        let nodule = ellipse(3.3 + 0.6 * shape[3], 7.2 + shape[4], 0.8, 0.7, 0.0).distance(x, y);
        return if shape[5] > 0.0 && nodule < 0.0 { 0.35 } else { 1.1 * (1.0 + 0.08 * patch) };
    }
    let capsule = 1.5 * bump(lobes - 0.08, 0.14) + 2.0 * bump(arteries - 0.12, 0.16);
    let muscle =
        if y < 4.6 { 0.22 + 0.5 * (9.0 * y + 0.6 * x).sin().max(0.0).powi(3) } else { 0.4 + 0.3 * patch.abs() };
    muscle + capsule
}

/// An artery along the picture: dark between two double lines, a vein above it.
fn vessel(shape: &Shape, (x, y): (f64, f64), patch: f64) -> f64 {
    if let Some(wall) = layers(1.3, y, patch) {
        return wall;
    }
    let axis = VESSEL + (0.06 + 0.05 * shape[0]) * x;
    let from_wall = (y - axis).abs() - 1.7 - 0.2 * shape[1];
    let vein = ellipse(shape[2], 4.0, 6.5, 0.9 + 0.2 * shape[3], 0.05).distance(x, y);
    let plaque = if shape[4] > 0.2 {
        ellipse(1.5 * shape[5], axis + 1.6 + 0.2 * shape[1], 1.5, 0.5, 0.06).distance(x, y)
    } else {
        f64::INFINITY
    };
    if plaque < 0.0 {
        return 1.3 + 0.5 * patch;
    }
    if from_wall < 0.0 || vein < 0.0 {
        return FLUID + 1.6 * bump(from_wall + 0.06, 0.12) * f64::from(u8::from(vein > 0.0));
    }
    // Lining, dark middle, bright outside.
    2.6 * bump(from_wall - 0.42, 0.26) + if from_wall < 0.25 { 0.08 } else { 0.45 + 0.3 * patch.abs() }
}
