//! An adapter's settings for one preset.

use echo_adapt::AdapterEntry;
use echo_core::Preset;
use echo_train::TrainConfig;
use serde::Serialize;
use toml::{Table, Value};

use crate::BenchError;

/// What an adapter is built and trained with: its TOML file, with the preset's own table and the benchmark's
/// replacements laid over it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// The adapter's own table.
    pub adapter: Table,
    /// Training.
    pub train: TrainConfig,
}

impl Recipe {
    /// The recipe of `entry` for `preset`, with `replacements` (tables `adapter` and `train`) over it.
    ///
    /// # Errors
    /// An unknown table or entry, or one of the wrong type.
    pub fn new(entry: &AdapterEntry, preset: Preset, replacements: Option<&Table>) -> Result<Self, BenchError> {
        let what = || format!("recipe of {}", entry.name);
        let toml = |source| BenchError::Toml { what: what(), source };
        let mut base: Table = entry.recipe.parse().map_err(toml)?;
        let mut of_preset = None;
        for other in Preset::ALL {
            let table = base.remove(other.name());
            if other == preset {
                of_preset = table;
            }
        }
        if let Some(Value::Table(table)) = of_preset {
            overlay(&mut base, &table);
        }
        if let Some(table) = replacements {
            overlay(&mut base, table);
        }
        let mut table = |name: &str| match base.remove(name) {
            Some(Value::Table(table)) => Ok(table),
            _ => Err(BenchError::Config(format!("{}: the table [{name}] is missing", what()))),
        };
        let (adapter, train) = (table("adapter")?, table("train")?);
        if let Some(unknown) = base.keys().next() {
            return Err(BenchError::Config(format!("{}: unknown entry {unknown:?}", what())));
        }
        let train: TrainConfig = train.try_into().map_err(toml)?;
        train.validate()?;
        Ok(Self { adapter, train })
    }
}

/// Puts the entries of `over` into `base`. Tables are merged, except those with a `kind`, which belong together.
fn overlay(base: &mut Table, over: &Table) {
    for (name, value) in over {
        match (base.get_mut(name), value) {
            (Some(Value::Table(base)), Value::Table(over)) if !over.contains_key("kind") => overlay(base, over),
            _ => {
                base.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_recipe_parses_for_every_preset() {
        for entry in echo_adapt::ADAPTERS {
            for preset in Preset::ALL {
                Recipe::new(entry, preset, None).unwrap();
            }
        }
    }

    #[test]
    fn replacements_merge_into_the_recipe_and_unknown_ones_are_refused() {
        let entry = echo_adapt::adapter("coop").unwrap();
        let with = |text: &str| Recipe::new(entry, Preset::Full, Some(&text.parse().unwrap()));
        let changed = with("train.epochs = 3").unwrap();
        let original = Recipe::new(entry, Preset::Full, None).unwrap();
        assert_eq!(changed.train.epochs, 3);
        assert_eq!(changed.train.optimizer, original.train.optimizer);
        assert_eq!(changed.adapter, original.adapter);
        assert!(with("train.epoch = 3").unwrap_err().to_string().contains("epoch"));
        assert!(with("trian.epochs = 3").is_err());
        assert!(with("train.epochs = 0").is_err());
    }
}
