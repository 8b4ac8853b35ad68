//! Released few-shot lists of EchoNet-Dynamic, read from the folder `splits` of `$ECHOZOO_TEST_DATA`. They hold
//! patients' data and are not in the repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use echo_data::{DataError, DatasetConfig, Split, Target, few_shot, read_dataset, read_split_file};

/// Shots and training videos.
const LISTS: [(usize, usize); 4] = [(1, 84), (2, 162), (4, 307), (8, 570)];

#[test]
fn the_released_lists_have_their_counts_and_the_sampler_draws_as_many() -> Result<(), DataError> {
    let Some(folder) = std::env::var_os("ECHOZOO_TEST_DATA").map(PathBuf::from) else {
        // Not even where skipping is forbidden: nothing can install patients' data.
        eprintln!("skipped: ECHOZOO_TEST_DATA does not name a folder with the released lists");
        return Ok(());
    };
    let ef = Target::shipped("ef");
    let mut pool: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (shots, videos) in LISTS {
        let list = folder.join(format!("splits/FileList_{shots}_shot_mediam.csv"));
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::copy(&list, dir.path().join("FileList.csv")).expect("the list can be copied");
        fs::create_dir(dir.path().join("Videos")).expect("a folder in the temporary folder");
        for name in listed(&list) {
            fs::write(dir.path().join(format!("Videos/{name}.avi")), "").expect("a file in the temporary folder");
        }

        let data = read_dataset(dir.path(), &DatasetConfig::echonet(), &ef)?;
        assert!(data.report.missing.is_empty() && data.report.without_target.is_empty());
        let names: Vec<&str> = data.videos.iter().map(|video| video.name.as_str()).collect();
        let split = read_split_file(&list, &names, &DatasetConfig::echonet())?;
        assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (videos, 600, 1277), "{shots} shots");
        assert!(split.unknown.is_empty() && split.duplicates.is_empty() && data.report.duplicates.is_empty());
        assert!(split.train.iter().all(|&place| data.videos[place].split == Split::Train));
        let train: Vec<_> = split
            .train
            .iter()
            .map(|&place| (data.videos[place].name.clone(), ef.bins_of(&data.videos[place].truth)))
            .collect();
        // The released lists keep to the rule: drawing as many again leaves nothing out.
        assert_eq!(few_shot(&train, shots, 1, true).len(), videos);
        assert!(few_shot(&train, shots - 1, 1, true).len() < videos);
        pool.extend(train);
    }
    // Every bin of all lists together holds at least as many as the 8-shot list took from it, so the sampler must find
    // the released counts again.
    let pool: Vec<(String, Vec<i64>)> = pool.into_iter().collect();
    for (shots, videos) in LISTS {
        assert_eq!(few_shot(&pool, shots, 1, true).len(), videos, "{shots} shots of {}", pool.len());
    }
    Ok(())
}

/// The names in a released list.
fn listed(list: &std::path::Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(list).expect("a list");
    let column = reader.headers().expect("a header").iter().position(|name| name == "FileName").expect("names");
    reader.records().map(|record| record.expect("a row")[column].trim_end_matches(".avi").to_owned()).collect()
}
