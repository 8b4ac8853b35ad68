//! `cargo xtask parity [ENCODER ...]`: the encoders at full size against the real upstream modules.
//!
//! `zoo/<encoder>/reference/full.py` builds those in Python with every parameter randomised and saves checkpoints,
//! inputs and outputs; the encoder's own test then loads the checkpoints and compares.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Failure;
use crate::cargo::{cargo_for, root, run};

/// What the reference scripts import.
const PACKAGES: [&str; 9] = [
    "torch",
    "torchvision",
    "timm",
    "open-clip-torch",
    "transformers",
    "safetensors",
    "ftfy",
    "numpy",
    "opencv-python-headless",
];

pub(crate) fn parity(args: &[String]) -> Result<(), Failure> {
    let make_environment = args.iter().any(|arg| arg == "--make-venv");
    let named: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    if let Some(unknown) = args.iter().find(|arg| arg.starts_with("--") && *arg != "--make-venv") {
        return Err(Failure::new(format!("unknown flag {unknown}; known: --make-venv")));
    }
    let all = encoders();
    if let Some(unknown) = named.iter().find(|name| !all.iter().any(|encoder| encoder == *name)) {
        return Err(Failure::new(format!("no encoder {unknown} with a reference script; known: {}", all.join(", "))));
    }
    let python = python(make_environment)?;
    let folder = work_folder().join("parity");
    let mut table = Table::default();
    for encoder in all.iter().filter(|encoder| named.is_empty() || named.contains(&encoder.as_str())) {
        let out = folder.join(encoder);
        std::fs::create_dir_all(&out).map_err(|error| Failure::new(format!("{}: {error}", out.display())))?;
        let script = root().join("zoo").join(encoder).join("reference/full.py");
        run(Command::new(&python).arg(script).arg(&out))?;
        let test = ["test", "--release", "-p", encoder, "--test", "parity", "--", "--nocapture", "full"];
        table.add(encoder, cargo_for("echo-core", &test).env("ECHOZOO_PARITY_DIR", &folder))?;
    }
    table.print();
    Ok(())
}

/// What a line of a comparison begins with: `crates/echo-parity` writes it.
const MARK: &str = "parity|";

/// The worst comparison of every kind, by encoder.
#[derive(Default)]
struct Table(Vec<Row>);

struct Row {
    encoder: String,
    what: String,
    comparisons: usize,
    error: f64,
    relative: f64,
    cosine: f64,
}

impl Table {
    /// Runs a test, passes on what it prints, and keeps its comparisons.
    fn add(&mut self, encoder: &str, test: &mut Command) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::new(format!("tests of {encoder}: {error}"));
        let mut child = test.stdout(Stdio::piped()).spawn().map_err(failed)?;
        let output = child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines());
        for line in output.map_while(Result::ok) {
            match line.strip_prefix(MARK).map(|line| line.split('|').collect::<Vec<_>>()).as_deref() {
                Some([what, error, relative, cosine]) => {
                    let number = |text: &str| text.parse().unwrap_or(f64::NAN);
                    self.worst(encoder, what, number(error), number(relative), number(cosine));
                }
                _ => println!("{line}"),
            }
        }
        let status = child.wait().map_err(failed)?;
        if status.success() { Ok(()) } else { Err(Failure::exit(status.code())) }
    }

    fn worst(&mut self, encoder: &str, what: &str, error: f64, relative: f64, cosine: f64) {
        match self.0.iter_mut().find(|row| row.encoder == encoder && row.what == what) {
            Some(row) => {
                row.comparisons += 1;
                row.error = row.error.max(error);
                row.relative = row.relative.max(relative);
                row.cosine = row.cosine.min(cosine);
            }
            None => {
                let (encoder, what) = (encoder.to_owned(), what.to_owned());
                self.0.push(Row { encoder, what, comparisons: 1, error, relative, cosine });
            }
        }
    }

    fn print(&self) {
        println!("\n| encoder | what | comparisons | max abs error | of the largest value | cosine |");
        println!("| --- | --- | --- | --- | --- | --- |");
        for Row { encoder, what, comparisons, error, relative, cosine } in &self.0 {
            println!("| {encoder} | {what} | {comparisons} | {error:.1e} | {relative:.1e} | {cosine:.7} |");
        }
    }
}

/// Encoders that have a full-size reference script.
fn encoders() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("zoo")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("reference/full.py").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Where the environment and the checkpoints go: gigabytes that do not belong in the workspace.
pub(crate) fn work_folder() -> PathBuf {
    std::env::var_os("ECHOZOO_HOME").map_or_else(|| std::env::temp_dir().join("echozoo"), PathBuf::from)
}

/// The interpreter: `ECHOZOO_PYTHON`, else that of an environment made on request.
pub(crate) fn python(make_environment: bool) -> Result<PathBuf, Failure> {
    if let Some(python) = std::env::var_os("ECHOZOO_PYTHON") {
        return Ok(PathBuf::from(python));
    }
    let environment = work_folder().join("venv");
    let python = environment.join("bin/python");
    if !python.is_file() {
        if !make_environment {
            return Err(Failure::new(format!(
                "PyTorch's side needs Python with {}: set ECHOZOO_PYTHON to it, or let `cargo xtask parity --make-venv` make one in {} (6 GB)",
                PACKAGES.join(", "),
                environment.display()
            )));
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    }
    Ok(python)
}
