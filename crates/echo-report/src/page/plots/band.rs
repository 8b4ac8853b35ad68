//! ROC and precision-recall curves with their intervals.

use echo_metrics::{CurvePoint, Line};
use plotters::element::Polygon;
use plotters::prelude::PathElement;
use plotters::style::Color;

use super::canvas::{Axes, Role, chart, number, square};

/// Of intervals: they may lie over each other.
const OPACITY: f64 = 0.15;

/// One class's curve.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Band {
    series: usize,
    name: String,
    /// The curve itself.
    line: Line,
    /// Place, value, and the interval's ends.
    points: Vec<[f64; 4]>,
}

impl Band {
    /// The mean over seeds, whose intervals have the same places. Beside the name stands what the area under it is called,
    /// with its size.
    pub(in super::super) fn mean(
        series: usize,
        name: &str,
        area: &str,
        seeds: &[Vec<CurvePoint>],
        lines: &[Line],
    ) -> Self {
        let line = mean_line(lines);
        let size: f64 = line.windows(2).map(|ends| (ends[1][0] - ends[0][0]) * (ends[0][1] + ends[1][1]) / 2.0).sum();
        let name = format!("{name}, {area} {size:.2}");
        let length = seeds.iter().map(Vec::len).min().unwrap_or(0);
        let mean = |of: &dyn Fn(&CurvePoint) -> f64, at: usize| {
            seeds.iter().map(|seed| of(&seed[at])).sum::<f64>() / seeds.len() as f64
        };
        let point = |at| {
            let ends = [mean(&|p| p.y.value, at), mean(&|p| p.y.low, at), mean(&|p| p.y.high, at)];
            [seeds[0][at].x, ends[0], ends[1], ends[2]]
        };
        Self { series, name, line: thinned(&line), points: (0..length).map(point).collect() }
    }
}

/// The mean of curves over each other; a step of any of them is one of the mean.
fn mean_line(lines: &[Line]) -> Line {
    let mut places: Vec<f64> = lines.iter().flatten().map(|corner| corner[0]).collect();
    places.sort_unstable_by(f64::total_cmp);
    places.dedup();
    let at = |line: &Line, x: f64, is_first: bool| {
        let (before, after) =
            (line.partition_point(|corner| corner[0] < x), line.partition_point(|corner| corner[0] <= x));
        match (before < after, before.checked_sub(1).and_then(|left| line.get(left)), line.get(before)) {
            (true, ..) => line[if is_first { before } else { after - 1 }][1],
            (false, Some(left), Some(right)) => left[1] + (right[1] - left[1]) * (x - left[0]) / (right[0] - left[0]),
            (false, left, right) => left.or(right).map_or(0.0, |corner| corner[1]),
        }
    };
    let mean = |x, is_first| lines.iter().map(|line| at(line, x, is_first)).sum::<f64>() / lines.len() as f64;
    places.into_iter().flat_map(|x| [[x, mean(x, true)], [x, mean(x, false)]]).collect()
}

/// Without corners that fall on the one before them when drawn: of thousands of videos there are thousands.
fn thinned(line: &Line) -> Line {
    const UNITS: f64 = 500.0;
    let mut line = line.clone();
    line.dedup_by_key(|corner| corner.map(|place| (UNITS * place).round() as i64));
    line
}

/// Sensitivity by false positive rate, with the line of chance.
pub(in super::super) fn roc(name: &str, bands: &[Band]) -> String {
    let chance = [(0.0, 0.0), (1.0, 1.0)];
    draw(&format!("{name}: ROC curve"), ("1 − specificity", "sensitivity"), Some(chance), bands)
}

/// Precision by recall.
pub(in super::super) fn precision_recall(name: &str, bands: &[Band]) -> String {
    draw(&format!("{name}: precision-recall curve"), ("recall (sensitivity)", "precision (PPV)"), None, bands)
}

fn draw(what: &str, (x_name, y_name): (&str, &str), line: Option<[(f64, f64); 2]>, bands: &[Band]) -> String {
    let halfway = bands.iter().filter_map(|band| {
        let [x, y, low, high] = band.points.get(band.points.len() / 2)?;
        Some(format!("{}: {y:.2} [{low:.2}, {high:.2}] at {x}", band.name))
    });
    let alt = match bands {
        [] => format!("{what}: undefined without both sides"),
        _ => format!("{what}; {}", halfway.collect::<Vec<_>>().join("; ")),
    };
    let key: Vec<(Role, String)> = bands.iter().map(|band| (Role::Series(band.series), band.name.clone())).collect();
    square(&alt, |area| {
        let axes = Axes { x: (x_name, 0.0, 1.0), y: (y_name, 0.0, 1.0), x_labels: 6, x_format: &number, key: &key };
        let mut chart = chart(area, &axes)?;
        if let Some(line) = line {
            chart.draw_series([PathElement::new(line, Role::Reference.stroke(1))])?;
        }
        for Band { series, points, .. } in bands {
            let upper = points.iter().map(|[x, _, _, high]| (*x, *high));
            let lower = points.iter().rev().map(|[x, _, low, _]| (*x, *low));
            let fill = Role::Series(*series).color().mix(OPACITY);
            chart.draw_series([Polygon::new(upper.chain(lower).collect::<Vec<_>>(), fill)])?;
        }
        for Band { series, line, .. } in bands {
            let line: Vec<(f64, f64)> = line.iter().map(|[x, y]| (*x, *y)).collect();
            chart.draw_series([PathElement::new(line, Role::Series(*series).stroke(2))])?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use echo_metrics::Interval;

    use super::*;
    use crate::page::plots::canvas::tests::assert_well_formed;

    #[test]
    fn seeds_are_averaged_and_a_class_has_a_line_a_band_and_its_name() {
        let seed = |y: f64| -> Vec<CurvePoint> {
            let point = |x| CurvePoint { x, y: Interval { value: y, low: y - 0.1, high: y + 0.1, degenerate: 0 } };
            [0.0, 0.5, 1.0].map(point).to_vec()
        };
        let (low, high) =
            (vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [1.0, 1.0]], vec![[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]);
        let band = Band::mean(0, "<A4C>", "AUROC", &[seed(0.6), seed(0.8)], &[low.clone(), high.clone()]);
        // Never slanted where no seed is.
        assert_eq!(band.line, [[0.0, 0.0], [0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [1.0, 1.0]]);
        let svg = roc("row", &[band.clone(), Band::mean(1, "A2C", "AUROC", &[seed(0.5)], &[low])]);
        assert_well_formed(&svg);
        assert!(svg.contains("&lt;A4C&gt;, AUROC 0.75: 0.70 [0.60, 0.80] at 0.5; A2C, AUROC 0.50: 0.50"), "{svg}");
        assert_eq!(svg.matches("<polygon").count(), 2, "{svg}");
        assert!(svg.contains(">\nA2C, AUROC 0.50\n<") && svg.contains("1 − specificity"), "{svg}");
        assert_well_formed(&precision_recall("row", &[]));
        assert!(precision_recall("row", &[]).contains("undefined"));
    }
}
