//! The reliability diagram: the share that is positive by predicted probability.

use echo_metrics::ReliabilityBin;
use plotters::prelude::{Circle, PathElement};

use super::canvas::{Axes, Role, chart, number, square};

/// Bins by class, of all seeds. On the diagonal, of videos with a probability of 0.7 seven in ten are positive.
pub(in super::super) fn reliability(name: &str, classes: &[(String, Vec<ReliabilityBin>)]) -> String {
    let pooled: Vec<(&str, Vec<[f64; 3]>)> = classes.iter().map(|(name, bins)| (name.as_str(), pool(bins))).collect();
    let words = pooled.iter().map(|(class, bins)| {
        let rows: f64 = bins.iter().map(|[.., rows]| rows).sum();
        let gap: f64 = bins.iter().map(|[probability, positives, rows]| (probability - positives).abs() * rows).sum();
        format!("{class} off by {:.2} on average", gap / rows.max(1.0))
    });
    let alt = format!("{name}: reliability diagram; {}", words.collect::<Vec<_>>().join(", "));
    let key: Vec<(Role, String)> =
        pooled.iter().enumerate().map(|(series, (class, _))| (Role::Series(series), (*class).to_owned())).collect();
    square(&alt, |area| {
        let axes = Axes {
            x: ("predicted probability", 0.0, 1.0),
            y: ("share that is positive", 0.0, 1.0),
            x_labels: 6,
            x_format: &number,
            key: &key,
        };
        let mut chart = chart(area, &axes)?;
        chart.draw_series([PathElement::new([(0.0, 0.0), (1.0, 1.0)], Role::Reference.stroke(1))])?;
        for (series, (_, bins)) in pooled.iter().enumerate() {
            let most = bins.iter().map(|[.., rows]| *rows).fold(1.0, f64::max);
            let line: Vec<(f64, f64)> = bins.iter().map(|[x, y, _]| (*x, *y)).collect();
            // Of several classes they would cross each other.
            if pooled.len() == 1 {
                chart.draw_series([PathElement::new(line, Role::Series(series).stroke(1))])?;
            }
            chart.draw_series(bins.iter().map(|[x, y, rows]| {
                // Areas are as the numbers of videos.
                let radius = 3 + (4.0 * (rows / most).sqrt()).round() as i32;
                Circle::new((*x, *y), radius, Role::Series(series).fill())
            }))?;
        }
        Ok(())
    })
}

/// Bins of several seeds as one: mean probability, share of positives, rows.
fn pool(bins: &[ReliabilityBin]) -> Vec<[f64; 3]> {
    let mut pooled: Vec<(f64, [f64; 3])> = Vec::new();
    for bin in bins {
        let rows = bin.rows as f64;
        let place = pooled.iter().position(|(low, _)| *low == bin.low).unwrap_or_else(|| {
            pooled.push((bin.low, [0.0; 3]));
            pooled.len() - 1
        });
        let sums = &mut pooled[place].1;
        for (sum, more) in sums.iter_mut().zip([bin.probability * rows, bin.positives * rows, rows]) {
            *sum += more;
        }
    }
    pooled.sort_by(|one, other| one.0.total_cmp(&other.0));
    pooled.into_iter().map(|(_, [probability, positives, rows])| [probability / rows, positives / rows, rows]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::plots::canvas::tests::assert_well_formed;

    #[test]
    fn bins_of_seeds_are_pooled_by_their_rows() {
        let bin = |low: f64, rows, probability, positives| ReliabilityBin {
            low,
            high: low + 0.1,
            rows,
            probability,
            positives,
        };
        let bins = [bin(0.8, 1, 0.9, 1.0), bin(0.2, 2, 0.25, 0.5), bin(0.8, 3, 0.8, 0.0)];
        let pooled = pool(&bins);
        assert_eq!(pooled.len(), 2);
        assert_eq!(pooled[0], [0.25, 0.5, 2.0]);
        assert!((pooled[1][0] - 0.825).abs() < 1e-12 && pooled[1][1..] == [0.25, 4.0], "{pooled:?}");
        let svg = reliability("row", &[("<yes>".to_owned(), bins.to_vec())]);
        assert_well_formed(&svg);
        // (2 * 0.25 + 4 * 0.575) / 6
        assert!(svg.contains("&lt;yes&gt; off by 0.47 on average") && svg.matches("<circle").count() >= 2, "{svg}");
        assert_well_formed(&reliability("row", &[("none".to_owned(), Vec::new())]));
    }
}
