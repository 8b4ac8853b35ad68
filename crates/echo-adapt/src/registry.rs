//! Adapters by name.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use burn::module::Module;
use burn::tensor::Device;
use echo_core::{Adapter, AnyAdapter, AnyEncoder, Error, Stage, Task};
use serde::de::DeserializeOwned;
use toml::Table;

use crate::parts::Parts;
use crate::plan::Plan;
use crate::{
    AdaptError, attentive, coarse_to_fine, coop, echozoom, full, linear, lora, mfl, negation, quality, statistics,
    zero_shot,
};

/// What an adapter is built from.
#[derive(Clone, Copy, Debug)]
pub struct BuildContext<'a> {
    /// The encoder to adapt.
    pub encoder: &'a AnyEncoder,
    /// Another encoder with a text tower, for encoders that have none.
    pub text: Option<&'a AnyEncoder>,
    /// What is predicted.
    pub task: &'a Task,
    /// Seed of what the adapter starts from.
    pub seed: u64,
}

impl BuildContext<'_> {
    /// Where the encoder lives, and its adapters with it.
    pub fn device(&self) -> Device {
        self.encoder.devices().into_iter().next().expect("an encoder has parameters")
    }
}

/// What an adapter needs, known before it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// What it consumes.
    pub stage: Stage,
    /// Whether it uses the text tower of [`BuildContext::text`], the encoder having none.
    pub borrows_text: bool,
}

/// An adapter of another crate: what it implements beside [`Adapter`] for the benchmark to know it by name.
pub trait FromRecipe: Adapter + Module + 'static {
    /// The name on the command line, such as `coop`.
    const NAME: &'static str;
    /// What it does, in one line.
    const SUMMARY: &'static str;
    /// Its default recipe (TOML): `[adapter]` with its settings, `[train]`, and `[presets.nano.adapter]` or
    /// `[presets.nano.train]` for what differs with a preset.
    const RECIPE: &'static str;
    /// Whether it looks at training videos at all.
    const TRAINS: bool = true;

    /// The table `[adapter]`. Refuse what you do not know (`deny_unknown_fields`), so that a slip is an error.
    type Settings: DeserializeOwned;

    /// The adapter on an encoder for a task, before it is fitted.
    ///
    /// # Errors
    /// [`AdaptError::Incompatible`] for an encoder or a task that it is not for: `--adapter all` leaves it out there.
    fn build(settings: Self::Settings, context: &BuildContext<'_>) -> Result<Self, AdaptError>;

    /// What it will need. The default builds it and asks.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    fn needs(settings: Self::Settings, context: &BuildContext<'_>) -> Result<Needs, AdaptError> {
        Ok(Needs { stage: Self::build(settings, context)?.stage(), borrows_text: false })
    }
}

/// One way of adapting.
#[derive(Clone, Copy, Debug)]
pub struct AdapterEntry {
    /// The name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its default recipe, the text of a file such as `configs/adapters/coop.toml`.
    pub recipe: &'static str,
    /// Whether it looks at training videos at all.
    pub trains: bool,
    pub(crate) source: Source,
}

/// How an adapter comes from its table of a recipe.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// As a part, beside those of the names that are joined to it.
    Part(fn(&Table, &mut Parts) -> Result<(), AdaptError>),
    /// As a module of its own.
    Module(Functions),
}

/// What [`FromRecipe`] is for one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Functions {
    check: fn(&Table) -> Result<(), AdaptError>,
    needs: fn(&Table, &BuildContext<'_>) -> Result<Needs, AdaptError>,
    build: fn(&Table, &BuildContext<'_>) -> Result<AnyAdapter, AdaptError>,
}

impl AdapterEntry {
    /// The entry of an adapter of another crate.
    pub const fn of<A: FromRecipe>() -> Self {
        let source = Source::Module(Functions {
            check: |table| settings::<A::Settings>(A::NAME, table).map(drop),
            needs: |table, context| A::needs(settings(A::NAME, table)?, context),
            build: |table, context| Ok(AnyAdapter::new(A::build(settings(A::NAME, table)?, context)?)),
        });
        Self { name: A::NAME, summary: A::SUMMARY, recipe: A::RECIPE, trains: A::TRAINS, source }
    }
}

/// Every adapter of this crate.
pub const ADAPTERS: &[AdapterEntry] = &[
    zero_shot::ENTRY,
    zero_shot::BY_RANKS,
    linear::ENTRY,
    statistics::ENTRY,
    coop::ENTRY,
    coarse_to_fine::ENTRY,
    mfl::ENTRY,
    attentive::ENTRY,
    echozoom::ENTRY,
    lora::ENTRY,
    full::ENTRY,
    negation::ENTRY,
    quality::ENTRY,
];

/// Tables of a recipe, by the name of the adapter that each is for.
pub type Tables = BTreeMap<String, Table>;

/// One adapter: the entries that a name joins by `+`, in its order; one, in most cases.
#[derive(Clone, Debug)]
pub struct Joined {
    entries: Vec<AdapterEntry>,
}

impl Joined {
    /// The adapter `name` out of those that are `known`.
    ///
    /// # Errors
    /// A name that no adapter has, with the nearest as a suggestion, one that stands there twice, or one that cannot be joined
    /// to another.
    pub fn find(known: &[AdapterEntry], name: &str) -> Result<Self, AdaptError> {
        let names: Vec<&str> = known.iter().map(|entry| entry.name).collect();
        let mut entries: Vec<AdapterEntry> = Vec::new();
        for part in name.split('+') {
            let entry = known.iter().find(|entry| entry.name == part);
            let entry = *entry.ok_or_else(|| Error::unknown_name("adapter", part, &names))?;
            if entries.iter().any(|other| other.name == part) {
                let reason = format!("stands twice in {name}");
                return Err(Error::Unsupported { encoder: format!("adapter {part}"), reason }.into());
            }
            entries.push(entry);
        }
        match entries.iter().find(|entry| matches!(entry.source, Source::Module(_))) {
            Some(whole) if entries.len() > 1 => Err(AdaptError::Whole(whole.name)),
            _ => Ok(Self { entries }),
        }
    }

    /// Its entries, in the name's order.
    pub fn entries(&self) -> &[AdapterEntry] {
        &self.entries
    }

    /// Whether it looks at training videos at all.
    pub fn trains(&self) -> bool {
        self.entries.iter().any(|entry| entry.trains)
    }

    /// Whether it can be made with these tables, for some encoder.
    ///
    /// # Errors
    /// A wrong entry of a recipe, or names that exclude each other.
    pub fn check(&self, tables: &Tables) -> Result<(), AdaptError> {
        match self.entries[..] {
            [AdapterEntry { name, source: Source::Module(of), .. }] => (of.check)(table(tables, name)),
            _ => self.parts(tables).map(drop),
        }
    }

    /// What it needs on an encoder.
    ///
    /// # Errors
    /// As [`build`](Self::build), but for what only building tells, such as prompts that are too long for the text tower.
    pub fn needs(&self, tables: &Tables, context: &BuildContext<'_>) -> Result<Needs, AdaptError> {
        match self.entries[..] {
            [AdapterEntry { name, source: Source::Module(of), .. }] => (of.needs)(table(tables, name), context),
            _ => Ok(Plan::new(self.parts(tables)?, context)?.needs()),
        }
    }

    /// Builds it on an encoder, each of its entries with its own table of a recipe.
    ///
    /// # Errors
    /// A wrong entry of a recipe, names that exclude each other, or an encoder or a task that lacks what they need.
    pub fn build(&self, tables: &Tables, context: &BuildContext<'_>) -> Result<AnyAdapter, AdaptError> {
        match self.entries[..] {
            [AdapterEntry { name, source: Source::Module(of), .. }] => (of.build)(table(tables, name), context),
            _ => Ok(AnyAdapter::new(Plan::new(self.parts(tables)?, context)?.build(context)?)),
        }
    }

    fn parts(&self, tables: &Tables) -> Result<Parts, AdaptError> {
        let mut parts = Parts::new();
        for entry in &self.entries {
            match entry.source {
                Source::Part(add) => add(table(tables, entry.name), &mut parts)?,
                Source::Module(_) => return Err(AdaptError::Whole(entry.name)),
            }
        }
        Ok(parts)
    }
}

/// An entry's own table; an empty one where there is none.
fn table<'a>(tables: &'a Tables, name: &str) -> &'a Table {
    static NONE: LazyLock<Table> = LazyLock::new(Table::new);
    tables.get(name).unwrap_or(&NONE)
}

/// An adapter's own settings out of its table of a recipe.
pub(crate) fn settings<T: DeserializeOwned>(adapter: &'static str, table: &Table) -> Result<T, AdaptError> {
    table.clone().try_into().map_err(|source| AdaptError::Recipe { adapter, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_by_plus_and_checked_one_by_one() {
        let names = |name: &str| {
            Joined::find(ADAPTERS, name).map(|found| found.entries.iter().map(|entry| entry.name).collect::<Vec<_>>())
        };
        assert_eq!(names("coop").unwrap(), ["coop"]);
        assert_eq!(names("mfl+echozoom").unwrap(), ["mfl", "echozoom"]);
        assert!(names("mfl+echozom").unwrap_err().to_string().contains("did you mean \"echozoom\""));
        assert!(names("mfl+mfl").unwrap_err().to_string().contains("twice"));
        assert!(names("").is_err());
    }
}
