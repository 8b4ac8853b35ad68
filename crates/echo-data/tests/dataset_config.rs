//! Data sets as people have them: other names, other splits, mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use echo_core::Truth;
use echo_data::{DataError, Dataset, DatasetConfig, Split, Target, read_dataset};

/// Ranks that every target here has.
const RANKS: &str = "[{ up_to = 50, value = 30, prompt = 'low' }, { up_to = 500, value = 90, prompt = 'high' }]";

/// Videos with their labels.
type Labelled = Vec<(String, Truth)>;

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
        self.read_as(entries, target, "")
    }

    /// The same with another entry for the ejection fraction.
    fn read_as(&self, entries: &str, target: &str, of_ef: &str) -> Result<Dataset, DataError> {
        let path = self.path().join("own.toml");
        let text = format!(
            "name = 'own'\ntable = 'table.csv'\n{entries}\n[tasks.EF]\ncolumn = 'LVEF'\nunit = '%'\nleast = 0\nmost = 100\n\
             {of_ef}\nranks = {RANKS}\n[tasks.Strain]\nunit = '%'\nbin = 2\nranks = {RANKS}\n"
        );
        fs::write(&path, text).expect("a description");
        let config = DatasetConfig::read(&path)?;
        read_dataset(self.path(), &config, &config.target(target, None)?)
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
fn the_released_form_is_read_and_what_cannot_be_used_is_listed() -> Result<(), DataError> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let list = "\u{feff}FileName,EF,ESV,EDV,FPS,Split\r\na,59.5,39.5,96.75,50,TRAIN\r\nb.avi,8,,,50,val\r\n\
                c.AVI,97,2,3,50,Test\r\ngone,50,2,3,50,TEST\r\nunread,,4,5,50,TRAIN\r\na.avi,59.5,39.5,96.75,50,train\r\n\
                d,29.9999999999,10,40,50,TRAIN\r\n,5,,,50,TRAIN\r\ne,50,,,50,\r\n";
    fs::write(dir.path().join("FileList.csv"), list).expect("a list");
    fs::create_dir(dir.path().join("Videos")).expect("a folder");
    for file in ["a.avi", "b.AVI", "c.avi", "d.avi", "e.avi", "unread.avi", "not_listed.avi", "c.txt"] {
        fs::write(dir.path().join("Videos").join(file), "").expect("a file");
    }
    let config = DatasetConfig::echonet();
    let read = |target: &str| read_dataset(dir.path(), &config, &config.target(target, None)?);
    let data = read("EF")?;
    let found: Vec<_> = data.videos.iter().map(|v| (v.name.as_str(), v.truth.value().unwrap(), v.split)).collect();
    let d = 30f32.next_down();
    let (train, validation, test) = (Split::Train, Split::Validation, Split::Test);
    assert_eq!(found, [("a", 59.5, train), ("b", 8.0, validation), ("c", 97.0, test), ("d", d, train)]);
    assert!(data.videos[1].path.ends_with("Videos/b.AVI"), "{:?}", data.videos[1].path);
    let report = &data.report;
    assert!(report.folder.ends_with("Videos"));
    let lists = [&report.without_target, &report.duplicates, &report.missing];
    assert_eq!(lists, [&vec!["unread".to_owned()], &vec!["a".to_owned()], &vec!["gone".to_owned()]]);
    let incomplete: Vec<_> = report.incomplete.iter().map(|(video, why)| (video.as_str(), why.as_str())).collect();
    assert_eq!(incomplete, [("line 9", "listed without a name"), ("e", "listed without a split")]);
    for (target, values) in [("EDV", [96.75, 3.0, 5.0, 40.0]), ("ESV", [39.5, 2.0, 4.0, 10.0])] {
        let data = read(target)?;
        assert_eq!(data.videos.iter().map(|v| v.truth.value().unwrap()).collect::<Vec<_>>(), values, "{target}");
        assert_eq!(data.report.without_target, ["b"], "{target}");
    }
    Ok(())
}

#[test]
fn what_spreadsheets_write_for_nothing_leaves_the_row_out() -> Result<(), DataError> {
    let missing = ["", "NA", "NaN", "None", "N/A", "#N/A", "-", ".", "?", "#VALUE!", "#DIV/0!", "missing", "Unknown"];
    let rows: String = missing.iter().enumerate().map(|(row, missing)| format!("v{row};TRAIN;{missing}\n")).collect();
    let place = Place::new(&format!("sep=;\nClip;Fold;LVEF;\n{rows}a;TEST;55,5;\n"), &["a.avi"]);
    let data = place.read(COLUMNS, "EF")?;
    assert_eq!(
        data.videos.iter().map(|video| (video.name.as_str(), video.truth.value().unwrap())).collect::<Vec<_>>(),
        [("a", 55.5)]
    );
    assert_eq!(data.report.without_target, (0..missing.len()).map(|row| format!("v{row}")).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn numbers_are_read_as_people_write_them_or_refused_with_the_reason() -> Result<(), DataError> {
    let values = |data: Dataset| data.videos.iter().map(|video| video.truth.value().unwrap()).collect::<Vec<_>>();
    let files = ["a.avi", "b.avi", "c.avi"];
    for table in [
        "Clip,Fold,LVEF\na,TRAIN,42.3%\nb,TRAIN,60 %\nc,TEST,55\n",
        "Clip,Fold,LVEF\na,TRAIN,\"42,3\"\nb,TRAIN,\"60,0\"\nc,TEST,55\n",
        "Clip|Fold|LVEF\na|TRAIN|42,3\nb|TRAIN|'60\nc|TEST|55\n",
        "Clip,Fold,LVEF\n=\"a\",=\"TRAIN\",=\"42.3\"\n=\"b\",TRAIN,60\nc,TEST,55\n",
    ] {
        assert_eq!(values(Place::new(table, &files).read(COLUMNS, "EF")?), [42.3, 60.0, 55.0], "{table}");
    }
    // A percentage is one, also among fractions.
    let place = Place::new("Clip,Fold,LVEF\na,TRAIN,42%\nb,TRAIN,0.6\nc,TEST,0.55\n", &files);
    assert_eq!(values(place.read_as(COLUMNS, "EF", "scale = 100")?), [42.0, 60.0, 55.0]);
    // Of another column, in which German thousands are written with a point.
    let error = Place::new("Clip;Fold;LVEF;Strain\na;TRAIN;42,3;1.234\n", &files).error(COLUMNS, "EF");
    let expected = ["line 2", "Strain is \"1.234\"", "thousands", "line 2 has \"42,3\""];
    assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    // What a quote in the wrong place swallows is not printed.
    let swallowed = "x,TRAIN,50\n".repeat(1000);
    let error = Place::new(&format!("Clip,Fold,LVEF\na,TRAIN,\"50\n{swallowed}y\",1\n"), &files).error(COLUMNS, "EF");
    assert!(error.len() < 500, "{error}");
    let error = Place::new("Clip,Fold,LVEF\na,TRAIN,50\n\"b,TRAIN,50\nc\",TEST,50\n", &files).error(COLUMNS, "EF");
    assert!(error.contains("line 3") && error.contains("line break"), "{error}");
    Ok(())
}

#[test]
fn fractions_are_an_error_that_says_what_to_do_and_a_scale_makes_percentages() -> Result<(), DataError> {
    let place = Place::new("Clip,Fold,LVEF\na,TRAIN,0.29\nb,TRAIN,0.573\nc,TEST,0.7\n", &["a.avi", "b.avi", "c.avi"]);
    let error = place.error(COLUMNS, "EF");
    assert!(error.contains("table.csv") && error.contains("`scale = 100` under [tasks.EF]"), "{error}");
    let of_percent = place.read_as(COLUMNS, "EF", "scale = 100")?;
    assert_eq!(
        of_percent.videos.iter().map(|video| video.truth.value().unwrap()).collect::<Vec<_>>(),
        [29.0, 57.3, 70.0]
    );
    let error = place.read_as(COLUMNS, "EF", "scale = 1000").unwrap_err().to_string();
    assert!(error.contains("LVEF is \"0.29\"; it, times 1000, must be a number from 0 to 100"), "{error}");
    let own = place.read_as(COLUMNS, "EF", "plausible = [0.1, 1]")?;
    assert_eq!(own.videos.len(), 3);
    let table = "Clip,Fold,LVEF\na,TRAIN,0.29\nb,TRAIN,57\nc,TEST,60\n";
    let mixed = Place::new(table, &["a.avi", "b.avi", "c.avi"]).read(COLUMNS, "EF")?;
    assert_eq!(mixed.report.implausible.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a"]);
    Ok(())
}

#[test]
fn a_list_of_which_nothing_is_found_names_what_was_tried_and_other_spellings_are_found() -> Result<(), DataError> {
    let place = Place::new("Clip,Fold,LVEF\na,TRAIN,50\nb,TEST,50\nc,TEST,50\nd,TEST,50\n", &["x.avi"]);
    let error = place.error(COLUMNS, "EF");
    assert!(error.contains("none of the 4 videos"), "{error}");
    assert!(["clips/a", "clips/b", "clips/c"].iter().all(|path| error.contains(path)), "{error}");
    assert!(!error.contains("clips/d"), "{error}");
    let table =
        "Clip,Fold,LVEF\nclips/a.avi,TRAIN,50\nSub\\B,TEST,50\n/home/me/clips/jose\u{301},TEST,50\ngone,TEST,5\n";
    let place = Place::new(table, &["a.avi", "sub/b.avi", "jos\u{e9}.avi", "._a.avi"]);
    let data = place.read(COLUMNS, "EF")?;
    let paths: Vec<_> = data.videos.iter().map(|video| video.path.strip_prefix(place.path()).unwrap()).collect();
    assert_eq!(paths, [Path::new("clips/a.avi"), Path::new("clips/sub/b.avi"), Path::new("clips/jos\u{e9}.avi")]);
    assert_eq!(data.report.missing, ["gone"]);
    Ok(())
}

#[test]
fn a_copy_of_the_example_works_where_it_lies_and_its_entries_come_before_the_program_s() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let copy = dir.path().join("mine.toml");
    fs::write(&copy, include_str!("../../../configs/datasets/example.toml")).expect("a copy");
    let target = || DatasetConfig::read(&copy).expect("a description").target("EF", None).expect("a task");
    let ranks = |target: Target| target.task.regression().expect("a number").ranks.ranks.len();
    assert_eq!((target().columns, ranks(target())), (vec!["LVEF (%)".to_owned()], 5));
    let own = fs::read_to_string(&copy).expect("a description").replace(
        "bin = 1.0",
        "bin = 1.0\nranks = [\n\
        { up_to = 50, value = 40.0, prompt = 'a' }, { up_to = 100, value = 60.0, prompt = 'b' }]\n",
    );
    fs::write(&copy, own).expect("a description");
    assert_eq!(ranks(target()), 2);
}

#[test]
fn labels_are_read_from_both_tables_as_the_task_says() -> Result<(), DataError> {
    let place = Place::new(
        "Clip,Fold,LVEF\na,TRAIN,20\nb,TRAIN,45\nc,TEST,60\nd,TEST,\n",
        &["a.avi", "b.avi", "c.avi", "d.avi"],
    );
    fs::write(
        place.path().join("more.csv"),
        "Clip,View,DilatedLeftAtrium,ReducedEF,RegionalWallMotionAbnormality\nA.avi,a2c,0,1,no\nc,4CH,,yes,yes\nd,A4C,,,\n",
    )
    .expect("labels");
    let entries = format!("{COLUMNS}\nlabels = {{ table = 'more.csv' }}");
    let own = "[tasks.two]\nkind = 'multi-label'\n[[tasks.two.classes]]\nname = 'ReducedEF'\nprompts = ['a']\nabsent = ['b']\n\
               [[tasks.two.classes]]\nname = 'left atrium'\ncolumn = 'DilatedLeftAtrium'\nprompts = ['a']\nabsent = ['b']\n";
    let read = |task: &str, below: Option<f64>| -> Result<(Labelled, Vec<String>), DataError> {
        let path = place.path().join("own.toml");
        let text = format!("name = 'own'\ntable = 'table.csv'\n{entries}\n{own}[tasks.ef]\ncolumn = 'LVEF'\n");
        let text = text + "[tasks.ef-reduced]\ncolumn = 'LVEF'\n[tasks.ef-grade]\ncolumn = 'LVEF'\n";
        fs::write(&path, text).expect("a description");
        let config = DatasetConfig::read(&path)?;
        let data = read_dataset(place.path(), &config, &config.target(task, below)?)?;
        let videos = data.videos.into_iter().map(|video| (video.name, video.truth)).collect();
        Ok((videos, data.report.without_target))
    };
    let of = |pairs: &[(&str, Truth)]| {
        pairs.iter().map(|(name, truth)| ((*name).to_owned(), truth.clone())).collect::<Vec<_>>()
    };
    let class = Truth::Class;
    assert_eq!(read("view", None)?, (of(&[("a", class(1)), ("c", class(0)), ("d", class(0))]), vec!["b".to_owned()]));
    assert_eq!(read("wall-motion", None)?.0, of(&[("a", class(0)), ("c", class(1))]));
    assert_eq!(read("ef-reduced", None)?.0, of(&[("a", class(1)), ("b", class(1)), ("c", class(0))]));
    assert_eq!(read("ef-reduced", Some(40.0))?.0, of(&[("a", class(1)), ("b", class(0)), ("c", class(0))]));
    assert_eq!(read("ef-grade", None)?.0, of(&[("a", class(0)), ("b", class(2)), ("c", class(3))]));
    let labels = |labels: [Option<bool>; 2]| Truth::Labels(labels.to_vec());
    assert_eq!(
        read("two", None)?.0,
        of(&[("a", labels([Some(true), Some(false)])), ("c", labels([Some(true), None]))])
    );
    let error = read("lv-size", None).unwrap_err().to_string();
    assert!(["table.csv", "LeftVentricleSize", "more.csv", "View"].iter().all(|part| error.contains(part)), "{error}");

    fs::write(place.path().join("more.csv"), "Clip,View\na,A4C\nb,PLAX\n").expect("labels");
    let error = read("view", None).unwrap_err().to_string();
    assert!(["more.csv", "line 3", "\"PLAX\"", "A4C or 4CH"].iter().all(|part| error.contains(part)), "{error}");
    fs::write(place.path().join("more.csv"), "Clip,View\na,A4C\na,A2C\n").expect("labels");
    assert!(read("view", None).unwrap_err().to_string().contains("more.csv"));
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
    assert_eq!(data.videos.iter().map(|video| video.truth.value().unwrap()).collect::<Vec<_>>(), [55.0, 40.5, 30.0]);
    assert!(data.videos[1].path.ends_with("clips/p1/x/b.mp4"));
    let data = place.read(entries, "strain")?;
    assert_eq!(data.videos.iter().map(|video| video.truth.value().unwrap()).collect::<Vec<_>>(), [-18.5, -12.0]);
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
fn mistakes_are_named_with_file_line_column_and_value() {
    let error = |table: &str, files: &[&str], entries: &str| Place::new(table, files).error(entries, "EF");
    for (found, expected) in [
        (error("Clip,Fold,EF\na,TRAIN,5\n", &[], COLUMNS), vec!["table.csv", "\"LVEF\"", "Clip, Fold, EF"]),
        (error("Clip,LVEF\na,5\n", &[], COLUMNS), vec!["table.csv", "\"Fold\"", "Clip, LVEF"]),
        (error("Clip,Fold,LVEF\na,TRAIN,5\nb,TRAIN,good\n", &[], COLUMNS), vec!["line 3", "\"b\"", "LVEF is \"good\""]),
        (error("Clip,Fold,LVEF\na,TRAIN,101\n", &[], COLUMNS), vec!["line 2", "\"101\"", "from 0 to 100"]),
        (
            error("Clip,Fold,LVEF,Strain\na,TRAIN,1,inf\n", &[], COLUMNS),
            vec!["line 2", "Strain is \"inf\"; it must be a number, or empty"],
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
        (error("Clip,Fold,LVEF\na,TRAIN,5\nb,TRAIN\n", &[], COLUMNS), vec!["line 3", "\"b\"", "has 2 fields"]),
    ] {
        assert!(expected.iter().all(|part| found.contains(part)), "{expected:?}: {found}");
    }
    let error = Place::new("Clip,Fold,LVEF\n", &[]).error(COLUMNS, "GLS");
    assert!(error.contains("own.toml") && error.contains("lv-size, quality, Strain"), "{error}");
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

/// A pipe that nobody writes to would be waited for.
#[cfg(unix)]
#[test]
fn a_pipe_for_a_table_a_description_or_a_split_is_refused() {
    let place = Place::new("", &[]);
    let pipe = place.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    fs::remove_file(place.path().join("table.csv")).expect("a table");
    fs::rename(&pipe, place.path().join("table.csv")).expect("a pipe");
    let pipe = place.path().join("table.csv");
    for error in [
        place.error(COLUMNS, "EF"),
        DatasetConfig::read(&pipe).unwrap_err().to_string(),
        echo_data::read_split_file(&pipe, &[], &DatasetConfig::echonet()).unwrap_err().to_string(),
    ] {
        assert!(error.contains("table.csv") && error.contains("a pipe"), "{error}");
    }
}

#[test]
fn folders_and_tables_that_are_not_there_are_named_with_the_entry_that_leads_to_them() {
    let place = Place::new("Clip,Fold,LVEF\na,TRAIN,50\n", &["a.avi"]);
    let error = place.error(&COLUMNS.replace("'clips'", "'clip'"), "EF");
    assert!(error.contains("own.toml: `videos.folder` leads to") && error.contains("/clip: "), "{error}");
    let error = place.error(&format!("{COLUMNS}\nlabels = {{ table = 'more.csv' }}"), "Strain");
    assert!(error.contains("more.csv, the table of [labels], is not there"), "{error}");
    let read = |dir: &Path| {
        read_dataset(dir, &DatasetConfig::echonet(), &Target::shipped("ef")).expect_err("an error").to_string()
    };
    let error = read(place.path());
    assert!(error.contains("`table` leads to") && error.contains("FileList.csv: No such file"), "{error}");
    let error = read(&place.path().join("nowhere"));
    assert!(error.ends_with("nowhere: there is no such folder"), "{error}");
}

#[test]
fn a_number_above_all_classes_is_an_error_unless_the_last_is_open() -> Result<(), DataError> {
    let place = Place::new("Clip,Fold,LVEF,Size\na,TRAIN,50,120\nb,TEST,50,161\n", &["a.avi", "b.avi"]);
    let read = |last: &str| {
        let class = |name: &str, bound: &str| format!("{{ name = '{name}', {bound}prompts = ['{name}'] }}");
        let classes = [class("small", "up_to = 120, "), class("large", last)].join(", ");
        let task = format!("[tasks.Size]\nkind = 'binary'\nclasses = [{classes}]");
        place.read(&format!("{COLUMNS}\n{task}"), "Size")
    };
    let error = read("up_to = 160, ").expect_err("161 is of no class").to_string();
    assert!(error.contains("line 3") && error.contains("\"161\", more than the `up_to`"), "{error}");
    let classes: Vec<Truth> = read("")?.videos.into_iter().map(|video| video.truth).collect();
    assert_eq!(classes, [Truth::Class(0), Truth::Class(1)]);
    Ok(())
}

/// Where no extension is described, names may have it in one table and lack it in the other.
#[test]
fn rows_of_two_tables_are_matched_whatever_their_names_end_in() -> Result<(), DataError> {
    let place = Place::new("Clip,Fold\na.avi,TRAIN\nb.avi,TEST\n", &["a.avi", "b.avi"]);
    fs::write(place.path().join("labels.csv"), "Clip,LVEF\na,50\nB.avi,60\n").expect("a table");
    let data = place.read(&format!("{COLUMNS}\nlabels = {{ table = 'labels.csv' }}"), "EF")?;
    assert_eq!(data.videos.iter().map(|video| video.truth.clone()).collect::<Vec<_>>(), [50.0, 60.0].map(Truth::Value));
    Ok(())
}
