//! The videos that the rows of the grid miss by most.

use std::collections::BTreeMap;

use echo_metrics::Kind;

use super::entry::Entry;
use super::escape::escape;
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
}

/// The section's table.
pub(super) fn worst(quantity: &Quantity, entries: &[Entry<'_>], files: Option<Thumbnails<'_>>) -> String {
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
    let pictures_are = match files {
        Some(_) => "Pictures: first and middle frame.",
        None => {
            "Without pictures: these are patients' videos, and <code>echozoo bench --thumbnails</code> puts frames of \
             them into the page."
        }
    };
    let mut text = format!(
        "<p>By the error of predictions averaged over seeds, mean over all rows: {}. {pictures_are}</p>\n",
        escape(&match quantity.kind {
            Kind::Regression => format!("the absolute error in {}", quantity.differences()),
            Kind::Binary => "the probability of the wrong class".to_owned(),
            Kind::SingleLabel | Kind::Ordinal => "the probability of all wrong classes".to_owned(),
            Kind::MultiLabel => "the mean probability of the wrong answer, over known labels".to_owned(),
        })
    );
    text.push_str("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Worst videos\"><table>");
    text.push_str("<caption>The ten videos with the greatest error</caption><thead><tr><th scope=\"col\">video</th>");
    if files.is_some() {
        text.push_str("<th scope=\"col\">frames</th>");
    }
    let is_value = quantity.kind == Kind::Regression;
    let values: &[&str] = if is_value { &["predicted, from", "to"] } else { &["most often predicted"] };
    let class = if is_value { " class=\"number\"" } else { "" };
    text.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(&quantity.values("true"))));
    text.push_str("<th scope=\"col\" class=\"number\">mean error</th>");
    for heading in values {
        text.push_str(&format!("<th scope=\"col\"{class}>{heading}</th>"));
    }
    text.push_str("</tr></thead><tbody>\n");
    for video in &videos {
        let name = escape(video.name);
        text.push_str(&format!("<tr><th scope=\"row\">{name}</th>"));
        if let Some(files) = files {
            text.push_str(&format!("<td class=\"frames\">{}</td>", pictures(video.name, files)));
        }
        let mean = video.error();
        if let Truth::Value(truth) = video.truth {
            let values = || video.predictions.iter().filter_map(|prediction| prediction.first());
            let (low, high) = values().fold((f64::MAX, f64::MIN), |(l, h), &p| (l.min(p), h.max(p)));
            for value in [f64::from(*truth), mean, low, high] {
                text.push_str(&format!("<td class=\"number\">{value:.1}</td>"));
            }
        } else {
            let truth = escape(&in_words(quantity, video.truth));
            let found = escape(&usual(quantity, &video.predictions));
            text.push_str(&format!("<td>{truth}</td><td class=\"number\">{mean:.2}</td><td>{found}</td>"));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
    text
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

fn pictures(name: &str, files: Thumbnails<'_>) -> String {
    let escaped = escape(name);
    match files(name) {
        Err(reason) => format!("no picture: {}", escape(&reason)),
        Ok(pictures) => pictures
            .iter()
            .zip(["First", "Middle"])
            .map(|(picture, which)| {
                format!("<img src=\"{picture}\" alt=\"{which} frame of {escaped}\" loading=\"lazy\">")
            })
            .collect(),
    }
}
