//! The ways in which AVI files are laid out, all with the same frames.

use std::path::Path;

use echo_video::{AviWriter, Container, Frames, OpenOptions, Video};

use crate::clips::{Jpeg, file, jpegs, picture, write_avi};

const SIZE: (usize, usize) = (48, 32);
const COUNT: usize = 7;

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = [&id[..], &words(&[content.len() as u32]), content].concat();
    if content.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

fn list(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    chunk(b"LIST", &[kind, content].concat())
}

fn video_stream(frames: u32, extra: &[u8]) -> Vec<u8> {
    let strh = [b"vidsMJPG", &words(&[0, 0, 0, 1001, 60_000, 0, frames, 0, 0, 0, 0, 0])[..]].concat();
    let size = [SIZE.0 as u32, (SIZE.1 as u32).wrapping_neg()];
    let strf = [&words(&[40, size[0], size[1], 1 | 24 << 16])[..], b"MJPG", &words(&[0; 5])].concat();
    list(b"strl", &[chunk(b"strh", &strh), chunk(b"strf", &strf), extra.to_vec()].concat())
}

fn audio_stream() -> Vec<u8> {
    let strh = [b"auds\x01\0\0\0", &words(&[0, 0, 0, 1, 8000, 0, 100, 0, 0, 1, 0, 0])[..]].concat();
    list(b"strl", &[chunk(b"strh", &strh), chunk(b"strf", &[0; 18])].concat())
}

fn headers(streams: &[Vec<u8>]) -> Vec<u8> {
    list(b"hdrl", &[chunk(b"avih", &words(&[0; 14])), streams.concat()].concat())
}

fn riff(form: &[u8; 4], content: &[u8]) -> Vec<u8> {
    chunk(b"RIFF", &[form, content].concat())
}

fn frames(id: &[u8; 4]) -> Vec<Vec<u8>> {
    jpegs(SIZE.0, SIZE.1, COUNT).iter().map(|jpeg| chunk(id, jpeg)).collect()
}

fn reference() -> Frames {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reference.avi");
    write_avi(&path, SIZE.0, SIZE.1, &jpegs(SIZE.0, SIZE.1, COUNT));
    open(&path).decode_all().unwrap()
}

fn open(path: &Path) -> Video {
    Video::open(path, &OpenOptions::default()).unwrap()
}

fn check(what: &str, bytes: &[u8]) {
    let (_folder, path) = file("a.avi", bytes);
    let video = open(&path);
    let frames = video.decode_all().unwrap();
    let reference = reference();
    assert_eq!(frames.count, reference.count, "{what}");
    assert!(frames.data == reference.data, "{what}: other pixels");
    assert_eq!(video.info().fps, 60_000.0 / 1001.0, "{what}");
    assert_eq!((&video.info().truncated, &video.info().warnings), (&None, &Vec::new()), "{what}");
}

#[test]
fn what_the_writer_wrote_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.avi");
    let mut writer = AviWriter::create(&path, SIZE.0, SIZE.1, 46.35).unwrap();
    let jpegs = jpegs(SIZE.0, SIZE.1, COUNT);
    jpegs.iter().for_each(|jpeg| writer.push(jpeg).unwrap());
    assert!(!path.exists(), "the name must appear with the whole file");
    writer.finish().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");

    let video = open(&path);
    let info = video.info().clone();
    assert_eq!((info.container, info.codec.as_str()), (Container::Avi, "mjpeg"));
    assert_eq!((info.width, info.height, info.frames, info.fps), (SIZE.0, SIZE.1, COUNT, 46.35));
    let all = video.decode_all().unwrap();
    let some = video.decode(&[5, 0, 5]).unwrap();
    assert_eq!(some.count, 3);
    for (slot, frame) in [5, 0, 5].into_iter().enumerate() {
        assert!(some.frame(slot) == all.frame(frame), "slot {slot}");
    }
    assert_ne!(all.frame(0), all.frame(5));
    assert_eq!(video.decode(&[]).unwrap().count, 0);
    let error = video.decode(&[2, COUNT]).unwrap_err().to_string();
    assert!(error.contains("a.avi") && error.contains("frame 7") && error.contains("7 frames"), "{error}");
}

#[test]
fn the_writer_refuses_what_would_be_no_video_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.avi");
    for (width, height, fps) in [(0, 5, 30.0), (5, 70_000, 30.0), (5, 5, 0.0), (5, 5, f64::NAN)] {
        assert!(AviWriter::create(&path, width, height, fps).is_err(), "{width}x{height} {fps}");
    }
    let mut writer = AviWriter::create(&path, 48, 32, 30u32).unwrap();
    assert!(writer.push(&[]).unwrap_err().to_string().contains("first frame"));
    assert!(writer.push(b"GIF89a").unwrap_err().to_string().contains("not a JPEG"));
    let other = Jpeg::default().encode(32, 48, &picture(32, 48, 0));
    assert!(writer.push(&other).unwrap_err().to_string().contains("32x48"));
    assert!(writer.finish().unwrap_err().to_string().contains("at least one"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// An empty chunk means that nothing has changed, so that times stay right; before the first picture it shows that one.
#[test]
fn empty_chunks_repeat_the_frame_before() {
    let pictures = frames(b"00dc");
    let empty = || chunk(b"00dc", &[]);
    let content = [empty(), pictures[0].clone(), empty(), empty(), pictures[1].clone(), empty()].concat();
    let bytes = riff(b"AVI ", &[headers(&[video_stream(6, &[])]), list(b"movi", &content)].concat());
    let (_folder, path) = file("a.avi", &bytes);
    let video = open(&path);
    let frames = video.decode_all().unwrap();
    let [warning] = &video.info().warnings[..] else { panic!("{:?}", video.info().warnings) };
    assert!(frames.count == 6 && warning.contains("4 of its 6 frames have no picture"), "{warning}");
    for (frame, same) in [(0, 1), (2, 1), (3, 1), (5, 4)] {
        assert!(frames.frame(frame) == frames.frame(same), "{frame}");
    }
    assert_ne!(frames.frame(0), frames.frame(4));
}

#[test]
fn without_an_index_and_with_junk() {
    let movi = list(b"movi", &[chunk(b"JUNK", &[9; 5]), frames(b"00dc").concat()].concat());
    let content = [headers(&[video_stream(COUNT as u32, &[])]), chunk(b"JUNK", &[1; 33]), movi].concat();
    check("no index", &riff(b"AVI ", &content));
}

#[test]
fn interleaved_with_sound_in_rec_lists() {
    let records: Vec<u8> = frames(b"01dc")
        .iter()
        .flat_map(|frame| list(b"rec ", &[chunk(b"00wb", &[3; 7]), frame.clone()].concat()))
        .collect();
    let streams = [audio_stream(), video_stream(COUNT as u32, &[])];
    check("rec lists", &riff(b"AVI ", &[headers(&streams), list(b"movi", &records)].concat()));
}

#[test]
fn the_first_video_stream_counts() {
    let other = chunk(b"01dc", b"not a picture");
    let content: Vec<u8> = frames(b"00db").iter().flat_map(|frame| [frame.clone(), other.clone()].concat()).collect();
    let streams = [video_stream(COUNT as u32, &[]), video_stream(COUNT as u32, &[])];
    check("two videos", &riff(b"AVI ", &[headers(&streams), list(b"movi", &content)].concat()));
}

#[test]
fn offsets_from_the_list_or_from_the_file() {
    let headers = headers(&[video_stream(COUNT as u32, &[])]);
    // 12 bytes of RIFF header, 8 of LIST header.
    let movi = 12 + headers.len() as u32 + 8;
    for base in [0, movi] {
        let frames = frames(b"00dc");
        let mut index = Vec::new();
        let mut at = movi + 4;
        for frame in &frames {
            let size = u32::from_le_bytes(frame[4..8].try_into().unwrap());
            index.extend([&b"00dc"[..], &words(&[16, at - base, size])].concat());
            at += frame.len() as u32;
        }
        // Where an index is, the list need not be walkable: garbage after the frames.
        let movi = list(b"movi", &[frames.concat(), vec![0; 64]].concat());
        let content = [headers.clone(), movi, chunk(b"idx1", &index)].concat();
        check(&format!("base {base}"), &riff(b"AVI ", &content));
    }
}

#[test]
fn sizes_that_were_never_written() {
    for unknown in [0, u32::MAX] {
        let content = [headers(&[video_stream(0, &[])]), list(b"movi", &frames(b"00dc").concat())].concat();
        let mut bytes = riff(b"AVI ", &content);
        let movi = crate::clips::find(&bytes, b"movi", 0);
        bytes[4..8].copy_from_slice(&words(&[unknown]));
        bytes[movi - 4..movi].copy_from_slice(&words(&[unknown]));
        check("a recording that was not closed", &bytes);
    }
}

#[test]
fn frames_that_are_not_padded() {
    let unpadded: Vec<u8> = jpegs(SIZE.0, SIZE.1, COUNT)
        .iter()
        .flat_map(|jpeg| [&b"00dc"[..], &words(&[jpeg.len() as u32]), jpeg].concat())
        .collect();
    assert!(jpegs(SIZE.0, SIZE.1, COUNT).iter().any(|jpeg| jpeg.len() % 2 == 1), "the test needs an odd frame");
    let content = [headers(&[video_stream(COUNT as u32, &[])]), list(b"movi", &unpadded)].concat();
    check("unpadded", &riff(b"AVI ", &content));
}

/// Two RIFF segments, with and without the index of indices.
#[test]
fn opendml_segments() {
    for indexed in [true, false] {
        let frames = frames(b"00dc");
        let (first, second) = frames.split_at(3);
        let super_index = |at: [u64; 2]| {
            let mut content = words(&[4, 2]);
            content.extend(b"00dc");
            content.extend(words(&[0, 0, 0]));
            for at in at {
                content.extend(at.to_le_bytes());
                content.extend(words(&[0, 0]));
            }
            chunk(b"indx", &content)
        };
        let leaf = |frames: &[Vec<u8>], base: u64| {
            let mut content = words(&[2 | 1 << 24, frames.len() as u32]);
            content.extend(b"00dc");
            content.extend(base.to_le_bytes());
            content.extend(words(&[0]));
            let mut at = 8u32;
            for frame in frames {
                let size = u32::from_le_bytes(frame[4..8].try_into().unwrap());
                content.extend(words(&[at, size | 1 << 31]));
                at += frame.len() as u32;
            }
            chunk(b"ix00", &content)
        };
        let stream = |at| if indexed { video_stream(7, &super_index(at)) } else { video_stream(7, &[]) };
        let build = |at: [u64; 2], bases: [u64; 2]| {
            let movi = |frames: &[Vec<u8>], base| {
                let leaf = if indexed { leaf(frames, base) } else { Vec::new() };
                list(b"movi", &[frames.concat(), leaf].concat())
            };
            let first = riff(b"AVI ", &[headers(&[stream(at)]), movi(first, bases[0])].concat());
            [first, riff(b"AVIX", &movi(second, bases[1]))].concat()
        };
        // Offsets do not change sizes, so a draft tells where everything is.
        let draft = build([0; 2], [0; 2]);
        let bases = [0, 1].map(|nth| crate::clips::find(&draft, b"movi", nth) as u64 + 4);
        let at = if indexed { [0, 1].map(|nth| crate::clips::find(&draft, b"ix00", nth) as u64) } else { [0; 2] };
        check(if indexed { "OpenDML index" } else { "OpenDML without index" }, &build(at, bases));
    }
}
