//! Predicted against true values.

use echo_metrics::{Metric, Scored};
use plotters::prelude::{Circle, PathElement, Text};
use plotters::style::IntoFont;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Axes, FONT, Role, chart, number, square};
use super::scale::Scale;

/// One dot per video; those outside the scale stand at the edge.
pub(in super::super) fn scatter(name: &str, scale: &Scale<'_>, truth: &[f64], predictions: &[f64]) -> String {
    let Scale { quantity, low, high } = *scale;
    let r = Scored::regression(truth, predictions, &[]).ok().and_then(|scored| Metric::PEARSON.of(&scored).ok()?);
    let alt = format!(
        "{name}: predicted against true {} of {} {}, with the line where both agree{}",
        quantity.name,
        truth.len(),
        quantity.samples.many(),
        r.map_or(String::new(), |r| format!("; r {r:.2}"))
    );
    let (x_name, y_name) = (quantity.values("true"), quantity.values("predicted"));
    square(&alt, |area| {
        let axes = Axes { x: (&x_name, low, high), y: (&y_name, low, high), x_labels: 6, x_format: &number, key: &[] };
        let mut chart = chart(area, &axes)?;
        chart.draw_series([PathElement::new([(low, low), (high, high)], Role::Reference.stroke(1))])?;
        let dots = truth.iter().zip(predictions);
        let dots = dots.map(|(&truth, &prediction)| (scale.inside(truth), scale.inside(prediction)));
        chart.draw_series(dots.map(|place| Circle::new(place, 2, Role::Series(0).fill())))?;
        let ink = Role::Ink.color();
        let font = ("sans-serif", FONT).into_font().color(&ink).pos(Pos::new(HPos::Left, VPos::Top));
        let words = r.map_or(format!("n = {}", truth.len()), |r| format!("r = {r:.2}, n = {}", truth.len()));
        let corner = (low + 0.03 * scale.span(), high - 0.02 * scale.span());
        chart.draw_series([Text::new(words, corner, font)])?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::plots::canvas::tests::assert_well_formed;
    use crate::quantity::Quantity;

    #[test]
    fn the_correlation_stands_in_the_plot() {
        let quantity = Quantity::default();
        let scale = Scale::of(&quantity, &[40.0, 60.0], &[]);
        let svg = scatter("row", &scale, &[40.0, 50.0, 60.0], &[45.0, 50.0, 55.0]);
        assert!(svg.contains("r = 1.00, n = 3") && svg.contains("; r 1.00"), "{svg}");
        let svg = scatter("row", &scale, &[40.0, 50.0], &[45.0, 45.0]);
        assert!(svg.contains(">\nn = 2\n<"), "without a spread there is no correlation: {svg}");
    }

    #[test]
    fn every_video_is_a_dot_wherever_it_lies_and_the_name_is_text() {
        let quantity = Quantity::regression("<i>", "&ml");
        let scale = Scale::of(&quantity, &[10.0, 99.0], &[12.0, 80.0]);
        let svg = scatter("<b>\"&", &scale, &[10.0, 50.0, 99.0, 50.0], &[12.0, -1e30, 1e30, f64::MAX]);
        assert_well_formed(&svg);
        assert_eq!(svg.matches("h0").count(), 4, "{svg}");
        assert!(svg.contains("&lt;b&gt;&quot;&amp;") && svg.contains("true &lt;i&gt; (&amp;ml)"), "{svg}");
        assert!(!svg.contains("<i>"), "a unit is text: {svg}");
    }
}
