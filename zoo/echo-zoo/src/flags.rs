//! Flags of a command that come from another program and not from a shell.

use std::ffi::OsString;

use crate::CliError;

/// The flags of a command, checked as on the command line.
///
/// # Errors
/// They are not its flags, or contradict each other: in the command line's words, without its advice.
pub(crate) fn parse<T: clap::Args>(
    command: &'static str,
    flags: impl IntoIterator<Item = OsString>,
) -> Result<T, CliError> {
    let usage = |error: clap::Error| {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        // What follows an empty line is advice for a shell.
        CliError::Usage(text.split("\n\n").next().unwrap_or_default().trim_end().to_owned())
    };
    let command = T::augment_args(clap::Command::new(command).no_binary_name(true).disable_help_flag(true));
    let matches = command.try_get_matches_from(flags).map_err(usage)?;
    T::from_arg_matches(&matches).map_err(usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder_args::EncoderArgs;

    #[test]
    fn what_is_wrong_with_flags_is_one_line_or_two_and_no_advice() {
        let parsed = |flags: &[&str]| parse::<EncoderArgs>("embed", flags.iter().map(OsString::from));
        assert_eq!(parsed(&["--encoder=panecho"]).unwrap().preset, "full");
        for (flags, found) in [
            (&["--encoder=panecho", "--colour=red"][..], "unexpected argument '--colour' found"),
            (&["--encoder=panecho", "--weights=a", "--random-init"], "cannot be used with"),
            (&["--encoder=panecho", "--device=tpu"], "known devices"),
            (&[], "--encoder"),
        ] {
            let text = parsed(flags).unwrap_err().to_string();
            assert!(text.contains(found) && !text.contains("Usage") && !text.contains("--help"), "{text}");
        }
    }
}
