//! CoOp: learnable context vectors in the prompts (Zhou et al., "Learning to prompt for vision-language models",
//! IJCV 2022). Both towers are frozen; gradients flow through the text tower to the context.

use burn::tensor::{Int, Tensor, TensorData};
use echo_core::TextEncoder;
use echo_random::Stream;
use serde::{Deserialize, Serialize};

use crate::parts::{HeadChoice, Parts};
use crate::prompt_head::{Meaning, PromptHead, Row};
use crate::registry::{Source, settings};
use crate::{AdaptError, AdapterEntry, BuildContext};

/// Standard deviation of random context vectors.
const CONTEXT_STD: f64 = 0.02;

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "coop",
    summary: "learnable context vectors in the prompts, both towers frozen (Zhou et al. 2022)",
    recipe: include_str!("../../../configs/adapters/coop.toml"),
    trains: true,
    source: Source::Part(add),
};

/// Where the context stands relative to a rank's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// Context, then the rank's words.
    End,
    /// Half of the context, the rank's words, the other half.
    Middle,
    /// The rank's words, then the context.
    Front,
}

/// What the context starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContextInit {
    /// Normal values with a standard deviation of 0.02.
    Random,
    /// The word embeddings of a phrase, which then also sets the context's length.
    Words(String),
}

/// CoOp's table of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoOpConfig {
    /// Context vectors; with `init = { words = ".." }` the phrase's number of tokens counts instead.
    pub context: usize,
    /// Where they stand.
    pub position: Position,
    /// One context for each rank instead of one for all.
    pub per_class: bool,
    /// What they start from.
    pub init: ContextInit,
}

impl CoOpConfig {
    /// The prompt head with its context at the start of training.
    ///
    /// # Errors
    /// The context is empty, a prompt with it is too long for the text encoder, or the ranks are disordered.
    pub fn init(&self, context: &BuildContext<'_>, text: &dyn TextEncoder) -> Result<PromptHead, AdaptError> {
        if self.context > text.context_length() {
            let complaint =
                format!("context = {}: the text encoder takes {} tokens", self.context, text.context_length());
            return Err(AdaptError::Setting { adapter: ENTRY.name, complaint });
        }
        context.task.validate()?;
        let device = text.logit_scale().device();
        let start = text.tokenize("")?;
        let start_ids = Tensor::<2, Int>::from_data(TensorData::new(vec![i64::from(start[0])], [1, 1]), &device);
        let [_, _, width] = text.words(start_ids).dims();
        let rows = if self.per_class { Meaning::of(context.task).1.len() } else { 1 };
        let vectors: Tensor<3> = match &self.init {
            ContextInit::Random if self.context > 0 => {
                let mut stream = Stream::new(context.seed, "coop/context", 0);
                let count = rows * self.context * width;
                let values: Vec<f32> = (0..count).map(|_| (CONTEXT_STD * stream.normal()) as f32).collect();
                Tensor::from_data(TensorData::new(values, [rows, self.context, width]), &device)
            }
            ContextInit::Words(phrase) if !phrase.trim().is_empty() => {
                let ids = text.tokenize(phrase)?;
                let own: Vec<i64> = ids[1..ids.len() - 1].iter().map(|&id| i64::from(id)).collect();
                let count = own.len();
                let words = text.words(Tensor::<2, Int>::from_data(TensorData::new(own, [1, count]), &device));
                words.repeat_dim(0, rows)
            }
            _ => return Err(AdaptError::EmptyContext),
        };
        let [_, length, _] = vectors.dims();
        // A prompt's tokens are start, words, full stop, end.
        let row = |tokens: usize| {
            let after_words = tokens - 2;
            match self.position {
                Position::End => Row { head: length, head_at: 1, tail_at: after_words, tokens },
                Position::Middle => Row { head: length / 2, head_at: 1, tail_at: after_words, tokens },
                Position::Front => Row { head: 0, head_at: 1, tail_at: after_words, tokens },
            }
        };
        Ok(PromptHead::with_context(context.task, text, Some(vectors), row)?)
    }
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    parts.set_head(HeadChoice::Context(settings(ENTRY.name, table)?), ENTRY.name)
}
