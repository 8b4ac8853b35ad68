//! Memory that does not grow with the number of videos or frames.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};
use std::time::Duration;

use jpeg_encoder::{ColorType, Encoder};

use crate::place::Place;

/// Peak of resident memory of a command that must succeed, in MB.
fn peak(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // The system's own count of the peak, seen last shortly before the end.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
        if let Some(code) = child.try_wait().unwrap() {
            assert!(code.success(), "{command:?}");
            return peak / 1000;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn frames_are_written_as_they_are_decoded() {
    const SIDE: usize = 2048;
    let place = Place::new(0);
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 50).encode(&vec![90; SIDE * SIDE], SIDE as u16, SIDE as u16, ColorType::Luma).unwrap();
    place.write_jpegs("large.avi", SIDE, std::iter::repeat_n(jpeg.as_slice(), 30));
    let peak = peak(&mut place.command(&["inspect", "large.avi", "--frames", "frames.npy"]));
    // Ten bytes of magic, version and length, then the header, up to a multiple of 64.
    let written = std::fs::metadata(place.path("frames.npy")).unwrap().len();
    assert_eq!(written - 128, 30 * 3 * (SIDE * SIDE) as u64);
    assert!(peak < 200, "{peak} MB for {} MB of frames", written / 1_000_000);
}

#[test]
fn clips_are_made_frame_by_frame() {
    const SIDE: usize = 2048;
    let place = Place::new(0);
    let jpegs: Vec<Vec<u8>> = (0..16)
        .map(|frame| {
            let mut jpeg = Vec::new();
            let encoder = Encoder::new(&mut jpeg, 50);
            encoder.encode(&vec![10 * frame; SIDE * SIDE], SIDE as u16, SIDE as u16, ColorType::Luma).unwrap();
            jpeg
        })
        .collect();
    // Every fifth frame is seen by PanEcho: 16 of them, of 12.6 MB.
    place.write_jpegs("large.avi", SIDE, (0..80).map(|frame| jpegs[frame / 5].as_slice()));
    let embed = ["embed", "--encoder", "panecho", "--preset", "nano", "--out", "e.npy", "large.avi"];
    let peak = peak(&mut place.command(&embed));
    assert!(peak < 150, "{peak} MB for a clip of 201 MB");
}

#[test]
fn predictions_of_many_videos_take_no_more_memory_than_those_of_a_few() {
    let place = Place::new(24);
    let bench = ["bench", "--encoder", "echoclip", "--adapter", "linear", "--data", "data", "--smoke"];
    place.run(0, &[&bench[..], &["--no-zero-shot", "--save-adapters", "--out", "out"]].concat());
    let file = std::fs::read_dir(place.path("out/adapters")).unwrap().next().unwrap().unwrap().path();
    let video = place.videos().remove(0);
    let predict = |count: usize| {
        let mut command = place.command(&["predict", "--adapter-file"]);
        peak(command.arg(&file).args(std::iter::repeat_n(&video, count)))
    };
    // A clip is 0.8 MB.
    let (few, many) = (predict(20), predict(200));
    assert!(many < few + 40, "{few} MB for 20 videos, {many} MB for 200");
}
