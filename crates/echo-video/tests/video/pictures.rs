//! Folders of numbered pictures as videos.

use std::fs;
use std::path::Path;

use echo_video::{Container, OpenOptions, Video, pictures};

/// The pictures of a Motion-JPEG AVI, in order.
fn pictures_of(avi: &[u8]) -> Vec<Vec<u8>> {
    let movi = avi.windows(4).position(|four| four == b"movi").unwrap();
    let (mut at, mut found) = (movi + 4, Vec::new());
    while avi.get(at..at + 4) == Some(b"00dc") {
        let size = u32::from_le_bytes(avi[at + 4..at + 8].try_into().unwrap()) as usize;
        found.push(avi[at + 8..at + 8 + size].to_vec());
        at += 8 + size + size % 2;
    }
    found
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

/// The first pictures of a phantom's video under these names.
fn folder(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let all = pictures_of(&fs::read(fixture("phantom_wide.avi")).unwrap());
    assert_eq!(all.len(), 44);
    names.iter().zip(all).for_each(|(name, picture)| fs::write(dir.path().join(name), picture).unwrap());
    dir
}

fn error(dir: &Path) -> String {
    Video::open(dir, &OpenOptions::default()).unwrap_err().to_string()
}

#[test]
fn pictures_in_the_order_of_their_numbers_are_the_frames() {
    let dir = folder(&["frame_8.jpg", "frame_9.jpg", "frame_10.JPEG", "frame_11.jpg"]);
    fs::write(dir.path().join("Thumbs.db"), "").unwrap();
    fs::write(dir.path().join("._frame_8.jpg"), "").unwrap();
    let options = OpenOptions::default();
    let video = Video::open(dir.path(), &options).unwrap();
    let info = video.info();
    assert_eq!((info.container, info.frames, info.height, info.width), (Container::Pictures, 4, 112, 149));
    let of_avi = Video::open(&fixture("phantom_wide.avi"), &options).unwrap();
    assert_eq!(video.decode_all().unwrap().data, of_avi.decode(&[0, 1, 2, 3]).unwrap().data);
    assert_eq!(video.decode(&[3, 0, 3]).unwrap().data, of_avi.decode(&[3, 0, 3]).unwrap().data);
    assert_eq!(pictures(dir.path()).unwrap().len(), 4);
    assert!(video.decode(&[4]).unwrap_err().to_string().contains("does not exist"));
}

#[test]
fn missing_numbers_are_named() {
    let dir = folder(&["f1.jpg", "f2.jpg", "f5.jpg"]);
    let error = error(dir.path());
    assert!(error.contains("truncated: of the pictures 1 to 5, number 3, 4 is missing"), "{error}");
    let options = OpenOptions { allow_truncated: true, ..OpenOptions::default() };
    let video = Video::open(dir.path(), &options).unwrap();
    assert_eq!(video.info().truncated.as_ref().unwrap().expected_frames, Some(5));
    assert_eq!(video.decode_all().unwrap().count, 3);
    // Numbers so far apart that counting them one by one would take forever.
    let dir = folder(&["f1.jpg", "f18446744073709551615.jpg"]);
    assert!(self::error(dir.path()).contains("number 2, 3, 4, 5, 6 and "));
}

#[test]
fn what_is_no_video_says_why() {
    let dir = tempfile::tempdir().unwrap();
    assert!(error(dir.path()).contains("without numbered pictures"));
    let dir = folder(&["f1.jpg", "f01.jpg"]);
    assert!(error(dir.path()).contains("two pictures have the number 1: f01.jpg, f1.jpg"), "{}", error(dir.path()));
    let dir = folder(&["f1.jpg", "f2.jpg"]);
    fs::write(dir.path().join("f1.jpg"), "text").unwrap();
    assert!(error(dir.path()).contains("not a JPEG"), "{}", error(dir.path()));
    fs::write(dir.path().join("f1.jpg"), "").unwrap();
    assert!(error(dir.path()).contains("empty"), "{}", error(dir.path()));
    let options = OpenOptions { max_pixels: 1000, ..OpenOptions::default() };
    let dir = folder(&["f1.jpg"]);
    assert!(Video::open(dir.path(), &options).unwrap_err().to_string().contains("the limit is 1000"));
}

#[test]
fn pictures_of_different_sizes_are_refused_with_their_name() {
    let dir = folder(&["f1.jpg", "f2.jpg", "f3.jpg"]);
    let other = pictures_of(&fs::read(fixture("phantom_112.avi")).unwrap());
    fs::write(dir.path().join("f3.jpg"), &other[0]).unwrap();
    let video = Video::open(dir.path(), &OpenOptions::default()).unwrap();
    assert!(video.decode(&[0, 1]).is_ok());
    let error = video.decode_all().unwrap_err().to_string();
    assert!(
        error.contains("f3.jpg") && error.contains("112x112 pixels, the first picture of its folder 149x112"),
        "{error}"
    );
}
