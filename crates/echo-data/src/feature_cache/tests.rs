use std::fs::File;

use super::*;

fn feature() -> Feature {
    let values = vec![1.0, -2.5, f32::MIN_POSITIVE, 0.0, 4.0, 5.0];
    Feature { shape: [2, 3], values, note: "its frame times vary".to_owned() }
}

#[test]
fn a_feature_comes_back_for_its_stage_and_video_only() {
    let dir = tempfile::tempdir().unwrap();
    let cache = FeatureCache::new(dir.path());
    let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
    assert_eq!(cache.get(&stage, &video), None);
    cache.put(&stage, &video, &feature()).unwrap();
    assert_eq!(cache.get(&stage, &video), Some(feature()));
    assert_eq!(cache.get(&StageKey::new("other"), &video), None);
    assert_eq!(cache.get(&stage, &blake3::hash(b"other")), None);
    // A file put in another's place, as a copied cache might have it, is not taken for it.
    fs::create_dir_all(cache.path(&StageKey::new("other"), &video).parent().unwrap()).unwrap();
    fs::copy(cache.path(&stage, &video), cache.path(&StageKey::new("other"), &video)).unwrap();
    assert_eq!(cache.get(&StageKey::new("other"), &video), None);
}

#[test]
fn what_was_used_last_stays_and_other_files_are_let_be() {
    let dir = tempfile::tempdir().unwrap();
    let cache = FeatureCache::new(&dir.path().join("features"));
    assert_eq!(cache.usage().unwrap(), Usage::default(), "a cache that is not there yet is empty");
    let stage = StageKey::new("stage");
    let videos: Vec<blake3::Hash> = (0..4u8).map(|video| blake3::hash(&[video])).collect();
    for (age, video) in videos.iter().enumerate() {
        cache.put(&stage, video, &feature()).unwrap();
        let then = SystemTime::now() - std::time::Duration::from_secs(1000 - 100 * age as u64);
        File::options().write(true).open(cache.path(&stage, video)).unwrap().set_modified(then).unwrap();
    }
    let foreign = cache.path(&stage, &videos[0]).with_extension("txt");
    fs::write(&foreign, "mine").unwrap();
    let Usage { entries: 4, bytes } = cache.usage().unwrap() else { panic!("{:?}", cache.usage()) };
    let each = bytes / 4;

    // What a killed process was writing goes once it is old; what is being written stays, and neither is counted.
    let unfinished = ["old", "new"].map(|name| foreign.with_file_name(format!("{UNFINISHED}{name}")));
    unfinished.iter().for_each(|path| fs::write(path, "half").unwrap());
    let long_ago = SystemTime::now() - 2 * ABANDONED;
    File::options().write(true).open(&unfinished[0]).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(cache.usage().unwrap(), Usage { entries: 4, bytes });
    assert_eq!(unfinished.map(|path| path.exists()), [false, true]);

    // The oldest is used again, and so outlives the next two.
    assert!(cache.get(&stage, &videos[0]).is_some());
    assert_eq!(cache.evict(bytes).unwrap(), Usage::default());
    assert_eq!(cache.evict(2 * each + 1).unwrap(), Usage { entries: 2, bytes: 2 * each });
    let left: Vec<bool> = videos.iter().map(|video| cache.path(&stage, video).exists()).collect();
    assert_eq!(left, [true, false, false, true]);

    assert_eq!(cache.clear().unwrap(), Usage { entries: 2, bytes: 2 * each });
    assert_eq!(cache.usage().unwrap(), Usage::default());
    assert!(foreign.exists());
}

#[cfg(unix)]
#[test]
fn nothing_goes_that_a_link_leads_to() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let [cache, other] = ["cache", "other"].map(|name| FeatureCache::new(&dir.path().join(name)));
    let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
    other.put(&stage, &video, &feature()).unwrap();
    cache.put(&StageKey::new("another"), &video, &feature()).unwrap();
    let folder = |cache: &FeatureCache| cache.path(&stage, &video).parent().unwrap().to_owned();
    symlink(folder(&other), folder(&cache)).unwrap();
    assert_eq!(cache.usage().unwrap().entries, 1);
    assert_eq!(cache.clear().unwrap().entries, 1);
    assert_eq!(other.usage().unwrap().entries, 1);
    symlink(&other.dir, dir.path().join("link")).unwrap();
    assert!(FeatureCache::new(&dir.path().join("link")).clear().unwrap_err().to_string().contains("link"));
    assert_eq!(other.usage().unwrap().entries, 1);
}

fn videos(count: u32) -> Vec<blake3::Hash> {
    (0..count).map(|video| blake3::hash(&video.to_le_bytes())).collect()
}

/// The files below a folder with this ending.
fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder).unwrap() {
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn packed_features_come_back_and_have_no_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = (FeatureCache::new(dir.path()), FeatureCache::new(dir.path()));
    let (stage, other) = (StageKey::new("stage"), StageKey::new("other"));
    let videos = videos(10);
    let of = |index: usize| Feature { shape: [1, 1], values: vec![index as f32], note: String::new() };
    for (index, video) in videos.iter().enumerate() {
        writer.put(&stage, video, &of(index)).unwrap();
    }
    writer.put(&other, &videos[0], &feature()).unwrap();
    // One that is large, and one that lies in another's place.
    let large = Feature { shape: [1, 1 << 18], values: vec![0.0; 1 << 18], note: String::new() };
    writer.put(&stage, &blake3::hash(b"large"), &large).unwrap();
    fs::copy(writer.path(&stage, &videos[0]), writer.path(&stage, &blake3::hash(b"wrong"))).unwrap();
    assert_eq!(reader.get(&stage, &videos[3]), Some(of(3)));

    let Usage { entries: 13, bytes } = writer.usage().unwrap() else { panic!("{:?}", writer.usage()) };
    assert_eq!(writer.pack(12).unwrap(), Usage::default(), "11 small files of one stage, 1 of the other");
    assert_eq!(writer.pack(11).unwrap().entries, 10);
    assert_eq!(writer.pack(1).unwrap().entries, 1, "of the other stage, and the wrong one is passed over");
    assert_eq!(files_below(dir.path(), "feature").len(), 2);
    assert_eq!(files_below(dir.path(), "pack").len(), 2);
    assert!(files_below(dir.path(), "lock").is_empty());
    let after = writer.usage().unwrap();
    assert_eq!(after.entries, 13);
    assert!(after.bytes > bytes && after.bytes < bytes + 1000, "{after:?} of {bytes}");

    // Whoever looked before they were packed finds them, and so does who comes later.
    for cache in [&writer, &reader, &FeatureCache::new(dir.path())] {
        for (index, video) in videos.iter().enumerate() {
            assert!(cache.has(&stage, video));
            assert_eq!(cache.get(&stage, video), Some(of(index)));
        }
        assert_eq!(cache.get(&other, &videos[0]), Some(feature()));
        assert_eq!(cache.get(&other, &videos[1]), None);
        assert_eq!(cache.get(&stage, &blake3::hash(b"wrong")), None);
    }

    // A process that was killed after it had packed leaves both; there is no second pack of them.
    let packs = || files_below(dir.path(), "pack");
    let before = packs();
    writer.put(&stage, &videos[5], &of(5)).unwrap();
    assert_eq!(writer.pack(1).unwrap(), Usage::default());
    assert_eq!((packs(), writer.path(&stage, &videos[5]).exists()), (before, false));

    // Packs go, the one that was used last as the last, and with them what others know of them.
    let old = SystemTime::now() - Duration::from_secs(1000);
    let of_stage = files_below(&writer.folder(&stage), "pack").remove(0);
    File::options().write(true).open(&of_stage).unwrap().set_modified(old).unwrap();
    let all = writer.usage().unwrap();
    assert_eq!(FeatureCache::new(dir.path()).evict(all.bytes - 1).unwrap().entries, 10);
    assert!(!of_stage.exists());
    assert_eq!(reader.get(&stage, &videos[3]), None);
    assert_eq!(reader.get(&other, &videos[0]), Some(feature()));
    assert_eq!(writer.clear().unwrap().entries, 3);
    assert_eq!(writer.usage().unwrap(), Usage::default());
}

#[test]
fn threads_that_share_a_cache_all_find_what_was_packed_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reader) = (FeatureCache::new(dir.path()), FeatureCache::new(dir.path()));
    let videos = videos(4);
    for round in 0..100 {
        let stage = StageKey::new(&round.to_string());
        videos.iter().for_each(|video| writer.put(&stage, video, &feature()).unwrap());
        assert!(reader.has(&stage, &videos[0]), "it has looked before there are packs");
        writer.pack(1).unwrap();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    assert!(videos.iter().all(|video| reader.get(&stage, video) == Some(feature())));
                });
            }
        });
    }
}

#[test]
fn what_is_stored_anew_takes_the_place_of_what_was_packed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = FeatureCache::new(dir.path());
    let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
    let other = Feature { note: "another".to_owned(), ..feature() };
    cache.put(&stage, &video, &feature()).unwrap();
    cache.pack(1).unwrap();
    cache.put(&stage, &video, &other).unwrap();
    assert_eq!(cache.get(&stage, &video), Some(other.clone()));
    assert_eq!(cache.pack(1).unwrap().entries, 1);
    for cache in [cache, FeatureCache::new(dir.path())] {
        assert_eq!(cache.get(&stage, &video), Some(other.clone()));
    }
    // What belongs to another stage is not packed in this one's folder, and keeps no good one out.
    let cache = FeatureCache::new(dir.path());
    let (here, elsewhere) = (StageKey::new("here"), StageKey::new("elsewhere"));
    cache.put(&elsewhere, &video, &other).unwrap();
    fs::create_dir_all(cache.folder(&here)).unwrap();
    fs::copy(cache.path(&elsewhere, &video), cache.path(&here, &video)).unwrap();
    assert_eq!(cache.pack(1).unwrap().entries, 1, "the one that is where it belongs");
    cache.put(&here, &video, &feature()).unwrap();
    assert_eq!(cache.pack(1).unwrap().entries, 1);
    assert_eq!(FeatureCache::new(dir.path()).get(&here, &video), Some(feature()));
}

#[test]
fn a_pack_is_as_old_as_the_last_use_of_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let cache = FeatureCache::new(dir.path());
    let stage = StageKey::new("stage");
    let newest = SystemTime::now() - Duration::from_secs(1000);
    for (age, video) in videos(3).iter().enumerate() {
        cache.put(&stage, video, &feature()).unwrap();
        let file = File::options().write(true).open(cache.path(&stage, video)).unwrap();
        file.set_modified(newest - Duration::from_secs(age as u64)).unwrap();
    }
    cache.pack(1).unwrap();
    let pack = files_below(dir.path(), "pack").remove(0);
    assert_eq!(pack.metadata().unwrap().modified().unwrap(), newest);
}

#[test]
fn use_of_a_pack_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let cache = FeatureCache::new(dir.path());
    let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
    cache.put(&stage, &video, &feature()).unwrap();
    cache.pack(1).unwrap();
    let pack = files_below(dir.path(), "pack").remove(0);
    let old = SystemTime::now() - Duration::from_secs(1000);
    File::options().write(true).open(&pack).unwrap().set_modified(old).unwrap();
    assert!(cache.get(&stage, &video).is_some());
    assert!(pack.metadata().unwrap().modified().unwrap() > old + Duration::from_secs(900));
}

#[test]
fn many_features_are_packed_as_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let cache = FeatureCache::new(dir.path());
    let stage = StageKey::new("stage");
    let videos = videos(FeatureCache::PACKED_AT as u32 + 3);
    for video in &videos {
        cache.put(&stage, video, &feature()).unwrap();
    }
    assert_eq!(files_below(dir.path(), "pack").len(), 1);
    assert_eq!(files_below(dir.path(), "feature").len(), 3);
    assert!(videos.iter().all(|video| cache.get(&stage, video) == Some(feature())));
}

#[test]
fn whoever_packs_meanwhile_nothing_that_was_stored_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let stage = StageKey::new("stage");
    let videos = videos(600);
    std::thread::scope(|scope| {
        for part in videos.chunks(150) {
            scope.spawn(|| {
                // As processes, which know nothing of each other.
                let (writer, reader) = (FeatureCache::new(dir.path()), FeatureCache::new(dir.path()));
                for (index, video) in part.iter().enumerate() {
                    writer.put(&stage, video, &feature()).unwrap();
                    if index % 7 == 0 {
                        writer.pack(1).unwrap();
                    }
                    for stored in &part[..=index] {
                        assert!(reader.has(&stage, stored) && reader.get(&stage, stored).is_some());
                    }
                }
            });
        }
    });
    let cache = FeatureCache::new(dir.path());
    cache.pack(1).unwrap();
    assert_eq!(cache.usage().unwrap().entries, videos.len());
}

#[test]
fn no_damaged_pack_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let stage = StageKey::new("stage");
    let videos = videos(3);
    let fill = || {
        let cache = FeatureCache::new(dir.path());
        videos.iter().for_each(|video| cache.put(&stage, video, &feature()).unwrap());
        cache.pack(1).unwrap();
    };
    fill();
    let pack = files_below(dir.path(), "pack").remove(0);
    let whole = fs::read(&pack).unwrap();
    let found = || {
        let cache = FeatureCache::new(dir.path());
        let found: Vec<Feature> = videos.iter().filter_map(|video| cache.get(&stage, video)).collect();
        assert!(found.iter().all(|found| *found == feature()));
        found.len()
    };
    assert_eq!(found(), 3);
    for length in 0..whole.len() {
        fs::write(&pack, &whole[..length]).unwrap();
        assert_eq!(found(), 0, "cut to {length} bytes");
    }
    for position in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[position] ^= 1;
        fs::write(&pack, &flipped).unwrap();
        // What is damaged is one feature, or the index, and with it all; the first bytes say nothing.
        let left = if position < MAGIC.len() { 3 } else { 2 };
        assert!([0, left].contains(&found()), "byte {position} flipped");
    }
    // One that says that it has more features than a pack takes is not read into memory.
    let mut file = File::create(&pack).unwrap();
    file.write_all(b"EZPACK1\n").unwrap();
    let (size, rows) = (1u64 << 40, (1u64 << 40) / 48 - 1);
    file.set_len(size - 48).unwrap();
    let mut file = File::options().append(true).open(&pack).unwrap();
    file.write_all(&[&rows.to_le_bytes()[..], &[0; 32], b"EZPACK1\n"].concat()).unwrap();
    assert_eq!((found(), pack.metadata().unwrap().len()), (0, size));
    FeatureCache::new(dir.path()).pack(1).unwrap();
    assert!(!pack.exists(), "it is removed when it is asked for");
    // Damaged ones are computed again, and then the new ones count, before and after they are packed.
    let middle = whole.len() / 4;
    let mut flipped = whole.clone();
    flipped[middle] ^= 1;
    fs::write(&pack, &flipped).unwrap();
    assert_eq!(found(), 2);
    let cache = FeatureCache::new(dir.path());
    videos.iter().for_each(|video| {
        if cache.get(&stage, video).is_none() {
            cache.put(&stage, video, &feature()).unwrap();
        }
    });
    assert_eq!(found(), 3);
    assert_eq!(cache.pack(1).unwrap().entries, 1);
    assert_eq!(found(), 3);
}

#[test]
fn no_damaged_file_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = FeatureCache::new(dir.path());
    let (stage, video) = (StageKey::new("stage"), blake3::hash(b"video"));
    cache.put(&stage, &video, &feature()).unwrap();
    let path = cache.path(&stage, &video);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(cache.get(&stage, &video), None, "cut to {length} bytes");
    }
    for position in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[position] ^= 1;
        fs::write(&path, &flipped).unwrap();
        assert_eq!(cache.get(&stage, &video), None, "byte {position} flipped");
    }
}
