//! EchoPrime: video-text encoder for echocardiography.
//!
//! Vukadinovic et al., "Comprehensive echocardiogram evaluation with view primed vision language AI", Nature 2026.
//! A MViTv2-S video tower as torchvision builds it, a BERT-Base text tower as Hugging Face's transformers does, and a
//! ConvNeXt-Base that names the view of the first frame; written from those architectures. A clip's embedding is the
//! projected class token.

mod assets;
mod card;
mod error;
mod keys;
mod model;
mod text;
mod view;
mod word_piece;

pub use assets::{Assets, AssetsError, Reports};
pub use card::CARD;
pub use error::VocabularyError;
pub use keys::{KEYS, PARTS};
pub use model::{EchoPrime, EchoPrimeConfig};
pub use text::TextTower;
pub use view::{VIEWS, ViewClassifier};
pub use word_piece::WordPiece;
