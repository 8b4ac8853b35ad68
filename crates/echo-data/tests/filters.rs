//! Crops and filters against OpenCV and PIL, by way of `reference/resize.py`: equal to the last bit.

use echo_core::{Crop, Filter};
use echo_data::{DataError, Image, Resizer, Size, crop};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    filter: Filter,
    image: String,
    frame: [usize; 2],
    crop: Crop,
    side: usize,
    hash: String,
    samples: Vec<u8>,
}

/// The formulas of `images` in `reference/resize.py`: `[height, width, 3]`.
fn image(name: &str, height: usize, width: usize) -> Vec<u8> {
    let value = |y: u64, x: u64, c: u64| match name {
        "noise" => {
            let mixed =
                ((x * 73_856_093) ^ (y * 19_349_663) ^ ((c + 1) * 83_492_791)).wrapping_mul(2_654_435_761) as u32;
            ((mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519) >> 24) as u8
        }
        "smooth" => {
            let slope = (7 * x + 5 * y * (c + 1)) % 510;
            slope.min(510 - slope) as u8
        }
        "edges" => ((x / 3 + y / 5 + c) % 2 * 255) as u8,
        _ => panic!("no formula for {name}"),
    };
    let places = (0..height as u64).flat_map(|y| (0..width as u64).map(move |x| (y, x)));
    places.flat_map(|(y, x)| [0, 1, 2].map(|c| value(y, x, c))).collect()
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn every_value_is_that_of_the_original() -> Result<(), DataError> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../reference/resize.json")).expect("a list of cases");
    for filter in [Filter::OpenCvCubic, Filter::OpenCvLinear, Filter::OpenCvArea, Filter::PilBicubic] {
        assert_eq!(cases.iter().filter(|case| case.filter == filter).count(), 63, "{filter:?}");
    }
    let mut failures = Vec::new();
    for case in &cases {
        let [height, width] = case.frame;
        let window = crop(height, width, &case.crop)?;
        let to = Size { height: case.side, width: case.side };
        let resizer = Resizer::new(case.filter, Size { height: window.height, width: window.width }, to);
        let mut out = vec![0; case.side * case.side * 3];
        resizer.run(Image::new(&image(&case.image, height, width), width, window), &mut out);
        if format!("{:016x}", fnv1a(&out)) != case.hash {
            let samples = out.iter().step_by(out.len() / 24 + 1);
            let off: Vec<_> = samples.zip(&case.samples).map(|(&a, &b)| i16::from(a) - i16::from(b)).collect();
            failures.push(format!("{:?} of {} {window:?} to {}: {off:?}", case.filter, case.image, case.side));
        }
    }
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
    Ok(())
}
