//! `cargo xtask`: development tasks. Thin: every command shells out, nothing here links Burn.

mod cargo;
mod ci;
mod new_encoder;
mod parity;
mod python;
mod release;
mod speed;
mod supply;
mod tidy;
mod vendor;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  test        run all tests
  ci          what .ci/run runs: format, tidy, clippy, tests, a smoke benchmark; --full also checks licences,
              sources and advisories (cargo-deny), makes the list of parts (cargo-cyclonedx), checks the
              feature cuda, and runs the kernels' tests under AddressSanitizer (Linux, x86-64)
  new-encoder NAME   a crate under zoo/ that compiles, registered and listed
  parity      the encoders at full size against the real upstream modules (Python; --make-venv)
  speed [SUBJECT...] [--against pytorch]   times of the encoders, in turn with PyTorch's (docs/speed.md)
  fuzz [TARGET...] [--inputs N] [--seed S]   hostile input for every reader of files (fuzz/README.md)
  python      build and install the Python package's wheel, and run its tests (docs/python.md)
  tidy        check the workspace's invariants (ARCHITECTURE.md)
  release     the stripped binary with licences, completions, manual pages, list of parts and checksums
  supply      licences, sources and advisories of what the program is built of, and its list (SBOM)
  vendor DIR  a folder that builds without a network, as container/Containerfile does
  unsafe      how much unsafe code reads bytes from outside (docs/supply-chain.md)
  <command>   build in release, then `echozoo <command>`: bench, embed, inspect, list, ood, phantom, ...

ECHOZOO_FEATURES   features of zoo/echo-zoo to build with, such as `wgpu`
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some("test") => cargo::test(&args[1..]),
        Some("ci") => ci::run(&args[1..]),
        Some("new-encoder") => new_encoder::new_encoder(&args[1..]),
        Some("parity") => parity::parity(&args[1..]),
        Some("python") => python::python(&args[1..]),
        Some("speed") => speed::speed(&args[1..]),
        Some("fuzz") => cargo::fuzz(&args[1..]),
        Some("tidy") => tidy::run(),
        Some("release") => release::release(&args[1..]),
        Some("supply") => supply::run(),
        Some("vendor") => vendor::vendor(&args[1..]),
        Some("unsafe") => supply::print_unsafe(),
        Some(_) => cargo::echozoo(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("xtask: {}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Why a task failed, and the exit code to pass on.
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// A wrong command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// A program that has already said what was wrong.
    pub(crate) fn exit(code: Option<i32>) -> Self {
        Self { message: String::new(), code: code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1) }
    }
}
