//! Where in a study's videos an ejection fraction comes from.

use burn::tensor::Device;
use echo_core::check_finite;
use echo_data::{LoadedClip, Start, clip_of};
use echo_video::{OpenOptions, Video};
use echo_weights::Built;

use super::reading::{EF, Reading};
use crate::CliError;
use crate::contact_sheet::pictures;
use crate::explain::Score;
use crate::heat::{hottest, paint};

/// A frame of a video, and the same under its map.
#[derive(Clone, Debug)]
pub(super) struct HeatMap {
    /// The video, by its place among the reading's rows.
    pub(super) video: usize,
    /// What the map is of.
    pub(super) what: String,
    /// Pixels of a side.
    pub(super) size: usize,
    /// `[size, size, 3]` each, or why there are none.
    pub(super) pictures: Result<[Vec<u8>; 2], String>,
}

/// Maps of the first videos: of the head that measures the ejection fraction, else of the prompt with the number that prompts
/// gave; none of an encoder that has neither. The frame is the one with the most heat.
pub(super) fn maps(
    built: &Built,
    reading: &Reading,
    count: usize,
    options: &OpenOptions,
    device: &Device,
) -> Result<Vec<HeatMap>, CliError> {
    let mut maps = Vec::new();
    let has_head = built.encoder.card().capabilities.heads.iter().any(|head| head.name == EF)
        && reading.rows[0].value[0].said.reported.iter().any(|number| number.head == EF);
    for (video, row) in reading.rows.iter().enumerate().take(count) {
        let score = match (has_head, reading.prompt(video)) {
            (true, _) => Score::Head { name: EF.to_owned(), place: 0, class: " by its head".to_owned() },
            (false, Some(prompt)) => Score::prompt(prompt, built, device)?,
            (false, None) => return Ok(maps),
        };
        let path = &row.paths[0];
        let opened = Video::open(path, options)?;
        let (LoadedClip { clip, .. }, _) = clip_of(&opened, path, &built.preset.clip, Start::First.into())?;
        let (frames, size) = (clip.frames, clip.size);
        // What people see is masked, whatever the encoder sees.
        let to_show = Video::open(path, &options.for_pictures())?;
        let shown = match opened.is_masked() == to_show.is_masked() {
            true => Ok(pictures(&clip, &built.preset.clip)),
            false => clip_of(&to_show, path, &built.preset.clip, Start::First.into())
                .map(|(loaded, _)| pictures(&loaded.clip, &built.preset.clip))
                .map_err(|error| error.to_string()),
        };
        let heat = score.maps(&built.encoder, clip.into_tensor(device), frames).heat(size);
        check_finite("the map", &heat).map_err(CliError::file(path))?;
        let most = hottest(&heat, size).ok_or("nothing in this clip speaks for it".to_owned());
        let pictures = most.and_then(|frame| {
            let shown = shown?;
            let heat = &heat[frame * size * size..][..size * size];
            Ok([shown[frame].clone(), paint(&shown[frame], heat)])
        });
        maps.push(HeatMap { video, what: score.to_string(), size, pictures });
    }
    Ok(maps)
}
