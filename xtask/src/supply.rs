//! What the program is built of: licences and advisories of dependencies, their list, and who of them reads bytes that
//! others made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::cargo::{self, plain, root};

/// The document whose lists are checked.
const DOCUMENT: &str = "docs/supply-chain.md";

/// Its headings.
const WITH_UNSAFE: &str = "## Reads bytes from outside, with unsafe code";
const WITHOUT_UNSAFE: &str = "## Reads bytes from outside, without unsafe code";
const READS_NOTHING: &str = "## Reads nothing from outside";

/// Where cargo keeps the advisories that `cargo deny` knows, unless `deny.toml` says otherwise.
const ADVISORIES: &str = "advisory-dbs";

/// A package, by its name and version.
pub(crate) type Package = (String, String);

/// `cargo xtask supply`, and part of `cargo xtask ci --full`: what needs tools of others.
///
/// # Errors
/// Something is not allowed, or the list of parts cannot be made.
pub(crate) fn run() -> Result<(), Failure> {
    deny()?;
    let out = std::env::temp_dir().join(format!("echozoo-sbom-{}.json", std::process::id()));
    let made = sbom(&out, "0");
    let parts = std::fs::read_to_string(&out).map_or(0, |text| text.matches("\"bom-ref\"").count());
    let _ = std::fs::remove_file(&out);
    if made? {
        eprintln!("list of parts (CycloneDX): {parts}");
    }
    Ok(())
}

/// `cargo deny`: licences, sources and bans always; advisories where there is a database of them.
///
/// # Errors
/// A licence, a source, a version or an open advisory is not allowed.
fn deny() -> Result<(), Failure> {
    if !is_installed("cargo-deny") {
        not_checked("licences, sources and advisories", "cargo install --locked cargo-deny");
        return Ok(());
    }
    let passes = |args: &[&str]| {
        let status = plain(&["deny", "--locked", "--all-features"]).args(args).status();
        status.map(|status| status.success()).map_err(|error| Failure::new(format!("cargo deny: {error}")))
    };
    if !passes(&["check", "--hide-inclusion-graph", "bans", "licenses", "sources"])? {
        return Err(Failure::new("cargo deny: a licence, a source or a package is not allowed (deny.toml)"));
    }
    // By itself: that a database is not reached is no open advisory, and ends with the same code.
    let is_fresh = passes(&["fetch", "db"])?;
    if !is_fresh && advisories().is_none() {
        not_checked("advisories: https://github.com/RustSec/advisory-db is not reached", "cargo deny fetch db");
        return Ok(());
    }
    if !is_fresh {
        eprintln!("NOT FRESH: the advisories are those that were fetched last; their database is not reached");
    }
    match passes(&["--offline", "check", "advisories"])? {
        true => Ok(()),
        false => Err(Failure::new("cargo deny: an advisory is open against a dependency")),
    }
}

/// A database of advisories that was fetched before.
fn advisories() -> Option<PathBuf> {
    let folders = std::fs::read_dir(cargo_home()?.join(ADVISORIES)).ok()?;
    folders.flatten().map(|entry| entry.path()).find(|path| path.join(".git").exists())
}

fn cargo_home() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

/// What is missing is said, and is no failure: whoever has no network still runs the other checks.
fn not_checked(what: &str, command: &str) {
    eprintln!("NOT CHECKED: {what}; `{command}` brings what it takes");
}

/// Whether cargo or a shell would find it.
pub(crate) fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let of_cargo = cargo_home().map(|home| home.join("bin"));
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&paths).chain(of_cargo).any(|folder| folder.join(&name).is_file())
}

/// Writes the list of what the binary is built of, in CycloneDX's JSON, to `out`; false where the tool for it is not here.
///
/// # Errors
/// It cannot be made or written.
pub(crate) fn sbom(out: &Path, epoch: &str) -> Result<bool, Failure> {
    if !is_installed("cargo-cyclonedx") {
        not_checked("the list of parts (SBOM)", "cargo install --locked cargo-cyclonedx");
        return Ok(false);
    }
    let io = |path: &Path, error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let host = host()?;
    // With a date there is no random number in it either.
    let mut command = plain(&["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--target", &host]);
    let name = "echozoo-sbom";
    command.args(["--no-build-deps", "--override-filename", name]).env("SOURCE_DATE_EPOCH", epoch);
    if let Ok(features) = std::env::var("ECHOZOO_FEATURES") {
        command.args(["--features", &features]);
    }
    cargo::run(&mut command)?;
    // It writes one beside the manifest of every member; that of the binary is kept.
    let mut found = None;
    for member in crate::tidy::all_members() {
        let file = root().join(&member).join(format!("{name}.json"));
        if !file.is_file() {
            continue;
        }
        if member == "zoo/echo-zoo" {
            found = Some(std::fs::read_to_string(&file).map_err(|error| io(&file, error))?);
        }
        std::fs::remove_file(&file).map_err(|error| io(&file, error))?;
    }
    let text = found.ok_or_else(|| Failure::new("cargo cyclonedx wrote no list of zoo/echo-zoo"))?;
    // Packages of the workspace are called by their paths, and where it lies is nobody's business.
    let text = text.replace(&format!("path+file://{}/", root().display()), "path+file:///");
    std::fs::write(out, text).map_err(|error| io(out, error))?;
    Ok(true)
}

/// The triple that this compiler builds for.
pub(crate) fn host() -> Result<String, Failure> {
    let text = output(Command::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("rustc -vV names no host"))
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| Failure::new(format!("{command:?}: {error}")))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Failure::new(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}

/// `cargo xtask unsafe`: prints how much unsafe code is in what reads bytes from outside, and in what that stands on.
///
/// # Errors
/// Cargo does not list them.
pub(crate) fn print_unsafe() -> Result<(), Failure> {
    let document = Document::read(&std::fs::read_to_string(root().join(DOCUMENT)).unwrap_or_default());
    let sources = sources()?;
    for (name, version) in closure(&document)? {
        let lines = sources.get(&(name.clone(), version.clone())).map_or(0, |folder| unsafe_lines(folder));
        println!("{name} {version} {lines}");
    }
    Ok(())
}

/// Dependencies that read bytes from outside, or may, stand in the document with what unsafe code they have.
///
/// # Errors
/// Cargo does not list them.
pub(crate) fn check(problems: &mut Vec<String>) -> Result<(), Failure> {
    let document = Document::read(&std::fs::read_to_string(root().join(DOCUMENT)).unwrap_or_default());
    for name in tree(&["--workspace", "--depth", "1", "--no-dedupe"])?.into_keys().filter(|name| !document.knows(name))
    {
        problems.push(format!("{DOCUMENT} does not say whether the dependency {name} reads bytes from outside"));
    }
    let sources = sources()?;
    let closure = closure(&document)?;
    let locked: BTreeSet<&str> = sources.keys().map(|(name, _)| name.as_str()).collect();
    for name in document.all().filter(|name| !locked.contains(name)) {
        problems.push(format!("{DOCUMENT} names {name}, which is no dependency"));
    }
    for (name, version) in &closure {
        let lines = sources.get(&(name.clone(), version.clone())).map_or(0, |folder| unsafe_lines(folder));
        match document.with_unsafe.get(name) {
            Some((known, most)) if !is_compatible(known, version) || lines > *most => problems.push(format!(
                "{DOCUMENT} knows {name} {known} with {most} lines of unsafe code; {version} has {lines}: look at it again"
            )),
            None if lines > 0 && !document.reads_nothing.contains(name) => problems.push(format!(
                "{name} {version}, on which a reader of bytes from outside stands, has {lines} lines of unsafe code and no \
                 row in {DOCUMENT}"
            )),
            _ => {}
        }
    }
    Ok(())
}

/// The readers of bytes from outside and the packages on which they stand; what is said to read nothing is not followed further.
fn closure(document: &Document) -> Result<BTreeSet<Package>, Failure> {
    let all = tree(&["--workspace"])?;
    let of = |flag: &str, chosen: &dyn Fn(&str) -> bool| -> Vec<String> {
        let chosen = all.iter().filter(|(name, _)| chosen(name));
        let each = chosen.flat_map(|(name, versions)| versions.iter().map(move |version| format!("{name}@{version}")));
        each.flat_map(|package| [flag.to_owned(), package]).collect()
    };
    let mut args = of("--package", &|name| document.reads(name));
    args.extend(of("--prune", &|name| document.reads_nothing.contains(name)));
    let found = tree(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(found.into_iter().flat_map(|(name, all)| all.into_iter().map(move |version| (name.clone(), version))).collect())
}

/// Packages of others that `cargo tree` lists, without macros: these run when the program is built.
fn tree(args: &[&str]) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let format =
        ["tree", "--quiet", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in output(plain(&format).args(args))?.lines().filter(|line| !line.contains(" (/")) {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            packages.entry(name.to_owned()).or_default().insert(version.trim_start_matches('v').to_owned());
        }
    }
    Ok(packages)
}

/// Licences of packages of others that `cargo tree` lists, without macros.
pub(crate) fn licences(args: &[&str]) -> Result<BTreeMap<Package, String>, Failure> {
    let format =
        ["tree", "--quiet", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}|{l}"];
    let mut found = BTreeMap::new();
    for line in output(plain(&format).args(args))?.lines().filter(|line| !line.contains(" (/")) {
        let Some((package, licence)) = line.trim_end_matches(" (*)").split_once('|') else { continue };
        let mut words = package.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            found.insert((name.to_owned(), version.trim_start_matches('v').to_owned()), licence.to_owned());
        }
    }
    Ok(found)
}

/// Folders of the sources of all packages.
pub(crate) fn sources() -> Result<BTreeMap<Package, PathBuf>, Failure> {
    let host = host()?;
    let args = ["metadata", "--quiet", "--locked", "--format-version", "1", "--filter-platform", &host];
    Ok(sources_of(&output(&mut plain(&args))?))
}

/// The same of what `cargo metadata` prints: this program has no parser of JSON, and needs three texts of it.
fn sources_of(metadata: &str) -> BTreeMap<Package, PathBuf> {
    let mut found = BTreeMap::new();
    let mut package = None;
    for object in metadata.split("{\"name\":\"").skip(1) {
        // An object of a dependency has no version.
        if let Some((name, rest)) = object.split_once("\",\"version\":\"") {
            let version = rest.split('"').next().unwrap_or_default();
            package = (!name.contains('"')).then(|| (name.to_owned(), version.to_owned())).or(package);
        }
        if let Some(rest) = object.split("\"manifest_path\":\"").nth(1) {
            let manifest = rest.split('"').next().unwrap_or_default().replace("\\\\", "\\");
            if let (Some(package), Some(folder)) = (package.take(), Path::new(&manifest).parent()) {
                found.insert(package, folder.to_owned());
            }
        }
    }
    found
}

/// Lines in the sources of a package that begin unsafe code, for all platforms and features.
fn unsafe_lines(folder: &Path) -> usize {
    let mut lines = 0;
    crate::tidy::walk(&folder.join("src"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let bytes = std::fs::read(path).unwrap_or_default();
            lines += String::from_utf8_lossy(&bytes).lines().filter(|line| is_unsafe(line)).count();
        }
    });
    lines
}

/// Whether a line begins a block, a function or another item that is unsafe. Comments of several lines are prose, and there the
/// word is followed by others.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let is_part = |character: char| character.is_alphanumeric() || "_-\"".contains(character);
    code.match_indices("unsafe").any(|(at, word)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        let begins = ["{", "fn ", "impl", "trait ", "extern "].iter().any(|item| after.trim_start().starts_with(item));
        // `unsafe(no_mangle)` in an attribute is one, too.
        !before.ends_with(is_part) && (begins || after.starts_with('('))
    })
}

/// Whether two versions are of one line of releases.
fn is_compatible(known: &str, found: &str) -> bool {
    let of = |version: &str| -> Vec<String> {
        let mut numbers = version.split(['.', '+', '-']).map(str::to_owned);
        let first = numbers.next().unwrap_or_default();
        // Before 1.0 the second number is the one that breaks.
        if first == "0" { vec![first, numbers.next().unwrap_or_default()] } else { vec![first] }
    };
    of(known) == of(found)
}

/// What the document says.
#[derive(Debug, Default)]
struct Document {
    /// Version and lines of unsafe code.
    with_unsafe: BTreeMap<String, (String, usize)>,
    without_unsafe: BTreeSet<String>,
    reads_nothing: BTreeSet<String>,
}

impl Document {
    fn read(text: &str) -> Self {
        let mut document = Self::default();
        let mut heading = "";
        for line in text.lines() {
            if line.starts_with('#') {
                heading = line;
            }
            let names = || line.split('`').skip(1).step_by(2).map(str::to_owned);
            match heading {
                WITH_UNSAFE => {
                    let mut cells = line.split('|').map(str::trim).skip(1);
                    let name = cells.next().and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
                    let (version, lines) =
                        (cells.next(), cells.next().and_then(|cell| cell.replace(',', "").parse().ok()));
                    if let (Some(name), Some(version), Some(lines)) = (name, version, lines) {
                        document.with_unsafe.insert(name.to_owned(), (version.to_owned(), lines));
                    }
                }
                WITHOUT_UNSAFE => document.without_unsafe.extend(names()),
                READS_NOTHING => document.reads_nothing.extend(names()),
                _ => {}
            }
        }
        document
    }

    fn reads(&self, name: &str) -> bool {
        self.with_unsafe.contains_key(name) || self.without_unsafe.contains(name)
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.with_unsafe.keys().chain(&self.without_unsafe).chain(&self.reads_nothing).map(String::as_str)
    }

    fn knows(&self, name: &str) -> bool {
        self.all().any(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_code_is_told_from_words_about_it() {
        for (line, is) in [
            ("    unsafe { *pointer }", true),
            ("pub unsafe fn read() {", true),
            ("    // unsafe", false),
            ("#![deny(unsafe_code)]", false),
            ("#[unsafe(no_mangle)]", true),
            ("let not_unsafe = 1;", false),
            ("That makes it pretty unsafe (in other words)", false),
            ("    feature = \"simd-unsafe\",", false),
        ] {
            assert_eq!(is_unsafe(line), is, "{line}");
        }
    }

    #[test]
    fn versions_of_one_line_of_releases_are_told_from_others() {
        for (known, found, is) in [("1.2.3", "1.9.0", true), ("0.5.1", "0.5.9", true), ("0.5.1", "0.6.0", false)] {
            assert_eq!(is_compatible(known, found), is, "{known} {found}");
        }
    }

    #[test]
    fn sources_are_found_in_what_cargo_prints() {
        let dependency = r#"{"name":"serde","source":"registry","req":"^1"}"#;
        let metadata = format!(
            r#"{{"packages":[{{"name":"zip","version":"9.0.5","id":"a","dependencies":[{dependency}],"manifest_path":"/a/zip-9.0.5/Cargo.toml"}},{{"name":"csv","version":"1.4.0","manifest_path":"/a/csv/Cargo.toml"}}]}}"#
        );
        let found: Vec<_> = sources_of(&metadata).into_iter().collect();
        let of =
            |name: &str, version: &str, folder: &str| ((name.to_owned(), version.to_owned()), PathBuf::from(folder));
        assert_eq!(found, [of("csv", "1.4.0", "/a/csv"), of("zip", "9.0.5", "/a/zip-9.0.5")]);
    }

    #[test]
    fn the_document_is_read_by_its_headings() {
        let text = format!(
            "# Supply\n`no`\n{WITH_UNSAFE}\n| crate | version | lines |\n| --- | --- | --- |\n| `zip` | 9.0.5 | 1,204 | a |\n\
             {WITHOUT_UNSAFE}\n`csv`, `gif`\n{READS_NOTHING}\n`clap`\n## Other\n`no`\n"
        );
        let document = Document::read(&text);
        assert_eq!(document.all().collect::<Vec<_>>(), ["zip", "csv", "gif", "clap"]);
        assert_eq!(document.with_unsafe["zip"], ("9.0.5".to_owned(), 1204));
        assert!(document.reads("zip") && document.reads("gif") && !document.reads("clap"));
    }
}
