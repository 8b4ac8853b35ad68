//! JPEG-LS (ITU-T T.87): lossless and near-lossless, the three interleavings. What DICOM may hold and no Rust library of
//! standing decodes.
//!
//! Names of variables are those of the recommendation's annex A.

use super::samples::Samples;

/// The run lengths' exponents (A.2.1).
const J: [u8; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Contexts of three quantised gradients; two of interrupted runs follow them.
const REGULAR: usize = 365;

/// What the markers say.
#[derive(Debug, Default)]
struct Header {
    precision: u32,
    rows: usize,
    columns: usize,
    components: usize,
    /// MAXVAL, T1, T2, T3 and RESET; 0 for what is usual.
    presets: [u32; 5],
}

/// Decodes a picture of `rows` x `columns` pixels and so many components to `[rows, columns, components]`.
pub(crate) fn decode(bytes: &[u8], rows: usize, columns: usize, components: usize) -> Result<Samples, String> {
    let mut header = Header::default();
    let mut samples: Vec<u16> = Vec::new();
    let mut done = 0;
    let mut at = 0;
    let short = || "the JPEG-LS ends before its picture does".to_owned();
    while done < components || samples.is_empty() {
        let &[lead, marker] = bytes.get(at..at + 2).ok_or_else(short)? else { return Err(short()) };
        if lead != 0xff {
            return Err(format!("the JPEG-LS has {lead:#04x} at byte {at} where a marker belongs"));
        }
        at += if marker == 0xff { 1 } else { 2 };
        if matches!(marker, 0xff | 0xd8) {
            continue;
        }
        if marker == 0xd9 {
            return Err(short());
        }
        let &[high, low] = bytes.get(at..at + 2).ok_or_else(short)? else { return Err(short()) };
        let length = usize::from(u16::from_be_bytes([high, low])).max(2);
        let content = bytes.get(at + 2..at + length).ok_or_else(short)?;
        at += length;
        match marker {
            0xf7 => {
                header.start_of_frame(content)?;
                if (header.rows, header.columns, header.components) != (rows, columns, components) {
                    let Header { rows: r, columns: c, components: n, .. } = header;
                    return Err(format!(
                        "its JPEG-LS has {c}x{r} pixels of {n} components, the file says {columns}x{rows} of {components}"
                    ));
                }
                samples = vec![0; rows * columns * components];
            }
            0xf8 => header.preset(content)?,
            0xdd if content.iter().any(|&byte| byte != 0) => {
                return Err("its JPEG-LS has restart intervals, which are not read".to_owned());
            }
            0xda => {
                if samples.is_empty() {
                    return Err("the JPEG-LS has a scan before its start of frame".to_owned());
                }
                let &[count, ref rest @ ..] = content else { return Err(short()) };
                let count = usize::from(count);
                let &[near, interleave, transform] = rest.get(2 * count..).ok_or_else(short)? else {
                    return Err(short());
                };
                if transform != 0 || count == 0 || done + count > components || (interleave == 0) != (count == 1) {
                    return Err(format!(
                        "its JPEG-LS has a scan of {count} components, interleaving {interleave}, point transform \
                         {transform}; that is not read"
                    ));
                }
                let data = &bytes[at..];
                let end = data.windows(2).position(|pair| pair[0] == 0xff && pair[1] >= 0x80).unwrap_or(data.len());
                let parameters = Parameters::new(&header, u32::from(near))?;
                let mut scan = Scan::new(parameters, &data[..end], columns);
                scan.decode(&mut samples, (done, count, components), rows, interleave == 2)?;
                done += count;
                at += end;
            }
            _ => {}
        }
    }
    Ok(match header.precision {
        ..=8 => Samples::Eight(samples.into_iter().map(|sample| sample as u8).collect()),
        _ => Samples::Sixteen(samples),
    })
}

impl Header {
    fn start_of_frame(&mut self, content: &[u8]) -> Result<(), String> {
        let &[precision, r1, r0, c1, c0, components, ..] = content else {
            return Err("the JPEG-LS's start of frame is cut off".to_owned());
        };
        if !(2..=16).contains(&precision) {
            return Err(format!("its JPEG-LS has {precision} bits a sample"));
        }
        self.precision = u32::from(precision);
        self.rows = usize::from(u16::from_be_bytes([r1, r0]));
        self.columns = usize::from(u16::from_be_bytes([c1, c0]));
        self.components = usize::from(components);
        Ok(())
    }

    /// Other coding parameters than the usual ones (C.2.4.1).
    fn preset(&mut self, content: &[u8]) -> Result<(), String> {
        match content {
            [1, values @ ..] if values.len() == 10 => {
                let (words, _) = values.as_chunks::<2>();
                for (to, &word) in self.presets.iter_mut().zip(words) {
                    *to = u32::from(u16::from_be_bytes(word));
                }
                Ok(())
            }
            _ => Err("its JPEG-LS has tables of values or of sizes, which are not read".to_owned()),
        }
    }
}

/// What coding depends on (A.2.1).
#[derive(Clone, Copy, Debug)]
struct Parameters {
    near: i32,
    max_value: i32,
    thresholds: [i32; 3],
    reset: i32,
    range: i32,
    /// Bits of a mapped error that is written plainly.
    qbpp: u32,
    limit: u32,
}

impl Parameters {
    fn new(header: &Header, near: u32) -> Result<Self, String> {
        let most = (1u32 << header.precision) - 1;
        let [max_value, t1, t2, t3, reset] = header.presets;
        let max_value = if max_value == 0 { most } else { max_value };
        let wrong = || format!("its JPEG-LS has the coding parameters {:?} and NEAR {near}", header.presets);
        if max_value > most || near > (max_value / 2).min(255) || (reset != 0 && !(3..=65_535).contains(&reset)) {
            return Err(wrong());
        }
        // C.2.4.1.1.1
        let clamp = |value: u32, low: u32| if value > max_value || value < low { low } else { value };
        let usual = match max_value >= 128 {
            true => {
                let factor = (max_value.min(4095) + 128) / 256;
                let t1 = clamp(factor + 2 + 3 * near, near + 1);
                let t2 = clamp(factor * 4 + 3 + 5 * near, t1);
                [t1, t2, clamp(factor * 17 + 4 + 7 * near, t2)]
            }
            false => {
                let factor = 256 / (max_value + 1);
                let t1 = clamp((3 / factor).max(2) + 3 * near, near + 1);
                let t2 = clamp((7 / factor).max(3) + 5 * near, t1);
                [t1, t2, clamp((21 / factor).max(4) + 7 * near, t2)]
            }
        };
        let given = [t1, t2, t3];
        let mut thresholds = [0; 3];
        let mut least = near + 1;
        for (place, threshold) in thresholds.iter_mut().enumerate() {
            let value = if given[place] == 0 { usual[place] } else { given[place] };
            if !(least..=max_value).contains(&value) {
                return Err(wrong());
            }
            least = value;
            *threshold = value as i32;
        }
        let range = (max_value + 2 * near) / (2 * near + 1) + 1;
        let bits = |values: u32| u32::BITS - (values - 1).leading_zeros();
        let bpp = bits(max_value + 1).max(2);
        Ok(Self {
            near: near as i32,
            max_value: max_value as i32,
            thresholds,
            reset: if reset == 0 { 64 } else { reset as i32 },
            range: range as i32,
            qbpp: bits(range),
            limit: 2 * (bpp + bpp.max(8)),
        })
    }

    /// A gradient's class, -4 to 4 (A.3.3).
    fn quantise(&self, gradient: i32) -> i32 {
        let size = gradient.abs();
        let [t1, t2, t3] = self.thresholds;
        let class = match size {
            _ if size <= self.near => 0,
            _ if size < t1 => 1,
            _ if size < t2 => 2,
            _ if size < t3 => 3,
            _ => 4,
        };
        class * gradient.signum()
    }

    /// A sample from its prediction and the error of it (A.4.4, A.4.5).
    fn reconstruct(&self, prediction: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = prediction + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if value > self.max_value + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.max_value)
    }
}

/// What is known of the errors in a context: A, B, C and N; of an interrupted run, B is Nn.
#[derive(Clone, Copy, Debug)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

impl Context {
    /// The Golomb code's parameter for the sum of errors `a` (A.5.1).
    fn golomb(&self, a: i32) -> Result<u32, String> {
        (0..32)
            .find(|&k| i64::from(self.n) << k >= i64::from(a))
            .ok_or_else(|| "corrupt JPEG-LS: its errors grow without end".to_owned())
    }
}

/// The bits of a scan; a byte after 0xff has seven.
struct Bits<'a> {
    bytes: &'a [u8],
    held: u64,
    count: u32,
    after_ff: bool,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 48 {
            let Some((&byte, rest)) = self.bytes.split_first() else { return };
            self.bytes = rest;
            let size = if self.after_ff { 7 } else { 8 };
            self.held = self.held << size | u64::from(byte) & ((1 << size) - 1);
            self.count += size;
            self.after_ff = byte == 0xff;
        }
    }

    /// The next bits, at most 32.
    fn take(&mut self, bits: u32) -> Result<u32, String> {
        if self.count < bits {
            self.fill();
        }
        self.count = self.count.checked_sub(bits).ok_or("corrupt JPEG-LS: it ends too early")?;
        Ok((self.held >> self.count & ((1 << bits) - 1)) as u32)
    }

    /// A Golomb code of limited length (A.5.3).
    fn golomb(&mut self, k: u32, limit: u32, qbpp: u32) -> Result<i32, String> {
        let most = limit - qbpp - 1;
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > most {
                return Err("corrupt JPEG-LS: a code is too long".to_owned());
            }
        }
        let value = match zeros < most {
            true => u64::from(zeros) << k | u64::from(self.take(k)?),
            false => u64::from(self.take(qbpp)?) + 1,
        };
        // No sound error comes to more than the values of 16 bits, mapped to twice as many.
        i32::try_from(value)
            .ok()
            .filter(|&value| value <= 1 << 18)
            .ok_or_else(|| "corrupt JPEG-LS: an error is too large".to_owned())
    }
}

/// A scan while it is decoded.
struct Scan<'a> {
    parameters: Parameters,
    bits: Bits<'a>,
    contexts: Vec<Context>,
    columns: usize,
}

/// The row that is decoded and the one above it, each between a sample to the left and one to the right.
#[derive(Clone)]
struct Rows {
    above: Vec<i32>,
    row: Vec<i32>,
    run_index: usize,
}

impl Rows {
    fn new(columns: usize) -> Self {
        Self { above: vec![0; columns + 2], row: vec![0; columns + 2], run_index: 0 }
    }

    fn begin(&mut self) {
        std::mem::swap(&mut self.above, &mut self.row);
        let last = self.above.len() - 1;
        self.above[last] = self.above[last - 1];
        self.row[0] = self.above[1];
    }

    /// Ra, Rb, Rc and Rd of column `x` (A.3.1).
    fn around(&self, x: usize) -> [i32; 4] {
        [self.row[x], self.above[x + 1], self.above[x], self.above[x + 2]]
    }
}

impl<'a> Scan<'a> {
    fn new(parameters: Parameters, bytes: &'a [u8], columns: usize) -> Self {
        let a = ((parameters.range + 32) / 64).max(2);
        let contexts = vec![Context { a, b: 0, c: 0, n: 1 }; REGULAR + 2];
        Self { parameters, bits: Bits { bytes, held: 0, count: 0, after_ff: false }, contexts, columns }
    }

    /// Decodes components `first..first + count` of `stride` interleaved ones.
    fn decode(
        &mut self,
        samples: &mut [u16],
        (first, count, stride): (usize, usize, usize),
        rows: usize,
        by_sample: bool,
    ) -> Result<(), String> {
        let mut components = vec![Rows::new(self.columns); count];
        for y in 0..rows {
            components.iter_mut().for_each(Rows::begin);
            if by_sample {
                self.row(&mut components)?;
            } else {
                for component in &mut components {
                    self.row(std::slice::from_mut(component))?;
                }
            }
            let row = &mut samples[y * self.columns * stride..][..self.columns * stride];
            for (place, component) in components.iter().enumerate() {
                for (pixel, &value) in row.chunks_exact_mut(stride).zip(&component.row[1..]) {
                    pixel[first + place] = value as u16;
                }
            }
        }
        Ok(())
    }

    /// A row of one component, or of several whose samples take turns.
    fn row(&mut self, components: &mut [Rows]) -> Result<(), String> {
        let near = self.parameters.near;
        let mut x = 0;
        while x < self.columns {
            let is_flat = components.iter().all(|rows| {
                let [ra, rb, rc, rd] = rows.around(x);
                [rd - rb, rb - rc, rc - ra].iter().all(|gradient| gradient.abs() <= near)
            });
            if is_flat {
                x = self.run(components, x)?;
                continue;
            }
            for rows in components.iter_mut() {
                rows.row[x + 1] = self.regular(rows.around(x))?;
            }
            x += 1;
        }
        Ok(())
    }

    /// A sample by its neighbours (A.4 to A.6).
    fn regular(&mut self, [ra, rb, rc, rd]: [i32; 4]) -> Result<i32, String> {
        let Parameters { near, max_value, reset, limit, qbpp, .. } = self.parameters;
        let [q1, q2, q3] = [rd - rb, rb - rc, rc - ra].map(|gradient| self.parameters.quantise(gradient));
        let class = 81 * q1 + 9 * q2 + q3;
        let sign = if class < 0 { -1 } else { 1 };
        let context = &mut self.contexts[class.unsigned_abs() as usize];
        let predicted = match rc {
            _ if rc >= ra.max(rb) => ra.min(rb),
            _ if rc <= ra.min(rb) => ra.max(rb),
            _ => ra + rb - rc,
        };
        let predicted = (predicted + sign * context.c).clamp(0, max_value);
        let k = context.golomb(context.a)?;
        let mapped = self.bits.golomb(k, limit, qbpp)?;
        let is_odd = mapped & 1 == 1;
        let error = match near == 0 && k == 0 && 2 * context.b <= -context.n {
            true if is_odd => (mapped - 1) / 2,
            true => -mapped / 2 - 1,
            false if is_odd => -(mapped + 1) / 2,
            false => mapped / 2,
        };
        context.b += error * (2 * near + 1);
        context.a += error.abs();
        if context.n == reset {
            context.a >>= 1;
            context.b >>= 1;
            context.n >>= 1;
        }
        context.n += 1;
        if context.b <= -context.n {
            context.b = (context.b + context.n).max(1 - context.n);
            context.c = (context.c - 1).max(-128);
        } else if context.b > 0 {
            context.b = (context.b - context.n).min(0);
            context.c = (context.c + 1).min(127);
        }
        Ok(self.parameters.reconstruct(predicted, sign * error))
    }

    /// A run of equal samples and the one that ends it (A.7); returns the next column.
    fn run(&mut self, components: &mut [Rows], start: usize) -> Result<usize, String> {
        let mut x = start;
        let fill = |components: &mut [Rows], x: usize, count: usize| {
            for rows in components {
                let value = rows.row[start];
                rows.row[x + 1..=x + count].fill(value);
            }
        };
        let mut index = components.first().map_or(0, |rows| rows.run_index);
        while self.bits.take(1)? == 1 {
            let length = 1 << J[index];
            let count = length.min(self.columns - x);
            fill(components, x, count);
            x += count;
            if count == length {
                index = (index + 1).min(J.len() - 1);
            }
            if x == self.columns {
                components.iter_mut().for_each(|rows| rows.run_index = index);
                return Ok(x);
            }
        }
        let count = self.bits.take(u32::from(J[index]))? as usize;
        if count >= self.columns - x {
            return Err("corrupt JPEG-LS: a run leaves its row".to_owned());
        }
        fill(components, x, count);
        x += count;
        let together = components.len() > 1;
        for rows in components.iter_mut() {
            let [ra, rb, ..] = rows.around(x);
            // Where samples take turns, all are coded as if they differed.
            let equal = !together && (ra - rb).abs() <= self.parameters.near;
            let error = self.interruption(equal, index)?;
            let sign = if !equal && ra > rb { -1 } else { 1 };
            rows.row[x + 1] = self.parameters.reconstruct(if equal { ra } else { rb }, sign * error);
            rows.run_index = index.saturating_sub(1);
        }
        Ok(x + 1)
    }

    /// The error of the sample that ends a run (A.7.2).
    fn interruption(&mut self, equal: bool, index: usize) -> Result<i32, String> {
        let Parameters { reset, limit, qbpp, .. } = self.parameters;
        let kind = i32::from(equal);
        let context = &mut self.contexts[REGULAR + usize::from(equal)];
        let k = context.golomb(if equal { context.a + (context.n >> 1) } else { context.a })?;
        let mapped = self.bits.golomb(k, limit - u32::from(J[index]) - 1, qbpp)?;
        let map = (mapped + kind) & 1;
        let size = (mapped + kind + map) / 2;
        let negative = (k != 0 || 2 * context.b >= context.n) == (map == 1);
        let error = if negative { -size } else { size };
        context.b += i32::from(error < 0);
        context.a += (mapped + 1 - kind) >> 1;
        if context.n == reset {
            context.a >>= 1;
            context.b >>= 1;
            context.n >>= 1;
        }
        context.n += 1;
        Ok(error)
    }
}
