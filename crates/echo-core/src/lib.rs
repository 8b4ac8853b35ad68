//! The vocabulary of EchoZoo. Read this crate first: every other crate speaks in its terms.
//!
//! - [`EchoEncoder`] and [`TextEncoder`]: what a foundation model must offer, whatever it is inside.
//! - [`Tokens`], [`Projection`]: what an encoder makes of a clip on the way to its embedding.
//! - [`Negation`]: a second branch that some have, for what a clip does not show.
//! - [`AnyEncoder`], [`AnyAdapter`]: any of them as a Burn module, so that trainer and benchmark are compiled once for all.
//! - [`Card`], [`Preset`], [`ClipSpec`], [`ClipLimits`], [`Head`]: the facts of an encoder as data.
//! - [`Adapter`], [`Stage`], [`Prediction`]: what a way of adapting with few labels must offer.
//! - [`Task`], [`Truth`]: what is predicted, and what is true of a sample.
//! - [`RankSpec`]: how a continuous target such as the ejection fraction is cut into ordered ranks.
//!
//! The backend is chosen at run time by Burn's `Device`; nothing here, or in any library crate, names one.

mod adapter;
mod any_adapter;
mod any_encoder;
mod boxed_module;
mod card;
mod clip_limits;
mod clip_spec;
mod encoder;
mod error;
mod head;
mod negation;
mod projection;
mod rank_spec;
mod task;
mod text_encoder;
mod tokens;

pub use adapter::{Adapter, Features, Fitting, ParameterRole, Prediction, Stage};
pub use any_adapter::{AnyAdapter, DynAdapter};
pub use any_encoder::{AnyEncoder, DynEncoder};
pub use card::{Capabilities, Card, ParameterPaths, Preset, WeightFile};
pub use clip_limits::{Allowed, ClipLimits};
pub use clip_spec::{Aspect, ChannelOrder, ClipSpec, Crop, Filter, Padding, Sampling};
pub use echo_metrics::{Kind, Truth};
pub use encoder::EchoEncoder;
pub use error::{Error, check_finite};
pub use head::{Head, HeadKind, NormalRange};
pub use negation::{BothBranches, Negation, NegationPaths, opposition};
pub use projection::{Projection, l2_normalize};
pub use rank_spec::{Rank, RankSpec};
pub use task::{Answer, Class, Classification, Cut, HeadClasses, NativeHeads, Regression, Task};
pub use text_encoder::{TextEncoder, embed_sentences, padded_ids};
pub use tokens::{MakeTokens, Tokens};
