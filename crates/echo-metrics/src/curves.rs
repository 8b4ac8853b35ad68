//! ROC and precision-recall curves with bands, on a fixed grid so that curves of several seeds can be averaged.

use serde::{Deserialize, Serialize};

use crate::{
    bootstrap::{BootstrapOptions, Interval},
    column::Column,
    error::Error,
    scored::Scored,
};

/// The grid's points lie this share apart.
const STEPS: usize = 100;

/// One point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The false positive rate of a ROC curve, the recall of a precision-recall curve: 0, 0.01, ... 1.
    pub x: f64,
    /// Sensitivity or precision there, with its pointwise bootstrap interval.
    pub y: Interval,
}

/// Sensitivity at each false positive rate, straight between the thresholds' points, whose area is the AUROC. `None`
/// without rows of both sides.
///
/// # Errors
/// When anything but a binary classification is predicted (see [`Scored::one_vs_rest`]), or the options make no sense.
pub fn roc(scored: &Scored, options: &BootstrapOptions) -> Result<Option<Vec<CurvePoint>>, Error> {
    curve("a ROC curve", scored, options, sensitivities)
}

/// The precision at the highest threshold that reaches each recall, and 1 at recall 0; the area under these steps is the AUPRC. `None`
/// without a positive row.
///
/// # Errors
/// As for [`roc`].
pub fn precision_recall(scored: &Scored, options: &BootstrapOptions) -> Result<Option<Vec<CurvePoint>>, Error> {
    curve("a precision-recall curve", scored, options, precisions)
}

/// Corners of a curve from x = 0 to x = 1, straight in between: false positive rate and sensitivity, or recall and precision.
pub type Line = Vec<[f64; 2]>;

/// The ROC curve itself: a step for each distinct probability, slanted only where rows of both sides share one. `None`
/// without rows of both sides.
///
/// # Errors
/// As for [`roc`].
pub fn roc_line(scored: &Scored) -> Result<Option<Line>, Error> {
    let once = scored.once();
    let column = binary("a ROC curve", scored, &once)?;
    let [negatives, positives] = column.sides(&once);
    if negatives == 0 || positives == 0 {
        return Ok(None);
    }
    let rates = |[wrong, right]: [u64; 2]| [wrong as f64 / negatives as f64, right as f64 / positives as f64];
    Ok(Some(std::iter::once([0.0; 2]).chain(column.thresholds(&once).map(|(_, found)| rates(found))).collect()))
}

/// The precision-recall curve itself, in steps: from precision 1 at recall 0, and up to each recall the precision of the
/// highest threshold that reaches it. Its area is the AUPRC. `None` without a positive row.
///
/// # Errors
/// As for [`roc`].
pub fn precision_recall_line(scored: &Scored) -> Result<Option<Line>, Error> {
    let once = scored.once();
    let column = binary("a precision-recall curve", scored, &once)?;
    let [_, positives] = column.sides(&once);
    if positives == 0 {
        return Ok(None);
    }
    let mut line = vec![[0.0, 1.0]];
    let mut reached = 0;
    for (_, [wrong, right]) in column.thresholds(&once).filter(|(_, found)| found[1] > 0) {
        if right > reached {
            let precision = right as f64 / (wrong + right) as f64;
            line.extend([[reached as f64 / positives as f64, precision], [right as f64 / positives as f64, precision]]);
            reached = right;
        }
    }
    Ok(Some(line))
}

fn binary<'a>(what: &str, scored: &'a Scored, once: &'a [u32]) -> Result<&'a Column, Error> {
    let wrong = || Error::Kind { what: what.to_owned(), kind: scored.kind() };
    scored.sample(once).binary().ok_or_else(wrong)
}

fn curve(
    what: &str,
    scored: &Scored,
    options: &BootstrapOptions,
    of: fn(&Column, &[u32]) -> Option<Vec<f64>>,
) -> Result<Option<Vec<CurvePoint>>, Error> {
    options.check()?;
    let once = scored.once();
    let column = binary(what, scored, &once)?;
    let Some(measured) = of(column, &once) else { return Ok(None) };
    let resampled = options.resample_rows(scored, |sample| of(column, sample.counts));
    let point = |(at, value): (usize, f64)| {
        let y = options.interval(value, resampled.iter().map(|curve| curve.as_ref().map(|curve| curve[at])))?;
        Some(CurvePoint { x: x(at), y })
    };
    Ok(measured.into_iter().enumerate().map(point).collect())
}

fn x(at: usize) -> f64 {
    at as f64 / STEPS as f64
}

fn sensitivities(column: &Column, counts: &[u32]) -> Option<Vec<f64>> {
    let [negatives, positives] = column.sides(counts);
    if negatives == 0 || positives == 0 {
        return None;
    }
    let rates = |[wrong, right]: [u64; 2]| (wrong as f64 / negatives as f64, right as f64 / positives as f64);
    let mut corners = column.thresholds(counts).map(|(_, found)| rates(found));
    let (mut before, mut after) = ((0.0, 0.0), (0.0, 0.0));
    let mut curve = Vec::with_capacity(STEPS + 1);
    for x in (0..=STEPS).map(x) {
        // The last corner at or before x, so that a vertical step counts from its top.
        while after.0 <= x {
            before = after;
            match corners.next() {
                Some(corner) => after = corner,
                None => break,
            }
        }
        let rise = if after.0 > before.0 { (after.1 - before.1) / (after.0 - before.0) } else { 0.0 };
        curve.push(before.1 + rise * (x - before.0));
    }
    Some(curve)
}

fn precisions(column: &Column, counts: &[u32]) -> Option<Vec<f64>> {
    let [_, positives] = column.sides(counts);
    if positives == 0 {
        return None;
    }
    let mut thresholds = column.thresholds(counts);
    let mut found = [0, 0];
    let mut curve = Vec::with_capacity(STEPS + 1);
    curve.push(1.0);
    for at in 1..=STEPS {
        // In whole numbers: the recall is reached when found / positives >= at / STEPS.
        while found == [0, 0] || (found[1] * STEPS as u64) < at as u64 * positives {
            found = thresholds.next()?.1;
        }
        curve.push(found[1] as f64 / (found[0] + found[1]) as f64);
    }
    Some(curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: BootstrapOptions = BootstrapOptions { samples: 300, seed: 2, level: 0.95 };
    const TRUTH: [bool; 6] = [true, false, true, false, true, false];
    const PROBABILITY: [f64; 6] = [0.9, 0.8, 0.7, 0.7, 0.2, 0.1];

    #[test]
    fn the_roc_curve_climbs_through_the_thresholds() -> Result<(), Error> {
        let curve = roc(&Scored::binary(&TRUTH, &PROBABILITY, 0.5)?, &OPTIONS)?.unwrap_or_default();
        assert_eq!((curve.len(), curve[0].x, curve[100].x), (101, 0.0, 1.0));
        // Corners (0, 1/3), (1/3, 1/3), (2/3, 2/3), (2/3, 1), (1, 1); straight in between.
        let near = |at: usize, y: f64| (curve[at].y.value - y).abs() < 1e-12;
        assert!(
            near(0, 1.0 / 3.0) && near(20, 1.0 / 3.0) && near(50, 0.5) && near(67, 1.0) && near(100, 1.0),
            "{curve:?}"
        );
        assert!(curve.iter().all(|point| point.y.low <= point.y.value && point.y.value <= point.y.high));
        assert!(curve[20].y.high - curve[20].y.low > 0.3, "{:?}", curve[20]);
        // A resample of one side alone: 2 in 2^6, five standard deviations are 15.
        assert!(curve[0].y.degenerate.abs_diff(9) < 15 && curve[0].y.degenerate > 0, "{:?}", curve[0]);
        assert_eq!(roc(&Scored::binary(&[true; 2], &[0.1, 0.2], 0.5)?, &OPTIONS)?, None);
        Ok(())
    }

    #[test]
    fn curves_themselves_are_steps_whose_areas_are_auroc_and_auprc() -> Result<(), Error> {
        // The highest probability is a negative's.
        let scored = Scored::binary(&[false, true, false, true], &[0.9, 0.8, 0.7, 0.6], 0.5)?;
        let (roc, steps) =
            (roc_line(&scored)?.unwrap_or_default(), precision_recall_line(&scored)?.unwrap_or_default());
        assert_eq!(roc, [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [1.0, 0.5], [1.0, 1.0]]);
        assert_eq!(steps, [[0.0, 1.0], [0.0, 0.5], [0.5, 0.5], [0.5, 0.5], [1.0, 0.5]]);
        assert_eq!(precision_recall(&scored, &OPTIONS)?.unwrap_or_default()[0].y.value, 1.0);
        let scored = Scored::binary(&TRUTH, &PROBABILITY, 0.5)?;
        let area = |line: Option<Line>| -> f64 {
            line.unwrap_or_default()
                .windows(2)
                .map(|ends| (ends[1][0] - ends[0][0]) * (ends[0][1] + ends[1][1]) / 2.0)
                .sum()
        };
        for (key, line) in [("auroc", roc_line(&scored)?), ("auprc", precision_recall_line(&scored)?)] {
            let value = key.parse::<crate::Metric>()?.of(&scored)?.unwrap_or_default();
            assert!((area(line) - value).abs() < 1e-12, "{key}");
        }
        assert_eq!(roc_line(&Scored::binary(&[true; 2], &[0.1, 0.2], 0.5)?)?, None);
        Ok(())
    }

    #[test]
    fn the_areas_under_the_curves_are_auroc_and_auprc() -> Result<(), Error> {
        let scored = Scored::binary(&TRUTH, &PROBABILITY, 0.5)?;
        let column_of = |curve: Option<Vec<CurvePoint>>| curve.unwrap_or_default().iter().map(|p| p.y.value).collect();
        let (roc, steps): (Vec<f64>, Vec<f64>) =
            (column_of(roc(&scored, &OPTIONS)?), column_of(precision_recall(&scored, &OPTIONS)?));
        let area: f64 = roc.windows(2).map(|ends| (ends[0] + ends[1]) / 200.0).sum();
        let value = |key: &str| key.parse::<crate::Metric>()?.of(&scored);
        // The grid cuts corners of at most one step.
        assert!(value("auroc")?.is_some_and(|auroc| (area - auroc).abs() < 0.01), "{area}");
        let area = steps[1..].iter().sum::<f64>() / 100.0;
        assert!(value("auprc")?.is_some_and(|auprc| (area - auprc).abs() < 0.01), "{area}");
        Ok(())
    }

    #[test]
    fn precision_is_that_of_the_threshold_which_reaches_the_recall() -> Result<(), Error> {
        let scored = Scored::binary(&TRUTH, &PROBABILITY, 0.5)?;
        let curve = precision_recall(&scored, &OPTIONS)?.unwrap_or_default();
        // Recall 1/3 at 0.9 (1 of 1), 2/3 at 0.7 (2 of 4), 1 at 0.2 (3 of 5).
        let values = [0, 33, 34, 66, 67, 100].map(|at| curve[at].y.value);
        assert_eq!(values, [1.0, 1.0, 0.5, 0.5, 0.6, 0.6]);
        let wrong = precision_recall(&Scored::regression(&[1.0], &[1.0], &[])?, &OPTIONS);
        assert!(wrong.is_err_and(|error| error.to_string().contains("a precision-recall curve is not defined")));
        Ok(())
    }
}
