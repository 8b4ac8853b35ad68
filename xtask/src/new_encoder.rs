//! `cargo xtask new-encoder NAME [--title Title]`: a crate under `zoo/` that compiles, registered and listed.
//!
//! The skeleton is the example of `echo-zoo`, so it is compiled and held to the encoders' contract with every test.

use std::path::PathBuf;
use std::process::Command;

use crate::Failure;
use crate::cargo::{root, run};

const CARD_MD: &str = include_str!("../../zoo/echo-zoo/examples/tinyecho/CARD.md");
const CARD: &str = include_str!("../../zoo/echo-zoo/examples/tinyecho/card.rs");
const KEYS: &str = include_str!("../../zoo/echo-zoo/examples/tinyecho/keys.rs");
const MODEL: &str = include_str!("../../zoo/echo-zoo/examples/tinyecho/model.rs");

const LIB: &str = "\
//! TinyEcho: what it is, in one line.
//!
//! Authors, title, venue and year of its paper; written from that architecture.

mod card;
mod keys;
mod model;

pub use card::CARD;
pub use keys::KEYS;
pub use model::{TinyEcho, TinyEchoConfig};
";

const MANIFEST: &str = "\
[package]
name = \"tinyecho\"
description = \"TinyEcho: what it is, in one line\"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
repository.workspace = true
publish.workspace = true

[lints]
workspace = true

[dependencies]
burn.workspace = true
echo-core.workspace = true
echo-nn.workspace = true
echo-weights.workspace = true
";

const TEST: &str = "\
//! Sizes.

#![allow(missing_docs)]

use burn::module::Module;
use burn::tensor::Device;
use echo_weights::Pretrained;
use tinyecho::TinyEcho;

#[test]
fn parameters_are_those_of_the_card() {
    for preset in TinyEcho::CARD.presets {
        let model = TinyEcho::init(preset, &Device::flex());
        assert_eq!(model.num_params(), preset.parameters, \"{}\", preset.name);
    }
}
";

/// Files of the workspace that name every encoder.
const ROOT_MANIFEST: &str = "Cargo.toml";
const ZOO_MANIFEST: &str = "zoo/echo-zoo/Cargo.toml";
const REGISTRY: &str = "zoo/echo-zoo/src/entry.rs";

pub(crate) fn new_encoder(args: &[String]) -> Result<(), Failure> {
    let (name, title) = match args {
        [name] => (name, capitalised(name)),
        [name, flag, title] if flag == "--title" => (name, title.clone()),
        _ => return Err(Failure::usage("usage: cargo xtask new-encoder NAME [--title Title]")),
    };
    let plan = plan(name, &title, |path| std::fs::read_to_string(root().join(path)).unwrap_or_default())?;
    if root().join("zoo").join(name).exists() {
        return Err(Failure::new(format!("zoo/{name} is there already")));
    }
    for (path, text) in &plan {
        let path = root().join(path);
        let failed = |error| Failure::new(format!("{}: {error}", path.display()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        std::fs::write(&path, text).map_err(failed)?;
        println!("{}", path.display());
    }
    run(Command::new("cargo").current_dir(root()).args(["fmt", "--all"]))?;
    println!(
        "\n{title} compiles and runs as it is (`cargo xtask bench --encoder {name} --adapter ...`). To make it yours: \
         model.rs, then card.rs and CARD.md, then keys.rs until its checkpoint loads; see ARCHITECTURE.md."
    );
    Ok(())
}

/// Every file to write, relative to the workspace's root, with its text.
fn plan(name: &str, title: &str, read: impl Fn(&str) -> String) -> Result<Vec<(PathBuf, String)>, Failure> {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(lower) {
        return Err(Failure::usage(format!("{name:?}: an encoder's name is lower-case letters and digits")));
    }
    if !title.starts_with(|c: char| c.is_ascii_uppercase()) || !title.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(Failure::usage(format!("{title:?}: a title is a Rust type's name, such as MyEncoder")));
    }
    let folder = PathBuf::from("zoo").join(name);
    let text = |template: &str| {
        let text = template.replace("TinyEcho", title).replace("tinyecho", name);
        text.replace("use super::{CARD, KEYS};", "use crate::{CARD, KEYS};")
    };
    let inserted = |file: &str, before: &str, line: String| {
        let old = read(file);
        match old.split_once(before) {
            Some((head, tail)) => Ok((PathBuf::from(file), format!("{head}{line}{before}{tail}"))),
            None => Err(Failure::new(format!("{file} has no {before:?} to put the new encoder before"))),
        }
    };
    Ok(vec![
        (folder.join("Cargo.toml"), text(MANIFEST)),
        (folder.join("CARD.md"), text(CARD_MD)),
        (folder.join("src/lib.rs"), text(LIB)),
        (folder.join("src/card.rs"), text(CARD)),
        (folder.join("src/keys.rs"), text(KEYS)),
        (folder.join("src/model.rs"), text(MODEL)),
        (folder.join("tests/presets.rs"), text(TEST)),
        inserted(ROOT_MANIFEST, "echo-zoo = {", format!("{name} = {{ path = \"zoo/{name}\" }}\n"))?,
        inserted(ZOO_MANIFEST, "\n[dev-dependencies]", format!("{name}.workspace = true\n"))?,
        inserted(REGISTRY, "];\n\n/// Builds `entry`", format!(", Entry::of::<{name}::{title}>()"))?,
    ])
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_workspace(path: &str) -> String {
        std::fs::read_to_string(root().join(path)).unwrap()
    }

    #[test]
    fn the_skeleton_bears_the_new_name_and_is_registered() {
        let plan = plan("mynet", "MyNet", of_workspace).ok().unwrap();
        let text = |path: &str| &plan.iter().find(|(file, _)| file.as_os_str() == path).unwrap().1;
        for (path, text) in plan.iter().filter(|(path, _)| path.starts_with("zoo/mynet")) {
            assert!(!text.to_lowercase().contains("tinyecho"), "{}", path.display());
        }
        assert!(text("zoo/mynet/src/model.rs").contains("pub struct MyNet {"));
        assert!(text("zoo/mynet/src/model.rs").contains("use crate::{CARD, KEYS};"));
        assert!(text("zoo/echo-zoo/src/entry.rs").contains("Entry::of::<mynet::MyNet>()];"));
        let lines = |path: &str, line: &str| text(path).lines().filter(|other| *other == line).count();
        assert_eq!(lines("Cargo.toml", "mynet = { path = \"zoo/mynet\" }"), 1);
        assert_eq!(lines("zoo/echo-zoo/Cargo.toml", "mynet.workspace = true"), 1);
    }

    #[test]
    fn names_that_are_no_crates_or_types_are_refused() {
        for (name, title) in [("My-Net", "MyNet"), ("", "MyNet"), ("../x", "MyNet"), ("mynet", "my net"), ("9", "N")] {
            assert!(plan(name, title, of_workspace).is_err(), "{name} {title}");
        }
    }
}
