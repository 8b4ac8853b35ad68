//! Mean absolute error by range of the true value.

use plotters::prelude::{PathElement, Rectangle};

use super::canvas::{Axes, Role, chart, svg};
use super::scale::Scale;

/// A row's error within one rank.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct RankError {
    pub(in super::super) name: String,
    /// The metric's key.
    pub(in super::super) key: String,
    /// Test videos of the rank.
    pub(in super::super) videos: usize,
    /// Where it has videos.
    pub(in super::super) mean: Option<f64>,
    /// Where the records have it.
    pub(in super::super) interval: Option<(f64, f64)>,
}

/// One bar per rank, with its interval.
pub(in super::super) fn ranks(name: &str, scale: &Scale<'_>, errors: &[RankError]) -> String {
    let words = errors.iter().map(|RankError { name, mean, interval, .. }| match (mean, interval) {
        (Some(mean), Some((low, high))) => format!("{name}: {mean:.1} [{low:.1}, {high:.1}]"),
        (Some(mean), None) => format!("{name}: {mean:.1}"),
        (None, _) => format!("{name}: no {}", scale.quantity.samples.one()),
    });
    let quantity = scale.quantity;
    let alt = format!("{name}: MAE by range of the true {}; {}", quantity.name, words.collect::<Vec<_>>().join(", "));
    let ends = errors.iter().flat_map(|error| [error.mean, error.interval.map(|(_, high)| high)]).flatten();
    let highest = match ends.fold(0.0, f64::max).min(scale.span()) {
        highest if highest > 0.0 => highest * 1.08,
        _ => 1.0,
    };
    let (x_name, y_name) = (quantity.values("true"), format!("MAE ({})", quantity.differences()));
    svg(&alt, |area| {
        let label = |value: &f64| {
            let place = value - 0.5;
            let centre = (place - place.round()).abs() < 1e-6 && place > -0.5;
            let rank = if centre { errors.get(place.round() as usize) } else { None };
            rank.map_or(String::new(), |rank| rank.name.clone())
        };
        // Twice as many labels as ranks: the bars' centres and their edges.
        let axes = Axes {
            x: (&x_name, 0.0, errors.len().max(1) as f64),
            y: (&y_name, 0.0, highest),
            x_labels: errors.len() * 2 + 1,
            x_format: &label,
            key: &[],
        };
        let mut chart = chart(area, &axes)?;
        let bars = errors.iter().enumerate().filter_map(|(index, error)| Some((index as f64, error.mean?)));
        chart.draw_series(bars.map(|(left, error)| {
            Rectangle::new([(left + 0.2, 0.0), (left + 0.8, error.min(highest))], Role::Series(0).fill())
        }))?;
        let intervals =
            errors.iter().enumerate().filter_map(|(index, error)| Some((index as f64 + 0.5, error.interval?)));
        chart.draw_series(intervals.map(|(centre, (low, high))| {
            PathElement::new([(centre, low.min(highest)), (centre, high.min(highest))], Role::Ink.stroke(2))
        }))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::plots::canvas::tests::assert_well_formed;
    use crate::quantity::Quantity;

    #[test]
    fn a_rank_without_videos_has_no_bar_and_says_so() {
        let error = |name: &str, mean: Option<f64>, interval| RankError {
            name: name.to_owned(),
            key: name.to_owned(),
            videos: 1,
            mean,
            interval,
        };
        let errors = [
            error("0-90", Some(12.0), Some((10.0, 14.0))),
            error("91-150", None, None),
            error("151+", Some(30.0), None),
        ];
        let quantity = Quantity::regression("EDV", "ml");
        let svg = ranks("row", &Scale::of(&quantity, &[60.0, 290.0], &[70.0, 200.0]), &errors);
        assert_well_formed(&svg);
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
        assert!(
            svg.contains("0-90: 12.0 [10.0, 14.0], 91-150: no video, 151+: 30.0") && svg.contains(">\n0-90\n<"),
            "{svg}"
        );
        assert!(svg.contains("true EDV (ml)") && svg.contains("MAE (ml)") && !svg.contains("EF"), "{svg}");
    }
}
