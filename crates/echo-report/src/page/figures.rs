//! The page's plots, which stand beside it as files too.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use super::visible::visible;

/// What colours are called, one declaration after another.
pub(super) const COLORS: &str = include_str!("colors.css");
/// What plots' classes look like.
pub(super) const PLOTS: &str = include_str!("plots.css");

/// Plots by the names of their files, without the ending.
#[derive(Debug, Default)]
pub(super) struct Figures(BTreeMap<String, String>);

impl Figures {
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
            let free = (1..).map(other).find(|name| !self.0.contains_key(name)).unwrap_or(plain.clone());
            self.0.insert(free, visible(&alone(svg)));
        }
        html! { figure { figcaption { (caption) } (PreEscaped(svg)) } }
    }

    /// Names of files, and what they hold.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().map(|(name, svg)| (format!("{name}.svg"), svg.as_str()))
    }
}

/// The plot with its colours, for programs that know no page and no variables: those of light paper.
fn alone(svg: &str) -> String {
    let mut style = PLOTS.to_owned();
    let values = COLORS.split(['{', '}', ';']).filter_map(|one| one.trim().strip_prefix("--")?.split_once(": "));
    for (name, value) in values {
        style = style.replace(&format!("var(--{name})"), value);
    }
    let style = format!("<style>\nsvg {{ background: #ffffff; font-family: sans-serif; }}\n{style}</style>\n");
    let svg = svg.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
    svg.replacen("</title>\n", &format!("</title>\n{style}"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_plain_name_of_its_own_and_needs_no_page() {
        let mut figures = Figures::default();
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
