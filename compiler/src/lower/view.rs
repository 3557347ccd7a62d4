//! Strided views of buffers: how transposes, slices, broadcasts and reverses cost nothing until a
//! kernel needs its operand dense.

use microhlo_format::DType;
use microhlo_format::kernels::{MAX_RANK, Sizes, Strides};

use super::program::Ref;

/// A strided window on a buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The element with index zero.
    pub base: Ref,
    /// Element type.
    pub dtype: DType,
    /// Shape.
    pub sizes: Vec<u32>,
    /// Byte distance of neighbours along each dimension.
    pub strides: Vec<i64>,
}

/// Byte strides of a dense row-major tensor.
pub fn dense_strides(sizes: &[u32], element: usize) -> Vec<i64> {
    let mut strides = vec![0; sizes.len()];
    let mut next = element as i64;
    for (stride, &size) in strides.iter_mut().zip(sizes).rev() {
        *stride = next;
        next *= i64::from(size.max(1));
    }
    strides
}

impl View {
    /// A dense view.
    pub fn dense(base: Ref, dtype: DType, sizes: &[u32]) -> View {
        View { base, dtype, sizes: sizes.to_vec(), strides: dense_strides(sizes, dtype.size()) }
    }

    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.sizes.iter().map(|&s| u64::from(s)).product()
    }

    /// Whether the elements lie one after the other in row-major order.
    pub fn is_dense(&self) -> bool {
        let dense = dense_strides(&self.sizes, self.dtype.size());
        let mut dims = self.sizes.iter().zip(&self.strides).zip(&dense);
        self.elements() == 0 || dims.all(|((&size, s), d)| size == 1 || s == d)
    }

    /// Whether every index reads the same element.
    pub fn is_splat(&self) -> bool {
        self.sizes.iter().zip(&self.strides).all(|(&size, &s)| size == 1 || s == 0)
    }

    /// The view with dimensions permuted.
    pub fn permuted(&self, permutation: &[i64]) -> View {
        let pick = |p: &i64| *p as usize;
        View {
            base: self.base,
            dtype: self.dtype,
            sizes: permutation.iter().map(|p| self.sizes[pick(p)]).collect(),
            strides: permutation.iter().map(|p| self.strides[pick(p)]).collect(),
        }
    }

    /// The view with another shape of as many elements, if strides can express it.
    pub fn reshaped(&self, sizes: &[u32]) -> Option<View> {
        if self.elements() == 0 || self.is_dense() {
            return Some(View::dense(self.base, self.dtype, sizes));
        }
        let mut strides = vec![0i64; sizes.len()];
        // Match runs of old dimensions with runs of new ones that hold as many elements.
        let old: Vec<usize> = (0..self.sizes.len()).filter(|&d| self.sizes[d] != 1).collect();
        let new: Vec<usize> = (0..sizes.len()).filter(|&d| sizes[d] != 1).collect();
        let (mut i, mut j) = (0, 0);
        while i < old.len() && j < new.len() {
            let (i0, j0) = (i, j);
            let mut have = u64::from(self.sizes[old[i]]);
            let mut want = u64::from(sizes[new[j]]);
            i += 1;
            j += 1;
            while have != want {
                if have < want {
                    have *= u64::from(self.sizes[*old.get(i)?]);
                    i += 1;
                } else {
                    want *= u64::from(sizes[*new.get(j)?]);
                    j += 1;
                }
            }
            for w in old[i0..i].windows(2) {
                if self.strides[w[0]] != self.strides[w[1]] * i64::from(self.sizes[w[1]]) {
                    return None;
                }
            }
            let mut stride = self.strides[old[i - 1]];
            for &d in new[j0..j].iter().rev() {
                strides[d] = stride;
                stride *= i64::from(sizes[d]);
            }
        }
        (i == old.len() && j == new.len()).then(|| View {
            base: self.base,
            dtype: self.dtype,
            sizes: sizes.to_vec(),
            strides,
        })
    }
}

/// An index space with the strides of several operands, its dimensions merged where possible.
#[derive(Clone, Debug, PartialEq)]
pub struct Nest {
    /// Sizes, outermost first; never empty.
    pub sizes: Vec<u32>,
    /// Strides of each operand.
    pub strides: Vec<Vec<i64>>,
}

impl Nest {
    /// Drops dimensions of size one and merges neighbours that every operand walks evenly.
    pub fn new(sizes: &[u32], operands: &[&[i64]]) -> Nest {
        let mut merged = Nest { sizes: Vec::new(), strides: vec![Vec::new(); operands.len()] };
        for d in (0..sizes.len()).filter(|&d| sizes[d] != 1) {
            let size = sizes[d];
            let joins = !merged.sizes.is_empty()
                && operands.iter().zip(&merged.strides).all(|(new, old)| {
                    old.last().is_some_and(|&outer| outer == new[d] * i64::from(size))
                });
            if joins {
                if let Some(last) = merged.sizes.last_mut() {
                    *last *= size;
                }
                for (old, new) in merged.strides.iter_mut().zip(operands) {
                    old.pop();
                    old.push(new[d]);
                }
            } else {
                merged.sizes.push(size);
                for (old, new) in merged.strides.iter_mut().zip(operands) {
                    old.push(new[d]);
                }
            }
        }
        if merged.sizes.is_empty() {
            merged.sizes.push(1);
            merged.strides.iter_mut().for_each(|s| s.push(0));
        }
        merged
    }
}

/// Sizes in the artifact's form, or `None` when there are too many dimensions.
pub fn sizes(list: &[u32]) -> Option<Sizes> {
    (list.len() <= MAX_RANK).then(|| list.iter().copied().collect())
}

/// Strides in the artifact's form, or `None` when there are too many or one exceeds 31 bits.
pub fn strides(list: &[i64]) -> Option<Strides> {
    if list.len() > MAX_RANK {
        return None;
    }
    list.iter().map(|&s| i32::try_from(s).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::EntityId;
    use crate::lower::program::BufferId;

    fn at(offset: u32) -> Ref {
        Ref { buffer: BufferId::new(0), offset }
    }

    fn view(sizes: &[u32], strides: &[i64]) -> View {
        View { base: at(0), dtype: DType::F32, sizes: sizes.to_vec(), strides: strides.to_vec() }
    }

    #[test]
    fn dense_strides_count_bytes_from_the_right() {
        assert_eq!(dense_strides(&[2, 3, 4], 4), [48, 16, 4]);
        assert!(View::dense(at(0), DType::F32, &[2, 3]).is_dense());
        assert!(view(&[2, 1, 3], &[12, 999, 4]).is_dense());
        assert!(!view(&[2, 3], &[4, 8]).is_dense());
    }

    #[test]
    fn splitting_a_strided_dimension_needs_no_copy() {
        // Columns 0..6 of rows of 8 elements, as 3 x 2.
        let columns = view(&[5, 6], &[32, 4]);
        let split = columns.reshaped(&[5, 3, 2]).unwrap();
        assert_eq!(split.strides, [32, 8, 4]);
        assert_eq!(split.reshaped(&[5, 6]).unwrap().strides, [32, 4]);
        // Merging rows would need 24-byte rows.
        assert_eq!(columns.reshaped(&[30]), None);
    }

    #[test]
    fn reshaping_a_transpose_across_the_swap_needs_a_copy() {
        let transposed = view(&[3, 2], &[4, 12]);
        assert_eq!(transposed.reshaped(&[6]), None);
        assert_eq!(transposed.reshaped(&[3, 1, 2]).unwrap().strides, [4, 0, 12]);
        assert_eq!(transposed.reshaped(&[2, 3]), None);
    }

    #[test]
    fn nests_merge_dimensions_that_all_operands_walk_evenly() {
        let dense = dense_strides(&[2, 3, 4], 4);
        let bias = [0, 0, 4];
        let nest = Nest::new(&[2, 3, 4], &[&dense, &dense]);
        assert_eq!((nest.sizes, nest.strides), (vec![24], vec![vec![4], vec![4]]));
        let nest = Nest::new(&[2, 3, 4], &[&dense, &bias]);
        assert_eq!((nest.sizes, nest.strides), (vec![6, 4], vec![vec![16, 4], vec![0, 4]]));
        let nest = Nest::new(&[1, 1], &[&[4, 4]]);
        assert_eq!((nest.sizes, nest.strides), (vec![1], vec![vec![0]]));
    }
}
