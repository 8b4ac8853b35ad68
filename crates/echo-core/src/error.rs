//! What can go wrong between an encoder and its caller.

/// An error of the vocabulary: a name, shape or text that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text is longer than the text encoder's context.
    #[error(
        "the text has {tokens} tokens{}, the text encoder takes {limit}; shorten it: {}",
        if *context > 0 { format!(" with {context} context vectors") } else { String::new() },
        beginning(text)
    )]
    TextTooLong {
        /// Tokens of the text, with its start and end, and the context vectors.
        tokens: usize,
        /// Learnt vectors that are put before it.
        context: usize,
        /// The text encoder's context length.
        limit: usize,
        /// The text.
        text: String,
    },
    /// A name that is none of the known ones.
    #[error("unknown {what} {name:?}{}; known: {known}", did_you_mean.as_ref().map(|near| format!(", did you mean {near:?}?")).unwrap_or_default())]
    UnknownName {
        /// What is named: "encoder", "adapter", "preset of panecho".
        what: String,
        /// The name given.
        name: String,
        /// The nearest known name, if one is near.
        did_you_mean: Option<String>,
        /// All known names, joined by commas.
        known: String,
    },
    /// A rank specification whose bins do not cover or do not ascend.
    #[error("ranks: {reason}")]
    Ranks {
        /// Which rank is at fault, from 0.
        place: usize,
        /// Why.
        reason: String,
    },
    /// A task that nothing can be trained or scored for.
    #[error("task {task}: {reason}")]
    Task {
        /// Its name.
        task: String,
        /// Why, and what would be right.
        reason: String,
    },
    /// A result that is no number.
    #[error("{what}: {wrong} of {total} values are not finite (NaN or infinity), so nothing can be said of it")]
    NotFinite {
        /// What it is of: an input's name.
        what: String,
        /// How many values are not finite.
        wrong: usize,
        /// Of how many.
        total: usize,
    },
    /// Something the encoder cannot do.
    #[error("{encoder} {reason}")]
    Unsupported {
        /// The encoder's name.
        encoder: String,
        /// Why, and what can be done instead.
        reason: String,
    },
}

impl Error {
    /// An [`Error::UnknownName`] with the nearest of `known` as a suggestion.
    pub fn unknown_name(what: impl Into<String>, name: &str, known: &[&str]) -> Self {
        let nearest = known.iter().map(|candidate| (edit_distance(name, candidate), candidate)).min();
        let did_you_mean = nearest
            .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
            .map(|(_, candidate)| candidate.to_string());
        Self::UnknownName { what: what.into(), name: name.to_owned(), did_you_mean, known: known.join(", ") }
    }
}

/// Every value that leaves the program passes through this.
///
/// # Errors
/// [`Error::NotFinite`] for `what`, if one of its values is not finite.
pub fn check_finite(what: &str, values: &[f32]) -> Result<(), Error> {
    match values.iter().filter(|value| !value.is_finite()).count() {
        0 => Ok(()),
        wrong => Err(Error::NotFinite { what: what.to_owned(), wrong, total: values.len() }),
    }
}

/// Levenshtein distance over bytes, case ignored.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase().into_bytes(), b.to_lowercase().into_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A text of the user's as far as it takes to know which it is.
fn beginning(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}, ...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_no_number_is_counted_and_named() {
        assert!(check_finite("a.avi", &[0.0, -1.5]).is_ok());
        let message = check_finite("a.avi", &[0.0, f32::NAN, f32::NEG_INFINITY]).unwrap_err().to_string();
        assert!(message.starts_with("a.avi: 2 of 3 values are not finite"), "{message}");
    }

    #[test]
    fn an_unknown_name_suggests_the_nearest_and_lists_all() {
        let known = ["echoclip", "echoprime", "panecho"];
        let message = Error::unknown_name("encoder", "EchoPrim", &known).to_string();
        assert_eq!(
            message,
            "unknown encoder \"EchoPrim\", did you mean \"echoprime\"?; known: echoclip, echoprime, panecho"
        );
        let message = Error::unknown_name("encoder", "resnet", &known).to_string();
        assert!(!message.contains("did you mean"), "{message}");
    }

    #[test]
    fn a_long_text_is_not_repeated_as_a_whole() {
        let message =
            |text: &str| Error::TextTooLong { tokens: 90, context: 0, limit: 77, text: text.to_owned() }.to_string();
        let with = Error::TextTooLong { tokens: 90, context: 16, limit: 77, text: "valve".repeat(20) }.to_string();
        assert!(
            with.starts_with("the text has 90 tokens with 16 context vectors, the text encoder takes 77"),
            "{with}"
        );
        assert!(message("mitral valve").ends_with("shorten it: \"mitral valve\""));
        assert!(message(&"né ".repeat(1000)).ends_with(&format!("shorten it: {:?}, ...", "né ".repeat(20))));
    }
}
