//! The facts of an encoder as data: the command line, README, the pipelines and the tests read them here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ClipLimits, ClipSpec, Error, Head};

/// A size of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The upstream architecture; takes the upstream checkpoint.
    Full,
    /// The same code at a small width, for laptops, tests and phantoms.
    Nano,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Preset; 2] = [Preset::Full, Preset::Nano];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Full => "full",
            Preset::Nano => "nano",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.map(Preset::name);
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| Error::unknown_name("preset", name, &known))
    }
}

/// A file of upstream weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightFile {
    /// File name as released.
    pub name: &'static str,
    /// Which variant of the encoder it is of, by the name that upstream gives it; `None` for the encoder itself.
    pub variant: Option<&'static str>,
    /// Where it is released.
    pub url: &'static str,
    /// The address of the file itself, or of the zip archive that holds it.
    pub download: &'static str,
    /// Which member of that archive it is: a name, or the end of one that only one member has.
    pub member: Option<&'static str>,
    /// What is in it.
    pub contents: &'static str,
}

/// What an encoder can do beside embedding clips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Has a text encoder of its own.
    pub text: bool,
    /// Heads of its own, on clip embeddings.
    pub heads: &'static [Head],
    /// Views that it tells apart.
    pub views: &'static [&'static str],
}

/// Which of an encoder's parameters do what, by the beginnings of their paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterPaths {
    /// What clip embeddings depend on: what full fine-tuning trains.
    pub video: &'static [&'static str],
    /// Of those, the projection (without its norm).
    pub projection: &'static [&'static str],
    /// Of those, the norm before it, where there is one.
    pub norm: &'static [&'static str],
    /// What text embeddings depend on, but the table of word embeddings and the logit scale, which stay as they are.
    pub text: &'static [&'static str],
}

/// One preset of an encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct PresetCard {
    /// Which preset.
    pub preset: Preset,
    /// What it wants to see.
    pub clip: ClipSpec,
    /// What else its architecture takes.
    pub limits: ClipLimits,
    /// Length of a clip embedding.
    pub dim: usize,
    /// Length of a frame feature, before the projection.
    pub width: usize,
    /// Parameters over all towers.
    pub parameters: usize,
    /// Licence of its trained weights: upstream's for full, that of the crate that ships them for nano.
    pub weights_license: &'static str,
}

/// All facts of one encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// The name on the command line.
    pub name: &'static str,
    /// The name in prose.
    pub title: &'static str,
    /// What it is, in one sentence.
    pub summary: &'static str,
    /// Authors, title, venue, year.
    pub paper: &'static str,
    /// DOI or address of the paper.
    pub paper_url: &'static str,
    /// Upstream repository.
    pub code_url: &'static str,
    /// Licence of the upstream code.
    pub code_license: &'static str,
    /// Files of the upstream weights.
    pub weights: &'static [WeightFile],
    /// What it can do.
    pub capabilities: Capabilities,
    /// Which parameters do what.
    pub parameters: ParameterPaths,
    /// Its presets.
    pub presets: &'static [PresetCard],
    /// What surprises: the quirks of the released weights that the implementation reproduces.
    pub quirks: &'static [&'static str],
}

impl Card {
    /// The facts of one preset.
    ///
    /// # Panics
    /// When the card lacks the preset: every card states all of [`Preset::ALL`], which the zoo's tests check.
    pub fn preset(&self, preset: Preset) -> &PresetCard {
        let found = self.presets.iter().find(|card| card.preset == preset);
        found.unwrap_or_else(|| panic!("the card of {} has no preset {preset}", self.name))
    }

    /// Whether the architecture of `preset` takes clips other than its own.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the setting at fault and what is allowed.
    pub fn takes(&self, preset: Preset, clip: &ClipSpec) -> Result<(), Error> {
        let own = self.preset(preset);
        own.limits.check(self.name, &own.clip, clip)
    }
}
