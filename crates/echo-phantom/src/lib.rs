//! Synthetic loops of a beating heart whose ejection fraction is known by construction, and loops that are no beating heart.
//!
//! A [`Phantom`] is a few dozen numbers: a [`Physiology`] (how large the heart is, how it beats and which of its walls
//! do not) and an [`Acquisition`] (the view and how it was scanned), drawn independently of each other, so that nothing
//! but the motion and size of the heart tells its ejection fraction. [`Phantom::render`] turns it into a [`Loop`] with
//! its [`Findings`], [`Phantom::render_frames`] into a part of it, and [`write_dataset`] turns many into a folder in
//! the layout and formats of EchoNet-Dynamic. Every [`Purpose`] has phantoms of its own.
//! [`OutOfDistribution`] lists what is drawn that is none, and [`write_out_of_distribution`] writes it.
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
//! use echo_phantom::{Phantom, Population, Purpose};
//! let video = Phantom::draw(7, 0, Population::Target(35.0))?.render();
//! assert!((video.ef() - 35.0).abs() < 0.3);
//!
//! // For pretraining: any number from any thread, without files.
//! let phantom = Phantom::of(1, Purpose::Pretraining, 123)?;
//! let clip = phantom.render_frames(&[0, 4, 8, 12]);
//! let findings = phantom.findings();
//! assert_eq!(clip.len(), 4 * 112 * 112);
//! assert!((0.0..100.0).contains(&findings.ef));
//! # Ok::<(), echo_phantom::PhantomError>(())
//! ```

#![warn(missing_docs)]

mod acquisition;
mod anatomy;
mod aortic_root;
mod beats;
mod chamber_sizes;
mod chambers;
mod cut;
mod dataset;
mod error;
mod findings;
mod image_quality;
mod landmarks;
mod lattice;
mod liver;
mod marker;
mod monotone;
mod motion;
mod on_demand;
mod organs;
mod out_of_distribution;
mod outflow_tract;
mod phantom;
mod physiology;
mod placement;
mod population;
mod pose;
mod purpose;
mod reading;
mod recording;
mod scan;
mod sector;
mod shapes;
mod short_axis;
mod site;
mod speckle;
mod study;
mod sweep;
mod tables;
mod tracing;
mod unfinished;
mod valves;
mod ventricle;
mod video;
mod view;
mod volume_curve;
mod wall_motion;
mod window;
mod writer;

pub use acquisition::{Acquisition, Gain, Plane, Quality};
pub use chamber_sizes::ChamberSize;
pub use dataset::DatasetSpec;
pub use error::PhantomError;
pub use findings::{Cavity, Chamber, Findings};
pub use image_quality::ImageQuality;
pub use marker::{Phantoms, are_phantoms, is_phantom};
pub use on_demand::OnDemand;
pub use out_of_distribution::{OtherLoop, OtherSummary, OutOfDistribution, write_out_of_distribution};
pub use phantom::{Phantom, Setting};
pub use physiology::{Beside, Physiology, RightHeart};
pub use population::Population;
pub use purpose::Purpose;
pub use reading::{Label, Reading};
pub use sector::FRAME_SIZE;
pub use site::Site;
pub use tracing::{DISCS, Tracing};
pub use ventricle::{Side, Ventricle};
pub use video::Loop;
pub use view::{View, Views, Wall};
pub use volume_curve::VolumeCurve;
pub use wall_motion::{Activity, WallMotion};
pub use window::{Shadow, Window};
pub use writer::{Summary, write_dataset, write_dataset_while, write_studies};
