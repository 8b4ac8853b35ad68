//! Inputs made of valid files by random changes of bytes, numbers and blocks.

use echo_random::Stream;

/// No input is longer.
pub const MAX_LENGTH: usize = 1 << 18;

/// Numbers at which readers go wrong: ends of integer types, and their neighbours.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// The same as text.
const WRITTEN: [&str; 18] = [
    "",
    "0",
    "-1",
    "-0.0",
    "1e308",
    "1e999",
    "-1e999",
    "1e-320",
    "NaN",
    "inf",
    "0.5",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999",
];

/// What texts are structured by, and what they should not hold.
const TOKENS: [&str; 24] = [
    "\n",
    "\r\n",
    "\r",
    "\0",
    ",",
    ";",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "{",
    "}",
    "[[",
    "=",
    ".",
    "..",
    "../",
    "#",
    "\\",
    "\u{feff}",
    "é",
    "\u{202e}",
    "\u{1b}[2J",
];

/// One input: a file of `seeds`, changed at one to eight places, mostly few, as `stream` draws.
///
/// # Panics
/// When `seeds` is empty.
pub fn mutate(seeds: &[Vec<u8>], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = seeds[stream.below(seeds.len())].clone();
    let most = 1 << stream.below(4);
    for _ in 0..1 + stream.below(most) {
        change(&mut bytes, seeds, stream);
        bytes.truncate(MAX_LENGTH);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], stream: &mut Stream) {
    if bytes.is_empty() {
        bytes.extend(random_bytes(16, stream));
        return;
    }
    let at = place(bytes.len(), stream);
    match stream.below(14) {
        0 => bytes[at] ^= 1 << stream.below(8),
        1 => bytes[at] = stream.below(256) as u8,
        2 => put_number(bytes, at, NUMBERS[stream.below(NUMBERS.len())], stream),
        3 => {
            let length = bytes.len() as u64;
            put_number(bytes, at, (length + stream.below(9) as u64).saturating_sub(4), stream);
        }
        4 => bytes[at] = bytes[at].wrapping_add(stream.below(33) as u8).wrapping_sub(16),
        5 => {
            bytes.drain(at..at + block(bytes.len() - at, stream));
        }
        6 => {
            let repeated = bytes[at..at + block(bytes.len() - at, stream)].repeat(1 + stream.below(64));
            insert(bytes, at, &repeated);
        }
        7 => {
            let inserted = random_bytes(1 + stream.below(64), stream);
            insert(bytes, at, &inserted);
        }
        8 => bytes.truncate(at),
        9 => {
            let other = &seeds[stream.below(seeds.len())];
            bytes.truncate(at);
            bytes.extend(&other[place(other.len().max(1), stream).min(other.len())..]);
        }
        10 => {
            let other = &seeds[stream.below(seeds.len())];
            let from = place(other.len().max(1), stream).min(other.len());
            let length = block(bytes.len() - at, stream).min(other.len() - from);
            bytes[at..at + length].copy_from_slice(&other[from..from + length]);
        }
        11 => put_written_number(bytes, at, stream),
        12 => insert(bytes, at, TOKENS[stream.below(TOKENS.len())].as_bytes()),
        _ => {
            let token = TOKENS[stream.below(TOKENS.len())].as_bytes();
            insert(bytes, at, &token.repeat(1 << stream.below(15)));
        }
    }
}

/// A place in `length` bytes; every second time in the first ones, where headers are.
fn place(length: usize, stream: &mut Stream) -> usize {
    match stream.below(2) {
        0 => stream.below(length.min(512)),
        _ => stream.below(length),
    }
}

/// A length of at most `most` bytes, short ones more often than long ones.
fn block(most: usize, stream: &mut Stream) -> usize {
    let limit = most.min(1 << stream.below(13));
    stream.below(limit.max(1)) + usize::from(most > 0)
}

fn random_bytes(count: usize, stream: &mut Stream) -> Vec<u8> {
    (0..count).map(|_| stream.below(256) as u8).collect()
}

fn insert(bytes: &mut Vec<u8>, at: usize, inserted: &[u8]) {
    bytes.splice(at..at, inserted.iter().copied());
}

/// Overwrites 1, 2, 4 or 8 bytes, in either order.
fn put_number(bytes: &mut [u8], at: usize, number: u64, stream: &mut Stream) {
    let size = 1 << stream.below(4);
    let place = bytes[at..].iter_mut().take(size);
    match stream.below(2) {
        0 => place.zip(number.to_le_bytes()).for_each(|(byte, new)| *byte = new),
        _ => place.zip(number.to_be_bytes()[8 - size..].iter()).for_each(|(byte, &new)| *byte = new),
    }
}

/// Writes another number in the place of the next one that is written in digits.
fn put_written_number(bytes: &mut Vec<u8>, at: usize, stream: &mut Stream) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|digits| at + digits) else { return };
    let end =
        bytes[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |digits| start + digits);
    bytes.splice(start..end, WRITTEN[stream.below(WRITTEN.len())].bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn inputs_are_drawn_by_seed_differ_and_are_bounded() {
        let seeds = vec![b"RIFF 12 bytes, 3.5".repeat(20), b"another".to_vec(), Vec::new()];
        let input = |index| mutate(&seeds, &mut Stream::new(1, "fuzz/test", index));
        let all: HashSet<Vec<u8>> = (0..2000).map(input).collect();
        assert!(all.len() > 1500, "{}", all.len());
        assert!(all.iter().all(|input| input.len() <= MAX_LENGTH));
        assert_eq!(input(7), input(7));
    }
}
