//! The few labelled videos of a few-shot run.

use std::collections::HashSet;

use echo_random::Stream;

/// Up to `k` samples of each bin, as places in `records` (a name, and the bins that it is in).
///
/// A pure function of the seed and, for each bin, the names in it: every name is given a random number, and the lowest
/// `k` are taken. So neither the order of `records` nor the other bins matter, and samples that join or leave the list
/// change the draw as little as possible. If `nested`, the number does not depend on `k`, and what is drawn for fewer
/// shots is drawn for more; otherwise every `k` is a draw of its own. The result is in the order of bins, then of draw; a
/// sample that several bins draw stands where the first does.
///
/// Names should be unique.
pub fn few_shot<N: AsRef<str>>(records: &[(N, Vec<i64>)], k: usize, seed: u64, nested: bool) -> Vec<usize> {
    let draw = if nested { 0 } else { k as u64 };
    let mut order: Vec<(i64, u64, &str, usize)> = records
        .iter()
        .enumerate()
        .flat_map(|(place, (name, bins))| {
            let name = name.as_ref();
            let number = Stream::new(seed, &format!("few-shot/{name}"), draw).bits64();
            bins.iter().map(move |&bin| (bin, number, name, place))
        })
        .collect();
    order.sort_unstable();
    let drawn = order.chunk_by(|a, b| a.0 == b.0).flat_map(|bin| bin.iter().take(k).map(|&(.., place)| place));
    let mut known = HashSet::new();
    drawn.filter(|&place| known.insert(place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// 600 videos, denser around 60 than elsewhere, some bins with a single one.
    fn videos() -> Vec<(String, Vec<i64>)> {
        let mut stream = Stream::new(3, "test/few-shot", 0);
        let mut ef = || (60.0 + 12.0 * stream.normal()).clamp(5.0, 95.0) as i64;
        (0..600).map(|i| (format!("0X{i:X}"), vec![ef()])).collect()
    }

    fn names(videos: &[(String, Vec<i64>)], k: usize, seed: u64, nested: bool) -> Vec<String> {
        few_shot(videos, k, seed, nested).into_iter().map(|place| videos[place].0.clone()).collect()
    }

    fn set(names: Vec<String>) -> BTreeSet<String> {
        names.into_iter().collect()
    }

    fn bins(videos: &[(String, Vec<i64>)], places: impl IntoIterator<Item = usize>) -> BTreeMap<i64, usize> {
        places.into_iter().fold(BTreeMap::new(), |mut bins, place| {
            *bins.entry(videos[place].1[0]).or_default() += 1;
            bins
        })
    }

    #[test]
    fn every_bin_gives_k_videos_or_all_it_has() {
        let videos = videos();
        let available = bins(&videos, 0..videos.len());
        for k in [0, 1, 2, 4, 8, 1000] {
            for nested in [true, false] {
                let expected: BTreeMap<i64, usize> =
                    available.iter().map(|(&bin, &n)| (bin, n.min(k))).filter(|&(_, n)| n > 0).collect();
                assert_eq!(bins(&videos, few_shot(&videos, k, 1, nested)), expected, "{k} shots");
            }
        }
    }

    #[test]
    fn a_sample_in_several_bins_is_drawn_once_and_counts_in_each() {
        let both = |name: &'static str, bins: &[i64]| (name, bins.to_vec());
        let records = [both("a", &[0, 3]), both("b", &[0, 2]), both("c", &[1, 2]), both("d", &[]), both("e", &[1, 3])];
        let drawn = few_shot(&records, 1, 1, true);
        let distinct: BTreeSet<usize> = drawn.iter().copied().collect();
        assert_eq!((distinct.len(), distinct.contains(&3)), (drawn.len(), false), "{drawn:?}");
        for bin in 0..4 {
            assert!(drawn.iter().any(|&place| records[place].1.contains(&bin)), "{drawn:?}");
        }
    }

    #[test]
    fn nested_draws_hold_the_smaller_ones_and_others_do_not() {
        let videos = videos();
        for seed in 1..=3 {
            for (fewer, more) in [(1, 2), (2, 4), (4, 8)] {
                assert!(set(names(&videos, fewer, seed, true)).is_subset(&set(names(&videos, more, seed, true))));
                assert!(!set(names(&videos, fewer, seed, false)).is_subset(&set(names(&videos, more, seed, false))));
            }
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter_and_the_seed_does() {
        let videos = videos();
        let mut shuffled = videos.clone();
        Stream::new(4, "test/few-shot", 0).shuffle(&mut shuffled);
        assert_ne!(videos, shuffled);
        for k in [1, 4] {
            assert_eq!(names(&videos, k, 1, true), names(&shuffled, k, 1, true));
            assert_ne!(names(&videos, k, 1, true), names(&videos, k, 2, true));
        }
    }

    #[test]
    fn a_video_that_leaves_changes_only_its_own_place() {
        let videos = videos();
        let before = names(&videos, 2, 1, true);
        let fewer: Vec<_> = videos.iter().filter(|(name, _)| *name != before[10]).cloned().collect();
        let after = set(names(&fewer, 2, 1, true));
        assert_eq!(before.iter().filter(|&name| !after.contains(name)).collect::<Vec<_>>(), [&before[10]]);
    }

    #[test]
    fn every_video_of_a_bin_is_equally_likely() {
        let videos = ["a", "b", "c", "d"].map(|name| (name, vec![50]));
        let mut counts = [0i32; 4];
        (0..4000).for_each(|seed| counts[few_shot(&videos, 1, seed, true)[0]] += 1);
        // Five standard deviations of a binomial(4000, 1/4).
        assert!(counts.iter().all(|count| (count - 1000).abs() < 137), "{counts:?}");
    }
}
