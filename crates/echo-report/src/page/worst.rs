//! The videos that the rows of the grid miss by most.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::escape::escape;
use crate::Quantity;

/// How many.
const COUNT: usize = 10;

/// The first and the middle frame of the video with this name as data addresses, or why there are none.
pub type Thumbnails<'a> = &'a dyn Fn(&str) -> Result<Vec<String>, String>;

/// A video over all rows.
struct Missed<'a> {
    name: &'a str,
    truth: f64,
    /// By row: what was predicted.
    predictions: Vec<f64>,
}

impl Missed<'_> {
    fn error(&self) -> f64 {
        let sum: f64 = self.predictions.iter().map(|prediction| (prediction - self.truth).abs()).sum();
        sum / self.predictions.len().max(1) as f64
    }
}

/// The section's table.
pub(super) fn worst(quantity: &Quantity, entries: &[Entry<'_>], files: Option<Thumbnails<'_>>) -> String {
    // The same name in another test set is another video.
    let mut videos: BTreeMap<(&str, &str, u64), Missed<'_>> = BTreeMap::new();
    for entry in entries {
        let data = entry.cells.first().map_or("", |cell| cell.data.test_hash.as_str());
        for ((name, &truth), &prediction) in entry.videos.iter().zip(&entry.truth).zip(&entry.predictions) {
            let missed = || Missed { name, truth, predictions: Vec::new() };
            videos.entry((data, name, truth.to_bits())).or_insert_with(missed).predictions.push(prediction);
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
        "<p>By the absolute error, in {}, of predictions averaged over seeds, mean over all rows. {pictures_are}</p>\n",
        escape(&quantity.differences())
    );
    text.push_str("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Worst videos\"><table>");
    text.push_str("<caption>The ten videos with the greatest error</caption><thead><tr><th scope=\"col\">video</th>");
    if files.is_some() {
        text.push_str("<th scope=\"col\">frames</th>");
    }
    for heading in [&quantity.values("true"), "mean error", "predicted, from", "to"] {
        text.push_str(&format!("<th scope=\"col\" class=\"number\">{}</th>", escape(heading)));
    }
    text.push_str("</tr></thead><tbody>\n");
    for video in &videos {
        let name = escape(video.name);
        text.push_str(&format!("<tr><th scope=\"row\">{name}</th>"));
        if let Some(files) = files {
            text.push_str(&format!("<td class=\"frames\">{}</td>", pictures(video.name, files)));
        }
        let (low, high) = video.predictions.iter().fold((f64::MAX, f64::MIN), |(l, h), &p| (l.min(p), h.max(p)));
        for value in [video.truth, video.error(), low, high] {
            text.push_str(&format!("<td class=\"number\">{value:.1}</td>"));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
    text
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
