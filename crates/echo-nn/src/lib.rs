//! Network architectures with a paper of their own, as Burn modules, and the tokenizer that two of them share. Nothing here
//! knows an encoder or a checkpoint.
//!
//! Parameters start as constants (zeros, norm weights one): they are filled from a checkpoint or, on request, at
//! random by `echo-weights`, so that building a full-size network costs nothing and no draw escapes the seed.

pub mod attention;
pub mod attention_pool;
pub mod attentive_probe;
pub mod batch_norm;
pub mod bert;
pub mod clip_text;
pub mod clip_text_tower;
pub mod clip_tokenizer;
mod clip_transformer;
pub mod clip_vision;
pub mod convnext;
pub mod frame_pool;
mod layers;
pub mod multiscale;
pub mod mvit;
mod packed_texts;
pub mod pooling_attention;
mod position_grid;
pub mod quality_head;
pub mod temporal;
pub mod video_resnet;

pub use attention::{SelfAttention, attend};
pub use attention_pool::{AttentionPool, AttentionPoolConfig};
pub use attentive_probe::{AttentiveProbe, AttentiveProbeConfig};
pub use batch_norm::FrozenBatchNorm;
pub use bert::{Bert, BertConfig};
pub use clip_text::{ClipText, ClipTextBranch, ClipTextConfig};
pub use clip_text_tower::{ClipTextTower, Tokenize};
pub use clip_tokenizer::ClipTokenizer;
pub use clip_vision::{ClipVision, ClipVisionBranch, ClipVisionConfig};
pub use convnext::{ConvNext, ConvNextConfig};
/// For the configs of networks.
pub use echo_kernels::Activation;
pub use frame_pool::{FramePool, FramePoolConfig};
pub use layers::{layer_norm, linear, linear_no_bias};
pub use multiscale::{SCALE, ZoomProjection, grid_side, merge_parts, merge_parts_on_channel_grid, zoom_parts};
pub use mvit::{Mvit, MvitBlock, MvitConfig};
pub use pooling_attention::{PoolingAttention, PoolingAttentionConfig};
pub use quality_head::{QualityHead, QualityHeadConfig};
pub use temporal::{Temporal, TemporalConfig, sinusoidal_positions};
pub use video_resnet::{VideoResNet, VideoResNetConfig};
