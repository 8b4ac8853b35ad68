//! Learning curves: the loss, or the metric on validation, per epoch.

use plotters::prelude::{Circle, PathElement};

use super::canvas::{Axes, Role, chart, number, range, svg};

/// One seed's values by epoch.
pub(in super::super) struct Curve {
    pub(in super::super) seed: u64,
    pub(in super::super) values: Vec<(usize, f64)>,
}

/// One line per seed of `what`. Nothing where nothing was trained, or watched.
pub(in super::super) fn learning(name: &str, what: &str, curves: &[Curve]) -> Option<String> {
    let points = || curves.iter().flat_map(|curve| &curve.values).filter(|(_, loss)| loss.is_finite());
    let epochs = points().map(|(epoch, _)| *epoch).max()?;
    let words = curves.iter().filter_map(|curve| {
        let mut finite = curve.values.iter().map(|(_, value)| *value).filter(|value| value.is_finite());
        let first = finite.next()?;
        let last = finite.next_back().unwrap_or(first);
        Some(format!("seed {} from {first:.2} to {last:.2}", curve.seed))
    });
    let alt = format!("{name}: {what} over {epochs} epochs; {}", words.collect::<Vec<_>>().join(", "));
    let (low, high) = range(points().map(|(_, loss)| *loss));
    Some(svg(&alt, |area| {
        let label = |value: &f64| match value.fract() == 0.0 {
            true => number(value),
            false => String::new(),
        };
        let x = ("epoch", 1.0, epochs.max(2) as f64);
        let axes = Axes { x, y: (what, low, high), x_labels: epochs.min(7), x_format: &label, key: &[] };
        let mut chart = chart(area, &axes)?;
        for (index, curve) in curves.iter().enumerate() {
            let finite = curve.values.iter().filter(|(_, loss)| loss.is_finite());
            let line: Vec<(f64, f64)> = finite.map(|&(epoch, loss)| (epoch as f64, loss)).collect();
            match line.as_slice() {
                [place] => drop(chart.draw_series([Circle::new(*place, 3, Role::Series(index).fill())])?),
                _ => drop(chart.draw_series([PathElement::new(line, Role::Series(index).stroke(2))])?),
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::plots::canvas::tests::assert_well_formed;

    #[test]
    fn labels_of_the_axis_differ_and_have_room() {
        let values = [1.2871, 1.2872, 1.2874].into_iter().enumerate().map(|(epoch, loss)| (epoch + 1, loss)).collect();
        let svg = learning("row", "loss", &[Curve { seed: 1, values }]).unwrap();
        let labels: Vec<&str> = svg.lines().filter(|line| line.starts_with("1.28")).collect();
        let distinct: std::collections::BTreeSet<&&str> = labels.iter().collect();
        assert!(labels.len() > 2 && distinct.len() == labels.len(), "{labels:?}");
        let axis = |svg: &str| -> i32 {
            let of = svg
                .lines()
                .filter_map(|line| line.strip_prefix("<polyline")?.split_once("points=\"")?.1.split(',').next());
            of.map(|x| x.parse::<f64>().unwrap() as i32).min().unwrap()
        };
        let wide = (0..3).map(|epoch| (epoch + 1, epoch as f64)).collect();
        assert!(axis(&svg) >= axis(&learning("row", "loss", &[Curve { seed: 1, values: wide }]).unwrap()) + 6, "{svg}");
    }

    #[test]
    fn seeds_are_lines_and_what_trains_nothing_has_no_plot() {
        let curve = |seed, losses: &[f64]| Curve { seed, values: losses.iter().copied().enumerate().collect() };
        let svg = learning("row", "training loss", &[curve(1, &[3.0, 2.0, f64::NAN]), curve(2, &[4.0])]).unwrap();
        assert_well_formed(&svg);
        assert!(svg.contains("seed 1 from 3.00 to 2.00, seed 2 from 4.00 to 4.00") && svg.contains("<circle"), "{svg}");
        assert!(svg.contains("row: training loss over 1 epochs"), "{svg}");
        assert_eq!(learning("row", "MAE", &[curve(1, &[])]), None);
    }
}
