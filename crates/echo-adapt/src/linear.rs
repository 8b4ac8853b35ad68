//! A linear probe on frozen embeddings, by ridge regression at once or by descent.

use serde::Deserialize;

use crate::parts::{HeadChoice, Parts};
use crate::registry::{Source, settings};
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "linear",
    summary: "linear probe on frozen embeddings: ridge regression, strength by leaving one video out",
    recipe: include_str!("../../../configs/adapters/linear.toml"),
    trains: true,
    source: Source::Part(add),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    solver: Solver,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Solver {
    Ridge,
    Descent,
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { solver } = settings(ENTRY.name, table)?;
    let head = match solver {
        Solver::Ridge => HeadChoice::Ridge,
        Solver::Descent => HeadChoice::Regression,
    };
    parts.set_head(head, ENTRY.name)
}
