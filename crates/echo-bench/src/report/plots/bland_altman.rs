//! Bland-Altman: difference against mean of predicted and true EF.

use echo_metrics::Metric;
use plotters::prelude::{Circle, PathElement};

use super::canvas::{Axes, Role, chart, number, svg};

/// Differences are drawn up to this; beyond they stand at the edge.
const FARTHEST: f64 = 100.0;

/// One dot per video, with bias and limits of agreement.
pub(in super::super) fn bland_altman(name: &str, truth: &[f64], predictions: &[f64]) -> String {
    let of = |metric: Metric| metric.of(truth, predictions).ok().flatten();
    let lines: Vec<(f64, u32)> = [(Metric::LowerLimit, 1), (Metric::Bias, 2), (Metric::UpperLimit, 1)]
        .into_iter()
        .filter_map(|(metric, width)| Some((of(metric)?, width)))
        .collect();
    let words = match lines.as_slice() {
        [(lower, _), (bias, _), (upper, _)] => format!("bias {bias:.1}, limits of agreement {lower:.1} to {upper:.1}"),
        _ => "too few videos for limits of agreement".to_owned(),
    };
    let alt = format!("{name}: Bland-Altman plot of {} videos, {words}", truth.len());
    let differences = || truth.iter().zip(predictions).map(|(truth, prediction)| prediction - truth);
    let farthest =
        differences().chain(lines.iter().map(|(value, _)| *value)).fold(5.0, |most: f64, d| most.max(d.abs()));
    let edge = (farthest * 1.08).min(FARTHEST);
    svg(&alt, |area| {
        let x = ("mean of predicted and true EF (%)", 0.0, 100.0);
        let axes = Axes { x, y: ("predicted − true", -edge, edge), x_labels: 6, x_format: &number };
        let mut chart = chart(area, &axes)?;
        chart.draw_series([PathElement::new([(0.0, 0.0), (100.0, 0.0)], Role::Ink.stroke(1))])?;
        let dots = truth.iter().zip(predictions).map(|(truth, prediction)| {
            let mean = (truth / 2.0 + prediction / 2.0).clamp(0.0, 100.0);
            (mean, (prediction - truth).clamp(-edge, edge))
        });
        chart.draw_series(dots.map(|place| Circle::new(place, 2, Role::Series(0).fill())))?;
        let inside = lines.iter().filter(|(value, _)| value.abs() <= edge);
        chart
            .draw_series(inside.map(|&(value, width)| {
                PathElement::new([(0.0, value), (100.0, value)], Role::Reference.stroke(width))
            }))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::canvas::tests::assert_well_formed;

    #[test]
    fn bias_and_limits_are_said_in_words_and_far_points_stay_inside() {
        let svg = bland_altman("row", &[50.0, 60.0, 40.0], &[51.0, 63.0, 45.0]);
        assert_well_formed(&svg);
        assert!(svg.contains("bias 3.0, limits of agreement -0.9 to 6.9"), "{svg}");
        assert_well_formed(&bland_altman("row", &[50.0], &[1e30]));
    }
}
