//! `cargo xtask parity [ENCODER ...]`: the encoders at full size against the real upstream modules.
//!
//! `zoo/<encoder>/reference/full.py` builds those in Python with every parameter randomised and saves checkpoints,
//! inputs and outputs; the encoder's own test then loads the checkpoints and compares.

use std::path::PathBuf;
use std::process::Command;

use crate::Failure;
use crate::cargo::{cargo_for, root, run};

/// What the reference scripts import.
const PACKAGES: [&str; 8] =
    ["torch", "torchvision", "timm", "open-clip-torch", "transformers", "safetensors", "ftfy", "numpy"];

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
    for encoder in all.iter().filter(|encoder| named.is_empty() || named.contains(&encoder.as_str())) {
        let out = folder.join(encoder);
        std::fs::create_dir_all(&out).map_err(|error| Failure::new(format!("{}: {error}", out.display())))?;
        let script = root().join("zoo").join(encoder).join("reference/full.py");
        run(Command::new(&python).arg(script).arg(&out))?;
        let test = ["test", "--release", "-p", encoder, "--test", "parity", "--", "--nocapture", "full"];
        run(cargo_for("echo-core", &test).env("ECHOZOO_PARITY_DIR", &folder))?;
    }
    Ok(())
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
fn work_folder() -> PathBuf {
    std::env::var_os("ECHOZOO_HOME").map_or_else(|| std::env::temp_dir().join("echozoo"), PathBuf::from)
}

/// The interpreter: `ECHOZOO_PYTHON`, else that of an environment made on request.
fn python(make_environment: bool) -> Result<PathBuf, Failure> {
    if let Some(python) = std::env::var_os("ECHOZOO_PYTHON") {
        return Ok(PathBuf::from(python));
    }
    let environment = work_folder().join("venv");
    let python = environment.join("bin/python");
    if !python.is_file() {
        if !make_environment {
            return Err(Failure::new(format!(
                "parity needs Python with {}: set ECHOZOO_PYTHON to it, or add --make-venv to make one in {} (6 GB)",
                PACKAGES.join(", "),
                environment.display()
            )));
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    }
    Ok(python)
}
