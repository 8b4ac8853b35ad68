//! `cargo xtask tidy`: invariants of the workspace that the compiler does not check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cargo::{plain, root};
use crate::{Failure, supply};

/// What an encoder may depend on, of this workspace.
const ENCODER_DEPENDENCIES: [&str; 4] = ["echo-clinical", "echo-core", "echo-nn", "echo-weights"];

pub(crate) fn run() -> Result<(), Failure> {
    let mut problems = Vec::new();
    crates_name_no_encoder(&mut problems);
    encoders_depend_on_few_crates(&mut problems);
    no_burn_in(
        &["echo-clinical", "echo-files", "echo-video", "echo-metrics", "echo-random", "echo-phantom", "echo-report"],
        &mut problems,
    );
    one_file_names_backends(&mut problems);
    only_training_enables_autodiff(&mut problems);
    only_fetching_uses_the_network(&mut problems);
    one_way_to_print(&mut problems);
    one_crate_is_unsafe(&mut problems);
    every_encoder_has_a_card(&mut problems);
    readme_commands_exist(&mut problems);
    nothing_generated_in_git(&mut problems);
    tests_share_the_build(&mut problems)?;
    supply::check(&mut problems)?;
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("tidy found {} problems:\n  {}", problems.len(), problems.join("\n  "))))
}

/// Rust sources under `dir`, with their text up to the tests at their end.
fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    walk(&root().join(dir), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            found.push((path.strip_prefix(root()).unwrap_or(path).to_owned(), code.to_owned()));
        }
    });
    found
}

/// Whether a source is no part of what users run.
fn is_test(path: &Path) -> bool {
    ["tests", "benches"].iter().any(|folder| lies_in(path, folder))
}

fn is_example(path: &Path) -> bool {
    lies_in(path, "examples")
}

fn lies_in(path: &Path, folder: &str) -> bool {
    path.components().any(|part| part.as_os_str() == folder)
}

pub(crate) fn walk(dir: &Path, visit: &mut impl FnMut(&Path)) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && entry.file_name() != "target" => walk(&path, visit),
            Ok(kind) if kind.is_file() => visit(&path),
            _ => {}
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn members(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect()
}

/// Every package of the workspace, by its folder.
pub(crate) fn all_members() -> impl Iterator<Item = String> {
    members("crates").into_iter().chain(members("zoo")).chain(["fuzz", "python", "tests", "xtask"].map(str::to_owned))
}

/// Encoders whose names are words of the field: code says "clip" of a piece of a video, and of an architecture.
const WORDS: [&str; 1] = ["clip"];

/// Encoders, which nothing under `crates/` may name.
fn encoders() -> Vec<String> {
    let names = members("zoo").into_iter().filter_map(|member| Some(member.strip_prefix("zoo/")?.to_owned()));
    names.filter(|name| name != "echo-zoo").collect()
}

fn crates_name_no_encoder(problems: &mut Vec<String>) {
    let encoders = encoders();
    for (path, code) in sources("crates") {
        let is_test = is_test(&path);
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for encoder in encoders.iter().filter(|encoder| !is_test && !WORDS.contains(&encoder.as_str())) {
            if code.iter().any(|line| line.to_lowercase().contains(encoder.as_str())) {
                problems.push(format!("{} names the encoder {encoder}", path.display()));
            }
        }
    }
}

/// Lines of the `[dependencies]` table.
fn dependencies(manifest: &str) -> Vec<String> {
    let table = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let table = table.split("\n[").next().unwrap_or_default();
    table.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).map(str::to_owned).collect()
}

fn encoders_depend_on_few_crates(problems: &mut Vec<String>) {
    let encoders = encoders();
    for member in members("zoo").iter().filter(|member| !member.ends_with("echo-zoo")) {
        for dependency in dependencies(&read(&format!("{member}/Cargo.toml"))) {
            let ours = dependency.starts_with("echo") || encoders.contains(&dependency);
            if ours && !ENCODER_DEPENDENCIES.contains(&dependency.as_str()) {
                problems
                    .push(format!("{member} depends on {dependency}; an encoder sees {ENCODER_DEPENDENCIES:?} only"));
            }
        }
    }
}

fn no_burn_in(crates: &[&str], problems: &mut Vec<String>) {
    for name in crates {
        let dependencies = dependencies(&read(&format!("crates/{name}/Cargo.toml")));
        for linked in dependencies.iter().filter(|dependency| ["burn", "echo-core"].contains(&dependency.as_str())) {
            problems.push(format!("crates/{name} depends on {linked}, which links Burn"));
        }
    }
    if dependencies(&read("xtask/Cargo.toml"))
        .iter()
        .any(|dependency| dependency.starts_with("echo") || dependency == "burn")
    {
        problems.push("xtask links Burn".to_owned());
    }
}

fn one_file_names_backends(problems: &mut Vec<String>) {
    let backends =
        ["Device::flex", "Device::wgpu", "Device::cuda", "Device::default", "Device::vulkan", "Device::metal"];
    for (path, code) in ["crates", "zoo", "python"].into_iter().flat_map(sources) {
        let excepted = path.ends_with("zoo/echo-zoo/src/device.rs") || is_test(&path) || is_example(&path);
        for backend in backends.iter().filter(|_| !excepted) {
            if code.contains(backend) {
                problems.push(format!("{} names a backend ({backend}); take a device from the caller", path.display()));
            }
        }
    }
}

fn only_training_enables_autodiff(problems: &mut Vec<String>) {
    for (path, code) in ["crates", "zoo", "python"].into_iter().flat_map(sources) {
        if code.contains(".autodiff()") && !path.starts_with("crates/echo-train") && !is_test(&path) {
            problems.push(format!("{} enables autodiff; only echo-train does", path.display()));
        }
    }
}

/// Whoever has no client and opens no socket stays on this machine, tests included: those of fetching talk to themselves.
fn only_fetching_uses_the_network(problems: &mut Vec<String>) {
    let clients = ["ureq", "reqwest", "hyper", "curl", "isahc", "attohttpc", "minreq"];
    for member in all_members().filter(|member| member != "crates/echo-weights") {
        let manifest = read(&format!("{member}/Cargo.toml"));
        let names = manifest.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        for client in names.filter(|name| clients.contains(name)) {
            problems.push(format!("{member} depends on {client}; only echo-weights uses the network"));
        }
    }
    for (path, code) in ["crates", "zoo", "python", "tests"].into_iter().flat_map(sources) {
        let fetching = ["src/fetch", "src/fetch.rs", "tests/fetch.rs"];
        if fetching.iter().any(|part| path.starts_with(Path::new("crates/echo-weights").join(part))) {
            continue;
        }
        if let Some(word) = ["ureq::", "std::net"].iter().find(|word| code.contains(**word)) {
            problems.push(format!("{} uses {word}; only fetching uses the network", path.display()));
        }
    }
}

/// The macros panic when nobody listens any more or the disk behind them is full, in the middle of hours of work.
fn one_way_to_print(problems: &mut Vec<String>) {
    for (path, code) in ["crates", "zoo", "python"].into_iter().flat_map(sources) {
        // What echo-parity says, it says in tests: their harness takes what the macros print, and nothing else.
        if path.starts_with("crates/echo-parity") || is_test(&path) || is_example(&path) {
            continue;
        }
        for (number, line) in code.lines().enumerate() {
            if let Some(found) = printing_macro(line) {
                let place = format!("{}:{}", path.display(), number + 1);
                problems.push(format!(
                    "{place} uses {found}; say messages with echo_files::say, print results with echo-zoo's output.rs"
                ));
            }
        }
    }
}

/// The macro in a line of code that panics when it cannot print.
fn printing_macro(line: &str) -> Option<&'static str> {
    let code = line.trim_start();
    if code.starts_with("//") {
        return None;
    }
    let is_called = |name: &&&str| {
        code.match_indices(**name).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
        })
    };
    ["println!", "print!", "eprintln!", "eprint!", "dbg!"].iter().find(is_called).copied()
}

/// The workspace's lints deny unsafe code; the kernels are the only crate that may leave them out.
fn one_crate_is_unsafe(problems: &mut Vec<String>) {
    for member in all_members().filter(|member| member != "crates/echo-kernels") {
        if !read(&format!("{member}/Cargo.toml")).contains("[lints]\nworkspace = true") {
            problems.push(format!("{member}/Cargo.toml does not take the workspace's lints"));
        }
    }
}

fn every_encoder_has_a_card(problems: &mut Vec<String>) {
    for member in members("zoo").iter().filter(|member| !member.ends_with("echo-zoo")) {
        for file in ["CARD.md", "src/card.rs", "src/keys.rs"] {
            if !root().join(member).join(file).is_file() {
                problems.push(format!("{member} lacks {file}"));
            }
        }
    }
}

/// Commands in README's code blocks must be ones that exist.
fn readme_commands_exist(problems: &mut Vec<String>) {
    let cli = read("zoo/echo-zoo/src/cli.rs");
    let own = ["test", "ci", "tidy", "parity", "python", "new-encoder"];
    for line in read("README.md").lines().filter_map(|line| line.trim().strip_prefix("cargo xtask ")) {
        let command = line.split_whitespace().next().unwrap_or_default();
        let variant: String =
            command.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<Vec<_>>().concat();
        if !own.contains(&command) && !cli.contains(&format!("Command::{variant}")) {
            problems.push(format!("README.md runs `cargo xtask {command}`, which does not exist"));
        }
    }
}

fn nothing_generated_in_git(problems: &mut Vec<String>) {
    let output = std::process::Command::new("git").current_dir(root()).args(["ls-files"]).output();
    let Ok(output) = output else { return };
    // Fixtures are tiny and made by a script; everything else of these kinds is a user's or a result.
    for file in String::from_utf8_lossy(&output.stdout).lines().filter(|file| !file.contains("/fixtures/")) {
        let extension = Path::new(file).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if ["avi", "mp4", "dcm", "pt", "bin", "npy", "feature", "jsonl"].contains(&extension) {
            problems.push(format!("{file} is data or a result, and in git"));
        }
    }
}

/// Features that a dev-dependency adds to what the binary is built of would compile Burn a second time for the tests, and those that
/// Python's bindings add or lack a second time for the wheel.
fn tests_share_the_build(problems: &mut Vec<String>) -> Result<(), Failure> {
    let workspace = packages_with_features(&["--workspace", "--edges", "normal,build"])?;
    let tests = packages_with_features(&["--workspace", "--edges", "normal,build,dev"])?;
    for package in workspace.difference(&tests) {
        problems.push(format!("{package}: a dev-dependency adds features to it, so the tests compile it again"));
    }
    // The wheel is built alone, and all else may be.
    let wheel = packages_with_features(&["--package", "echo-python", "--edges", "normal,build"])?;
    let others = packages_with_features(&["--workspace", "--exclude", "echo-python", "--edges", "normal,build"])?;
    for package in wheel.union(&others).filter(|package| !workspace.contains(*package)) {
        problems.push(format!(
            "{package}: other features than in the workspace's build, so the Python package compiles it again"
        ));
    }
    Ok(())
}

/// What is linked by this choice of packages and edges of the graph: name, version and features of each.
fn packages_with_features(choice: &[&str]) -> Result<BTreeSet<String>, Failure> {
    let format = ["--format", "{p} [{f}]", "--prefix", "none"];
    let output = plain(&["tree", "--quiet", "--locked"]).args(choice).args(format).output();
    let output = output.map_err(|error| Failure::new(format!("cargo tree: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    let packages = String::from_utf8_lossy(&output.stdout).into_owned();
    // What was listed before is marked by a star.
    Ok(packages.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).filter(|line| !line.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_that_panic_are_found_and_nothing_else() {
        for (line, found) in [
            ("        println!(\"a\");", Some("println!")),
            ("    if a { eprintln!(\"b\") }", Some("eprintln!")),
            ("    print!(\"a\")", Some("print!")),
            ("    let a = dbg!(b);", Some("dbg!")),
            ("    // println!(\"a\")", None),
            ("    writeln!(out, \"a\")?;", None),
            ("    print(&text)?;", None),
            ("    pprintln!()", None),
        ] {
            assert_eq!(printing_macro(line), found, "{line}");
        }
    }
}
