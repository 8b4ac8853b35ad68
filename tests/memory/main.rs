//! What is frozen costs no memory in training, whatever its depth, and what is computed again little. A process of its own, because it counts every byte
//! that is allocated.
#![allow(missing_docs)]
// A global allocator is unsafe to implement; this one only counts and hands everything on.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use echo_adapt::{ADAPTERS, BuildContext, Joined};
use echo_core::{AnyEncoder, Features, Rank, RankSpec, Stage, Task, Truth};
use echo_nn::ConvNextConfig;
use echo_random::Stream;
use echo_train::{
    AugmentConfig, FitContext, LossWeights, OptimizerConfig, RateFactors, Samples, ScheduleConfig, SoftTargets,
    TrainConfig, TrainError, fit,
};
use echo_weights::randomize;
use echoclip::{ClipTokenizer, EchoClipConfig};
use mimalloc::MiMalloc;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FRAMES: usize = 8;
const SIDE: usize = 64;

struct Clips(Vec<Truth>);

impl Samples for Clips {
    fn truths(&self) -> &[Truth] {
        &self.0
    }

    fn stage(&self) -> Stage {
        Stage::Clip
    }

    fn batch(&self, indices: &[usize], _epoch: Option<usize>, device: &Device) -> Result<Features, TrainError> {
        let mut stream = Stream::new(1, "test/memory", indices[0] as u64);
        let shape = [indices.len(), 3, FRAMES, SIDE, SIDE];
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
        Ok(Features::Clip(Tensor::from_data(TensorData::new(values, shape), device), 1))
    }
}

/// Bytes that a step of training takes above what is there before it, with `blocks` blocks in the third stage.
fn step(blocks: usize, settings: &str, recompute: bool) -> usize {
    let device = Device::flex();
    let nano = EchoClipConfig::nano();
    let visual = ConvNextConfig { depths: [1, 1, blocks, 1], dims: [16, 32, 64, 128] };
    let model = EchoClipConfig { visual, ..nano }.init(ClipTokenizer::nano(), &device);
    let encoder = AnyEncoder::new(randomize(model, 1)).freeze();
    let rank = |up_to, value| Rank { up_to, value, prompt: "heart".to_owned() };
    let task = Task::of_ranks("EF", "%", RankSpec { ranks: vec![rank(50, 40.0), rank(100, 60.0)] });
    let table: toml::Table = settings.parse().unwrap();
    let tables = BTreeMap::from([("full".to_owned(), table)]);
    let context = BuildContext { encoder: &encoder, text: None, task: &task, seed: 1 };
    let adapter = Joined::find(ADAPTERS, "full").unwrap().build(&tables, &context).unwrap();
    assert_eq!(adapter.stage(), Stage::Clip);
    let config = TrainConfig {
        epochs: 1,
        batch: 2,
        max_views: None,
        micro_batch: None,
        recompute,
        clip_norm: None,
        optimizer: OptimizerConfig::Sgd { lr: 1e-3, momentum: 0.0, weight_decay: 0.0 },
        schedule: ScheduleConfig::Constant,
        rates: RateFactors::default(),
        loss: LossWeights { cross_entropy: 0.0, kl: 0.0, l1: 1.0, huber: 0.0 },
        augment: AugmentConfig::default(),
        soft_targets: SoftTargets::default(),
    };
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    fit(adapter, &Clips([40.0, 60.0].map(Truth::Value).to_vec()), &config, &FitContext::new(1, &device), |_| ())
        .unwrap();
    PEAK.load(Ordering::Relaxed) - before
}

#[test]
fn memory_of_a_step_does_not_grow_with_what_is_frozen() {
    let last = "frozen = []\nlast_blocks = 1\ntext = false\nhead = \"regression\"";
    let all = last.replace("last_blocks = 1", "last_blocks = 0");
    let (shallow, deep) = (step(2, last, false), step(40, last, false));
    let (shallow_all, deep_all) = (step(2, &all, false), step(40, &all, false));
    let (shallow_again, deep_again) = (step(2, &all, true), step(40, &all, true));
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    println!(
        "a step takes {:.1} MB with 2 blocks and {:.1} MB with 40, of which one trains; {:.1} and {:.1} MB if all do; \
         {:.1} and {:.1} MB if they are computed again on the way back",
        megabytes(shallow),
        megabytes(deep),
        megabytes(shallow_all),
        megabytes(deep_all),
        megabytes(shallow_again),
        megabytes(deep_again)
    );
    let grown = |deep: usize, shallow: usize| deep as f64 - shallow as f64;
    // Besides, threads hold buffers of their own, more or fewer at a time.
    let (frozen, all) = (grown(deep, shallow), grown(deep_all, shallow_all));
    let again = grown(deep_again, shallow_again);
    assert!(again < 0.5 * all, "{shallow_again} {deep_again}: {again} more if computed again, else {all}");
    assert!(frozen < 0.2 * all, "{shallow} {deep}: {frozen} more, {all} if all blocks train");
    assert!(deep_all as f64 > 2.0 * shallow_all as f64, "{shallow_all} {deep_all}: else this test sees nothing");
}
