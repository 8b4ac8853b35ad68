//! What a plane cuts, and how that moves: the one place that chooses between long and short axes.

use crate::beats::Moment;
use crate::chambers::{Chambers, Distances};
use crate::landmarks::Landmarks;
use crate::motion::{Deformation, Walls};
use crate::physiology::{Beside, Physiology};
use crate::short_axis::{ContractedRing, ShortAxis};
use crate::tracing::{DISCS, Line};
use crate::valves::{Echo, leaflets};

/// A heart as a plane cuts it, at end-diastole.
#[derive(Debug)]
pub(crate) enum Cut<'a> {
    /// Along the ventricle: contour, neighbours and what moves them.
    LongAxis(Chambers<'a>, Walls<'a>),
    /// Across it.
    ShortAxis(ShortAxis<'a>),
}

impl<'a> Cut<'a> {
    pub fn new(heart: &'a Physiology) -> Self {
        match &heart.beside {
            Beside::Crescent { level, right } => Self::ShortAxis(ShortAxis::new(heart, *level, right)),
            _ => {
                let chambers = Chambers::new(heart);
                let walls = Walls::new(&chambers);
                Self::LongAxis(chambers, walls)
            }
        }
    }

    /// Distances of a place to borders.
    pub fn distances(&self, x: f64, level: f64) -> Distances {
        match self {
            Self::LongAxis(chambers, _) => chambers.distances(x, level),
            Self::ShortAxis(ring) => ring.distances(x, level),
        }
    }

    /// Echo strength that rings, bands and muscles add at a place.
    pub fn landmarks(&self) -> Box<dyn Fn(f64, f64) -> f64 + '_> {
        match self {
            Self::LongAxis(chambers, _) => {
                let landmarks = Landmarks::new(chambers);
                Box::new(move |x, level| landmarks.strength(x, level))
            }
            Self::ShortAxis(ring) => Box::new(|x, level| ring.strength(x, level)),
        }
    }

    /// The cut at a contraction of 0 (end-diastole) to 1 (end-systole).
    pub fn contracted(&self, contraction: f64) -> Contraction<'_> {
        match self {
            Self::LongAxis(chambers, walls) => {
                Contraction::LongAxis(chambers, Box::new(Deformation::new(walls, contraction)))
            }
            Self::ShortAxis(ring) => Contraction::ShortAxis(ring, ring.contracted(contraction)),
        }
    }
}

/// A [`Cut`] at one moment.
#[derive(Debug)]
pub(crate) enum Contraction<'a> {
    LongAxis(&'a Chambers<'a>, Box<Deformation<'a>>),
    ShortAxis(&'a ShortAxis<'a>, ContractedRing<'a>),
}

impl Contraction<'_> {
    /// End-diastolic place of the tissue that is now at `(x, level)`.
    pub fn reference(&self, place: (f64, f64)) -> (f64, f64) {
        match self {
            Self::LongAxis(_, deformation) => deformation.reference(place),
            Self::ShortAxis(_, ring) => ring.reference(place),
        }
    }

    /// Replaces `echoes` by those of the leaflets and cusps.
    pub fn leaflets(&self, moment: &Moment, echoes: &mut Vec<Echo>) {
        echoes.clear();
        match self {
            Self::LongAxis(chambers, deformation) => leaflets(chambers, deformation, moment, echoes),
            Self::ShortAxis(ring, _) => ring.leaflets(moment, echoes),
        }
    }
}

/// An axis of the cavity and chords across it, at a contraction: of a long axis from apex to base, of a short one from the
/// anterior to the inferior wall.
pub(crate) fn traced(heart: &Physiology, contraction: f64) -> (Line, [Line; DISCS]) {
    if let Beside::Crescent { level, right } = &heart.beside {
        return ShortAxis::new(heart, *level, right).contracted(contraction).lines();
    }
    let contracted = heart.ventricle.contracted(contraction);
    let chords = contracted.discs().map(|(level, left, right)| [(-left, level), (right, level)]);
    ([(0.0, contracted.apex), (0.0, contracted.annulus)], chords)
}
