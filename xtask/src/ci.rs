//! `cargo xtask ci`: the checks of .ci/run, cheapest first.

use std::time::Instant;

use crate::cargo::{self, cargo, echozoo, test};
use crate::{Failure, python, supply, tidy};

fn step(name: &str, action: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let started = Instant::now();
    eprintln!("== {name}");
    action()?;
    eprintln!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let full = args.iter().any(|arg| arg == "--full");
    if let Some(unknown) = args.iter().find(|arg| *arg != "--full") {
        return Err(Failure::new(format!("unknown argument {unknown}; known: --full")));
    }
    step("format", || {
        let mut fmt = std::process::Command::new("cargo");
        cargo::run(&mut *fmt.current_dir(cargo::root()).args(["fmt", "--all", "--check"]))
    })?;
    step("tidy", tidy::run)?;
    step("clippy", || {
        let args = ["clippy", "--release", "--workspace", "--all-targets"];
        cargo::run(cargo(&args).args(["--", "-D", "warnings"]))
    })?;
    step("tests", || test(&[]))?;
    step("smoke benchmark", || {
        let args = ["bench", "--config", "configs/bench/smoke.toml", "--out"].map(str::to_owned);
        let out = std::env::temp_dir().join(format!("echozoo-smoke-{}", std::process::id()));
        let result = echozoo(&args.into_iter().chain([out.display().to_string()]).collect::<Vec<_>>());
        // Left behind when it failed, to be looked at.
        if result.is_ok() {
            let _ = std::fs::remove_dir_all(&out);
        }
        result
    })?;
    step("python", || python::python(&[]))?;
    if full {
        step("supply chain", supply::run)?;
        // Other features are another build of Burn: too long for every commit.
        step("feature cuda", || {
            // To be checked, the code generator of cubecl-cuda needs no LLVM, which it would download.
            let args = ["check", "--workspace", "--features", "echo-core/cuda"];
            cargo::run(cargo::plain(&args).env("DOCS_RS", "1"))
        })?;
        step("address sanitizer", sanitize)?;
    }
    Ok(())
}

/// The tests of `echo-kernels`, the one crate with `unsafe` code, under AddressSanitizer. Compiles Burn with it.
fn sanitize() -> Result<(), Failure> {
    // With a target, build scripts and macros go without. Sanitizers are for nightly compilers, and for one that builds itself.
    let args = ["test", "--release", "-p", "echo-kernels", "--lib", "--tests", "--target", "x86_64-unknown-linux-gnu"];
    let mut command = cargo::plain(&args);
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    cargo::run(command.arg("--target-dir").arg(cargo::root().join("target/address-sanitizer")))
}
