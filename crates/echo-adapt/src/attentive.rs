//! The attentive probe, by which video models are judged: one learned query attends to all tokens of an encoder, which is
//! frozen, and a linear head reads what it finds. See [`echo_nn::AttentiveProbe`].
//!
//! Joined to `full` or `lora`, the encoder trains below it.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use echo_nn::{AttentiveProbe, AttentiveProbeConfig};
use echo_random::Stream;
use serde::Deserialize;

use crate::parts::{Parts, PoolChoice};
use crate::registry::{Source, settings};
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "attentive",
    summary: "attentive probe: one learned query over all tokens of a video, encoder frozen (Bardes et al. 2024)",
    recipe: include_str!("../../../configs/adapters/attentive.toml"),
    trains: true,
    source: Source::Part(add),
};

/// Deviation of what weights start from, as in V-JEPA's code.
const DEVIATION: f64 = 0.02;

/// Settings of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeSettings {
    /// Attention heads, which divide the length of a token.
    pub(crate) heads: usize,
    /// Blocks of self-attention before the query.
    pub(crate) blocks: usize,
}

impl ProbeSettings {
    /// Why there is no such probe of tokens as long as `width`.
    pub(crate) fn complaint(self, width: usize) -> Option<String> {
        let is_wrong = self.heads == 0 || !width.is_multiple_of(self.heads);
        is_wrong.then(|| format!("`heads` is {}, which does not divide its tokens' length of {width}", self.heads))
    }

    /// The probe at the start of training: normal weights and query, no biases.
    pub(crate) fn init(self, width: usize, seed: u64, device: &Device) -> AttentiveProbe {
        let Self { heads, blocks } = self;
        let probe = AttentiveProbeConfig { width, heads, blocks }.init(device);
        probe.map(&mut Draw { seed, path: Vec::new() })
    }
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    parts.set_pool(PoolChoice::Probe(settings(ENTRY.name, table)?), ENTRY.name)
}

/// Draws the query and all matrices.
struct Draw {
    seed: u64,
    path: Vec<String>,
}

impl ModuleMapper for Draw {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        if D == 1 && path != "query" {
            return param;
        }
        let mut stream = Stream::new(self.seed, &format!("adapt/attentive/{path}"), 0);
        param.map(|tensor| {
            let count = tensor.shape().num_elements();
            let values: Vec<f32> = (0..count).map(|_| (DEVIATION * stream.normal()) as f32).collect();
            Tensor::from_data(TensorData::new(values, tensor.shape()), &tensor.device())
        })
    }
}
