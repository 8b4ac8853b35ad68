//! How long an index takes to write, open and search:
//! `cargo run --release -p echo-clinical --example index_speed -- FOLDER ROWS DIM f2|f4 [QUERIES]`.
//!
//! The folder is kept, so that a second run times what exists. Remove it afterwards.

use std::path::Path;
use std::time::Instant;

use echo_clinical::index::{Dtype, Index, Row, Settings, Spec};
use echo_random::Stream;

const RUNS: usize = 9;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, rows, dim, dtype, queries @ ..] = arguments.as_slice() else {
        return Err("give FOLDER ROWS DIM f2|f4 [QUERIES]".into());
    };
    let (rows, dim): (usize, usize) = (rows.parse()?, dim.parse()?);
    let queries = queries.first().map_or(Ok(1), |queries| queries.parse())?;
    let dtype = if dtype == "f2" { Dtype::F16 } else { Dtype::F32 };
    let spec = Spec { settings: Settings::new(), dim, dtype };
    let folder = Path::new(folder);
    if !folder.exists() {
        write(folder, &spec, rows)?;
    }
    let index = once("open", || Index::open(folder))?;
    once("verify", || index.verify())?;
    let query = vector(&mut Stream::new(1, "index-speed/queries", 0), dim * queries);
    often(&format!("top 10 of {rows}, {queries} queries"), || index.top_k(&query, 10))?;
    often("similarities of 1 query", || index.similarities(&query[..dim]))?;
    Ok(())
}

fn write(folder: &Path, spec: &Spec, rows: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut update = Index::update(folder, spec)?;
    let mut stream = Stream::new(0, "index-speed/rows", 0);
    for row in 0..rows {
        let name = format!("/data/echo/studies/2024/{row:08}/video-{row:08}.dcm");
        let row = Row { digest: blake3::hash(name.as_bytes()), name, warning: String::new() };
        update.add(&row, &vector(&mut stream, spec.dim))?;
    }
    once("commit", || update.commit())?;
    let mut update = once("begin an update", || Index::update(folder, spec))?;
    let kept = update.old_rows()[1..].to_vec();
    for row in kept {
        update.keep(&row)?;
    }
    once("commit without the first row", || update.commit())?;
    Ok(())
}

fn vector(stream: &mut Stream, dim: usize) -> Vec<f32> {
    (0..dim).map(|_| stream.bits32() as f32 / (1u32 << 31) as f32 - 1.0).collect()
}

fn once<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    println!("{what}: {:.3} s", start.elapsed().as_secs_f64());
    result
}

/// Prints the median and the range of some runs.
fn often<T, E>(what: &str, mut run: impl FnMut() -> Result<T, E>) -> Result<(), E> {
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    println!("{what}: {:.3} s [{:.3}, {:.3}]", seconds[RUNS / 2], seconds[0], seconds[RUNS - 1]);
    Ok(())
}
