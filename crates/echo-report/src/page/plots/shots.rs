//! MAE against shots, with intervals.

use plotters::element::{Circle, Cross, PathElement, TriangleMarker};

use super::canvas::{Axes, Role, SERIES, chart, svg};
use super::published::Published;
use crate::page::escape::escape;
use crate::quantity::Quantity;

/// A mean with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Point {
    pub(in super::super) mean: f64,
    pub(in super::super) low: f64,
    pub(in super::super) high: f64,
}

/// One encoder's errors by place on the axis.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Line {
    /// Number of the series, the same in every panel.
    pub(in super::super) series: usize,
    pub(in super::super) name: String,
    pub(in super::super) points: Vec<(usize, Point)>,
}

/// One adapter's plot.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Panel<'a> {
    pub(in super::super) name: String,
    pub(in super::super) quantity: &'a Quantity,
    /// Names of the places on the axis.
    pub(in super::super) shots: &'a [String],
    pub(in super::super) lines: Vec<Line>,
    /// A constant predictor's errors, for comparison.
    pub(in super::super) constant: Vec<(usize, f64)>,
    /// Published figures, for comparison.
    pub(in super::super) references: Vec<Published>,
    /// The axis's upper end, the same in every panel.
    pub(in super::super) highest: f64,
}

/// Intervals of neighbouring series stand this far apart.
const APART: f64 = 0.09;

/// The panel's plot.
pub(in super::super) fn shots(panel: &Panel<'_>) -> String {
    let words = panel.lines.iter().map(|line| {
        let points = line.points.iter().map(|(place, Point { mean, low, high })| {
            let shots = panel.shots.get(*place).map_or("", String::as_str);
            format!("{mean:.1} [{low:.1}, {high:.1}] at {shots}")
        });
        format!("{} {}", line.name, points.collect::<Vec<_>>().join(", "))
    });
    let words = words.chain(panel.references.iter().map(|reference| reference.in_words(panel.shots)));
    let label = panel.quantity.primary().label(&panel.quantity.name);
    let alt = format!("{}: {label} by shots; {}", panel.name, words.collect::<Vec<_>>().join("; "));
    let primary = panel.quantity.primary();
    let x_name = format!("training videos per {} (shots)", panel.quantity.shot());
    let y_name = panel.quantity.axis(&primary);
    svg(&alt, |area| {
        let label = |value: &f64| match value.fract() == 0.0 && *value >= 0.0 {
            true => panel.shots.get(*value as usize).cloned().unwrap_or_default(),
            false => String::new(),
        };
        let axes = Axes {
            x: (&x_name, -0.5, panel.shots.len().max(1) as f64 - 0.5),
            y: (&y_name, 0.0, panel.highest),
            x_labels: panel.shots.len() * 2 + 1,
            x_format: &label,
        };
        let mut chart = chart(area, &axes)?;
        let inside = |value: f64| value.clamp(0.0, panel.highest);
        chart.draw_series(panel.constant.iter().map(|&(place, value)| {
            let (left, right) = (place as f64 - 0.4, place as f64 + 0.4);
            PathElement::new([(left, inside(value)), (right, inside(value))], Role::Reference.stroke(2))
        }))?;
        for reference in &panel.references {
            reference.draw(&mut chart, panel.shots.len(), panel.highest)?;
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

/// What the series' colours and shapes mean, as HTML.
pub(in super::super) fn legend(encoders: &[&str], constant: Option<&str>, references: &[Published]) -> String {
    let shape = |index: usize| match (index % 3, index % SERIES + 3) {
        (0, role) => format!("<circle cx=\"8\" cy=\"8\" r=\"5\" class=\"f{role}\"/>"),
        (1, role) => format!("<polygon points=\"8,2 14,13 2,13\" class=\"f{role}\"/>"),
        (_, role) => format!("<path d=\"M3 3 13 13M13 3 3 13\" stroke-width=\"3\" class=\"k{role}\"/>"),
    };
    let item = |shape: String, name: &str| {
        format!("<li><svg class=\"key\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">{shape}</svg>{}</li>", escape(name))
    };
    let mut items: Vec<String> = encoders.iter().enumerate().map(|(index, name)| item(shape(index), name)).collect();
    items.extend(constant.map(|name| item("<path d=\"M0 8H16\" stroke-width=\"3\" class=\"k2\"/>".to_owned(), name)));
    let dashed = "<path d=\"M0 8H16\" stroke-width=\"2\" stroke-dasharray=\"3 2\" class=\"k9\"/>";
    items.extend(references.iter().map(|one| item(dashed.to_owned(), &format!("published: {}", one.name))));
    format!("<ul class=\"legend\">{}</ul>\n", items.join(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reference;
    use crate::page::plots::canvas::tests::assert_well_formed;

    #[test]
    fn panels_name_their_shots_and_take_any_value() {
        let point = |mean: f64| Point { mean, low: mean - 1.0, high: mean + 1.0 };
        let names = ["1".to_owned(), "8".to_owned()];
        let line =
            |series| Line { series, name: format!("e{series}"), points: vec![(0, point(9.0)), (1, point(1e30))] };
        let lines = (0..7).map(line).collect();
        let reference = |shots, mae| Reference { name: "<b>&".to_owned(), shots, mae, note: String::new() };
        let references =
            Published::of(&[reference(Some(1), 7.0), reference(Some(8), 6.0), reference(None, 5.0)], &names);
        let quantity = &Quantity::default();
        let panel = Panel {
            name: "coop".to_owned(),
            quantity,
            shots: &names,
            lines,
            constant: vec![(0, 8.0)],
            references: references.clone(),
            highest: 20.0,
        };
        let svg = shots(&panel);
        assert_eq!(svg.matches("class=\"k9\"").count(), 4, "two points, their line, and one everywhere: {svg}");
        assert!(svg.contains("&lt;b&gt;&amp; 7.0 at 1, 6.0 at 8, 5.0") && svg.contains("MAE (EF points)"), "{svg}");
        assert!(legend(&["e0"], None, &references).contains("published: &lt;b&gt;&amp;"));
        assert_well_formed(&svg);
        assert!(svg.contains(">\n1\n<") && svg.contains(">\n8\n<"), "{svg}");
        assert!(svg.contains("e0 9.0 [8.0, 10.0] at 1"), "{svg}");
    }
}
