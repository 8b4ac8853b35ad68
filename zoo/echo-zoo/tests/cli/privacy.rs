//! What others may get to see names no folder, user, machine or patient (docs/privacy.md).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clinical::dicom;
use crate::place::{Place, ended, name};

/// The folder that holds everything: a person's.
const PERSON: &str = "jane.doe";
const USER: &str = "MARKED-USER";
const HOST: &str = "MARKED-HOST";
/// What stands in the tags of the DICOM files, in place of what their maker wrote.
const PATIENT: &str = "MARKTAG";
/// What the DICOM files are called.
const FILE: &str = "Mustermann";

/// Files that may hold marks, and why.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("launch/launch/", "scripts that run on this machine, and what they say"),
    ("prepared/private/", "the way back to the sources, for whoever prepared them"),
];

struct Marked {
    place: Place,
    /// A part of every absolute path.
    folder: String,
}

impl Marked {
    fn new() -> Self {
        let place = Place::new(24);
        let person = place.path(PERSON);
        fs::create_dir_all(person.join("out")).unwrap();
        fs::create_dir_all(person.join("loops")).unwrap();
        fs::rename(place.path("data"), person.join("data")).unwrap();
        for (number, fixture) in ["rgb_explicit.dcm", "jpegls_rgb.dcm", "single_frame.dcm"].iter().enumerate() {
            let bytes = marked(fs::read(dicom(fixture)).unwrap());
            fs::write(person.join(format!("loops/{FILE}{number}.dcm")), bytes).unwrap();
        }
        let folder = place.path("").file_name().unwrap().to_string_lossy().into_owned();
        Self { place, folder }
    }

    /// An absolute path.
    fn path(&self, below: &str) -> String {
        name(&self.place.path(PERSON).join(below)).to_owned()
    }

    /// A data set in a folder of its own whose table has whole paths.
    fn list_by_absolute_paths(&self) {
        fs::create_dir_all(self.path("listed/Videos")).unwrap();
        for video in files(Path::new(&self.path("data/Videos"))) {
            let copy = Path::new(&self.path("listed/Videos")).join(video.file_name().unwrap());
            fs::copy(&video, copy).unwrap();
        }
        let table = fs::read_to_string(self.path("data/FileList.csv")).unwrap();
        let (header, rows) = table.split_once('\n').unwrap();
        assert!(header.starts_with("FileName,"), "{header}");
        let rows: String = rows.lines().map(|row| format!("{}/{row}\n", self.path("listed/Videos"))).collect();
        // One that is elsewhere, and not there.
        let elsewhere = rows.lines().next().unwrap().replace("listed", "elsewhere").replace("00000", "99999");
        fs::write(self.path("listed/FileList.csv"), format!("{header}\n{rows}{elsewhere}\n")).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        command.env("ECHOZOO_HOME", self.path("home")).env("HOME", self.path(""));
        for variable in ["USER", "LOGNAME", "USERNAME"] {
            command.env(variable, USER);
        }
        for variable in ["HOSTNAME", "HOST", "COMPUTERNAME"] {
            command.env(variable, HOST);
        }
        command
    }

    /// Runs a command; where it names `OUT`, a file or folder of results, and other words that begin with a slash, files and folders.
    /// What it prints is a result, too.
    fn run(&self, line: &str) {
        let words = line.split_whitespace().map(|word| match word.strip_prefix('/') {
            Some(below) => self.path(below),
            None => word.to_owned(),
        });
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (out, _) = ended(0, &mut self.command(&words));
        if ["--json", "--csv"].iter().any(|flag| words.contains(flag)) {
            fs::write(self.path(&format!("out/{}.printed", words[0])), out).unwrap();
        }
    }
}

/// A DICOM file with other words of the same length in its tags.
fn marked(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut found = 0;
    for at in 0..bytes.len() - PATIENT.len() {
        if bytes[at..at + PATIENT.len()].eq_ignore_ascii_case(b"phantom") {
            bytes[at..at + PATIENT.len()].copy_from_slice(PATIENT.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "a file whose tags name nobody shows nothing");
    bytes
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What is in a file: its bytes, the members of an archive, and what pages hold in base64.
fn contents(bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    if let Ok(mut archive) = zip::ZipArchive::new(std::io::Cursor::new(&bytes)) {
        for index in 0..archive.len() {
            let mut member = Vec::new();
            archive.by_index(index).unwrap().read_to_end(&mut member).unwrap();
            all.push(member);
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    for part in text.split("base64,").skip(1) {
        all.push(decoded(part));
    }
    all.push(bytes);
    all
}

/// What leading base64 stands for.
fn decoded(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values = text.bytes().map_while(|byte| LETTERS.iter().position(|&letter| letter == byte));
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for value in values {
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Names of a PNG's chunks: all but pixels would be words about it.
fn chunks(png: &[u8]) -> Vec<String> {
    let (mut at, mut names) = (8, Vec::new());
    while let Some(header) = png.get(at..at + 8) {
        let length = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize;
        names.push(String::from_utf8_lossy(&header[4..]).into_owned());
        at += length + 12;
    }
    names
}

#[test]
fn no_result_names_a_folder_a_user_a_machine_or_a_patient() {
    let marked = Marked::new();
    let videos = "/data/Videos/phantom-test-00000.avi /loops";
    let nano = "--encoder echoclip --preset nano";
    marked.run("pretrain --encoder echoclip --steps 1 --out /out/weights.safetensors");
    // One that cannot be read is listed with the reason, which knows its path.
    fs::write(marked.path("data/Videos/phantom-train-00003.avi"), "no video").unwrap();
    let bench = "bench --encoder echoclip --preset nano --data /data --weights /out/weights.safetensors --shots 1 --seeds 1 --smoke";
    marked.run(&format!("{bench} --adapter linear,coop --save-adapters --thumbnails --out /out/bench"));
    marked.run(&format!("{bench} --adapter linear --launcher local --out /out/launch"));
    marked.list_by_absolute_paths();
    marked.run(&bench.replace("/data ", "/listed --adapter linear --out /out/listed "));
    marked.run("report /out/bench /out/launch --out /out/report");
    for ending in ["npy", "csv", "json", "safetensors"] {
        marked.run(&format!("embed {nano} {videos} --mask none --out /out/embedded.{ending} --csv"));
    }
    marked.run(&format!("predict --encoder panecho --preset nano --studies {videos} --out /out/predicted.csv --json"));
    marked.run(&format!("views --preset nano {videos} --out /out/views.json --csv"));
    marked.run(&format!("zero-shot {nano} --task all {videos} --out /out/found.csv --json"));
    marked.run("study /loops --out /out/study.html --out /out/study.csv --out /out/study.json --json");
    marked.run(&format!(
        "explain {nano} --prompt heart /loops --out /out/maps --overlay /out/overlays --map /out/arrays"
    ));
    marked.run(&format!("index {videos} {nano} --out /out/index"));
    marked.run(&format!("retrieve --index /out/index {nano} {videos} --out /out/similar.csv --json"));
    marked.run("prepare /loops --out /out/prepared");
    marked.run("inspect /loops/Mustermann0.dcm --encoder echoclip --preset nano --out /out/sheet.png --clip /out/clip.safetensors");
    let adapter = files(Path::new(&marked.path("out/bench/adapters"))).remove(0);
    let adapter = adapter.strip_prefix(marked.path("")).unwrap().display().to_string();
    marked.run(&format!(
        "predict --adapter-file /{adapter} --weights /out/weights.safetensors {videos} --out /out/fitted.csv"
    ));
    marked.run(&format!("ood --data /data --task ef-reduced --out-of-distribution /loops --bootstrap 200 --seeds 1 --shots 1 {nano} --out /out/ood.csv --json"));
    marked.run("doctor --json");
    marked.run("cache");

    let out = marked.place.path(PERSON).join("out");
    let all = files(&out);
    assert!(all.len() > 60, "{} files: the commands wrote less than they do", all.len());
    let mut excepted = [false; EXCEPTIONS.len()];
    for path in all {
        let below = path.strip_prefix(&out).unwrap().display().to_string();
        let exception = EXCEPTIONS.iter().position(|(folder, _)| below.starts_with(folder));
        // Results are of files, which are called by their names; a prepared data set has new ones.
        let marks: &[&str] = match below.starts_with("prepared") {
            true => &[&marked.folder, PERSON, USER, HOST, PATIENT, FILE],
            false => &[&marked.folder, PERSON, USER, HOST, PATIENT],
        };
        for content in contents(fs::read(&path).unwrap()) {
            let found: Vec<&&str> = marks.iter().filter(|mark| holds(&content, mark)).collect();
            match exception {
                Some(place) => excepted[place] |= !found.is_empty(),
                None => assert!(found.is_empty(), "{below} holds {found:?}"),
            }
            if content.starts_with(b"\x89PNG") {
                let known = ["IHDR", "PLTE", "IDAT", "IEND"];
                assert!(
                    chunks(&content).iter().all(|name| known.contains(&name.as_str())),
                    "{below}: words in a picture"
                );
            }
        }
    }
    assert_eq!(excepted, [true; EXCEPTIONS.len()], "an exception that is none any more");
}
