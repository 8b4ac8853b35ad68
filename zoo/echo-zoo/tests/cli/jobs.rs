//! Several cells at a time in one process.

use crate::grid::{Grid, RESULTS};
use crate::place::ended;

/// Every way of training there is, on an encoder with a text tower and on one that borrows it.
#[test]
fn results_have_the_same_bits_however_many_cells_run_at_a_time() {
    let place = Grid::new();
    let run = |jobs: &str| {
        let mut command = place.command(&["bench", "--data", "data", "--out", jobs, "--jobs", jobs]);
        command.args(["--encoder", "echoclip,panecho", "--adapter", "all", "--shots", "1,2", "--seeds", "1"]);
        ended(0, command.args(["--random-init", "--config", "quick.toml"]));
    };
    let epochs = ["linear", "coop", "coarse-to-fine", "mfl", "echozoom", "lora", "full"];
    let recipes: String = epochs.iter().map(|name| format!("[recipes.{name}.train]\nepochs = 2\n")).collect();
    std::fs::write(place.path("quick.toml"), format!("bootstrap = 100\n{recipes}")).unwrap();
    run("1");
    for jobs in ["2", "5"] {
        run(jobs);
        for file in RESULTS {
            assert!(place.read(&format!("{jobs}/{file}")) == place.read(&format!("1/{file}")), "{file}, {jobs} jobs");
        }
        place.assert_same(jobs, "1");
    }
    let fields = |out: &str| -> Vec<(bool, Option<u64>)> {
        let lines = place.read(&format!("{out}/runs.jsonl"));
        let values = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        values.map(|value| (value.get("peak_memory").is_some(), value.get("jobs").and_then(|n| n.as_u64()))).collect()
    };
    // Nobody knows whose memory it was.
    assert!(fields("1").iter().all(|field| *field == (cfg!(target_os = "linux"), Some(1))));
    assert!(fields("5").iter().all(|field| *field == (false, Some(5))));
    assert!(
        place.read("5/report.html").contains("ran beside others")
            && !place.read("1/report.html").contains("ran beside others")
    );

    ended(2, place.bench("none", "home").args(["--jobs", "0"]));
}
