//! The same numbers on another backend: every nano encoder, forward and one training step.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use echo_core::{AnyEncoder, Preset, embed_sentences};
use echo_zoo::DeviceChoice;

use crate::fixtures::{clips, device, entries, nano};

/// What other kernels, which sum in another order, may leave, relative to the largest value.
const TOLERANCE: f32 = 1e-3;

/// A learning rate at which the step shows in every parameter.
const RATE: f64 = 0.1;

/// WebGPU on any adapter, a processor's among them; or why there is none.
fn wgpu() -> Result<Device, String> {
    let device = DeviceChoice::Wgpu.device()?;
    // Burn looks for an adapter at the first operation and panics when there is none.
    let probe = || Tensor::<1>::from_floats([1.0, 2.0], &device).sum().into_scalar::<f32>();
    match catch_unwind(AssertUnwindSafe(probe)) {
        Ok(3.0) => Ok(device),
        Ok(sum) => Err(format!("1 + 2 gave {sum}")),
        Err(_) => Err("no adapter was found; Debian's mesa-vulkan-drivers has one for processors".to_owned()),
    }
}

#[test]
fn every_encoder_gives_the_same_numbers_on_wgpu() {
    let wgpu = match wgpu() {
        Ok(device) => device,
        Err(reason) => {
            assert!(std::env::var_os("ECHOZOO_NO_SKIP").is_none(), "wgpu must be tested here: {reason}");
            println!("skipped: {reason}");
            return;
        }
    };
    for entry in &entries() {
        let name = entry.card.name;
        let cpu = nano(entry);
        let gpu = cpu.clone().to_device(&wgpu);
        let clip = clips(entry, 2, 11);
        let embedding = numbers(cpu.encode(clip.clone()));
        let error = relative(&embedding, &numbers(gpu.encode(clip.clone().to_device(&wgpu))));
        println!("{name}: embeddings differ by {error:.1e} of the largest value");
        assert!(error < TOLERANCE, "{name}: embeddings differ by {error}");

        if let (Some(on_cpu), Some(on_gpu)) = (cpu.text(), gpu.text()) {
            // Of different lengths.
            let texts = ["normal.", "the ejection fraction is 40 percent."];
            let [found, expected] = [(on_gpu, &wgpu), (on_cpu, &Device::flex())]
                .map(|(text, device)| numbers(embed_sentences(&texts, text, device).unwrap()));
            let error = relative(&expected, &found);
            assert!(error < TOLERANCE, "{name}: texts differ by {error}");
        }

        let dim = entry.card.preset(Preset::NANO).unwrap().dim;
        let direction: Vec<f32> = (0..dim).map(|index| (index as f32).sin()).collect();
        let step = |encoder: AnyEncoder, device: &Device| {
            let encoder = encoder.unfreeze().train();
            let embedding = encoder.encode(clip.clone().to_device(&device.clone().autodiff()));
            // Not its length, which is 1 for some encoders whatever their parameters.
            let direction = Tensor::<1>::from_floats(direction.as_slice(), &embedding.device());
            let loss = (embedding * direction.unsqueeze()).sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &encoder);
            Parameters::of(&SgdConfig::new().init().step(RATE, encoder, gradients).valid())
        };
        let before = Parameters::of(&cpu);
        let (on_cpu, on_gpu) = (step(cpu, &device()), step(gpu, &wgpu));
        // The change that the step made, not the parameters, which are equal to begin with.
        let change =
            |after: &[f32]| after.iter().zip(&before).map(|(after, before)| after - before).collect::<Vec<_>>();
        let (on_cpu, on_gpu) = (change(&on_cpu), change(&on_gpu));
        assert!(on_cpu.iter().any(|change| *change != 0.0), "{name}: the step changed nothing");
        let error = relative(&on_cpu, &on_gpu);
        println!("{name}: a training step differs by {error:.1e} of the largest change");
        assert!(error < TOLERANCE, "{name}: a training step differs by {error}");
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Largest difference over the largest value.
fn relative(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let difference = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    difference / largest
}

/// All parameters of a module, one after the other.
struct Parameters(Vec<f32>);

impl Parameters {
    fn of(module: &impl Module) -> Vec<f32> {
        let mut all = Self(Vec::new());
        module.visit(&mut all);
        all.0
    }
}

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(numbers(param.val()));
    }
}
