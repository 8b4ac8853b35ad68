//! From samples to red, green and blue.

use super::samples::Samples;

/// What samples mean (PS3.3, C.7.6.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Photometric {
    /// Grey, 0 is white.
    Monochrome1,
    /// Grey, 0 is black.
    Monochrome2,
    Palette,
    Rgb,
    /// Luma and chroma of BT.601 over the full range.
    Ybr,
    /// The same, where two pixels of a row share chroma in uncompressed bytes.
    Ybr422,
    /// Luma and chroma that decoding JPEG 2000 turns into RGB.
    YbrOfJpeg2000,
}

impl Photometric {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "MONOCHROME1" => Self::Monochrome1,
            "MONOCHROME2" => Self::Monochrome2,
            "PALETTE COLOR" => Self::Palette,
            "RGB" => Self::Rgb,
            "YBR_FULL" => Self::Ybr,
            "YBR_FULL_422" => Self::Ybr422,
            "YBR_RCT" | "YBR_ICT" => Self::YbrOfJpeg2000,
            _ => return None,
        })
    }

    /// Samples of a pixel.
    pub(crate) fn channels(self) -> usize {
        match self {
            Self::Monochrome1 | Self::Monochrome2 | Self::Palette => 1,
            Self::Rgb | Self::Ybr | Self::Ybr422 | Self::YbrOfJpeg2000 => 3,
        }
    }
}

/// How samples become colours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Colours {
    /// By a table of as many entries as a sample has values, of which `mask` keeps the bits; larger samples are the last entry.
    Table { mask: u16, table: Vec<[u8; 3]> },
    /// Three channels of so many bits, red, green and blue.
    Rgb { bits: u8 },
    /// Three channels of so many bits, luma and chroma.
    Ybr { bits: u8 },
}

/// How grey values are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grey {
    pub(crate) inverted: bool,
    pub(crate) stored: u8,
    pub(crate) signed: bool,
    /// Centre and width of what is shown from black to white, after slope and intercept.
    pub(crate) window: Option<[f64; 2]>,
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
}

impl Grey {
    /// The level, 0 to 255, of every value.
    pub(crate) fn colours(&self) -> Colours {
        let values = 1u32 << self.stored;
        let level = |raw: u32| {
            let value =
                if self.signed && raw >= values / 2 { f64::from(raw) - f64::from(values) } else { f64::from(raw) };
            let share = match self.window.filter(|_| self.stored > 8) {
                // PS3.3, C.11.2.1.2.1.
                Some([centre, width]) => {
                    let value = value * self.slope + self.intercept;
                    ((value - (centre - 0.5)) / (width - 1.0).max(f64::MIN_POSITIVE) + 0.5).clamp(0.0, 1.0)
                }
                None => {
                    let least = if self.signed { f64::from(values) / 2.0 } else { 0.0 };
                    // The upper eight bits.
                    return ((value + least) as u32 >> self.stored.saturating_sub(8)) as u8;
                }
            };
            (share * 255.0).round() as u8
        };
        let shown = |raw| if self.inverted { 255 - level(raw) } else { level(raw) };
        Colours::Table { mask: (values - 1) as u16, table: (0..values).map(|raw| [shown(raw); 3]).collect() }
    }
}

/// The colours of a palette (PS3.3, C.7.9): per channel, its descriptor (entries, first index, bits) and its values.
pub(crate) fn palette(descriptors: [&[u16]; 3], values: [&[u8]; 3], words: [&[u16]; 3]) -> Result<Colours, String> {
    let mut table: Vec<[u8; 3]> = Vec::new();
    for channel in 0..3 {
        let &[entries, first, bits] = descriptors[channel] else {
            return Err("its palette has no descriptor of three numbers".to_owned());
        };
        let entries = if entries == 0 { 1 << 16 } else { usize::from(entries) };
        let levels: Vec<u8> = match bits {
            16 => words[channel].iter().map(|word| (word >> 8) as u8).collect(),
            // Of eight bits, but each in a word.
            8 if values[channel].len() >= 2 * entries => words[channel].iter().map(|&word| word as u8).collect(),
            8 => values[channel].to_vec(),
            _ => return Err(format!("its palette has entries of {bits} bits")),
        };
        let levels = levels.get(..entries).filter(|levels| !levels.is_empty());
        let levels = levels.ok_or_else(|| format!("its palette has fewer than the {entries} entries it declares"))?;
        // Smaller indices are the first entry, larger ones the last.
        let first = usize::from(first);
        let size = first + entries;
        table.resize(table.len().max(size), [0; 3]);
        for (index, colour) in table.iter_mut().enumerate() {
            colour[channel] = levels[index.saturating_sub(first).min(entries - 1)];
        }
    }
    Ok(Colours::Table { mask: u16::MAX, table })
}

impl Colours {
    /// Writes RGB, `[pixels, 3]`.
    pub(crate) fn write(&self, samples: &Samples, out: &mut [u8]) {
        let pixels = out.as_chunks_mut::<3>().0.iter_mut();
        match (self, samples) {
            (Self::Table { mask, table }, Samples::Eight(samples)) => {
                let colour = |sample: u8| table[usize::from(u16::from(sample) & mask).min(table.len() - 1)];
                pixels.zip(samples).for_each(|(pixel, &sample)| *pixel = colour(sample));
            }
            (Self::Table { mask, table }, Samples::Sixteen(samples)) => {
                let colour = |sample: u16| table[usize::from(sample & mask).min(table.len() - 1)];
                pixels.zip(samples).for_each(|(pixel, &sample)| *pixel = colour(sample));
            }
            (Self::Rgb { .. }, Samples::Eight(samples)) => out.copy_from_slice(samples),
            (Self::Rgb { bits }, Samples::Sixteen(samples)) => {
                let shift = bits.saturating_sub(8);
                out.iter_mut().zip(samples).for_each(|(level, &sample)| *level = (sample >> shift) as u8);
            }
            (Self::Ybr { .. }, Samples::Eight(samples)) => {
                pixels.zip(samples.as_chunks::<3>().0).for_each(|(pixel, &ybr)| *pixel = rgb(ybr));
            }
            (Self::Ybr { bits }, Samples::Sixteen(samples)) => {
                let shift = bits.saturating_sub(8);
                let eight = |ybr: [u16; 3]| ybr.map(|sample| (sample >> shift) as u8);
                pixels.zip(samples.as_chunks::<3>().0).for_each(|(pixel, &ybr)| *pixel = rgb(eight(ybr)));
            }
        }
    }
}

/// Full-range BT.601 (PS3.3, C.7.6.3.1.2), rounded to the nearest level.
pub(crate) fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    const fn fixed(factor: f64) -> i32 {
        (factor * 65_536.0 + 0.5) as i32
    }
    let (y, cb, cr) = (i32::from(y) << 16, i32::from(cb) - 128, i32::from(cr) - 128);
    let level = |value: i32| ((value + (1 << 15)) >> 16).clamp(0, 255) as u8;
    [
        level(y + fixed(1.402) * cr),
        level(y - fixed(0.344_136) * cb - fixed(0.714_136) * cr),
        level(y + fixed(1.772) * cb),
    ]
}

/// Uncompressed pixels, of which two of a row share chroma, `[pairs, (y, y, cb, cr)]`, to `[pixels, (y, cb, cr)]`.
pub(crate) fn expand_422(bytes: &[u8]) -> Vec<u8> {
    bytes.as_chunks::<4>().0.iter().flat_map(|&[first, second, cb, cr]| [first, cb, cr, second, cb, cr]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(colours: &Colours, samples: Samples, pixels: usize) -> Vec<u8> {
        let mut out = vec![0; pixels * 3];
        colours.write(&samples, &mut out);
        out
    }

    const GREY: Grey = Grey { inverted: false, stored: 8, signed: false, window: None, slope: 1.0, intercept: 0.0 };

    #[test]
    fn grey_is_scaled_inverted_and_windowed() {
        let level = |grey: Grey, raw: u16| shown(&grey.colours(), Samples::Sixteen(vec![raw]), 1)[0];
        assert_eq!(shown(&GREY.colours(), Samples::Eight(vec![0, 7, 255]), 3), [0, 0, 0, 7, 7, 7, 255, 255, 255]);
        assert_eq!(level(Grey { inverted: true, ..GREY }, 7), 248);
        let twelve = Grey { stored: 12, ..GREY };
        assert_eq!((level(twelve, 4095), level(twelve, 0x7ff), level(twelve, 0xf000 | 0x7ff)), (255, 127, 127));
        let signed = Grey { signed: true, ..twelve };
        assert_eq!((level(signed, 0x800), level(signed, 0), level(signed, 0x7ff)), (0, 128, 255));
        let windowed = Grey { window: Some([1000.0, 201.0]), slope: 2.0, intercept: 0.0, ..twelve };
        assert_eq!((level(windowed, 440), level(windowed, 500), level(windowed, 560)), (0, 128, 255));
    }

    #[test]
    fn palettes_have_a_first_index_and_entries_of_two_widths() {
        let words: &[u16] = &[0x0100, 0x0200, 0xff00];
        let bytes: &[u8] = &[0, 1, 0, 2, 0, 255];
        let wide = palette([&[3, 2, 16]; 3], [bytes; 3], [words; 3]).unwrap();
        assert_eq!(shown(&wide, Samples::Eight(vec![0, 3, 9]), 3), [1, 1, 1, 2, 2, 2, 255, 255, 255]);
        let narrow = palette([&[6, 0, 8]; 3], [bytes; 3], [words; 3]).unwrap();
        assert_eq!(shown(&narrow, Samples::Sixteen(vec![3, 5]), 2), [2, 2, 2, 255, 255, 255]);
        assert!(palette([&[9, 0, 16]; 3], [bytes; 3], [words; 3]).unwrap_err().contains("fewer than the 9"));
        assert!(palette([&[3, 0, 12]; 3], [bytes; 3], [words; 3]).unwrap_err().contains("12 bits"));
    }

    #[test]
    fn luma_and_chroma_are_those_of_jpeg() {
        assert_eq!(rgb([128, 128, 128]), [128; 3]);
        // The primaries as JFIF writes them.
        for (ybr, expected) in
            [([76, 85, 255], [254, 0, 0]), ([150, 44, 21], [0, 255, 1]), ([29, 255, 107], [0, 0, 254])]
        {
            assert_eq!(rgb(ybr), expected);
        }
        assert_eq!(expand_422(&[1, 2, 3, 4]), [1, 3, 4, 2, 3, 4]);
    }
}
