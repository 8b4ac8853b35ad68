//! The planes that are drawn, and the walls of the left ventricle that each of them shows.

use echo_random::Stream;
use serde::{Deserialize, Serialize};

/// Share of apical two-chamber views among [`Views::Both`].
const TWO_CHAMBER_SHARE: f64 = 0.3;

/// A standard plane through the heart, seen from its apex.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum View {
    /// Apical four-chamber: both ventricles, both atria, mitral and tricuspid valve.
    #[default]
    #[serde(rename = "A4C")]
    A4c,
    /// Apical two-chamber: left ventricle and atrium, mitral valve, coronary sinus and left atrial appendage.
    #[serde(rename = "A2C")]
    A2c,
}

impl View {
    /// The usual abbreviation: `A4C` or `A2C`.
    pub fn name(self) -> &'static str {
        match self {
            Self::A4c => "A4C",
            Self::A2c => "A2C",
        }
    }

    /// The walls on the left and on the right of the picture, then the apex.
    pub fn walls(self) -> [Wall; 3] {
        match self {
            Self::A4c => [Wall::Septal, Wall::Lateral, Wall::Apical],
            Self::A2c => [Wall::Inferior, Wall::Anterior, Wall::Apical],
        }
    }
}

/// A wall of the left ventricle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wall {
    /// Towards the right ventricle; in the four-chamber view.
    Septal,
    /// The free wall of the four-chamber view.
    Lateral,
    /// Towards the diaphragm; in the two-chamber view.
    Inferior,
    /// Towards the breastbone; in the two-chamber view.
    Anterior,
    /// The tip, in both views.
    Apical,
}

impl Wall {
    /// All walls.
    pub const ALL: [Self; 5] = [Self::Septal, Self::Lateral, Self::Inferior, Self::Anterior, Self::Apical];

    /// The wall's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Septal => "septal",
            Self::Lateral => "lateral",
            Self::Inferior => "inferior",
            Self::Anterior => "anterior",
            Self::Apical => "apical",
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
    /// One view only.
    Only(View),
}

impl Views {
    /// Takes one draw whatever is asked for, so that recordings of one number differ in nothing but their view.
    pub(crate) fn draw(self, stream: &mut Stream) -> View {
        let two_chamber = stream.uniform() < TWO_CHAMBER_SHARE;
        match self {
            Self::Only(view) => view,
            Self::Both if two_chamber => View::A2c,
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
}
