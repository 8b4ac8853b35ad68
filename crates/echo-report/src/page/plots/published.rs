//! Published figures by their place on the axis of shots.

use plotters::element::{Circle, PathElement, Text};
use plotters::style::IntoFont;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Chart, DrawError, FONT, Role};
use super::shots::Place;
use crate::Reference;

/// Characters of a name that are shown in a plot; the legend has all of them.
const NAME: usize = 36;

/// The figures of one name.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Published {
    pub(in super::super) name: String,
    /// Of a number of shots, in the order of places.
    places: Vec<(usize, f64)>,
    /// Of none.
    everywhere: Vec<f64>,
}

impl Published {
    /// By name; those of shots that the axis has not are left to the table.
    pub(in super::super) fn of(references: &[Reference], places: &[Place]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for Reference { name, shots, value, .. } in references {
            let place = shots.map(|shots| places.iter().position(|place| place.shots == shots.to_string()));
            if place == Some(None) {
                continue;
            }
            let index = all.iter().position(|one| one.name == *name).unwrap_or_else(|| {
                all.push(Self { name: name.clone(), places: Vec::new(), everywhere: Vec::new() });
                all.len() - 1
            });
            match place.flatten() {
                Some(place) => all[index].places.push((place, *value)),
                None => all[index].everywhere.push(*value),
            }
        }
        all.iter_mut().for_each(|one| one.places.sort_by_key(|(place, _)| *place));
        all
    }

    pub(in super::super) fn values(&self) -> impl Iterator<Item = f64> {
        self.places.iter().map(|(_, value)| *value).chain(self.everywhere.iter().copied())
    }

    /// For those who do not see the plot.
    pub(super) fn in_words(&self, places: &[Place]) -> String {
        let at = |(place, value): &(usize, f64)| {
            format!("{value:.1} at {}", places.get(*place).map_or("", |place| place.shots.as_str()))
        };
        let values: Vec<String> =
            self.places.iter().map(at).chain(self.everywhere.iter().map(|value| format!("{value:.1}"))).collect();
        format!("published, {} {}", self.name, values.join(", "))
    }

    /// Dashed lines with the name above their first end.
    pub(super) fn draw(
        &self,
        chart: &mut Chart<'_, '_>,
        width: usize,
        (lowest, highest): (f64, f64),
    ) -> Result<(), DrawError> {
        let (left, right) = (-0.5, width.max(1) as f64 - 0.5);
        let role = Role::Published;
        let of_shots: Vec<(f64, f64)> =
            self.places.iter().map(|&(place, value)| (place as f64, value.clamp(lowest, highest))).collect();
        let mut lines: Vec<Vec<(f64, f64)>> = self
            .everywhere
            .iter()
            .map(|value| value.clamp(lowest, highest))
            .map(|value| vec![(left, value), (right, value)])
            .collect();
        chart.draw_series(of_shots.iter().map(|&place| Circle::new(place, 3, role.stroke(1))))?;
        match of_shots.as_slice() {
            [] => (),
            &[(place, value)] => lines.push(vec![(place - 0.4, value), (place + 0.4, value)]),
            _ => lines.push(of_shots),
        }
        let ink = role.color();
        let font = ("sans-serif", FONT).into_font().color(&ink).pos(Pos::new(HPos::Left, VPos::Bottom));
        let name: String = self.name.chars().take(NAME).collect();
        for line in lines {
            let (x, y) = line[0];
            let start = (x + 0.04, y + (highest - lowest) * 0.015);
            chart.draw_series([PathElement::new(line, role.stroke(1))])?;
            chart.draw_series([Text::new(name.clone(), start, font.clone())])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_one_name_are_a_line_and_those_of_other_shots_are_left_out() {
        let reference = |name: &str, shots, value| Reference {
            name: name.to_owned(),
            shots,
            metric: None,
            value,
            note: String::new(),
        };
        let all = [
            reference("logs", Some(8), 6.6),
            reference("logs", Some(1), 7.1),
            reference("logs", Some(16), 5.0),
            reference("paper", None, 4.0),
            reference("other", Some(16), 5.0),
        ];
        let places = ["0", "1", "8"].map(|shots| Place { shots: shots.to_owned(), videos: 3 });
        let found = Published::of(&all, &places);
        assert_eq!(found.len(), 2);
        assert_eq!((&found[0].places, &found[1].everywhere), (&vec![(1, 7.1), (2, 6.6)], &vec![4.0]));
        assert_eq!(found[0].in_words(&places), "published, logs 7.1 at 1, 6.6 at 8");
    }
}
