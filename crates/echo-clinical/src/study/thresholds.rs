//! From which share of candidates on a phenotype is called present.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Error;

const FILE: &str = "the table of thresholds";

/// Reads CSV with the columns `feature` and `threshold`; others are ignored. A phenotype is present from its threshold
/// upwards, as on the ROC curve that it was chosen on.
///
/// A threshold above 1 is out of reach of a share of candidates. Upstream has one (`atrial_septum_hypertrophy`, 1.06): the
/// first point of scikit-learn's ROC curve, at which nothing is called. Upstream recommends to choose thresholds on
/// validation data of one's own.
///
/// # Errors
/// When a column is missing, a phenotype appears twice, or a threshold is no finite number.
pub fn phenotype_thresholds(text: &str) -> Result<BTreeMap<String, f64>, Error> {
    #[derive(Deserialize)]
    struct Row {
        feature: String,
        threshold: f64,
    }

    let mut thresholds = BTreeMap::new();
    for row in csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes()).deserialize() {
        let Row { feature, threshold } = row.map_err(|source| Error::Csv { what: FILE, source })?;
        let refused = |reason| Err(Error::Table { what: FILE, reason });
        if !threshold.is_finite() {
            return refused(format!("the threshold of {feature} is {threshold}; give a number"));
        }
        if thresholds.insert(feature.clone(), threshold).is_some() {
            return refused(format!("{feature} appears twice"));
        }
    }
    Ok(thresholds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_go_by_the_name_of_their_phenotype() -> Result<(), Error> {
        let thresholds = phenotype_thresholds(",feature,threshold\n0,lead,0.1\n1,stenosis,1.06\n")?;
        assert_eq!(
            thresholds.into_iter().collect::<Vec<_>>(),
            [("lead".to_owned(), 0.1), ("stenosis".to_owned(), 1.06)]
        );
        Ok(())
    }

    #[test]
    fn invalid_tables_are_refused() {
        let refused = |text: &str| phenotype_thresholds(text).unwrap_err().to_string();
        assert_eq!(refused("feature,threshold\nlead,0.1\nlead,0.2\n"), "the table of thresholds: lead appears twice");
        assert_eq!(
            refused("feature,threshold\nlead,NaN\n"),
            "the table of thresholds: the threshold of lead is NaN; give a number"
        );
        for text in ["feature\nlead\n", "feature,threshold\nlead,high\n"] {
            assert!(refused(text).starts_with("the table of thresholds cannot be read as CSV: "), "{}", refused(text));
        }
    }
}
