//! The samples that the rows of the grid miss by most.

use std::collections::BTreeMap;

use echo_metrics::Kind;
use maud::{Markup, html};

use super::entry::Entry;
use super::table::{column, framed};
use crate::scoring::error;
use crate::{Quantity, Truth};

/// How many.
const COUNT: usize = 10;

/// The first and the middle frame of the video with this name as data addresses, or why there are none.
pub type Thumbnails<'a> = &'a dyn Fn(&str) -> Result<Vec<String>, String>;

/// A video over all rows.
struct Missed<'a> {
    name: &'a str,
    truth: &'a Truth,
    /// By row: what was predicted.
    predictions: Vec<&'a [f64]>,
}

impl Missed<'_> {
    fn error(&self) -> f64 {
        let sum: f64 = self.predictions.iter().map(|prediction| error(self.truth, prediction)).sum();
        sum / self.predictions.len().max(1) as f64
    }

    /// The least and the greatest value that a row predicts.
    fn ends(&self) -> (f64, f64) {
        let values = self.predictions.iter().filter_map(|prediction| prediction.first());
        values.fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)))
    }
}

/// The section's table.
pub(super) fn worst(quantity: &Quantity, entries: &[Entry<'_>], files: Option<Thumbnails<'_>>) -> Markup {
    // The same name in another test set is another video.
    let mut videos: BTreeMap<(&str, &str, String), Missed<'_>> = BTreeMap::new();
    for entry in entries {
        let data = entry.cells.first().map_or("", |cell| cell.data.test_hash.as_str());
        for ((name, truth), prediction) in entry.videos.iter().zip(&entry.truth).zip(&entry.predictions) {
            let missed = || Missed { name, truth, predictions: Vec::new() };
            videos.entry((data, name, format!("{truth:?}"))).or_insert_with(missed).predictions.push(prediction);
        }
    }
    let mut videos: Vec<Missed<'_>> = videos.into_values().collect();
    videos.sort_by(|one, other| other.error().total_cmp(&one.error()));
    videos.truncate(COUNT);
    let by = match quantity.kind {
        Kind::Regression => format!("the absolute error in {}", quantity.differences()),
        Kind::Binary => "the probability of the wrong class".to_owned(),
        Kind::SingleLabel | Kind::Ordinal => "the probability of all wrong classes".to_owned(),
        Kind::MultiLabel => "the mean probability of the wrong answer, over known labels".to_owned(),
    };
    let is_value = quantity.kind == Kind::Regression;
    let predicted: &[&str] =
        if is_value { &["lowest prediction", "highest prediction"] } else { &["most often predicted"] };
    let table = html! {
        table {
            caption { "Largest errors" }
            thead {
                tr {
                    (column(quantity.samples.one(), false))
                    @if files.is_some() { (column("frames", false)) }
                    (column(&quantity.values("true"), is_value))
                    (column("mean error", true))
                    @for heading in predicted { (column(heading, is_value)) }
                }
            }
            tbody {
                @for video in &videos {
                    tr {
                        th scope="row" { (video.name) }
                        @if let Some(files) = files { td.frames { (pictures(video.name, files)) } }
                        @if let Truth::Value(truth) = video.truth {
                            @let (low, high) = video.ends();
                            @for value in [f64::from(*truth), video.error(), low, high] { td.number { (format!("{value:.1}")) } }
                        } @else {
                            td { (in_words(quantity, video.truth)) }
                            td.number { (format!("{:.2}", video.error())) }
                            td { (usual(quantity, &video.predictions)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        p {
            "The " (COUNT) " test " (quantity.samples.many()) " with the largest error, mean over all rows: " (by) ", of the \
             prediction averaged over seeds. "
            @if files.is_some() { "Pictures: first and middle frame." }
            @else {
                "Without pictures, which may be of patients: " code { "echozoo bench --thumbnails" } " shows them."
            }
        }
        (framed("Largest errors", &table))
    }
}

/// A class or labels by name.
fn in_words(quantity: &Quantity, truth: &Truth) -> String {
    let name = |class: usize| quantity.classes.get(class).cloned().unwrap_or_default();
    match truth {
        Truth::Value(value) => value.to_string(),
        Truth::Class(class) => name(*class),
        Truth::Labels(labels) => {
            let holding = labels.iter().enumerate().filter(|(_, label)| **label == Some(true));
            let names: Vec<String> = holding.map(|(class, _)| name(class)).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        }
    }
}

/// What most rows predict, of equally frequent ones the first; one half decides where there is one probability.
fn usual(quantity: &Quantity, predictions: &[&[f64]]) -> String {
    let predicted = |prediction: &[f64]| match quantity.kind {
        Kind::MultiLabel => Truth::Labels(prediction.iter().map(|probability| Some(*probability >= 0.5)).collect()),
        _ => Truth::Class(match prediction {
            [positive] => usize::from(*positive >= 0.5),
            classes => {
                (1..classes.len()).fold(0, |best, class| if classes[class] > classes[best] { class } else { best })
            }
        }),
    };
    let names: Vec<String> = predictions.iter().map(|prediction| in_words(quantity, &predicted(prediction))).collect();
    let count = |name: &String| names.iter().filter(|other| *other == name).count();
    // Of several the first: `max_by_key` takes the last one.
    let usual = names.iter().rev().max_by_key(|name| count(name));
    usual.map_or_else(String::new, |name| format!("{name} ({} of {} rows)", count(name), names.len()))
}

fn pictures(name: &str, files: Thumbnails<'_>) -> Markup {
    match files(name) {
        Err(reason) => html! { "no picture: " (reason) },
        Ok(pictures) => html! {
            @for (picture, which) in pictures.iter().zip(["First", "Middle"]) {
                img src=(picture) alt={ (which) " frame of " (name) } loading="lazy";
            }
        },
    }
}
