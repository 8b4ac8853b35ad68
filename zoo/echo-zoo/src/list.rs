//! `echozoo list`.

use echo_adapt::AdapterEntry;
use echo_core::Sampling;
use echo_report::text_table;

use crate::fetch::is_fetched;
use crate::output::print;
use crate::{CliError, Entry};

/// What a small preset without trained weights has, which nobody licenses.
const RANDOM: &str = "random";

pub(crate) fn run(entries: &[Entry], adapters: &[AdapterEntry]) -> Result<(), CliError> {
    let header = ["encoder", "preset", "parameters", "clip", "text", "weights", "licence of weights"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for entry in entries {
        let card = entry.card;
        for preset in card.presets {
            let clip = &preset.clip;
            let weights = match preset.published {
                _ if entry.has_shipped(preset) => "shipped",
                false => RANDOM,
                true if is_fetched(card, preset) => "fetched",
                true => "not fetched",
            };
            rows.push(vec![
                card.name.to_owned(),
                preset.name.to_owned(),
                format!("{:.2} M", preset.parameters as f64 / 1e6),
                match clip.sampling {
                    Sampling::Strided => format!("{} x {} px, every {}.", clip.frames, clip.size, clip.stride),
                    Sampling::Segments => format!("{} x {} px, of segments", clip.frames, clip.size),
                },
                if card.capabilities.text { "yes" } else { "no" }.to_owned(),
                weights.to_owned(),
                if weights == RANDOM { "-" } else { preset.weights_license }.to_owned(),
            ]);
        }
    }
    let mut text = text_table(&rows);
    text.push('\n');
    let mut rows = vec![vec!["adapter".to_owned(), "what it does".to_owned()]];
    rows.extend(adapters.iter().map(|adapter| vec![adapter.name.to_owned(), adapter.summary.to_owned()]));
    text.push_str(&text_table(&rows));
    print(&text)
}
