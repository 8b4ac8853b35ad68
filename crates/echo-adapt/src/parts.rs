//! What an adapter is put together from: each of the names joined by `+` sets some of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::AdaptError;
use crate::attentive::ProbeSettings;
use crate::coop::CoOpConfig;
use crate::quirks::{Compat, Quirk};
use crate::refinement::RefinedValues;
use crate::trunk::Trunk;
use crate::zero_shot::Reading;

/// Whether the encoder trains under a part that could do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TrunkChoice {
    Frozen,
    Tuned,
}

/// What a part that stands in for something of the encoder's starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PartInit {
    /// What the encoder does.
    Pretrained,
    /// Random layers, as PyTorch starts them.
    Random,
}

impl PartInit {
    /// What it comes to where released code is reproduced.
    pub(crate) fn under(self, compat: Compat) -> Self {
        match compat {
            Compat::None => self,
            Compat::CardiacClip => Self::Random,
        }
    }
}

/// How two scales are normed before their projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ZoomNorm {
    /// Each by the encoder's own norm.
    Each,
    /// Both together by one that is new.
    Joint,
    /// Over the frames of a batch: [`Quirk::FrameNorm`].
    #[serde(skip)]
    OverFrames,
}

/// How frames, or all tokens, become an embedding, where not as the encoder does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolChoice {
    /// By attention that is learnt.
    Attention(PartInit),
    /// Mean and log deviation, one beside the other.
    Statistics,
    /// By a query that attends to all tokens.
    Probe(ProbeSettings),
}

/// Where a linear head's descent begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RegressionStart {
    /// At the middle of the ranks, whatever the clip.
    #[default]
    Zero,
    /// At a ridge regression on the encoder's embeddings before any of it has changed.
    Ridge,
}

/// Which head.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HeadChoice {
    /// Learnable prompts.
    Context(CoOpConfig),
    /// Fixed prompts where there is a text tower, else a linear map.
    Automatic,
    /// A linear map, by descent.
    Regression,
    /// A linear map, at once.
    Ridge,
    /// No training: the encoder's own reading.
    Own(Reading),
}

/// The parts chosen so far, some with the name that chose them.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) trunk: Option<(Trunk, &'static str)>,
    /// Whether a part asked for a tuned trunk, whatever else is said of it.
    pub(crate) tuned: bool,
    /// Whether the text tower trains.
    pub(crate) text: bool,
    pub(crate) zoom: Option<(PartInit, ZoomNorm)>,
    pub(crate) pool: Option<(PoolChoice, &'static str)>,
    /// Whether what the encoder reads without training stands before what is pooled.
    pub(crate) reading: bool,
    pub(crate) ordinal: bool,
    pub(crate) refine: Option<RefinedValues>,
    /// Each with the name that asked for it first.
    pub(crate) quirks: BTreeMap<Quirk, &'static str>,
    /// A part that is nothing without prompts.
    pub(crate) needs_prompts: Option<&'static str>,
    pub(crate) head: Option<(HeadChoice, &'static str)>,
    /// The head when no name insists on one.
    pub(crate) fallback: HeadChoice,
    /// Where the descent of a linear head begins.
    pub(crate) start: RegressionStart,
}

impl Parts {
    pub(crate) fn new() -> Self {
        Self {
            trunk: None,
            tuned: false,
            text: false,
            zoom: None,
            pool: None,
            reading: false,
            ordinal: false,
            refine: None,
            quirks: BTreeMap::new(),
            needs_prompts: None,
            head: None,
            fallback: HeadChoice::Automatic,
            start: RegressionStart::Zero,
        }
    }

    /// # Errors
    /// Another name has said what of the encoder trains.
    pub(crate) fn set_trunk(&mut self, trunk: Trunk, name: &'static str) -> Result<(), AdaptError> {
        decide(&mut self.trunk, trunk, name, "what of the encoder trains")
    }

    /// What a part wants that can do with either.
    pub(crate) fn tune(&mut self, choice: TrunkChoice) {
        self.tuned |= choice == TrunkChoice::Tuned;
    }

    pub(crate) fn add_quirks(&mut self, name: &'static str, quirks: impl IntoIterator<Item = Quirk>) {
        for quirk in quirks {
            self.quirks.entry(quirk).or_insert(name);
        }
    }

    /// # Errors
    /// Another name has said how frames become an embedding.
    pub(crate) fn set_pool(&mut self, pool: PoolChoice, name: &'static str) -> Result<(), AdaptError> {
        decide(&mut self.pool, pool, name, "how frames become an embedding")
    }

    /// A head for when no name insists on another.
    pub(crate) fn prefer_head(&mut self, head: HeadChoice) {
        self.fallback = head;
    }

    /// # Errors
    /// Another name has chosen a head already.
    pub(crate) fn set_head(&mut self, head: HeadChoice, name: &'static str) -> Result<(), AdaptError> {
        decide(&mut self.head, head, name, "how an embedding becomes a prediction")
    }
}

/// Fills a slot that one name alone may fill.
fn decide<T>(
    slot: &mut Option<(T, &'static str)>,
    choice: T,
    name: &'static str,
    what: &'static str,
) -> Result<(), AdaptError> {
    match slot {
        Some((_, first)) => Err(AdaptError::BothDecide { first, second: name, what }),
        None => {
            *slot = Some((choice, name));
            Ok(())
        }
    }
}
