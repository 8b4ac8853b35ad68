//! An encoder as a library: from a video to its embedding.
//!
//! ```console
//! cargo run --release --example encode -- VIDEO [WEIGHTS]
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};

use echo_core::Preset;
use echo_data::{Start, load_clip};
use echo_video::OpenOptions;
use echo_weights::Weights;
use echo_zoo::{DeviceChoice, ZOO, build, find};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let video = args.next().ok_or("name a video, and upstream weights of PanEcho if you have them")?;
    // Without upstream's weights, the nano ones that were trained on phantoms.
    let (preset, weights) = match args.next() {
        Some(file) => (Preset::FULL, Weights::File(PathBuf::from(file))),
        None => (Preset::NANO, Weights::Shipped),
    };
    let device = DeviceChoice::Cpu.device()?;
    let entry = find(ZOO, "panecho")?;
    let built = build(ZOO, entry, preset, &weights, &device)?;

    let loaded = load_clip(Path::new(&video), &built.preset.clip, Start::First.into(), &OpenOptions::default())?;
    for warning in &loaded.warnings {
        echo_files::say(warning);
    }
    let embedding = built.encoder.encode(loaded.clip.into_tensor(&device));
    echo_files::say(&format!("embedding {:?}: {:?}", embedding.dims(), embedding.into_data().try_to_vec::<f32>()?));
    Ok(())
}
