//! What one encoder says of a study's videos.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use echo_clinical::zero_shot::{Answer, PromptTask, Prompts, Similarities};
use echo_core::{AnyEncoder, NormalRange};
use echo_files::say;
use echo_kernels::Precision;
use echo_weights::{Built, WeightsKind};

use super::maps::HeatMap;
use crate::CliError;
use crate::archive::Archive;
use crate::clip_args::Row;
use crate::embedder::text_embeddings;
use crate::findings::{ClipFindings, KNOWN, OF_VIEWS, Over, QUALITY, VIEW, Wanted, with_value};
use crate::recognition::Recogniser;
use crate::warnings::joined;
use crate::zero_shot::cosines;

/// The head that measures what every encoder is asked for.
pub(super) const EF: &str = "EF";
/// The same as a task of prompts and as a phenotype of the archive.
const EJECTION_FRACTION: &str = "ejection_fraction";

/// How prompts give an ejection fraction.
const HOW_PROMPTS: &str = "prompts, a value for each video";

/// The sections of findings that are not a head's.
pub(super) const VIEWS: &str = "Views";
pub(super) const BY_PROMPTS: &str = "By prompts";
pub(super) const BY_STUDIES: &str = "By similar studies";
pub(super) const REPORT: &str = "Report";

/// A number or a text, of a video or of the study.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// The video, by its place among the reading's rows; none for the study.
    pub(super) video: Option<usize>,
    /// The part of the heart, or by what method it is found.
    pub(super) section: String,
    pub(super) name: String,
    /// The finding or class whose probability it is; empty for others.
    pub(super) class: String,
    pub(super) meaning: String,
    pub(super) value: Option<f64>,
    pub(super) unit: &'static str,
    pub(super) text: Option<String>,
    /// The lowest and highest over clips, or over videos.
    pub(super) ends: Option<[f64; 2]>,
    pub(super) normal: Option<NormalRange>,
    pub(super) warning: String,
}

/// An ejection fraction, and how it was found.
#[derive(Clone, Debug)]
pub(super) struct Ejection {
    pub(super) how: &'static str,
    /// Of the study, in per cent.
    pub(super) study: f64,
    /// Of each clip or video.
    pub(super) each: Vec<f64>,
}

/// What an encoder says.
#[derive(Debug)]
pub(super) struct Reading {
    /// The encoder's name in prose and its preset.
    pub(super) title: String,
    /// Its weights, in words.
    pub(super) about: String,
    /// By video: what it says of every clip.
    pub(super) rows: Vec<Row<Vec<ClipSeen>>>,
    /// What is to be warned of, by video and of the study.
    pub(super) warnings: Vec<String>,
    pub(super) findings: Vec<Finding>,
    pub(super) ejection: Vec<Ejection>,
    pub(super) maps: Vec<HeatMap>,
    /// What it could not be asked, and how it was asked otherwise than usual.
    pub(super) notes: Vec<String>,
    /// Whether its weights have seen patients; what others say is compared with no guideline.
    pub(super) is_published: bool,
    /// What prompts its text tower was asked with, where it was.
    pub(super) prompts: Option<PromptTask>,
}

/// What is made of a clip.
#[derive(Debug)]
pub(super) struct ClipSeen {
    pub(super) said: ClipFindings,
    /// Similarities of frames to prompts, `[frames, prompts]`; none without a text tower.
    cosines: Vec<f32>,
}

/// What an encoder is asked.
pub(super) struct Seen<'a> {
    archive: Option<&'a Archive>,
    prompts: Option<(PromptTask, Tensor<2>)>,
    recogniser: Option<Recogniser>,
    /// What it cannot be asked.
    notes: Vec<String>,
}

impl<'a> Seen<'a> {
    /// An encoder without an ejection fraction among its heads is asked for it by prompts, where its text tower knows findings.
    pub(super) fn new(
        built: &Built,
        archive: Option<&'a Archive>,
        device: &Device,
        precision: Precision,
    ) -> Result<Self, CliError> {
        let capabilities = &built.encoder.card().capabilities;
        let has_head = capabilities.heads.iter().any(|head| head.name == EF);
        let mut notes = Vec::new();
        let prompts = match capabilities.findings && !has_head {
            true => {
                let task = Prompts::shipped()?.task(EJECTION_FRACTION)?.clone();
                match precision.run(|| text_embeddings(task.prompts(), built, device)) {
                    Ok(texts) => Some((task, texts)),
                    // Its other findings need no text.
                    Err(error) => {
                        let note = format!("{}: no ejection fraction by prompts: {error}", built.encoder.card().title);
                        say(&note);
                        notes.push(note);
                        None
                    }
                }
            }
            false => None,
        };
        let recogniser = precision.run(|| Recogniser::new(&built.encoder, device))?;
        Ok(Self { archive, prompts, recogniser, notes })
    }

    /// What `encoder` says of a clip.
    pub(super) fn of(&self, encoder: &AnyEncoder, clip: Tensor<5>) -> ClipSeen {
        let cosines = match &self.prompts {
            Some((_, texts)) => cosines(encoder, clip.clone(), std::slice::from_ref(texts)).swap_remove(0),
            None => Vec::new(),
        };
        let recogniser = self.recogniser.as_ref();
        let wanted = Wanted { heads: &[], recogniser, embedding: self.archive.is_some() };
        ClipSeen { said: wanted.of(encoder, clip), cosines }
    }

    /// What it says of all videos, and of the study; `warnings` are of these.
    ///
    /// # Errors
    /// A number is not finite.
    pub(super) fn conclude(
        self,
        built: &Built,
        rows: Vec<Row<Vec<ClipSeen>>>,
        warnings: Vec<String>,
        warning: String,
    ) -> Result<Reading, CliError> {
        let card = built.encoder.card();
        for row in &rows {
            row.value.iter().try_for_each(|clip| clip.said.check()).map_err(CliError::file(Path::new(&row.name)))?;
        }
        let mut findings = Vec::new();
        let mut ejection = Vec::new();
        let mut notes = self.notes;
        for (video, row) in rows.iter().enumerate() {
            let clips: Vec<&ClipFindings> = row.value.iter().map(|clip| &clip.said).collect();
            of_clips(Some(video), &clips, &warnings[video], &mut findings);
        }
        let clips: Vec<&ClipFindings> = rows.iter().flat_map(|row| &row.value).map(|clip| &clip.said).collect();
        of_clips(None, &clips, &warning, &mut findings);
        if let Some(place) = clips[0].reported.iter().position(|number| number.head == EF) {
            let each: Vec<f64> = clips.iter().map(|clip| f64::from(clip.reported[place].value)).collect();
            ejection.push(Ejection {
                how: "its own head, a value for each clip",
                study: Over::of(each.iter().copied()).mean,
                each,
            });
        }
        if let Some((task, _)) = &self.prompts {
            let of_row = |row: &Row<Vec<ClipSeen>>| {
                let all = row.value.iter().flat_map(|clip| clip.cosines.iter().copied()).collect();
                Similarities::new(all, task.prompts().len()).map_err(CliError::file(Path::new(&row.name)))
            };
            let similarities = rows.iter().map(of_row).collect::<Result<Vec<_>, _>>()?;
            let answers = task.answer_study(&similarities)?;
            let value = |answer: &Answer| match answer {
                Answer::Value(value) => *value,
                Answer::Score(_) | Answer::Grades(_) => f64::NAN,
            };
            let each: Vec<f64> = answers.videos.iter().map(value).collect();
            let study = value(&answers.study);
            let ends = Over::of(each.iter().copied());
            let finding = |video: Option<usize>, value: f64, warning: &str| Finding {
                video,
                section: BY_PROMPTS.to_owned(),
                name: EJECTION_FRACTION.to_owned(),
                class: String::new(),
                meaning: "ejection fraction by prompts for every per cent, ranked in each frame".to_owned(),
                value: Some(value),
                unit: "%",
                text: None,
                ends: video.is_none().then_some([ends.lowest, ends.highest]),
                normal: None,
                warning: with_value(warning, EF, "%", value),
            };
            findings.extend(each.iter().enumerate().map(|(video, &of)| finding(Some(video), of, &warnings[video])));
            findings.push(finding(None, study, &warning));
            ejection.push(Ejection { how: HOW_PROMPTS, study, each });
        }
        if let Some(archive) = self.archive {
            notes.extend(archive.note().map(str::to_owned));
            let of_phenotypes = joined(archive.note().into_iter().chain([warning.as_str()]));
            let all = || clips.iter().copied();
            for found in archive.phenotypes(all())? {
                let answer = found.answer();
                let phenotype = found.phenotype;
                if phenotype.name == EJECTION_FRACTION
                    && let Some(study) = phenotype.value
                {
                    ejection.push(Ejection { how: "similar studies", study, each: Vec::new() });
                }
                findings.push(Finding {
                    video: None,
                    section: BY_STUDIES.to_owned(),
                    meaning: format!(
                        "{}: mean of the {} that say it, of {} similar studies",
                        phenotype.section,
                        phenotype.labelled,
                        archive.neighbours()
                    ),
                    name: phenotype.name.clone(),
                    class: String::new(),
                    value: phenotype.value,
                    unit: found.unit,
                    text: answer.map(str::to_owned),
                    ends: None,
                    normal: None,
                    warning: phenotype.value.map_or_else(
                        || of_phenotypes.clone(),
                        |value| with_value(&of_phenotypes, &phenotype.name, found.unit, value),
                    ),
                });
            }
            for section in archive.report(all())? {
                findings.push(Finding {
                    video: None,
                    section: REPORT.to_owned(),
                    name: section.section,
                    class: String::new(),
                    meaning: "from the report of the most similar study".to_owned(),
                    value: None,
                    unit: "",
                    text: section.retrieved.map(|found| found.text),
                    ends: None,
                    normal: None,
                    warning: warning.clone(),
                });
            }
        }
        Ok(Reading {
            title: format!("{} ({})", card.title, built.preset.name),
            about: format!("{} weights, licence {}, {}", built.kind, built.preset.weights_license, built.hash),
            rows,
            warnings,
            findings,
            ejection,
            maps: Vec::new(),
            notes,
            is_published: built.preset.published && built.kind != WeightsKind::Random,
            prompts: self.prompts.map(|(task, _)| task),
        })
    }
}

impl Reading {
    /// How many clips it has seen.
    pub(super) fn clips(&self) -> usize {
        self.rows.iter().map(|row| row.value.len()).sum()
    }

    /// The likeliest view of a video and its probability.
    pub(super) fn view(&self, video: usize) -> Option<(&str, f64)> {
        let views = self.views(video);
        views.into_iter().reduce(|best, view| if view.1 > best.1 { view } else { best })
    }

    /// All views of a video with their probabilities; none where the encoder tells none apart.
    pub(super) fn views(&self, video: usize) -> Vec<(&str, f64)> {
        self.said(video, VIEW)
    }

    /// The probability that a video shows any of these views, where the encoder tells it.
    pub(super) fn known_view(&self, video: usize) -> Option<f64> {
        self.said(video, KNOWN).first().map(|(_, probability)| *probability)
    }

    /// The likeliest grade of a video's picture and its probability, where the encoder tells it.
    pub(super) fn quality(&self, video: usize) -> Option<(&str, f64)> {
        self.said(video, QUALITY).into_iter().reduce(|best, grade| if grade.1 > best.1 { grade } else { best })
    }

    /// What is said of a video under a name, by class.
    fn said(&self, video: usize, name: &str) -> Vec<(&str, f64)> {
        let of_video = |finding: &&Finding| finding.video == Some(video) && finding.name == name;
        self.findings
            .iter()
            .filter(of_video)
            .map(|finding| (finding.class.as_str(), finding.value.unwrap_or(f64::NAN)))
            .collect()
    }

    /// The prompt with the number that prompts gave of a video, where they were asked.
    pub(super) fn prompt(&self, video: usize) -> Option<&str> {
        let value = self.ejection.iter().find(|of| of.how == HOW_PROMPTS)?.each.get(video)?;
        self.prompts.as_ref()?.prompt_of(*value)
    }
}

/// The means of what heads say over clips.
fn of_clips(video: Option<usize>, clips: &[&ClipFindings], warning: &str, findings: &mut Vec<Finding>) {
    for (place, number) in clips[0].reported.iter().enumerate() {
        // The mean of views over a study says nothing.
        if OF_VIEWS.contains(&number.head) && video.is_none() {
            continue;
        }
        let Over { mean, lowest, highest } = Over::of(clips.iter().map(|clip| f64::from(clip.reported[place].value)));
        findings.push(Finding {
            video,
            section: if OF_VIEWS.contains(&number.head) { VIEWS.to_owned() } else { number.part.to_owned() },
            name: number.head.to_owned(),
            class: number.class.to_owned(),
            meaning: number.meaning.to_owned(),
            value: Some(mean),
            unit: number.unit,
            text: None,
            ends: Some([lowest, highest]),
            normal: number.normal,
            warning: with_value(warning, number.head, number.unit, mean),
        });
    }
}
