//! What stands in a page or a plot, whoever wrote the records: markup is escaped where it is put in, this is the rest.

use echo_files::printable;

/// `page` with what no terminal should get spelt out, but for line breaks and tabs.
pub(super) fn visible(page: &str) -> String {
    let line = |line: &str| line.split('\t').map(printable).collect::<Vec<_>>().join("\t");
    page.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    #[test]
    fn nothing_of_a_hostile_name_is_markup() {
        let name = "<script>alert('x')</script>\" & \u{1b}\u{202e}\t\n";
        let page = visible(&html! { p title=(name) { (name) } }.into_string());
        let escaped = "&lt;script&gt;alert('x')&lt;/script&gt;&quot; &amp; \\u{1b}\\u{202e}\t\n";
        assert_eq!(page, format!("<p title=\"{escaped}\">{escaped}</p>"));
    }
}
