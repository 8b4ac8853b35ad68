//! `cargo xtask python [ARGUMENTS OF PYTEST]`: builds the Python package's wheel, installs it into an environment of its own and runs its
//! tests against the binary.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;
use crate::cargo::{build, root, run, without_package};

/// What the tests import, and what builds the wheel.
const PACKAGES: [&str; 5] = ["maturin>=1.9,<2", "numpy", "pandas", "pytest", "mypy"];

pub(crate) fn python(args: &[String]) -> Result<(), Failure> {
    if let Some(missing) = missing() {
        if std::env::var_os("ECHOZOO_NO_SKIP").is_some() {
            return Err(Failure::new(missing));
        }
        println!("skipped: {missing}");
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("echozoo-python-{}", std::process::id()));
    let result = build_and_test(&folder, args);
    // Left behind when it failed, to be looked at.
    if result.is_ok() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    result
}

fn build_and_test(folder: &Path, args: &[String]) -> Result<(), Failure> {
    let binary = build()?;
    let environment = folder.join("venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let python = environment.join("bin/python");
    let pip = || {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet"]);
        pip
    };
    run(pip().args(PACKAGES))?;
    // The profile and the features of all other builds, so that Burn is not compiled again.
    let wheels = folder.join("wheels");
    let mut maturin = Command::new(environment.join("bin/maturin"));
    without_package(&mut maturin);
    maturin.current_dir(root()).args(["build", "--release", "--locked", "--manifest-path", "python/Cargo.toml"]);
    if let Some(features) = std::env::var("ECHOZOO_FEATURES").ok().filter(|features| !features.is_empty()) {
        maturin.args(["--features", &features]);
    }
    run(maturin.arg("--interpreter").arg(&python).arg("--out").arg(&wheels))?;
    let wheel = std::fs::read_dir(&wheels).into_iter().flatten().flatten().next();
    let wheel = wheel.ok_or_else(|| Failure::new(format!("{}: maturin made no wheel", wheels.display())))?;
    run(pip().arg(wheel.path()))?;
    let mut pytest = Command::new(&python);
    pytest.current_dir(root()).args(["-m", "pytest", "-p", "no:cacheprovider", "python/tests"]).args(args);
    run(pytest
        .env("ECHOZOO_BINARY", binary)
        .env("ECHOZOO_HOME", folder.join("home"))
        .env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// What of Python this machine lacks.
fn missing() -> Option<String> {
    let mut check = Command::new("python3");
    check.args(["-c", "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 9))"]);
    match check.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => None,
        _ => Some("the Python package is built and tested with python3, 3.9 or later, and its venv".to_owned()),
    }
}
