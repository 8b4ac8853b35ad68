//! Bits of a JPEG scan, most significant first.

/// Reads bits; past the end come zeros, and [`BitReader::is_overrun`] tells.
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// The next `loaded` bits, at least 32, from the top; below them, the beginning of what follows or zeros.
    window: u64,
    loaded: u32,
    /// The first byte that is not counted in `loaded`; may lie past the end.
    next: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut reader = Self { bytes, window: 0, loaded: 0, next: 0 };
        reader.load();
        reader
    }

    /// How many bits were taken.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.next * 8 - self.loaded as usize
    }

    /// The next 32 bits, without taking them.
    #[inline]
    pub(crate) fn peek(&self) -> u32 {
        (self.window >> 32) as u32
    }

    /// Takes up to 32 bits.
    #[inline]
    pub(crate) fn skip(&mut self, bits: u32) {
        self.window <<= bits;
        self.loaded -= bits;
        if self.loaded < 32 {
            self.load();
        }
    }

    #[inline]
    fn load(&mut self) {
        self.window |= big_endian(self.bytes, self.next) >> self.loaded;
        let taken = (63 - self.loaded) / 8;
        self.next += taken as usize;
        self.loaded += taken * 8;
    }

    /// Whether more bits were taken than there are.
    pub(crate) fn is_overrun(&self) -> bool {
        self.position() > self.bytes.len() * 8
    }
}

/// The eight bytes at `at`, zeros past the end.
#[inline]
fn big_endian(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(eight) => u64::from_be_bytes(*eight),
        None => {
            let mut last = [0; 8];
            last.iter_mut().zip(bytes.get(at..).unwrap_or(&[])).for_each(|(to, from)| *to = *from);
            u64::from_be_bytes(last)
        }
    }
}

/// Writes bits.
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// The low `pending` bits are not yet in `bytes`.
    window: u64,
    pending: u32,
}

impl BitWriter {
    /// Appends the `count` highest bits of `value`, at most 32.
    pub(crate) fn put(&mut self, value: u32, count: u32) {
        self.window = self.window << count | (u64::from(value) << count >> 32);
        self.pending += count;
        if self.pending >= 32 {
            self.pending -= 32;
            self.bytes.extend_from_slice(&((self.window >> self.pending) as u32).to_be_bytes());
        }
    }

    /// Appends what `reader` took since its position was `start`.
    pub(crate) fn copy(&mut self, reader: &BitReader<'_>, start: usize) {
        let end = reader.position();
        for from in (start..end).step_by(32) {
            let bits = big_endian(reader.bytes, from / 8) << (from % 8) >> 32;
            self.put(bits as u32, (end - from).min(32) as u32);
        }
    }

    /// The bytes, the last filled up with ones as JPEG wants it; empties the writer.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let fill = (8 - self.pending % 8) % 8;
        self.put(u32::MAX, fill);
        let rest = (self.window << ((64 - self.pending) % 64)).to_be_bytes();
        self.bytes.extend_from_slice(&rest[..self.pending as usize / 8]);
        (self.window, self.pending) = (0, 0);
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut stream = echo_random::Stream::new(1, "test/bits", 0);
        let items: Vec<(u32, u32)> = (0..2000).map(|_| (stream.bits32(), stream.below(33) as u32)).collect();
        let mut writer = BitWriter::default();
        items.iter().for_each(|&(value, count)| writer.put(value, count));
        let bytes = writer.take();
        let total: u32 = items.iter().map(|item| item.1).sum();
        assert_eq!(bytes.len(), (total as usize).div_ceil(8));
        let mut reader = BitReader::new(&bytes);
        for (value, count) in items {
            let mask = if count == 0 { 0 } else { u32::MAX << (32 - count) };
            assert_eq!(reader.peek() & mask, value & mask);
            reader.skip(count);
        }
        assert!(!reader.is_overrun());
        reader.skip(8);
        assert!(reader.is_overrun());
        assert_eq!(reader.peek(), 0);
        assert!(writer.take().is_empty());
    }

    #[test]
    fn copies_are_the_bits_that_were_taken() {
        let bytes: Vec<u8> = (0..100u8).map(|i| i.wrapping_mul(151)).collect();
        let (mut reader, mut writer) = (BitReader::new(&bytes), BitWriter::default());
        for bits in [3, 0, 29, 32, 64, 31, 250, 391] {
            let start = reader.position();
            (0..bits).for_each(|_| reader.skip(1));
            writer.copy(&reader, start);
        }
        assert_eq!(writer.take(), bytes);
    }

    #[test]
    fn the_last_byte_is_filled_with_ones() {
        let mut writer = BitWriter::default();
        writer.put(0, 3);
        assert_eq!(writer.take(), [0b0001_1111]);
    }
}
