//! Prompts for ranks, classes or labels. Of ranks the prediction is the mean of their values weighted by how similar the
//! clip is to their prompts.
//!
//! OrdinalCLIP (Li et al., NeurIPS 2022) and CardiacCLIP (Du et al., MICCAI 2025) regress this way.

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use echo_core::{Answer, Error, Kind, Prediction, RankSpec, Task, TextEncoder, l2_normalize, padded_ids};

use crate::quirks::encode_words_unmasked;
use crate::refinement::Refinement;

/// Prompts of all ranks, classes or labels, with or without learnable context vectors among their words.
#[derive(Module, Debug)]
pub struct PromptHead {
    /// `[1 or prompts, context, width]`: one row shared by all prompts, or one each.
    context: Option<Param<Tensor<3>>>,
    /// Word embeddings of the prompts' own tokens, `[prompts, tokens, width]`, zeros after each row's end.
    words: Tensor<3>,
    /// The ranks' values, `[ranks]`, where there are any.
    values: Option<Tensor<1>>,
    /// What takes the place of those values.
    refinement: Option<Refinement>,
    /// Whether losses weight wrong ranks by their distance.
    #[module(skip)]
    ordinal: bool,
    /// Whether prompts pass through the text tower without its causal mask.
    #[module(skip)]
    unmasked: bool,
    #[module(skip)]
    rows: Vec<Row>,
    #[module(skip)]
    meaning: Meaning,
}

/// What similarities to prompts mean.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// Ranks of a value.
    Ranks(RankSpec),
    /// One class each.
    Classes,
    /// Labels that hold, then the same labels that do not.
    Labels,
}

impl Meaning {
    /// Of a task, and for each prompt all its wordings.
    pub(crate) fn of(task: &Task) -> (Self, Vec<Vec<&str>>) {
        match &task.answer {
            Answer::Value(regression) => {
                let prompts = regression.ranks.prompts().into_iter().map(|prompt| vec![prompt]);
                (Self::Ranks(regression.ranks.clone()), prompts.collect())
            }
            Answer::Classes(classification) => {
                let classes = classification.classes.iter();
                let present = classes.clone().map(|class| class.prompts.iter().map(String::as_str).collect());
                match classification.kind {
                    Kind::MultiLabel => {
                        let absent = classes.map(|class| class.absent.iter().map(String::as_str).collect());
                        (Self::Labels, present.chain(absent).collect())
                    }
                    _ => (Self::Classes, present.collect()),
                }
            }
        }
    }

    /// Logits of classes or labels from those of their prompts, `[samples * clips, prompts]`: the mean over a sample's
    /// clips. Of ranks the same, without their values.
    pub(crate) fn read(&self, logits: Tensor<2>, clips: usize) -> Tensor<2> {
        let [all, prompts] = logits.dims();
        let mean = logits.reshape([all / clips, clips, prompts]).mean_dim(1).squeeze_dim::<2>(1);
        match self {
            Self::Ranks(_) | Self::Classes => mean,
            Self::Labels => mean.clone().narrow(1, 0, prompts / 2) - mean.narrow(1, prompts / 2, prompts / 2),
        }
    }
}

/// Where the context goes in one rank's prompt: the first `head` vectors before token `head_at`, the rest before
/// token `tail_at`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) head: usize,
    pub(crate) head_at: usize,
    pub(crate) tail_at: usize,
    /// Tokens of the rank's own prompt, start and end included.
    pub(crate) tokens: usize,
}

impl PromptHead {
    /// Fixed prompts, nothing learnable.
    ///
    /// # Errors
    /// A prompt is too long for the text encoder, or the ranks are disordered.
    pub fn fixed(task: &Task, text: &dyn TextEncoder) -> Result<Self, Error> {
        let row = |tokens| Row { head: 0, head_at: 1, tail_at: 1, tokens };
        Self::with_context(task, text, None, row)
    }

    /// Prompts with `context` put where `row` says, given the number of a prompt's own tokens.
    pub(crate) fn with_context(
        task: &Task,
        text: &dyn TextEncoder,
        context: Option<Tensor<3>>,
        row: impl Fn(usize) -> Row,
    ) -> Result<Self, Error> {
        task.validate()?;
        let (meaning, wordings) = Meaning::of(task);
        let extra = context.as_ref().map_or(0, |context| context.dims()[1]);
        let mut prompts = Vec::new();
        for prompt in wordings.into_iter().filter_map(|wordings| wordings.into_iter().next()) {
            let sentence = format!("{}.", prompt.trim_end_matches('.'));
            let ids = text.tokenize(&sentence)?;
            if ids.len() + extra > text.context_length() {
                return Err(Error::TextTooLong {
                    tokens: ids.len() + extra,
                    context: extra,
                    limit: text.context_length(),
                    text: sentence,
                });
            }
            prompts.push(ids);
        }
        let rows: Vec<Row> = prompts.iter().map(|ids| row(ids.len())).collect();
        let device = text.logit_scale().device();
        let (ids, _) = padded_ids(&prompts, &device);
        let values = match &meaning {
            Meaning::Ranks(ranks) => Some(Tensor::from_data(TensorData::new(ranks.values(), [prompts.len()]), &device)),
            Meaning::Classes | Meaning::Labels => None,
        };
        Ok(Self {
            context: context.map(Param::from_tensor),
            words: text.words(ids),
            values,
            refinement: None,
            ordinal: false,
            unmasked: false,
            rows,
            meaning,
        })
    }

    /// The same with refined values and ordinal weights.
    pub(crate) fn refined(self, refinement: Option<Refinement>, ordinal: bool) -> Self {
        Self { refinement, ordinal, ..self }
    }

    /// The same with prompts that pass through the text tower without its causal mask, which it must have.
    pub(crate) fn without_mask(self) -> Self {
        Self { unmasked: true, ..self }
    }

    pub(crate) fn weights_ordinally(&self) -> bool {
        self.ordinal
    }

    /// The ranks that it was built for, if it was for ranks.
    pub fn ranks(&self) -> Option<&RankSpec> {
        if let Meaning::Ranks(ranks) = &self.meaning { Some(ranks) } else { None }
    }

    /// Predictions from clip embeddings.
    ///
    /// - embedding: `[samples, clips, dim]`
    /// - output: means over a sample's clips
    pub fn forward(&self, embedding: Tensor<3>, text: &dyn TextEncoder) -> Prediction {
        let [samples, clips, dim] = embedding.dims();
        let prompts = l2_normalize(self.encode_prompts(text));
        let clip_embeddings = l2_normalize(embedding.reshape([samples * clips, dim]));
        let logits = clip_embeddings.matmul(prompts.transpose()) * text.logit_scale().exp().unsqueeze();
        match (&self.meaning, &self.values) {
            (Meaning::Labels, _) => Prediction::Labels(self.meaning.read(logits, clips)),
            (Meaning::Classes, _) | (Meaning::Ranks(_), None) => Prediction::Classes(self.meaning.read(logits, clips)),
            (Meaning::Ranks(_), Some(values)) => {
                let values = match &self.refinement {
                    Some(refinement) => refinement.forward(logits.clone()),
                    None => values.clone().unsqueeze(),
                };
                let weighted = softmax(logits.clone(), 1) * values;
                let value = weighted.sum_dim(1).reshape([samples, clips]).mean_dim(1).squeeze_dim(1);
                Prediction::Values { value, ranks: Some(self.meaning.read(logits, clips)) }
            }
        }
    }

    /// Text embeddings of the prompts, `[prompts, dim]`.
    fn encode_prompts(&self, text: &dyn TextEncoder) -> Tensor<2> {
        let Some(context) = &self.context else {
            let lengths: Vec<usize> = self.rows.iter().map(|row| row.tokens).collect();
            return self.encode_rows(self.words.clone(), &lengths, text);
        };
        let context = context.val();
        let [own_rows, extra, width] = context.dims();
        let [_, tokens, _] = self.words.dims();
        let mut lengths = Vec::with_capacity(self.rows.len());
        let mut rows = Vec::with_capacity(self.rows.len());
        for (index, row) in self.rows.iter().enumerate() {
            let words = self.words.clone().narrow(0, index, 1);
            let context = context.clone().narrow(0, if own_rows == 1 { 0 } else { index }, 1);
            let pieces = [
                (words.clone(), 0, row.head_at),
                (context.clone(), 0, row.head),
                (words.clone(), row.head_at, row.tail_at),
                (context, row.head, extra),
                (words, row.tail_at, tokens),
            ];
            let pieces = pieces.into_iter().filter(|(_, from, to)| from < to);
            rows.push(Tensor::cat(pieces.map(|(piece, from, to)| piece.narrow(1, from, to - from)).collect(), 1));
            lengths.push(row.tokens + extra);
        }
        debug_assert!(rows.iter().all(|row: &Tensor<3>| row.dims() == [1, tokens + extra, width]));
        self.encode_rows(Tensor::cat(rows, 0), &lengths, text)
    }

    fn encode_rows(&self, rows: Tensor<3>, lengths: &[usize], text: &dyn TextEncoder) -> Tensor<2> {
        match self.unmasked {
            false => text.encode_words(rows, lengths),
            true => encode_words_unmasked(text, rows, lengths).expect("it was asked for a mask to leave out"),
        }
    }
}
