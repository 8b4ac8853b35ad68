//! Bland-Altman: difference against mean of predicted and true values.

use echo_metrics::{Metric, Scored};
use plotters::prelude::{Circle, PathElement, Text};
use plotters::style::IntoFont;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Axes, FONT, Role, chart, number, svg};
use super::scale::Scale;

/// One dot per video, with bias and limits of agreement. Differences are drawn up to the scale's span; beyond they stand
/// at the edge.
pub(in super::super) fn bland_altman(name: &str, scale: &Scale<'_>, truth: &[f64], predictions: &[f64]) -> String {
    let samples = scale.quantity.samples.many();
    let scored = Scored::regression(truth, predictions, &[]).ok();
    let of = |metric: Metric| metric.of(scored.as_ref()?).ok().flatten();
    let lines: Vec<(f64, u32)> = [(Metric::LOWER_LIMIT, 1), (Metric::BIAS, 2), (Metric::UPPER_LIMIT, 1)]
        .into_iter()
        .filter_map(|(metric, width)| Some((of(metric)?, width)))
        .collect();
    let words = match lines.as_slice() {
        [(lower, _), (bias, _), (upper, _)] => format!("bias {bias:.1}, limits of agreement {lower:.1} to {upper:.1}"),
        _ => format!("too few {samples} for limits of agreement"),
    };
    let alt = format!("{name}: Bland-Altman plot of {} {samples}, {words}", truth.len());
    let differences = || truth.iter().zip(predictions).map(|(truth, prediction)| prediction - truth);
    let farthest = differences()
        .chain(lines.iter().map(|(value, _)| *value))
        .fold(0.05 * scale.span(), |most, d| most.max(d.abs()));
    let edge = (farthest * 1.08).min(scale.span());
    let Scale { quantity, low, high } = *scale;
    let (x_name, y_name) =
        (quantity.values("mean of predicted and true"), format!("predicted − true ({})", quantity.differences()));
    svg(&alt, |area| {
        let axes =
            Axes { x: (&x_name, low, high), y: (&y_name, -edge, edge), x_labels: 6, x_format: &number, key: &[] };
        let mut chart = chart(area, &axes)?;
        chart.draw_series([PathElement::new([(low, 0.0), (high, 0.0)], Role::Ink.stroke(1))])?;
        let dots = truth.iter().zip(predictions).map(|(truth, prediction)| {
            let mean = scale.inside(truth / 2.0 + prediction / 2.0);
            (mean, (prediction - truth).clamp(-edge, edge))
        });
        chart.draw_series(dots.map(|place| Circle::new(place, 2, Role::Series(0).fill())))?;
        let inside = || lines.iter().filter(|(value, _)| value.abs() <= edge);
        let ink = Role::Ink.color();
        let font = ("sans-serif", FONT).into_font().color(&ink).pos(Pos::new(HPos::Right, VPos::Bottom));
        let right = high - 0.01 * scale.span();
        chart.draw_series(inside().map(|&(value, _)| {
            Text::new(format!("{:+.1}", (value * 10.0).round() / 10.0 + 0.0), (right, value), font.clone())
        }))?;
        chart
            .draw_series(inside().map(|&(value, width)| {
                PathElement::new([(low, value), (high, value)], Role::Reference.stroke(width))
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
    fn bias_and_limits_are_said_in_words_and_far_points_stay_inside() {
        let quantity = Quantity::default();
        let scale = &Scale::of(&quantity, &[50.0, 60.0], &[51.0]);
        let svg = bland_altman("row", scale, &[50.0, 60.0, 40.0], &[51.0, 63.0, 45.0]);
        assert_well_formed(&svg);
        assert!(svg.contains("bias 3.0, limits of agreement -0.9 to 6.9"), "{svg}");
        assert!(["+3.0", "-0.9", "+6.9"].iter().all(|number| svg.contains(&format!(">\n{number}\n<"))), "{svg}");
        assert_well_formed(&bland_altman("row", scale, &[50.0], &[1e30]));
    }
}
