//! An adapter's settings for one preset.

use std::collections::BTreeMap;

use echo_adapt::{AdapterEntry, Joined, Tables};
use echo_train::TrainConfig;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{BenchError, ClipChange};

/// The adapters that read the target without training.
pub(crate) const ZERO_SHOT: [&str; 2] = ["zero-shot", "zero-shot-ranks"];

/// What an adapter is built and trained with: its TOML file, with the preset's own table and the benchmark's
/// replacements laid over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Each joined adapter's own table, by its name.
    pub adapter: Tables,
    /// Training: that of the first of the joined adapters.
    pub train: TrainConfig,
    /// Clips other than the encoder's card describes: what any of the joined adapters says of them.
    #[serde(default, skip_serializing_if = "ClipChange::is_empty")]
    pub clip: ClipChange,
}

impl Recipe {
    /// The recipe of `joined`, which is called `name`, for `preset`. Replacements (tables `adapter`, `train` and `clip`) lie over it: those of
    /// a joined adapter under its own name, and those of all of them under `name`, which has the last word on training and
    /// clips.
    ///
    /// # Errors
    /// An unknown table or entry, one of the wrong type, a value that no encoder could be adapted with, or joined adapters
    /// that exclude each other or say different things of the clips.
    pub fn new(
        name: &str,
        joined: &Joined,
        preset: &str,
        replacements: &BTreeMap<String, Table>,
    ) -> Result<Self, BenchError> {
        let mut adapter = Tables::new();
        let mut first = None;
        let mut clips = Vec::new();
        for entry in joined.entries() {
            let OfEntry { adapter: own, train, clip } = tables(entry, preset, replacements.get(entry.name))?;
            // By itself, before others that it might contradict.
            let what = format!("recipe of {}", entry.name);
            let change: Result<ClipChange, _> = clip.clone().try_into();
            change.map_err(|source| BenchError::Toml { what: what.clone(), source })?.validate(&what)?;
            adapter.insert(entry.name.to_owned(), own);
            first.get_or_insert(train);
            clips.push((entry.name, clip));
        }
        let mut train = first.unwrap_or_default();
        let mut clip = Table::new();
        if let Some(replaced) = replacements.get(name).filter(|_| joined.entries().len() > 1) {
            let unknown = |table: &&String| !matches!(table.as_str(), "train" | "clip");
            if let Some(unknown) = replaced.keys().find(unknown) {
                return Err(BenchError::Config(format!(
                    "[recipes.\"{name}\"]: unknown entry {unknown:?}; only [train] and [clip] belong to joined adapters, \
                     the rest to each of them"
                )));
            }
            if let Some(Value::Table(table)) = replaced.get("train") {
                overlay(&mut train, table);
            }
            match replaced.get("clip") {
                Some(Value::Table(table)) => clip = table.clone(),
                Some(_) => return Err(BenchError::Config(format!("[recipes.\"{name}\"]: clip is no table"))),
                None => {}
            }
        }
        let what = || format!("recipe of {name}");
        let of = |source| BenchError::Toml { what: what(), source };
        let train: TrainConfig = train.try_into().map_err(of)?;
        train.validate().map_err(|error| BenchError::Config(format!("{}: {error}", what())))?;
        let clip: ClipChange = agreed(name, &clips, clip)?.try_into().map_err(of)?;
        clip.validate(&what())?;
        joined.check(&adapter)?;
        Ok(Self { adapter, train, clip })
    }

    /// All settings of `entry` for `preset`, with `replacements` over them: what a configuration would have to say for
    /// nothing to be left to defaults.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn written_out(
        entry: &AdapterEntry,
        preset: &str,
        replacements: Option<&Table>,
    ) -> Result<Table, BenchError> {
        let OfEntry { adapter, train, clip } = tables(entry, preset, replacements)?;
        let of = |source| BenchError::Toml { what: format!("recipe of {}", entry.name), source };
        let train: TrainConfig = train.try_into().map_err(of)?;
        let train = Value::try_from(train).map_err(|error| BenchError::Config(error.to_string()))?;
        let tables = [("adapter", Value::Table(adapter)), ("train", train), ("clip", Value::Table(clip))];
        let filled = tables.into_iter().filter(|(_, table)| table.as_table().is_some_and(|table| !table.is_empty()));
        Ok(filled.map(|(name, table)| (name.to_owned(), table)).collect())
    }
}

/// The tables `clip` of joined adapters as one. A setting that one of them names is for all; where two name it with
/// different values, `joined` must say which.
fn agreed(name: &str, clips: &[(&'static str, Table)], joined: Table) -> Result<Table, BenchError> {
    let mut named: BTreeMap<&str, (&str, &Value)> = BTreeMap::new();
    for (adapter, table) in clips {
        for (setting, value) in table.iter().filter(|(setting, _)| !joined.contains_key(*setting)) {
            let (other, first) = *named.entry(setting).or_insert((adapter, value));
            if first != value {
                return Err(BenchError::Config(format!(
                    "recipe of {name}: {other} wants clips with {setting} = {first}, {adapter} with {setting} = {value}; \
                     say it in [recipes.\"{name}\".clip]"
                )));
            }
        }
    }
    let named = named.into_iter().map(|(setting, (_, value))| (setting.to_owned(), value.clone()));
    Ok(named.chain(joined).collect())
}

/// An entry's tables of its recipe.
struct OfEntry {
    adapter: Table,
    train: Table,
    /// Empty where there is none.
    clip: Table,
}

fn tables(entry: &AdapterEntry, preset: &str, replacements: Option<&Table>) -> Result<OfEntry, BenchError> {
    let what = || format!("recipe of {}", entry.name);
    let mut base: Table = entry.recipe.parse().map_err(|source| BenchError::Toml { what: what(), source })?;
    if let Some(Value::Table(presets)) = base.remove("presets")
        && let Some(Value::Table(own)) = presets.get(preset)
    {
        overlay(&mut base, own);
    }
    if let Some(table) = replacements {
        overlay(&mut base, table);
    }
    let table = |base: &mut Table, name: &str| match base.remove(name) {
        Some(Value::Table(table)) => Ok(table),
        _ => Err(BenchError::Config(format!("{}: the table [{name}] is missing", what()))),
    };
    let (adapter, train) = (table(&mut base, "adapter")?, table(&mut base, "train")?);
    let clip = if base.contains_key("clip") { table(&mut base, "clip")? } else { Table::new() };
    match base.keys().next() {
        Some(unknown) => Err(BenchError::Config(format!("{}: unknown entry {unknown:?}", what()))),
        None => Ok(OfEntry { adapter, train, clip }),
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
    use echo_adapt::ADAPTERS;
    use echo_core::Preset;

    use super::*;

    fn recipe(name: &str, preset: &str, replacements: &[(&str, &str)]) -> Result<Recipe, BenchError> {
        let replacements = replacements.iter().map(|(name, text)| ((*name).to_owned(), text.parse().unwrap()));
        Recipe::new(name, &Joined::find(ADAPTERS, name).unwrap(), preset, &replacements.collect())
    }

    #[test]
    fn every_shipped_recipe_parses_for_every_preset() {
        for entry in ADAPTERS {
            for preset in [Preset::FULL, Preset::NANO, "variant"] {
                recipe(entry.name, preset, &[]).unwrap();
            }
        }
    }

    #[test]
    fn replacements_merge_into_the_recipe_and_unknown_ones_are_refused() {
        let with = |text: &str| recipe("coop", Preset::FULL, &[("coop", text)]);
        let changed = with("train.epochs = 3").unwrap();
        let original = recipe("coop", Preset::FULL, &[]).unwrap();
        assert_eq!(changed.train.epochs, 3);
        assert_eq!(changed.train.optimizer, original.train.optimizer);
        assert_eq!(changed.adapter, original.adapter);
        assert!(with("train.epoch = 3").unwrap_err().to_string().contains("epoch"));
        assert!(with("trian.epochs = 3").is_err());
        assert!(with("train.epochs = 0").is_err());
    }

    #[test]
    fn joined_adapters_keep_their_tables_and_train_as_the_first_of_them() {
        let joined = recipe("mfl+coop", Preset::NANO, &[("coop", "adapter.context = 5")]).unwrap();
        assert_eq!(joined.train, recipe("mfl", Preset::NANO, &[]).unwrap().train);
        assert_eq!(joined.adapter["coop"]["context"].as_integer(), Some(5));
        let replaced = recipe("mfl+coop", Preset::NANO, &[("mfl+coop", "train.epochs = 7")]).unwrap();
        assert_eq!(replaced.train.epochs, 7);
        assert!(recipe("mfl+coop", Preset::NANO, &[("mfl+coop", "adapter.context = 5")]).is_err());
    }
    #[test]
    fn joined_adapters_see_what_any_of_them_wants_and_must_agree() {
        let clip = |replacements: &[(&str, &str)]| {
            let recipe = recipe("mfl+echozoom", Preset::NANO, replacements)?;
            Ok::<_, BenchError>(recipe.clip)
        };
        assert!(clip(&[]).unwrap().is_empty(), "no shipped recipe changes clips");
        let (mfl, zoom) =
            (("mfl", "clip = { frames = 8, size = 96 }"), ("echozoom", "clip = { frames = 8, clips = 2 }"));
        let both = ClipChange { frames: Some(8), size: Some(96), clips: Some(2), ..ClipChange::default() };
        assert_eq!(clip(&[mfl, zoom]).unwrap(), both);
        let other = ("echozoom", "clip.frames = 12");
        let message = clip(&[mfl, other]).unwrap_err().to_string();
        let expected = "recipe of mfl+echozoom: mfl wants clips with frames = 8, echozoom with frames = 12; say it in \
                        [recipes.\"mfl+echozoom\".clip]";
        assert_eq!(message, expected);
        let said = clip(&[mfl, other, ("mfl+echozoom", "clip.frames = 20")]).unwrap();
        assert_eq!((said.frames, said.size), (Some(20), Some(96)));
        assert!(clip(&[("mfl", "clip.frame = 8")]).unwrap_err().to_string().contains("frame"));
        assert!(clip(&[("mfl", "clip.frames = 0")]).is_err());
        assert!(clip(&[("mfl", "clip = 8")]).is_err() && clip(&[("mfl+echozoom", "clip = 8")]).is_err());
    }

    #[test]
    fn a_recipe_without_changes_is_written_as_before_there_were_any() {
        let written = |replacements: &[(&str, &str)]| {
            serde_json::to_value(recipe("coop", Preset::NANO, replacements).unwrap()).unwrap()
        };
        let keys: Vec<String> = written(&[]).as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["adapter", "train"]);
        assert_eq!(written(&[("coop", "clip.size = 96")])["clip"], serde_json::json!({ "size": 96 }));
        let read: Recipe = serde_json::from_value(written(&[])).unwrap();
        assert!(read.clip.is_empty());
    }
}
