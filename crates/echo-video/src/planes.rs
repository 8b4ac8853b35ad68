//! A Motion-JPEG frame to its colour planes, each at its own resolution.
//!
//! zune-jpeg enlarges subsampled chroma smoothly and does not hand out the planes themselves, whereas OpenCV and ffmpeg,
//! with which the published models were trained, repeat each sample: at coloured edges up to 145 of 255 levels lie
//! between the two. So the scan is first taken apart: the bits of each component's blocks, which need no change since a
//! component predicts only from itself, become a grey JPEG of their own, one row of minimum coded units to a row of
//! blocks. zune-jpeg decodes those. On the way every code of the scan is checked, so damage is found here.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::bits::{BitReader, BitWriter};
use crate::huffman::{END_OF_BLOCK, HuffmanTable, STANDARD_TABLES, Step};
use crate::jpeg::JpegHeader;

/// One component's samples, `[rows, stride]`, at least as many as the picture needs.
#[derive(Debug, PartialEq)]
pub(crate) struct Plane {
    pub(crate) samples: Vec<u8>,
    pub(crate) stride: usize,
    /// How many columns of the picture share a sample.
    pub(crate) h_ratio: usize,
    /// How many rows of the picture share a sample.
    pub(crate) v_ratio: usize,
}

/// How the frame is cut into minimum coded units.
struct Grid {
    units_x: usize,
    units_y: usize,
    h_max: usize,
    v_max: usize,
    /// Sampling factors; a single component is always in raster order, whatever it declares.
    factors: Vec<(usize, usize)>,
}

impl Grid {
    fn new(header: &JpegHeader<'_>) -> Self {
        let factors: Vec<_> = match header.components.as_slice() {
            [_] => vec![(1, 1)],
            several => several.iter().map(|c| (usize::from(c.h), usize::from(c.v))).collect(),
        };
        let h_max = factors.iter().map(|factor| factor.0).max().unwrap_or(1).max(1);
        let v_max = factors.iter().map(|factor| factor.1).max().unwrap_or(1).max(1);
        let (units_x, units_y) = (header.width.div_ceil(8 * h_max), header.height.div_ceil(8 * v_max));
        Self { units_x, units_y, h_max, v_max, factors }
    }
}

/// Whether a frame of Motion-JPEG is decoded here; the others (progressive, lossless, 12 bits, four components, RGB,
/// fields) are for ffmpeg.
pub(crate) fn is_supported(header: &JpegHeader<'_>) -> bool {
    has_planes(header) && !header.field && !header.not_ycc()
}

/// Whether [`planes`] takes such frames: sequential ones of 8 bits in one scan.
pub(crate) fn has_planes(header: &JpegHeader<'_>) -> bool {
    let count = header.components.len();
    let ids: Vec<u8> = header.components.iter().map(|component| component.id).collect();
    let grid = Grid::new(header);
    let factors = grid.factors.iter().all(|&(h, v)| {
        (1..=4).contains(&h)
            && (1..=4).contains(&v)
            && grid.h_max.is_multiple_of(h)
            && grid.v_max.is_multiple_of(v)
            // The grey JPEGs must be describable too.
            && grid.units_x * h * v * 8 <= usize::from(u16::MAX)
            && usize::from(header.restart) * h * v <= usize::from(u16::MAX)
    });
    let full_luma = grid.factors.first() == Some(&(grid.h_max, grid.v_max));
    let one_scan = header.scan.len() == 4 + 2 * count
        && header.scan.first().is_some_and(|&n| usize::from(n) == count)
        && header.scan[1..].chunks_exact(2).zip(&ids).all(|(entry, id)| entry[0] == *id);
    matches!(count, 1 | 3)
        && factors
        && full_luma
        && one_scan
        && header.precision == 8
        && matches!(header.process, 0xc0 | 0xc1)
        && grid.units_y * 8 <= usize::from(u16::MAX)
}

/// Decodes the planes of a frame that [`has_planes`]; else, says what is wrong with it.
pub(crate) fn planes(header: &JpegHeader<'_>) -> Result<Vec<Plane>, String> {
    let grid = Grid::new(header);
    let standard = [&STANDARD_TABLES[4..]];
    let tables = tables(if header.huffman.is_empty() { &standard } else { &header.huffman })?;
    let components = split(header, &grid, &tables)?;
    let mut planes = Vec::with_capacity(components.len());
    for (component, &(h, v)) in components.iter().zip(&grid.factors) {
        let jpeg = component.grey_jpeg(header, &grid);
        let options = DecoderOptions::default()
            .set_max_width(usize::from(u16::MAX))
            .set_max_height(usize::from(u16::MAX))
            .set_strict_mode(true)
            .jpeg_set_out_colorspace(ColorSpace::Luma);
        let blocks = JpegDecoder::new_with_options(ZCursor::new(&jpeg), options)
            .decode()
            .map_err(|error| format!("corrupt JPEG: {error:?}"))?;
        let expected = grid.units_x * grid.units_y * h * v * 64;
        if blocks.len() != expected {
            return Err(format!("corrupt JPEG: {} samples instead of {expected}", blocks.len()));
        }
        let stride = grid.units_x * h * 8;
        let samples = if h * v == 1 { blocks } else { reorder(&blocks, stride, h, v) };
        planes.push(Plane { samples, stride, h_ratio: grid.h_max / h, v_ratio: grid.v_max / v });
    }
    Ok(planes)
}

/// From rows of blocks in the order of the scan to rows of the picture.
fn reorder(blocks: &[u8], stride: usize, h: usize, v: usize) -> Vec<u8> {
    let mut samples = vec![0; blocks.len()];
    let unit_row = stride * v * 8;
    for (from, to) in blocks.chunks_exact(unit_row).zip(samples.chunks_exact_mut(unit_row)) {
        for (y, line) in from.chunks_exact(stride * v).enumerate() {
            for (unit, blocks) in line.chunks_exact(8 * h * v).enumerate() {
                for (row, blocks) in blocks.chunks_exact(8 * h).enumerate() {
                    let at = (row * 8 + y) * stride + unit * h * 8;
                    to[at..at + 8 * h].copy_from_slice(blocks);
                }
            }
        }
    }
    samples
}

/// A component's part of the scan.
struct Coded<'a> {
    blocks_per_unit: usize,
    quantisation: u8,
    dc: &'a Table<'a>,
    ac: &'a Table<'a>,
    writer: BitWriter,
    /// Compressed pixels with stuffing and restart markers.
    data: Vec<u8>,
}

/// A Huffman table and the bytes that define it.
struct Table<'a> {
    table: HuffmanTable,
    definition: &'a [u8],
}

/// DC tables 0 to 3, then AC tables 0 to 3.
fn tables<'a>(segments: &[&'a [u8]]) -> Result<[Option<Table<'a>>; 8], String> {
    let mut tables = [const { None }; 8];
    for &segment in segments {
        let mut rest = segment;
        while let [kind, tail @ ..] = rest {
            let bad = || format!("corrupt JPEG: bad Huffman table {kind:#04x}");
            let lengths: &[u8; 16] = tail.first_chunk().ok_or_else(bad)?;
            let count: usize = lengths.iter().map(|&count| usize::from(count)).sum();
            let symbols = tail.get(16..16 + count).ok_or_else(bad)?;
            let (class, id) = (usize::from(kind >> 4), usize::from(kind & 15));
            if class > 1 || id > 3 {
                return Err(bad());
            }
            let table = HuffmanTable::new(lengths, symbols, class == 0).ok_or_else(bad)?;
            let definition = &tail[..16 + count];
            tables[class * 4 + id] = Some(Table { table, definition });
            rest = &tail[16 + count..];
        }
    }
    Ok(tables)
}

impl Coded<'_> {
    /// Copies one block, whose codes it follows without interpreting the coefficients. `None` when the bits are no
    /// codes.
    fn copy_block(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        let start = bits.position();
        bits.skip(u32::from(self.dc.table.find(bits.peek())?.bits));
        let mut coefficient = 1;
        while coefficient < 64 {
            let Step { bits: taken, advance } = self.ac.table.find(bits.peek())?;
            bits.skip(u32::from(taken));
            coefficient += u32::from(advance);
        }
        self.writer.copy(bits, start);
        (coefficient <= 64 || coefficient > u32::from(END_OF_BLOCK)).then_some(())
    }

    /// Closes the bits between two restart markers.
    fn flush(&mut self) {
        for byte in self.writer.take() {
            self.data.push(byte);
            if byte == 0xff {
                self.data.push(0);
            }
        }
    }

    fn grey_jpeg(&self, header: &JpegHeader<'_>, grid: &Grid) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8];
        let mut segment = |marker: u8, content: &[&[u8]]| {
            let length = 2 + content.iter().map(|part| part.len()).sum::<usize>() as u16;
            out.extend([0xff, marker]);
            out.extend(length.to_be_bytes());
            content.iter().for_each(|part| out.extend_from_slice(part));
        };
        header.quantisation.iter().for_each(|table| segment(0xdb, &[table]));
        let width = (grid.units_x * self.blocks_per_unit * 8) as u16;
        let height = (grid.units_y * 8) as u16;
        segment(0xc0, &[&[8], &height.to_be_bytes(), &width.to_be_bytes(), &[1, 1, 0x11, self.quantisation]]);
        segment(0xc4, &[&[0x00], self.dc.definition]);
        segment(0xc4, &[&[0x10], self.ac.definition]);
        if header.restart > 0 {
            segment(0xdd, &[&(header.restart * self.blocks_per_unit as u16).to_be_bytes()]);
        }
        segment(0xda, &[&[1, 1, 0, 0, 63, 0]]);
        out.extend_from_slice(&self.data);
        out.extend([0xff, 0xd9]);
        out
    }
}

/// Distributes the scan's blocks to their components.
fn split<'a>(
    header: &JpegHeader<'_>,
    grid: &Grid,
    tables: &'a [Option<Table<'a>>; 8],
) -> Result<Vec<Coded<'a>>, String> {
    let entries = header.scan.get(1..).unwrap_or(&[]).chunks_exact(2);
    let mut components = Vec::with_capacity(header.components.len());
    for ((component, entry), &(h, v)) in header.components.iter().zip(entries).zip(&grid.factors) {
        let table = |class: usize, id: u8| {
            let table = tables.get(class * 4 + usize::from(id & 3)).and_then(Option::as_ref);
            table.filter(|_| id < 4).ok_or_else(|| format!("corrupt JPEG: there is no Huffman table {id}"))
        };
        components.push(Coded {
            blocks_per_unit: h * v,
            quantisation: component.table,
            dc: table(0, entry[1] >> 4)?,
            ac: table(1, entry[1] & 15)?,
            writer: BitWriter::default(),
            data: Vec::with_capacity(header.data.len()),
        });
    }
    let units = grid.units_x * grid.units_y;
    let interval = if header.restart == 0 { units } else { usize::from(header.restart) };
    let (mut clean, mut rest, mut done) = (Vec::with_capacity(header.data.len()), header.data, 0);
    loop {
        clean.clear();
        let (marker, tail) = unstuff(rest, &mut clean);
        let mut bits = BitReader::new(&clean);
        let end = units.min(done + interval);
        for unit in done..end {
            for component in &mut components {
                for _ in 0..component.blocks_per_unit {
                    component
                        .copy_block(&mut bits)
                        .ok_or_else(|| format!("corrupt JPEG: bad code in unit {unit} of {units}"))?;
                }
            }
            if bits.is_overrun() {
                return Err(format!("corrupt JPEG: it ends in unit {unit} of {units}"));
            }
        }
        components.iter_mut().for_each(Coded::flush);
        if end == units {
            return Ok(components);
        }
        let expected = 0xd0 + (done / interval % 8) as u8;
        if marker != Some(expected) {
            return Err(format!("corrupt JPEG: restart marker {expected:#04x} is missing after unit {end} of {units}"));
        }
        components.iter_mut().for_each(|component| component.data.extend([0xff, expected]));
        (rest, done) = (tail, end);
    }
}

/// Appends compressed pixels to `clean` without the zeros that follow each 0xff, up to the next marker; gives that and
/// what follows it.
fn unstuff<'a>(mut data: &'a [u8], clean: &mut Vec<u8>) -> (Option<u8>, &'a [u8]) {
    while let Some(at) = data.iter().position(|&byte| byte == 0xff) {
        clean.extend_from_slice(&data[..at]);
        data = &data[at + 1..];
        match data.first() {
            Some(0) => {
                clean.push(0xff);
                data = &data[1..];
            }
            // Any number of 0xff may precede a marker.
            Some(0xff) => {}
            Some(&marker) => return (Some(marker), &data[1..]),
            None => return (None, data),
        }
    }
    clean.extend_from_slice(data);
    (None, &[])
}
