//! `cargo xtask vendor`: a folder that builds without a network: the last commit, the sources of all dependencies, and their licences.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cargo::{self, plain, root};
use crate::{Failure, release};

pub(crate) fn vendor(args: &[String]) -> Result<(), Failure> {
    let [out] = args else { return Err(Failure::usage("cargo xtask vendor DIR: an empty or absent folder")) };
    let out = std::path::absolute(PathBuf::from(out)).map_err(|error| Failure::usage(error.to_string()))?;
    let io = |error: std::io::Error| Failure::new(format!("{}: {error}", out.display()));
    std::fs::create_dir_all(&out).map_err(io)?;
    if std::fs::read_dir(&out).map_err(io)?.next().is_some() {
        return Err(Failure::usage(format!("{} is not empty", out.display())));
    }
    let spawned = |error| Failure::new(format!("git archive: {error}"));
    let mut git = Command::new("git");
    let mut git = git.current_dir(root()).args(["archive", "HEAD"]).stdout(Stdio::piped()).spawn().map_err(spawned)?;
    let archive = git.stdout.take().expect("a pipe");
    cargo::run(Command::new("tar").arg("-x").current_dir(&out).stdin(archive))?;
    if !git.wait().map_err(spawned)?.success() {
        return Err(Failure::new("git archive failed: a vendored tree is of a commit"));
    }
    // What it prints are the settings of container/vendored.toml.
    let mut vendor = plain(&["vendor", "--quiet", "--locked", "--versioned-dirs"]);
    cargo::run(vendor.current_dir(&out).arg("vendor").stdout(Stdio::null()))?;
    std::fs::write(out.join("THIRD-PARTY.txt"), release::third_party()?).map_err(io)
}
