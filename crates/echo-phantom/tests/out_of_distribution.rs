//! Loops that are no beating heart: each kind is what it says, and the data set says so.

use std::collections::BTreeMap;
use std::fs;

use echo_phantom::{FRAME_SIZE, OutOfDistribution, PhantomError, are_phantoms, write_out_of_distribution};

const PIXELS: usize = FRAME_SIZE * FRAME_SIZE;

#[test]
fn loops_are_a_function_of_kind_seed_and_number() {
    let mut seen = BTreeMap::new();
    for kind in OutOfDistribution::ALL {
        let rendered = kind.render(4, 2).unwrap();
        assert_eq!(rendered, kind.render(4, 2).unwrap(), "{kind:?}");
        assert!(rendered.frame_count() > 20 && rendered.frames.len() % PIXELS == 0 && rendered.fps > 20);
        if kind != OutOfDistribution::Blank {
            for other in [kind.render(4, 3).unwrap(), kind.render(5, 2).unwrap()] {
                assert_ne!(rendered.frames[..PIXELS], other.frames[..PIXELS], "{kind:?}");
            }
        }
        assert_eq!(seen.insert(rendered.frames[..PIXELS].to_vec(), kind), None);
    }
}

#[test]
fn frozen_loops_stand_still_blank_ones_are_blank_and_all_others_change() {
    for kind in OutOfDistribution::ALL {
        for number in 0..3 {
            let rendered = kind.render(1, number).unwrap();
            let first = &rendered.frames[..PIXELS];
            let is_still = rendered.frames.chunks_exact(PIXELS).all(|frame| frame == first);
            let is_blank = rendered.frames.iter().all(|&grey| grey == first[0]);
            let expected = (
                matches!(kind, OutOfDistribution::Frozen | OutOfDistribution::Blank),
                kind == OutOfDistribution::Blank,
            );
            assert_eq!((is_still, is_blank), expected, "{kind:?} {number}");
        }
    }
}

/// A trace has columns, most of which stay where they are while the newest is drawn.
#[test]
fn traces_move_on_by_a_column_a_frame() {
    use OutOfDistribution::{ContinuousDoppler, MMode, PulsedDoppler};
    for kind in [MMode, PulsedDoppler, ContinuousDoppler] {
        let frames = kind.render(2, 0).unwrap().frames;
        let (one, next) = (&frames[10 * PIXELS..11 * PIXELS], &frames[11 * PIXELS..12 * PIXELS]);
        let changed = (0..FRAME_SIZE).filter(|column| {
            (0..FRAME_SIZE).any(|row| one[row * FRAME_SIZE + column] != next[row * FRAME_SIZE + column])
        });
        assert!((1..=2).contains(&changed.count()), "{kind:?}");
    }
}

#[test]
fn the_data_set_is_laid_out_as_others_and_has_no_ejection_fraction() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("other");
    let summary = write_out_of_distribution(&out, 13, 1, &|_, _| true).unwrap();
    assert_eq!(summary.videos, 13);
    let list = fs::read_to_string(out.join("FileList.csv")).unwrap();
    assert!(list.starts_with("FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n"), "{list}");
    assert!(list.lines().skip(1).all(|row| row.contains(",,,,112,112,") && row.ends_with(",TEST")), "{list}");
    let findings = fs::read_to_string(out.join("Findings.csv")).unwrap();
    for kind in OutOfDistribution::ALL {
        let count = findings.lines().filter(|row| row.ends_with(&format!(",{}", kind.name()))).count();
        assert_eq!(count, 1 + usize::from(kind <= OutOfDistribution::Kidney), "{findings}");
    }
    let videos: Vec<_> = fs::read_dir(out.join("Videos")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(videos.len(), 13);
    assert!(are_phantoms(&out, videos.iter().map(|path| path.as_path())).unwrap());

    let stopped = write_out_of_distribution(&folder.path().join("stopped"), 5, 1, &|_, _| false).unwrap_err();
    assert!(matches!(stopped, PhantomError::Stopped(_)) && !folder.path().join("stopped").exists());
    assert!(matches!(
        write_out_of_distribution(&folder.path().join("none"), 0, 1, &|_, _| true),
        Err(PhantomError::NoVideos)
    ));
}
