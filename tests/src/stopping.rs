//! Who watches a benchmark may stop it, and loses nothing that is done.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use echo_bench::{BenchConfig, BenchError, Environment, Observer, run};
use echo_core::Preset;
use echo_data::{Start, for_each_clip};
use echo_video::OpenOptions;
use echo_zoo::ZOO;

use crate::bench::{Place, Registry};

#[test]
fn no_more_clips_are_made_than_somebody_waits_for() {
    // None can be opened, which costs nothing; more than the queue holds.
    let paths: Vec<PathBuf> = (0..1000).map(|index| format!("none-{index}.avi").into()).collect();
    let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();
    let spec = &ZOO[0].card.preset(Preset::NANO).unwrap().clip;
    let mut consumed = 0;
    let consume = |_, result: Result<(), _>| {
        assert!(result.is_err());
        consumed += 1;
        if consumed == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    for_each_clip(&paths, spec, |_| Start::First.into(), &OpenOptions::default(), |_, _| (), consume);
    assert_eq!(consumed, 3);
}

/// Stops when so many steps of what it is told of are done.
#[derive(Debug)]
struct StopsAfter(&'static str, usize, AtomicUsize);

impl Observer for StopsAfter {
    fn line(&self, _: &str) {}

    fn progress(&self, what: &str, done: usize, _: usize, _: &str) {
        if what.starts_with(self.0) {
            self.2.store(done, Ordering::Relaxed);
        }
    }

    fn is_stopped(&self) -> bool {
        self.2.load(Ordering::Relaxed) >= self.1
    }
}

#[test]
fn a_stopped_benchmark_goes_on_where_it_was() {
    let place = Place::new(24);
    let config = BenchConfig {
        encoders: vec!["panecho".to_owned()],
        adapters: vec!["linear".to_owned()],
        shots: vec![1],
        seeds: vec![1, 2, 3],
        zero_shot: false,
        random_init: true,
        bootstrap: 50,
        ..BenchConfig::default()
    };
    let stopped_after = |what, count| {
        let observer = Arc::new(StopsAfter(what, count, AtomicUsize::new(0)));
        let environment = Environment { observer, ..place.environment("out", None) };
        matches!(run(&config, &environment, &Registry), Err(BenchError::Stopped))
    };
    assert!(stopped_after("embedding", 5));
    assert!(stopped_after("cells", 2));
    let outcome = place.run(&config, "out");
    assert_eq!((outcome.ran, outcome.skipped, outcome.failed, outcome.embedded), (1, 2, 0, 0));
}
