//! Mean absolute error by rank of the true EF.

use plotters::prelude::Rectangle;

use super::canvas::{Axes, Role, chart, svg};

/// One bar per rank: its name, and the error where it has videos.
pub(in super::super) fn ranks(name: &str, errors: &[(String, Option<f64>)]) -> String {
    let words = errors.iter().map(|(rank, error)| match error {
        Some(error) => format!("{rank}: {error:.1}"),
        None => format!("{rank}: no video"),
    });
    let alt = format!("{name}: MAE by rank of the true EF; {}", words.collect::<Vec<_>>().join(", "));
    let highest = errors.iter().filter_map(|(_, error)| *error).fold(1.0, f64::max).min(100.0) * 1.08;
    svg(&alt, |area| {
        let label = |value: &f64| {
            let place = value - 0.5;
            let centre = (place - place.round()).abs() < 1e-6 && place > -0.5;
            let rank = if centre { errors.get(place.round() as usize) } else { None };
            rank.map_or(String::new(), |(rank, _)| rank.clone())
        };
        // Twice as many labels as ranks: the bars' centres and their edges.
        let axes = Axes {
            x: ("true EF (%)", 0.0, errors.len().max(1) as f64),
            y: ("MAE (EF points)", 0.0, highest),
            x_labels: errors.len() * 2 + 1,
            x_format: &label,
        };
        let mut chart = chart(area, &axes)?;
        let bars = errors.iter().enumerate().filter_map(|(index, (_, error))| Some((index as f64, (*error)?)));
        chart.draw_series(bars.map(|(left, error)| {
            Rectangle::new([(left + 0.2, 0.0), (left + 0.8, error.min(highest))], Role::Series(0).fill())
        }))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::canvas::tests::assert_well_formed;

    #[test]
    fn a_rank_without_videos_has_no_bar_and_says_so() {
        let svg = ranks("row", &[("0-30".to_owned(), Some(12.0)), ("31-45".to_owned(), None)]);
        assert_well_formed(&svg);
        assert_eq!(svg.matches("<rect").count(), 1, "{svg}");
        assert!(svg.contains("31-45: no video") && svg.contains(">\n0-30\n<"), "{svg}");
    }
}
