//! Messages to the user.

use std::borrow::Cow;
use std::io::Write;
use std::sync::OnceLock;

/// Who is handed messages instead of standard error.
static LISTENER: OnceLock<fn(&str)> = OnceLock::new();

/// Writes lines to standard error, [`printable`] each. A terminal that has gone or a full disk behind it loses the
/// message, never the work that it is about.
pub fn say(text: &str) {
    let lines = text.split('\n').map(printable).collect::<Vec<_>>().join("\n");
    if let Some(listener) = LISTENER.get() {
        return listener(&lines);
    }
    // One write, so that lines of several threads do not mix.
    let _ = std::io::stderr().lock().write_all(format!("{lines}\n").as_bytes());
}

/// Hands every further message of the process to `listener` instead, whatever thread says it: for a program that this one is
/// a library of. The first listener stays.
pub fn hand_messages_to(listener: fn(&str)) {
    let _ = LISTENER.set(listener);
}

/// Text from a file as a terminal may show it: line breaks, other control characters and marks that turn the direction
/// of writing are escaped as in Rust, so that no name can move the cursor, fake a line or hide what follows.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if is_unsafe(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Characters of a value that a message shows.
const SHOWN: usize = 80;

/// The beginning of a value from a file, for messages: a field may hold a whole table whose quote was never closed.
pub fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

fn is_unsafe(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_listener_is_handed_what_is_said() {
        static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
        hand_messages_to(|text| HEARD.lock().unwrap().push(text.to_owned()));
        hand_messages_to(|_| panic!("the first listener stays"));
        say("one line\nand \u{1b}[2J another");
        // Other tests of this process may say something too.
        assert!(HEARD.lock().unwrap().iter().any(|text| text == "one line\nand \\u{1b}[2J another"));
    }

    #[test]
    fn what_moves_the_cursor_is_spelt_out() {
        assert_eq!(printable("a\n\u{1b}[2J\u{202e}b"), "a\\n\\u{1b}[2J\\u{202e}b");
    }

    #[test]
    fn a_long_value_is_cut_between_characters_and_a_short_one_is_not() {
        assert!(matches!(excerpt("caf\u{e9}"), Cow::Borrowed("caf\u{e9}")));
        let long = "\u{e9}".repeat(SHOWN);
        assert_eq!(excerpt(&long), long);
        assert_eq!(excerpt(&(long.clone() + "x")), long + "…");
    }

    #[test]
    fn names_of_patients_are_left_as_they_are() {
        let name = "Jos\u{e9} \u{5d0}\u{5d1} \u{4e2d}.avi";
        assert!(matches!(printable(name), Cow::Borrowed(same) if same == name));
    }
}
