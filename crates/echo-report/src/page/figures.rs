//! The page's plots, which stand beside it as files too.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use super::visible::visible;

/// What colours are called, one declaration after another.
pub(super) const COLORS: &str = include_str!("colors.css");
/// What plots' classes look like.
pub(super) const PLOTS: &str = include_str!("plots.css");

/// The height of a line below a plot, in units of the view box.
const LINE: f64 = 20.0;

/// Plots of one report.
#[derive(Debug)]
pub(super) struct Figures {
    /// What stands below each of them in its file.
    below: String,
    /// By the names of their files, without the ending.
    files: BTreeMap<String, String>,
}

impl Figures {
    /// None yet; `setting` says which data and weights they are of, where that is to be said.
    pub(super) fn of(setting: &str) -> Self {
        let below = if setting.is_empty() { String::new() } else { format!("{setting}. ") };
        Self { below: format!("{below}Not for clinical use."), files: BTreeMap::new() }
    }

    /// The plot for the page. `name` says whose it is and what it shows; its file has as much of it as every system takes.
    pub(super) fn add(&mut self, name: &str, caption: &str, svg: &str) -> Markup {
        // What could not be drawn says so on the page alone.
        if svg.starts_with("<svg") {
            let plain: String =
                name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(100).collect();
            let mut words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
            words.truncate(16);
            let plain = words.join("-").to_lowercase();
            let other = |count: usize| if count == 1 { plain.clone() } else { format!("{plain}-{count}") };
            let free = (1..).map(other).find(|name| !self.files.contains_key(name)).unwrap_or(plain.clone());
            self.files.insert(free, visible(&alone(svg, &self.below)));
        }
        html! { figure { figcaption { (caption) } (PreEscaped(svg)) } }
    }

    /// Names of files, and what they hold.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, &str)> {
        self.files.iter().map(|(name, svg)| (format!("{name}.svg"), svg.as_str()))
    }
}

/// The plot with a line of text below it and its colours, for programs that know no page and no variables: those of light
/// paper. A figure is shown far from its page, and then says by itself what it is of.
fn alone(svg: &str, below: &str) -> String {
    let mut style = PLOTS.to_owned();
    let values = COLORS.split(['{', '}', ';']).filter_map(|one| one.trim().strip_prefix("--")?.split_once(": "));
    for (name, value) in values {
        style = style.replace(&format!("var(--{name})"), value);
    }
    let style = format!("<style>\nsvg {{ background: #ffffff; font-family: sans-serif; }}\n{style}</style>\n");
    let svg = svg.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
    let svg = svg.replacen("</title>\n", &format!("</title>\n{style}"), 1);
    with_line(&svg, below).unwrap_or(svg)
}

/// The plot in a view box that is one line higher, with the text in that line.
fn with_line(svg: &str, text: &str) -> Option<String> {
    let (start, rest) = svg.split_once("viewBox=\"")?;
    let (sides, rest) = rest.split_once('"')?;
    let [left, top, width, height]: [f64; 4] =
        sides.split(' ').map(str::parse).collect::<Result<Vec<_>, _>>().ok()?.try_into().ok()?;
    // A long line is set narrower, not cut.
    let fitted = if text.chars().count() as f64 * 5.5 > width - 16.0 {
        format!(" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"", width - 16.0)
    } else {
        String::new()
    };
    let (x, y) = (left + 8.0, top + height + LINE - 8.0);
    let line = html! { (text) }.into_string();
    let line = format!("<text x=\"{x}\" y=\"{y}\" font-size=\"10\" class=\"f0\"{fitted}>{line}</text>\n");
    let body = rest.strip_suffix("</svg>\n")?;
    Some(format!("{start}viewBox=\"{left} {top} {width} {}\"{body}{line}</svg>\n", height + LINE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_below_itself_what_it_is_of() {
        let mut figures = Figures::of("Phantom data, nano weights");
        let svg = "<svg viewBox=\"0 0 360 270\" role=\"img\"><title>a</title>\n<path class=\"k3\"/>\n</svg>\n";
        let page = figures.add("roc", "ROC", svg).0;
        let text = figures.files().next().unwrap().1.to_owned();
        assert!(text.contains(">Phantom data, nano weights. Not for clinical use.</text>\n</svg>"), "{text}");
        assert!(text.contains("viewBox=\"0 0 360 290\"") && !text.contains("textLength"), "{text}");
        assert!(page.contains("0 0 360 270"), "the page says it once, above all: {page}");
        let narrow = with_line("<svg viewBox=\"0 0 100 10\"></svg>\n", &"<x>".repeat(20)).unwrap();
        assert!(narrow.contains("textLength=\"84\"") && narrow.contains("&lt;x&gt;"), "{narrow}");
    }

    #[test]
    fn a_file_has_a_plain_name_of_its_own_and_needs_no_page() {
        let mut figures = Figures::of("");
        let svg = "<svg viewBox=\"0 0 1 1\" role=\"img\"><title>a</title>\n<path class=\"k3\"/>\n</svg>\n";
        for name in ["../E 1 + <coop>, 8 shots", "e-1-coop-8-shots"] {
            assert!(figures.add(name, "<b>", svg).0.contains("&lt;b&gt;"));
        }
        figures.add("none", "", "<p>This plot could not be drawn</p>");
        let files: Vec<(String, &str)> = figures.files().collect();
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["e-1-coop-8-shots.svg", "e-1-coop-8-shots-2.svg"]);
        let text = files[0].1;
        assert!(text.starts_with("<svg xmlns=") && text.contains(".k3 { stroke: #0067a8; }"), "{text}");
        assert!(!text.contains("var("), "{text}");
    }
}
