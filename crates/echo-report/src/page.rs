//! `report.html`: one file that opens offline and holds all that a run found, and how to repeat it.
//!
//! It is made of records, prediction files and curves alone, so [`merge`](crate::merge) makes it again from any set of output
//! folders.

mod by_rank;
mod by_shots;
mod entry;
mod figures;
mod frame;
mod html;
mod of_row;
mod plots;
mod table;
mod visible;
mod worst;

pub use frame::{Page, PageSection, jpeg_address};
pub use worst::Thumbnails;

use crate::{CellRecord, Constant, Leaderboard, Outputs, ReportError};

/// What a report is made of.
pub struct Report<'a> {
    /// The table.
    pub leaderboard: &'a Leaderboard,
    /// The cells of the rows, in the leaderboard's order.
    pub groups: &'a [Vec<&'a CellRecord>],
    /// The folder that it is written to, which holds the cells' files.
    pub outputs: &'a Outputs,
    /// Configurations (TOML) of the runs.
    pub configs: &'a [String],
    /// What the constant predictors predict.
    pub constants: &'a [Constant],
    /// Pictures of videos, where they are wanted.
    pub thumbnails: Option<Thumbnails<'a>>,
}

impl Report<'_> {
    /// Writes the leaderboard in every format, the page, and what [`merge`](crate::merge) needs to make them again.
    ///
    /// # Errors
    /// A cell's file cannot be read, or the folder cannot be written.
    pub fn write(&self) -> Result<(), ReportError> {
        let Self { leaderboard, outputs, .. } = self;
        outputs.write_text("leaderboard.md", &leaderboard.to_markdown())?;
        outputs.write_text("leaderboard.csv", &leaderboard.to_csv())?;
        outputs.write_text("leaderboard.tex", &leaderboard.to_latex())?;
        let json = serde_json::to_string_pretty(leaderboard).expect("a leaderboard is plain data");
        outputs.write_text("leaderboard.json", &json)?;
        outputs.write_constants(self.constants)?;
        if let [config] = self.configs {
            outputs.write_text("bench.toml", config)?;
        }
        let (page, figures) = html::page(self)?;
        outputs.write_figures(figures.files())?;
        outputs.write_text("report.html", &page)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Keeping;
    use echo_metrics::{Kind, Metric, Parameters, Threshold};

    use crate::scoring::tests::row;
    use crate::store::tests::record;
    use crate::{
        BestRecord, DataRecord, ExternalRecord, Merged, PredictionRow, Predictions, Quantity, Reference, Runs, Truth,
        merge, ranks_up_to, scores,
    };

    const TRAINING_MEDIAN: &str = "median of training";

    const VIDEOS: usize = 40;

    fn truth(video: usize) -> f32 {
        60.0 + 5.5 * (video * 7 % VIDEOS) as f32
    }

    /// Predictions that miss by about `error`, to either side.
    fn rows(error: f32, seed: u64) -> Vec<PredictionRow> {
        let row = |video: usize| {
            let sign = if (video + seed as usize).is_multiple_of(2) { 1.0 } else { -1.0 };
            let prediction = truth(video) + sign * (error + video as f32 * 0.01);
            row(&format!("video-{video:02}"), "", Truth::Value(truth(video)), &[prediction])
        };
        (0..VIDEOS).map(row).collect()
    }

    /// A run's folder with one encoder, end-diastolic volumes and an external test set. Cells of the adapter `old` have no
    /// scores on that, nor within ranks.
    fn write_run(dir: &Path) {
        let (outputs, runs) = (Outputs::create(dir).unwrap(), Runs::open(dir, Keeping::Together).unwrap().0);
        let ranks = serde_json::json!({"ranks": [
            {"up_to": 90, "value": 70.0, "prompt": "small"},
            {"up_to": 160, "value": 120.0, "prompt": "large"},
            {"up_to": 300, "value": 220.0, "prompt": "huge"},
        ]});
        let thresholds = [35, 40, 50, 120].map(Threshold);
        let of = |thresholds, bounds: &[i64]| {
            let parameters = Parameters { thresholds, ranks: &ranks_up_to(bounds), classes: &[] };
            echo_metrics::metrics(Kind::Regression, &parameters)
        };
        let (old, every) = (of(&thresholds[..3], &[]), of(&thresholds, &[90, 160, 300]));
        let scored = |rows: &[PredictionRow], metrics: &[Metric]| {
            scores(&Quantity::regression("EDV", "ml"), rows, metrics, None, 200).unwrap()
        };
        let cells =
            [("zero-shot", 0, 30.0), ("coop", 1, 10.0), ("linear", 1, 10.05), ("old", 1, 25.0), ("coop", 8, 8.0)];
        for (index, (adapter, shots, error)) in cells.into_iter().enumerate() {
            for seed in [1, 2] {
                let mut cell = record(&format!("{index}{seed}"));
                let task = Quantity::regression("EDV", "ml");
                let (own, far) = (rows(error, seed), rows(error + 10.0, seed));
                let all = match adapter {
                    "old" => old.clone(),
                    _ => every.clone(),
                };
                cell.files.extend([
                    outputs.keep_predictions(&task, &cell.key, Predictions::LastEpoch, &own).unwrap(),
                    outputs.keep_curve(&cell.key, &[]).unwrap(),
                ]);
                if adapter != "old" {
                    cell.files
                        .extend([outputs.keep_predictions(&task, &cell.key, Predictions::External, &far).unwrap()]);
                    let (name, hash) = ("shifted <set>".to_owned(), "abcdefghijk".to_owned());
                    let scores = scored(&far, &all);
                    cell.external = Some(ExternalRecord {
                        name,
                        hash,
                        samples: Default::default(),
                        test: VIDEOS,
                        excluded: 1,
                        leaked: 0,
                        phantoms: true,
                        scores,
                    });
                }
                cell.data = DataRecord { task: task.clone(), test: VIDEOS, ..cell.data };
                cell.adapter = adapter.to_owned();
                (cell.shots, cell.seed) = (Some(shots), seed);
                cell.config = serde_json::json!({ "task": { "answer": { "value": { "ranks": ranks.clone() } } } });
                cell.scores = Some(scored(&own, &all));
                if shots == 8 {
                    let best =
                        outputs.keep_predictions(&task, &cell.key, Predictions::BestEpoch, &rows(7.0, seed)).unwrap();
                    cell.files.extend([best]);
                }
                cell.best = (shots == 8).then(|| BestRecord {
                    epoch: 2,
                    validation: 1.0,
                    scores: scored(&rows(7.0, seed), &all),
                });
                runs.append(&cell).unwrap();
            }
        }
        let constant = |predictor: &str, shots: &str, seed, value| Constant {
            data: "data".to_owned(),
            test: VIDEOS,
            test_hash: "test hash".to_owned(),
            splits: "splits".to_owned(),
            predictor: predictor.to_owned(),
            shots: shots.to_owned(),
            seed,
            prediction: vec![value],
            checksum: String::new(),
        };
        let constants =
            [constant("median of validation", "", None, 150.0), constant(TRAINING_MEDIAN, "1", Some(1), 90.0)];
        outputs.write_constants(&constants).unwrap();
        let config = "[[references]]\nname = \"a paper\"\nshots = 1\nvalue = 12.5\nnote = \"one seed\"\n";
        outputs.write_text("bench.toml", config).unwrap();
    }

    #[test]
    fn a_report_names_its_target_compares_its_rows_and_shows_the_second_test_set() {
        let dir = tempfile::tempdir().unwrap();
        let (run, out, again) = (dir.path().join("run"), dir.path().join("out"), dir.path().join("again"));
        write_run(&run);
        let Merged { leaderboard, .. } = merge(std::slice::from_ref(&run), &out).unwrap();
        let row = |name: &str, shots: &str| {
            let fits =
                |row: &&crate::LeaderboardRow| (row.encoder == name || row.adapter == name) && row.shots == shots;
            leaderboard.rows.iter().find(fits).unwrap_or_else(|| panic!("no row of {name}"))
        };
        let standing =
            |name: &str, shots: &str| row(name, shots).vs_best.map_or("-".to_owned(), |vs| vs.text(&Metric::MAE));
        assert_eq!(["coop", "linear"].map(|name| standing(name, "1")), ["best", "+0.05 [0.05, 0.05]"]);
        // Trained rows of other shots have only their best epoch beside them; the best of all has those without training.
        let of_eight = [standing("coop", "8"), standing("coop (best validation epoch)", "8")];
        assert_eq!(of_eight, ["+1.0 [1.0, 1.0]", "best"]);
        assert!(standing("zero-shot", "0").starts_with("+23.0 [") && standing(TRAINING_MEDIAN, "1").starts_with('+'));
        let far = |name: &str, shots: &str| row(name, shots).externals.first().map(|set| set.metrics["mae"].mean);
        assert!((far("coop", "1").unwrap() - 20.2).abs() < 0.1 && far("old", "1").is_none());
        assert_eq!(far("median of validation", ""), Some(row("median of validation", "").metrics["mae"].mean));

        let read = |folder: &Path, name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let page = read(&out, "report.html");
        for label in
            ["true EDV (ml)", "predicted EDV (ml)", "MAE (ml)", "AUC EDV&lt;120", "MAE by range of the true EDV (ml)"]
        {
            assert!(page.contains(label), "{label}");
        }
        for other in ["true EF", "EF (%)", "EF point", "LVEF", "<set>"] {
            assert!(!page.contains(other), "{other}");
        }
        assert!(
            page.contains("MAE on shifted &lt;set&gt;") && page.contains("external test set of 40 videos"),
            "no column"
        );
        assert!(page.contains("published: a paper") && page.contains(Reference::CAPTION), "no published figures");
        // Where it was not scored, the error within ranks is there without its interval.
        assert!(page.contains("encoder + old, 1 shot</th><td class=\"number\">25."), "no error within ranks");
        let markdown = read(&out, "leaderboard.md").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            markdown.contains("| MAE on shifted &lt;set&gt; |")
                && markdown.contains("| a paper | 1 | MAE | 12.50 | one seed |")
        );
        let paper = read(&out, "leaderboard.tex");
        assert!(paper.contains(" & coop & ") && paper.contains("shifted \\textless{}set"), "{paper}");
        for name in ["leaderboard.csv", "leaderboard.json"] {
            let text = read(&out, name).to_lowercase();
            assert!(text.contains("shifted") && text.contains("vs") && text.contains("best"), "{name}: {text}");
        }
        let external = read(&out, "external_predictions.csv");
        assert!(external.starts_with(
            "encoder,preset,weights,adapter,shots,seed,set,target,unit,video,patient,truth,prediction,warning\n"
        ));
        assert_eq!(external.lines().count(), 1 + 4 * 2 * VIDEOS);

        merge(std::slice::from_ref(&out), &again).unwrap();
        for name in ["leaderboard.csv", "external_predictions.csv", "report.html"] {
            assert_eq!(read(&out, name), read(&again, name), "{name}");
        }
        // A file that is not what its cell left is named as the user does, in whatever way it is not, and its cell fails.
        let damage = || {
            let Merged { damaged, leaderboard, .. } = merge(std::slice::from_ref(&out), &again).unwrap();
            assert_eq!(leaderboard.rows.iter().map(|row| row.failed).max(), Some(1));
            <[String; 1]>::try_from(damaged).unwrap()
        };
        for name in ["11.csv", "11.external.csv", "41.best.csv"] {
            let file = out.join("cells").join(name);
            let whole = read(&out, &format!("cells/{name}"));
            let lines: Vec<&str> = whole.lines().collect();
            let shorter = lines[..lines.len() - 3].join("\n");
            for damaged in [String::new(), "\0".repeat(whole.len()), shorter, whole.replace('7', "8")] {
                std::fs::write(&file, damaged).unwrap();
                let [message] = damage();
                assert!(message.starts_with(&file.display().to_string()), "{message}");
            }
            std::fs::write(&file, whole).unwrap();
        }
        std::fs::remove_file(out.join("cells/11.external.csv")).unwrap();
        assert!(damage()[0].contains("11.external.csv"));
    }
}
