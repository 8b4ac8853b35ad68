//! Calls of cargo and of the binary that it builds.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| Failure::new(format!("{command:?}: {error}")))?;
    if status.success() { Ok(()) } else { Err(Failure::exit(status.code())) }
}

/// `cargo` with `args` in the workspace's root, with the features that the environment asks for.
pub(crate) fn cargo(args: &[&str]) -> Command {
    cargo_for("echo-zoo", args)
}

/// The same when `package` is what the features are named after: one that the chosen packages depend on.
pub(crate) fn cargo_for(package: &str, args: &[&str]) -> Command {
    let features = std::env::var("ECHOZOO_FEATURES").unwrap_or_default();
    let features: Vec<String> =
        features.split(',').filter(|name| !name.is_empty()).map(|name| format!("{package}/{name}")).collect();
    let features = features.join(",");
    // Behind the subcommand: what follows a `--` is not cargo's.
    let (subcommand, rest) = args.split_first().expect("a subcommand");
    match features.is_empty() {
        true => plain(args),
        false => plain(&[&[*subcommand, "--features", &features], rest].concat()),
    }
}

/// `cargo` with `args` in the workspace's root.
pub(crate) fn plain(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    without_package(&mut command);
    command
}

/// Without what `cargo xtask` says of xtask itself: some build scripts (ring's) run again when it changes, so that a build by xtask would
/// compile again what one without it has compiled.
pub(crate) fn without_package(command: &mut Command) {
    let is_ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| is_ours(name)) {
        command.env_remove(name);
    }
}

/// All tests, in the profile of the binary, so that Burn is compiled once.
pub(crate) fn test(args: &[String]) -> Result<(), Failure> {
    run(cargo(&["test", "--release", "--workspace"]).args(args))
}

/// Builds `echozoo`; returns its path.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    build_binary("echozoo")
}

/// Builds the workspace's binaries; returns the path of the one that is called `name`.
pub(crate) fn build_binary(name: &str) -> Result<PathBuf, Failure> {
    // The same packages as for tests, so that shared dependencies have the same features.
    run(&mut cargo(&["build", "--release", "--quiet", "--workspace", "--bins"]))?;
    Ok(binary(name))
}

/// Builds the binary and hands it `args`; it runs in the caller's folder.
pub(crate) fn echozoo(args: &[String]) -> Result<(), Failure> {
    let binary = build()?;
    let git = Command::new("git").current_dir(root()).args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    let git = git.ok().filter(|output| output.status.success());
    let git = git.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    run(Command::new(binary).args(args).env("ECHOZOO_GIT_VERSION", git))
}

/// Builds the readers of hostile input and hands them `args`, from the caller's folder.
pub(crate) fn fuzz(args: &[String]) -> Result<(), Failure> {
    run(Command::new(build_binary("fuzz")?).args(args))
}

fn binary(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    // A relative target folder is relative to where cargo ran: the root.
    let target = if target.is_absolute() { target } else { root().join(target) };
    target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
