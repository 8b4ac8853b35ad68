//! Checkpoint files to Burn modules, with a report of every tensor.
//!
//! A [`Checkpoint`] is a file of named tensors, whatever its format; a [`KeyTable`] says, as data, which of its names
//! is which parameter; [`load`] applies one to a module and fails when anything is missing or left over.
//! [`Pretrained`] is the one trait that a new encoder implements beside `EchoEncoder`, and [`build`] turns it into an
//! encoder with weights from a file, from the weights shipped with it, or at random on request.

mod checkpoint;
mod error;
mod fetch;
mod file_names;
mod fit;
mod joined;
mod key_table;
mod load;
mod pickle;
mod pickle_data;
mod pickle_names;
mod pickle_numpy;
mod pickle_text;
mod pretrained;
mod random;
mod save;
mod shards;
mod state_dict;
mod tensor_file;
mod torch_file;
mod zip_file;

pub use checkpoint::{Checkpoint, Part};
/// For files that encoders need beside their weights, and what there is to say of them.
pub use echo_files::{read_text, say};
pub use error::WeightsError;
pub use fetch::{FetchError, FetchOptions, RemoteFile, check_fetched, fetch, licence_accepted};
pub use key_table::{Ignore, Join, KeyTable, Rename, Transpose};
pub use load::{LoadReport, load};
pub use pickle_data::{DataFileError, PickledData, PickledDict, PickledList, PickledValue};
pub use pretrained::{Built, Pretrained, Weights, WeightsKind, build};
pub use random::randomize;
pub use save::{Precision, save, save_loaded};
pub use tensor_file::TensorFile;
