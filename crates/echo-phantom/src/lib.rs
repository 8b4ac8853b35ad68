//! Synthetic apical four-chamber loops of a beating heart whose ejection fraction is known by construction.
//!
//! A [`Phantom`] is a few dozen numbers: a [`Physiology`] (how large the heart is and how it beats) and an
//! [`Acquisition`] (how it was scanned), drawn independently of each other, so that nothing but the motion and
//! size of the heart tells its ejection fraction. [`Phantom::render`] turns it into a [`Loop`], and
//! [`write_dataset`] turns many into a folder in the layout and formats of EchoNet-Dynamic.
//!
//! How a frame is made:
//!
//! 1. [`VolumeCurve`] gives the cavity's volume at the frame's time, [`Ventricle`] the contour with that volume.
//! 2. The contour and its surroundings define a smooth map from where a piece of tissue is now to where it was at
//!    end-diastole. The same contour, cut into discs, is the label.
//! 3. The scanner samples scatterers fixed in the tissue at those end-diastolic places (so speckle moves with the
//!    wall), blurs them with its beam, takes the envelope, compresses it and converts beams to pixels.
//!
//! These are drawings for testing software. They are not patients, they are no evidence about any clinical
//! performance, and nothing made from them is for clinical use.
//!
//! ```
//! use echo_phantom::{Phantom, Population};
//! let phantom = Phantom::draw(7, 0, Population::Target(35.0))?;
//! let video = phantom.render();
//! assert!((video.ef() - 35.0).abs() < 0.3);
//! # Ok::<(), echo_phantom::PhantomError>(())
//! ```

#![warn(missing_docs)]

mod acquisition;
mod anatomy;
mod dataset;
mod error;
mod motion;
mod phantom;
mod physiology;
mod population;
mod scan;
mod sector;
mod speckle;
mod tracing;
mod valves;
mod ventricle;
mod video;
mod volume_curve;

pub use acquisition::{Acquisition, Quality, Shadow};
pub use dataset::{DatasetSpec, GENERATOR_VERSION, Split, Summary, write_dataset};
pub use error::PhantomError;
pub use phantom::{Loop, Phantom};
pub use physiology::Physiology;
pub use population::Population;
pub use sector::FRAME_SIZE;
pub use tracing::{DISCS, Tracing};
pub use ventricle::{Side, Ventricle};
pub use volume_curve::VolumeCurve;
