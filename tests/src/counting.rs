//! An encoder that counts how often clips pass through it.

use std::sync::atomic::{AtomicUsize, Ordering};

use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::{Device, Tensor};
use echo_adapt::{ADAPTERS, AdapterEntry};
use echo_bench::Zoo;
use echo_core::{AnyEncoder, Card, EchoEncoder, Projection, TextEncoder, Tokens};
use echo_weights::{Built, Weights, WeightsError};
use echo_zoo::{ZOO, find};

/// The registry, with encoders that count.
#[derive(Debug)]
pub struct CountingZoo {
    /// Clips that passed through any of its encoders. It lives as long as the program, as modules may.
    clips: &'static AtomicUsize,
    /// Encoders that were built.
    builds: AtomicUsize,
}

impl CountingZoo {
    pub fn new() -> Self {
        Self { clips: Box::leak(Box::default()), builds: AtomicUsize::new(0) }
    }

    /// Encoders that were built since the last call.
    pub fn take_builds(&self) -> usize {
        self.builds.swap(0, Ordering::SeqCst)
    }

    /// Clips since the last call.
    pub fn take(&self) -> usize {
        self.clips.swap(0, Ordering::SeqCst)
    }
}

impl Zoo for CountingZoo {
    fn cards(&self) -> Vec<&'static Card> {
        ZOO.iter().map(|entry| entry.card).collect()
    }

    fn adapters(&self) -> &[AdapterEntry] {
        ADAPTERS
    }

    fn build(&self, name: &str, preset: &str, weights: &Weights, device: &Device) -> Result<Built, WeightsError> {
        self.builds.fetch_add(1, Ordering::SeqCst);
        let built = find(ZOO, name).unwrap().build(preset, weights, device)?;
        let encoder = AnyEncoder::new(Counting { inner: built.encoder, clips: self.clips });
        Ok(Built { encoder, ..built })
    }
}

/// Another encoder, and how many clips passed through it and its copies.
#[derive(Clone, Debug)]
struct Counting {
    inner: AnyEncoder,
    clips: &'static AtomicUsize,
}

impl EchoEncoder for Counting {
    fn card(&self) -> &'static Card {
        self.inner.card()
    }
    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        let [batch, ..] = clip.dims();
        self.clips.fetch_add(batch, Ordering::SeqCst);
        self.inner.tokens(clip)
    }
    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        self.inner.frame_features(tokens)
    }
    fn width(&self) -> usize {
        self.inner.width()
    }
    fn projection(&self) -> Projection {
        self.inner.projection()
    }
    fn text(&self) -> Option<&dyn TextEncoder> {
        self.inner.text()
    }
}

impl Module for Counting {
    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        self.inner.visit(visitor);
    }
    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        Self { inner: self.inner.map(mapper), ..self }
    }
    fn to_device(self, device: &Device) -> Self {
        Self { inner: self.inner.to_device(device), ..self }
    }
    fn fork(self, device: &Device) -> Self {
        Self { inner: self.inner.fork(device), ..self }
    }
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.inner.collect_devices(devices)
    }
    fn valid(&self) -> Self {
        Self { inner: self.inner.valid(), ..*self }
    }
    fn train(self) -> Self {
        Self { inner: self.inner.train(), ..self }
    }
    fn materialize(self) -> Self {
        Self { inner: self.inner.materialize(), ..self }
    }
}

impl ModuleDisplayDefault for Counting {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"counting".to_owned()).optional()
    }
    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}

impl ModuleDisplay for Counting {}
