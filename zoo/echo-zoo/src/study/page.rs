//! The page of a study: one file that opens offline.

use std::collections::BTreeSet;
use std::path::Path;

use echo_core::NormalRange;
use echo_data::{Size, shrunk};
use echo_files::counted;
use echo_report::{Page, PageSection, jpeg_address};
use echo_video::{Mask, OpenOptions, Video};
use jpeg_encoder::{ColorType, Encoder};
use maud::{Markup, html};
use rayon::prelude::*;

use super::Study;
use super::reading::{BY_PROMPTS, BY_STUDIES, EF, Ejection, Finding, REPORT, Reading, VIEWS};

const STYLE: &str = include_str!("page.css");

/// The largest sides of a video's picture.
const PICTURE: Size = Size { height: 200, width: 280 };
const QUALITY: u8 = 80;

/// Width and height of a strip of ejection fractions, and where its axis is.
const STRIP: [u32; 3] = [320, 40, 26];

/// `said`: what all numbers have in common.
pub(super) fn page(study: &Study, options: &OpenOptions, said: &[String]) -> String {
    let mut sections = vec![("videos", "Videos", videos(study, options)), ("ef", "Ejection fraction", ejection(study))];
    sections.extend(report(study).map(|body| ("report", "Report from similar studies", body)));
    sections.extend(similar(study).map(|body| ("similar", "Findings from similar studies", body)));
    sections.extend(heads(study).map(|body| ("findings", "Findings by heads", body)));
    sections.extend(maps(study).map(|body| ("maps", "Maps", body)));
    sections.push(("left-out", "Left out, and asked otherwise", left_out(study)));
    sections.push(("about", "About", about(study)));
    let section = |(address, heading, body)| PageSection { address, heading, body };
    let page = Page {
        title: &study.title,
        // That it is not for clinical use stands on every page.
        warnings: said.iter().filter(|line| !line.contains("not for clinical use")).cloned().collect(),
        sections: sections.into_iter().map(section).collect(),
        style: STYLE,
        script: "",
    };
    page.to_html()
}

/// A video's middle frame as a data address, and what its file says of it.
fn picture(path: &Path, options: &OpenOptions) -> Result<(String, String), String> {
    let video = Video::open(path, &options.for_pictures()).map_err(|error| error.to_string())?;
    let info = video.info();
    let frames = video.decode(&[info.frames / 2]).map_err(|error| error.to_string())?;
    let (size, pixels) = shrunk(frames.frame(0), Size { height: frames.height, width: frames.width }, PICTURE);
    let rate = if info.fps > 0.0 { format!(" at {:.1}/s", info.fps) } else { String::new() };
    let about = format!("{}{rate}, {} x {} pixels", counted(info.frames, "frame"), info.width, info.height);
    Ok((jpeg(&pixels, size)?, about))
}

fn jpeg(pixels: &[u8], size: Size) -> Result<String, String> {
    let mut jpeg = Vec::new();
    let [width, height] = [size.width, size.height].map(u16::try_from);
    let (width, height) = (width.map_err(|error| error.to_string())?, height.map_err(|error| error.to_string())?);
    Encoder::new(&mut jpeg, QUALITY)
        .encode(pixels, width, height, ColorType::Rgb)
        .map_err(|error| error.to_string())?;
    Ok(jpeg_address(&jpeg))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn videos(study: &Study, options: &OpenOptions) -> Markup {
    let pictures: Vec<Result<(String, String), String>> =
        study.videos.par_iter().map(|path| picture(path, options)).collect();
    let doubts = |path: &Path| -> BTreeSet<&str> {
        let rows = study.readings.iter().flat_map(|reading| &reading.rows).filter(|row| row.paths[0] == path);
        rows.flat_map(|row| &row.doubts).map(String::as_str).collect()
    };
    let has_views = study.readings.iter().any(|reading| reading.view(0).is_some());
    html! {
        @if !has_views { p { "No encoder of these tells views apart; EchoPrime and EchoViewCLIP do, with their full presets." } }
        p { (counted(study.videos.len(), "video")) ". A picture is a video's middle frame" @if options.mask != Mask::None { ", with all but the ultrasound sector black" } "." }
        div.videos {
            @for (path, picture) in study.videos.iter().zip(pictures) {
                figure {
                    @match &picture {
                        Ok((address, about)) => {
                            img src=(address) alt={ "middle frame of " (name_of(path)) };
                            figcaption { (name_of(path)) }
                            p.soft { (about) }
                        }
                        Err(reason) => { figcaption { (name_of(path)) } p.doubt { "no picture: " (reason) } }
                    }
                    @for (reading, video) in of_video(study, path) { (views(reading, video)) }
                    @for doubt in doubts(path) { p { span.doubt { (doubt) } } }
                }
            }
        }
    }
}

/// The readings of a video, with its place among their rows.
fn of_video<'a>(study: &'a Study, path: &'a Path) -> impl Iterator<Item = (&'a Reading, usize)> {
    study.readings.iter().filter_map(move |reading| {
        let video = reading.rows.iter().position(|row| row.paths[0] == path)?;
        Some((reading, video))
    })
}

fn views(reading: &Reading, video: usize) -> Markup {
    let mut all = reading.views(video);
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    html! {
        @if let Some((view, probability)) = all.first() {
            details {
                summary { "view " strong { (words(view)) } " " (format!("{probability:.2}")) }
                @for (view, probability) in &all { p { (words(view)) " " (format!("{probability:.3}")) } }
                p.soft { (reading.title) }
            }
        }
    }
}

/// A name as words.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

fn ejection(study: &Study) -> Markup {
    let all: Vec<(&Reading, &Ejection)> =
        study.readings.iter().flat_map(|reading| reading.ejection.iter().map(move |of| (reading, of))).collect();
    let normal = study.readings.iter().flat_map(|reading| &reading.findings).find(|finding| finding.name == EF);
    let normal = normal.and_then(|finding| finding.normal);
    html! {
        @if all.is_empty() { p { "No encoder of these says it." } } @else {
            div.wide tabindex="0" {
                table {
                    caption { "Left-ventricular ejection fraction in per cent" }
                    thead { tr { th { "by" } th { "how" } th.number { "study" } th.number { "lowest" } th.number { "highest" } th { "0 to 100 %" } th { "warning" } } }
                    tbody {
                        @for (reading, of) in &all {
                            @let ends = ends(&of.each);
                            tr {
                                th { (reading.title) }
                                td { (of.how) }
                                td.number { (format!("{:.1}", of.study)) }
                                td.number { (ends.map_or(String::new(), |[low, _]| format!("{low:.1}"))) }
                                td.number { (ends.map_or(String::new(), |[_, high]| format!("{high:.1}"))) }
                                td { (strip(of, normal)) }
                                td { (doubt(&ejection_warning(reading))) }
                            }
                        }
                    }
                }
            }
            @if let Some(normal) = normal { p.soft { "A dot is a clip or a video, as the second column says, the line the study, and the band what is normal in men or women: " (normal) " % (" (normal.source) ")." } }
        }
    }
}

/// The warning of the study's ejection fraction.
fn ejection_warning(reading: &Reading) -> String {
    let of_study = |finding: &&Finding| {
        finding.video.is_none()
            && (finding.name == EF || finding.section == BY_PROMPTS || finding.section == BY_STUDIES)
    };
    reading.findings.iter().find(of_study).map_or(String::new(), |finding| finding.warning.clone())
}

fn ends(each: &[f64]) -> Option<[f64; 2]> {
    let low = each.iter().copied().reduce(f64::min)?;
    Some([low, each.iter().copied().fold(low, f64::max)])
}

/// Values from 0 to 100 on a line.
fn strip(of: &Ejection, normal: Option<NormalRange>) -> Markup {
    let [width, height, axis] = STRIP;
    let place = |value: f64| 10.0 + value.clamp(0.0, 100.0) / 100.0 * f64::from(width - 20);
    let band = normal.map(|normal| {
        let low = f64::from(normal.men[0].min(normal.women[0]));
        let high = f64::from(normal.men[1].max(normal.women[1]));
        (place(low), place(high) - place(low))
    });
    let label = format!("study {:.1} per cent, {} values", of.study, of.each.len());
    html! {
        svg.strip viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(label) {
            @if let Some((left, broad)) = band { rect.band x=(format!("{left:.1}")) y="2" width=(format!("{broad:.1}")) height=(axis - 2) {} }
            line.axis x1="10" x2=(width - 10) y1=(axis) y2=(axis) {}
            @for tick in [0u32, 25, 50, 75, 100] {
                text x=(format!("{:.1}", place(f64::from(tick)))) y=(height - 3) text-anchor="middle" { (tick) }
            }
            @for value in &of.each { circle.dot cx=(format!("{:.1}", place(*value))) cy=(axis / 2 + 1) r="3.5" {} }
            line.mean x1=(format!("{:.1}", place(of.study))) x2=(format!("{:.1}", place(of.study))) y1="2" y2=(axis) {}
        }
    }
}

fn doubt(warning: &str) -> Markup {
    html! { @if !warning.is_empty() { span.doubt { (warning) } } }
}

/// Findings of the study in a section, with their readings.
fn of_section<'a>(study: &'a Study, section: &'a str) -> Vec<(&'a Reading, &'a Finding)> {
    let all = study.readings.iter().flat_map(|reading| reading.findings.iter().map(move |finding| (reading, finding)));
    all.filter(|(_, finding)| finding.video.is_none() && finding.section == section).collect()
}

fn report(study: &Study) -> Option<Markup> {
    let sections = of_section(study, REPORT);
    let warning = sections.first().map(|(_, finding)| finding.warning.clone())?;
    Some(html! {
        p { "Each section is what stands in the report of the most similar study: of another patient, so its numbers are that patient's." }
        p { (doubt(&warning)) }
        dl.report {
            @for (_, finding) in &sections {
                dt { (finding.name) }
                dd { (finding.text.as_deref().unwrap_or("No clip of this study counts for it, or no report has it.")) }
            }
        }
    })
}

fn similar(study: &Study) -> Option<Markup> {
    let findings = of_section(study, BY_STUDIES);
    (!findings.is_empty()).then(|| table(&findings, "Means over the most similar studies"))
}

/// Findings of heads, by parts of the heart in the order of the heads.
fn heads(study: &Study) -> Option<Markup> {
    let mut parts: Vec<&str> = Vec::new();
    for finding in study.readings.iter().flat_map(|reading| &reading.findings) {
        let section = finding.section.as_str();
        if finding.video.is_none()
            && ![VIEWS, BY_PROMPTS, BY_STUDIES, REPORT].contains(&section)
            && !parts.contains(&section)
        {
            parts.push(section);
        }
    }
    (!parts.is_empty()).then(|| {
        html! {
            p { "Means over all clips, whatever their view. A head is trained on views that show what it measures, so that a study of few views says little." }
            @for part in parts { (table(&of_section(study, part), part)) }
        }
    })
}

fn table(findings: &[(&Reading, &Finding)], caption: &str) -> Markup {
    let number = |value: f64| format!("{value:.3}");
    // One row for all classes of a head.
    let rows = findings.chunk_by(|(one, of), (other, next)| one.title == other.title && of.name == next.name);
    let warnings: BTreeSet<&str> = findings.iter().map(|(_, finding)| finding.warning.as_str()).collect();
    let readers: BTreeSet<&str> = findings.iter().map(|(reading, _)| reading.title.as_str()).collect();
    html! {
        div.wide tabindex="0" {
            table.findings {
                caption {
                    (caption) ", by " (readers.into_iter().collect::<Vec<_>>().join(", "))
                    @if let [warning] = warnings.iter().collect::<Vec<_>>()[..] { " " (doubt(warning)) }
                }
                thead { tr { th { "finding" } th { "what it is" } th.number { "value" } th.number { "lowest to highest clip" } th { "normal in adults" } } }
                tbody {
                    @for row in rows {
                        @let (reading, first) = row[0];
                        tr {
                            th { (first.name) }
                            td {
                                (first.meaning)
                                @if warnings.len() > 1 { " " (doubt(&first.warning)) }
                            }
                            td.number {
                                @for (_, finding) in row {
                                    div {
                                        @if finding.class.parse::<f64>().is_err() && !finding.class.is_empty() { (words(&finding.class)) " " }
                                        @match (finding.value, &finding.text) {
                                            (Some(value), Some(text)) => { (text) " (" (number(value)) ")" }
                                            (Some(value), None) => { (number(value)) " " (finding.unit) }
                                            (None, _) => "unknown",
                                        }
                                    }
                                }
                            }
                            td.number {
                                @for (_, finding) in row {
                                    div { @if let Some([low, high]) = finding.ends.filter(|_| reading.clips() > 1) { (number(low)) " to " (number(high)) } }
                                }
                            }
                            td { @if let Some(normal) = first.normal { (normal_cell(first.value.filter(|_| reading.is_published), normal)) } }
                        }
                    }
                }
            }
        }
    }
}

fn normal_cell(value: Option<f64>, normal: NormalRange) -> Markup {
    let is_within =
        |[low, high]: [f32; 2]| value.is_none_or(|value| (f64::from(low)..=f64::from(high)).contains(&value));
    let said = match (is_within(normal.men), is_within(normal.women)) {
        (true, true) => None,
        (false, false) => Some("outside"),
        (true, false) => Some("outside for women"),
        (false, true) => Some("outside for men"),
    };
    html! { (normal) @if let Some(said) = said { " " span.outside { (said) } } span.interval { (normal.source) } }
}

fn maps(study: &Study) -> Option<Markup> {
    let all: Vec<_> =
        study.readings.iter().flat_map(|reading| reading.maps.iter().map(move |map| (reading, map))).collect();
    (!all.is_empty()).then(|| {
        html! {
            p { "Where in a clip the score comes from, by its gradient: the frame with the most heat, and the same under its map. The warmest place says where, not how much." }
            div.maps {
                @for (reading, map) in all {
                    @let row = &reading.rows[map.video];
                    figure {
                        @match &map.pictures {
                            Ok(pictures) => {
                                @for (pixels, alt) in pictures.iter().zip(["frame of ", "map over a frame of "]) {
                                    @match jpeg(pixels, Size { height: map.size, width: map.size }) {
                                        Ok(address) => img src=(address) alt={ (alt) (name_of(&row.paths[0])) };,
                                        Err(reason) => p.doubt { "no picture: " (reason) }
                                    }
                                }
                            }
                            Err(reason) => p { "No map: " (reason) "." }
                        }
                        figcaption { (name_of(&row.paths[0])) }
                        p { (reading.title) ": " (map.what) }
                        @if !reading.warnings[map.video].is_empty() { p { (doubt(&reading.warnings[map.video])) } }
                    }
                }
            }
        }
    })
}

fn left_out(study: &Study) -> Markup {
    html! {
        @let notes: Vec<&String> = study.readings.iter().flat_map(|reading| &reading.notes).collect();
        @if study.left_out.is_empty() && study.others == 0 && notes.is_empty() { p { "Nothing." } }
        @if !notes.is_empty() { ul { @for note in notes { li { (note) } } } }
        @if !study.left_out.is_empty() {
            ul { @for file in &study.left_out { li { (name_of(&file.path)) ": " (reason(&file.path, &file.reason)) } } }
        }
        @if study.others > 0 { p { (counted(study.others, "other file")) ", no video by name or content." } }
    }
}

/// A reason without the path that it begins with.
fn reason<'a>(path: &Path, reason: &'a str) -> &'a str {
    reason.strip_prefix(&format!("{}: ", path.display())).unwrap_or(reason)
}

fn about(study: &Study) -> Markup {
    html! {
        p { "Made by EchoZoo " (env!("CARGO_PKG_VERSION")) ", research software. Numbers of several clips are means." }
        ul { @for reading in &study.readings { li { (reading.title) ": " (reading.about) ", " (counted(reading.clips(), "clip")) } } }
    }
}
