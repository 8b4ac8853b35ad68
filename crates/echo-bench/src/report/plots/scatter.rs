//! Predicted against true EF.

use plotters::prelude::{Circle, PathElement};

use super::canvas::{Axes, Role, chart, number, svg};

/// One dot per video; those outside 0 to 100 stand at the edge.
pub(in super::super) fn scatter(name: &str, truth: &[f64], predictions: &[f64]) -> String {
    let alt = format!("{name}: predicted against true EF of {} videos, with the line where both agree", truth.len());
    svg(&alt, |area| {
        let axes = Axes {
            x: ("true EF (%)", 0.0, 100.0),
            y: ("predicted EF (%)", 0.0, 100.0),
            x_labels: 6,
            x_format: &number,
        };
        let mut chart = chart(area, &axes)?;
        chart.draw_series([PathElement::new([(0.0, 0.0), (100.0, 100.0)], Role::Reference.stroke(1))])?;
        let dots = truth.iter().zip(predictions);
        let dots = dots.map(|(truth, prediction)| (truth.clamp(0.0, 100.0), prediction.clamp(0.0, 100.0)));
        chart.draw_series(dots.map(|place| Circle::new(place, 2, Role::Series(0).fill())))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plots::canvas::tests::assert_well_formed;

    #[test]
    fn every_video_is_a_dot_wherever_it_lies_and_the_name_is_text() {
        let svg = scatter("<b>\"&", &[10.0, 50.0, 99.0, 50.0], &[12.0, -1e30, 1e30, f64::MAX]);
        assert_well_formed(&svg);
        assert_eq!(svg.matches("h0").count(), 4, "{svg}");
        assert!(svg.contains("&lt;b&gt;&quot;&amp;"));
    }
}
