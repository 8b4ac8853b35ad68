//! `cargo xtask release`: an archive of the stripped binary with its licences, completions and manual pages, its list of parts, and
//! checksums.
//!
//! The binary is the one that the tests ran, in the same profile, and is stripped afterwards by `strip`: another profile, or link-time
//! optimisation, would compile Burn again and release what no test has run. The same commit, compiler and binary give the same archive.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, root};
use crate::{Failure, supply};

/// Shells whose completions are packed, and what they call the file.
const COMPLETIONS: [(&str, &str); 3] = [("bash", "echozoo.bash"), ("zsh", "_echozoo"), ("fish", "echozoo.fish")];

/// Beginnings of names of files that hold a licence or what it asks to be passed on.
const LICENCES: [&str; 5] = ["license", "licence", "copying", "notice", "unlicense"];

pub(crate) fn release(args: &[String]) -> Result<(), Failure> {
    let (mut out, mut built) = (root().join("target/dist"), None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().map(PathBuf::from).ok_or_else(|| Failure::usage(format!("{arg} needs a path")));
        match arg.as_str() {
            "--out" => out = value()?,
            "--binary" => built = Some(value()?),
            _ => return Err(Failure::usage(format!("unknown argument {arg}; known: --out DIR, --binary FILE"))),
        }
    }
    let changed = git(&["status", "--porcelain"])?;
    if !changed.is_empty() {
        return Err(Failure::new(format!("a release is of a commit, and the tree has changes:\n{changed}")));
    }
    let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(epoch) => epoch,
        Err(_) => git(&["log", "-1", "--format=%ct"])?,
    };
    let (version, target) = (version()?, supply::host()?);
    let name = format!("echozoo-{version}-{target}");
    let binary = built.map_or_else(cargo::build, Ok)?;

    let stage = out.join(&name);
    if stage.exists() {
        std::fs::remove_dir_all(&stage).map_err(io(&stage))?;
    }
    for folder in ["completions", "man"] {
        let folder = stage.join(folder);
        std::fs::create_dir_all(&folder).map_err(io(&folder))?;
    }
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
        std::fs::copy(root().join(file), stage.join(file)).map_err(io(&stage))?;
    }
    for (shell, file) in COMPLETIONS {
        let script = supply::output(Command::new(&binary).args(["completions", shell]))?;
        write(&stage.join("completions").join(file), &script)?;
    }
    supply::output(Command::new(&binary).args(["man", "--out"]).arg(stage.join("man")))?;
    write(&stage.join("THIRD-PARTY.txt"), &third_party()?)?;
    let stripped = stage.join(format!("echozoo{}", std::env::consts::EXE_SUFFIX));
    std::fs::copy(&binary, &stripped).map_err(io(&binary))?;
    cargo::run(Command::new("strip").arg(&stripped))?;
    let archive = pack(&out, &name, &epoch)?;

    let parts = format!("{name}.cdx.json");
    let mut files = vec![archive];
    if supply::sbom(&out.join(&parts), &epoch)? {
        files.push(parts);
    }
    let sums = supply::output(Command::new("sha256sum").current_dir(&out).args(&files))?;
    write(&out.join("SHA256SUMS"), &sums)?;
    std::fs::remove_dir_all(&stage).map_err(io(&stage))?;
    println!("{sums}in {}", out.display());
    Ok(())
}

/// Packs the folder `name` in `out`: sorted, of nobody, and of the time `epoch`.
fn pack(out: &Path, name: &str, epoch: &str) -> Result<String, Failure> {
    let archive = format!("{name}.tar.gz");
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar", "--mode=u+rw,go+rX,go-w"]);
    tar.arg(format!("--mtime=@{epoch}")).arg("--directory").arg(out).args(["-cf", "-", name]).stdout(Stdio::piped());
    let mut tar = tar.spawn().map_err(|error| Failure::new(format!("tar: {error}")))?;
    let packed = tar.stdout.take().expect("a pipe");
    let path = out.join(&archive);
    let file = std::fs::File::create(&path).map_err(io(&path))?;
    // Without the name and the time that gzip would write.
    cargo::run(Command::new("gzip").args(["-n", "-9"]).stdin(packed).stdout(file))?;
    match tar.wait() {
        Ok(status) if status.success() => Ok(archive),
        ended => Err(Failure::new(format!("tar: {ended:?}"))),
    }
}

/// The licences of all crates in the binary, and the texts that they want to be passed on, each once.
pub(crate) fn third_party() -> Result<String, Failure> {
    let sources = supply::sources()?;
    let mut args = vec!["--package", "echo-zoo"];
    let features = std::env::var("ECHOZOO_FEATURES").unwrap_or_default();
    args.extend(["--features", &features]);
    let mut text = "echozoo is built of these packages, besides its own. Their licences and notices follow.\n\
                    This software is based in part on the work of the Independent JPEG Group.\n\n"
        .to_owned();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((name, version), licence) in supply::licences(&args)? {
        let folder = sources.get(&(name.clone(), version.clone()));
        let found = folder.map(|folder| licence_texts(folder)).transpose()?.unwrap_or_default();
        let without = if found.is_empty() { " (its package holds no text of it)" } else { "" };
        let _ = writeln!(text, "{name} {version}: {licence}{without}");
        found.into_iter().for_each(|one| texts.entry(one).or_default().push(format!("{name} {version}")));
    }
    let line = "=".repeat(80);
    for (licence, names) in texts {
        let _ = write!(text, "\n{line}\n{}\n{line}\n\n{}\n", names.join(", "), licence.trim_end());
    }
    Ok(text)
}

/// Texts of the files of a package that are called after licences.
fn licence_texts(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(io(folder))?.flatten();
    let is_licence = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        path.is_file() && LICENCES.iter().any(|beginning| name.starts_with(beginning))
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_licence).collect();
    paths.sort();
    let read = |path: &PathBuf| std::fs::read(path).map_err(io(path));
    paths.iter().map(|path| Ok(String::from_utf8_lossy(&read(path)?).replace("\r\n", "\n"))).collect()
}

/// The version of the workspace.
fn version() -> Result<String, Failure> {
    let path = root().join("Cargo.toml");
    let manifest = std::fs::read_to_string(&path).map_err(io(&path))?;
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    version.map(str::to_owned).ok_or_else(|| Failure::new("Cargo.toml has no version of the workspace"))
}

fn git(args: &[&str]) -> Result<String, Failure> {
    Ok(supply::output(Command::new("git").current_dir(root()).args(args))?.trim_end().to_owned())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(io(path))
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Failure + use<'_> {
    move |error| Failure::new(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    /// As the same file made at another time, in another order and with other rights.
    #[test]
    fn the_same_files_are_the_same_archive() {
        let bytes: Vec<Vec<u8>> =
            [["a", "b"], ["b", "a"]].iter().enumerate().map(|(run, order)| packed(run, order)).collect();
        assert!(bytes[0].len() > 100 && bytes[0] == bytes[1]);
    }

    #[cfg(target_os = "linux")]
    fn packed(run: usize, order: &[&str]) -> Vec<u8> {
        let out = std::env::temp_dir().join(format!("echozoo-release-{}-{run}", std::process::id()));
        std::fs::create_dir_all(out.join("stage")).unwrap();
        for file in order {
            std::fs::write(out.join("stage").join(file), file).unwrap();
        }
        if run == 1 {
            assert!(Command::new("touch").args(["-d", "@1"]).arg(out.join("stage/a")).status().unwrap().success());
            assert!(Command::new("chmod").args(["g+w"]).arg(out.join("stage/b")).status().unwrap().success());
        }
        let archive = pack(&out, "stage", "1000000000").unwrap_or_else(|failure| panic!("{}", failure.message));
        let bytes = std::fs::read(out.join(archive)).unwrap();
        std::fs::remove_dir_all(&out).unwrap();
        bytes
    }

    #[test]
    fn the_version_is_the_workspace_s() {
        assert_eq!(version().ok().as_deref(), Some(env!("CARGO_PKG_VERSION")));
    }
}
