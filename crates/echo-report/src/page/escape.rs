//! Text from records and files as HTML.

use echo_files::printable;

/// `text` with the five characters that HTML gives a meaning, and with what no terminal should get spelt out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            character => escaped.push_str(&printable(character.encode_utf8(&mut [0; 4]))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_hostile_name_is_markup() {
        let name = "<script>alert('x')</script>\" & \u{1b}\u{202e}";
        let escaped = escape(name);
        assert_eq!(escaped, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot; &amp; \\u{1b}\\u{202e}");
    }
}
