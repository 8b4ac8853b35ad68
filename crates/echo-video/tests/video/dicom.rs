//! DICOM against pydicom: `tests/reference/dicom.py` made the files and the pixels.

use std::fs;
use std::path::{Path, PathBuf};

use echo_random::Stream;
use echo_video::{Container, Mask, OpenOptions, Video, VideoError, check_file};

use crate::clips::file;

const ROWS: usize = 21;
const COLUMNS: usize = 26;
/// Levels that a lossy frame may be away from pydicom's: decoders round differently.
const LOSSY: u8 = 2;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom").join(name)
}

fn whole_pictures() -> OpenOptions {
    OpenOptions { mask: Mask::None, ..OpenOptions::default() }
}

fn open(name: &str) -> Video {
    Video::open(&golden(name), &whole_pictures()).unwrap()
}

/// The largest difference of two pictures of the same size.
fn apart(one: &[u8], other: &[u8]) -> u8 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or_default()
}

#[test]
fn pixels_are_those_of_pydicom() {
    let mut checked = 0;
    for entry in fs::read_dir(golden("")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_read = !["htj2k_rct", "jpeg_extended_12bit"].contains(&name.as_str());
        if path.extension().is_none_or(|extension| extension != "rgb") || !is_read {
            continue;
        }
        let video = open(&format!("{name}.dcm"));
        let info = video.info();
        assert_eq!((info.width, info.height, info.container), (COLUMNS, ROWS, Container::Dicom), "{name}");
        assert_eq!(info.frames, if name == "single_frame" { 1 } else { 3 }, "{name}");
        let is_lossy =
            ["jpeg_baseline", "fragments", "jpeg2000_ict", "ybr_full"].iter().any(|kind| name.starts_with(kind));
        let most = if is_lossy { LOSSY } else { 0 };
        let found = apart(&video.decode_all().unwrap().data, &fs::read(&path).unwrap());
        assert!(found <= most, "{name}: {found} levels from pydicom");
        checked += 1;
    }
    assert_eq!(checked, 42);
}

#[test]
fn frames_come_in_any_order_and_more_than_once() {
    for name in ["rgb_explicit.dcm", "rgb_deflated.dcm", "rle_rgb.dcm", "fragments_with_table.dcm"] {
        let video = open(name);
        let all = video.decode_all().unwrap();
        let some = video.decode(&[2, 0, 2, 1]).unwrap();
        for (slot, frame) in [2, 0, 2, 1].into_iter().enumerate() {
            assert_eq!(some.frame(slot), all.frame(frame), "{name}");
        }
        assert!(matches!(video.decode(&[3]), Err(VideoError::NoSuchFrame { .. })), "{name}");
    }
}

#[test]
fn a_loop_shows_nothing_but_its_sector_unless_asked() {
    let path = golden("rgb_explicit.dcm");
    let whole = open("rgb_explicit.dcm").decode_all().unwrap();
    let masked = Video::open(&path, &OpenOptions::default()).unwrap();
    let sector = masked.sector().unwrap().unwrap();
    let frames = masked.decode(&[1, 2]).unwrap();
    let mut in_parts = Vec::new();
    masked.decode_in_parts(&[1, 2], |_, pixels| in_parts.extend_from_slice(pixels)).unwrap();
    assert_eq!(frames.data, in_parts);
    let outside = (0..ROWS * COLUMNS).filter(|at| !sector.contains(at % COLUMNS, at / COLUMNS));
    assert!(outside.clone().count() > 100);
    assert!(outside.flat_map(|at| &frames.frame(0)[at * 3..][..3]).all(|&level| level == 0));
    let inside = (0..ROWS * COLUMNS).filter(|at| sector.contains(at % COLUMNS, at / COLUMNS));
    for at in inside {
        assert_eq!(frames.frame(0)[at * 3..][..3], whole.frame(1)[at * 3..][..3]);
    }
    // A still has nothing that moves; whatever it shows is not shown by accident.
    let still = Video::open(&golden("single_frame.dcm"), &OpenOptions::default()).unwrap();
    let error = still.decode(&[0]).unwrap_err();
    assert!(matches!(error, VideoError::NoSector { .. }) && error.to_string().contains("--mask none"), "{error}");
}

#[test]
fn times_regions_and_identifiers_are_read() {
    let video = open("jpegls_rgb.dcm");
    let info = video.info();
    assert!((info.fps - 30.0).abs() < 0.01 && info.warnings.is_empty(), "{info:?}");
    let facts = info.dicom.as_ref().unwrap();
    assert_eq!((facts.patient.as_deref(), facts.modality.as_deref()), (Some("PHANTOM-1"), Some("US")));
    assert!(facts.study.is_some() && facts.instance.is_some());
    assert_eq!((facts.regions[0].sides, facts.spacing), ([2, 1, 23, 19], Some([0.05, 0.05])));
    assert_eq!(facts.trace(), None);
    assert_eq!(open("doppler.dcm").info().dicom.as_ref().unwrap().trace(), Some("a Doppler spectrum"));
    assert!(open("doppler.dcm").info().warnings[0].contains("a Doppler spectrum, no moving picture"));
    let uneven = open("frame_time_vector.dcm");
    assert!((uneven.info().fps - 1000.0 / 35.0).abs() < 1e-6);
    assert!(uneven.info().warnings[0].contains("30.0 to 40.0 ms"), "{:?}", uneven.info().warnings);
}

#[test]
fn what_is_not_read_is_named() {
    let error = |name: &str| Video::open(&golden(name), &OpenOptions::default()).unwrap_err();
    let report = error("structured_report.dcm");
    assert!(
        matches!(report, VideoError::NoPicture { .. }) && report.to_string().contains("structured report"),
        "{report}"
    );
    let unread = error("htj2k_rct.dcm");
    assert!(matches!(unread, VideoError::Unsupported { .. }) && unread.to_string().contains("JPEG 2000"), "{unread}");
    let deep = open("jpeg_extended_12bit.dcm").decode(&[0]).unwrap_err().to_string();
    assert!(deep.contains("12 bits"), "{deep}");
}

/// Two loops of real devices, where a developer has them.
#[test]
fn real_loops_have_the_pixels_of_pydicom() {
    let Some(folder) = std::env::var_os("ECHOZOO_DICOM_LOOPS").map(PathBuf::from) else {
        eprintln!("skipped: ECHOZOO_DICOM_LOOPS names no folder with *.dcm and pydicom's pixels as *.rgb");
        return;
    };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let loops: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "dcm")).collect();
    assert!(!loops.is_empty());
    for path in loops {
        let video = Video::open(&path, &whole_pictures()).unwrap();
        let expected = fs::read(path.with_extension("rgb")).unwrap();
        let data = video.decode_all().unwrap().data;
        assert_eq!(data.len(), expected.len());
        // The cosine transforms of two libraries, each rounded, may add up to a level more in one value of a hundred million.
        let further = data.iter().zip(&expected).filter(|(a, b)| a.abs_diff(**b) > LOSSY).count();
        assert!(further <= data.len() / 50_000_000, "{}: {further} values far from pydicom's", path.display());
    }
}

#[test]
fn a_cut_file_is_an_error_or_its_whole_frames() {
    let lenient = OpenOptions { allow_truncated: true, ..whole_pictures() };
    for name in
        ["rgb_explicit.dcm", "rgb_deflated.dcm", "jpegls_rgb.dcm", "fragments_with_table.dcm", "rgb_implicit.dcm"]
    {
        let bytes = fs::read(golden(name)).unwrap();
        let whole = open(name).decode_all().unwrap();
        for length in (0..bytes.len() - 8).step_by(7) {
            let (_folder, path) = file(name, &bytes[..length]);
            if let Ok(video) = Video::open(&path, &whole_pictures()) {
                // Nothing but the marks at its end is missing, or what is deflated is found out when it is decoded.
                match video.decode_all() {
                    Ok(frames) => assert_eq!(frames, whole, "{name} cut to {length}"),
                    Err(error) => assert!(error.to_string().contains(name), "{error}"),
                }
            }
            if let Ok(video) = Video::open(&path, &lenient)
                && let Some(truncated) = &video.info().truncated
            {
                let frames = video.decode_all().unwrap();
                assert_eq!((frames.count, truncated.expected_frames), (truncated.frames, Some(3)));
                assert_eq!(frames.data, whole.data[..frames.data.len()], "{name} cut to {length}");
            }
        }
    }
}

/// Every golden file, with bytes changed, put in and taken out: frames or an error, soon, whatever comes.
#[test]
fn damaged_files_neither_panic_nor_hang() {
    let mut stream = Stream::new(15, "damaged DICOM", 0);
    let files: Vec<(String, Vec<u8>)> = fs::read_dir(golden(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dcm"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    let options = OpenOptions { allow_truncated: true, max_bytes: 64 << 20, ..whole_pictures() };
    let mut opened = 0;
    for (name, bytes) in &files {
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..=stream.below(3) {
                // Mostly in the elements, not in what is compressed.
                let at = stream.below(damaged.len());
                match stream.below(4) {
                    0 => damaged[at] = stream.below(256) as u8,
                    1 => damaged[at] = 0xff,
                    2 => damaged.truncate(at.max(140)),
                    _ => drop(damaged.splice(at..at, [0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff])),
                }
            }
            let (_folder, path) = file(name, &damaged);
            let began = std::time::Instant::now();
            if let Ok(video) = Video::open(&path, &options) {
                opened += 1;
                let _ = video.decode(&[0]);
            }
            assert!(began.elapsed().as_secs() < 5, "{name} took {:?}", began.elapsed());
        }
    }
    assert!(opened > 100, "{opened}");
}

/// A file of elements in explicit little endian, and what follows them.
fn file_of(elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let syntax = b"1.2.840.10008.1.2.1\0";
    bytes.extend([2, 0, 0x10, 0, b'U', b'I', syntax.len() as u8, 0]);
    bytes.extend(syntax);
    bytes.extend(elements);
    bytes
}

#[test]
fn lies_of_elements_are_errors_before_anything_is_allocated() {
    let error = |elements: &[u8]| {
        let (_folder, path) = file("lie.dcm", &file_of(elements));
        let error = Video::open(&path, &OpenOptions::default()).unwrap_err();
        assert_eq!(check_file(&path, &OpenOptions::default()).unwrap_err().to_string(), error.to_string());
        error.to_string()
    };
    // A value and a sequence of four gigabytes in a file of 200 bytes; an end of nothing; an item outside of a sequence.
    assert!(error(b"\x10\0\x20\0LO\0\0").contains("without pixels"));
    assert!(error(b"\x10\0\x20\0UT\0\0\xf0\xff\xff\xff").contains("4294967280 bytes"));
    assert!(error(b"\x10\0\x10\0UT\0\0\xf0\xff\xff\xff").contains("ends in the middle"));
    assert!(error(b"\x08\0\x40\x11SQ\0\0\xf0\xff\xff\xff").contains("ends in the middle"));
    assert!(error(b"\xfe\xff\x0d\xe0\0\0\0\0").contains("was not begun"));
    assert!(error(b"\xfe\xff\0\xe0\0\0\0\0").contains("outside of any sequence"));
    assert!(error(b"\x10\0\x20\0\0\0\0\0").contains("value representation"));
    // Sequences within sequences.
    let nested = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff".repeat(100_000);
    assert!(error(&nested).contains("nested"));
    // As many frames as the file has bytes; a picture of 65535 x 65535 pixels.
    let dots = b"\x28\0\x02\0US\x02\0\x01\0\x28\0\x04\0CS\x0c\0MONOCHROME2 \x28\0\x08\0IS\x06\0999999\
                 \x28\0\x10\0US\x02\0\x01\0\x28\0\x11\0US\x02\0\x01\0\xe0\x7f\x10\0OB\0\0\x40\x42\x0f\0";
    assert!(error(dots).contains("1x1 pixels"), "{}", error(dots));
    let huge = b"\x28\0\x02\0US\x02\0\x01\0\x28\0\x04\0CS\x0c\0MONOCHROME2 \x28\0\x10\0US\x02\0\xff\xff\x28\0\x11\0US\x02\0\xff\xff\
                 \xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff";
    assert!(error(huge).contains("the limit is"), "{}", error(huge));
}
