//! A fitted adapter as a file: its parameters, and everything that they mean something with.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use echo_adapt::{AdapterEntry, BuildContext, Joined};
use echo_core::{AnyAdapter, ClipSpec, Features, Kind, Stage, Task, check_finite};
use echo_data::Look;
use echo_kernels::Precision;
use echo_report::{DataRecord, EncoderRecord};
use echo_train::{read_tensors, values, with_values, write_tensors};
use echo_weights::Built;
use serde::{Deserialize, Serialize};

use crate::cell::features::of_clip;
use crate::cell::reported;
use crate::{BenchError, ClipChange, Recipe, View};

/// Where the record stands in the file's metadata.
const KEY: &str = "echozoo.adapter";

/// Raised when the meaning of a file changes.
const SCHEMA: u32 = 3;

/// Everything that an adapter's parameters mean something with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterRecord {
    /// Version of the format.
    pub schema: u32,
    /// Version of the program that wrote it.
    pub written_by: String,
    /// The encoder that it was fitted on; its weights are not in the file.
    pub encoder: EncoderRecord,
    /// Licence of those weights, as the encoder's card states it for its preset.
    pub weights_license: String,
    /// The encoder that lends its text tower, where one does.
    pub text: Option<EncoderRecord>,
    /// The adapter's name, or several joined by `+`.
    pub adapter: String,
    /// How it was built and trained.
    pub recipe: Recipe,
    /// What it predicts.
    pub task: Task,
    /// What the encoder sees: as its card said, with the changes of the recipe.
    pub clip: serde_json::Value,
    /// Clips per video.
    pub clips: usize,
    /// Which ones; those spread evenly where the file does not say.
    #[serde(default)]
    pub view: Option<View>,
    /// Training videos per bin.
    pub shots: Option<usize>,
    /// Seed of the draw and of the adapter's start.
    pub seed: u64,
    /// What it was fitted on.
    pub data: DataRecord,
    /// Of a binary task, the probability from which on the answer is yes, where validation could choose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

impl AdapterRecord {
    pub(crate) const SCHEMA: u32 = SCHEMA;

    /// A file name that tells it from the other cells of a run.
    pub(crate) fn file_name(&self, key: &str) -> String {
        let shots = self.shots.map_or("split".to_owned(), |shots| format!("{shots}shots"));
        format!("{}-{}-{shots}-seed{}-{}.safetensors", self.encoder.name, self.adapter, self.seed, &key[..8])
    }
}

/// A fitted adapter in a file.
#[derive(Debug)]
pub struct AdapterFile {
    path: PathBuf,
    /// What it is.
    pub record: AdapterRecord,
    tensors: Vec<(String, TensorData)>,
}

/// Writes the parameters of `adapter` at `paths`.
pub(crate) fn save(
    path: &Path,
    record: &AdapterRecord,
    adapter: &AnyAdapter,
    paths: &[&str],
) -> Result<(), BenchError> {
    let text = serde_json::to_string(record).expect("a record is plain data");
    write_tensors(path, values(adapter, paths), KEY, text).map_err(BenchError::io(path))
}

impl AdapterFile {
    /// Reads `path`.
    ///
    /// # Errors
    /// It is not an adapter's file, damaged, of parameters that are no numbers, of counts that nothing has room for, or
    /// was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, BenchError> {
        let refused = |reason: String| BenchError::AdapterFile { path: path.to_owned(), reason };
        let (tensors, text) = read_tensors(path, KEY).map_err(|error| match error.kind() {
            ErrorKind::InvalidData => {
                refused(format!("{error}; give a whole file of those that `echozoo bench --save-adapters` writes"))
            }
            _ => BenchError::io(path)(error),
        })?;
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        // Another version's record need not be readable to be known as one.
        let Version { schema } = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        if schema != SCHEMA {
            return Err(refused(format!("written with schema {schema}, this version reads {SCHEMA}; fit it again")));
        }
        let record: AdapterRecord = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        let file = Self { path: path.to_owned(), record, tensors };
        file.check().map_err(|error| refused(error.to_string()))?;
        Ok(file)
    }

    /// # Errors
    /// A count or setting that no benchmark could have written.
    fn check(&self) -> Result<(), BenchError> {
        let AdapterRecord { recipe, task, clips, view, .. } = &self.record;
        let clip = ClipChange { clips: Some(*clips), ..recipe.clip };
        clip.validate("its record")?;
        if view.is_some_and(|view| view.clips != *clips || view.augmented.is_some()) {
            return Err(BenchError::Config(format!(
                "its record says {clips} clips, and others where they are described"
            )));
        }
        recipe.train.validate()?;
        Ok(task.validate()?)
    }

    /// How clips are made for its encoder.
    ///
    /// # Errors
    /// The file's description of them is none.
    pub fn spec(&self) -> Result<ClipSpec, BenchError> {
        let refused = |error: serde_json::Error| BenchError::AdapterFile {
            path: self.path.clone(),
            reason: format!("it does not say what the encoder saw: {error}"),
        };
        serde_json::from_value(self.record.clip.clone()).map_err(refused)
    }

    /// How many bits the numbers had that its encoder multiplied.
    ///
    /// # Errors
    /// The file names something else.
    pub fn precision(&self) -> Result<Precision, BenchError> {
        let refused = |reason| BenchError::AdapterFile { path: self.path.clone(), reason };
        self.record.encoder.precision.as_deref().map_or(Ok(Precision::F32), str::parse).map_err(refused)
    }

    /// How clip `clip` of `clips` of the video at `path`, made as `spec` says, is seen: where the benchmark saw as many, as
    /// it did.
    ///
    /// # Errors
    /// The video cannot be read.
    pub fn look(&self, path: &Path, clip: usize, clips: usize, spec: &ClipSpec) -> Result<Look, BenchError> {
        let view = View { clips, ..self.record.view.unwrap_or(View::plain(clips)) };
        // Random starts are drawn by what is in the file.
        let digest = match view.random_start {
            true => {
                let mut hasher = blake3::Hasher::new();
                let file = echo_files::open(path).map_err(BenchError::io(path))?;
                hasher.update_reader(file).map_err(BenchError::io(path))?;
                hasher.finalize()
            }
            false => blake3::Hash::from_bytes([0; 32]),
        };
        Ok(view.look(clip, &digest, spec.size))
    }

    /// The adapter, which must be among those that are `known`, on `built`, with the text tower of `text` where it was fitted
    /// with one.
    ///
    /// # Errors
    /// These are not the encoder, weights, clips or tensors that it was fitted with.
    pub fn adapt(&self, known: &[AdapterEntry], built: &Built, text: Option<&Built>) -> Result<AnyAdapter, BenchError> {
        let AdapterRecord { encoder, recipe, task, clip, seed, .. } = &self.record;
        let refused = |reason: String| BenchError::AdapterFile { path: self.path.clone(), reason };
        let same_weights = |record: &EncoderRecord, found: &Built| match record.weights_hash == found.hash {
            true => Ok(()),
            false => Err(refused(format!(
                "fitted on {} with weights {} ({}), not {}; give those with --weights",
                record.name, record.weights_hash, record.weights, found.hash
            ))),
        };
        same_weights(encoder, built)?;
        if let (Some(record), Some(text)) = (&self.record.text, text) {
            same_weights(record, text)?;
        }
        let card = built.encoder.card();
        let now = recipe.clip.apply(&built.preset.clip);
        built.preset.takes(card.name, &now)?;
        let now = serde_json::to_value(now).expect("a specification is plain data");
        if *clip != now {
            return Err(refused(format!("{} saw other clips then: {clip} instead of {now}", card.name)));
        }
        let context = BuildContext { encoder: &built.encoder, text: text.map(|text| &text.encoder), task, seed: *seed };
        let adapted = Joined::find(known, &self.record.adapter)?.build(&recipe.adapter, &context)?;
        with_values(adapted.freeze(), self.tensors.clone()).map_err(refused)
    }
}

/// What a fitted adapter says of one video's clips, each `[1, 3, frames, height, width]`: the prediction of them all
/// together, as the benchmark makes it, and of each alone. Each is a value, the probability of yes, or the probability of
/// every class or label.
///
/// # Errors
/// One of them is no number.
///
/// # Panics
/// When there is no clip.
pub fn predict_clips(
    adapter: &AnyAdapter,
    kind: Kind,
    built: &Built,
    precision: Precision,
    clips: &[Tensor<5>],
) -> Result<(Vec<f32>, Vec<Vec<f32>>), BenchError> {
    let value = |clips: &[Tensor<5>]| {
        let features = clip_features(adapter.stage(), built, precision, clips);
        reported(kind, adapter.forward(features).rows().remove(0))
    };
    let (together, alone) =
        (value(clips), clips.iter().map(|clip| value(std::slice::from_ref(clip))).collect::<Vec<_>>());
    check_finite("the prediction", &together)?;
    check_finite("the prediction of single clips", &alone.concat())?;
    Ok((together, alone))
}

/// Features of one video out of its clips, each `[1, 3, frames, height, width]`.
///
/// # Panics
/// When there is no clip.
pub fn clip_features(stage: Stage, built: &Built, precision: Precision, clips: &[Tensor<5>]) -> Features {
    if stage == Stage::Clip {
        return Features::Clip(Tensor::cat(clips.to_vec(), 0), clips.len());
    }
    let of_clip = |clip: &Tensor<5>| precision.run(|| of_clip(stage, &built.encoder, clip.clone()));
    let rows = clips.iter().map(|clip| of_clip(clip).unsqueeze::<4>());
    let all = Tensor::cat(rows.collect(), 1);
    match stage {
        Stage::Embedding | Stage::SecondEmbedding => Features::Embedding(all.squeeze_dim(2)),
        Stage::Frames => Features::Frames(all),
        Stage::Tokens => Features::Tokens(all),
        _ => Features::ZoomFrames(all),
    }
}
