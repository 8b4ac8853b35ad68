//! The primary metric against training videos, with intervals.

use plotters::element::{Circle, Cross, PathElement, TriangleMarker};

use super::canvas::{Axes, Role, chart, svg};
use super::published::Published;
use crate::quantity::Quantity;

/// A mean with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Point {
    pub(in super::super) mean: f64,
    pub(in super::super) low: f64,
    pub(in super::super) high: f64,
}

/// One encoder's scores by place on the axis.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Line {
    /// Number of the series, the same in every panel.
    pub(in super::super) series: usize,
    pub(in super::super) name: String,
    pub(in super::super) points: Vec<(usize, Point)>,
}

/// A place on the axis.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Place {
    pub(in super::super) shots: String,
    /// Training samples that were had.
    pub(in super::super) videos: usize,
}

/// One adapter's plot.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Panel<'a> {
    pub(in super::super) name: String,
    pub(in super::super) quantity: &'a Quantity,
    pub(in super::super) places: &'a [Place],
    pub(in super::super) lines: Vec<Line>,
    /// Scores without training, by the number of the encoder's series.
    pub(in super::super) zero_shot: Vec<(usize, f64)>,
    /// Names and scores of constant predictors.
    pub(in super::super) constants: Vec<(String, f64)>,
    /// Published figures, for comparison.
    pub(in super::super) references: Vec<Published>,
    /// The ends of the axis of scores.
    pub(in super::super) range: (f64, f64),
}

/// Intervals of neighbouring series stand this far apart.
const APART: f64 = 0.09;
/// Dots of a horizontal line.
const DOTS: usize = 60;

/// The panel's plot.
pub(in super::super) fn shots(panel: &Panel<'_>) -> String {
    let Panel { quantity, places, range: (lowest, highest), .. } = *panel;
    let primary = quantity.primary();
    let digits = if primary.in_unit() { 1 } else { 2 };
    let words = panel.lines.iter().map(|line| {
        let points = line.points.iter().map(|(place, Point { mean, low, high })| {
            let shots = places.get(*place).map_or("", |place| place.shots.as_str());
            format!("{mean:.digits$} [{low:.digits$}, {high:.digits$}] at {shots}")
        });
        let zero_shot = panel.zero_shot.iter().find(|(series, _)| *series == line.series);
        let zero_shot = zero_shot.map(|(_, value)| format!("{value:.digits$} zero-shot"));
        format!("{} {}", line.name, zero_shot.into_iter().chain(points).collect::<Vec<_>>().join(", "))
    });
    let words = words.chain(panel.constants.iter().map(|(name, value)| format!("{name} {value:.digits$}")));
    let words = words.chain(panel.references.iter().map(|reference| reference.in_words(places)));
    let label = primary.label(&quantity.name);
    let alt = format!("{}: {label} by shots; {}", panel.name, words.collect::<Vec<_>>().join("; "));
    let x_name = format!("{} (shots per {})", quantity.training(), quantity.shot());
    let y_name = quantity.axis(&primary);
    let key: Vec<(Role, String)> = panel
        .lines
        .iter()
        .map(|line| (Role::Series(line.series), line.name.clone()))
        .chain(panel.constants.iter().map(|(name, _)| (Role::Reference, name.clone())))
        .chain(panel.references.iter().map(|one| (Role::Published, format!("published: {}", one.name))))
        .collect();
    svg(&alt, |area| {
        let label = |value: &f64| match value.fract() == 0.0 && *value >= 0.0 {
            true => {
                places.get(*value as usize).map_or_else(String::new, |Place { shots, videos }| match shots.as_str() {
                    "split" => format!("{videos} (split)"),
                    shots => format!("{videos} ({shots})"),
                })
            }
            false => String::new(),
        };
        let (left, right) = (-0.5, places.len().max(1) as f64 - 0.5);
        let axes = Axes {
            x: (&x_name, left, right),
            y: (&y_name, lowest, highest),
            x_labels: places.len() * 2 + 1,
            x_format: &label,
            key: &key,
        };
        let mut chart = chart(area, &axes)?;
        let inside = |value: f64| value.clamp(lowest, highest);
        chart.draw_series(panel.constants.iter().map(|(_, value)| {
            PathElement::new([(left, inside(*value)), (right, inside(*value))], Role::Reference.stroke(2))
        }))?;
        for &(series, value) in &panel.zero_shot {
            // Of encoders that the panel has: another one's colour would mean nothing.
            if panel.lines.iter().any(|line| line.series == series) {
                let at = |dot: usize| left + (right - left) * dot as f64 / DOTS as f64;
                let dots = (0..DOTS).map(|dot| {
                    PathElement::new(
                        [(at(dot), inside(value)), (at(dot) + 0.3 * (right - left) / DOTS as f64, inside(value))],
                        Role::Series(series).stroke(2),
                    )
                });
                chart.draw_series(dots)?;
            }
        }
        for reference in &panel.references {
            reference.draw(&mut chart, places.len(), (lowest, highest))?;
        }
        let middle = (panel.lines.iter().map(|line| line.series).max().unwrap_or(0)) as f64 / 2.0;
        for line in &panel.lines {
            let role = Role::Series(line.series);
            let shift = ((line.series as f64 - middle) * APART).clamp(-0.4, 0.4);
            let x = |place: usize| place as f64 + shift;
            let means: Vec<_> = line.points.iter().map(|&(place, point)| (x(place), inside(point.mean))).collect();
            chart.draw_series(line.points.iter().map(|&(place, Point { low, high, .. })| {
                PathElement::new([(x(place), inside(low)), (x(place), inside(high))], role.stroke(1))
            }))?;
            chart.draw_series([PathElement::new(means.clone(), role.stroke(2))])?;
            // Series differ in shape as well as in colour.
            let means = means.into_iter();
            match line.series % 3 {
                0 => chart.draw_series(means.map(|place| Circle::new(place, 4, role.fill())))?,
                1 => chart.draw_series(means.map(|place| TriangleMarker::new(place, 6, role.fill())))?,
                _ => chart.draw_series(means.map(|place| Cross::new(place, 4, role.stroke(2))))?,
            };
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reference;
    use crate::page::plots::canvas::tests::assert_well_formed;

    #[test]
    fn panels_name_their_videos_and_take_any_value() {
        let point = |mean: f64| Point { mean, low: mean - 1.0, high: mean + 1.0 };
        let places = [("1", 12), ("8", 90)].map(|(shots, videos)| Place { shots: shots.to_owned(), videos });
        let line =
            |series| Line { series, name: format!("e{series}"), points: vec![(0, point(9.0)), (1, point(1e30))] };
        let lines = (0..7).map(line).collect();
        let reference =
            |shots, value| Reference { name: "<b>&".to_owned(), shots, metric: None, value, note: String::new() };
        let references =
            Published::of(&[reference(Some(1), 7.0), reference(Some(8), 6.0), reference(None, 5.0)], &places);
        let quantity = &Quantity::default();
        let panel = Panel {
            name: "coop".to_owned(),
            quantity,
            places: &places,
            lines,
            zero_shot: vec![(0, 6.5), (9, 3.0)],
            constants: vec![("median <of>".to_owned(), 8.0)],
            references,
            range: (0.0, 20.0),
        };
        let svg = shots(&panel);
        // Two points, their line, one everywhere, and the key.
        assert_eq!(svg.matches("class=\"k9\"").count(), 5, "{svg}");
        assert!(svg.contains("&lt;b&gt;&amp; 7.0 at 1, 6.0 at 8, 5.0") && svg.contains("MAE (EF points)"), "{svg}");
        assert!(svg.contains("published: &lt;b&gt;&amp;") && svg.contains(">\nmedian &lt;of&gt;\n<"), "{svg}");
        assert_well_formed(&svg);
        assert!(svg.contains(">\n12 (1)\n<") && svg.contains(">\n90 (8)\n<"), "{svg}");
        assert!(
            svg.contains("e0 6.5 zero-shot, 9.0 [8.0, 10.0] at 1") && svg.contains("median &lt;of&gt; 8.0"),
            "{svg}"
        );
        // An encoder that the panel has not has no line of dots there.
        let without = shots(&Panel { zero_shot: vec![(9, 3.0)], ..panel.clone() });
        assert_eq!(svg.matches("<polyline").count() - without.matches("<polyline").count(), DOTS);
    }
}
