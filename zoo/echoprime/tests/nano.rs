//! The nano preset keeps its bounds, and the card tells the truth about all presets.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use echo_core::{EchoEncoder, Preset};
use echo_weights::{Pretrained, Weights, build, randomize};
use echoprime::{CARD, EchoPrime, EchoPrimeConfig};

#[test]
fn the_card_states_the_parameters_and_sizes_of_all_presets() {
    for card in CARD.presets {
        let config = EchoPrimeConfig::of(card);
        let counted = EchoPrime::init(card, &Device::flex()).num_params();
        assert_eq!(
            [card.parameters, card.dim, card.width],
            [counted, config.dim, config.video.width()],
            "{}",
            card.name
        );
        assert_eq!([card.clip.frames, card.clip.size, card.clip.size], config.video.clip, "{}", card.name);
    }
}

#[test]
fn nano_is_small_and_sees_a_whole_beat() {
    let card = CARD.preset(Preset::NANO).unwrap();
    assert!(card.parameters <= 1_200_000, "{}", card.parameters);
    let mut video = EchoPrimeConfig::nano();
    (video.text, video.view) = (None, None);
    let video = video.init(Err("none".to_owned()), &Device::flex()).num_params();
    println!("video tower {video}, all {}", card.parameters);
    assert!((200_000..=320_000).contains(&video), "{video}");
    // 1.4 s at 50 frames a second.
    assert!(card.clip.span() >= 70, "{}", card.clip.span());
}

#[test]
fn nano_runs_with_random_weights_and_reads_prompts() {
    let encoder = build::<EchoPrime>(Preset::NANO, &Weights::Random(1), &Device::flex()).unwrap().encoder;
    let clip = Tensor::<1, burn::tensor::Int>::arange(0..2 * 3 * 16 * 64 * 64, &Device::flex());
    let clip = (clip.float() * 0.618).sin().reshape([2, 3, 16, 64, 64]);
    let embedding = encoder.encode(clip);
    assert_eq!(embedding.dims(), [2, 96]);
    assert!(embedding.into_data().iter::<f32>().all(f32::is_finite));
    let text = encoder.text().unwrap();
    let prompt = "left ventricle that contracts a little less than it should, ejection fraction from 46 to 55 percent";
    assert_eq!(text.tokenize(prompt).unwrap().len(), prompt.split(' ').count() + 3, "every word is one token");
}

/// Prints the time of a training step per clip; a clock is no ground for failing.
#[test]
fn the_time_of_a_training_step_is_printed() {
    let device = Device::flex().autodiff();
    let model = randomize(EchoPrime::init(EchoPrime::CARD.preset(Preset::NANO).unwrap(), &device), 1);
    const CLIPS: usize = 8;
    let mut times = Vec::new();
    for round in 0..6 {
        let clip = Tensor::<5>::zeros([CLIPS, 3, 16, 64, 64], &device) + 0.1 * round as f32;
        let started = Instant::now();
        let loss = model.encode(clip).square().mean();
        let forward = started.elapsed();
        let gradients = loss.backward();
        drop(gradients);
        times.push((started.elapsed().as_secs_f64() / CLIPS as f64, forward.as_secs_f64() / CLIPS as f64));
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (step, forward) = times[times.len() / 2];
    println!("forward and backward {step:.4} s a clip, forward alone {forward:.4} s (median of {})", times.len());
    assert!(step > 0.0);
}
