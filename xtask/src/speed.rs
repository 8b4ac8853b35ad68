//! `cargo xtask speed [SUBJECT...] [--against pytorch] [--python PATH]`: times of the encoders, in turn with PyTorch's;
//! `cargo xtask speed --growth`: how they grow.
//!
//! Builds the binary and hands it, with all other arguments, to `zoo/echo-zoo/reference/speed.py` or `growth.py`.

use std::path::PathBuf;
use std::process::Command;

use crate::Failure;
use crate::cargo::{build, root, run};
use crate::parity::python;

pub(crate) fn speed(args: &[String]) -> Result<(), Failure> {
    let (python, rest) = interpreter(args)?;
    let python = match python {
        Some(python) => python,
        // The script alone needs no more than Python's own library.
        None if !args.iter().any(|arg| arg == "--against" || arg.starts_with("--against=")) => PathBuf::from("python3"),
        None => self::python(false)?,
    };
    let grows = |arg: &&String| *arg == "--growth";
    let script = if rest.iter().any(grows) { "growth.py" } else { "speed.py" };
    let script = root().join("zoo/echo-zoo/reference").join(script);
    let rest = rest.into_iter().filter(|arg| !grows(arg));
    // Help needs no binary.
    let binary = if args.iter().any(|arg| arg == "--help" || arg == "-h") { PathBuf::new() } else { build()? };
    run(Command::new(python).arg(script).arg("--binary").arg(binary).args(rest))
}

/// What `--python` names, and the other arguments.
fn interpreter(args: &[String]) -> Result<(Option<PathBuf>, Vec<&String>), Failure> {
    let Some(at) = args.iter().position(|arg| arg == "--python") else { return Ok((None, args.iter().collect())) };
    let path = args.get(at + 1).ok_or_else(|| Failure::usage("--python needs the path of an interpreter"))?;
    let rest = args.iter().enumerate().filter(|(index, _)| !(at..=at + 1).contains(index)).map(|(_, arg)| arg);
    Ok((Some(PathBuf::from(path)), rest.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_is_taken_out_of_the_arguments() {
        let args = ["panecho", "--python", "p", "--runs", "3"].map(str::to_owned);
        let (python, rest) = interpreter(&args).ok().unwrap();
        assert_eq!(python, Some(PathBuf::from("p")));
        assert_eq!(rest, ["panecho", "--runs", "3"]);
        assert!(interpreter(&args[..2]).is_err());
    }
}
