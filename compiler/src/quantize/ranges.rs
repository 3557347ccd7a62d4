//! What values were over the calibration cases, and the parameters that follow from it.

use std::collections::BTreeSet;

use microhlo_format::DType;

use super::RangeChoice;
use crate::ir::{QuantType, full_range};

/// Bins of a histogram.
const BINS: usize = 2048;

/// Ranges that are tried, from this many `STEPS`ths of what was seen on.
const LEAST_STEPS: usize = 16;
/// See [`LEAST_STEPS`].
const STEPS: usize = 96;

/// What a value was over all calibration cases.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Least element.
    pub min: f32,
    /// Greatest element.
    pub max: f32,
    /// Elements by size, from `low` to `high`; filled in a second pass.
    bins: Vec<u64>,
    /// The bits of all different elements, while they are few.
    different: Option<BTreeSet<u32>>,
    /// The least and greatest elements of each case.
    ends: Vec<(f64, f64)>,
}

impl Seen {
    /// Nothing was seen yet.
    pub fn nothing() -> Seen {
        let different = Some(BTreeSet::new());
        let (min, max) = (f32::INFINITY, f32::NEG_INFINITY);
        Seen { min, max, bins: Vec::new(), different, ends: Vec::new() }
    }

    /// Widens the range by the elements of a case. One that is no number is returned.
    pub fn widen(&mut self, elements: &[f32]) -> Option<f32> {
        let least = elements.iter().fold(0f32, |a, &x| a.min(x));
        let greatest = elements.iter().fold(0f32, |a, &x| a.max(x));
        self.ends.push((least.into(), greatest.into()));
        for &x in elements {
            if !x.is_finite() {
                return Some(x);
            }
            (self.min, self.max) = (self.min.min(x), self.max.max(x));
            if let Some(different) = &mut self.different {
                different.insert(x.to_bits());
                if different.len() > 256 {
                    self.different = None;
                }
            }
        }
        None
    }

    /// Whether all of several elements, or all zeros, were the same.
    pub fn is_constant(&self) -> bool {
        let elements: u64 = self.bins.iter().sum();
        self.min == self.max && (elements > 1 || self.max == 0.0)
    }

    /// The least value of the range, which includes 0.
    fn low(&self) -> f64 {
        f64::from(self.min.min(0.0))
    }

    /// The greatest value of the range, which includes 0.
    fn high(&self) -> f64 {
        f64::from(self.max.max(0.0))
    }

    /// How much further than all cases so far the next one may reach, at each end: the standard error
    /// of the ends' mean.
    fn margins(&self) -> (f64, f64) {
        let n = self.ends.len() as f64;
        let deviation = |end: fn(&(f64, f64)) -> f64| {
            let mean = self.ends.iter().map(end).sum::<f64>() / n;
            let squares = self.ends.iter().map(|e| (end(e) - mean).powi(2)).sum::<f64>();
            (squares / (n - 1.0)).sqrt() / n.sqrt()
        };
        if self.ends.len() < 2 { (0.0, 0.0) } else { (deviation(|e| e.0), deviation(|e| e.1)) }
    }

    /// Joins with what another value was.
    pub fn join(&mut self, other: &Seen) {
        let (low, high) = (self.low().min(other.low()), self.high().max(other.high()));
        let mut bins = vec![0; BINS];
        for seen in [&*self, other] {
            for (i, &n) in seen.bins.iter().enumerate() {
                bins[bin(seen.centre(i), low, high)] += n;
            }
        }
        self.bins = bins;
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
        for (own, other) in self.ends.iter_mut().zip(&other.ends) {
            *own = (own.0.min(other.0), own.1.max(other.1));
        }
        self.different = match (self.different.take(), &other.different) {
            (Some(a), Some(b)) => Some(a.union(b).copied().collect()),
            _ => None,
        };
    }

    /// Counts elements, after the range is known.
    pub fn count(&mut self, elements: &[f32]) {
        if self.bins.is_empty() {
            self.bins = vec![0; BINS];
        }
        let (low, high) = (self.low(), self.high());
        for &x in elements {
            self.bins[bin(f64::from(x), low, high)] += 1;
        }
    }

    fn centre(&self, i: usize) -> f64 {
        self.low() + (self.high() - self.low()) * (i as f64 + 0.5) / BINS as f64
    }

    fn histogram(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.bins.iter().enumerate().map(|(i, &n)| (self.centre(i), n as f64))
    }

    /// The range without the largest magnitudes: those that all but `share` of the elements do not
    /// exceed.
    fn percentile(&self, share: f64) -> (f64, f64) {
        let mut magnitudes: Vec<(f64, f64)> = self.histogram().map(|(x, n)| (x.abs(), n)).collect();
        magnitudes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted = magnitudes.iter().map(|m| m.1).sum::<f64>() * share;
        let mut seen = 0.0;
        let found = magnitudes.iter().find(|(_, n)| {
            seen += n;
            seen >= wanted
        });
        let half = (self.high() - self.low()) / BINS as f64 / 2.0;
        let clip = found.map_or(f64::INFINITY, |(x, _)| x + half);
        (self.low().max(-clip), self.high().min(clip))
    }

    /// The range with the least `cost`, of those in which both ends are moved inwards.
    fn best(&self, cost: impl Fn(f64, f64) -> f64) -> (f64, f64) {
        let part = |end: f64, k: usize| end * k as f64 / STEPS as f64;
        let mut best = (self.low(), self.high());
        let mut least = cost(best.0, best.1);
        let mut attempt = |low: f64, high: f64| {
            let own = cost(low, high);
            if own < least {
                (least, best) = (own, (low, high));
            }
        };
        for k in LEAST_STEPS..STEPS {
            attempt(part(self.low(), k), part(self.high(), k));
            attempt(self.low(), part(self.high(), k));
            attempt(part(self.low(), k), self.high());
        }
        best
    }

    /// The sum of squared errors with steps between two ends.
    fn squared_error(&self, low: f64, high: f64, steps: f64) -> f64 {
        let rounding = ((high - low) / steps).powi(2) / 12.0;
        let of = |(x, n): (f64, f64)| {
            let beyond = (x - high).max(low - x).max(0.0);
            n * if beyond > 0.0 { beyond * beyond } else { rounding }
        };
        self.histogram().map(of).sum()
    }

    /// The divergence of what is stored from what was seen: Kullback and Leibler's, between the
    /// histogram with its ends clipped and the one in which each step is filled evenly.
    fn divergence(&self, low: f64, high: f64, steps: f64) -> f64 {
        let level = |x: f64| ((x - low) / (high - low) * steps).round().clamp(0.0, steps) as usize;
        let mut clipped = vec![0.0; BINS];
        let (mut sums, mut used) = (vec![0.0; steps as usize + 1], vec![0.0; steps as usize + 1]);
        let total: f64 = self.bins.iter().map(|&n| n as f64).sum();
        for (x, n) in self.histogram() {
            clipped[bin(x.clamp(low, high), self.low(), self.high())] += n;
            if (low..=high).contains(&x) && n > 0.0 {
                sums[level(x)] += n;
                used[level(x)] += 1.0;
            }
        }
        let inside: f64 = sums.iter().sum();
        let mut divergence = 0.0;
        for (i, &p) in clipped.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            let at = level(self.centre(i).clamp(low, high));
            let q = if used[at] > 0.0 { sums[at] / used[at] } else { 1e-6 };
            divergence += p / total * ((p / total) / (q / inside)).ln();
        }
        divergence
    }

    /// The distance of the values seen, if all are multiples of it that fit the steps.
    fn grid(&self, steps: f64) -> Option<f64> {
        let mut all: Vec<f64> =
            self.different.as_ref()?.iter().map(|&b| f64::from(f32::from_bits(b))).collect();
        all.push(0.0);
        all.sort_by(f64::total_cmp);
        let gaps = all.windows(2).map(|pair| pair[1] - pair[0]).filter(|&gap| gap > 0.0);
        let gap = gaps.min_by(f64::total_cmp).filter(|_| all.len() > 8)?;
        let whole = |x: &f64| ((x / gap).round() - x / gap).abs() < 1e-3;
        let span = (self.high() - self.low()) / gap;
        (all.iter().all(whole) && span.round() <= steps).then_some(f64::from(gap as f32))
    }

    /// One scale and zero point for a range that includes 0, so that 0 is exact. The range is wider
    /// by `margin` standard errors of its ends.
    pub fn quant_type(&self, choice: RangeChoice, margin: f64, storage: DType) -> QuantType {
        let (least, most) = full_range(storage);
        let narrow = storage.bits() <= 8;
        let steps = (most - least) as f64;
        let (low, high) = match choice {
            _ if !narrow || self.bins.is_empty() => (self.low(), self.high()),
            RangeChoice::Percentile(share) => self.percentile(share),
            RangeChoice::Mse => self.best(|low, high| self.squared_error(low, high, steps)),
            RangeChoice::Entropy => self.best(|low, high| self.divergence(low, high, steps)),
            RangeChoice::MinMax | RangeChoice::Best => (self.low(), self.high()),
        };
        let margins = self.margins();
        let (low, high) = (low - margin * margins.0, high + margin * margins.1);
        let (scale, zero) = match (narrow, self.grid(steps)) {
            (true, Some(gap)) => (gap, least as f64 - self.low() / gap),
            // Sums of 16-bit values are quickest without zero points.
            (false, _) => (f64::from((high.max(-low) / most as f64) as f32), 0.0),
            _ => {
                let scale = f64::from(((high - low) / steps) as f32);
                (scale, least as f64 - low / scale)
            }
        };
        let scale = if scale > 0.0 { scale.max(f64::from(f32::MIN_POSITIVE)) } else { 1.0 };
        let zero = if zero.is_finite() { zero } else { least as f64 };
        QuantType {
            storage,
            expressed: DType::F32,
            storage_range: (least, most),
            axis: None,
            scales: vec![scale],
            zero_points: vec![zero.round().clamp(least as f64, most as f64) as i64],
        }
    }
}

/// The bin of a value, of a range.
fn bin(x: f64, low: f64, high: f64) -> usize {
    let width = high - low;
    let at = if width > 0.0 { (x - low) / width * BINS as f64 } else { 0.0 };
    (at.max(0.0) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(elements: &[f32]) -> Seen {
        let mut seen = Seen::nothing();
        assert_eq!(seen.widen(elements), None);
        seen.count(elements);
        seen
    }

    /// Many small values and one large.
    fn outlier() -> Seen {
        let mut all: Vec<f32> = (0..5000).map(|i| (i as f32 * 0.37).sin() + 1.0).collect();
        all.push(40.0);
        seen(&all)
    }

    #[test]
    fn ranges_are_those_asked_for() {
        let all = outlier();
        let scale = |choice| all.quant_type(choice, 0.0, DType::I8).scales[0];
        assert_eq!(scale(RangeChoice::MinMax), f64::from(40.0f32 / 255.0));
        let percentile = scale(RangeChoice::Percentile(0.999));
        assert!((1.9..2.2).contains(&(percentile * 255.0)), "{percentile}");
        let entropy = scale(RangeChoice::Entropy);
        assert!(entropy < 0.5 * 40.0 / 255.0, "{entropy}");
        // One value of 40 is worth more than the rounding of 5000 others.
        let mse = scale(RangeChoice::Mse) * 255.0;
        assert!((20.0..=40.0).contains(&mse), "{mse}");
    }

    #[test]
    fn values_on_a_grid_are_exact() {
        let q = seen(&(0..230).map(|i| i as f32).collect::<Vec<_>>());
        let q = q.quant_type(RangeChoice::MinMax, 0.0, DType::I8);
        assert_eq!((q.scales[0], q.zero_points[0]), (1.0, -128));
        let q = seen(&(0..100).map(|i| (i as f32 - 40.0) / 255.0).collect::<Vec<_>>());
        let q = q.quant_type(RangeChoice::Mse, 0.0, DType::I8);
        assert!((q.scales[0] * 255.0 - 1.0).abs() < 1e-5, "{q:?}");
        assert_eq!(q.zero_points[0], -88);
    }

    #[test]
    fn zero_is_exact_and_sixteen_bits_are_symmetric() {
        let all = seen(&[-1.0, 0.3, 2.7]);
        let q = all.quant_type(RangeChoice::MinMax, 0.0, DType::I8);
        assert_eq!(q.zero_points[0], -59);
        let q = all.quant_type(RangeChoice::MinMax, 0.0, DType::I16);
        assert_eq!((q.zero_points[0], q.storage), (0, DType::I16));
        assert!((q.scales[0] * 32767.0 - 2.7).abs() < 1e-6);
        let nothing = seen(&[0.0, 0.0]).quant_type(RangeChoice::Mse, 0.0, DType::I8);
        assert_eq!((nothing.scales[0], nothing.zero_points[0]), (1.0, -128));
    }
}
