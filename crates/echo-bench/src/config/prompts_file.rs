//! Ranks and prompts from a file of the user's.

use std::path::Path;

use echo_core::{Error, Rank, RankSpec};
use serde::Deserialize;
use toml::Spanned;

use crate::BenchError;

/// A [`RankSpec`] whose ranks know where they stand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptsFile {
    ranks: Vec<Spanned<Rank>>,
}

/// The ranks in the file `path`.
///
/// # Errors
/// It cannot be read, or its ranks do not ascend; the error names the file and the line.
pub(crate) fn read_ranks(path: &Path) -> Result<RankSpec, BenchError> {
    let text = echo_files::read_text(path).map_err(BenchError::io(path))?;
    let what = path.display().to_string();
    let file: PromptsFile = toml::from_str(&text).map_err(|source| BenchError::Toml { what: what.clone(), source })?;
    let starts: Vec<usize> = file.ranks.iter().map(|rank| rank.span().start).collect();
    let ranks = RankSpec { ranks: file.ranks.into_iter().map(Spanned::into_inner).collect() };
    match ranks.validate() {
        Ok(()) => Ok(ranks),
        Err(Error::Ranks { place, reason }) => {
            let line = |&start: &usize| format!(", line {}", 1 + text[..start].matches('\n').count());
            let line = starts.get(place).map_or(String::new(), line);
            Err(BenchError::Config(format!("{what}{line}: {reason}")))
        }
        Err(other) => Err(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_the_file_and_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prompts.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_ranks(&path)
        };
        let rank = |up_to: &str, value: &str, prompt: &str| {
            format!("[[ranks]]\nup_to = {up_to}\nvalue = {value}\nprompt = \"{prompt}\"\n")
        };
        let first = rank("30", "15.0", "low");
        let spec = read(&(first.clone() + &rank("100", "60.0", "high"))).unwrap();
        assert_eq!((spec.ranks[1].up_to, spec.prompts()), (100, vec!["low", "high"]));
        for (second, line, about) in [
            (rank("20", "60.0", "high"), 5, "30 is followed by 20"),
            (rank("100", "10.0", "high"), 5, "15 is followed by 10"),
            (rank("100", "60.0", " "), 5, "needs a prompt"),
            (rank("100", "nan", "high"), 5, "NaN"),
            (rank("100", "inf", "high"), 5, "finite value"),
            (rank("100", "\"sixty\"", "high"), 7, "sixty"),
            (rank("100", "60.0", "high") + "weight = 2\n", 9, "weight"),
            (String::new(), 1, "at least two ranks"),
        ] {
            let error = read(&(first.clone() + &second)).unwrap_err().to_string();
            assert!(error.contains("prompts.toml"), "{error}");
            assert!(error.contains(&format!("line {line}")) && error.contains(about), "{line}: {error}");
        }
        assert!(read_ranks(&dir.path().join("absent.toml")).unwrap_err().to_string().contains("absent.toml"));
    }
}
