//! EchoCLIP-R's own vocabulary, which is not part of this project: the folder `echoclip_assets` of
//! `$ECHOZOO_TEST_DATA` holds upstream's `template_vocab.txt` and `example_report.txt`.

use std::path::{Path, PathBuf};

use echoclip::TemplateTokenizer;

/// What fills the holes of the phrases, as in `reference/template_tokenizer.py`.
const VARIABLES: [&str; 10] =
    ["12", "3.25", "MILD", ".5", "100", "MODERATE/SEVERE", "0", "7.0", "VERY SEVERE", "55-60"];
const NUMBERS: [&str; 6] = ["12", "3.25", "100", "0", "7.0", "5."];

fn assets() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ECHOZOO_TEST_DATA") else {
        eprintln!("skipped: ECHOZOO_TEST_DATA does not name a folder with EchoCLIP-R's vocabulary");
        return None;
    };
    Some(Path::new(&folder).join("echoclip_assets"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// FNV-1a of the ids as 32-bit little-endian numbers.
fn checksum(ids: &[u32]) -> u64 {
    let bytes = ids.iter().flat_map(|id| id.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// A report of all phrases, holes filled, with the ending that they have or another, and an unknown one after each.
fn every_phrase(vocabulary: &str, variables: &[&str], ending: Option<&str>) -> String {
    let (mut report, mut count) = (String::new(), 0);
    for line in vocabulary.lines() {
        let mut phrase = line.to_owned();
        while phrase.contains("<#>") {
            phrase = phrase.replacen("<#>", variables[count % variables.len()], 1);
            count += 1;
        }
        if let Some(ending) = ending {
            let bare = phrase.trim_end_matches(' ');
            phrase = bare.strip_suffix('.').unwrap_or(bare).to_owned() + ending;
        }
        report += &format!("{phrase} NO SUCH {count}, ");
    }
    report
}

/// A sentence that upstream rewords, put together from two phrases.
fn other_wording(vocabulary: &str) -> String {
    let line = |number: usize| vocabulary.lines().nth(number).unwrap().replace("<#>", "3");
    let (phrase, other) = (line(66), line(545));
    format!("{}{} AND{},{}", &phrase[..22], &other[16..34], &phrase[22..58], &phrase[58..])
}

/// Counts and checksums printed by `reference/template_tokenizer.py`.
#[test]
fn ids_of_the_real_vocabulary_are_upstreams() {
    let Some(folder) = assets() else { return };
    let tokenizer = TemplateTokenizer::open(&folder).unwrap();
    assert_eq!(tokenizer.vocabulary_size(), 909);
    let vocabulary = read(&folder.join("template_vocab.txt"));
    let every = |variables: &[&str], ending| every_phrase(&vocabulary, variables, ending);
    for (report, count, whole, within_77) in [
        (read(&folder.join("example_report.txt")), 71, 0xd2fa_d97e_e604_37b1, 0xd2fa_d97e_e604_37b1),
        (every(&VARIABLES, None), 984, 0xb68f_44ff_3ae9_f265, 0x2342_bab9_d2f7_12c0),
        (every(&NUMBERS, Some("")), 195, 0x27b0_fb86_e67d_3070, 0xb7bd_5fe2_bb54_c415),
        (every(&NUMBERS, Some(":")), 13, 0x23c2_cb07_94fe_8e44, 0x23c2_cb07_94fe_8e44),
        (other_wording(&vocabulary), 4, 0x68b0_46e7_e642_743f, 0x68b0_46e7_e642_743f),
    ] {
        let ids = tokenizer.encode(&report);
        assert_eq!((ids.len(), checksum(&ids)), (count, whole));
        assert_eq!(checksum(&tokenizer.encode_within(&report, 77)), within_77);
    }
}
