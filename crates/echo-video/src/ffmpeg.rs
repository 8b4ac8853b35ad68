//! The system's ffmpeg as the decoder of everything that is not Motion-JPEG in AVI.
//!
//! A first pass decodes the whole file and keeps only its measures; containers lie about their frame counts. A second
//! one streams the pixels, of which only the wanted frames stay in memory. The file is one argument of a process that
//! no shell sees, opened by a demuxer that was chosen here, with no protocol but files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ffmpeg_sidecar::command::FfmpegCommand;
use ffmpeg_sidecar::event::{FfmpegEvent, LogLevel};
use ffmpeg_sidecar::log_parser::FfmpegLogParser;
use ffmpeg_sidecar::paths::ffmpeg_path;

use crate::error::VideoError;
use crate::open::{Container, OpenOptions};

/// A recording of a day and a half at 50 frames per second; more means that the file goes in circles.
const MAX_FRAMES: usize = 10_000_000;
/// Messages of ffmpeg that are kept; a broken file can give one per macroblock.
const MAX_MESSAGES: usize = 8;
/// A share of the frames, and a number of them, that may be missing beside complaints.
const MISSING_SHARE: f64 = 0.1;
const MISSING_FRAMES: usize = 3;
/// Distances between frames that are told apart.
const MAX_STEPS: usize = 1000;
/// Times of frames are rounded to a file's clock; distances that differ by more than this factor are not even.
const EVEN: f64 = 1.5;
/// What ffmpeg may take an unknown file for. Playlists, scripts and image sequences, which name other files, are not
/// among them.
const OTHER_FORMATS: &str = "mpeg,mpegts,mpegvideo,h264,hevc,m4v,asf,flv,ogg,ivf,rm,mxf,dv,nut,gif,swf,wtv,obu,av1";

/// What the first pass finds.
#[derive(Debug, PartialEq)]
pub(crate) struct Scan {
    pub(crate) codec: String,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) frames: usize,
    pub(crate) fps: f64,
    /// ffmpeg's complaints on the way.
    pub(crate) errors: Vec<String>,
    /// Whether it ended as if all went well.
    success: bool,
    /// What the container says, in seconds from the stream's start.
    duration: Option<f64>,
    /// The time of the first frame, and the least, the median and the largest distance between frames, in seconds.
    times: Option<Times>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Times {
    first: f64,
    least: f64,
    median: f64,
    most: f64,
}

impl Scan {
    /// Why this is only a part of the video: ffmpeg failed, or it complained and far fewer frames came than there should
    /// be, `known` by the container or by its duration. A stream that was cut from another is whole from its first frame on,
    /// before which it has complaints.
    pub(crate) fn missing(&self, known: Option<usize>) -> Option<String> {
        let complaints = match self.errors.is_empty() {
            true => String::new(),
            false => format!(" and reports: {}", self.errors.join("; ")),
        };
        let by_duration = || {
            let times = self.times.filter(|_| !self.errors.is_empty())?;
            Some(((self.duration? - times.first) / times.median).round() as usize)
        };
        let lacks = |expected: usize| expected.saturating_sub(self.frames);
        // Pictures before the first that can be shown refer to what was cut away.
        let before = self.times.map_or(0, |times| (times.first / times.median).round() as usize);
        let expected = match known {
            Some(known) => Some(known).filter(|&known| lacks(known.saturating_sub(before)) > 1),
            None => by_duration().filter(|&expected| {
                lacks(expected) > MISSING_FRAMES && lacks(expected) as f64 > MISSING_SHARE * expected as f64
            }),
        };
        let of = expected.map_or(String::new(), |expected| format!(" of {expected}"));
        (!self.success || expected.is_some()).then(|| format!("ffmpeg decodes {}{of} frames{complaints}", self.frames))
    }

    /// That the times of its frames are not evenly spaced, if so.
    pub(crate) fn uneven(&self) -> Option<String> {
        let Times { least, most, .. } = self.times?;
        (most > EVEN * least).then(|| {
            format!(
                "its frame times vary, {:.0} to {:.0} ms from one to the next; clips take frames by their number",
                1000.0 * least,
                1000.0 * most
            )
        })
    }
}

/// Decodes the whole file without keeping pixels.
pub(crate) fn scan(path: &Path, container: Container, options: &OpenOptions) -> Result<Scan, VideoError> {
    let output = ["-f", "framecrc"].map(OsString::from);
    let pass = |passthrough| Running::start(path, container, options, passthrough, &output)?.finish_lines(path);
    let (mut lines, mut report) = pass("-fps_mode")?;
    if report.unknown_option {
        (lines, report) = pass("-vsync")?;
    }
    if let Some(line) = report.loader_line() {
        return Err(missing(path, container, io::Error::other(line)));
    }
    let codec = report.codec.unwrap_or_else(|| "unknown".to_owned());
    let (Some((width, height)), true) = (lines.size, lines.frames > 0) else {
        let cause = match report.errors.is_empty() {
            true => "it finds no video in it".to_owned(),
            false => report.errors.join("; "),
        };
        return Err(if cause.contains("specified max pixel count") || cause.contains("Picture size") {
            VideoError::too_large(path, cause)
        } else if container == Container::Other {
            VideoError::NotAVideo { path: path.to_owned(), cause: format!("ffmpeg: {cause}") }
        } else {
            VideoError::Ffmpeg { path: path.to_owned(), cause }
        });
    };
    options.check_size(path, width, height)?;
    let (frames, fps, times) = (lines.frames, lines.fps(), lines.times());
    let Report { errors, success, duration, .. } = report;
    Ok(Scan { codec, width, height, frames, fps, errors, success, duration, times })
}

/// The measures that the `framecrc` output lists: a few header lines, then a line per frame.
#[derive(Debug, Default, PartialEq)]
struct FrameList {
    time_base: Option<(u64, u64)>,
    size: Option<(usize, usize)>,
    frames: usize,
    first: Option<i64>,
    last: i64,
    /// Distances in ticks between frames, and how often each came.
    steps: BTreeMap<i64, usize>,
}

impl FrameList {
    /// False when there are too many frames.
    fn take(&mut self, line: &str) -> bool {
        let pair = |text: &str, by: char| {
            let (a, b) = text.trim().split_once(by)?;
            Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?))
        };
        if let Some(text) = line.strip_prefix("#tb 0:") {
            self.time_base = pair(text, '/');
        } else if let Some(text) = line.strip_prefix("#dimensions 0:") {
            self.size = pair(text, 'x').map(|(width, height)| (width as usize, height as usize));
        } else if let Some(time) = line.strip_prefix("0,").and_then(|line| line.split(',').nth(1)) {
            let before = self.last;
            self.last = time.trim().parse().unwrap_or(self.last);
            if self.first.is_some() && (self.steps.len() < MAX_STEPS || self.steps.contains_key(&(self.last - before)))
            {
                *self.steps.entry(self.last - before).or_default() += 1;
            }
            self.first.get_or_insert(self.last);
            self.frames += 1;
        }
        self.frames <= MAX_FRAMES
    }

    fn times(&self) -> Option<Times> {
        let (numerator, denominator) =
            self.time_base.filter(|&(numerator, denominator)| numerator > 0 && denominator > 0)?;
        let middle = self.steps.values().sum::<usize>() / 2;
        let mut passed = 0;
        let median = self.steps.iter().find_map(|(&step, count)| {
            passed += count;
            (passed > middle).then_some(step)
        })?;
        let (least, most) = (*self.steps.first_key_value()?.0, *self.steps.last_key_value()?.0);
        let seconds = |ticks: i64| ticks as f64 * numerator as f64 / denominator as f64;
        let [first, least, median, most] = [self.first?, least, median, most].map(seconds);
        (median > 0.0).then_some(Times { first, least, median, most })
    }

    /// The mean rate; exact when the frames are equally spaced, because then the time base is the frame's duration.
    fn fps(&self) -> f64 {
        let (Some((numerator, denominator)), Some(first)) = (self.time_base, self.first) else { return 0.0 };
        if numerator == 0 || denominator == 0 {
            return 0.0;
        }
        let base = denominator as f64 / numerator as f64;
        let ticks = self.last.saturating_sub(first);
        let steps = self.frames.saturating_sub(1);
        if steps == 0 || ticks <= 0 || ticks as u64 == steps as u64 { base } else { base * steps as f64 / ticks as f64 }
    }
}

/// Decodes frames to rgb24 and hands those up to number `last` to `take`, in order.
pub(crate) fn stream(
    path: &Path,
    container: Container,
    options: &OpenOptions,
    frame_len: usize,
    last: usize,
    mut take: impl FnMut(usize, &[u8]),
) -> Result<(), VideoError> {
    let count = last.saturating_add(1).to_string();
    let output = ["-frames:v", &count, "-f", "rawvideo", "-pix_fmt", "rgb24"].map(OsString::from);
    for passthrough in ["-fps_mode", "-vsync"] {
        let mut running = Running::start(path, container, options, passthrough, &output)?;
        let mut pixels = vec![0; frame_len];
        for frame in 0..=last {
            match running.stdout.read_exact(&mut pixels) {
                Ok(()) => take(frame, &pixels),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let report = running.finish(path)?;
                    if report.unknown_option && frame == 0 && passthrough == "-fps_mode" {
                        break;
                    }
                    let cause = format!("it delivered {frame} frames and ended; {}", report.errors.join("; "));
                    return Err(VideoError::Ffmpeg { path: path.to_owned(), cause });
                }
                Err(error) => return Err(fault(path, &error)),
            }
            if frame == last {
                return Ok(());
            }
        }
    }
    Err(VideoError::Ffmpeg { path: path.to_owned(), cause: "it knows neither -fps_mode nor -vsync".to_owned() })
}

/// No ffmpeg that can be started.
fn missing(path: &Path, container: Container, source: io::Error) -> VideoError {
    let what = match container {
        Container::Avi => "AVI other than Motion-JPEG",
        Container::IsoBmff => "MP4 or MOV",
        Container::Matroska => "Matroska or WebM",
        Container::Dicom | Container::Pictures | Container::Other => "a file of this kind",
    };
    VideoError::FfmpegMissing { path: path.to_owned(), what: what.to_owned(), source }
}

fn fault(path: &Path, error: &io::Error) -> VideoError {
    VideoError::Ffmpeg { path: path.to_owned(), cause: error.to_string() }
}

/// An ffmpeg process; it does not outlive this value.
struct Running {
    child: Child,
    stdout: Pipe,
    messages: Option<JoinHandle<Report>>,
}

/// What ffmpeg said.
#[derive(Debug, Default)]
struct Report {
    codec: Option<String>,
    errors: Vec<String>,
    unknown_option: bool,
    /// Of the first input, in seconds.
    duration: Option<f64>,
    /// The last line that is no message of ffmpeg's own kind.
    foreign: Option<String>,
    /// Whether any message was.
    spoke: bool,
    success: bool,
}

impl Report {
    /// What the system's loader said of a program that it could not start.
    fn loader_line(&self) -> Option<&str> {
        self.foreign.as_deref().filter(|_| !self.success && !self.spoke && !self.unknown_option)
    }
}

impl Running {
    fn start(
        path: &Path,
        container: Container,
        options: &OpenOptions,
        passthrough: &str,
        output: &[OsString],
    ) -> Result<Self, VideoError> {
        // With the protocol named, a file name may begin with a dash or contain a colon.
        let mut input = OsString::from("file:");
        input.push(path);
        let format = match container {
            Container::Avi => ["-f", "avi"],
            Container::IsoBmff => ["-f", "mov"],
            Container::Matroska => ["-f", "matroska"],
            Container::Dicom | Container::Pictures | Container::Other => ["-format_whitelist", OTHER_FORMATS],
        };
        let program = options.ffmpeg.clone().unwrap_or_else(ffmpeg_path);
        let mut command = FfmpegCommand::new_with_path(&program);
        command
            .hide_banner()
            .args(["-nostdin", "-nostats", "-protocol_whitelist", "file,pipe"])
            .args(["-max_pixels", &options.max_pixels.min(i32::MAX as u64).to_string()])
            .args(format)
            .arg("-i")
            .arg(input)
            // `V` leaves out cover pictures. Neither repeat nor drop frames to make the rate constant.
            .args(["-map", "0:V:0", passthrough, "passthrough"])
            .args(output)
            .arg("pipe:1");
        // Started through the inner command: ffmpeg-sidecar's own `spawn` insists on a pipe for standard input.
        let inner = command.as_inner_mut();
        inner.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = inner.spawn().map_err(|source| missing(path, container, source))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let messages = stderr.map(|stderr| std::thread::spawn(move || listen(stderr)));
        Ok(Self { child, stdout: Pipe::new(stdout, options.patience), messages })
    }

    /// Reads the frame list to its end.
    fn finish_lines(mut self, path: &Path) -> Result<(FrameList, Report), VideoError> {
        let mut list = FrameList::default();
        let mut reader = BufReader::new(&mut self.stdout);
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).map_err(|error| fault(path, &error))? == 0 {
                break;
            }
            if !list.take(&line) {
                return Err(VideoError::too_large(path, format!("more than {MAX_FRAMES} frames")));
            }
        }
        Ok((list, self.finish(path)?))
    }

    /// What ffmpeg said, after it has closed its output.
    fn finish(mut self, path: &Path) -> Result<Report, VideoError> {
        // It may still hold its standard error open; nothing more is expected of it.
        let waited = self.stdout.patience.min(Duration::from_secs(5));
        let started = std::time::Instant::now();
        let status = loop {
            match self.child.try_wait().map_err(|error| VideoError::io(path, error))? {
                Some(status) => break Some(status),
                None if started.elapsed() > waited => break None,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        if status.is_none() {
            let _ = self.child.kill();
        }
        let mut report = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        report.success = status.is_some_and(|status| status.success());
        if report.errors.is_empty() && !status.is_some_and(|status| status.success()) {
            report.errors.push(match status {
                Some(status) => format!("it ended with {status}"),
                None => "it did not end".to_owned(),
            });
        }
        Ok(report)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, and there is nobody to tell otherwise.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects codec and complaints until ffmpeg closes its standard error.
fn listen(stderr: ChildStderr) -> Report {
    let mut parser = FfmpegLogParser::new(stderr);
    let mut report = Report::default();
    loop {
        match parser.parse_next_event() {
            Ok(FfmpegEvent::LogEOF) => return report,
            Ok(FfmpegEvent::ParsedInputStream(stream)) if stream.is_video() && report.codec.is_none() => {
                report.codec = Some(stream.format);
            }
            Ok(FfmpegEvent::Log(level, message)) => {
                // Versions before 5.1 know `-vsync` only, later ones mean to drop it.
                report.unknown_option |= message.contains("Unrecognized option 'fps_mode'");
                let is_error = matches!(level, LogLevel::Error | LogLevel::Fatal);
                match level {
                    LogLevel::Unknown if message.trim().is_empty() => {}
                    LogLevel::Unknown => report.foreign = Some(message.trim().chars().take(300).collect()),
                    _ => report.spoke = true,
                }
                if is_error && report.errors.len() < MAX_MESSAGES {
                    report.errors.push(without_prefix(&message));
                }
            }
            Ok(FfmpegEvent::ParsedDuration(found)) if found.input_index == 0 => {
                let start = found.raw_log_message.split_once("start: ").and_then(|(_, rest)| rest.split(',').next());
                // A stream that was cut from another begins later than its file.
                let start = start.and_then(|start| start.trim().parse::<f64>().ok()).unwrap_or(0.0).max(0.0);
                report.duration = Some(found.duration - start).filter(|seconds| seconds.is_finite() && *seconds > 0.0);
                report.spoke = true;
            }
            Ok(_) => report.spoke = true,
            // A line that the parser cannot place says nothing about the file; a broken pipe ends in `LogEOF`.
            Err(error) if error.downcast_ref::<io::Error>().is_some() => return report,
            Err(_) => {}
        }
    }
}

/// The message without the parts that differ from run to run: `[h264 @ 0x55d0] [error] no frame!` -> `no frame!`.
fn without_prefix(message: &str) -> String {
    let tail = ["[error] ", "[fatal] "].iter().find_map(|level| message.rsplit_once(level)).map(|(_, tail)| tail);
    tail.unwrap_or(message).trim().chars().take(300).collect()
}

/// Standard output of a process, read with patience.
struct Pipe {
    receiver: Receiver<io::Result<Vec<u8>>>,
    current: Vec<u8>,
    used: usize,
    patience: Duration,
}

impl Pipe {
    fn new(stdout: Option<ChildStdout>, patience: Duration) -> Self {
        // Four pieces in flight: ffmpeg works while we copy, and waits when we do not.
        let (sender, receiver) = sync_channel(4);
        if let Some(mut stdout) = stdout {
            std::thread::spawn(move || {
                loop {
                    let mut piece = vec![0; 1 << 16];
                    let result = match stdout.read(&mut piece) {
                        Ok(0) => return,
                        Ok(read) => {
                            piece.truncate(read);
                            Ok(piece)
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        Err(error) => Err(error),
                    };
                    // An error of `send` means that nobody reads any more.
                    if sender.send(result).is_err() {
                        return;
                    }
                }
            });
        }
        Self { receiver, current: Vec::new(), used: 0, patience }
    }
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.used == self.current.len() {
            match self.receiver.recv_timeout(self.patience) {
                Ok(piece) => (self.current, self.used) = (piece?, 0),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) => {
                    let waited = self.patience;
                    return Err(io::Error::other(format!("it delivered nothing for {waited:?} and was ended")));
                }
            }
        }
        let rest = &self.current[self.used..];
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.used += length;
        Ok(length)
    }
}
