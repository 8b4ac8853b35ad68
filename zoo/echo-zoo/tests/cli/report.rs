//! `echozoo report` as a user runs it: the page of a benchmark, the same page without its videos, and two machines'
//! folders as one.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, ended, text};

/// With the data set `phantoms`.
fn place() -> Place {
    let place = Place::new(24);
    std::fs::rename(place.path("data"), place.path("phantoms")).unwrap();
    place
}

fn bench(place: &Place, adapters: &str, seed: &str, out: &str) {
    let mut args = vec!["bench", "--encoder", "echoclip", "--data", "phantoms", "--random-init", "--smoke"];
    args.extend(["--shots", "1", "--adapter", adapters, "--seeds", seed, "--out", out]);
    place.run(0, &args);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Nothing in the page is fetched, and all of it is there.
fn assert_whole(page: &str, rows: usize) {
    for attribute in ["src=\"", "href=\""] {
        for value in page.split(attribute).skip(1) {
            assert!(value.starts_with('#') || value.starts_with("data:"), "{}", &value[..value.len().min(60)]);
        }
    }
    for other in ["url(", "@import", "http:", "https:", "<link", "<iframe"] {
        assert!(!page.contains(other), "{other} in the page");
    }
    assert!(page.contains("Not for clinical use.") && page.contains("Random weights: echoclip"), "no warnings");
    assert!(page.contains("Nano presets") && page.contains("Synthetic hearts, not patients: phantoms"), "no warnings");
    assert_eq!(page.matches("<tr id=\"row-").count(), rows);
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert_eq!(
        page.matches("role=\"img\"><title>").count(),
        page.matches("role=\"img\"").count(),
        "a plot without words"
    );
    assert_eq!(page.matches("<img ").count(), page.matches("alt=\"First frame").count() * 2);
}

#[test]
fn a_benchmark_writes_its_report_and_it_can_be_made_again_from_the_records() {
    let place = place();
    bench(&place, "linear,coop", "1", "out");
    let rows = place.read("out/leaderboard.csv").lines().count() - 1;
    let page = place.read("out/report.html");
    assert_whole(&page, rows);
    assert!(!page.contains("<img ") && page.contains("--thumbnails"), "pictures of patients that nobody asked for");
    assert!(place.read("out/leaderboard.tex").contains("\\bottomrule"));

    let (out, err) = place.run(0, &["report", "out/runs.jsonl", "--out", "again", "--format", "latex"]);
    assert!(out == place.read("again/leaderboard.tex") && err.contains("cells from 1 folder,"), "{out}{err}");
    assert_eq!(place.read("again/leaderboard.csv"), place.read("out/leaderboard.csv"));
    for file in ["predictions.csv", "constants.csv", "bench.toml"] {
        assert_eq!(place.read(&format!("again/{file}")), place.read(&format!("out/{file}")), "{file}");
    }
    let again = place.read("again/report.html");
    assert_whole(&again, rows);
    assert_eq!(again.matches("<details").count(), page.matches("<details").count());
    // Onto itself.
    place.run(0, &["report", "again", "--out", "again"]);
    assert_eq!(place.read("again/report.html"), again);
}

#[cfg(unix)]
#[test]
fn results_are_as_private_as_the_user_wants_them_and_show_frames_on_request() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let args = "bench --encoder echoclip --data phantoms --random-init --smoke --adapter linear --thumbnails --out out";
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask 077; exec \"$0\" {args}"), env!("CARGO_BIN_EXE_echozoo")]);
    ended(0, command.current_dir(place.path("")).env("ECHOZOO_HOME", place.path("home")));
    let page = place.read("out/report.html");
    assert!(page.contains("data:image/jpeg;base64,/9j/"), "no thumbnails");
    assert_whole(&page, place.read("out/leaderboard.csv").lines().count() - 1);
    let all = files(&place.path("out")).into_iter().chain(files(&place.path("out/cells")));
    for path in all {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

#[test]
fn folders_are_merged_and_what_they_lack_is_named() {
    let place = place();
    bench(&place, "linear", "1,2", "both");
    bench(&place, "linear", "1", "one");
    bench(&place, "linear", "2", "two");
    let (_, err) = place.run(0, &["report", "one", "two", "two/runs.jsonl", "--out", "merged"]);
    // Each folder also has the cells of what the encoder reads without training.
    assert!(err.contains("4 cells from 3 folders, 5 older"), "{err}");
    assert_eq!(place.read("merged/leaderboard.csv"), place.read("both/leaderboard.csv"));

    std::fs::remove_file(place.path("one/constants.csv")).unwrap();
    std::fs::remove_file(place.path("one/bench.toml")).unwrap();
    place.run(0, &["report", "one", "--out", "without"]);
    let page = place.read("without/report.html");
    assert_whole(&page, 3);
    assert!(page.contains("rows of the constant predictors are missing") && page.contains("no <code>bench.toml"));

    let runs = place.read("two/runs.jsonl");
    let file_of = |adapter: &str| {
        let line = runs.lines().find(|line| line.contains(&format!("\"adapter\":\"{adapter}\""))).unwrap();
        format!("{}.csv", line.split("\"key\":\"").nth(1).unwrap().split('"').next().unwrap())
    };
    // What another folder holds too is missed by nobody.
    std::fs::remove_file(place.path("two/cells").join(file_of("zero-shot"))).unwrap();
    place.run(0, &["report", "one", "two", "--out", "whole"]);
    let name = file_of("linear");
    std::fs::remove_file(place.path("two/cells").join(&name)).unwrap();
    let err = place.run(1, &["report", "one", "two", "--out", "broken"]).1;
    assert!(err.contains(&name) && err.contains("it is missing; the benchmark, run again"), "{err}");
    assert!(err.contains("1 of 4 cells failed"), "{err}");
    let table = place.read("broken/leaderboard.csv");
    assert_eq!(
        table.lines().count(),
        place.read("merged/leaderboard.csv").lines().count(),
        "the rest is there: {table}"
    );
    assert!(place.read("broken/report.html").contains(&format!("cells/{name}: it is missing")));
    assert!(place.run(1, &["report", "nowhere", "--out", "broken"]).1.contains("nowhere"));
    std::fs::create_dir(place.path("empty")).unwrap();
    assert!(place.run(1, &["report", "empty", "--out", "broken"]).1.contains("no record"));
}

#[test]
fn a_hostile_record_is_text_in_the_page_or_an_error() {
    let place = place();
    bench(&place, "linear", "1", "out");
    let runs = place.read("out/runs.jsonl");
    // Whoever writes records can write their checksums.
    let sealed = |line: &str| serde_json::from_str::<echo_report::CellRecord>(line).unwrap().to_line();
    let write = |text: String| {
        std::fs::write(place.path("out/runs.jsonl"), text.lines().map(sealed).collect::<String>()).unwrap();
    };
    write(runs.replace("\"linear\"", "\"<script>alert(1)</script>\"").replace("phantoms", "a\\\" onclick=\\\"x"));
    place.run(0, &["report", "out", "--out", "page"]);
    let page = place.read("page/report.html");
    assert!(!page.contains("<script>alert") && !page.contains("a\" onclick"), "markup from a record");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));

    let key = runs.split("\"key\":\"").nth(1).unwrap().split('"').next().unwrap();
    write(runs.replace(key, "../../escape"));
    assert!(place.run(1, &["report", "out", "--out", "page"]).1.contains("no key"));

    write(runs.clone());
    let path = place.path("out/cells").join(format!("{key}.csv"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (rows, last) = text.trim_end().rsplit_once('\n').unwrap();
    let [video, patient, truth, _, warning] = last.split(',').collect::<Vec<_>>()[..] else { panic!("{last}") };
    std::fs::write(&path, format!("{rows}\n{video},{patient},{truth},NaN,{warning}\n")).unwrap();
    assert!(place.run(1, &["report", "out", "--out", "page"]).1.contains(key));
}

/// What opens a page without a window.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The longest that a browser may take for one page.
const PATIENCE: Duration = Duration::from_secs(120);

fn browser() -> Option<&'static str> {
    let starts = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success());
    BROWSERS.into_iter().find(starts)
}

/// Opens `page` and ends; what the browser printed, and what it complained of.
fn open(browser: &str, page: &Path, flags: &[&str]) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--hide-scrollbars", "--enable-logging=stderr", "--force-device-scale-factor=1"]).args(flags);
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg(format!("file://{}", page.display()));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Both are read while it runs: a full pipe would stop it.
    fn drain(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            bytes
        })
    }
    let (out, err) = (drain(child.stdout.take().unwrap()), drain(child.stderr.take().unwrap()));
    let started = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => {
                child.kill().unwrap();
                panic!("{browser} {flags:?} does not end");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let (out, err) = (text(&out.join().unwrap()), text(&err.join().unwrap()));
    assert!(status.success(), "{browser} {flags:?}: {status}\n{err}");
    (out, err)
}

/// What a browser makes of the page: its script runs without a complaint and gives the table its filters, and there is
/// something to see, in a wide window as in a narrow one, in light and in dark.
#[test]
fn a_browser_shows_the_page() {
    let Some(browser) = browser() else {
        let missing = format!("none of {} is installed, so the report is opened by no browser", BROWSERS.join(", "));
        assert!(std::env::var_os("ECHOZOO_NO_SKIP").is_none(), "{missing}");
        eprintln!("skipped: {missing}");
        return;
    };
    let place = place();
    bench(&place, "linear,coop", "1", "out");
    let rows = place.read("out/leaderboard.csv").lines().count() - 1;
    let page = place.path("out/report.html");
    let (dom, err) = open(browser, &page, &["--dump-dom"]);
    assert!(!err.contains("CONSOLE"), "the page complains: {err}");
    let form = dom.split("<form id=\"filters\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(!form.contains("hidden"), "the filters stay hidden: {form}");
    assert!(dom.contains(&format!("{rows} of {rows} rows")), "the filters count no rows");
    let headings = dom.split("<table id=\"leaderboard\">").nth(1).unwrap().split("</thead>").next().unwrap();
    let columns = headings.matches("<th scope").count();
    assert!(columns >= 10 && headings.matches("<button").count() == columns, "columns cannot be sorted: {headings}");

    let mut backgrounds = BTreeSet::new();
    for (name, size, flags) in [
        ("wide.png", (1200, 1600), &[][..]),
        ("narrow.png", (500, 1600), &[]),
        ("dark.png", (1200, 1600), &["--blink-settings=preferredColorScheme=0"]),
    ] {
        let file = place.path(name);
        let (shot, window) =
            (format!("--screenshot={}", file.display()), format!("--window-size={},{}", size.0, size.1));
        let (_, err) = open(browser, &page, &[&[shot.as_str(), window.as_str()], flags].concat());
        assert!(!err.contains("CONSOLE"), "{name}: the page complains: {err}");
        let picture = image::open(&file).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), size, "{name}");
        let colours: BTreeSet<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
        let inked = picture.rows().filter(|row| row.clone().any(|pixel| pixel != picture.get_pixel(0, 0))).count();
        // Letters have edges of many shades; an error page or an empty one has few of them, on a few rows.
        assert!(colours.len() > 100 && inked > size.1 as usize / 3, "{name}: {} colours, {inked} rows", colours.len());
        backgrounds.insert(picture.get_pixel(0, 0).0);
    }
    assert_eq!(backgrounds.len(), 2, "light and dark are alike: {backgrounds:?}");
}
