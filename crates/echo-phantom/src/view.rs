//! The planes that are drawn, and the walls of the left ventricle that each of them shows.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

/// Share of apical two-chamber views among [`Views::Both`].
const TWO_CHAMBER_SHARE: f64 = 0.3;

/// A standard plane through the heart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum View {
    /// Apical four-chamber: both ventricles, both atria, mitral and tricuspid valve.
    #[default]
    #[serde(rename = "A4C")]
    A4c,
    /// Apical two-chamber: left ventricle and atrium, mitral valve, coronary sinus and left atrial appendage.
    #[serde(rename = "A2C")]
    A2c,
    /// Apical three-chamber: left ventricle and atrium, aortic root, right outflow tract.
    #[serde(rename = "A3C")]
    A3c,
    /// Apical five-chamber: the four chambers and the aortic root between the atria.
    #[serde(rename = "A5C")]
    A5c,
    /// Parasternal long axis: the plane of [`View::A3c`], seen from the breastbone.
    #[serde(rename = "PLAX")]
    Plax,
    /// Parasternal short axis at the mitral valve.
    #[serde(rename = "PSAX-MV")]
    PsaxMv,
    /// Parasternal short axis at the papillary muscles.
    #[serde(rename = "PSAX-PM")]
    PsaxPm,
    /// Parasternal short axis near the apex.
    #[serde(rename = "PSAX-AP")]
    PsaxAp,
    /// Subcostal four-chamber: the plane of [`View::A4c`], seen through the liver.
    #[serde(rename = "SC4C")]
    Sc4c,
}

impl View {
    /// All views.
    pub const ALL: [Self; 9] =
        [Self::A4c, Self::A2c, Self::A3c, Self::A5c, Self::Plax, Self::PsaxMv, Self::PsaxPm, Self::PsaxAp, Self::Sc4c];

    /// The usual abbreviation, such as `A4C` or `PSAX-PM`.
    pub fn name(self) -> &'static str {
        match self {
            Self::A4c => "A4C",
            Self::A2c => "A2C",
            Self::A3c => "A3C",
            Self::A5c => "A5C",
            Self::Plax => "PLAX",
            Self::PsaxMv => "PSAX-MV",
            Self::PsaxPm => "PSAX-PM",
            Self::PsaxAp => "PSAX-AP",
            Self::Sc4c => "SC4C",
        }
    }

    /// The walls that it shows to the left and to the right of the long axis as seen from the apex, then the apex.
    pub fn walls(self) -> [Option<Wall>; 3] {
        match self {
            Self::A4c | Self::A5c | Self::Sc4c => [Some(Wall::Septal), Some(Wall::Lateral), Some(Wall::Apical)],
            Self::A2c => [Some(Wall::Inferior), Some(Wall::Anterior), Some(Wall::Apical)],
            Self::A3c => [Some(Wall::Inferolateral), Some(Wall::Anteroseptal), Some(Wall::Apical)],
            Self::Plax => [Some(Wall::Inferolateral), Some(Wall::Anteroseptal), None],
            Self::PsaxMv | Self::PsaxPm => [Some(Wall::Septal), Some(Wall::Lateral), None],
            Self::PsaxAp => [None, None, Some(Wall::Apical)],
        }
    }

    /// Whether the plane lies across the ventricle.
    pub fn is_short_axis(self) -> bool {
        matches!(self, Self::PsaxMv | Self::PsaxPm | Self::PsaxAp)
    }

    /// Whether the probe lies at the apex.
    pub fn is_apical(self) -> bool {
        matches!(self, Self::A4c | Self::A2c | Self::A3c | Self::A5c)
    }

    /// Whether the right ventricle and atrium are cut where they are measured.
    pub(crate) fn shows_right_heart(self) -> bool {
        matches!(self, Self::A4c | Self::A5c | Self::Sc4c)
    }

    /// Whether the plane runs through the left outflow tract and the aortic valve.
    pub(crate) fn shows_aorta(self) -> bool {
        matches!(self, Self::A3c | Self::A5c | Self::Plax)
    }
}

/// A wall of the left ventricle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wall {
    /// Towards the right ventricle.
    Septal,
    /// The free wall opposite the septum.
    Lateral,
    /// Towards the diaphragm; in the two-chamber view.
    Inferior,
    /// Towards the breastbone; in the two-chamber view.
    Anterior,
    /// The tip.
    Apical,
    /// Between the septal and the anterior wall, below the aortic valve; in long-axis views.
    Anteroseptal,
    /// Opposite the anteroseptal one; in long-axis views.
    Inferolateral,
}

impl Wall {
    /// All walls. Tables have columns of the first five always and of the others where a view shows them.
    pub const ALL: [Self; 7] = [
        Self::Septal,
        Self::Lateral,
        Self::Inferior,
        Self::Anterior,
        Self::Apical,
        Self::Anteroseptal,
        Self::Inferolateral,
    ];

    /// The wall's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Septal => "septal",
            Self::Lateral => "lateral",
            Self::Inferior => "inferior",
            Self::Anterior => "anterior",
            Self::Apical => "apical",
            Self::Anteroseptal => "anteroseptal",
            Self::Inferolateral => "inferolateral",
        }
    }
}

/// Which views to draw from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Views {
    /// Seven four-chamber views to three two-chamber views.
    #[default]
    Both,
    /// All of [`View::ALL`], evenly.
    Standard,
    /// One view only.
    Only(View),
}

impl Views {
    /// Takes one draw whatever is asked for, so that recordings of one number differ in nothing but their view.
    pub(crate) fn draw(self, stream: &mut Stream) -> View {
        let drawn = stream.uniform();
        match self {
            Self::Only(view) => view,
            Self::Standard => View::ALL[(drawn * View::ALL.len() as f64) as usize],
            Self::Both if drawn < TWO_CHAMBER_SHARE => View::A2c,
            Self::Both => View::A4c,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_ten_views_have_two_chambers_unless_one_view_is_asked_for() {
        let count = |views: Views| {
            (0..4000).filter(|&i| views.draw(&mut Stream::new(1, "test", i)) == View::A2c).count() as f64 / 4000.0
        };
        // Four standard errors.
        assert!((count(Views::Both) - 0.3).abs() < 0.03, "{}", count(Views::Both));
        assert_eq!([View::A4c, View::A2c].map(|view| count(Views::Only(view))), [0.0, 1.0]);
    }

    #[test]
    fn standard_views_are_drawn_evenly() {
        for view in View::ALL {
            let drawn = (0..4500).filter(|&i| Views::Standard.draw(&mut Stream::new(1, "test", i)) == view).count();
            // Four standard errors of a ninth.
            assert!((415..=585).contains(&drawn), "{view:?}: {drawn} of 4500");
        }
    }
}
