//! Writes phantoms and says how fast: `cargo run --release -p echo-phantom --example write -- OUT COUNT SEED`.

use std::path::Path;
use std::time::Instant;

use echo_phantom::{DatasetSpec, write_dataset};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, count, seed] = arguments.as_slice() else {
        return Err("give a folder, a number of videos and a seed".into());
    };
    let spec = DatasetSpec::with_total(count.parse()?, seed.parse()?);
    let started = Instant::now();
    let summary = write_dataset(Path::new(out), &spec, &|_, _| {})?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{summary:?}: {seconds:.1} s, {:.1} videos a second", spec.total() as f64 / seconds);
    Ok(())
}
