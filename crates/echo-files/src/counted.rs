//! Numbers of things in sentences.

/// `1 cell`, `3 cells`, `2 studies`, `2 classes`: `count` of what is called `noun`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {}", plural(noun)) }
}

/// `cells`, `studies`, `classes`.
pub fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if noun.ends_with('s') => format!("{noun}es"),
        None => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_nothing_is_plural() {
        assert_eq!(
            [0, 1, 2].map(|count| counted(count, "test study")),
            ["0 test studies", "1 test study", "2 test studies"]
        );
        assert_eq!([1, 12].map(|count| counted(count, "class")), ["1 class", "12 classes"]);
        assert_eq!(counted(3, "cell"), "3 cells");
    }
}
