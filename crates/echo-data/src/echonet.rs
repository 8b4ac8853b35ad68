//! EchoNet-Dynamic's layout: `FileList.csv` beside a folder `Videos`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::split::Split;
use crate::table::{Table, without_avi};

/// A video that can be used: its file is there and its ejection fraction known.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoRecord {
    /// The name without `.avi`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Ejection fraction in percent, 0 to 100.
    pub ef: f32,
    /// End-systolic volume in ml.
    pub esv: Option<f32>,
    /// End-diastolic volume in ml.
    pub edv: Option<f32>,
    /// The part of the data set.
    pub split: Split,
}

/// A data set, and what of its list could not be used.
#[derive(Clone, Debug, PartialEq)]
pub struct EchoNet {
    /// The usable videos in the list's order.
    pub records: Vec<VideoRecord>,
    /// The others.
    pub report: Report,
}

/// Rows of the list that made no record. Names are without `.avi`, in the list's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The folder in which the videos were looked for.
    pub videos: PathBuf,
    /// Videos without an ejection fraction.
    pub without_ef: Vec<String>,
    /// Videos listed again with the same values: each repetition once. They are in `records` once.
    pub duplicates: Vec<String>,
    /// Videos with an ejection fraction, but without a file.
    pub missing: Vec<String>,
}

impl EchoNet {
    /// The same data set, if every video of the list that has an ejection fraction is there.
    ///
    /// # Errors
    /// [`DataError::MissingVideos`] with all missing videos.
    pub fn require_all(self) -> Result<Self, DataError> {
        if self.report.missing.is_empty() {
            return Ok(self);
        }
        Err(DataError::MissingVideos { dir: self.report.videos, names: self.report.missing })
    }
}

/// What a row says.
#[derive(PartialEq)]
struct Row {
    ef: Option<f32>,
    esv: Option<f32>,
    edv: Option<f32>,
    split: Split,
}

/// Reads `FileList.csv` in `dir` and looks for its videos in `Videos`.
///
/// Needs the columns `FileName`, `EF` and `Split`, takes `ESV` and `EDV` where they are, and lets others be. Videos that
/// are missing are no error here: see [`EchoNet::require_all`].
///
/// # Errors
/// A list or folder that cannot be read, a column that is absent, a value that cannot be (an ejection fraction outside
/// 0 to 100, an unknown split), two rows that contradict each other.
pub fn read_echonet(dir: &Path) -> Result<EchoNet, DataError> {
    let table = Table::read(&dir.join("FileList.csv"))?;
    let (file_name, ef, split) = (table.column("FileName")?, table.column("EF")?, table.column("Split")?);
    let (esv, edv) = (table.optional_column("ESV")?, table.optional_column("EDV")?);

    let videos = dir.join("Videos");
    let files = avi_files(&videos)?;
    let mut report = Report { videos, ..Report::default() };
    let mut records = Vec::with_capacity(table.rows.len());
    let mut seen: HashMap<&str, (u64, Row)> = HashMap::with_capacity(table.rows.len());
    for (line, fields) in &table.rows {
        let field = |column: usize| fields.get(column).unwrap_or_default();
        let name = table.name(*line, field(file_name))?;
        let number = |column, value: &str, most| match parse(value, 0.0, most) {
            Some(number) => Ok(number),
            None => {
                let range = if most.is_finite() { format!("from 0 to {most}") } else { "of at least 0".to_owned() };
                Err(table.wrong_row(
                    *line,
                    name,
                    format!("{column} is {value:?}; it must be a number {range}, or empty"),
                ))
            }
        };
        let volume = |column, place: Option<usize>| number(column, place.map_or("", field), f64::INFINITY);
        let row = Row {
            ef: number("EF", field(ef), 100.0)?,
            esv: volume("ESV", esv)?,
            edv: volume("EDV", edv)?,
            split: table.split(*line, name, field(split))?,
        };
        let row = match seen.entry(name) {
            Entry::Vacant(entry) => &entry.insert((*line, row)).1,
            Entry::Occupied(first) if first.get().1 == row => {
                report.duplicates.push(name.to_owned());
                continue;
            }
            Entry::Occupied(first) => return Err(table.contradiction(name, first.get().0, *line)),
        };
        match (row.ef, files.get(name)) {
            (None, _) => report.without_ef.push(name.to_owned()),
            (Some(_), None) => report.missing.push(name.to_owned()),
            (Some(ef), Some(path)) => {
                let Row { esv, edv, split, .. } = *row;
                records.push(VideoRecord { name: name.to_owned(), path: path.clone(), ef, esv, edv, split });
            }
        }
    }
    Ok(EchoNet { records, report })
}

/// `Some(None)` for an empty field, `None` for what is not a number in `least..=most`.
pub(crate) fn parse(value: &str, least: f64, most: f64) -> Option<Option<f32>> {
    if value.is_empty() {
        return Some(None);
    }
    let exact = value.parse::<f64>().ok().filter(|exact| exact.is_finite() && (least..=most).contains(exact))?;
    let rounded = exact as f32;
    // 29.999999999 belongs to the bin 29 of a few-shot draw; rounding to f32 must not lift it into the next.
    let kept = if f64::from(rounded.floor()) > exact { rounded.next_down() } else { rounded };
    kept.is_finite().then_some(Some(kept))
}

/// The AVI files of a folder by their name without extension: read once, since a look-up per video is slow on the
/// network drives that such data lives on.
fn avi_files(dir: &Path) -> Result<HashMap<String, PathBuf>, DataError> {
    let io = |source| DataError::Io { path: dir.to_owned(), source };
    let mut files = HashMap::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let file_name = entry.file_name();
        if let Some(name) = file_name.to_str().and_then(without_avi)
            && !entry.file_type().map_err(io)?.is_dir()
        {
            files.insert(name.to_owned(), entry.path());
        }
    }
    Ok(files)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A data set with this list and these video files (empty: nothing here decodes them).
    fn read(list: &str, files: &[&str]) -> Result<EchoNet, DataError> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let write = |path: PathBuf, text: &str| fs::write(path, text).expect("a file in the temporary folder");
        write(dir.path().join("FileList.csv"), list);
        fs::create_dir(dir.path().join("Videos")).expect("a folder in the temporary folder");
        files.iter().for_each(|file| write(dir.path().join("Videos").join(file), ""));
        read_echonet(dir.path())
    }

    fn names(records: &[VideoRecord]) -> Vec<&str> {
        records.iter().map(|record| record.name.as_str()).collect()
    }

    #[test]
    fn the_released_form_is_read_with_its_byte_order_mark() -> Result<(), DataError> {
        let list = "\u{feff}FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\r\n\
            a,59.5,39.5,96.75,112,112,50,186,TRAIN\r\nb.avi,8,,,112,112,50,99,val\r\nc.AVI,100,1,2,112,112,50,99,Test\r\n";
        let data = read(list, &["a.avi", "b.AVI", "c.avi", "not_listed.avi", "c.txt"])?.require_all()?;
        assert_eq!(names(&data.records), ["a", "b", "c"]);
        let [a, b, c] = &data.records[..] else { panic!("{:?}", data.records) };
        assert_eq!((a.ef, a.esv, a.edv, a.split), (59.5, Some(39.5), Some(96.75), Split::Train));
        assert_eq!((b.ef, b.esv, b.edv, b.split), (8.0, None, None, Split::Validation));
        assert_eq!((c.ef, c.split), (100.0, Split::Test));
        assert!(a.path.ends_with("Videos/a.avi") && b.path.ends_with("Videos/b.AVI"), "{a:?} {b:?}");
        assert_eq!(data.report, Report { videos: data.report.videos.clone(), ..Report::default() });
        Ok(())
    }

    #[test]
    fn what_cannot_be_used_is_listed_all_at_once() -> Result<(), DataError> {
        let list = "Split,FileName,EF\nTRAIN,a,50\nTRAIN,gone1,50\nVAL,unread,\nTRAIN,a.avi,50.0\nTEST,gone2,40\n";
        let data = read(list, &["a.avi"])?;
        assert_eq!(names(&data.records), ["a"]);
        assert!(data.report.videos.ends_with("Videos"));
        assert_eq!(data.report.without_ef, ["unread"]);
        assert_eq!(data.report.duplicates, ["a"]);
        assert_eq!(data.report.missing, ["gone1", "gone2"]);
        let error = data.require_all().unwrap_err().to_string();
        assert!(error.starts_with("2 of the listed videos") && error.ends_with("gone1, gone2"), "{error}");
        Ok(())
    }

    #[test]
    fn a_folder_is_no_video() -> Result<(), DataError> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::write(dir.path().join("FileList.csv"), "FileName,EF,Split\na,50,TRAIN\n").expect("a list");
        fs::create_dir_all(dir.path().join("Videos/a.avi")).expect("a folder in the temporary folder");
        assert_eq!(read_echonet(dir.path())?.report.missing, ["a"]);
        Ok(())
    }

    #[test]
    fn rows_that_contradict_each_other_are_named() {
        for second in ["a,51,TRAIN", "a.avi,50,TEST", "a,,TRAIN"] {
            let error =
                read(&format!("FileName,EF,Split\na,50,TRAIN\n{second}\n"), &["a.avi"]).unwrap_err().to_string();
            assert!(error.contains("lines 2 and 3") && error.contains("\"a\""), "{error}");
        }
    }

    #[test]
    fn values_that_cannot_be_name_their_row() {
        for ef in ["NaN", "-1", "100.5", "inf", "fifty", "1e999"] {
            let error = read(&format!("FileName,EF,Split\na,50,TRAIN\nb,{ef},TRAIN\n"), &[]).unwrap_err().to_string();
            assert!(error.contains("line 3, video \"b\"") && error.contains(ef), "{error}");
        }
        let error = |row: &str| read(&format!("FileName,EF,ESV,Split\n{row}\n"), &[]).unwrap_err().to_string();
        assert!(error("a,50,-3,TRAIN").contains("ESV is \"-3\""));
        assert!(error("a,50,3,DEV").contains("the split is \"DEV\""));
        assert!(error(".avi,50,3,TRAIN").contains("the file name is empty"));
    }

    #[test]
    fn a_missing_column_list_or_folder_is_named() {
        let error = read("FileName,EF\na,50\n", &[]).unwrap_err().to_string();
        assert!(error.contains("\"Split\"") && error.contains("FileName, EF"), "{error}");
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert!(read_echonet(dir.path()).unwrap_err().to_string().contains("FileList.csv"));
        fs::write(dir.path().join("FileList.csv"), "FileName,EF,Split\n").expect("a file in the temporary folder");
        assert!(read_echonet(dir.path()).unwrap_err().to_string().contains("Videos"));
    }

    #[test]
    fn rounding_to_f32_does_not_change_the_bin() {
        assert_eq!(parse("29.9999999999", 0.0, 100.0).flatten().map(f32::floor), Some(29.0));
        assert_eq!(parse("30", 0.0, 100.0), Some(Some(30.0)));
        assert_eq!(parse("59.06136306", 0.0, 100.0), Some(Some(59.061_363)));
    }
}
