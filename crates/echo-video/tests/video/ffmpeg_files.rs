//! Files that ffmpeg makes, and files that ffmpeg reads.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use echo_video::{Container, OpenOptions, Video, VideoError};
use jpeg_encoder::SamplingFactor;

use crate::clips::{Jpeg, difference, picture, small_avi, write_avi};

/// Runs ffmpeg; `None`, with the reason printed, where there is none.
fn ffmpeg(arguments: &[&str]) -> Option<Vec<u8>> {
    match Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            Some(output.stdout)
        }
        Err(error) if std::env::var_os("ECHOZOO_NO_SKIP").is_none_or(|value| value != "1") => {
            println!("skipped: ffmpeg cannot be started: {error}");
            None
        }
        Err(error) => panic!("ECHOZOO_NO_SKIP=1 and ffmpeg cannot be started: {error}"),
    }
}

const SOURCE: &str = "testsrc=size=112x96:rate=30000/1001";

/// A test picture of 25 frames, compressed as `arguments` say.
fn make(path: &Path, arguments: &[&str]) -> Option<()> {
    let path = path.to_str().unwrap();
    let all = [&["-f", "lavfi", "-i", SOURCE, "-frames:v", "25"], arguments, &[path]].concat();
    ffmpeg(&all).map(drop)
}

/// ffmpeg's own opinion of the pixels.
fn rgb24(path: &Path) -> Vec<u8> {
    let path = format!("file:{}", path.to_str().unwrap());
    ffmpeg(&["-i", &path, "-map", "0:v:0", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]).unwrap()
}

fn open(path: &Path) -> Video {
    Video::open(path, &OpenOptions::default()).unwrap()
}

#[test]
fn other_containers_and_codecs() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str], Container, &str); 5] = [
        ("a.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"], Container::IsoBmff, "h264"),
        ("b.mov", &["-c:v", "mpeg4"], Container::IsoBmff, "mpeg4"),
        ("c.mkv", &["-c:v", "ffv1"], Container::Matroska, "ffv1"),
        ("d.avi", &["-c:v", "rawvideo", "-pix_fmt", "bgr24"], Container::Avi, "rawvideo"),
        ("e.mpg", &["-c:v", "mpeg1video", "-r", "30000/1001"], Container::Other, "mpeg1video"),
    ];
    for (name, arguments, container, codec) in cases {
        let path = folder.path().join(name);
        let Some(()) = make(&path, arguments) else { return };
        let video = open(&path);
        let info = video.info();
        assert_eq!((info.container, info.codec.as_str()), (container, codec), "{name}");
        assert_eq!((info.width, info.height, info.frames), (112, 96, 25), "{name}");
        assert!(info.warnings.is_empty(), "{name}: {:?}", info.warnings);
        assert!((info.fps - 30_000.0 / 1001.0).abs() < 1e-9, "{name}: {}", info.fps);
        let all = video.decode_all().unwrap();
        assert!(all.data == rgb24(&path), "{name}: other pixels than ffmpeg's");
        let some = video.decode(&[20, 3, 20]).unwrap();
        assert!(some.frame(0) == all.frame(20) && some.frame(1) == all.frame(3) && some.frame(2) == all.frame(20));
    }
}

/// Our Motion-JPEG against ffmpeg's. The inverse cosine transforms differ by one level, which the matrix and the
/// stretching of limited range turn into 5 at most; smooth instead of repeated chroma, a wrong range or matrix would
/// give 10 to 140.
#[test]
fn motion_jpeg_in_every_pixel_format() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["yuvj420p", "yuvj422p", "yuvj444p", "yuv420p", "yuv422p", "yuv444p"] {
        for tables in ["default", "optimal"] {
            let path = folder.path().join(format!("{format}-{tables}.avi"));
            let range = if format.starts_with("yuvj") { "pc" } else { "tv" };
            let arguments = ["-c:v", "mjpeg", "-pix_fmt", format, "-color_range", range, "-huffman", tables];
            let Some(()) = make(&path, &[&arguments[..], &["-strict", "unofficial", "-q:v", "3"]].concat()) else {
                return;
            };
            // No ffmpeg behind these: they must be read here.
            let options = OpenOptions { ffmpeg: Some("/nonexistent/ffmpeg".into()), ..OpenOptions::default() };
            let frames = Video::open(&path, &options).unwrap().decode_all().unwrap();
            assert_eq!(frames.count, 25);
            let (mean, max) = difference(&frames.data, &rgb24(&path));
            println!("{format} {tables}: mean {mean:.4} max {max}");
            assert!(mean < 0.1 && max <= 6, "{format} {tables}: mean {mean} max {max}");
        }
    }
}

/// A real recording, where there is one: `ECHOZOO_TEST_DATA` is a folder with `example_video.avi`. OpenCV 5.0 gives bit for
/// bit what ffmpeg's rgb24 gives.
#[test]
fn a_real_recording() {
    let Some(folder) = std::env::var_os("ECHOZOO_TEST_DATA").map(PathBuf::from) else {
        println!("skipped: ECHOZOO_TEST_DATA is not set");
        return;
    };
    let path = folder.join("example_video.avi");
    let video = open(&path);
    assert_eq!((video.info().frames, video.info().width, video.info().fps), (113, 224, 30.0));
    if ffmpeg(&["-version"]).is_some() {
        let (mean, max) = difference(&video.decode_all().unwrap().data, &rgb24(&path));
        println!("mean {mean:.4} max {max}");
        assert!(mean < 0.1 && max <= 5, "mean {mean} max {max}");
    }
}

/// JPEGs that are not read here, because each component has a scan of its own.
#[test]
fn unusual_jpegs_go_to_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.avi");
    let jpeg = Jpeg { sampling: SamplingFactor::F_4_1, ..Jpeg::default() };
    let jpegs: Vec<_> = (0..3).map(|number| jpeg.encode(64, 48, &picture(64, 48, number))).collect();
    write_avi(&path, 64, 48, &jpegs);
    if ffmpeg(&["-version"]).is_some() {
        let frames = open(&path).decode_all().unwrap();
        assert_eq!(frames.count, 3);
        assert!(frames.data == rgb24(&path));
    }
}

/// Two fields in a frame are for ffmpeg, which weaves them.
#[test]
fn interlaced_frames_go_to_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.avi");
    let jpegs: Vec<Vec<u8>> = crate::clips::jpegs(48, 32, 3)
        .into_iter()
        .map(|mut jpeg| {
            jpeg.splice(2..2, *b"\xff\xe0\x00\x10AVI1\x01\0\0\0\0\0\0\0\0\0");
            jpeg
        })
        .collect();
    write_avi(&path, 48, 32, &jpegs);
    let options = OpenOptions { ffmpeg: Some("/nonexistent/ffmpeg".into()), ..OpenOptions::default() };
    let found = Video::open(&path, &options).unwrap_err();
    assert!(matches!(found, VideoError::FfmpegMissing { .. }), "{found}");
}

#[test]
fn truncated_and_broken_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let Some(()) = make(&path, &["-c:v", "libx264", "-movflags", "+faststart"]) else { return };
    let whole = std::fs::read(&path).unwrap();

    std::fs::write(&path, &whole[..whole.len() * 3 / 4]).unwrap();
    let found = Video::open(&path, &OpenOptions::default()).unwrap_err();
    assert!(matches!(found, VideoError::Truncated { .. }) && found.to_string().contains("a.mp4"), "{found}");
    let lenient = OpenOptions { allow_truncated: true, ..OpenOptions::default() };
    let video = Video::open(&path, &lenient).unwrap();
    assert!((1..25).contains(&video.info().frames), "{:?}", video.info());
    assert_eq!(video.info().truncated.as_ref().unwrap().frames, video.info().frames);
    assert_eq!(video.decode_all().unwrap().count, video.info().frames);

    std::fs::write(&path, &whole[..60]).unwrap();
    let found = Video::open(&path, &lenient).unwrap_err();
    assert!(matches!(found, VideoError::Ffmpeg { .. }) && found.to_string().contains("a.mp4"), "{found}");
}

/// A stream cut from another begins with pictures that need those before them.
#[test]
fn a_stream_that_was_cut_at_its_beginning_is_whole_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cut) = (folder.path().join("a.ts"), folder.path().join("cut.ts"));
    let gop = "open-gop=1:keyint=10:min-keyint=10:bframes=3:scenecut=0";
    let Some(()) = make(&path, &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", gop]) else { return };
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&cut, &whole[whole.len() / 188 * 2 / 5 * 188..]).unwrap();
    let video = open(&cut);
    let info = video.info();
    assert!(info.truncated.is_none() && (5..25).contains(&info.frames), "{info:?}");
    assert!(info.warnings.iter().any(|warning| warning.contains("ffmpeg decodes")), "{info:?}");
    assert_eq!(video.decode_all().unwrap().count, info.frames);
}

#[test]
fn copies_that_begin_between_two_groups_of_pictures_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let gop = "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0";
    let path = path.to_str().unwrap();
    // Pictures that move enough for ffmpeg to complain of what was cut away.
    let source = "mandelbrot=size=112x96:rate=30";
    let long = ["-f", "lavfi", "-i", source, "-frames:v", "113", "-c:v", "libx264", "-pix_fmt", "yuv420p"];
    if ffmpeg(&[&long[..], &["-x264-params", gop, path]].concat()).is_none() {
        return;
    }
    for (name, cut) in [("cut.mp4", ["-i", path, "-ss", "0.7"]), ("cut.avi", ["-ss", "0.7", "-i", path])] {
        let copy = folder.path().join(name);
        ffmpeg(&[&cut[..], &["-c", "copy", copy.to_str().unwrap()]].concat()).unwrap();
        let video = open(&copy);
        let info = video.info();
        assert!(info.truncated.is_none() && info.frames >= 60, "{name}: {info:?}");
        assert_eq!(video.decode_all().unwrap().count, info.frames, "{name}");
    }
}

#[test]
fn frame_times_that_vary_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let select = ["-vf", "select='not(between(mod(n,10),3,5))'", "-fps_mode", "vfr", "-c:v", "libx264"];
    let Some(()) = make(&path, &select) else { return };
    let video = open(&path);
    let found = &video.info().warnings;
    assert!(found.len() == 1 && found[0].contains("frame times vary, 33 to 133 ms"), "{found:?}");
}

/// Pictures that only ffmpeg takes for such.
#[test]
fn a_first_picture_that_is_no_jpeg_here_goes_to_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.avi");
    write_avi(&path, 64, 48, &crate::clips::jpegs(64, 48, 5));
    let mut bytes = std::fs::read(&path).unwrap();
    let at = crate::clips::find(&bytes, b"00dc", 0) + 8;
    bytes[at..at + 2].copy_from_slice(b"xx");
    std::fs::write(&path, &bytes).unwrap();
    let without = OpenOptions { ffmpeg: Some("/nonexistent/ffmpeg".into()), ..OpenOptions::default() };
    let found = Video::open(&path, &without).unwrap_err().to_string();
    assert!(found.contains("frame 0") && found.contains("not a JPEG") && found.contains("apt install"), "{found}");
    if ffmpeg(&["-version"]).is_some() {
        let video = open(&path);
        assert_eq!((video.info().frames, video.decode_all().unwrap().count), (5, 5), "{:?}", video.info());
    }
}

/// A program whose libraries are missing is started and ends at once with a line of the system's loader.
#[cfg(unix)]
#[test]
fn an_ffmpeg_that_cannot_be_loaded_gives_the_loaders_line() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("ffmpeg");
    let line = "ffmpeg: error while loading shared libraries: libavdevice.so.60: cannot open shared object file";
    std::fs::write(&script, format!("#!/bin/sh\necho '{line}' >&2\nexit 127\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = OpenOptions { ffmpeg: Some(script), ..OpenOptions::default() };
    for (name, bytes) in [("a.mp4", &b"\0\0\0\x20ftypisom\0\0\0\0"[..]), ("a.mpg", b"\0\0\x01\xba\x44\0")] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let found = Video::open(&path, &options).unwrap_err();
        assert!(matches!(found, VideoError::FfmpegMissing { .. }) && found.to_string().contains(line), "{found}");
    }
}

#[test]
fn sizes_beyond_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mkv");
    let Some(()) = make(&path, &["-c:v", "ffv1"]) else { return };
    let options = OpenOptions { max_pixels: 5000, ..OpenOptions::default() };
    let found = Video::open(&path, &options).unwrap_err();
    assert!(matches!(found, VideoError::TooLarge { .. }), "{found}");
}

/// The only test that changes the working folder; all others use absolute paths.
#[test]
fn difficult_names() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.mp4");
    let Some(()) = make(&plain, &["-c:v", "libx264"]) else { return };
    std::env::set_current_dir(folder.path()).unwrap();
    for name in ["-i.mp4", "http:a.mp4", "100%03d.mp4", "a b;$(c)'\".mp4", "concat:x|y.mp4", "a.avi"] {
        std::fs::copy(&plain, name).unwrap();
        assert_eq!(open(Path::new(name)).decode_all().unwrap().count, 25, "{name}");
    }
}

#[test]
fn without_ffmpeg_the_error_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    std::fs::write(&path, b"\0\0\0\x20ftypisom\0\0\0\0").unwrap();
    let options = OpenOptions { ffmpeg: Some("/nonexistent/ffmpeg".into()), ..OpenOptions::default() };
    let found = Video::open(&path, &options).unwrap_err().to_string();
    assert!(found.contains("a.mp4") && found.contains("apt install ffmpeg"), "{found}");
    let avi = folder.path().join("a.avi");
    std::fs::write(&avi, small_avi(2)).unwrap();
    assert_eq!(Video::open(&avi, &options).unwrap().decode_all().unwrap().count, 2, "Motion-JPEG needs none");
}

/// Versions before 5.1 do not know `-fps_mode`; a script plays one.
#[cfg(unix)]
#[test]
fn an_older_ffmpeg_is_understood() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let Some(()) = make(&path, &["-c:v", "libx264"]) else { return };
    let script = folder.path().join("ffmpeg-4.4");
    let text = "#!/bin/sh\ncase \"$*\" in\n\
        *-fps_mode*) echo \"Unrecognized option 'fps_mode'.\" >&2; exit 1;;\n\
        *) exec ffmpeg \"$@\";;\nesac\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = OpenOptions { ffmpeg: Some(script), ..OpenOptions::default() };
    let frames = Video::open(&path, &options).unwrap().decode_all().unwrap();
    assert!(frames.data == rgb24(&path));
}

#[cfg(unix)]
#[test]
fn an_ffmpeg_that_hangs_is_ended() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("ffmpeg");
    std::fs::write(&script, "#!/bin/sh\necho $$ > \"$(dirname \"$0\")/pid\"\nexec sleep 300\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("a.mp4");
    std::fs::write(&path, b"\0\0\0\x20ftypisom\0\0\0\0").unwrap();
    let patience = Duration::from_millis(500);
    let options = OpenOptions { ffmpeg: Some(script), patience, ..OpenOptions::default() };
    let started = Instant::now();
    let found = Video::open(&path, &options).unwrap_err();
    assert!(matches!(found, VideoError::Ffmpeg { .. }) && found.to_string().contains("500ms"), "{found}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    if cfg!(target_os = "linux") {
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "the process still runs");
    }
}
