//! `fuzz [TARGET..]`: draws inputs by seed and hands them to the readers of files.
//!
//! A worker process reads the inputs of one target, so that an end without a panic (a stack that overflows, memory that is
//! not there) is found and named too.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use echo_fuzz::{Place, TARGETS, Target, limits, mutate};
use echo_random::Stream;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// An input that takes longer ends the worker: it hangs.
const HANGS: Duration = Duration::from_secs(20);

/// Draws hostile inputs by seed and hands them to the readers of files. Whatever they are, no reader may panic, take longer
/// than a second, need more memory than twice the input and 64 MiB, or leave out the file's name when it refuses one.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask fuzz")]
struct Args {
    /// Readers; all, if none is named.
    targets: Vec<String>,
    /// Inputs for each.
    #[arg(long, default_value_t = 10_000)]
    inputs: u64,
    /// First input, to begin where another run ended.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Seed of the inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where inputs go that a reader fails on.
    #[arg(long, value_name = "FOLDER", default_value = "fuzz-failures")]
    keep: PathBuf,
    /// Reads this file instead, as the one target that is named, and says what came of it.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Reads the inputs of one target in this process.
    #[arg(long, hide = true)]
    worker: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let chosen = |name: &String| TARGETS.iter().find(|target| target.name == name);
    if let Some(unknown) = args.targets.iter().find(|name| chosen(name).is_none()) {
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("no target {unknown}; there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let targets: Vec<&'static Target> = match args.targets.is_empty() {
        true => TARGETS.iter().collect(),
        false => args.targets.iter().filter_map(chosen).collect(),
    };
    match (&args.replay, targets.as_slice()) {
        (Some(file), [target]) => replay(target, file),
        (Some(_), _) => {
            eprintln!("--replay needs one target");
            ExitCode::from(2)
        }
        (None, [target]) if args.worker => work(target, &args),
        (None, targets) => {
            let failed = targets.iter().filter(|target| !supervise(target, &args)).count();
            if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

/// Runs a worker, and another one behind an input that ended it. Whether all is well.
fn supervise(target: &Target, args: &Args) -> bool {
    let started = Instant::now();
    let (mut from, end, mut well) = (args.from, args.from + args.inputs, true);
    let mut tally = Tally::default();
    while from < end {
        let program = std::env::current_exe().expect("this program");
        let mut worker = Command::new(program)
            .args([target.name, "--worker", "--seed", &args.seed.to_string(), "--from", &from.to_string()])
            .args(["--inputs", &(end - from).to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a worker");
        let mut at = from;
        for line in BufReader::new(worker.stdout.take().expect("its output")).lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("at", number)) => at = number.parse().unwrap_or(at),
                Some(("tally", numbers)) => tally.add(numbers),
                Some(("failed", what)) => {
                    well = false;
                    eprintln!("{}: {what}", target.name);
                    let number = what.split([' ', ':']).nth(1).and_then(|number| number.parse().ok());
                    keep(target, args, number.unwrap_or(at));
                }
                _ => eprintln!("{line}"),
            }
        }
        let status = worker.wait().expect("a worker that ends");
        if status.success() {
            break;
        }
        well = false;
        if status.code() == Some(REFUSES_VALID.into()) {
            break;
        }
        // It says which input it is at before it reads some of them; the one that ended it is looked for one by one.
        let ended = (at..end).take(STEP as usize).find(|&index| !reads_alone(target, args, index)).unwrap_or(at);
        eprintln!("{}: input {ended}: the reader's process ended: {status}", target.name);
        keep(target, args, ended);
        from = ended + 1;
    }
    println!(
        "{:<12} {:>9} inputs, seed {}: {} read, {} refused, {} failed; longest {:.3} s, most memory {:.1} MiB beside the \
         input; {:.0} s",
        target.name,
        tally.read + tally.refused + tally.failed,
        args.seed,
        tally.read,
        tally.refused,
        tally.failed + u64::from(!well && tally.failed == 0),
        tally.longest,
        tally.memory as f64 / (1 << 20) as f64,
        started.elapsed().as_secs_f64(),
    );
    well
}

/// Whether a worker lives that reads one input.
fn reads_alone(target: &Target, args: &Args, index: u64) -> bool {
    let program = std::env::current_exe().expect("this program");
    let mut worker = Command::new(program);
    worker.args([target.name, "--worker", "--seed", &args.seed.to_string(), "--from", &index.to_string()]);
    let output = worker.args(["--inputs", "1"]).output().expect("a worker");
    output.status.success()
}

/// How a worker ends whose reader refuses a valid file: no input made of it would say anything.
const REFUSES_VALID: u8 = 9;

/// Inputs between two messages of a worker.
const STEP: u64 = 256;

/// What became of the inputs.
#[derive(Default)]
struct Tally {
    read: u64,
    refused: u64,
    failed: u64,
    /// Seconds.
    longest: f64,
    /// Bytes.
    memory: usize,
}

impl Tally {
    fn line(&self) -> String {
        format!("tally {} {} {} {} {}", self.read, self.refused, self.failed, self.longest, self.memory)
    }

    fn add(&mut self, line: &str) {
        let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [read, refused, failed, longest, memory] = numbers[..] else { return };
        self.read += read as u64;
        self.refused += refused as u64;
        self.failed += failed as u64;
        self.longest = self.longest.max(longest);
        self.memory = self.memory.max(memory as usize);
    }
}

fn input(target: &Target, seeds: &[Vec<u8>], seed: u64, index: u64) -> Vec<u8> {
    mutate(seeds, &mut Stream::new(seed, &format!("fuzz/{}", target.name), index))
}

/// Writes the input for whoever mends the reader.
fn keep(target: &Target, args: &Args, index: u64) {
    let bytes = (target.wrap)(&input(target, &(target.seeds)(), args.seed, index));
    let path = args.keep.join(format!("{}-{}-{index}-{}", target.name, args.seed, target.file));
    match std::fs::create_dir_all(&args.keep).and_then(|()| std::fs::write(&path, bytes)) {
        Ok(()) => eprintln!("  kept as {0}; `cargo xtask fuzz {1} --replay {0}` reads it", path.display(), target.name),
        Err(error) => eprintln!("  {}: {error}", path.display()),
    }
}

/// When the input began that is being read, in milliseconds since the start; `u64::MAX` between inputs.
static BEGAN: AtomicU64 = AtomicU64::new(u64::MAX);

fn work(target: &'static Target, args: &Args) -> ExitCode {
    silence_panics();
    let start = Instant::now();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let began = Duration::from_millis(BEGAN.load(Ordering::Relaxed));
            if start.elapsed() > began.saturating_add(HANGS) {
                eprintln!("it hangs");
                std::process::abort();
            }
        }
    });
    let place = Place::new(target);
    let seeds = (target.seeds)();
    for (number, seed) in seeds.iter().enumerate() {
        if let Err(reason) = read(&place, &(target.wrap)(seed)).outcome {
            eprintln!("{}: valid file {number} is refused: {reason:?}", target.name);
            return ExitCode::from(REFUSES_VALID);
        }
    }
    let mut tally = Tally::default();
    let mut out = std::io::stdout().lock();
    for index in args.from..args.from + args.inputs {
        if (index - args.from).is_multiple_of(STEP) {
            let _ = writeln!(out, "{}\nat {index}", std::mem::take(&mut tally).line()).and_then(|()| out.flush());
        }
        let bytes = (target.wrap)(&input(target, &seeds, args.seed, index));
        BEGAN.store(start.elapsed().as_millis() as u64, Ordering::Relaxed);
        let mut cost = read(&place, &bytes);
        // On a busy machine anything may take long once.
        for _ in 0..2 {
            if cost.time > limits::TIME {
                cost = Cost { time: cost.time.min(read(&place, &bytes).time), ..cost };
            }
        }
        BEGAN.store(u64::MAX, Ordering::Relaxed);
        tally.longest = tally.longest.max(cost.time.as_secs_f64());
        tally.memory = tally.memory.max(cost.memory);
        let wrong = fault(&place, &cost, bytes.len());
        match (&wrong, &cost.outcome) {
            (Some(_), _) => tally.failed += 1,
            (None, Ok(())) => tally.read += 1,
            (None, Err(_)) => tally.refused += 1,
        }
        if let Some(wrong) = wrong {
            let _ = writeln!(out, "failed input {index}: {}", wrong.replace('\n', " "));
        }
    }
    let _ = writeln!(out, "{}", tally.line());
    ExitCode::SUCCESS
}

/// Why an input was not read.
#[derive(Debug)]
enum Refusal {
    /// The reader says this.
    Message(String),
    Panic(String),
}

/// What reading one input came to.
struct Cost {
    outcome: Result<(), Refusal>,
    time: Duration,
    /// Bytes beside what was held before.
    memory: usize,
}

/// Hands a file to the reader of `place`.
fn read(place: &Place, file: &[u8]) -> Cost {
    place.put(file);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let began = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| place.read()));
    let time = began.elapsed();
    let memory = MEMORY.peak_usage().saturating_sub(before);
    let outcome = match outcome {
        Ok(read) => read.map_err(Refusal::Message),
        Err(_) => Err(Refusal::Panic(PANIC.with_borrow(String::clone))),
    };
    Cost { outcome, time, memory }
}

/// What is wrong with how a file of `length` bytes was read.
fn fault(place: &Place, cost: &Cost, length: usize) -> Option<String> {
    let most = limits::memory(length);
    match &cost.outcome {
        Err(Refusal::Panic(what)) => Some(format!("panics: {what}")),
        _ if cost.time > limits::TIME => Some(format!("takes {:?}", cost.time)),
        _ if cost.memory > most => Some(format!("needs {} bytes of memory, the limit is {most}", cost.memory)),
        Err(Refusal::Message(message)) if !place.is_named_in(message) => {
            Some(format!("a message that does not name the file: {message}"))
        }
        _ => None,
    }
}

thread_local! {
    /// What the last panic said, and where it was.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

fn silence_panics() {
    std::panic::set_hook(Box::new(|info| PANIC.with_borrow_mut(|last| *last = info.to_string())));
}

fn replay(target: &'static Target, file: &Path) -> ExitCode {
    silence_panics();
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    let place = Place::new(target);
    let cost = read(&place, &bytes);
    println!("{:?} after {:?} and {} bytes of memory", cost.outcome, cost.time, cost.memory);
    match fault(&place, &cost, bytes.len()) {
        Some(fault) => {
            println!("a fault: {fault}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
