//! What stands beside numbers that say nothing of patients, in words short enough for a column.

use std::collections::BTreeSet;

use crate::CellRecord;

/// What a record calls random weights.
const RANDOM: &str = "random";

/// What makes all numbers of an encoder doubtful: nano presets know phantoms alone, and random weights nothing. Presets and
/// kinds of weights are named as in records.
pub fn weights_caution(preset: &str, weights: &str, of_phantoms: bool) -> Option<&'static str> {
    match (weights, preset) {
        (RANDOM, _) => Some("random weights"),
        (_, "nano") if !of_phantoms => Some("nano weights know phantoms alone"),
        _ => None,
    }
}

impl CellRecord {
    /// What makes all numbers of the cell doubtful.
    pub(crate) fn caution(&self) -> Option<&'static str> {
        let of_phantoms = self.data.phantoms && self.external.as_ref().is_none_or(|external| external.phantoms);
        weights_caution(&self.encoder.preset, &self.encoder.weights, of_phantoms)
    }
}

/// What is to be read before any number of these cells.
pub(crate) fn warnings<'a>(cells: impl Iterator<Item = &'a CellRecord> + Clone) -> Vec<String> {
    let named = |random: bool| {
        let of_kind = |cell: &&CellRecord| (cell.encoder.weights == RANDOM) == random;
        let doubtful = cells.clone().filter(|cell| cell.caution().is_some()).filter(of_kind);
        let encoders: BTreeSet<&str> = doubtful.map(|cell| cell.encoder.name.as_str()).collect();
        encoders.into_iter().collect::<Vec<_>>().join(", ")
    };
    let (random, nano) = (named(true), named(false));
    let mut warnings = Vec::new();
    if !random.is_empty() {
        warnings
            .push(format!("Random weights: {random}. Their rows say how the program runs, not what the model can do."));
    }
    if !nano.is_empty() {
        warnings.push(format!(
            "Nano weights know phantoms alone, and these videos are not known to be phantoms: {nano}. Their rows say nothing \
             of patients, and nothing of the published models. For those: `echozoo bench --data DIR --encoder ENCODER \
             --preset full --weights FILE`."
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::record;

    #[test]
    fn nano_weights_on_what_is_not_known_to_be_phantoms_and_random_ones_are_warned_of() {
        let cell = |weights: &str, preset: &str, phantoms| {
            let mut cell = record("key");
            cell.encoder.weights = weights.to_owned();
            (cell.encoder.preset, cell.data.phantoms) = (preset.to_owned(), phantoms);
            cell
        };
        let nano = "nano";
        assert_eq!(cell(nano, "nano", true).caution(), None);
        assert_eq!(cell("file", "full", false).caution(), None);
        assert_eq!(cell(nano, "nano", false).caution(), Some("nano weights know phantoms alone"));
        assert_eq!(cell("file", "nano", false).caution(), Some("nano weights know phantoms alone"));
        assert_eq!(cell(RANDOM, "full", false).caution(), Some("random weights"));
        let warned = warnings([cell(nano, "nano", false), cell(RANDOM, "nano", true)].iter());
        assert!(
            warned[0].starts_with("Random weights: encoder.") && warned[1].contains("--preset full --weights FILE")
        );
        assert!(warnings([cell(nano, "nano", true)].iter()).is_empty());
    }
}
