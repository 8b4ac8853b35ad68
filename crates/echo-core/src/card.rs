//! The facts of an encoder as data: the command line, README, the pipelines and the tests read them here.

use crate::{ClipLimits, ClipSpec, Error, Head};

/// A file of upstream weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightFile {
    /// File name as released.
    pub name: &'static str,
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capabilities {
    /// Has a text encoder of its own.
    pub text: bool,
    /// That was trained with words for findings, such as reports: prompts may ask for them.
    pub findings: bool,
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

/// A named form of an encoder: the same code with sizes, clips or weights of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name on the command line: [`FULL`](Self::FULL), [`NANO`](Self::NANO), or that of a variant.
    pub name: &'static str,
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
    /// Files of its released weights.
    pub weights: &'static [WeightFile],
    /// Licence of its trained weights: upstream's, or that of the crate that ships them.
    pub weights_license: &'static str,
    /// Whether its weights are published ones, which have seen patients. Others have seen synthetic pictures alone, and what
    /// they say of patients means nothing.
    pub published: bool,
}

impl Preset {
    /// The published architecture, which takes the published checkpoint. Every encoder has it.
    pub const FULL: &'static str = "full";
    /// The same code at a small width, for laptops, tests and phantoms. Every encoder has it.
    pub const NANO: &'static str = "nano";
    /// The licence of weights that nobody publishes: who trained the architecture has them.
    pub const NOT_RELEASED: &'static str = "not released";

    /// Whether somebody publishes weights for it.
    pub fn is_released(&self) -> bool {
        self.weights_license != Self::NOT_RELEASED
    }

    /// Whether the architecture takes clips other than its own. `encoder` is the card's name.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the setting at fault and what is allowed.
    pub fn takes(&self, encoder: &str, clip: &ClipSpec) -> Result<(), Error> {
        self.limits.check(encoder, &self.clip, clip)
    }
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
    /// Whether its weights were trained on echocardiograms (of phantoms, where they are small). Others are baselines, which say
    /// nothing of a heart before they are adapted.
    pub of_hearts: bool,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Which parameters do what.
    pub parameters: ParameterPaths,
    /// Its presets: full, nano, then variants.
    pub presets: &'static [Preset],
    /// What surprises: the quirks of the released weights that the implementation reproduces.
    pub quirks: &'static [&'static str],
}

impl Card {
    /// The preset called `name`.
    ///
    /// # Errors
    /// The encoder has none of that name; the error lists those that it has.
    pub fn preset(&self, name: &str) -> Result<&'static Preset, Error> {
        self.presets.iter().find(|preset| preset.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.presets.iter().map(|preset| preset.name).collect();
            Error::unknown_name(format!("preset of {}", self.name), name, &known)
        })
    }
}
