//! `echozoo speed`: an encoder's work, timed run by run at the word of another program, which so measures it in turn
//! with something else (`reference/speed.py`).
//!
//! Every line of standard input is answered by one line of standard output:
//!
//! | line | answer |
//! | --- | --- |
//! | none yet: the encoder is loaded | `ready SECONDS` |
//! | `case WORK BATCH` | `seconds SECONDS` of a first run |
//! | `run` | `seconds SECONDS` of one more run of the last case |
//! | `write FILE` | `written`: what the last case's last run gave (tensor `output`; of `step`, the losses of all runs) |
//!
//! or by `failed REASON`. A run ends when its result lies in the processor's memory and the device has nothing left to do.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::BufRead;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use burn::module::{Module, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use echo_adapt::{ADAPTERS, BuildContext, Joined};
use echo_core::{AnyAdapter, AnyEncoder, ClipSpec, Features, Preset, Rank, RankSpec, Task, TextEncoder, l2_normalize};
use echo_data::{LoadedClip, Look, Start, for_each_clip};
use echo_kernels::recomputing;
use echo_train::{Descent, OptimizerConfig, l1};
use echo_video::OpenOptions;

use crate::array_file::{read_safetensors, safetensors, write_file};
use crate::encoder_args::EncoderArgs;
use crate::output::print;
use crate::{CliError, Entry, find};

/// Settings of adapter `full` with a linear head that starts at zero.
const FULL: &str = "frozen = []\nlast_blocks = 0\ntext = false\nhead = \"regression\"\n";

/// A linear head's centre and spread in percent, which `reference/speed_torch.py` has too.
const CENTRE: f32 = 50.0;
const SPREAD: f32 = 10.0;

/// What every clip is said to have, in percent.
const TARGET: f32 = 63.0;

const OPTIMIZER: OptimizerConfig =
    OptimizerConfig::AdamW { lr: 1e-4, weight_decay: 1e-2, betas: OptimizerConfig::BETAS };

/// Tokens of a text where no file gives any.
const TOKENS: usize = 32;

/// Learnable vectors of a prompt, the prompt's tokens with them, and the factor on similarities.
const CONTEXT: usize = 16;
const PROMPT: usize = 40;
const LOGIT_SCALE: f32 = 100.0;

/// Flags of `echozoo speed`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    encoder: EncoderArgs,
    /// Inputs as a safetensors file: `clip` [any, 3, frames, height, width]; `ids` [any, tokens] and `lengths` [any] as
    /// floats. A batch repeats them [default: made-up values].
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// In work `step`, blocks keep only what goes into them and are computed again on the way back
    #[arg(long)]
    recompute: bool,
    /// Videos for work `read`: the AVI files of this folder, the first by name
    #[arg(long, value_name = "FOLDER")]
    videos: Option<PathBuf>,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Clips to embeddings.
    Embed,
    /// Texts to embeddings.
    Text,
    /// Clips to logits over views.
    View,
    /// One step of full fine-tuning: forward, backward, optimizer.
    Step,
    /// One step of prompt learning through the frozen text tower.
    Coop,
    /// Videos to clips: decoding and preprocessing, no network.
    Read,
}

impl FromStr for Work {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "embed" => Ok(Self::Embed),
            "text" => Ok(Self::Text),
            "view" => Ok(Self::View),
            "step" => Ok(Self::Step),
            "coop" => Ok(Self::Coop),
            "read" => Ok(Self::Read),
            _ => Err(format!("{name:?} is no work; known: embed, text, view, step, coop, read")),
        }
    }
}

/// A shape and its values.
#[derive(Clone, Debug, Default)]
struct Array {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Array {
    fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        Self { shape: tensor.dims().to_vec(), values: tensor.into_data().iter::<f32>().collect() }
    }

    /// `batch` rows, those that are there again and again.
    fn repeated(&self, batch: usize) -> Result<Self, String> {
        /// Numbers of a batch at most: 1 GiB.
        const MOST: usize = 1 << 28;
        let mut shape = self.shape.clone();
        let row = self.values.len() / shape[0].max(1);
        if batch == 0 || batch.checked_mul(row).is_none_or(|count| count > MOST) {
            return Err(format!("a batch of {batch}: at least 1 and at most {}", MOST / row.max(1)));
        }
        shape[0] = batch;
        Ok(Self { shape, values: self.values.iter().copied().cycle().take(batch * row).collect() })
    }

    fn tensor<const D: usize>(self, device: &Device) -> Result<Tensor<D>, String> {
        match <[usize; D]>::try_from(self.shape.as_slice()) {
            Ok(shape) => Ok(Tensor::from_data(TensorData::new(self.values, shape), device)),
            Err(_) => Err(format!("an input has the shape {:?}, which is not of {D} axes", self.shape)),
        }
    }
}

/// Something prepared to be run again and again.
enum Case {
    Embed(AnyEncoder, Tensor<5>),
    View(AnyEncoder, Tensor<5>),
    Text(AnyEncoder, Tensor<2, Int>, Vec<usize>),
    Step(Box<Step>),
    Coop(Box<CoopStep>),
    Read(Vec<PathBuf>, ClipSpec),
}

struct Step {
    /// Away while a step is taken.
    adapter: Option<AnyAdapter>,
    descent: Descent,
    clips: Tensor<5>,
    targets: Vec<f32>,
    recompute: bool,
    losses: Vec<f32>,
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let started = Instant::now();
    let mut worker = Worker { args, entries, case: None, output: Array::default() };
    let (device, precision) = (args.encoder.device()?, args.encoder.precision()?);
    // Videos are read without it.
    let mut encoder = if args.videos.is_some() { None } else { Some(worker.load()?) };
    print(&format!("ready {:.6}\n", started.elapsed().as_secs_f64()))?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(CliError::file(Path::new("standard input")))?;
        // An allocation that a graphics card refuses is a panic: it ends the case, not the program.
        let answer = || precision.run(|| worker.answer(&line, &mut encoder, &device));
        let answer = catch_unwind(AssertUnwindSafe(answer));
        let answer = answer.unwrap_or_else(|panic| Err(reason(&*panic)));
        print(&match answer {
            Ok(answer) => format!("{answer}\n"),
            Err(reason) => format!("failed {}\n", reason.replace('\n', " ")),
        })?;
    }
    Ok(())
}

struct Worker<'a> {
    args: &'a Args,
    entries: &'a [Entry],
    case: Option<Case>,
    output: Array,
}

impl Worker<'_> {
    fn load(&self) -> Result<AnyEncoder, CliError> {
        Ok(self.args.encoder.build(self.entries)?.0.encoder)
    }

    fn answer(&mut self, line: &str, encoder: &mut Option<AnyEncoder>, device: &Device) -> Result<String, String> {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["case", work, batch] => {
                let batch: usize = batch.parse().map_err(|_| format!("{batch:?} is no number of inputs"))?;
                // What the case before holds goes first.
                self.case = None;
                device.memory_cleanup();
                self.case = Some(self.prepare(work.parse()?, batch, encoder, device)?);
                device.sync().map_err(text)?;
                self.time(device)
            }
            ["run"] => self.time(device),
            ["write", _] if self.output.shape.is_empty() => Err("there is no case yet".to_owned()),
            ["write", file] => {
                let Array { shape, values } = &self.output;
                let path = Path::new(file);
                let bytes = safetensors(path, "output", shape, values, HashMap::new()).map_err(text)?;
                write_file(path, &bytes).map_err(text)?;
                Ok("written".to_owned())
            }
            _ => Err(format!("{line:?} is not understood; known: case WORK BATCH, run, write FILE")),
        }
    }

    fn time(&mut self, device: &Device) -> Result<String, String> {
        let case = self.case.as_mut().ok_or("there is no case yet")?;
        let started = Instant::now();
        self.output = case.run(device)?;
        Ok(format!("seconds {:.9}", started.elapsed().as_secs_f64()))
    }

    fn prepare(
        &self,
        work: Work,
        batch: usize,
        encoder: &mut Option<AnyEncoder>,
        device: &Device,
    ) -> Result<Case, String> {
        let preset = self.preset()?;
        let clips = || self.input("clip", || waves(preset))?.repeated(batch)?.tensor(device);
        let mut loaded = || {
            let loaded = encoder.take().map_or_else(|| self.load().map_err(text), Ok)?;
            // Training goes on with the only copy of the weights, as elsewhere.
            if work != Work::Step {
                *encoder = Some(loaded.clone());
            }
            Ok::<_, String>(loaded)
        };
        Ok(match work {
            Work::Embed => Case::Embed(loaded()?, clips()?),
            Work::View => Case::View(loaded()?, clips()?),
            Work::Text => {
                let (ids, lengths) = self.texts(batch, device)?;
                Case::Text(loaded()?, ids, lengths)
            }
            Work::Coop => Case::Coop(Box::new(CoopStep::new(loaded()?, self.texts(batch, device)?)?)),
            Work::Step => Case::Step(Box::new(Step::new(&loaded()?, clips()?, self.args.recompute)?)),
            Work::Read => Case::Read(self.videos(batch)?, preset.clip.clone()),
        })
    }

    fn preset(&self) -> Result<&Preset, String> {
        let entry = find(self.entries, &self.args.encoder.encoder).map_err(text)?;
        entry.card.preset(&self.args.encoder.preset).map_err(text)
    }

    /// So many texts as tokens, and how many each has.
    fn texts(&self, batch: usize, device: &Device) -> Result<(Tensor<2, Int>, Vec<usize>), String> {
        let ids = self.input("ids", || Array { shape: vec![1, TOKENS], values: vec![1.0; TOKENS] })?;
        let lengths = self.input("lengths", || Array { shape: vec![1], values: vec![TOKENS as f32] })?;
        let lengths = lengths.repeated(batch)?.values.into_iter().map(|length| length as usize).collect();
        Ok((ids.repeated(batch)?.tensor::<2>(device)?.int(), lengths))
    }

    /// So many of the videos, by name.
    fn videos(&self, count: usize) -> Result<Vec<PathBuf>, String> {
        let folder = self.args.videos.as_ref().ok_or("--videos names no folder")?;
        let failed = |error| format!("{}: {error}", folder.display());
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
        let mut videos: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        videos.retain(|path| path.extension().is_some_and(|extension| extension == "avi"));
        videos.sort();
        if videos.len() < count {
            return Err(format!("{}: {} AVI files, not {count}", folder.display(), videos.len()));
        }
        videos.truncate(count);
        Ok(videos)
    }

    /// A tensor of the file of inputs, or `made_up` where there is none.
    fn input(&self, name: &str, made_up: impl Fn() -> Array) -> Result<Array, String> {
        let Some(path) = &self.args.input else { return Ok(made_up()) };
        let (shape, values) = read_safetensors(path, name).map_err(text)?;
        match values.is_empty() {
            true => Err(format!("{}: tensor {name:?} is empty", path.display())),
            false => Ok(Array { shape, values }),
        }
    }
}

impl Case {
    fn run(&mut self, device: &Device) -> Result<Array, String> {
        let output = match self {
            Case::Embed(encoder, clips) => Array::of(encoder.encode(clips.clone())),
            Case::View(encoder, clips) => {
                let logits = encoder.view_logits(clips.clone());
                Array::of(logits.ok_or_else(|| format!("{} has no view classifier", encoder.card().title))?)
            }
            Case::Text(encoder, ids, lengths) => {
                let tower = text_tower(encoder)?;
                Array::of(tower.encode_words(tower.words(ids.clone()), lengths))
            }
            Case::Step(step) => step.take()?,
            Case::Coop(step) => step.take()?,
            Case::Read(videos, spec) => read(videos, spec)?,
        };
        device.sync().map_err(text)?;
        Ok(output)
    }
}

/// The means of every clip's planes, `[videos, 3 * frames]`.
fn read(videos: &[PathBuf], spec: &ClipSpec) -> Result<Array, String> {
    let paths: Vec<&Path> = videos.iter().map(PathBuf::as_path).collect();
    let planes = 3 * spec.frames;
    let mut values = vec![0.0; videos.len() * planes];
    let mut failure = None;
    let means = |_, LoadedClip { clip, .. }: LoadedClip| -> Vec<f32> {
        let size = clip.size * clip.size;
        clip.data.chunks_exact(size).map(|plane| plane.iter().sum::<f32>() / size as f32).collect()
    };
    let look = |_| Look::from(Start::First);
    for_each_clip(&paths, spec, look, &OpenOptions::default(), means, |index, means| {
        match means {
            Ok(means) if means.len() == planes => values[index * planes..][..planes].copy_from_slice(&means),
            Ok(_) => failure = Some(format!("{}: fewer frames than a clip has", videos[index].display())),
            Err(error) => failure = Some(error.to_string()),
        }
        ControlFlow::Continue(())
    });
    match failure {
        Some(failure) => Err(failure),
        None => Ok(Array { shape: vec![videos.len(), planes], values }),
    }
}

impl Step {
    fn new(encoder: &AnyEncoder, clips: Tensor<5>, recompute: bool) -> Result<Self, String> {
        let rank = |up_to, value| Rank { up_to, value, prompt: "heart".to_owned() };
        let ranks = RankSpec { ranks: vec![rank(50, CENTRE - SPREAD), rank(100, CENTRE + SPREAD)] };
        let task = Task::of_ranks("EF", "%", ranks);
        let settings = [("full".to_owned(), toml::from_str(FULL).map_err(text)?)].into();
        let context = BuildContext { encoder, text: None, task: &task, seed: 0 };
        let adapter = Joined::find(ADAPTERS, "full").and_then(|full| full.build(&settings, &context)).map_err(text)?;
        let [batch, ..] = clips.dims();
        Ok(Self {
            descent: Descent::new(&OPTIMIZER, None, &adapter),
            adapter: Some(adapter.train()),
            clips,
            targets: vec![TARGET; batch],
            recompute,
            losses: Vec::new(),
        })
    }

    fn take(&mut self) -> Result<Array, String> {
        let adapter = self.adapter.take().ok_or("an earlier step failed")?;
        let forward = || adapter.forward(Features::Clip(self.clips.clone(), 1));
        let predicted = recomputing(self.recompute, forward).into_values();
        let loss = l1(predicted.ok_or("the adapter predicts no values")?, &self.targets);
        self.losses.push(loss.clone().into_scalar::<f32>());
        let adapter = self.descent.descend(OPTIMIZER.lr(), adapter, loss);
        self.adapter = Some(adapter.map_err(|norm| format!("the gradients' norm is {norm}"))?);
        Ok(Array { shape: vec![self.losses.len()], values: self.losses.clone() })
    }
}

/// Vectors that stand behind the first token of every prompt, and the tower that reads the prompts.
#[derive(Module, Debug)]
struct Prompts {
    encoder: AnyEncoder,
    /// `[1, context, width]`
    context: Param<Tensor<3>>,
}

/// A step of prompt learning: one feature that is to be most like the first of all prompts.
struct CoopStep {
    /// Away while a step is taken.
    prompts: Option<Prompts>,
    descent: Descent,
    /// Word embeddings, `[prompts, tokens, width]`.
    words: Tensor<3>,
    lengths: Vec<usize>,
    losses: Vec<f32>,
}

impl CoopStep {
    fn new(encoder: AnyEncoder, (ids, lengths): (Tensor<2, Int>, Vec<usize>)) -> Result<Self, String> {
        let [prompts, tokens] = ids.dims();
        let tokens = tokens.min(PROMPT);
        let words = text_tower(&encoder)?.words(ids.narrow(1, 0, tokens));
        let [_, _, width] = words.dims();
        if tokens <= CONTEXT {
            return Err(format!("prompts have {tokens} tokens, and {CONTEXT} of them are learnt"));
        }
        let context = Array { shape: vec![1, CONTEXT, width], values: wave(CONTEXT * width) };
        let context = Param::from_tensor(context.tensor::<3>(&words.device())? * 0.02);
        let prompts_with = Prompts { encoder: encoder.freeze(), context };
        Ok(Self {
            descent: Descent::new(&OPTIMIZER, None, &prompts_with),
            prompts: Some(prompts_with.train()),
            words,
            lengths: lengths.into_iter().take(prompts).map(|length| length.min(tokens)).collect(),
            losses: Vec::new(),
        })
    }

    fn take(&mut self) -> Result<Array, String> {
        let prompts = self.prompts.take().ok_or("an earlier step failed")?;
        let context = prompts.context.val();
        let words = Tensor::from_inner(self.words.clone());
        let [count, tokens, _] = words.dims();
        let pieces = [
            words.clone().narrow(1, 0, 1),
            context.repeat_dim(0, count),
            words.narrow(1, CONTEXT + 1, tokens - CONTEXT - 1),
        ];
        let texts =
            l2_normalize(text_tower(&prompts.encoder)?.encode_words(Tensor::cat(pieces.to_vec(), 1), &self.lengths));
        let [_, dim] = texts.dims();
        let feature = Array { shape: vec![dim, 1], values: wave(dim) }.tensor::<2>(&texts.device())?;
        let logits = texts.matmul(feature) * (LOGIT_SCALE / (dim as f32).sqrt());
        let loss = -log_softmax(logits, 0).narrow(0, 0, 1).reshape([1]);
        self.losses.push(loss.clone().into_scalar::<f32>());
        let prompts = self.descent.descend(OPTIMIZER.lr(), prompts, loss);
        self.prompts = Some(prompts.map_err(|norm| format!("the gradients' norm is {norm}"))?);
        Ok(Array { shape: vec![self.losses.len()], values: self.losses.clone() })
    }
}

fn text_tower(encoder: &AnyEncoder) -> Result<&dyn TextEncoder, String> {
    encoder.text().ok_or_else(|| format!("{} has no text encoder", encoder.card().title))
}

/// One clip of values between -1 and 1 without pattern.
fn waves(preset: &Preset) -> Array {
    let clip = &preset.clip;
    let shape = vec![1, 3, clip.frames, clip.size, clip.size];
    Array { values: wave(shape.iter().product()), shape }
}

/// Values between -1 and 1 without pattern, which `reference/speed_torch.py` has too.
fn wave(count: usize) -> Vec<f32> {
    (0..count).map(|index| (0.7 * (index as f64).powi(2)).sin() as f32).collect()
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// What a panic says.
fn reason(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_repeats_what_is_there() {
        let two = Array { shape: vec![2, 2], values: vec![1.0, 2.0, 3.0, 4.0] };
        let three = two.repeated(3).unwrap();
        assert_eq!((three.shape, three.values), (vec![3, 2], vec![1.0, 2.0, 3.0, 4.0, 1.0, 2.0]));
        assert_eq!(two.repeated(1).unwrap().values, [1.0, 2.0]);
        for batch in [0, 1 << 40, usize::MAX] {
            assert!(two.repeated(batch).is_err(), "{batch}");
        }
    }
}
