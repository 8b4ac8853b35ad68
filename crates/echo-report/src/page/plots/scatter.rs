//! Predicted against true values.

use plotters::prelude::{Circle, PathElement};

use super::canvas::{Axes, Role, chart, number, svg};
use super::scale::Scale;

/// One dot per video; those outside the scale stand at the edge.
pub(in super::super) fn scatter(name: &str, scale: &Scale<'_>, truth: &[f64], predictions: &[f64]) -> String {
    let Scale { quantity, low, high } = *scale;
    let alt = format!(
        "{name}: predicted against true {} of {} videos, with the line where both agree",
        quantity.name,
        truth.len()
    );
    let (x_name, y_name) = (quantity.values("true"), quantity.values("predicted"));
    svg(&alt, |area| {
        let axes = Axes { x: (&x_name, low, high), y: (&y_name, low, high), x_labels: 6, x_format: &number };
        let mut chart = chart(area, &axes)?;
        chart.draw_series([PathElement::new([(low, low), (high, high)], Role::Reference.stroke(1))])?;
        let dots = truth.iter().zip(predictions);
        let dots = dots.map(|(&truth, &prediction)| (scale.inside(truth), scale.inside(prediction)));
        chart.draw_series(dots.map(|place| Circle::new(place, 2, Role::Series(0).fill())))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::plots::canvas::tests::assert_well_formed;
    use crate::quantity::Quantity;

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
