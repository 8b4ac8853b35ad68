//! Data sets as people have them: other names, other splits, mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use echo_data::{DataError, Dataset, DatasetConfig, Split, read_dataset, read_echonet};

/// Ranks that every target here has.
const RANKS: &str = "[{ up_to = 50, value = 30, prompt = 'low' }, { up_to = 500, value = 90, prompt = 'high' }]";

struct Place(tempfile::TempDir);

impl Place {
    /// A data set with this table and these files (empty: nothing here decodes them).
    fn new(table: &str, files: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        fs::write(place.path().join("table.csv"), table).expect("a table");
        fs::create_dir(place.path().join("clips")).expect("a folder");
        for file in files {
            let path = place.path().join("clips").join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// What a description with these entries reads.
    fn read(&self, entries: &str, target: &str) -> Result<Dataset, DataError> {
        let path = self.path().join("own.toml");
        let text = format!(
            "name = 'own'\ntable = 'table.csv'\n{entries}\n[targets.EF]\ncolumn = 'LVEF'\nunit = '%'\nleast = 0\nmost = 100\n\
             ranks = {RANKS}\n[targets.Strain]\nunit = '%'\nbin = 2\nranks = {RANKS}\n"
        );
        fs::write(&path, text).expect("a description");
        read_dataset(self.path(), &DatasetConfig::read(&path)?, target)
    }

    fn error(&self, entries: &str, target: &str) -> String {
        self.read(entries, target).expect_err("an error").to_string()
    }
}

const COLUMNS: &str = "videos = { folder = 'clips' }\ncolumns = { video = 'Clip', split = 'Fold' }";
const PATIENTS: &str = "videos = { folder = 'clips' }\ncolumns = { video = 'Clip', patient = 'Patient ID' }\n\
                        split = { seed = 3 }";

fn names(data: &Dataset, split: Split) -> Vec<&str> {
    data.videos.iter().filter(|video| video.split == split).map(|video| video.name.as_str()).collect()
}

#[test]
fn the_shipped_description_reads_what_read_echonet_reads() -> Result<(), DataError> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let list = "\u{feff}FileName,EF,ESV,EDV,FPS,Split\r\na,59.5,39.5,96.75,50,TRAIN\r\nb.avi,8,,,50,val\r\n\
                c.AVI,100,1,2,50,Test\r\ngone,50,1,2,50,TEST\r\nunread,,1,2,50,TRAIN\r\na.avi,59.5,39.5,96.75,50,train\r\n\
                d,29.9999999999,10,40,50,TRAIN\r\n";
    fs::write(dir.path().join("FileList.csv"), list).expect("a list");
    fs::create_dir(dir.path().join("Videos")).expect("a folder");
    for file in ["a.avi", "b.AVI", "c.avi", "d.avi", "unread.avi", "not_listed.avi", "c.txt"] {
        fs::write(dir.path().join("Videos").join(file), "").expect("a file");
    }
    let old = read_echonet(dir.path())?;
    assert_eq!(old.records.len(), 4);
    let new = read_dataset(dir.path(), &DatasetConfig::echonet(), "EF")?;
    let of_old: Vec<_> = old.records.iter().map(|r| (&r.name, &r.path, r.ef.to_bits(), r.split)).collect();
    let of_new: Vec<_> = new.videos.iter().map(|v| (&v.name, &v.path, v.truth.to_bits(), v.split)).collect();
    assert_eq!(of_new, of_old);
    assert_eq!(
        (&new.report.folder, &new.report.without_target, &new.report.duplicates, &new.report.missing),
        (&old.report.videos, &old.report.without_ef, &old.report.duplicates, &old.report.missing)
    );
    for (target, volume) in [("EDV", 1), ("ESV", 0)] {
        let read = read_dataset(dir.path(), &DatasetConfig::echonet(), target)?;
        let known: BTreeMap<&str, f32> =
            old.records.iter().filter_map(|r| Some((r.name.as_str(), [r.esv, r.edv][volume]?))).collect();
        let found: BTreeMap<&str, f32> =
            read.videos.iter().map(|v| (v.name.as_str(), v.truth)).filter(|(name, _)| *name != "unread").collect();
        assert_eq!(found, known, "{target}");
        assert_eq!(read.report.without_target, ["b"], "{target}");
    }
    Ok(())
}

#[test]
fn columns_words_folders_and_extensions_are_what_the_description_says() -> Result<(), DataError> {
    let place = Place::new(
        "Fold,lvef,Patient ID,Clip,Strain\n1,55,p1,a,-18.5\n2,40.5,p1/x,b.MP4,-12\nheld out,30,p2,a2,\n",
        &["p1/a.mp4", "p1/x/b.mp4", "p2/a2.mp4", "p2/a2.avi"],
    );
    let entries = "videos = { folder = 'clips', file = '{patient}/{video}', extension = '.mp4' }\n\
                   columns = { video = 'clip', split = 'FOLD', patient = 'patient id' }\n\
                   words = { train = ['1'], validation = ['2'], test = ['Held Out'] }";
    let data = place.read(entries, "EF")?;
    assert_eq!([Split::Train, Split::Validation, Split::Test].map(|split| names(&data, split)), [["a"], ["b"], ["a2"]]);
    assert_eq!(data.videos.iter().map(|video| video.truth).collect::<Vec<_>>(), [55.0, 40.5, 30.0]);
    assert!(data.videos[1].path.ends_with("clips/p1/x/b.mp4"));
    let data = place.read(entries, "strain")?;
    assert_eq!(data.videos.iter().map(|video| video.truth).collect::<Vec<_>>(), [-18.5, -12.0]);
    assert_eq!(data.report.without_target, ["a2"]);
    Ok(())
}

#[test]
fn a_drawn_split_leaks_no_patient_and_depends_on_their_names_and_the_seed_alone() -> Result<(), DataError> {
    let rows: Vec<String> =
        (0..240).map(|row| format!("v{row},patient {},{}\n", row * 7 % 60, 20 + row % 60)).collect();
    let files: Vec<String> = (0..240).map(|row| format!("v{row}.avi")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let table = |rows: &[String]| "Clip,Patient ID,LVEF\n".to_owned() + &rows.concat();
    let data = Place::new(&table(&rows), &files).read(PATIENTS, "EF")?;
    let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for video in &data.videos {
        splits.entry(video.patient.as_deref().unwrap()).or_default().insert(video.split);
    }
    assert_eq!(splits.len(), 60);
    assert!(splits.values().all(|splits| splits.len() == 1), "{splits:?}");
    let count = |split: Split| splits.values().filter(|of| of.contains(&split)).count();
    assert_eq!([Split::Train, Split::Validation, Split::Test].map(count), [33, 9, 18]);

    // Another order, other labels, and files that are missing.
    let reversed: Vec<String> = rows.iter().rev().map(|row| row.replace(",2", ",3")).collect();
    let again = Place::new(&table(&reversed), &files[..200]).read(PATIENTS, "EF")?;
    assert_eq!(again.videos.len(), 200);
    let by_name: BTreeMap<&str, Split> = data.videos.iter().map(|v| (v.name.as_str(), v.split)).collect();
    assert!(again.videos.iter().all(|video| by_name[video.name.as_str()] == video.split));
    let other = Place::new(&table(&rows), &files).read(&PATIENTS.replace("seed = 3", "seed = 4"), "EF")?;
    assert!(other.videos.iter().any(|video| by_name[video.name.as_str()] != video.split));
    Ok(())
}

#[test]
fn a_patient_in_two_splits_of_the_table_is_named() {
    let place = Place::new("Clip,Fold,LVEF,Patient ID\na,TRAIN,50,p1\nb,TRAIN,50,p2\nc,TEST,50,p1\n", &[]);
    let entries = "videos = { folder = 'clips' }\ncolumns = { video = 'Clip', split = 'Fold', patient = 'Patient ID' }";
    let error = place.error(entries, "EF");
    assert!(
        error.contains("table.csv")
            && error.contains("\"p1\"")
            && error.contains("training on line 2 and test on line 4"),
        "{error}"
    );
    assert!(place.read(COLUMNS, "EF").is_ok(), "without a patients' column nothing is known");
}

#[test]
fn mistakes_are_named_with_file_line_column_and_value() {
    let error = |table: &str, files: &[&str], entries: &str| Place::new(table, files).error(entries, "EF");
    for (found, expected) in [
        (error("Clip,Fold,EF\na,TRAIN,5\n", &[], COLUMNS), vec!["table.csv", "\"LVEF\"", "Clip, Fold, EF"]),
        (error("Clip,LVEF\na,5\n", &[], COLUMNS), vec!["table.csv", "\"Fold\"", "Clip, LVEF"]),
        (error("Clip,Fold,LVEF\na,TRAIN,5\nb,TRAIN,good\n", &[], COLUMNS), vec!["line 3", "\"b\"", "LVEF is \"good\""]),
        (error("Clip,Fold,LVEF\na,TRAIN,101\n", &[], COLUMNS), vec!["line 2", "\"101\"", "from 0 to 100"]),
        (
            error("Clip,Fold,LVEF,Strain\na,TRAIN,1,NaN\n", &[], COLUMNS),
            vec!["line 2", "Strain is \"NaN\"; it must be a number, or empty"],
        ),
        (error("Clip,Fold,LVEF\na,dev,5\n", &[], COLUMNS), vec!["line 2", "\"dev\"", "TRAIN, VAL or TEST"]),
        (
            error(
                "Clip,Fold,LVEF\na,TRAIN,5\n",
                &[],
                &format!("{COLUMNS}\nwords = {{ train = ['1'], validation = ['2'], test = ['3'] }}"),
            ),
            vec!["\"TRAIN\"", "one of 1, 2, 3, as [words] says"],
        ),
        (error("Clip,Fold,LVEF\na,TRAIN,5\na,TEST,5\n", &[], COLUMNS), vec!["lines 2 and 3", "\"a\""]),
        (
            error("Clip,Fold,LVEF\na,TRAIN,5\na.mp4,TRAIN,5\n", &["a.mp4"], COLUMNS),
            vec!["line 3", "a.mp4", "line 2 too"],
        ),
        (
            error("Clip,Fold,LVEF\na,TRAIN,5\n", &["a.mp4", "a.avi"], COLUMNS),
            vec!["line 2", "a.avi", "a.mp4", "extension"],
        ),
        (error("Clip,Fold,LVEF\n../a,TRAIN,5\n", &[], COLUMNS), vec!["line 2", "is not in the folder"]),
        (error("Clip,Fold,LVEF\n,TRAIN,5\n", &[], COLUMNS), vec!["line 2", "name is empty"]),
        (error("Clip,Patient ID,LVEF\na,,5\n", &[], PATIENTS), vec!["line 2", "\"a\"", "patient is empty"]),
    ] {
        assert!(expected.iter().all(|part| found.contains(part)), "{expected:?}: {found}");
    }
    let error = Place::new("Clip,Fold,LVEF\n", &[]).error(COLUMNS, "GLS");
    assert!(error.contains("own.toml") && error.contains("EF, Strain"), "{error}");
}

#[test]
fn a_video_without_patients_is_a_patient_of_its_own() -> Result<(), DataError> {
    let rows: String = (0..40).map(|row| format!("v{row},{row}\n")).collect();
    let files: Vec<String> = (0..40).map(|row| format!("v{row}.avi")).collect();
    let place = Place::new(&format!("Clip,LVEF\n{rows}"), &files.iter().map(String::as_str).collect::<Vec<_>>());
    let data = place.read("videos = { folder = 'clips' }\ncolumns = { video = 'Clip' }\nsplit = { seed = 1 }", "EF")?;
    let count = |split: Split| names(&data, split).len();
    assert_eq!([Split::Train, Split::Validation, Split::Test].map(count), [22, 6, 12]);
    Ok(())
}
