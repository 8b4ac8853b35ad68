//! Standard views as they are rendered, pixel by pixel: they beat, they can be told apart, and so can grades of quality.

use echo_phantom::{
    DISCS, FRAME_SIZE, ImageQuality, Phantom, Population, Purpose, Quality, Setting, Tracing, View, Views,
};

const PIXELS: usize = FRAME_SIZE * FRAME_SIZE;

fn phantom(view: View, quality: Quality, index: u64, ef: f64) -> Phantom {
    let setting = Setting { views: Views::Only(view), quality, ..Setting::default() };
    Phantom::draw_with(6, index, Population::Target(ef), setting).unwrap()
}

/// Grey levels on chords, at these shares of their length (0 the middle, 1 the ends), where the picture has them.
fn on_chords(frame: &[u8], tracing: &Tracing, shares: &[f64]) -> Vec<f64> {
    // Ends of the cavity are apex and valve.
    let chords = &tracing.chords[DISCS / 4..3 * DISCS / 4];
    let places = chords.iter().flat_map(|[from, to]| {
        let at = move |share: f64| {
            let between = |a: f64, b: f64| 0.5 * (a + b) + 0.5 * share * (b - a);
            (between(from.0, to.0).round(), between(from.1, to.1).round())
        };
        shares.iter().flat_map(move |share| [at(*share), at(-share)])
    });
    let inside = |value: &f64| (0.0..FRAME_SIZE as f64).contains(value);
    let seen = places.filter(|(x, y)| inside(x) && inside(y));
    seen.map(|(x, y)| f64::from(frame[y as usize * FRAME_SIZE + x as usize])).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (ma, mb) = (mean(a), mean(b));
    let product: Vec<f64> = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).collect();
    mean(&product) / (deviation(a) * deviation(b))
}

/// The muscle that comes into the relaxed cavity's place makes it brighter, the more the emptier the heart is.
#[test]
fn the_rendered_cavity_empties_with_the_volume_in_every_view() {
    for view in View::ALL {
        let phantom = phantom(view, Quality::Easy, 1, 60.0);
        let relaxed = &phantom.tracings()[0];
        let which: Vec<usize> = (0..60).step_by(3).collect();
        let frames = phantom.render_frames(&which);
        let shares = [0.65, 0.75, 0.85, 0.92];
        let dark: Vec<f64> =
            frames.chunks_exact(PIXELS).map(|frame| -mean(&on_chords(frame, relaxed, &shares))).collect();
        let volumes: Vec<f64> = which.iter().map(|&frame| phantom.cavities()[frame].volume).collect();
        let found = correlation(&dark, &volumes);
        assert!(found > 0.85, "{view:?}: {found}");
    }
}

/// A view whose pictures are nearer to the mean picture of another is none of its own.
#[test]
fn views_can_be_told_apart_by_their_mean_pictures() {
    const HEARTS: usize = 8;
    const BLOCKS: usize = 2 * 14 * 14;
    let pictures: Vec<Vec<Vec<f64>>> = View::ALL
        .map(|view| {
            let picture = |heart: usize| {
                let phantom = phantom(view, Quality::Easy, 20 + heart as u64, 58.0);
                let [full, empty] = phantom.tracings();
                // With valves shut, and open in early filling.
                let filling = (empty.frame + phantom.acquisition.fps as usize / 5).min(phantom.frame_count() - 1);
                let frames = phantom.render_frames(&[full.frame, filling]);
                // Blocks of 8 x 8 pixels: places of chambers, not speckle.
                let block = |i: usize| {
                    let first = i / 14 * 8 * FRAME_SIZE + 8 * (i % 14);
                    let pixels = (0..64).map(|j| f64::from(frames[first + j / 8 * FRAME_SIZE + j % 8]));
                    pixels.sum::<f64>() / 64.0
                };
                (0..BLOCKS).map(block).collect()
            };
            (0..HEARTS).map(picture).collect()
        })
        .into();
    let mut right = 0;
    for (view, own) in pictures.iter().enumerate() {
        for (heart, picture) in own.iter().enumerate() {
            let distance = |other: usize| {
                // Without the same heart, which is one of the nearest in any view.
                let others: Vec<&Vec<f64>> =
                    pictures[other].iter().enumerate().filter(|(i, _)| *i != heart).map(|(_, p)| p).collect();
                let block = |i: usize| others.iter().map(|other| other[i]).sum::<f64>() / others.len() as f64;
                (0..BLOCKS).map(|i| (picture[i] - block(i)).powi(2)).sum::<f64>()
            };
            let nearest = (0..9).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
            right += usize::from(nearest == view);
        }
    }
    // By chance 8 of 72.
    assert!(right >= 54, "{right} of {}", 9 * HEARTS);
}

/// How clearly wall and cavity differ, in deviations of their grey levels.
fn clearness(phantom: &Phantom) -> f64 {
    let relaxed = &phantom.tracings()[0];
    let frame = phantom.render_frames(&[relaxed.frame]);
    let cavity = on_chords(&frame, relaxed, &[0.1, 0.3, 0.5, 0.65]);
    let wall = on_chords(&frame, relaxed, &[1.12, 1.2, 1.28]);
    (mean(&wall) - mean(&cavity)) / (deviation(&wall) + deviation(&cavity) + 1.0)
}

#[test]
fn better_grades_show_the_borders_more_clearly() {
    let mut found: [Vec<f64>; 3] = Default::default();
    for number in 0..150 {
        let setting = Setting { quality: Quality::Graded, ..Setting::default() };
        let phantom = Phantom::of_with(3, Purpose::Test, number, setting).unwrap();
        let grade = phantom.findings().image_quality.unwrap();
        found[grade as usize].push(clearness(&phantom));
    }
    let [poor, medium, good] = ImageQuality::ALL.map(|grade| &found[grade as usize]);
    assert!(mean(medium) > 1.25 * mean(poor) && mean(good) > 1.25 * mean(medium), "{found:?}");
    // Single pictures, too: a grade is no matter of averages.
    let pairs = good.iter().flat_map(|good| poor.iter().map(move |poor| good > poor));
    let share = pairs.clone().filter(|is_better| *is_better).count() as f64 / pairs.count() as f64;
    assert!(share > 0.9, "{share}");
}
