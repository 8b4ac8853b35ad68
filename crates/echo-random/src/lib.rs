//! Every random draw of EchoZoo.
//!
//! A [`Stream`] is named by a seed, a purpose and an index, and its n-th value is a pure function of those
//! and of n: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). So a
//! draw does not depend on which thread makes it, on what was drawn before it elsewhere, or on whether a run was
//! resumed. Burn's own CPU generator is one per process and would be shared by all of these.

/// The keyed sequence of draws for one purpose.
///
/// ```
/// use echo_random::Stream;
/// let mut a = Stream::new(7, "phantom/heart", 3);
/// let mut b = Stream::new(7, "phantom/heart", 3);
/// assert_eq!(a.uniform(), b.uniform());
/// assert_ne!(a.uniform(), Stream::new(7, "phantom/probe", 3).uniform());
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    index: u64,
    block: u64,
    buffer: [u32; 4],
    used: usize,
    spare_normal: Option<f64>,
}

impl Stream {
    /// The stream of draws for `purpose` number `index` under `seed`.
    ///
    /// Purposes are short path-like names, such as `"coop/context"`; two purposes never share values, and neither
    /// do two indices.
    pub fn new(seed: u64, purpose: &str, index: u64) -> Self {
        let key = mix(seed ^ fnv1a(purpose.as_bytes()));
        Self { key: [key as u32, (key >> 32) as u32], index, block: 0, buffer: [0; 4], used: 4, spare_normal: None }
    }

    /// The next 32 uniformly distributed bits.
    pub fn bits32(&mut self) -> u32 {
        if self.used == 4 {
            let counter = [self.block as u32, (self.block >> 32) as u32, self.index as u32, (self.index >> 32) as u32];
            self.buffer = philox4x32_10(counter, self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.buffer[self.used - 1]
    }

    /// The next 64 uniformly distributed bits.
    pub fn bits64(&mut self) -> u64 {
        u64::from(self.bits32()) | u64::from(self.bits32()) << 32
    }

    /// Uniform in `[0, 1)`, with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A uniformly distributed integer in `0..n`, without bias (Lemire, "Fast random integer generation in an
    /// interval", 2019).
    ///
    /// # Panics
    /// When `n` is zero: an empty range has no element to draw.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "cannot draw from an empty range");
        let n = n as u64;
        loop {
            let product = u128::from(self.bits64()) * u128::from(n);
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// A standard normal value (Box-Muller).
    pub fn normal(&mut self) -> f64 {
        if let Some(value) = self.spare_normal.take() {
            return value;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare_normal = Some(radius * sin);
        radius * cos
    }

    /// Puts `items` into a uniformly random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// FNV-1a over the purpose's bytes: short names only, so its quality suffices once [`mix`] has spread it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The finaliser of SplitMix64 (Steele et al. 2014): every input bit reaches every output bit.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xd251_1f53;
        let b = u64::from(counter[2]) * 0xcd9e_8d57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' Random123 library (file `kat_vectors`).
    #[test]
    fn philox_gives_the_published_known_answers() {
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32_10([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32_10([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn streams_of_other_seeds_purposes_and_indices_differ() {
        let first = |seed, purpose, index| Stream::new(seed, purpose, index).bits64();
        let all = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)];
        for (i, x) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|y| x != y), "{all:x?}");
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(5, "moments", 0);
        let n = 200_000;
        let (mut uniform, mut normal, mut square) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            uniform += stream.uniform();
            let z = stream.normal();
            normal += z;
            square += z * z;
        }
        let n = f64::from(n);
        // Five standard errors: 0.29 / sqrt(n), 1 / sqrt(n), sqrt(2 / n).
        assert!((uniform / n - 0.5).abs() < 0.0033, "{}", uniform / n);
        assert!((normal / n).abs() < 0.0112, "{}", normal / n);
        assert!((square / n - 1.0).abs() < 0.0159, "{}", square / n);
    }

    #[test]
    fn below_reaches_every_value_equally_and_shuffle_keeps_all_items() {
        let mut stream = Stream::new(5, "below", 0);
        let mut counts = [0u32; 7];
        (0..70_000).for_each(|_| counts[stream.below(7)] += 1);
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 500), "{counts:?}");

        let mut items: Vec<u32> = (0..100).collect();
        stream.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
