//! What stands beside numbers that say nothing of patients, in words short enough for a column.

use std::collections::BTreeSet;

use crate::CellRecord;

/// What a record calls random weights.
const RANDOM: &str = "random";

/// What makes all numbers of an encoder doubtful: random weights know nothing, and those that are not published know no
/// patients. Kinds of weights are named as in records.
pub fn weights_caution(weights: &str, published: bool, of_phantoms: bool) -> Option<&'static str> {
    match (weights, published) {
        (RANDOM, _) => Some("random weights"),
        (_, false) if !of_phantoms => Some("nano weights, which have seen no patient"),
        _ => None,
    }
}

impl CellRecord {
    /// What makes all numbers of the cell doubtful.
    pub(crate) fn caution(&self) -> Option<&'static str> {
        let of_phantoms = self.data.phantoms && self.external.as_ref().is_none_or(|external| external.phantoms);
        weights_caution(&self.encoder.weights, self.encoder.published, of_phantoms)
    }
}

/// Which data and weights all these cells' numbers are of, where they are no patients or not the published weights: a few
/// words to stand before any table or figure, `Phantom data, nano weights`. Empty for others.
pub(crate) fn setting<'a>(cells: impl Iterator<Item = &'a CellRecord> + Clone) -> String {
    let share = |words: &str, fits: &dyn Fn(&CellRecord) -> bool| match cells.clone().filter(|cell| fits(cell)).count()
    {
        0 => None,
        all if all == cells.clone().count() => Some(words.to_owned()),
        _ => Some(format!("{words} in part")),
    };
    let is_random = |cell: &CellRecord| cell.encoder.weights == RANDOM;
    let is_nano = |cell: &CellRecord| !cell.encoder.published && !is_random(cell);
    let phantoms = share("phantom data", &|cell| cell.data.phantoms).map(|words| {
        let of_others = |cell: &CellRecord| cell.external.as_ref().is_some_and(|external| !external.phantoms);
        if cells.clone().any(of_others) { format!("{words} but for the external test set") } else { words }
    });
    let words: Vec<String> = [phantoms, share("nano weights", &is_nano), share("random weights", &is_random)]
        .into_iter()
        .flatten()
        .collect();
    let words = words.join(", ");
    words.get(..1).map_or(String::new(), |first| first.to_uppercase()) + words.get(1..).unwrap_or_default()
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
            "Nano weights know no patients, and these videos are not known to be phantoms: {nano}. Their rows say nothing \
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
        let cell = |weights: &str, published, phantoms| {
            let mut cell = record("key");
            cell.encoder.weights = weights.to_owned();
            (cell.encoder.published, cell.data.phantoms) = (published, phantoms);
            cell
        };
        let nano = "shipped";
        assert_eq!(cell(nano, false, true).caution(), None);
        assert_eq!(cell("file", true, false).caution(), None);
        assert_eq!(cell(nano, false, false).caution(), Some("nano weights, which have seen no patient"));
        assert_eq!(cell("file", false, false).caution(), Some("nano weights, which have seen no patient"));
        assert_eq!(cell(RANDOM, true, false).caution(), Some("random weights"));
        let warned = warnings([cell(nano, false, false), cell(RANDOM, false, true)].iter());
        assert!(
            warned[0].starts_with("Random weights: encoder.") && warned[1].contains("--preset full --weights FILE")
        );
        assert!(warnings([cell(nano, false, true)].iter()).is_empty());
    }

    #[test]
    fn a_few_words_say_which_data_and_weights_all_numbers_are_of() {
        let cell = |weights: &str, published, phantoms| {
            let mut cell = record("key");
            cell.encoder.weights = weights.to_owned();
            (cell.encoder.published, cell.data.phantoms) = (published, phantoms);
            cell
        };
        let (full, nano, random) = (cell("file", true, false), cell("shipped", false, true), cell(RANDOM, false, true));
        let of = |cells: &[&CellRecord]| setting(cells.iter().copied());
        assert_eq!(of(&[&nano, &nano]), "Phantom data, nano weights");
        assert_eq!(of(&[&nano, &random]), "Phantom data, nano weights in part, random weights in part");
        assert_eq!(of(&[&random, &full]), "Phantom data in part, random weights in part");
        assert_eq!((of(&[&full]), of(&[])), (String::new(), String::new()));
        let mut beside = nano.clone();
        beside.external = Some(crate::ExternalRecord {
            name: "home".to_owned(),
            hash: "h".to_owned(),
            samples: Default::default(),
            test: 4,
            excluded: 0,
            leaked: 0,
            phantoms: false,
            scores: scores(),
        });
        assert_eq!(of(&[&beside]), "Phantom data but for the external test set, nano weights");
    }

    fn scores() -> echo_metrics::Scores {
        let rows = [crate::scoring::tests::row("a", "", crate::Truth::Value(1.0), &[2.0])];
        crate::scores(&crate::Quantity::default(), &rows, &[echo_metrics::Metric::MAE], None, 10).unwrap()
    }
}
