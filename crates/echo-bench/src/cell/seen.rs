//! What a cell sees of its videos: how their clips are made, and which.

use echo_core::{Card, ClipSpec, Preset};
use echo_train::AugmentConfig;

use crate::config::clip_change::ClipChange;
use crate::{BenchError, View};

/// What is seen of videos. Two cells that see the same share what a frozen stage makes of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    /// How a clip is made.
    pub(crate) spec: ClipSpec,
    /// Which clips, and which looks at them.
    pub(crate) view: View,
    /// What of that is not the card's or the benchmark's.
    pub(crate) change: ClipChange,
}

impl Seen {
    /// The clips of an encoder's preset under `change`, in a benchmark whose videos are seen as `view`; whether the
    /// encoder takes them is for [`check`](Self::check).
    pub(crate) fn new(preset: &Preset, view: View, change: &ClipChange) -> Self {
        let own = &preset.clip;
        Self {
            spec: change.apply(own),
            view: View { clips: change.clips.unwrap_or(view.clips), ..view },
            change: change.beside(own, view.clips),
        }
    }

    /// # Errors
    /// The encoder's architecture does not take such clips.
    pub(crate) fn check(&self, card: &Card, preset: &Preset) -> Result<(), BenchError> {
        Ok(preset.takes(card.name, &self.spec)?)
    }

    /// The looks that training takes beside the plain one.
    pub(crate) fn in_training(&self, how: AugmentConfig) -> Vec<Self> {
        (0..how.views).map(|index| Self { view: self.view.augmented(how, index), ..self.clone() }).collect()
    }

    /// The plain look.
    pub(crate) fn plain(&self) -> Self {
        Self { view: View { augmented: None, ..self.view }, ..self.clone() }
    }
}
