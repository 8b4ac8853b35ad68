//! An encoder with weights, and what it makes of videos, ready clips and texts: what `echozoo embed` computes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use echo_bench::Observer;
use echo_core::{check_finite, embed_sentences};
use echo_data::Start;
use echo_kernels::Precision;
use echo_weights::Built;

use crate::cli::check_processor;
use crate::clip_args::{ClipArgs, LeftOut, Rows, nothing_used, ready_clips, see_ready, used_all_the_same};
use crate::encoder_args::EncoderArgs;
use crate::warnings::Warnings;
use crate::{CliError, Entry, flags};

/// An encoder on its device.
#[derive(Debug)]
pub struct Embedder {
    built: Built,
    device: Device,
    precision: Precision,
}

/// One embedding per video, clip or text.
#[derive(Debug)]
pub struct Embeddings {
    /// The videos' paths, the texts, or the clips by number.
    pub names: Vec<String>,
    /// What is doubtful about each; empty for most.
    pub warnings: Vec<String>,
    /// Length of one embedding.
    pub dim: usize,
    /// All of them, one after the other.
    pub values: Vec<f32>,
    /// Messages about videos and clips that were used and are doubtful by themselves, whatever the weights.
    pub doubts: Vec<String>,
    /// Files that could not be used.
    pub left_out: Vec<LeftOut>,
    /// What all numbers have in common, where it is to be warned of.
    pub caution: Option<String>,
}

impl Embeddings {
    /// How many files should have been used and were not.
    pub fn faults(&self) -> usize {
        self.left_out.iter().filter(|file| file.is_fault).count()
    }

    /// # Errors
    /// None was used, or, unless `skip` allows it, one was not that should have been: the error names each.
    pub fn check(&self, skip: bool) -> Result<(), CliError> {
        let is_empty = self.names.is_empty();
        let failed: Vec<&str> = self.left_out.iter().filter(|file| file.is_fault).map(|file| &*file.reason).collect();
        match failed.len() {
            0 if is_empty => Err(nothing_used(&self.left_out)),
            failed_files if failed_files > 0 && (is_empty || !skip) => {
                let total = self.names.len() + failed_files;
                Err(CliError::NamedInputs { failed: failed_files, total, reasons: failed.join("; ") })
            }
            _ => Ok(()),
        }
    }
}

impl Embedder {
    /// The encoder that flags of `echozoo embed` name, such as `--encoder=panecho` and `--preset=nano`.
    ///
    /// # Errors
    /// As the command: wrong flags, or weights that cannot be used.
    pub fn new(flags: impl IntoIterator<Item = OsString>, entries: &[Entry]) -> Result<Self, CliError> {
        check_processor()?;
        Self::of(&flags::parse("embed", flags)?, entries)
    }

    pub(crate) fn of(args: &EncoderArgs, entries: &[Entry]) -> Result<Self, CliError> {
        let precision = args.precision()?;
        let (built, device) = args.build(entries)?;
        Ok(Self { built, device, precision })
    }

    /// The encoder, its preset, and where its weights are from.
    pub fn built(&self) -> &Built {
        &self.built
    }

    /// In how many bits it computes.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Embeds videos, and those in folders; `flags` are those of `echozoo embed` about videos, such as `--mask=auto`. A file that
    /// cannot be used is left out: [`Embeddings::check`] says so.
    ///
    /// # Errors
    /// Wrong flags, a folder that cannot be read or holds no video, or the observer stopped it.
    pub fn embed_videos(
        &self,
        videos: Vec<PathBuf>,
        flags: impl IntoIterator<Item = OsString>,
        observer: Arc<dyn Observer>,
    ) -> Result<Embeddings, CliError> {
        if videos.is_empty() {
            return Err(CliError::Usage("nothing to embed: give videos or folders".to_owned()));
        }
        let mut args: ClipArgs = flags::parse("embed", flags)?;
        args.inputs = videos;
        self.embed_clips(&args.observed_by(observer))
    }

    pub(crate) fn embed_clips(&self, args: &ClipArgs) -> Result<Embeddings, CliError> {
        let (spec, look) = (&self.built.preset.clip, |_: &Path, index, of| Start::Even { index, of }.into());
        let one = |mut clips: Vec<Vec<f32>>| clips.swap_remove(0);
        self.embeddings(args.see_each(spec, 1u16.into(), look, &self.device, |clip| self.encode(clip), one)?)
    }

    /// Embeds clips, `[batch, 3, frames, height, width]`, that are ready for the encoder: of its size, and normalised.
    ///
    /// # Errors
    /// They are no clips, or the observer asked to stop.
    pub fn embed_ready(
        &self,
        shape: &[usize],
        values: &[f32],
        observer: &dyn Observer,
    ) -> Result<Embeddings, CliError> {
        let clips = ready_clips(shape, values, &self.built.preset.clip, &self.device).map_err(CliError::Usage)?;
        self.embeddings(see_ready(clips, observer, |clip| self.encode(clip))?)
    }

    fn encode(&self, clip: Tensor<5>) -> Vec<f32> {
        self.precision.run(|| self.built.encoder.encode(clip).into_data().iter::<f32>().collect())
    }

    fn embeddings(&self, seen: Rows<Vec<f32>>) -> Result<Embeddings, CliError> {
        let mut warnings = self.warnings();
        let doubts =
            seen.rows.iter().flat_map(|row| row.doubts.iter().map(|doubt| used_all_the_same(&row.name, doubt)));
        let (doubts, of_rows) = (doubts.collect(), seen.rows.iter().map(|row| warnings.of(row)).collect());
        let (names, rows): (Vec<String>, Vec<Vec<f32>>) =
            seen.rows.into_iter().map(|row| (row.name, row.value)).unzip();
        let found = Embeddings {
            names,
            warnings: of_rows,
            dim: self.built.preset.dim,
            values: rows.concat(),
            doubts,
            left_out: seen.left_out,
            caution: warnings.caution(),
        };
        found.finite()
    }

    /// Embeds texts.
    ///
    /// # Errors
    /// The encoder has no text tower, or a text is empty or too long for it, or the observer asked to stop.
    pub fn embed_texts(&self, texts: &[String], observer: &dyn Observer) -> Result<Embeddings, CliError> {
        /// Texts between two looks at the observer.
        const PART: usize = 64;
        if texts.is_empty() {
            return Err(CliError::Usage("no text to embed".to_owned()));
        }
        if texts.iter().any(|text| text.trim().is_empty()) {
            return Err(CliError::Usage("--text is empty".to_owned()));
        }
        let mut warnings = self.warnings();
        let of_part = |texts: &[String]| match observer.is_stopped() {
            true => Err(CliError::Stopped),
            false => self.precision.run(|| text_embeddings(texts, &self.built, &self.device)),
        };
        let embeddings = Tensor::cat(texts.chunks(PART).map(of_part).collect::<Result<_, _>>()?, 0);
        let found = Embeddings {
            names: texts.to_vec(),
            warnings: texts.iter().map(|_| warnings.of_text()).collect(),
            dim: embeddings.dims()[1],
            values: embeddings.into_data().iter::<f32>().collect(),
            doubts: Vec::new(),
            left_out: Vec::new(),
            caution: warnings.caution(),
        };
        found.finite()
    }

    fn warnings(&self) -> Warnings<'_> {
        let encoder = self.built.encoder.card().name;
        let remedy = format!("echozoo embed --encoder {encoder} --preset full --weights FILE");
        Warnings::new(&self.built, self.precision, remedy)
    }
}

impl Embeddings {
    fn finite(self) -> Result<Self, CliError> {
        for (name, values) in self.names.iter().zip(self.values.chunks(self.dim)) {
            check_finite("the embedding", values).map_err(CliError::file(Path::new(name)))?;
        }
        Ok(self)
    }
}

/// Embeddings of texts, each of length one: `[texts, dim]`.
///
/// # Errors
/// The encoder has no text tower, or a text is too long for it.
pub(crate) fn text_embeddings(texts: &[String], built: &Built, device: &Device) -> Result<Tensor<2>, CliError> {
    let Some(text) = built.encoder.text() else {
        return Err(CliError::Usage(format!("{} has no text encoder", built.encoder.card().name)));
    };
    Ok(embed_sentences(texts, text, device)?)
}
