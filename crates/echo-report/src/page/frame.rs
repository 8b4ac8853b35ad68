//! What every page has: one file that opens offline, in which nothing is fetched, with a warning above all else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figures::{COLORS, PLOTS};
use super::visible::visible;

const STYLE: &str = include_str!("style.css");

/// Nothing is fetched, whatever stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// A page with a heading, warnings, and sections that are listed at its top.
#[derive(Debug)]
pub struct Page<'a> {
    /// Its heading.
    pub title: &'a str,
    /// What its numbers do not mean; that it is not for clinical use is said on every page.
    pub warnings: Vec<String>,
    /// What it has.
    pub sections: Vec<PageSection<'a>>,
    /// CSS beside that of every page.
    pub style: &'a str,
    /// JavaScript at its end; empty for none.
    pub script: &'a str,
}

/// A part of a page.
#[derive(Debug)]
pub struct PageSection<'a> {
    /// Its address within the page: a word.
    pub address: &'a str,
    /// Its heading.
    pub heading: &'a str,
    /// What stands in it.
    pub body: Markup,
}

impl Page<'_> {
    /// The whole file. What no terminal should get is spelt out in it.
    pub fn to_html(&self) -> String {
        let Self { title, warnings, sections, style, script } = self;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    title { (title) }
                    style { (PreEscaped(COLORS)) (PreEscaped(STYLE)) (PreEscaped(PLOTS)) (PreEscaped(style)) }
                }
                body {
                    header {
                        h1 { (title) }
                        p.warning { strong { "Not for clinical use." } }
                        @for warning in warnings { p.warning { (warning) } }
                        nav aria-label="Sections" {
                            ul { @for section in sections { li { a href={ "#" (section.address) } { (section.heading) } } } }
                        }
                    }
                    main {
                        @for section in sections {
                            section id=(section.address) { h2 { (section.heading) } (section.body) }
                        }
                    }
                    @if !script.is_empty() { script { (PreEscaped(script)) } }
                }
            }
        };
        visible(&page.into_string())
    }
}

/// A JPEG as the address of a picture in a page.
pub fn jpeg_address(jpeg: &[u8]) -> String {
    format!("data:image/jpeg;base64,{}", base64(jpeg))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain(&[0; 3]).take(3).fold(0_usize, |word, &byte| word << 8 | usize::from(byte));
        for place in 0..4 {
            match place <= chunk.len() {
                true => text.push(char::from(ALPHABET[word >> (18 - 6 * place) & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, expected) in cases {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(jpeg_address(&[0xfb, 0xff, 0xfe]), "data:image/jpeg;base64,+//+");
    }

    #[test]
    fn a_page_warns_lists_its_sections_and_fetches_nothing() {
        let body = html! { p { "<b> & \u{202e}" } };
        let sections = vec![PageSection { address: "videos", heading: "Videos", body }];
        let page =
            Page { title: "A < B", warnings: vec!["phantoms & more".to_owned()], sections, style: "i{}", script: "" };
        let page = page.to_html();
        for part in [
            "<h1>A &lt; B</h1>",
            "Not for clinical use.",
            "phantoms &amp; more",
            "href=\"#videos\"",
            "<section id=\"videos\"><h2>Videos</h2><p>&lt;b&gt; &amp; \\u{202e}</p>",
            "default-src 'none'",
            "i{}</style>",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<script"));
    }
}
