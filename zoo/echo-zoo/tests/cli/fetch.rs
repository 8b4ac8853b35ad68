//! `echozoo fetch` as a user runs it, as far as it goes without a network.

use std::path::PathBuf;

use crate::place::{Place, ended};

/// BLAKE3 of `no weights`.
const BLAKE3: &str = "3bcd9e4ac8f1cd2539be6fc529e2dfb7cd8808a64a6aaa3e29266428d63086d6";

struct Home(Place);

impl Home {
    fn new() -> Self {
        Self(Place::new(0))
    }

    /// Runs what must end with `code`; standard output and standard error.
    fn run(&self, code: i32, args: &[&str]) -> (String, String) {
        let mut command = self.0.command(args);
        // Whatever is asked for beyond this machine goes to a proxy that does not exist.
        for variable in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
            command.env(variable, "http://127.0.0.1:1").env(variable.to_lowercase(), "http://127.0.0.1:1");
        }
        ended(code, command.env_remove("NO_PROXY").env_remove("no_proxy"))
    }

    /// PanEcho's folder as `fetch` leaves it, with bytes that are no weights.
    fn fetched(&self) -> PathBuf {
        let dir = self.0.path("home/weights/panecho/full");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("panecho.pt"), "no weights").unwrap();
        let url = "https://github.com/CarDS-Yale/PanEcho/releases/download/v1.0/panecho.pt";
        let list = format!(
            "{{\"licence\": \"CC BY-NC-SA 4.0\", \"files\": {{\"panecho.pt\": {{\"blake3\": \"{BLAKE3}\", \
             \"bytes\": 10, \"url\": \"{url}\", \"member\": null}}}}}}"
        );
        std::fs::write(dir.join("weights.json"), list).unwrap();
        dir.join("panecho.pt")
    }
}

#[test]
fn nothing_is_downloaded_before_the_licence_has_been_shown_and_accepted() {
    let home = Home::new();
    for (args, licence, url) in [
        (&["fetch", "panecho"][..], "CC BY-NC-SA 4.0", "CarDS-Yale/PanEcho"),
        (&["fetch", "echoclip", "--preset", "r"], "MIT", "mkaichristensen/echo-clip-r"),
        (&["fetch", "echoprime", "--dir", "here"], "Cedars-Sinai academic", "echonet/EchoPrime/releases"),
    ] {
        let (out, err) = home.run(2, args);
        assert!(out.contains(licence) && out.contains(url), "{out}");
        assert!(err.contains("nothing was downloaded") && err.contains("--accept-license"), "{err}");
    }
    assert_eq!(std::fs::read_dir(home.0.path("")).unwrap().count(), 0);
}

#[test]
fn mistakes_in_what_is_asked_for_are_named() {
    let home = Home::new();
    let refused = |args: &[&str], code: i32, words: &str| {
        let (out, err) = home.run(code, args);
        assert!(err.contains(words), "{args:?}: {out}{err}");
    };
    refused(&["fetch", "panech"], 2, "\"panecho\"?");
    refused(&["fetch", "panecho", "--preset", "r"], 2, "known: full, nano");
    refused(&["fetch", "echoclip", "--preset", "x"], 2, "known: full, nano, r");
    refused(&["fetch", "echoclip", "--preset", "nano"], 2, "no weights to download");
    refused(&["fetch", "echoclip", "--offline"], 1, "open_clip_pytorch_model.bin is not there");
    let hint = "run `echozoo fetch echoclip --preset full`";
    refused(&["embed", "--encoder", "echoclip", "--text", "a heart", "--out", "a.npy"], 1, hint);
}

#[test]
fn fetched_weights_are_found_and_checked_each_time() {
    let home = Home::new();
    assert!(home.run(0, &["list"]).0.contains("not fetched"));
    let path = home.fetched();
    let (out, err) = home.run(0, &["fetch", "panecho", "--offline"]);
    assert!(out.contains(&format!("--weights {}", path.display())), "{out}{err}");
    // Accepted before, and there: neither the flag nor the network is needed.
    assert_eq!(home.run(0, &["fetch", "panecho"]), (out, String::new()));
    let listed = home.run(0, &["list"]).0;
    let row = |name| listed.lines().find(|line| line.split_whitespace().take(2).eq([name, "full"])).unwrap();
    assert!(!row("panecho").contains("not fetched") && row("echoclip").contains("not fetched"), "{listed}");
    let embed = ["embed", "--encoder", "panecho", "--tensor", "absent.safetensors", "--out", "a.npy"];
    let (out, err) = home.run(1, &embed);
    let taken = format!("weights of panecho: {}", path.display());
    assert!(err.contains(&taken) && err.contains("is not a checkpoint"), "{out}{err}");
    std::fs::write(&path, "other data").unwrap();
    for args in [&["fetch", "panecho", "--offline"][..], &["fetch", "panecho"], &embed] {
        let (out, err) = home.run(1, args);
        assert!(err.contains("not what was first downloaded"), "{args:?}: {out}{err}");
    }
}
