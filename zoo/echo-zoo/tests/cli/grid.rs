//! A folder with phantoms and a small grid on them.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use crate::place::Place;

/// Twelve cells of a kind that is over in a moment each.
const GRID: &str = r#"
encoders = ["echoclip"]
preset = "nano"
adapters = ["linear", "coop", "mfl"]
shots = [1, 2]
seeds = [1, 2]
random_init = true
bootstrap = 200

[recipes.coop.train]
epochs = 3
[recipes.mfl.train]
epochs = 3
"#;

/// Files that are the same however a run came to its end.
pub const RESULTS: [&str; 4] = ["leaderboard.csv", "leaderboard.md", "predictions.csv", "curves.csv"];

pub struct Grid(Place);

impl Deref for Grid {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.0
    }
}

impl Grid {
    /// With the data set `data` and the grid `grid.toml`.
    pub fn new() -> Self {
        let place = Place::new(24);
        std::fs::write(place.path("grid.toml"), GRID).unwrap();
        Self(place)
    }

    /// The grid, with results in `out` and the cache in `home`.
    pub fn bench(&self, out: &str, home: &str) -> Command {
        let mut command = self.command(&["bench", "--config", "grid.toml", "--data", "data", "--out", out]);
        command.env("ECHOZOO_HOME", self.path(home));
        command
    }

    /// Keys of the lines of `runs.jsonl`, which are all whole and of finished cells.
    pub fn keys(&self, out: &str) -> Vec<String> {
        let lines = self.read(&format!("{out}/runs.jsonl"));
        assert!(lines.ends_with('\n'), "half a line at the end");
        let key = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["status"], "done", "{line}");
            value["key"].as_str().unwrap().to_owned()
        };
        lines.lines().map(key).collect()
    }

    /// Two folders hold the same cells, each once, and the same results.
    pub fn assert_same(&self, out: &str, whole: &str) {
        let sorted = |out: &str| self.keys(out).into_iter().collect::<BTreeSet<_>>();
        let keys = self.keys(out);
        assert_eq!(keys.len(), sorted(out).len(), "{out}: a cell ran twice");
        assert_eq!(sorted(out), sorted(whole));
        for file in RESULTS {
            assert_eq!(self.read(&format!("{out}/{file}")), self.read(&format!("{whole}/{file}")), "{out}/{file}");
        }
        assert_eq!(left(&self.path(out).join("cells")), Vec::<String>::new(), "{out}: left over");
    }
}

/// Files of a folder of cells that are of no finished cell.
fn left(cells: &Path) -> Vec<String> {
    let names = std::fs::read_dir(cells).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    // Files that were being written when a process was killed bear no cell's name and are never read; they go in time.
    names.filter(|name| !name.ends_with(".csv") && !name.starts_with(".unfinished-")).collect()
}
