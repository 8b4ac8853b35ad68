//! Inputs that the tests make for themselves.

use std::path::{Path, PathBuf};

use echo_video::AviWriter;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// Frame `number` of a moving picture, `[height, width, 3]`: grey waves, a coloured patch and a bright dot that wanders.
pub fn picture(width: usize, height: usize, number: usize) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let wave = (0.21 * x as f64 + 0.13 * y as f64 + 0.7 * number as f64).sin();
            let grey = (110.0 + 70.0 * wave) as u8;
            let patch = x * 3 > width && x * 3 < 2 * width && y * 2 < height;
            let dot = x.abs_diff((3 * number) % width) < 3 && y.abs_diff(height / 2) < 3;
            pixels.extend(match (dot, patch) {
                (true, _) => [250, 250, 250],
                (false, true) => [grey, grey / 2, 200 - grey / 2],
                (false, false) => [grey, grey, grey],
            });
        }
    }
    pixels
}

/// How to compress.
#[derive(Clone, Copy)]
pub struct Jpeg {
    pub sampling: SamplingFactor,
    pub restart: u16,
    pub grey: bool,
}

impl Default for Jpeg {
    fn default() -> Self {
        Self { sampling: SamplingFactor::F_2_2, restart: 0, grey: false }
    }
}

impl Jpeg {
    pub fn encode(self, width: usize, height: usize, rgb: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 92);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_restart_interval(self.restart);
        let luma: Vec<u8> = rgb.iter().step_by(3).copied().collect();
        let (pixels, color) = if self.grey { (&luma[..], ColorType::Luma) } else { (rgb, ColorType::Rgb) };
        encoder.encode(pixels, width as u16, height as u16, color).unwrap();
        bytes
    }
}

pub fn jpegs(width: usize, height: usize, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| Jpeg::default().encode(width, height, &picture(width, height, number))).collect()
}

pub fn write_avi(path: &Path, width: usize, height: usize, jpegs: &[Vec<u8>]) {
    let mut writer = AviWriter::create(path, width, height, 50u32).unwrap();
    jpegs.iter().for_each(|jpeg| writer.push(jpeg).unwrap());
    writer.finish().unwrap();
}

/// A folder of its own with `name` in it, made of `bytes`.
pub fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// The bytes of a small AVI with `count` frames of 48x32.
pub fn small_avi(count: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.avi");
    write_avi(&path, 48, 32, &jpegs(48, 32, count));
    std::fs::read(path).unwrap()
}

/// Where `needle` is in `bytes` for the `nth` time.
pub fn find(bytes: &[u8], needle: &[u8], nth: usize) -> usize {
    bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle).nth(nth).unwrap().0
}

/// Mean and largest difference.
pub fn difference(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
    let max = a.iter().zip(b).map(|(&a, &b)| a.abs_diff(b)).max().unwrap();
    (sum as f64 / a.len() as f64, max)
}
