//! `echozoo zero-shot`: findings from prompts, without training.

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use echo_clinical::zero_shot::{Answer, F1Threshold, Mode, PromptTask, Prompts, Similarities, best_f1_threshold};
use echo_core::{AnyEncoder, l2_normalize};
use echo_files::{counted, printable, read_text, say};

use crate::clip_args::{ClipArgs, PerVideo, Row};
use crate::embedder::text_embeddings;
use crate::encoder_args::EncoderArgs;
use crate::labels::Labels;
use crate::results::{ResultArgs, Results};
use crate::study_args::StudyArgs;
use crate::warnings::{Warnings, beside};
use crate::{CliError, Entry};

/// Flags of `echozoo zero-shot`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    clips: ClipArgs,
    #[command(flatten)]
    encoder: EncoderArgs,
    #[command(flatten)]
    study: StudyArgs,
    /// What to look for, by the names in the file of prompts; `all` for everything.
    #[arg(long, value_delimiter = ',', value_name = "TASKS", required = true)]
    task: Vec<String>,
    /// A file of prompts, in the format of EchoCLIP's `prompts_used.json` [default: prompts of our own].
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// A finding is there from this score upwards, or any grade but the one without prompts.
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true, conflicts_with = "calibrate")]
    threshold: Option<f64>,
    /// A table (.csv) with a column of names of these videos and one called as the task, or `label`: the threshold with
    /// the highest F1 is chosen on it. Of one task.
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,
    /// Clips per video, spread evenly, or `all`: from every frame that one can begin at. All of their frames count.
    #[arg(long = "clips", value_name = "N", default_value = "1", conflicts_with = "tensor")]
    per_video: PerVideo,
    /// Rows for every frame too.
    #[arg(long)]
    frames: bool,
    #[command(flatten)]
    results: ResultArgs,
}

impl Args {
    fn wants_all(&self) -> bool {
        self.task.iter().any(|name| name == "all")
    }
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let files = args.clips.files();
    args.results.check(files.iter().chain(&args.prompts).chain(&args.calibrate).map(PathBuf::as_path))?;
    if args.clips.is_empty() {
        return Err(CliError::Usage("nothing to look at: give videos, folders or --tensor".to_owned()));
    }
    let prompts = match &args.prompts {
        Some(path) => {
            let text = read_text(path).map_err(CliError::file(path))?;
            Prompts::from_json(&text).map_err(CliError::file(path))?
        }
        None => Prompts::shipped()?,
    };
    let mut tasks = chosen(&args.task, &prompts)?;
    if args.threshold.is_some_and(|threshold| !threshold.is_finite()) {
        return Err(CliError::Usage("--threshold is no number; give a cosine, such as 0.3".to_owned()));
    }
    let labels = match &args.calibrate {
        Some(path) if tasks.len() != 1 => {
            let reason = format!("a threshold is chosen for one task, not for {}", tasks.len());
            return Err(CliError::Usage(format!("{}: {reason}", path.display())));
        }
        Some(path) if tasks[0].mode() == Mode::Regression => {
            let reason = "has no threshold: it is read as it is, so leave out --calibrate";
            return Err(CliError::Usage(format!("{}: task {:?} {reason}", path.display(), tasks[0].name())));
        }
        Some(path) => Some(Labels::read(path, &[tasks[0].name(), "label"])?),
        None => None,
    };
    let precision = args.encoder.precision()?;
    let (built, device) = args.encoder.build(entries)?;
    let name = &args.encoder.encoder;
    let remedy =
        format!("echozoo zero-shot --encoder {name} --preset full --weights FILE --task {}", args.task.join(","));
    let mut warnings = Warnings::new(&built, precision, remedy);
    let mut texts: Vec<Tensor<2>> = Vec::new();
    let mut unfit = Vec::new();
    for task in &tasks {
        match precision.run(|| text_embeddings(task.prompts(), &built, &device)) {
            Ok(embeddings) => texts.push(embeddings),
            // Of all that a file has, what this text tower cannot read is left out.
            Err(CliError::Core(error)) if args.wants_all() => {
                say(&format!("left out: task {:?}: {error}", task.name()));
                unfit.push(task.name());
            }
            Err(error) => return Err(error),
        }
    }
    tasks.retain(|task| !unfit.contains(&task.name()));
    if tasks.is_empty() {
        return Err(CliError::Usage("no task is left".to_owned()));
    }

    let seen = args.clips.see(&built.preset.clip, args.per_video, &device, |clip| {
        precision.run(|| cosines(&built.encoder, clip, &texts))
    })?;
    let failed = seen.faults();
    let videos: Vec<(Row<()>, Vec<Similarities>)> = seen
        .rows
        .into_iter()
        .map(|row| {
            let similarities = (0..tasks.len())
                .map(|task| {
                    let all = row.value.iter().flat_map(|clip| clip[task].iter().copied()).collect();
                    Similarities::new(all, tasks[task].prompts().len()).map_err(CliError::file(Path::new(&row.name)))
                })
                .collect::<Result<_, _>>()?;
            Ok((Row { name: row.name, paths: row.paths, value: (), doubts: row.doubts }, similarities))
        })
        .collect::<Result<_, CliError>>()?;

    let threshold = match &labels {
        Some(labels) => Some(calibrated(tasks[0], labels, &videos)?),
        None => args.threshold,
    };
    let mut report = Report::new(threshold);
    for (row, similarities) in &videos {
        let warning = warnings.of(row);
        for (task, similarities) in tasks.iter().zip(similarities) {
            report.add("video", &row.name, None, task.answer(similarities)?, task, &warning)?;
            if args.frames {
                let answers = task.answer_study(std::slice::from_ref(similarities))?.frames;
                for (frame, answer) in answers.into_iter().flatten().enumerate() {
                    report.add("frame", &row.name, Some(frame), answer, task, &warning)?;
                }
            }
        }
    }
    for (study, members) in args.study.group(&videos.iter().map(|(row, _)| row).collect::<Vec<_>>(), false)? {
        let rows: Vec<&Row<()>> = members.iter().map(|&at| &videos[at].0).collect();
        let row = Row::together(study, &rows);
        let warning = warnings.of_several(&row);
        for (place, task) in tasks.iter().enumerate() {
            let all: Vec<Similarities> = members.iter().map(|&at| videos[at].1[place].clone()).collect();
            report.add("study", &row.name, None, task.answer_study(&all)?.study, task, &warning)?;
        }
    }
    let printed = args.results.write(&report.results, &report.table);
    warnings.say();
    match failed {
        0 => printed,
        failed => Err(CliError::Inputs { failed, total: failed + videos.len() }),
    }
}

/// The cosines of every frame of a clip `[1, 3, frames, height, width]` to every text, each `[prompts, dim]` of length one:
/// for each text `[frames, prompts]`, row by row.
pub(crate) fn cosines(encoder: &AnyEncoder, clip: Tensor<5>, texts: &[Tensor<2>]) -> Vec<Vec<f32>> {
    let embeddings = encoder.projection().apply(encoder.frame_features(&encoder.tokens(clip)));
    let [_, frames, dim] = embeddings.dims();
    let frames = l2_normalize(embeddings.reshape([frames, dim]));
    let of_text =
        |text: &Tensor<2>| frames.clone().matmul(text.clone().transpose()).into_data().iter::<f32>().collect();
    texts.iter().map(of_text).collect()
}

/// The tasks that are named, or all of the file.
fn chosen<'a>(names: &[String], prompts: &'a Prompts) -> Result<Vec<&'a PromptTask>, CliError> {
    if names.iter().any(|name| name == "all") {
        let sound = |name: &str| prompts.task(name).map_err(|error| say(&format!("left out: {error}"))).ok();
        return Ok(prompts.names().filter_map(sound).collect());
    }
    Ok(names.iter().map(|name| prompts.task(name)).collect::<Result<_, _>>()?)
}

/// The threshold with the highest F1 for these labels; says what it is.
fn calibrated(task: &PromptTask, labels: &Labels, videos: &[(Row<()>, Vec<Similarities>)]) -> Result<f64, CliError> {
    let (mut truth, mut scores) = (Vec::new(), Vec::new());
    for (row, similarities) in videos {
        let Some(label) = labels.of(&row.name) else { continue };
        let score = match task.answer(&similarities[0])? {
            Answer::Score(score) => score,
            Answer::Grades(grades) if grades.unprompted().is_some() => grades.best().score,
            Answer::Grades(_) | Answer::Value(_) => {
                let reason = "has prompts for every grade, so no threshold: leave out --calibrate";
                return Err(CliError::Usage(format!("task {:?} {reason}", task.name())));
            }
        };
        truth.push(label);
        scores.push(score);
    }
    let F1Threshold { threshold, f1 } = best_f1_threshold(&truth, &scores)?;
    let positive = truth.iter().filter(|&&label| label).count();
    say(&format!(
        "threshold {threshold:.4}, with F1 {f1:.3} on the {} that it was chosen on ({positive} positive); for other videos give \
         --threshold {threshold}",
        counted(truth.len(), "video")
    ));
    Ok(threshold)
}

/// What is printed and written.
struct Report {
    threshold: Option<f64>,
    results: Results,
    table: Vec<Vec<String>>,
}

impl Report {
    fn new(threshold: Option<f64>) -> Self {
        let columns = ["name", "level", "frame", "task", "class", "value", "answer", "threshold", "warning"];
        let header = ["", "", "task", "answer", "", ""].map(str::to_owned).to_vec();
        Self { threshold, results: Results::new(&columns), table: vec![header] }
    }

    fn add(
        &mut self,
        level: &str,
        name: &str,
        frame: Option<usize>,
        answer: Answer,
        task: &PromptTask,
        warning: &str,
    ) -> Result<(), CliError> {
        // By class: the value; then what is said, and how it comes about.
        let (values, said, how): (Vec<(String, f64)>, String, String) = match &answer {
            Answer::Value(value) => (vec![(String::new(), *value)], format!("{value:.1}"), String::new()),
            Answer::Score(score) => {
                let said = match self.threshold {
                    Some(threshold) if *score >= threshold => "yes",
                    Some(_) => "no",
                    None => "",
                };
                (vec![(String::new(), *score)], said.to_owned(), format!("score {score:.4}"))
            }
            Answer::Grades(grades) => {
                // Where one grade has no prompts, the best of the others says nothing without a threshold.
                let chosen = match (self.threshold, grades.unprompted()) {
                    (Some(threshold), Some(_)) => grades.at_threshold(threshold)?.name.clone(),
                    (None, Some(_)) => String::new(),
                    (_, None) => grades.best().grade.name.clone(),
                };
                let values: Vec<(String, f64)> =
                    grades.scores().iter().map(|grade| (grade.grade.name.clone(), grade.score)).collect();
                let scores: Vec<String> = values.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
                let without = grades.unprompted().filter(|_| self.threshold.is_none());
                let without = without.map(|grade| format!("; {} has no prompts, and needs --threshold", grade.name));
                (values, chosen, format!("{}{}", scores.join(", "), without.unwrap_or_default()))
            }
        };
        let mode_has_threshold = !matches!(answer, Answer::Value(_));
        for (class, value) in values {
            self.results.push(vec![
                name.into(),
                level.into(),
                frame.into(),
                task.name().into(),
                class.into(),
                value.into(),
                Some(said.clone()).filter(|said| !said.is_empty() && mode_has_threshold).into(),
                self.threshold.filter(|_| mode_has_threshold).into(),
                warning.into(),
            ]);
        }
        let place = frame.map_or(level.to_owned(), |frame| format!("frame {frame}"));
        self.table.push(vec![printable(name).into_owned(), place, task.name().to_owned(), said, how, beside(warning)]);
        Ok(())
    }
}
