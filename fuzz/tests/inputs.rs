//! Ten thousand inputs for every reader.

use std::process::Command;

/// What fails here is kept, with the command that reads it again.
#[test]
fn no_input_makes_a_reader_panic_hang_or_take_all_memory() {
    let mut fuzz = Command::new(env!("CARGO_BIN_EXE_fuzz"));
    let output = fuzz.args(["--inputs", "10000", "--keep", env!("CARGO_TARGET_TMPDIR")]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}{err}");
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out.lines().count(), echo_fuzz::TARGETS.len());
    // An input is worth nothing if all are refused for one reason.
    for line in out.lines() {
        let number = |word: &str| line.split(word).next().unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        assert!(number(" read,") > 100 && number(" refused,") > 100, "{line}");
    }
}
