//! What is explained: a score of an encoder, or what a fitted adapter predicts.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use echo_adapt::AdapterEntry;
use echo_bench::{AdapterFile, clip_features};
use echo_core::{AnyAdapter, ClipSpec, Error, Kind, Prediction};
use echo_data::{Look, Start};
use echo_files::say;
use echo_kernels::Precision;
use echo_train::adapter_saliency;
use echo_weights::Built;

use super::score::{Maps, Score};
use super::{Args, attention};
use crate::{CliError, Entry};

/// What is asked of every video.
pub(super) struct Question {
    pub(super) built: Built,
    pub(super) device: Device,
    /// How clips are made.
    pub(super) spec: ClipSpec,
    pub(super) precision: Precision,
    asked: Asked,
}

enum Asked {
    /// A score of the encoder.
    Score(Score),
    /// What a fitted adapter predicts.
    Adapter(Box<Fitted>),
}

struct Fitted {
    path: PathBuf,
    file: AdapterFile,
    adapter: AnyAdapter,
    /// The class or label that is asked for.
    class: Option<usize>,
}

/// What came of a video's clips.
pub(super) struct Explained {
    pub(super) maps: Maps,
    /// What the maps are of.
    pub(super) what: String,
    /// How much every frame weighs, of adapters with attention over frames.
    pub(super) attention: Option<Vec<f32>>,
}

impl Question {
    pub(super) fn of(args: &Args, entries: &[Entry], adapters: &[AdapterEntry]) -> Result<Self, CliError> {
        let precision = args.weights.precision_or(Precision::F32)?;
        if precision != Precision::F32 {
            return Err(CliError::Usage("gradients need --precision f32".to_owned()));
        }
        if let Some(path) = &args.adapter_file {
            return Self::of_adapter(path, args, entries, adapters);
        }
        let name = args.encoder.as_deref().unwrap_or_default();
        let (built, device) = args.weights.build(entries, name, &args.preset)?;
        let score = match &args.prompt {
            Some(prompt) => Score::prompt(prompt, &built, &device)?,
            None if args.head.is_none() => {
                return Err(CliError::Usage(
                    "say what is explained: --prompt TEXT, --head NAME or --adapter-file FILE".to_owned(),
                ));
            }
            None => head(args, &built, &device)?,
        };
        Ok(Self { spec: built.preset.clip.clone(), built, device, precision, asked: Asked::Score(score) })
    }

    fn of_adapter(path: &Path, args: &Args, entries: &[Entry], adapters: &[AdapterEntry]) -> Result<Self, CliError> {
        let file = AdapterFile::open(path)?;
        let record = &file.record;
        let fitted_in = file.precision()?;
        if fitted_in != Precision::F32 {
            say(&format!("{}: the adapter was fitted in {fitted_in}; its map is computed in f32", path.display()));
        }
        let (built, device) = args.weights.build_as(entries, &record.encoder, None)?;
        let text = match &record.text {
            Some(text) => Some(args.weights.build_as(entries, text, Some(args.text_weights.as_ref()))?.0),
            None if args.text_weights.is_some() => {
                let reason = "has no text tower of another encoder, so leave out --text-weights";
                return Err(CliError::Usage(format!("{}: the adapter {reason}", path.display())));
            }
            None => None,
        };
        let adapter = file.adapt(adapters, &built, text.as_ref())?;
        let names = record.task.class_names();
        let class = match &args.class {
            None if record.task.kind() == Kind::Binary => Some(1),
            None => None,
            Some(_) if record.task.kind() == Kind::Regression => {
                let reason = format!("{} is a number and has no classes; leave out --class", record.task.name);
                return Err(CliError::Usage(reason));
            }
            Some(class) => {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let found = known.iter().position(|name| name == class);
                Some(found.ok_or_else(|| Error::unknown_name("class", class, &known))?)
            }
        };
        let spec = file.spec()?;
        let asked = Asked::Adapter(Box::new(Fitted { path: path.to_owned(), file, adapter, class }));
        Ok(Self { built, device, spec, precision: Precision::F32, asked })
    }

    /// Clips of every video.
    pub(super) fn clips(&self) -> usize {
        if let Asked::Adapter(fitted) = &self.asked { fitted.file.record.clips } else { 1 }
    }

    /// How one of them is seen.
    pub(super) fn look(&self, video: &Path, clip: usize) -> Result<Look, CliError> {
        match &self.asked {
            Asked::Adapter(fitted) => Ok(fitted.file.look(video, clip, self.clips(), &self.spec)?),
            Asked::Score(_) => Ok(Start::First.into()),
        }
    }

    /// What the maps of all videos are of.
    pub(super) fn what(&self) -> String {
        let title = self.built.encoder.card().title;
        match &self.asked {
            Asked::Score(score) => format!("{score} by {title}"),
            Asked::Adapter(fitted) => {
                let task = &fitted.file.record.task;
                let what = match fitted.class {
                    Some(class) => format!("{} ({})", task.name, task.class_names()[class]),
                    None => task.name.clone(),
                };
                format!("{what} by {title} + {}", fitted.file.record.adapter)
            }
        }
    }

    /// A command that gives numbers of patients.
    pub(super) fn remedy(&self) -> String {
        let name = self.built.encoder.card().name;
        match &self.asked {
            Asked::Adapter(_) => format!(
                "an adapter of echozoo bench --encoder {name} --data DIR --preset full --weights FILE --save-adapters"
            ),
            Asked::Score(_) => format!("echozoo explain --encoder {name} --preset full --weights FILE"),
        }
    }

    /// Maps of a video's clips, of so many frames each.
    ///
    /// - clips: each `[1, 3, frames, height, width]`
    ///
    /// # Errors
    /// The adapter has no map, or no attention that is wanted.
    pub(super) fn explain(
        &self,
        clips: Vec<Tensor<5>>,
        frames: usize,
        wants_attention: bool,
    ) -> Result<Explained, CliError> {
        let encoder = &self.built.encoder;
        let fitted = match &self.asked {
            Asked::Score(score) => {
                let maps = score.maps(encoder, Tensor::cat(clips, 0), frames);
                return Ok(Explained { maps, what: self.what(), attention: None });
            }
            Asked::Adapter(fitted) => fitted,
        };
        let adapter = &fitted.adapter;
        let steps_of = |frame, steps| {
            let seen = adapter.frames_seen(frame, frames).into_iter();
            seen.flat_map(|frame| encoder.steps_of_frame(frame, frames, steps)).collect::<Vec<usize>>()
        };
        let features = || clip_features(adapter.stage(), &self.built, self.precision, &clips);
        let weights = adapter.frame_attention(&features);
        if wants_attention && weights.is_none() {
            let reason = "has no attention over frames; leave out --attention";
            return Err(CliError::Usage(format!("the adapter {} {reason}", fitted.file.record.adapter)));
        }
        let count = clips.len();
        let attention = weights.map(|weights| {
            let [_, all] = weights.dims();
            let (weights, steps): (Vec<f32>, _) = (weights.into_data().iter::<f32>().collect(), all / count);
            attention::of_frames(&weights, steps, frames, |frame| steps_of(frame, steps))
        });
        let mut what = String::new();
        let score = |prediction: Prediction| {
            let (place, said) = fitted.answer(&prediction);
            what = format!("{said} by {} + {}", encoder.card().title, fitted.file.record.adapter);
            fitted.score(prediction, place)
        };
        let map = adapter_saliency(adapter, encoder, Tensor::cat(clips, 0), count, score).map_err(|reason| {
            let adapter = &fitted.file.record.adapter;
            CliError::file(&fitted.path)(format!("no map can be made of the adapter {adapter}: {reason}"))
        })?;
        Ok(Explained { maps: Maps::of(map, frames, steps_of), what, attention })
    }
}

impl Fitted {
    /// Which output is explained, the likeliest class or label where none is asked for, and how a title calls it.
    fn answer(&self, prediction: &Prediction) -> (usize, String) {
        let task = &self.file.record.task;
        let numbers = prediction.clone().rows().into_iter().next().unwrap_or_default();
        let likeliest =
            || (0..numbers.len()).reduce(|best, place| if numbers[place] > numbers[best] { place } else { best });
        let place = self.class.or_else(likeliest).unwrap_or(0);
        let number = numbers.get(place).copied().unwrap_or(f32::NAN);
        let said = match task.kind() {
            Kind::Regression => format!("{} ({number:.1} {})", task.name, task.unit()),
            _ => format!("{} ({} {number:.2})", task.name, task.class_names()[place]),
        };
        (place, said)
    }

    /// The value; the logit of a class or label; of two classes the logarithm of their odds: `[samples]`
    fn score(&self, prediction: Prediction, place: usize) -> Tensor<1> {
        let column = |logits: &Tensor<2>, place: usize| logits.clone().narrow(1, place, 1).squeeze_dim::<1>(1);
        match prediction {
            Prediction::Values { value, .. } => value,
            Prediction::Classes(logits) if self.file.record.task.kind() == Kind::Binary => {
                column(&logits, place) - column(&logits, 1 - place)
            }
            Prediction::Classes(logits) | Prediction::Labels(logits) => column(&logits, place),
        }
    }
}

/// The head that is asked for, and its class.
fn head(args: &Args, built: &Built, device: &Device) -> Result<Score, CliError> {
    let name = args.head.as_deref().unwrap_or_default();
    let heads = built.encoder.card().capabilities.heads;
    let known: Vec<&str> = heads.iter().map(|head| head.name).collect();
    if known.is_empty() {
        return Err(CliError::Usage(format!("{} has no heads of its own; give --prompt", built.encoder.card().name)));
    }
    let head = heads.iter().find(|head| head.name == name).ok_or_else(|| Error::unknown_name("head", name, &known))?;
    // Weights may lack heads that the encoder has.
    let nothing = Tensor::zeros([1, built.encoder.dim()], device);
    let there: Vec<&str> = built.encoder.heads(nothing).into_iter().map(|(head, _)| head.name).collect();
    if !there.contains(&name) {
        let reason = format!("these weights of {} lack the head {name}", built.encoder.card().name);
        return Err(CliError::Usage(format!("{reason}; they have {}", there.join(", "))));
    }
    let labels = head.labels();
    let place = match &args.class {
        None => 0,
        Some(class) => {
            let found = labels.iter().position(|label| label == class);
            found.ok_or_else(|| Error::unknown_name("class", class, &labels))?
        }
    };
    let class =
        labels.get(place).filter(|label| !label.is_empty()).map_or(String::new(), |label| format!(" ({label})"));
    Ok(Score::Head { name: name.to_owned(), place, class })
}
