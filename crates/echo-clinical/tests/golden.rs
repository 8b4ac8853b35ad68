//! Answers of all modules against numpy's, by way of the scripts in `reference`.

use std::collections::BTreeMap;

use echo_clinical::Error;
use echo_clinical::retrieval::Ranks;
use echo_clinical::study::{
    Candidates, Compat, MilWeights, PhenotypeOptions, SectionPhenotypes, Study, generate_report, predict_phenotypes,
};
use echo_clinical::zero_shot::{Answer, Grade, GradePrompts, PromptTask, Similarities, best_f1_threshold};
use echo_metrics::{Metric, Scored};
use serde::Deserialize;

/// Similarities and section embeddings are float32, sums of them are made in another order.
const TOLERANCE: f64 = 1e-6;

fn assert_near(name: &str, ours: f64, expected: f64) {
    assert!((ours - expected).abs() <= TOLERANCE, "{name}: {ours}, expected {expected}");
}

fn read<T: for<'de> Deserialize<'de>>(golden: &str) -> T {
    serde_json::from_str(golden).expect("a golden file is what its script writes")
}

#[derive(Deserialize)]
struct ZeroShot {
    tasks: Vec<Task>,
    thresholds: Vec<Threshold>,
}

#[derive(Deserialize)]
struct Task {
    #[serde(flatten)]
    prompts: TaskPrompts,
    /// `[videos][frames][prompts]`
    similarities: Vec<Vec<Vec<f32>>>,
    study: Expected,
    videos: Vec<Expected>,
    frames: Vec<Vec<Expected>>,
}

#[derive(Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
enum TaskPrompts {
    Regression { templates: usize, range: [i32; 2] },
    Binary { prompts: usize },
    Categorical { values: Vec<u32> },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    One(f64),
    Grades(Vec<f64>),
}

#[derive(Deserialize)]
struct Threshold {
    truth: Vec<bool>,
    scores: Vec<f64>,
    threshold: f64,
    f1: f64,
}

impl TaskPrompts {
    fn task(&self) -> Result<PromptTask, Error> {
        match self {
            Self::Regression { templates, range: [first, last] } => {
                let templates: Vec<String> = (0..*templates).map(|at| format!("template {at} says <#>")).collect();
                PromptTask::regression("fixtures", &templates, *first..=*last)
            }
            Self::Binary { prompts } => {
                PromptTask::binary("fixtures", (0..*prompts).map(|at| format!("prompt {at}")).collect())
            }
            Self::Categorical { values } => {
                let mut grades: BTreeMap<u32, Vec<String>> = BTreeMap::new();
                for (at, &value) in values.iter().enumerate() {
                    grades.entry(value).or_default().push(format!("prompt {at}"));
                }
                let named =
                    |(value, prompts)| GradePrompts { grade: Grade { value, name: value.to_string() }, prompts };
                PromptTask::categorical("fixtures", grades.into_iter().map(named).collect())
            }
        }
    }
}

fn assert_answer(name: &str, ours: &Answer, expected: &Expected) {
    match (ours, expected) {
        (Answer::Value(ours) | Answer::Score(ours), Expected::One(expected)) => assert_near(name, *ours, *expected),
        (Answer::Grades(ours), Expected::Grades(expected)) => {
            assert_eq!(ours.scores().len(), expected.len(), "{name}");
            ours.scores().iter().zip(expected).for_each(|(ours, expected)| assert_near(name, ours.score, *expected));
        }
        _ => panic!("{name}: {ours:?}, expected {expected:?}"),
    }
}

#[test]
fn zero_shot_answers_are_those_of_numpy() -> Result<(), Error> {
    let golden: ZeroShot = read(include_str!("fixtures/zero_shot.json"));
    assert_eq!(golden.tasks.len(), 10);
    for (at, case) in golden.tasks.iter().enumerate() {
        let task = case.prompts.task()?;
        let of_video = |frames: &Vec<Vec<f32>>| Similarities::new(frames.concat(), task.prompts().len());
        let ours = task.answer_study(&case.similarities.iter().map(of_video).collect::<Result<Vec<_>, _>>()?)?;
        assert_answer(&format!("study of case {at}"), &ours.study, &case.study);
        assert_eq!((ours.videos.len(), ours.frames.len()), (case.videos.len(), case.frames.len()));
        for (video, (ours, expected)) in ours.videos.iter().zip(&case.videos).enumerate() {
            assert_answer(&format!("video {video} of case {at}"), ours, expected);
        }
        for (video, (ours, expected)) in ours.frames.iter().zip(&case.frames).enumerate() {
            assert_eq!(ours.len(), expected.len());
            for (ours, expected) in ours.iter().zip(expected) {
                assert_answer(&format!("frames of video {video} of case {at}"), ours, expected);
            }
        }
    }
    Ok(())
}

#[test]
fn thresholds_are_the_best_of_all() -> Result<(), Error> {
    let golden: ZeroShot = read(include_str!("fixtures/zero_shot.json"));
    assert_eq!(golden.thresholds.len(), 4);
    for Threshold { truth, scores, threshold, f1 } in golden.thresholds {
        let best = best_f1_threshold(&truth, &scores)?;
        assert_near("threshold", best.threshold, threshold);
        assert_near("F1", best.f1, f1);
        // All scores lie between 0 and 1.
        let metric: Metric = "f1".parse().expect("a metric");
        let of_metrics = Scored::binary(&truth, &scores, best.threshold).and_then(|scored| metric.of(&scored));
        assert_near("F1", best.f1, of_metrics.expect("scores").expect("positive labels"));
    }
    Ok(())
}

#[derive(Deserialize)]
struct StudyCase {
    weights: String,
    dim: usize,
    views: Vec<usize>,
    clips: Vec<f32>,
    candidates: Vec<f32>,
    reports: Vec<String>,
    sections: Vec<(String, Vec<String>)>,
    /// Null is NaN.
    labels: BTreeMap<String, Vec<Option<f32>>>,
    neighbours: usize,
    phenotypes: Vec<ExpectedPhenotype>,
    upstream_phenotypes: Vec<ExpectedPhenotype>,
    report: Vec<Option<ExpectedText>>,
}

#[derive(Deserialize)]
struct ExpectedPhenotype {
    name: String,
    value: Option<f64>,
    labelled: usize,
}

#[derive(Deserialize)]
struct ExpectedText {
    candidate: usize,
    text: String,
    similarity: f64,
}

#[test]
fn phenotypes_and_reports_are_those_of_numpy() -> Result<(), Error> {
    let golden: Vec<StudyCase> = read(include_str!("fixtures/study.json"));
    assert_eq!(golden.len(), 4);
    for (at, case) in golden.iter().enumerate() {
        let weights = MilWeights::from_csv(&case.weights)?;
        let study = Study::new(&case.clips, case.dim, &case.views)?;
        let candidates = Candidates::new(&case.candidates, case.dim)?;
        let sections: Vec<SectionPhenotypes> = case
            .sections
            .iter()
            .map(|(section, phenotypes)| SectionPhenotypes { section: section.clone(), phenotypes: phenotypes.clone() })
            .collect();
        let or_nan = |row: &Vec<Option<f32>>| row.iter().map(|label| label.unwrap_or(f32::NAN)).collect();
        let labels = case.labels.iter().map(|(name, row)| (name.clone(), or_nan(row))).collect();
        for (compat, expected) in [(Compat::None, &case.phenotypes), (Compat::Upstream, &case.upstream_phenotypes)] {
            let options = PhenotypeOptions { neighbours: case.neighbours, compat };
            let ours = predict_phenotypes(&study, &weights, &candidates, &sections, &labels, &options)?;
            assert_eq!(ours.len(), expected.len());
            for (ours, expected) in ours.iter().zip(expected) {
                let name = format!("{} of case {at}, {compat:?}", ours.name);
                assert_eq!((&ours.name, ours.labelled), (&expected.name, expected.labelled), "{name}");
                assert_eq!(ours.value.is_some(), expected.value.is_some(), "{name}");
                ours.value.zip(expected.value).iter().for_each(|(ours, expected)| assert_near(&name, *ours, *expected));
            }
        }
        let report = |candidate: usize| case.reports[candidate].as_str().into();
        let ours = generate_report(&study, &weights, &candidates, report, Compat::None)?;
        assert_eq!(ours.len(), case.report.len());
        for (ours, expected) in ours.iter().zip(&case.report) {
            let name = format!("{} of case {at}", ours.section);
            let parts = ours.retrieved.as_ref().map(|text| (text.candidate, text.text.as_str()));
            assert_eq!(parts, expected.as_ref().map(|text| (text.candidate, text.text.as_str())), "{name}");
            if let (Some(ours), Some(expected)) = (&ours.retrieved, expected) {
                assert_near(&name, ours.similarity, expected.similarity);
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct RetrievalCase {
    items: usize,
    correct: Vec<usize>,
    similarities: Vec<f32>,
    lists: Vec<Vec<usize>>,
    ranks: Vec<usize>,
    recall: BTreeMap<usize, f64>,
    median: f64,
    mean_reciprocal: f64,
}

#[test]
fn retrieval_metrics_are_those_of_numpy() -> Result<(), Error> {
    let golden: Vec<RetrievalCase> = read(include_str!("fixtures/retrieval.json"));
    assert_eq!(golden.len(), 4);
    for case in golden {
        let ranks = Ranks::from_similarities(&case.similarities, case.items, &case.correct)?;
        assert_eq!(ranks.as_slice(), case.ranks);
        assert_eq!(Ranks::from_lists(&case.lists, &case.correct)?, ranks);
        assert_eq!(case.recall.len(), 3);
        for (k, recall) in case.recall {
            assert_near("recall", ranks.recall_at(k)?, recall);
        }
        assert_near("median rank", ranks.median(), case.median);
        assert_near("mean reciprocal rank", ranks.mean_reciprocal(), case.mean_reciprocal);
    }
    Ok(())
}
