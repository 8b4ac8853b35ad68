//! Data sets that are released as one list for each split, without a line of column names, as EV9V and EchoViewCLIP's layout are.

use std::fs;
use std::path::{Path, PathBuf};

use echo_core::Truth;
use echo_data::{DataError, Dataset, DatasetConfig, Split, digest_of, read_dataset};

fn shipped(name: &str) -> DatasetConfig {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/datasets").join(name);
    DatasetConfig::read(&path).unwrap()
}

/// A folder with these files.
fn place(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn read(dir: &Path, config: &DatasetConfig, task: &str) -> Result<Dataset, DataError> {
    read_dataset(dir, config, &config.target(task, None).unwrap())
}

/// EV9V with these lists and videos 1 to 6.
fn ev9v(train: &str, validation: &str, test: &str) -> tempfile::TempDir {
    let lists = [("train_labeled.txt", train), ("validation_labeled.txt", validation), ("test_labeled.txt", test)];
    let videos = ["Videos/1.mp4", "Videos/2.mp4", "Videos/3.mp4", "Videos/4.mp4", "Videos/5.mp4", "Videos/6.mp4"];
    place(&lists.into_iter().chain(videos.map(|file| (file, "x"))).collect::<Vec<_>>())
}

fn error(train: &str, validation: &str, test: &str) -> String {
    let dir = ev9v(train, validation, test);
    read(dir.path(), &shipped("ev9v.toml"), "view9").unwrap_err().to_string()
}

#[test]
fn each_list_of_ev9v_is_a_split() {
    let dir = ev9v("1 0\n2 8\r\n\n2 8\n7 3\n", "3 4\n", "4 4\n5\t1\n");
    let data = read(dir.path(), &shipped("ev9v.toml"), "view9").unwrap();
    let found: Vec<_> =
        data.videos.iter().map(|video| (video.name.as_str(), video.split, video.truth.clone())).collect();
    let class = Truth::Class;
    let expected = [
        ("1", Split::Train, class(0)),
        ("2", Split::Train, class(8)),
        ("3", Split::Validation, class(4)),
        ("4", Split::Test, class(4)),
        ("5", Split::Test, class(1)),
    ];
    assert_eq!(found, expected);
    assert_eq!((data.report.missing, data.report.duplicates), (vec!["7".to_owned()], vec!["2".to_owned()]));
}

#[test]
fn rows_that_cannot_be_are_named_with_their_own_list_and_line() {
    let label = error("1 0\n", "2 1\n", "3 2\n4 9\n");
    assert!(label.contains("test_labeled.txt, line 2, video \"4\"") && label.contains("PLHLA"), "{label}");
    let twice = error("1 0\n2 1\n", "3 1\n2 1\n", "4 2\n");
    let named = twice.contains("validation_labeled.txt, line 2, video \"2\"");
    assert!(named && twice.contains("line 2 of") && twice.contains("train_labeled.txt"), "{twice}");
    let contradiction = error("1 0\n", "3 1\n3 2\n", "4 2\n");
    assert!(contradiction.contains("validation_labeled.txt") && contradiction.contains("\"3\""), "{contradiction}");
    assert!(!contradiction.contains("train_labeled"), "{contradiction}");
    let short = error("1 0\n", "2\n", "3 1\n");
    assert!(short.contains("validation_labeled.txt, line 1") && short.contains("Video and View"), "{short}");
    let dir = ev9v("1 0\n", "2 1\n", "3 2\n");
    fs::remove_file(dir.path().join("test_labeled.txt")).unwrap();
    let absent = read(dir.path(), &shipped("ev9v.toml"), "view9").unwrap_err().to_string();
    assert!(absent.contains("`tables` leads to") && absent.contains("test_labeled.txt"), "{absent}");
    let empty = error("1 0\n", "", "3 2\n");
    assert!(empty.contains("validation_labeled.txt") && empty.contains("empty"), "{empty}");
}

#[test]
fn names_may_hold_spaces_and_extensions_and_validation_may_be_absent() {
    let files = [
        ("train.txt", "a b.avi 0\nsub/c 37\n"),
        ("val.txt", "d.mp4 9\n"),
        ("videos/a b.avi", "x"),
        ("videos/sub/c.dcm", "x"),
        ("videos/d.mp4", "x"),
    ];
    let dir = place(&files);
    let data = read(dir.path(), &shipped("echoviewclip.toml"), "view38").unwrap();
    let found: Vec<_> = data.videos.iter().map(|video| (video.split, video.truth.clone())).collect();
    let class = Truth::Class;
    assert_eq!(found, [(Split::Train, class(0)), (Split::Train, class(37)), (Split::Test, class(9))]);
    let task = shipped("echoviewclip.toml").target("view38", None).unwrap().task;
    assert_eq!(task.outputs(), 38);
}

const PICTURES: &str = "name = 'x'\nheader = ['Video', 'View']\nvideos = { folder = 'Images', pictures = true }\n\
                        columns = { video = 'Video' }\ntables = { train = 'a.txt', test = 'b.txt' }\n[tasks.view9]\n";

#[test]
fn folders_of_pictures_are_videos_with_digests_of_their_own() {
    let files = [
        ("a.txt", "1 0\n2 0\n3 0\n"),
        ("b.txt", "4 1\n"),
        ("Images/1/frame_1.jpg", "one"),
        ("Images/1/frame_2.jpg", "two"),
        ("Images/2/frame_1.jpg", "two"),
        ("Images/2/frame_2.jpg", "one"),
        ("Images/3", "a file"),
        ("Images/4/frame_2.jpg", "two"),
        ("Images/4/frame_1.jpg", "one"),
        ("Images/4/notes.txt", "no picture"),
        ("own.toml", PICTURES),
    ];
    let dir = place(&files);
    let config = DatasetConfig::read(&dir.path().join("own.toml")).unwrap();
    let data = read(dir.path(), &config, "view9").unwrap();
    let paths: Vec<PathBuf> = data.videos.iter().map(|video| video.path.clone()).collect();
    assert_eq!(paths, ["1", "2", "4"].map(|id| dir.path().join("Images").join(id)));
    assert_eq!(data.report.missing, ["3"]);
    let digest = |id: &str| digest_of(&dir.path().join("Images").join(id)).unwrap();
    assert_ne!(digest("1"), digest("2"), "the same pictures in another order");
    assert_eq!(digest("1"), digest("4"), "the same video twice");
    fs::write(dir.path().join("Images/4/frame_1.jpg"), "One").unwrap();
    assert_ne!(digest("1"), digest("4"));
}

#[test]
fn descriptions_of_several_tables_that_make_no_sense_say_why() {
    let base = "name = 'x'\nvideos = { folder = 'v' }\n";
    let tables = "tables = { train = 'a', test = 'b' }\n";
    let dir = tempfile::tempdir().unwrap();
    for (text, expected) in [
        (format!("{base}columns = {{ video = 'v', split = 's' }}\n"), "either `table`, or [tables]"),
        (format!("{base}table = 'a'\n{tables}columns = {{ video = 'v' }}\n"), "either `table`, or [tables]"),
        (format!("{base}{tables}columns = {{ video = 'v', split = 's' }}\n"), "leave out `columns.split`"),
        (format!("{base}{tables}columns = {{ video = 'v' }}\nsplit = {{ seed = 1 }}\n"), "leave out"),
        (format!("{base}{tables}header = ['v']\ncolumns = {{ video = 'v' }}\n"), "two columns"),
        (format!("{base}tables = {{ train = 'a' }}\ncolumns = {{ video = 'v' }}\n"), "missing field `test`"),
        (
            format!(
                "{tables}name = 'x'\nvideos = {{ folder = 'v', extension = 'a', pictures = true }}\ncolumns = {{ video = 'v' }}\n"
            ),
            "each video is a folder",
        ),
    ] {
        let path = dir.path().join("own.toml");
        fs::write(&path, format!("{text}[tasks.EF]\n")).unwrap();
        let error = DatasetConfig::read(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
