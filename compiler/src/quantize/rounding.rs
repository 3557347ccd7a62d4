//! Rounding of weights such that errors cancel in the sums that they go into.
//!
//! Each weight rounded to its nearest integer gives the least error per weight, not per sum: inputs
//! of a layer are correlated, so the error that rounding one weight makes can be undone by others.
//! With the covariance `C` of a layer's inputs over the calibration cases, the mean squared error of
//! an output is `e' C e` for errors `e` of its weights, once the bias is corrected for the mean.
//! Weights are rounded one after the other, each moved first by what the errors so far leave best:
//! Babai's nearest plane on the Cholesky factor of `C`, which is what OPTQ (Frantar et al., 2022)
//! computes.

/// First and second moments of the rows of one group.
#[derive(Clone, Debug)]
pub struct Moments {
    depth: usize,
    rows: f64,
    sums: Vec<f64>,
    products: Vec<f64>,
}

/// Part of the mean variance that is added to all variances: a direction that the calibration has
/// not seen is not free of cost.
const DAMPING: f64 = 0.01;

impl Moments {
    /// Of no rows yet.
    pub fn new(depth: usize) -> Moments {
        Moments { depth, rows: 0.0, sums: vec![0.0; depth], products: vec![0.0; depth * depth] }
    }

    /// Adds a row.
    pub fn add(&mut self, row: &[f32]) {
        self.rows += 1.0;
        for (i, &x) in row.iter().enumerate() {
            let x = f64::from(x);
            if x == 0.0 {
                continue;
            }
            self.sums[i] += x;
            let line = &mut self.products[i * self.depth..][..=i];
            line.iter_mut().zip(row).for_each(|(slot, &y)| *slot += x * f64::from(y));
        }
    }

    /// The lower triangle of the covariance, row by row, damped; the order in which variances grow.
    fn covariance(&self) -> Option<(Vec<f64>, Vec<usize>)> {
        let n = self.depth;
        let of = |i: usize, j: usize| {
            let (i, j) = (i.max(j), i.min(j));
            self.products[i * n + j] / self.rows
                - self.sums[i] / self.rows * self.sums[j] / self.rows
        };
        let mean = (0..n).map(|i| of(i, i)).sum::<f64>() / n as f64;
        if !(self.rows >= 2.0 && mean.is_normal() && mean > 0.0) {
            return None;
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| of(a, a).total_cmp(&of(b, b)));
        let damping = mean * DAMPING;
        let mut out = vec![0.0; n * n];
        for (i, &a) in order.iter().enumerate() {
            for (j, &b) in order[..=i].iter().enumerate() {
                out[i * n + j] = of(a, b) + if i == j { damping } else { 0.0 };
            }
        }
        Some((out, order))
    }
}

/// Replaces the lower triangle of a positive definite matrix by its Cholesky factor.
fn factorise(a: &mut [f64], n: usize) -> Option<()> {
    for i in 0..n {
        let (above, rest) = a.split_at_mut(i * n);
        let row = &mut rest[..n];
        for j in 0..i {
            let other = &above[j * n..][..=j];
            let dot: f64 = row[..j].iter().zip(other).map(|(x, y)| x * y).sum();
            row[j] = (row[j] - dot) / other[j];
        }
        let dot: f64 = row[..i].iter().map(|x| x * x).sum();
        let pivot = row[i] - dot;
        if !(pivot.is_normal() && pivot > 0.0) {
            return None;
        }
        row[i] = pivot.sqrt();
    }
    Some(())
}

/// Rounds weights of the outputs of one group.
pub struct Rounder {
    /// Columns of the factor: column `j` below its diagonal, in the order of `order`.
    columns: Vec<f64>,
    order: Vec<usize>,
}

impl Rounder {
    /// `None` if the inputs never changed.
    pub fn new(moments: &Moments) -> Option<Rounder> {
        let (mut factor, order) = moments.covariance()?;
        let n = order.len();
        factorise(&mut factor, n)?;
        let mut columns = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                columns[j * n + i] = factor[i * n + j];
            }
        }
        Some(Rounder { columns, order })
    }

    /// Integers of at most `limit` for weights in units of their scale.
    pub fn round(&self, weights: &[f64], limit: f64) -> Vec<i64> {
        let n = self.order.len();
        let mut out = vec![0; n];
        let mut errors = vec![0.0; n];
        // With C = L L', the error is |L' e|: element j of it has e[j] and later ones only.
        for j in (0..n).rev() {
            let column = &self.columns[j * n..][..n];
            let later: f64 = column[j + 1..].iter().zip(&errors[j + 1..]).map(|(l, e)| l * e).sum();
            let at = self.order[j];
            let rounded = (weights[at] + later / column[j]).round_ties_even().clamp(-limit, limit);
            errors[j] = weights[at] - rounded;
            out[at] = rounded as i64;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose terms move together.
    fn rows() -> impl Iterator<Item = [f32; 6]> {
        (0..200).map(|i| {
            let wave = |k: usize| (i as f32 * 0.1 + k as f32 * 0.2).sin() * 3.0;
            let own = |k: usize| ((i * 7 + k * 13) % 11) as f32 * 0.05;
            std::array::from_fn(|k| wave(k) + own(k) + 5.0)
        })
    }

    /// Variance of the error of the sums, which no bias corrects.
    fn error(weights: &[f64], rounded: &[i64]) -> f64 {
        let errors: Vec<f64> = rows()
            .map(|row| {
                let terms = row.iter().zip(weights).zip(rounded);
                terms.map(|((&x, w), &q)| f64::from(x) * (w - q as f64)).sum()
            })
            .collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / errors.len() as f64
    }

    #[test]
    fn errors_cancel_in_sums() {
        let mut moments = Moments::new(6);
        rows().for_each(|row| moments.add(&row));
        let rounder = Rounder::new(&moments).expect("the inputs change");
        let weights: [f64; 6] = [10.4, -3.6, 7.4, 0.4, -20.6, 3.4];
        let nearest: Vec<i64> = weights.iter().map(|w| w.round_ties_even() as i64).collect();
        let rounded = rounder.round(&weights, 127.0);
        assert!(error(&weights, &rounded) < 0.2 * error(&weights, &nearest), "{rounded:?}");
        assert!(rounded.iter().zip(&weights).all(|(&q, w)| (q as f64 - w).abs() < 4.0));
    }

    #[test]
    fn limits_hold_and_constant_inputs_say_nothing() {
        let mut moments = Moments::new(6);
        moments.add(&[1.0; 6]);
        moments.add(&[1.0; 6]);
        assert!(Rounder::new(&moments).is_none());
        rows().for_each(|row| moments.add(&row));
        let rounder = Rounder::new(&moments).expect("the inputs change");
        let rounded = rounder.round(&[127.0, -127.0, 126.6, 0.0, 0.0, 0.0], 127.0);
        assert!(rounded.iter().all(|q| q.abs() <= 127), "{rounded:?}");
    }
}
