//! Videos that training and test share: of one patient, or one file under two names. Files are one if all their bytes
//! are: a copy in another container or coding is another file.

use std::collections::{BTreeSet, HashMap, HashSet};

use echo_data::{Split, patient_key};
use echo_files::{excerpt, printable};
use echo_report::Excluded;
use echo_video::{OpenOptions, VideoError, check_file};

use crate::data::video_set::{LabelledVideo, VideoSet};
use crate::{BenchConfig, BenchError};

/// What two videos have in common that tells the label of one from that of the other.
#[derive(PartialEq, Eq, Hash)]
enum Mark {
    Patient(String),
    Bytes(blake3::Hash),
}

fn marks(video: &LabelledVideo) -> impl Iterator<Item = Mark> {
    // Files without content, which stand for videos yet to be made, are no copies of each other.
    let bytes = video.digest.filter(|digest| *digest != blake3::hash(&[]));
    let patient = video.patient.as_deref().map(|patient| Mark::Patient(patient_key(patient)));
    patient.into_iter().chain(bytes.map(Mark::Bytes))
}

/// Looks for what is in two splits, and for files of the external test set that training or validation know. Bytes are
/// those of videos whose digests are known. What is found is noted beside the videos, and so are files that one split
/// holds twice.
///
/// # Errors
/// Something is in two splits and the configuration does not allow that, or the external test set is the data set's own.
pub(crate) fn check(config: &BenchConfig, set: &mut VideoSet, external: Option<&VideoSet>) -> Result<(), BenchError> {
    let (leaks, twins) = shared(set, external);
    if let Some(external) = external {
        let again = own_again(set, external);
        if again.len() == external.test.len() {
            return Err(BenchError::Config(format!(
                "{}: all test videos of the external data set are test videos of the first too; give another --external, or \
                 none, as its numbers would be the same",
                printable(&external.name)
            )));
        }
        set.excluded.extend(again);
    }
    if !leaks.is_empty() && !config.allow_leakage {
        return Err(BenchError::Leakage(leaks.into_iter().map(|leak| leak.reason).collect()));
    }
    set.excluded.extend(leaks.into_iter().chain(twins));
    Ok(())
}

/// What is shared between splits, and within one.
fn shared(set: &VideoSet, external: Option<&VideoSet>) -> (Vec<Excluded>, Vec<Excluded>) {
    let own = [(Split::Train, &set.train), (Split::Validation, &set.validation), (Split::Test, &set.test)];
    let own = own.iter().flat_map(|(split, part)| part.iter().map(|&index| (*split, &set.videos[index])));
    // In the order in which they first appear.
    let mut places: HashMap<Mark, usize> = HashMap::new();
    let mut groups: Vec<(bool, Vec<(Split, &LabelledVideo)>)> = Vec::new();
    for (split, video) in own {
        for mark in marks(video) {
            let is_file = matches!(mark, Mark::Bytes(_));
            let place = *places.entry(mark).or_insert(groups.len());
            if place == groups.len() {
                groups.push((is_file, Vec::new()));
            }
            groups[place].1.push((split, video));
        }
    }
    let (mut leaks, mut twins) = (Vec::new(), Vec::new());
    for (is_file, group) in &groups {
        let (split, first) = group[0];
        // What is no video is told as such, however often it is there.
        let is_video = || {
            let checked = check_file(&first.path, &OpenOptions { allow_truncated: true, ..OpenOptions::default() });
            !matches!(
                checked,
                Err(VideoError::NotAVideo { .. } | VideoError::NoPicture { .. } | VideoError::Empty { .. })
            )
        };
        let elsewhere = group.iter().find(|(other, _)| *other != split);
        if let Some((other, second)) = elsewhere.filter(|_| !is_file || is_video()) {
            let who = |split: Split, video: &LabelledVideo| match (&video.patient, is_file) {
                (Some(patient), false) => format!("{} ({split} video of patient {:?})", video.name, excerpt(patient)),
                _ => format!("{} ({split})", video.name),
            };
            let what = if *is_file { "one file under two names" } else { "one patient" };
            let reason = format!("{what} in two splits: {} and {}", who(split, first), who(*other, second));
            leaks.push(Excluded { video: second.name.clone(), used: true, reason });
        }
        for (_, twin) in group.iter().skip(1).filter(|(other, _)| *is_file && *other == split) {
            let reason = format!("the same file as {}, whose label is {}", first.name, set.in_words(&first.truth));
            twins.push(Excluded { video: twin.name.clone(), used: true, reason });
        }
    }
    for video in external.iter().flat_map(|external| external.test.iter().map(|&index| &external.videos[index])) {
        let known = marks(video).filter(|mark| matches!(mark, Mark::Bytes(_))).find_map(|mark| places.get(&mark));
        let known = known.and_then(|&place| groups[place].1.iter().find(|(split, _)| *split != Split::Test));
        if let Some((split, own)) = known {
            let reason = format!("one file in two splits: {} ({split}) and {} (external test)", own.name, video.name);
            leaks.push(Excluded { video: video.name.clone(), used: true, reason });
        }
    }
    (leaks, twins)
}

/// Test videos of the external set that are test videos of `set` too.
fn own_again(set: &VideoSet, external: &VideoSet) -> Vec<Excluded> {
    let files = |video: &LabelledVideo| marks(video).find(|mark| matches!(mark, Mark::Bytes(_)));
    let own = set.test.iter().map(|&index| &set.videos[index]);
    let own: HashMap<Mark, &LabelledVideo> = own.filter_map(|video| Some((files(video)?, video))).collect();
    let again = external.test.iter().filter_map(|&index| {
        let video = &external.videos[index];
        let reason =
            format!("of the external test set, and the same file as the test video {}", own.get(&files(video)?)?.name);
        Some(Excluded { video: video.name.clone(), used: true, reason })
    });
    again.collect()
}

/// What stands beside the prediction of a test video that is [`known`].
pub(crate) const KNOWN: &str = "its patient or file is in training or validation too";

/// The videos of `test`, which are of the set `of`, that are known from the videos `train` of `set` or its validation.
pub(crate) fn known(set: &VideoSet, train: &[usize], of: &VideoSet, test: &[usize]) -> BTreeSet<usize> {
    let is_own = std::ptr::eq(set, of);
    // Numbers of patients mean nothing in another hospital.
    let counts = |mark: &Mark| is_own || matches!(mark, Mark::Bytes(_));
    let trained = train.iter().chain(&set.validation).flat_map(|&index| marks(&set.videos[index]));
    let trained: HashSet<Mark> = trained.filter(counts).collect();
    test.iter().copied().filter(|&index| marks(&of.videos[index]).any(|mark| trained.contains(&mark))).collect()
}

/// How many samples of `test` are known: a study is by any of its videos.
pub(crate) fn known_samples(set: &VideoSet, train: &[usize], of: &VideoSet, test: &[usize]) -> usize {
    let known: Vec<usize> = known(set, train, of, test).into_iter().collect();
    of.samples(&known).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of videos with these patients and bytes, one after the other in training, validation and test.
    fn set(parts: [&[(&str, &str, &[u8])]; 3]) -> VideoSet {
        let mut set = VideoSet::empty();
        for (part, videos) in parts.into_iter().enumerate() {
            for &(name, patient, bytes) in videos {
                let split = [&mut set.train, &mut set.validation, &mut set.test];
                split.into_iter().nth(part).expect("three parts").push(set.videos.len());
                set.videos.push(LabelledVideo {
                    name: name.to_owned(),
                    path: name.into(),
                    patient: (!patient.is_empty()).then(|| patient.to_owned()),
                    study: None,
                    truth: echo_core::Truth::Value(50.0),
                    digest: Some(blake3::hash(bytes)),
                });
            }
        }
        set
    }

    fn config(allow_leakage: bool) -> BenchConfig {
        BenchConfig { allow_leakage, ..BenchConfig::default() }
    }

    #[test]
    fn one_file_and_one_patient_in_two_splits_are_refused_with_the_list() {
        let leaky = || {
            set([
                &[("a", "101", b"a"), ("b", "7", b"b")],
                &[("c", "0101", b"c")],
                &[("d", "101.0", b"b"), ("e", "9", b"e")],
            ])
        };
        let error = check(&config(false), &mut leaky(), None).unwrap_err().to_string();
        assert!(error.contains("patient \"101\"") && error.contains("patient \"0101\""), "{error}");
        assert!(error.contains("b (training) and d (test)") && error.contains("--allow-leakage"), "{error}");
        let mut allowed = leaky();
        check(&config(true), &mut allowed, None).unwrap();
        assert_eq!(allowed.excluded.len(), 2, "{:?}", allowed.excluded);
        assert!(allowed.excluded.iter().all(|leak| leak.used));
        assert_eq!(known(&allowed, &[0, 1], &allowed, &[3, 4]), BTreeSet::from([3]));
        assert_eq!(known(&allowed, &[], &allowed, &[4]), BTreeSet::new());
        let mut studies = leaky();
        for video in &mut studies.videos[3..] {
            (video.study, video.patient) = (Some("one".to_owned()), Some("101".to_owned()));
        }
        assert_eq!(known(&studies, &[0, 1], &studies, &[3, 4]), BTreeSet::from([3, 4]));
        assert_eq!(known_samples(&studies, &[0, 1], &studies, &[3, 4]), 1);
    }

    #[test]
    fn a_file_of_the_external_set_that_was_trained_on_is_refused_and_its_patients_are_others() {
        let mut own = set([&[("a", "1", b"a")], &[], &[("b", "2", b"b")]]);
        let external = set([&[], &[], &[("x", "1", b"x"), ("y", "2", b"b")]]);
        check(&config(false), &mut own, Some(&external)).unwrap();
        let external = set([&[], &[], &[("x", "5", b"a")]]);
        let error = check(&config(false), &mut own, Some(&external)).unwrap_err().to_string();
        assert!(error.contains("a (training) and x (external test)"), "{error}");
        assert_eq!(known(&own, &[0], &external, &[0]), BTreeSet::from([0]));
    }

    #[test]
    fn an_external_set_that_is_the_own_one_is_refused_and_single_videos_of_it_are_noted() {
        let own = || set([&[("a", "", b"a")], &[], &[("b", "", b"b"), ("c", "", b"c")]]);
        let external = set([&[], &[], &[("x", "", b"c"), ("b", "", b"b")]]);
        for allowed in [false, true] {
            let error = check(&config(allowed), &mut own(), Some(&external)).unwrap_err().to_string();
            assert!(error.contains("give another --external"), "{error}");
        }
        let mut own = own();
        let external = set([&[], &[], &[("x", "", b"c"), ("new", "", b"n"), ("to be made", "", b"")]]);
        check(&config(false), &mut own, Some(&external)).unwrap();
        assert_eq!(own.excluded.len(), 1, "{:?}", own.excluded);
        assert!(own.excluded[0].video == "x" && own.excluded[0].reason.ends_with("the test video c"));
        // Videos yet to be made.
        let empty = || set([&[("a", "", b"")], &[], &[("b", "", b"")]]);
        check(&config(false), &mut empty(), Some(&empty())).unwrap();
    }

    #[test]
    fn copies_within_a_split_are_noted_and_files_yet_to_be_made_are_no_copies() {
        let mut own =
            set([&[("a", "", b"")], &[("b", "", b"")], &[("c", "", b"same"), ("d", "", b"same"), ("e", "", b"")]]);
        check(&config(false), &mut own, None).unwrap();
        let names: Vec<&str> = own.excluded.iter().map(|twin| twin.video.as_str()).collect();
        assert_eq!(names, ["d"]);
        assert!(own.excluded[0].reason.contains("the same file as c"), "{:?}", own.excluded);
    }
}
