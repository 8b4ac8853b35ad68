//! Somebody else's split of a data set, such as the few-shot lists of a paper.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use crate::dataset_config::DatasetConfig;
use crate::error::DataError;
use crate::spelling::{is_same_but_for_folders, plain};
use crate::split::Split;
use crate::table::{Table, is_missing};

/// Which videos of a data set a split file puts where: places in the list that was given, in the file's
/// order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitFile {
    /// Training videos.
    pub train: Vec<usize>,
    /// Validation videos.
    pub validation: Vec<usize>,
    /// Test videos.
    pub test: Vec<usize>,
    /// Names in the file that are none of those given: not listed, without a file, or without a label.
    pub unknown: Vec<String>,
    /// Rows without a name or a split: the video or the line.
    pub incomplete: Vec<String>,
    /// Names repeated in the file with the same split: each repetition once.
    pub duplicates: Vec<String>,
}

impl SplitFile {
    /// The videos of one split.
    pub fn of(&self, split: Split) -> &[usize] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}

/// Reads who is in which split from a CSV file and looks the names up in `names`, those of the videos of the data set that
/// `config` describes. Columns and words are those of the description, or `FileName` and `Split` with TRAIN, VAL and TEST.
/// Labels are the data set's, whatever else the file holds; videos that the file does not name are in no split.
///
/// # Errors
/// A file that cannot be read, a column that is absent, an unknown split, a video in two splits.
pub fn read_split_file(path: &Path, names: &[&str], config: &DatasetConfig) -> Result<SplitFile, DataError> {
    let table = Table::read(path)?;
    let column = |own: Option<&str>, usual: &str| -> Result<usize, DataError> {
        let own = own.filter(|own| *own != usual);
        if let Some(place) = own.map(|own| table.optional_column(own)).transpose()?.flatten() {
            return Ok(place);
        }
        let or = |error| match (error, own) {
            (DataError::Column { path, column, count: 0, found }, Some(own)) => DataError::Column {
                path,
                column: format!("{own}, as in the description, or {column}"),
                count: 0,
                found,
            },
            (error, _) => error,
        };
        table.column(usual).map_err(or)
    };
    let file_name = column(Some(config.file.columns.video.as_str()), "FileName")?;
    let split = column(config.file.columns.split.as_deref(), "Split")?;
    let places: HashMap<&str, usize> =
        names.iter().enumerate().map(|(place, name)| (config.without_extension(name), place)).collect();
    // Where a name is not spelt as in the data set, the only one that differs in its spelling.
    let mut spelt: HashMap<String, Vec<(String, usize)>> = HashMap::new();
    for (place, name) in names.iter().map(|name| plain(config.without_extension(name))).enumerate() {
        spelt.entry(last_part(&name).to_owned()).or_default().push((name, place));
    }
    let near = |name: &str| {
        let name = plain(name);
        let mut same = spelt.get(last_part(&name)).into_iter().flatten();
        let mut same = same.by_ref().filter(|(other, _)| is_same_but_for_folders(other, &name));
        match (same.next(), same.next()) {
            (Some((_, place)), None) => Some(*place),
            _ => None,
        }
    };
    let mut result = SplitFile::default();
    let mut seen: HashMap<String, (u64, Split)> = HashMap::with_capacity(table.rows.len());
    for (line, fields) in &table.rows {
        let present = |column: usize| fields.get(column).filter(|field| !is_missing(field));
        let (Some(field), Some(word)) = (present(file_name), present(split)) else {
            result.incomplete.push(present(file_name).map_or_else(|| format!("line {line}"), str::to_owned));
            continue;
        };
        let name = config.without_extension(field);
        let split = match Split::parse(word).filter(|_| config.split_of(word).is_none()) {
            Some(split) => split,
            None => config.split_in(&table, *line, name, word)?,
        };
        let place = places.get(name).copied().or_else(|| near(name));
        if place.is_none() {
            table.check_missing(*line, name)?;
        }
        // Two spellings of one video are one video.
        let known = place.map_or(name, |place| names[place]);
        match seen.entry(known.to_owned()) {
            Entry::Vacant(entry) => entry.insert((*line, split)),
            Entry::Occupied(first) if first.get().1 == split => {
                result.duplicates.push(known.to_owned());
                continue;
            }
            Entry::Occupied(first) => return Err(table.contradiction(name, first.get().0, *line)),
        };
        match (place, split) {
            (None, _) => result.unknown.push(name.to_owned()),
            (Some(place), Split::Train) => result.train.push(place),
            (Some(place), Split::Validation) => result.validation.push(place),
            (Some(place), Split::Test) => result.test.push(place),
        }
    }
    Ok(result)
}

/// What stands after the last slash.
fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SplitFile, DataError> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("the temporary file can be written");
        read_split_file(file.path(), &["a", "b", "c", "d"], &DatasetConfig::echonet())
    }

    #[test]
    fn columns_and_words_are_those_of_the_description_or_the_usual_ones() -> Result<(), DataError> {
        let text = "name = 'x'\ntable = 'x.csv'\nvideos = { folder = 'v', extension = 'mp4' }\n\
                    columns = { video = 'Clip', split = 'Fold' }\n\
                    words = { train = ['0'], validation = ['1'], test = ['2', 'train'] }\n";
        let config = DatasetConfig::parse(Path::new("own.toml"), text)?;
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let read = |text: &str| {
            std::fs::write(file.path(), text).expect("the temporary file can be written");
            read_split_file(file.path(), &["a", "b", "c"], &config)
        };
        let split = read("clip,fold\na.mp4,0\nb,VAL\nc,2\n")?;
        assert_eq!((split.train, split.validation, split.test), (vec![0], vec![1], vec![2]));
        let split = read("FileName,Split\na,1\nb,train\n")?;
        assert_eq!((split.validation, split.test), (vec![0], vec![1]), "the description's words come first");
        let error = read("Video,Fold\na,0\n").unwrap_err().to_string();
        assert!(error.contains("Clip") && error.contains("FileName") && error.contains("Video, Fold"), "{error}");
        let error = read("Clip,Fold\na,7\n").unwrap_err().to_string();
        assert!(error.contains("one of 0, 1, 2, train"), "{error}");
        Ok(())
    }

    #[test]
    fn names_become_places_and_strangers_are_reported() -> Result<(), DataError> {
        let split =
            read("\u{feff}FileName,EF,Split\r\nc,1,TRAIN\r\nx,2,VAL\r\na.avi,3,train\r\nb,4,VAL\r\nc,5,TRAIN\r\n")?;
        assert_eq!((split.of(Split::Train), split.of(Split::Validation)), (&[2, 0][..], &[1][..]));
        assert_eq!(split.of(Split::Test), [0; 0]);
        assert_eq!((split.unknown, split.duplicates), (vec!["x".to_owned()], vec!["c".to_owned()]));
        Ok(())
    }

    #[test]
    fn other_spellings_are_found_and_rows_that_say_nothing_are_listed() -> Result<(), DataError> {
        let split = read("FileName;Split\nVideos\\A.avi;TRAIN\n/data/b;TEST\nc;NA\n;VAL\nD;VAL\nba;TEST\n")?;
        assert_eq!((split.train, split.validation, split.test), (vec![0], vec![3], vec![1]));
        assert_eq!(split.incomplete, ["c", "line 5"]);
        assert_eq!(split.unknown, ["ba"]);
        let error = read("FileName,Split\na,TRAIN\nVideos/A,TEST\n").unwrap_err().to_string();
        assert!(error.contains("lines 2 and 3"), "{error}");
        Ok(())
    }

    #[test]
    fn a_video_in_two_splits_is_refused() {
        let error = read("FileName,Split\na,TRAIN\nb,VAL\na.avi,TEST\n").unwrap_err().to_string();
        assert!(error.contains("lines 2 and 4"), "{error}");
        let error = read("FileName,Split\n\"a,TRAIN\nb\",VAL\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("line break"), "{error}");
        let error = read("FileName,Fold\na,TRAIN\n").unwrap_err().to_string();
        assert!(error.contains("\"Split\""), "{error}");
    }
}
