//! Yes or no for each of some videos, from a table.

use std::collections::HashMap;
use std::path::Path;

use crate::CliError;

/// Words for yes and no in tables.
const YES: [&str; 5] = ["1", "1.0", "yes", "true", "positive"];
const NO: [&str; 5] = ["0", "0.0", "no", "false", "negative"];

/// Labels by the names of files, without folders and endings.
#[derive(Debug)]
pub(crate) struct Labels {
    labels: HashMap<String, Option<bool>>,
}

impl Labels {
    /// Reads the first column as names, or one called `name` or `FileName`, and the labels from the first of `columns` that is there.
    ///
    /// # Errors
    /// It is no such table, a label is neither yes nor no, or a name has two labels.
    pub(crate) fn read(path: &Path, columns: &[&str]) -> Result<Self, CliError> {
        let complain = |reason: String| CliError::File { path: path.to_owned(), reason };
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(CliError::file(path))?;
        let header = reader.headers().map_err(CliError::file(path))?.clone();
        let place = |name: &str| {
            header.iter().position(|column| column.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
        };
        let name = ["name", "FileName", "video"].iter().find_map(|name| place(name)).unwrap_or(0);
        let label = columns.iter().find_map(|column| place(column)).ok_or_else(|| {
            let header: Vec<&str> = header.iter().collect();
            complain(format!("it has no column {}; its columns are {}", columns.join(" or "), header.join(", ")))
        })?;
        let mut labels = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(CliError::file(path))?;
            let word = record.get(label).unwrap_or_default().to_lowercase();
            let line = record.position().map_or(0, csv::Position::line);
            let label = |word: &str| {
                yes_or_no(word)
                    .map_err(|word| complain(format!("line {line}: the label {word:?} is neither yes nor no (1 or 0)")))
            };
            let value = if word.is_empty() { None } else { Some(label(&word)?) };
            let video = plain(record.get(name).unwrap_or_default());
            if let Some(other) = labels.insert(video.clone(), value)
                && other != value
            {
                return Err(complain(format!("line {line}: {video} has two labels")));
            }
        }
        Ok(Self { labels })
    }

    /// The label of a video; `None` where its field is empty or it is not listed.
    pub(crate) fn of(&self, name: &str) -> Option<bool> {
        self.labels.get(&plain(name)).copied().flatten()
    }
}

/// What a word of a table says.
///
/// # Errors
/// The word, which says neither.
pub(crate) fn yes_or_no(word: &str) -> Result<bool, String> {
    match word.to_lowercase() {
        word if YES.contains(&word.as_str()) => Ok(true),
        word if NO.contains(&word.as_str()) => Ok(false),
        word => Err(word),
    }
}

/// A file's name without folder and ending.
pub(crate) fn plain(name: &str) -> String {
    let last = echo_files::from_cell(name).rsplit(['/', '\\']).next().unwrap_or_default();
    Path::new(last).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Labels, CliError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Labels::read(file.path(), &["pacemaker", "label"])
    }

    #[test]
    fn labels_are_found_by_the_names_of_files() {
        let labels = read("FileName,EF,Label\na.avi,55,1\nb,40,no\nc.avi,,\n").unwrap();
        let found = ["/data/a.avi", "b.dcm", "c", "d.avi"].map(|name| labels.of(name));
        assert_eq!(found, [Some(true), Some(false), None, None]);
    }

    #[test]
    fn what_is_no_label_is_named() {
        assert!(read("name,label\na,maybe\n").unwrap_err().to_string().contains("line 2: the label \"maybe\""));
        assert!(read("name,label\na,1\na.avi,0\n").unwrap_err().to_string().contains("two labels"));
        assert!(read("name,grade\na,1\n").unwrap_err().to_string().contains("its columns are name, grade"));
    }
}
