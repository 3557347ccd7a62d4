//! Discrete Fourier transforms of one line of any length.
//!
//! Lengths whose prime factors are at most [`MAX_RADIX`] are transformed by Stockham's autosorting
//! algorithm with factors 4, 2 and primes; others by Bluestein's, as a convolution of a power of
//! two. Real lines of even length are transformed as complex ones of half the length. All roots of
//! unity come from a table.

use super::{Array, Real};

/// Largest prime factor that is transformed by its definition.
pub const MAX_RADIX: u32 = 61;
/// Most factors of a length.
pub const MAX_FACTORS: usize = 32;

/// The factors of a length, in the order of the stages.
pub type Radices = heapless::Vec<u8, MAX_FACTORS>;

/// Direction and element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Complex to complex.
    Forward,
    /// Complex to complex, inverse, divided by the length.
    Inverse,
    /// Real to the first half of complex, `n / 2 + 1` numbers.
    RealForward,
    /// The inverse of [`Kind::RealForward`]. The imaginary parts of the first number, and of the
    /// last one for an even length, count as zero.
    RealInverse,
}

impl Kind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Kind; 4] = [Kind::Forward, Kind::Inverse, Kind::RealForward, Kind::RealInverse];
}

/// How lines of one length are transformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Direction and element types.
    pub kind: Kind,
    /// Length of a line; the number of real elements for real kinds. At least 1.
    pub n: u32,
    /// Length of the convolution, a power of two, or 0 if there is none.
    pub convolution: u32,
    /// Factors of [`Plan::stages_len`].
    pub radices: Radices,
}

impl Plan {
    /// The plan for lines of `n` elements, 1 to 2^28.
    pub fn new(kind: Kind, n: u32) -> Option<Plan> {
        if n == 0 || n > 1 << 28 {
            return None;
        }
        let mut plan = Plan { kind, n, convolution: 0, radices: Radices::new() };
        if plan.factor(plan.len()).is_none() {
            plan.convolution = (2 * plan.len() - 1).next_power_of_two();
            plan.radices.clear();
            plan.factor(plan.convolution)?;
        }
        Some(plan)
    }

    fn factor(&mut self, mut rest: u32) -> Option<()> {
        for radix in [4, 2].into_iter().chain((3..=MAX_RADIX).step_by(2)) {
            while rest.is_multiple_of(radix) {
                self.radices.push(radix as u8).ok()?;
                rest /= radix;
            }
        }
        (rest == 1).then_some(())
    }

    /// Whether a real line is transformed as a complex one of half its length.
    pub const fn is_packed(&self) -> bool {
        matches!(self.kind, Kind::RealForward | Kind::RealInverse) && self.n.is_multiple_of(2)
    }

    /// Length of the complex transform.
    pub const fn len(&self) -> u32 {
        if self.is_packed() { self.n / 2 } else { self.n }
    }

    /// Whether the length is zero, which no plan's is.
    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Length of the lines that pass through the stages.
    pub const fn stages_len(&self) -> u32 {
        if self.convolution == 0 { self.len() } else { self.convolution }
    }

    /// Complex numbers in the table.
    pub const fn table_len(&self) -> u64 {
        let chirp =
            if self.convolution == 0 { 0 } else { self.len() as u64 + self.convolution as u64 };
        let twist = if self.is_packed() { self.len() as u64 + 1 } else { 0 };
        self.stages_len() as u64 + chirp + twist
    }

    /// Elements of a line before the transform.
    pub const fn inputs(&self) -> u32 {
        if matches!(self.kind, Kind::RealInverse) { self.n / 2 + 1 } else { self.n }
    }

    /// Elements of a line after the transform.
    pub const fn outputs(&self) -> u32 {
        if matches!(self.kind, Kind::RealForward) { self.n / 2 + 1 } else { self.n }
    }
}

type Pair<T> = [T; 2];

fn add<T: Real>(a: Pair<T>, b: Pair<T>) -> Pair<T> {
    [a[0] + b[0], a[1] + b[1]]
}

fn sub<T: Real>(a: Pair<T>, b: Pair<T>) -> Pair<T> {
    [a[0] - b[0], a[1] - b[1]]
}

fn mul<T: Real>(a: Pair<T>, b: Pair<T>) -> Pair<T> {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn conjugate<T: Real>(a: Pair<T>) -> Pair<T> {
    [a[0], -a[1]]
}

/// Exchanges real and imaginary part: a forward transform between two exchanges is the inverse
/// one, without the division.
fn swap<T: Real>(a: Pair<T>) -> Pair<T> {
    [a[1], a[0]]
}

/// `exp(-2 pi i k / n)`, exact where it is a multiple of an eighth of a turn's symmetries.
pub fn root(k: u64, n: u64) -> [f64; 2] {
    let k = k % n;
    // Of the first octant, everything else is a reflection.
    let (quarter, rest) = (4 * k / n, 4 * k % n);
    let mirrored = 2 * rest > n;
    let rest = if mirrored { n - rest } else { rest };
    let angle = core::f64::consts::FRAC_PI_2 * rest as f64 / n as f64;
    let (cos, sin) = (libm::cos(angle), libm::sin(angle));
    let (cos, sin) = if mirrored { (sin, cos) } else { (cos, sin) };
    match quarter {
        0 => [cos, -sin],
        1 => [-sin, -cos],
        2 => [-cos, sin],
        _ => [sin, cos],
    }
}

/// The table of a plan, in `f64`; kernels read it rounded to their precision.
///
/// It holds the roots of unity of the stages; for a convolution its chirp and the transform of the
/// chirp's conjugate, divided by the length; for packed lines the first half of the line's roots.
#[cfg(feature = "std")]
pub fn table(plan: &Plan) -> std::vec::Vec<[f64; 2]> {
    let (len, stages) = (u64::from(plan.len()), u64::from(plan.stages_len()));
    let mut table: std::vec::Vec<[f64; 2]> = (0..stages).map(|k| root(k, stages)).collect();
    if plan.convolution != 0 {
        let chirp: std::vec::Vec<[f64; 2]> =
            (0..len).map(|k| root(k * k % (2 * len), 2 * len)).collect();
        let mut filter = std::vec![[0.0; 2]; stages as usize];
        for (k, &c) in chirp.iter().enumerate() {
            filter[k] = conjugate(c);
            filter[(stages as usize - k) % stages as usize] = conjugate(c);
        }
        let work = std::vec![[0.0; 2]; stages as usize];
        let (filter, _) = transform(&plan.radices, plan.convolution, &table, filter, work);
        let scale = 1.0 / stages as f64;
        table.extend(chirp);
        table.extend(filter.iter().map(|z| [z[0] * scale, z[1] * scale]));
    }
    if plan.is_packed() {
        table.extend((0..=len).map(|k| root(k, 2 * len)));
    }
    table
}

/// Transforms one line.
///
/// `input` gives elements `0..plan.inputs()`, `output` takes elements `0..plan.outputs()`, each
/// once, after all were given; real ones have an imaginary part of zero, given and taken. `table`
/// has `plan.table_len()` elements, `x` and `y` have `plan.stages_len()`.
pub fn line<T: Real, A: Array<Pair<T>>>(
    plan: &Plan,
    table: &impl Array<Pair<T>>,
    mut x: A,
    y: A,
    input: impl Fn(usize) -> Pair<T>,
    mut output: impl FnMut(usize, Pair<T>),
) {
    load(plan, table, &mut x, &input);
    let (z, _) = if plan.convolution == 0 {
        transform(&plan.radices, plan.len(), table, x, y)
    } else {
        convolve(plan, table, x, y)
    };
    if matches!(plan.kind, Kind::Inverse | Kind::RealInverse) {
        return store_inverse(plan, &z, &mut output);
    }
    for k in 0..plan.outputs() as usize {
        let packed = plan.kind == Kind::RealForward && plan.is_packed();
        output(k, if packed { unpacked(plan, table, k, &z) } else { z.get(k) });
    }
}

/// Loads a line: a call of its own, as all parts are that take stack, so that they take it one after another.
#[inline(never)]
fn load<T: Real>(
    plan: &Plan,
    table: &impl Array<Pair<T>>,
    x: &mut impl Array<Pair<T>>,
    input: &impl Fn(usize) -> Pair<T>,
) {
    for k in 0..plan.len() as usize {
        x.set(k, loaded(plan, table, k, input));
    }
}

/// Stores a line that was transformed back.
#[inline(never)]
fn store_inverse<T: Real>(
    plan: &Plan,
    z: &impl Array<Pair<T>>,
    output: &mut impl FnMut(usize, Pair<T>),
) {
    let scale = T::from_f64(f64::from(plan.n));
    for k in 0..plan.len() as usize {
        let value = swap(z.get(k));
        let value = [value[0] / scale, value[1] / scale];
        match plan.is_packed() {
            false => output(k, value),
            true => {
                output(2 * k, [value[0], T::ZERO]);
                output(2 * k + 1, [value[1], T::ZERO]);
            }
        }
    }
}

/// Position of the roots that packed lines are made of.
fn twist_at(plan: &Plan) -> usize {
    (plan.table_len() - u64::from(plan.len()) - 1) as usize
}

/// Element `k` of the line that is transformed forward.
fn loaded<T: Real>(
    plan: &Plan,
    table: &impl Array<Pair<T>>,
    k: usize,
    input: &impl Fn(usize) -> Pair<T>,
) -> Pair<T> {
    let (n, len) = (plan.n as usize, plan.len() as usize);
    // The ends of a real line's spectrum are real.
    let spectrum = |k: usize| {
        let [re, im] = input(k);
        if k == 0 || 2 * k == n { [re, T::ZERO] } else { [re, im] }
    };
    match plan.kind {
        Kind::Forward => input(k),
        Kind::Inverse => swap(input(k)),
        Kind::RealForward if plan.is_packed() => [input(2 * k)[0], input(2 * k + 1)[0]],
        Kind::RealForward => [input(k)[0], T::ZERO],
        Kind::RealInverse if plan.is_packed() => {
            let (a, b) = (spectrum(k), conjugate(spectrum(len - k)));
            let odd = mul(conjugate(table.get(twist_at(plan) + k)), sub(a, b));
            let even = add(a, b);
            swap([even[0] - odd[1], even[1] + odd[0]])
        }
        Kind::RealInverse if k <= n / 2 => swap(spectrum(k)),
        Kind::RealInverse => swap(conjugate(spectrum(n - k))),
    }
}

/// Element `k` of the spectrum of a real line whose even and odd elements were transformed as real
/// and imaginary parts.
fn unpacked<T: Real>(
    plan: &Plan,
    table: &impl Array<Pair<T>>,
    k: usize,
    z: &impl Array<Pair<T>>,
) -> Pair<T> {
    let len = plan.len() as usize;
    let wrapped = |k: usize| z.get(if k == len { 0 } else { k });
    let (a, b) = (wrapped(k), conjugate(wrapped(len - k)));
    let (even, odd) = (add(a, b), sub(a, b));
    let odd = mul(table.get(twist_at(plan) + k), odd);
    [(even[0] + odd[1]) * T::HALF, (even[1] - odd[0]) * T::HALF]
}

/// Bluestein's algorithm: the transform as a circular convolution with a chirp.
fn convolve<T: Real, A: Array<Pair<T>>>(
    plan: &Plan,
    table: &impl Array<Pair<T>>,
    mut x: A,
    y: A,
) -> (A, A) {
    let (len, m) = (plan.len() as usize, plan.convolution as usize);
    for k in 0..len {
        x.set(k, mul(x.get(k), table.get(m + k)));
    }
    for k in len..m {
        x.set(k, [T::ZERO; 2]);
    }
    let (mut x, y) = transform(&plan.radices, plan.convolution, table, x, y);
    for k in 0..m {
        x.set(k, swap(mul(x.get(k), table.get(m + len + k))));
    }
    let (mut x, y) = transform(&plan.radices, plan.convolution, table, x, y);
    for k in 0..len {
        x.set(k, mul(swap(x.get(k)), table.get(m + k)));
    }
    (x, y)
}

/// Transforms `len` numbers of `x` forward; gives the array with the result and the other one.
fn transform<T: Real, A: Array<Pair<T>>>(
    radices: &[u8],
    len: u32,
    roots: &impl Array<Pair<T>>,
    mut x: A,
    mut y: A,
) -> (A, A) {
    let len = len as usize;
    let mut done = 1;
    for &radix in radices {
        let stage = Stage { len, done, rest: len / (done * usize::from(radix)) };
        match radix {
            2 => stage.radix2(roots, &x, &mut y),
            4 => stage.radix4(roots, &x, &mut y),
            _ => stage.radix_any(usize::from(radix), roots, &x, &mut y),
        }
        core::mem::swap(&mut x, &mut y);
        done *= usize::from(radix);
    }
    (x, y)
}

/// One stage: `rest` groups of `done` butterflies. Input `t` of butterfly `j` in group `k` is
/// element `j + done (k + rest t)`, output `u` is element `j + done (radix k + u)`, times the root
/// of unity number `done k u`.
#[derive(Clone, Copy)]
struct Stage {
    len: usize,
    done: usize,
    rest: usize,
}

impl Stage {
    fn radix2<T: Real>(
        self,
        roots: &impl Array<Pair<T>>,
        x: &impl Array<Pair<T>>,
        y: &mut impl Array<Pair<T>>,
    ) {
        let Stage { done, rest, .. } = self;
        for k in 0..rest {
            let w = roots.get(done * k);
            for j in 0..done {
                let (from, to) = (j + done * k, j + done * 2 * k);
                let (a, b) = (x.get(from), x.get(from + done * rest));
                y.set(to, add(a, b));
                let odd = sub(a, b);
                y.set(to + done, if k == 0 { odd } else { mul(odd, w) });
            }
        }
    }

    fn radix4<T: Real>(
        self,
        roots: &impl Array<Pair<T>>,
        x: &impl Array<Pair<T>>,
        y: &mut impl Array<Pair<T>>,
    ) {
        let Stage { done, rest, .. } = self;
        let apart = done * rest;
        for k in 0..rest {
            let [w1, w2, w3] =
                [roots.get(done * k), roots.get(2 * done * k), roots.get(3 * done * k)];
            for j in 0..done {
                let (from, to) = (j + done * k, j + done * 4 * k);
                let (a, b) = (x.get(from), x.get(from + apart));
                let (c, d) = (x.get(from + 2 * apart), x.get(from + 3 * apart));
                let (even, odd) = (add(a, c), sub(a, c));
                let (sum, [re, im]) = (add(b, d), sub(b, d));
                let outputs = [
                    add(even, sum),
                    [odd[0] + im, odd[1] - re],
                    sub(even, sum),
                    [odd[0] - im, odd[1] + re],
                ];
                let [o0, o1, o2, o3] = outputs;
                y.set(to, o0);
                if k == 0 {
                    y.set(to + done, o1);
                    y.set(to + 2 * done, o2);
                    y.set(to + 3 * done, o3);
                } else {
                    y.set(to + done, mul(o1, w1));
                    y.set(to + 2 * done, mul(o2, w2));
                    y.set(to + 3 * done, mul(o3, w3));
                }
            }
        }
    }

    /// By the definition: products are added in order of the inputs.
    fn radix_any<T: Real>(
        self,
        radix: usize,
        roots: &impl Array<Pair<T>>,
        x: &impl Array<Pair<T>>,
        y: &mut impl Array<Pair<T>>,
    ) {
        let Stage { len, done, rest } = self;
        for k in 0..rest {
            for j in 0..done {
                let (from, to) = (j + done * k, j + done * radix * k);
                for u in 0..radix {
                    let mut sum = x.get(from);
                    let mut turn = 0;
                    for t in 1..radix {
                        turn += u;
                        if turn >= radix {
                            turn -= radix;
                        }
                        let term = x.get(from + done * rest * t);
                        let root = roots.get(turn * (len / radix));
                        sum = add(sum, if turn == 0 { term } else { mul(term, root) });
                    }
                    let twisted = k != 0 && u != 0;
                    y.set(
                        to + done * u,
                        if twisted { mul(sum, roots.get(done * k * u)) } else { sum },
                    );
                }
            }
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The definition, in `f64`.
    fn slow(x: &[[f64; 2]], inverse: bool) -> Vec<[f64; 2]> {
        let n = x.len() as u64;
        let one = |k: u64| {
            let terms = (0..n).map(|j| {
                let w = root(j * k % n, n);
                mul(x[j as usize], if inverse { conjugate(w) } else { w })
            });
            let sum = terms.fold([0.0; 2], add);
            if inverse { [sum[0] / n as f64, sum[1] / n as f64] } else { sum }
        };
        (0..n).map(one).collect()
    }

    fn numbers(n: usize) -> Vec<[f64; 2]> {
        let mut state = 12345u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f64 / (1 << 23) as f64 - 1.0
        };
        (0..n).map(|_| [next(), next()]).collect()
    }

    fn run(kind: Kind, n: u32, x: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let plan = Plan::new(kind, n).unwrap();
        let table = table(&plan);
        assert_eq!(table.len() as u64, plan.table_len());
        let work = std::vec![[0.0; 2]; plan.stages_len() as usize];
        let mut out = std::vec![[9.0; 2]; plan.outputs() as usize];
        line(&plan, &table, work.clone(), work, |k| x[k], |k, z| out[k] = z);
        out
    }

    fn close(a: &[[f64; 2]], b: &[[f64; 2]], what: &str) {
        assert_eq!(a.len(), b.len());
        for (x, y) in a.iter().zip(b) {
            let d = (x[0] - y[0]).abs().max((x[1] - y[1]).abs());
            assert!(d < 1e-12 * a.len() as f64, "{what}: {x:?} {y:?}");
        }
    }

    #[test]
    fn every_length_and_kind_is_the_definition() {
        for n in (1..=70).chain([71, 73, 128, 134, 142, 211, 240, 256, 354, 361, 640]) {
            let x = numbers(n as usize);
            close(&run(Kind::Forward, n, &x), &slow(&x, false), "forward");
            close(&run(Kind::Inverse, n, &x), &slow(&x, true), "inverse");
            let real: Vec<[f64; 2]> = x.iter().map(|z| [z[0], 0.0]).collect();
            let half = n as usize / 2 + 1;
            let spectrum = slow(&real, false);
            close(&run(Kind::RealForward, n, &x), &spectrum[..half], "real");
            // Imaginary parts at the ends of the spectrum do not count.
            let mut dirty = spectrum[..half].to_vec();
            dirty[0][1] = 7.0;
            if n % 2 == 0 {
                dirty[half - 1][1] = 7.0;
            }
            close(&run(Kind::RealInverse, n, &dirty), &real, "real inverse");
        }
    }

    #[test]
    fn convolutions_are_for_large_primes_only() {
        assert_eq!(Plan::new(Kind::Forward, 61).unwrap().convolution, 0);
        assert_eq!(Plan::new(Kind::Forward, 67).unwrap().convolution, 256);
        assert_eq!(Plan::new(Kind::RealForward, 134).unwrap().convolution, 256);
        assert_eq!(Plan::new(Kind::Forward, 512).unwrap().radices.as_slice(), [4, 4, 4, 4, 2]);
        assert!(Plan::new(Kind::Forward, 0).is_none());
    }

    #[test]
    fn roots_on_the_axes_are_exact() {
        assert_eq!(root(0, 8), [1.0, 0.0]);
        assert_eq!(root(2, 8), [0.0, -1.0]);
        assert_eq!(root(4, 8), [-1.0, 0.0]);
        assert_eq!(root(6, 8), [0.0, 1.0]);
        let [re, im] = root(1, 8);
        assert!((re + im).abs() < 2e-16);
    }
}
