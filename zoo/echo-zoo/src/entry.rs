//! The list of encoders.

use burn::tensor::Device;
use echo_core::{Card, Error, Preset};
use echo_weights::{Built, Checkpoint, KeyTable, Pretrained, Weights, WeightsError};

/// One encoder of the zoo.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its facts.
    pub card: &'static Card,
    build: fn(&str, &Weights, &Device) -> Result<Built, WeightsError>,
    shipped: fn(&Preset) -> Option<&'static [u8]>,
    keys: fn() -> &'static KeyTable,
}

impl Entry {
    /// The entry of an encoder.
    pub const fn of<E: Pretrained>() -> Self {
        Self { card: E::CARD, build: echo_weights::build::<E>, shipped: E::shipped, keys: E::keys }
    }

    /// Builds the encoder at the preset of that name.
    ///
    /// # Errors
    /// It has no such preset, or the weights cannot be used.
    pub fn build(&self, preset: &str, weights: &Weights, device: &Device) -> Result<Built, WeightsError> {
        (self.build)(preset, weights, device)
    }

    /// Whether weights for `preset` are shipped.
    pub fn has_shipped(&self, preset: &Preset) -> bool {
        (self.shipped)(preset).is_some()
    }
}

/// Every encoder of this workspace.
pub const ZOO: &[Entry] = &[
    Entry::of::<echoclip::EchoClip>(),
    Entry::of::<echoprime::EchoPrime>(),
    Entry::of::<panecho::PanEcho>(),
    Entry::of::<clip::Clip>(),
    Entry::of::<r2plus1d::R2Plus1d>(),
    Entry::of::<mvit_kinetics::MvitKinetics>(),
    Entry::of::<echoviewclip::EchoViewClip>(),
];

/// Builds `entry`'s encoder. Weights that do not fit it and look like those of another of `entries` are refused with
/// that other one's name.
///
/// # Errors
/// It has no such preset, or the weights cannot be used.
pub fn build(
    entries: &[Entry],
    entry: &Entry,
    preset: &str,
    weights: &Weights,
    device: &Device,
) -> Result<Built, WeightsError> {
    entry.build(preset, weights, device).map_err(|error| match (&error, weights) {
        (WeightsError::Mismatch { .. }, Weights::File(path) | Weights::Entry { path, .. }) => {
            // A folder of parts has been told apart by its files' names.
            let Ok(checkpoint) = Checkpoint::open(path) else { return error };
            let looks_like =
                |other: &&Entry| other.card.name != entry.card.name && (other.keys)().recognises(&checkpoint);
            match entries.iter().find(looks_like) {
                Some(other) => error.with_hint(&format!(
                    "the file looks like {}'s; use --encoder {}",
                    other.card.title, other.card.name
                )),
                None => error,
            }
        }
        _ => error,
    })
}

/// The entry called `name`.
///
/// # Errors
/// No entry has this name; the error lists them and suggests the nearest.
pub fn find<'a>(entries: &'a [Entry], name: &str) -> Result<&'a Entry, Error> {
    let known: Vec<&str> = entries.iter().map(|entry| entry.card.name).collect();
    entries.iter().find(|entry| entry.card.name == name).ok_or_else(|| Error::unknown_name("encoder", name, &known))
}
