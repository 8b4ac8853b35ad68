//! Broken, lying and hostile files: an error that names the file and the cause, or correct frames; never a panic.

use std::time::{Duration, Instant};

use echo_random::Stream;
use echo_video::{Mask, OpenOptions, Video, VideoError};

use crate::clips::{file, find, small_avi};

fn open(name: &str, bytes: &[u8], options: &OpenOptions) -> Result<Video, VideoError> {
    let (folder, path) = file(name, bytes);
    let video = Video::open(&path, options);
    // Decoding reads the file again; for what is only opened the folder may go.
    if video.is_ok() {
        std::mem::forget(folder);
    }
    video
}

fn error(name: &str, bytes: &[u8]) -> VideoError {
    let error = open(name, bytes, &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains(name), "the message must name the file: {error}");
    error
}

fn lenient() -> OpenOptions {
    OpenOptions { allow_truncated: true, ..OpenOptions::default() }
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn what_is_no_video() {
    assert!(matches!(error("empty.avi", b""), VideoError::Empty { .. }));
    assert!(matches!(error("list.avi", b"FileName,EF\na,55\n"), VideoError::NotAVideo { .. }));
    assert!(matches!(error("image.mp4", b"\x89PNG\r\n\x1a\nrest"), VideoError::NotAVideo { .. }));
    let playlist = b"ffconcat version 1.0\nfile '/etc/hostname'\n";
    assert!(matches!(error("playlist.mp4", playlist), VideoError::NotAVideo { .. }));
    let dicom = error("a.dcm", &[&[0; 128][..], b"DICM\x02\0\0\0"].concat());
    assert!(matches!(dicom, VideoError::Malformed { .. }), "{dicom}");

    let folder = tempfile::tempdir().unwrap();
    let directory = Video::open(folder.path(), &OpenOptions::default()).unwrap_err();
    assert!(
        matches!(directory, VideoError::NotAVideo { .. }) && directory.to_string().contains("a folder"),
        "{directory}"
    );
    let missing = Video::open(&folder.path().join("none.avi"), &OpenOptions::default()).unwrap_err();
    assert!(matches!(missing, VideoError::Io { .. }) && missing.to_string().contains("none.avi"), "{missing}");
}

#[test]
fn a_wrong_extension_does_not_matter() {
    assert_eq!(open("clip.mp4", &small_avi(2), &OpenOptions::default()).unwrap().info().frames, 2);
}

/// A pipe that nobody writes to would be waited for.
#[cfg(unix)]
#[test]
fn a_named_pipe_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.avi");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let found = Video::open(&pipe, &OpenOptions::default()).unwrap_err().to_string();
    assert!(found.contains("pipe.avi") && found.contains("a pipe"), "{found}");
}

#[test]
fn a_truncation_is_an_error_unless_allowed_or_of_the_last_frame_alone() {
    let whole = small_avi(6);
    let reference = open("whole.avi", &whole, &OpenOptions::default()).unwrap().decode_all().unwrap();
    let sixth = find(&whole, b"00dc", 5);
    let (mut usable, mut nearly_whole) = (0, 0);
    for length in (1..whole.len()).step_by(13).chain(whole.len() - 20..whole.len()) {
        // Bytes of the header of the sixth frame's chunk tell that there is one.
        if length >= sixth {
            let video = open("cut.avi", &whole[..length], &OpenOptions::default()).unwrap();
            let info = video.info();
            assert!(info.frames >= 5 && info.truncated.is_none(), "{length}: {info:?}");
            assert!(info.warnings.iter().any(|warning| warning.contains("last frame")), "{length}: {info:?}");
            assert!(video.decode_all().unwrap().data == reference.data[..info.frames * 48 * 32 * 3], "{length}");
            nearly_whole += 1;
            continue;
        }
        error("cut.avi", &whole[..length]);
        let Ok(video) = open("cut.avi", &whole[..length], &lenient()) else { continue };
        let info = video.info();
        let truncated = info.truncated.as_ref().unwrap_or_else(|| panic!("{length}: nothing is said to be missing"));
        assert_eq!((truncated.expected_frames, truncated.frames), (Some(6), info.frames), "{length}");
        let frames = video.decode_all().unwrap();
        assert!(frames.data == reference.data[..frames.data.len()], "{length}: other pixels");
        usable += usize::from(info.frames > 0);
    }
    assert!(usable > 50 && nearly_whole > 20, "{usable} and {nearly_whole} cut files could be used");
}

/// A recorder that was switched off wrote no sizes and no number of frames.
#[test]
fn a_recording_that_ends_inside_its_last_frame_is_used_to_the_frame_before() {
    let whole = small_avi(6);
    let mut bytes = whole[..find(&whole, b"00dc", 5) + 100].to_vec();
    let (movi, strh) = (find(&bytes, b"movi", 0), find(&bytes, b"strh", 0) + 8);
    put(&mut bytes, 4, 0);
    put(&mut bytes, movi - 4, 0);
    put(&mut bytes, strh + 32, 0);
    let video = open("off.avi", &bytes, &OpenOptions::default()).unwrap();
    assert_eq!((video.info().frames, video.info().warnings.len()), (5, 1), "{:?}", video.info());
    assert_eq!(video.decode_all().unwrap().count, 5);
}

#[test]
fn a_last_picture_that_is_cut_inside_its_chunk_is_left_out() {
    let mut jpegs = crate::clips::jpegs(48, 32, 4);
    let half = jpegs[3].len() * 2 / 3;
    jpegs[3].truncate(half);
    let (_folder, path) = file("half.avi", b"");
    crate::clips::write_avi(&path, 48, 32, &jpegs);
    let video = Video::open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(video.info().frames, 3);
    assert!(video.info().warnings[0].contains("its last frame is cut"), "{:?}", video.info());
    assert_eq!(video.decode_all().unwrap().count, 3);
}

/// Some recorders put bytes of their own before each picture.
#[test]
fn bytes_before_a_picture_do_not_matter() {
    let whole = small_avi(3);
    let reference = open("whole.avi", &whole, &OpenOptions::default()).unwrap().decode_all().unwrap();
    for pictures in [vec![0], vec![1], vec![0, 1, 2]] {
        let mut bytes = whole.clone();
        for &picture in pictures.iter().rev() {
            let at = find(&bytes, b"00dc", picture);
            let size = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
            put(&mut bytes, at + 4, size + 2);
            bytes.splice(at + 8..at + 8, [0x0d, 0x0a]);
        }
        let added = 2 * pictures.len() as u32;
        let movi = find(&bytes, b"movi", 0);
        for at in [4, movi - 4] {
            let size = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            put(&mut bytes, at, size + added);
        }
        let index = find(&bytes, b"idx1", 0);
        bytes[index..index + 4].copy_from_slice(b"JUNK");
        let video = open("bytes.avi", &bytes, &OpenOptions::default()).unwrap();
        assert!(video.decode_all().unwrap().data == reference.data, "{pictures:?}");
    }
}

#[test]
fn headers_that_promise_too_much() {
    let whole = small_avi(6);
    let strh = find(&whole, b"strh", 0) + 8;
    let strf = find(&whole, b"strf", 0) + 8;

    let mut more_frames = whole.clone();
    put(&mut more_frames, strh + 32, 1_000_000_000);
    let found = error("count.avi", &more_frames);
    assert!(matches!(found, VideoError::Truncated { .. }), "{found}");
    assert!(found.to_string().contains("1000000000") && found.to_string().contains('6'), "{found}");
    assert_eq!(open("count.avi", &more_frames, &lenient()).unwrap().info().frames, 6);

    let mut one_more = whole.clone();
    put(&mut one_more, strh + 32, 7);
    let video = open("more.avi", &one_more, &OpenOptions::default()).unwrap();
    assert_eq!((video.info().frames, video.info().truncated.as_ref()), (6, None));
    assert!(video.info().warnings[0].contains("promises 7 frames, the file has 6"), "{:?}", video.info());

    let mut huge = whole.clone();
    put(&mut huge, strf + 4, 60_000);
    put(&mut huge, strf + 8, 60_000);
    let found = error("huge.avi", &huge);
    assert!(matches!(found, VideoError::TooLarge { .. }) && found.to_string().contains("60000x60000"), "{found}");

    let mut minimum = whole.clone();
    put(&mut minimum, strf + 4, 0x8000_0000);
    assert!(matches!(error("minimum.avi", &minimum), VideoError::TooLarge { .. }));

    let mut zero = whole.clone();
    put(&mut zero, strf + 4, 0);
    assert!(matches!(error("zero.avi", &zero), VideoError::Malformed { .. }));

    let mut other_size = whole.clone();
    put(&mut other_size, strf + 4, 64);
    let video = open("size.avi", &other_size, &OpenOptions::default()).unwrap();
    let found = video.decode_all().unwrap_err();
    assert!(matches!(found, VideoError::Frame { frame: 0, .. }), "{found}");
    assert!(found.to_string().contains("48x32") && found.to_string().contains("64x32"), "{found}");
}

#[test]
fn chunks_and_indices_that_point_elsewhere() {
    let whole = small_avi(6);
    let index = find(&whole, b"idx1", 0) + 8;
    let second = u32::from_le_bytes(whole[index + 16 + 8..][..4].try_into().unwrap());
    for offset in [u32::MAX, 5, whole.len() as u32 - 3, second] {
        let mut bytes = whole.clone();
        put(&mut bytes, index + 3 * 16 + 8, offset);
        let found = error("index.avi", &bytes);
        assert!(matches!(found, VideoError::Malformed { .. }) && found.to_string().contains("entry 3"), "{found}");
        let video = open("index.avi", &bytes, &lenient()).unwrap();
        assert_eq!(video.info().frames, 6, "the frames are all there");
        assert!(video.info().truncated.as_ref().unwrap().cause.contains("index"));
    }
    let fourth = find(&whole, b"00dc", 3);
    for size in [u32::MAX, 0x7fff_ffff, 1 << 20] {
        let mut bytes = whole.clone();
        put(&mut bytes, fourth + 4, size);
        assert!(matches!(error("chunk.avi", &bytes), VideoError::Malformed { .. }));
        assert_eq!(open("chunk.avi", &bytes, &lenient()).unwrap().info().frames, 3);
    }
    let mut no_stream = whole.clone();
    let strh = find(&whole, b"vids", 0);
    no_stream[strh..strh + 4].copy_from_slice(b"auds");
    assert!(error("sound.avi", &no_stream).to_string().contains("no video stream"));
}

/// A list in a list in a list: walked without recursion.
#[test]
fn deeply_nested_lists() {
    let whole = small_avi(2);
    let movi = find(&whole, b"movi", 0);
    let mut bytes = whole[..movi + 4].to_vec();
    for _ in 0..200_000 {
        bytes.extend(b"LIST\xff\xff\xff\x7frec ");
    }
    bytes.extend(&whole[movi + 4..]);
    let (riff, list) = (bytes.len() as u32 - 8, (bytes.len() - movi) as u32);
    put(&mut bytes, 4, riff);
    put(&mut bytes, movi - 4, list);
    let index = find(&bytes, b"idx1", 0);
    bytes[index..index + 4].copy_from_slice(b"JUNK");
    assert_eq!(open("nested.avi", &bytes, &OpenOptions::default()).unwrap().info().frames, 2);
}

/// An OpenDML index that names the same large part many times over: 6 GB to read, if it were believed.
#[test]
fn an_index_in_circles_ends_soon() {
    let whole = small_avi(2);
    let words = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let chunk = |id: &[u8], content: &[u8]| [id, &words(&[content.len() as u32]), content].concat();
    let part = chunk(b"ix00", &[words(&[2 | 1 << 24, 0]), vec![0; 300_000]].concat());
    let (strl, movi) = (find(&whole, b"strl", 0), find(&whole, b"movi", 0));
    let entries = 20_000;
    // The index goes to the end of the stream's headers, the part before the list of frames.
    let part_at = (movi - 8 + 8 + 24 + 16 * entries) as u64;
    let mut index = [words(&[4, entries as u32]), b"00dc".to_vec(), vec![0; 12]].concat();
    for _ in 0..entries {
        index.extend(part_at.to_le_bytes());
        index.extend(words(&[0, 0]));
    }
    let index = chunk(b"indx", &index);
    let mut bytes = [&whole[..movi - 8], &index, &part, &whole[movi - 8..]].concat();
    let riff = bytes.len() as u32 - 8;
    put(&mut bytes, 4, riff);
    let headers = find(&bytes, b"hdrl", 0) - 4;
    for list in [headers, strl - 4] {
        let size = u32::from_le_bytes(bytes[list..list + 4].try_into().unwrap());
        put(&mut bytes, list, size + index.len() as u32);
    }
    let started = Instant::now();
    let found = error("circles.avi", &bytes);
    assert!(found.to_string().contains("longer than the file"), "{found}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(open("circles.avi", &bytes, &lenient()).unwrap().info().frames, 2);
}

#[test]
fn a_corrupt_frame_is_named() {
    let whole = small_avi(6);
    let third = find(&whole, b"\xff\xda", 3);
    let mut bytes = whole.clone();
    bytes[third + 14..third + 120].fill(0xfe);
    let video = open("corrupt.avi", &bytes, &OpenOptions::default()).unwrap();
    let found = video.decode_all().unwrap_err();
    assert!(matches!(found, VideoError::Frame { frame: 3, .. }), "{found}");
    assert!(found.to_string().contains("corrupt.avi"), "{found}");
    assert_eq!(video.decode(&[0, 1, 2, 4, 5]).unwrap().count, 5, "the others can be decoded");

    // The pixels end too early, in a frame that is otherwise whole.
    let mut bytes = whole.clone();
    bytes[third + 200..third + 202].copy_from_slice(&[0xff, 0xd9]);
    let found = open("short.avi", &bytes, &OpenOptions::default()).unwrap().decode_all().unwrap_err();
    assert!(
        matches!(found, VideoError::Frame { frame: 3, .. }) && found.to_string().contains("ends in unit"),
        "{found}"
    );
}

#[test]
fn memory_stays_within_the_limit() {
    let options = OpenOptions { max_bytes: 3 * 48 * 32 * 3, ..OpenOptions::default() };
    let video = open("limit.avi", &small_avi(6), &options).unwrap();
    assert_eq!(video.decode(&[5, 0, 1]).unwrap().count, 3);
    let found = video.decode_all().unwrap_err();
    assert!(matches!(found, VideoError::TooLarge { .. }) && found.to_string().contains("limit.avi"), "{found}");
    let repeated = video.decode(&vec![0; 1 << 20]).unwrap_err();
    assert!(matches!(repeated, VideoError::TooLarge { .. }), "{repeated}");
}

/// Several thousand damaged files. ffmpeg is replaced by nothing, so that only this crate's own reader is tried, and the
/// limits are small, so that a test that allocates by a declared size fails by its time.
#[test]
fn damaged_files_never_panic_and_end_soon() {
    let whole = small_avi(3);
    let (_folder, path) = file("damaged.avi", &whole);
    let (mut opened, mut decoded) = (0, 0);
    for round in 0..4000 {
        let mut stream = Stream::new(11, "test/damage", round);
        let mut bytes = whole.clone();
        // Half of the damage goes to the first 300 bytes: the headers.
        for _ in 0..1 + stream.below(4) {
            let at = if stream.below(2) == 0 { stream.below(300) } else { stream.below(bytes.len()) };
            match stream.below(4) {
                0 => bytes[at] ^= 1 << stream.below(8),
                1 => bytes[at] = stream.bits32() as u8,
                2 => bytes[at] = [0, 0xff, 0x7f, 0x80][stream.below(4)],
                _ if at + 4 <= bytes.len() => {
                    put(&mut bytes, at, [0, 1, u32::MAX, 0x7fff_ffff, 0x8000_0000][stream.below(5)])
                }
                _ => {}
            }
        }
        if stream.below(3) == 0 {
            bytes.truncate(stream.below(bytes.len()));
        }
        std::fs::write(&path, &bytes).unwrap();
        let options = OpenOptions {
            allow_truncated: stream.below(2) == 0,
            mask: Mask::default(),
            max_pixels: 1 << 20,
            max_bytes: 1 << 24,
            ffmpeg: Some("/nonexistent/ffmpeg".into()),
            patience: Duration::from_secs(1),
        };
        let started = Instant::now();
        if let Ok(video) = Video::open(&path, &options) {
            opened += 1;
            decoded += usize::from(video.decode_all().is_ok());
        }
        assert!(started.elapsed() < Duration::from_secs(5), "round {round} took {:?}", started.elapsed());
    }
    assert!(opened > 400 && decoded > 130 && decoded < opened, "opened {opened}, decoded {decoded}");
}
