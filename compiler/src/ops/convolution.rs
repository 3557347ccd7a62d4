//! `convolution`: sums of products over sliding windows and input features.
//!
//! StableHLO specification, section `convolution`.
use std::sync::Arc;

use super::contract::{Contraction, Number, contract};
use super::window::Axis;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Indices, Tensor, strides};
use crate::ir::{Attr, Dim, ElementType, TensorType, Type};
use crate::passes::decompose;

/// Which dimension of the operands and the result plays which role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvDims {
    /// Batch dimension of the input.
    pub input_batch: i64,
    /// Feature dimension of the input.
    pub input_feature: i64,
    /// Spatial dimensions of the input, outermost first.
    pub input_spatial: Vec<i64>,
    /// Input feature dimension of the kernel.
    pub kernel_input_feature: i64,
    /// Output feature dimension of the kernel.
    pub kernel_output_feature: i64,
    /// Spatial dimensions of the kernel.
    pub kernel_spatial: Vec<i64>,
    /// Batch dimension of the result.
    pub output_batch: i64,
    /// Feature dimension of the result.
    pub output_feature: i64,
    /// Spatial dimensions of the result.
    pub output_spatial: Vec<i64>,
}

impl ConvDims {
    /// Reads `[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]`.
    fn from_lists(lists: &[Vec<Arc<str>>; 3]) -> Result<ConvDims, OpError> {
        let find = |list: &[Arc<str>], what: &str| {
            let at = list.iter().position(|s| &**s == what);
            at.map(|i| i as i64)
                .ok_or_else(|| OpError::new(format!("dimension numbers lack `{what}`")))
        };
        let spatial = |list: &[Arc<str>]| {
            (0..list.len().saturating_sub(2))
                .map(|n| find(list, &n.to_string()))
                .collect::<Result<Vec<i64>, OpError>>()
        };
        let [input, kernel, output] = lists;
        Ok(ConvDims {
            input_batch: find(input, "b")?,
            input_feature: find(input, "f")?,
            input_spatial: spatial(input)?,
            kernel_input_feature: find(kernel, "i")?,
            kernel_output_feature: find(kernel, "o")?,
            kernel_spatial: spatial(kernel)?,
            output_batch: find(output, "b")?,
            output_feature: find(output, "f")?,
            output_spatial: spatial(output)?,
        })
    }

    /// The inverse of reading.
    pub fn to_lists(&self) -> [Vec<Arc<str>>; 3] {
        let list = |a: (i64, &str), b: (i64, &str), spatial: &[i64]| {
            let mut out: Vec<Arc<str>> = vec!["?".into(); spatial.len() + 2];
            let mut put = |at: i64, text: &str| {
                if let Some(slot) = usize::try_from(at).ok().and_then(|i| out.get_mut(i)) {
                    *slot = text.into();
                }
            };
            put(a.0, a.1);
            put(b.0, b.1);
            for (n, &d) in spatial.iter().enumerate() {
                put(d, &n.to_string());
            }
            out
        };
        [
            list((self.input_batch, "b"), (self.input_feature, "f"), &self.input_spatial),
            list(
                (self.kernel_input_feature, "i"),
                (self.kernel_output_feature, "o"),
                &self.kernel_spatial,
            ),
            list((self.output_batch, "b"), (self.output_feature, "f"), &self.output_spatial),
        ]
    }
}

/// Sums of products over sliding windows and input features.
///
/// Lists have one entry per spatial dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// Roles of dimensions.
    pub dims: ConvDims,
    /// Distance of neighbouring windows.
    pub strides: Vec<i64>,
    /// Elements added before and after the input; negative ones remove.
    pub padding: Vec<(i64, i64)>,
    /// Distance of neighbouring input elements.
    pub lhs_dilation: Vec<i64>,
    /// Distance of neighbouring kernel elements.
    pub rhs_dilation: Vec<i64>,
    /// Whether the kernel is flipped.
    pub reversal: Vec<bool>,
    /// Number of groups that features fall into.
    pub feature_group_count: i64,
    /// Number of groups that the batch falls into.
    pub batch_group_count: i64,
    /// One precision name per operand, or none.
    pub precision: Vec<Arc<str>>,
}

impl StructuralOp for Convolution {
    const NAME: &'static str = "stablehlo.convolution";
    const SPEC: &'static str = "convolution";
    const RESULT: [Option<&'static str>; 2] = [Some("C27"), Some("C25")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let name = "dimension_numbers";
        let dims = match attrs.take(name) {
            Some(Attr::ConvDims(lists)) => ConvDims::from_lists(&lists)?,
            Some(other) => {
                let text = format!("attribute `{name}` must be `#stablehlo.conv`, is `{other}`");
                return Err(OpError::new(text));
            }
            None => return Err(OpError::new(format!("attribute `{name}` is missing"))),
        };
        let n = dims.input_spatial.len();
        let ones = || vec![1; n];
        // An empty list stands for the default, as one that is left out does.
        let some = |list: Option<Vec<i64>>| list.filter(|list| !list.is_empty());
        Ok(Convolution {
            dims,
            strides: some(attrs.opt_ints("window_strides")?).unwrap_or_else(ones),
            padding: attrs
                .opt_pairs("padding")?
                .filter(|list| !list.is_empty())
                .unwrap_or_else(|| vec![(0, 0); n]),
            lhs_dilation: some(attrs.opt_ints("lhs_dilation")?).unwrap_or_else(ones),
            rhs_dilation: some(attrs.opt_ints("rhs_dilation")?).unwrap_or_else(ones),
            reversal: attrs
                .opt_bools("window_reversal")?
                .filter(|list| !list.is_empty())
                .unwrap_or_else(|| vec![false; n]),
            feature_group_count: attrs.opt_int("feature_group_count")?.unwrap_or(1),
            batch_group_count: attrs.opt_int("batch_group_count")?.unwrap_or(1),
            precision: attrs.precision()?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("dimension_numbers", Attr::ConvDims(Arc::new(self.dims.to_lists())));
        for (name, list) in [
            ("window_strides", &self.strides),
            ("lhs_dilation", &self.lhs_dilation),
            ("rhs_dilation", &self.rhs_dilation),
        ] {
            if list.iter().any(|&v| v != 1) {
                attrs.ints(name, list);
            }
        }
        if self.padding.iter().any(|&p| p != (0, 0)) {
            attrs.pairs("padding", &self.padding);
        }
        if self.reversal.contains(&true) {
            attrs.attr("window_reversal", Attr::DenseBools(self.reversal.clone()));
        }
        attrs.int("feature_group_count", self.feature_group_count);
        attrs.int("batch_group_count", self.batch_group_count);
        attrs.precision(&self.precision);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        let (lhs, rhs, result) = (op.tensor(0)?, op.tensor(1)?, op.result_tensor(0)?);
        Ok(Some(vec![types::with_dims(result, self.result_dims(lhs, rhs)?).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        types::expect_precision("C24", self.precision.len())?;
        let (lhs, rhs) = (op.tensor(0)?, op.tensor(1)?);
        let plain = lhs.elem.plain().is_some() && rhs.elem.plain().is_some();
        constraint!(
            !plain || lhs.elem == rhs.elem,
            "C27",
            "operands {lhs} and {rhs} differ in element type"
        );
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let elem = &op.result_tensor(0)?.elem;
        if matches!(elem, ElementType::Quant(_)) {
            return Err(EvalError::unsupported(Self::NAME, "quantised results"));
        }
        // More spatial dimensions are a sum of convolutions, whose order of additions counts.
        if self.dims.input_spatial.len() > 3
            && let Ok(out) = decompose::evaluate(op, inputs, evaluator)
        {
            return Ok(out);
        }
        Ok(vec![self.apply(&inputs[0], &inputs[1], elem, evaluator)?])
    }
}

impl Convolution {
    fn axis(&self, s: usize) -> Axis {
        Axis {
            stride: self.strides[s].into(),
            pad: (self.padding[s].0.into(), self.padding[s].1.into()),
            base_dilation: self.lhs_dilation[s].into(),
            window_dilation: self.rhs_dilation[s].into(),
        }
    }

    /// Checks lists and groups and gives the shape of the result.
    pub(super) fn result_dims(
        &self,
        lhs: &TensorType,
        rhs: &TensorType,
    ) -> Result<Vec<Dim>, OpError> {
        self.check_lists(lhs.rank(), rhs.rank())?;
        self.check_groups(lhs, rhs)?;
        let mut dims = vec![Dim::Dynamic { bound: None }; lhs.rank()];
        let batch = lhs.dims[self.dims.input_batch as usize];
        let groups = self.batch_group_count.unsigned_abs();
        dims[self.dims.output_batch as usize] = batch.map(|n| n.checked_div(groups));
        let features = rhs.dims[self.dims.kernel_output_feature as usize];
        dims[self.dims.output_feature as usize] = features;
        for (s, &d) in self.dims.output_spatial.iter().enumerate() {
            let input = lhs.dims[self.dims.input_spatial[s] as usize];
            let kernel = rhs.dims[self.dims.kernel_spatial[s] as usize];
            if let Some(k) = kernel.size() {
                let windows = |n: u64| self.axis(s).output(n.into(), k.into());
                dims[d as usize] = match input.size() {
                    Some(n) => types::sized("an output dimension", windows(n))?,
                    None => input.map(|n| u64::try_from(windows(n)).ok()),
                };
            }
        }
        Ok(dims)
    }

    fn check_lists(&self, lhs: usize, rhs: usize) -> Result<(), OpError> {
        constraint!(lhs == rhs && lhs >= 2, "C1", "operands of rank {lhs} and {rhs} do not match");
        let n = lhs - 2;
        let positive = |label, what: &str, list: &[i64]| match list.iter().find(|&&v| v <= 0) {
            Some(v) => Err(OpError::constraint(label, format!("{what} {v} must be positive"))),
            None => Ok(()),
        };
        types::expect_len(Some("C2"), "window_strides", self.strides.len(), n)?;
        positive("C3", "window stride", &self.strides)?;
        types::expect_len(Some("C4"), "padding", self.padding.len(), n)?;
        types::expect_len(Some("C5"), "lhs_dilation", self.lhs_dilation.len(), n)?;
        positive("C6", "lhs dilation", &self.lhs_dilation)?;
        types::expect_len(Some("C7"), "rhs_dilation", self.rhs_dilation.len(), n)?;
        positive("C8", "rhs dilation", &self.rhs_dilation)?;
        types::expect_len(Some("C9"), "window_reversal", self.reversal.len(), n)?;
        let d = &self.dims;
        for (size, order, what, a, b, spatial) in [
            ("C12", "C13", "input", d.input_batch, d.input_feature, &d.input_spatial),
            (
                "C17",
                "C18",
                "kernel",
                d.kernel_input_feature,
                d.kernel_output_feature,
                &d.kernel_spatial,
            ),
            ("C19", "C20", "output", d.output_batch, d.output_feature, &d.output_spatial),
        ] {
            types::expect_len(Some(size), "spatial dimensions", spatial.len(), n)?;
            let all = [&[a, b][..], spatial].concat();
            types::dim_list(Some(order), &format!("{what} dimensions"), &all, lhs)?;
        }
        Ok(())
    }

    fn check_groups(&self, lhs: &TensorType, rhs: &TensorType) -> Result<(), OpError> {
        let (features, batches) = (self.feature_group_count, self.batch_group_count);
        constraint!(features > 0, "C21", "feature_group_count {features} must be positive");
        constraint!(batches > 0, "C22", "batch_group_count {batches} must be positive");
        constraint!(
            features == 1 || batches == 1,
            "C23",
            "feature_group_count {features} and batch_group_count {batches}: one must be 1"
        );
        let multiple = |label, what: &str, dim: Dim, of: i64| match dim.size() {
            Some(n) if n % of.unsigned_abs() != 0 => {
                let text = format!("{what} of {n} is not a multiple of the group count {of}");
                Err(OpError::constraint(label, text))
            }
            _ => Ok(()),
        };
        let d = &self.dims;
        let input = lhs.dims[d.input_feature as usize];
        let output = rhs.dims[d.kernel_output_feature as usize];
        multiple("C10", "a batch", lhs.dims[d.input_batch as usize], batches)?;
        multiple("C11", "an input feature dimension", input, features)?;
        multiple("C15", "an output feature dimension", output, batches)?;
        multiple("C16", "an output feature dimension", output, features)?;
        let kernel = rhs.dims[d.kernel_input_feature as usize];
        if let (Some(i), Some(k)) = (input.size(), kernel.size()) {
            constraint!(
                i / features.unsigned_abs() == k,
                "C14",
                "{i} input features in {features} groups need a kernel of {} input features, not {k}",
                i / features.unsigned_abs()
            );
        }
        Ok(())
    }

    fn apply(
        &self,
        lhs: &Tensor,
        rhs: &Tensor,
        elem: &ElementType,
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Tensor, EvalError> {
        self.check_lists(lhs.dims().len(), rhs.dims().len())?;
        self.check_groups(lhs.ty(), rhs.ty())?;
        let d = &self.dims;
        let mut dims = vec![0; lhs.dims().len()];
        let groups = self.batch_group_count as usize;
        dims[d.output_batch as usize] = lhs.dims()[d.input_batch as usize] / groups;
        dims[d.output_feature as usize] = rhs.dims()[d.kernel_output_feature as usize];
        for (s, &o) in d.output_spatial.iter().enumerate() {
            let n = lhs.dims()[d.input_spatial[s] as usize];
            let k = rhs.dims()[d.kernel_spatial[s] as usize];
            let size = self.axis(s).output(n as i128, k as i128);
            types::sized("an output dimension", size)?;
            dims[o as usize] = size as usize;
        }
        let sizes = dims.iter().map(|&n| Dim::Static(n as u64)).collect();
        let result = TensorType { dims: sizes, elem: elem.clone() };
        let features = rhs.dims()[d.kernel_output_feature as usize].max(1) as u64;
        let macs = result.elements().unwrap_or(0).saturating_mul(rhs.len() as u64 / features);
        evaluator.charge(macs)?;
        let sums = Sums { op: self, lhs: lhs.dims(), rhs: rhs.dims(), out: &dims };
        contract(&sums, lhs, rhs, &result)
    }
}

/// One convolution over operands of known sizes.
struct Sums<'a> {
    op: &'a Convolution,
    lhs: &'a [usize],
    rhs: &'a [usize],
    out: &'a [usize],
}

impl Sums<'_> {
    /// Offsets into input and kernel of the taps that meet the input, for one output position;
    /// window positions ascend in row-major order.
    fn taps(&self, position: &[usize]) -> Vec<(usize, usize)> {
        let d = &self.op.dims;
        let (lhs, rhs) = (strides(self.lhs), strides(self.rhs));
        let mut taps = vec![(0, 0)];
        for (s, &at) in position.iter().enumerate() {
            let (input, kernel) = (d.input_spatial[s] as usize, d.kernel_spatial[s] as usize);
            let (n, k) = (self.lhs[input], self.rhs[kernel]);
            let axis = self.op.axis(s);
            let one: Vec<(usize, usize)> = (0..k)
                .filter_map(|tap| {
                    let i = axis.source(at, tap, n)?;
                    let tap = if self.op.reversal[s] { k - 1 - tap } else { tap };
                    Some((i * lhs[input], tap * rhs[kernel]))
                })
                .collect();
            let extend = |&(a, b): &(usize, usize)| one.iter().map(move |&(i, k)| (a + i, b + k));
            taps = taps.iter().flat_map(extend).collect();
        }
        taps
    }
}

impl Contraction for Sums<'_> {
    fn sums<T: Number>(&self, lhs: &[T], rhs: &[T]) -> Vec<T> {
        let d = &self.op.dims;
        let (ls, rs, os) = (strides(self.lhs), strides(self.rhs), strides(self.out));
        let step = |s: &[usize], d: i64| s[d as usize];
        let outputs = self.out[d.output_feature as usize];
        let batches = self.out[d.output_batch as usize];
        let depth = self.rhs[d.kernel_input_feature as usize];
        let per_feature_group = (outputs / self.op.feature_group_count as usize).max(1);
        let per_batch_group = (outputs / self.op.batch_group_count as usize).max(1);
        let mut out = vec![T::ZERO; self.out.iter().product()];
        let spatial: Vec<usize> = d.output_spatial.iter().map(|&o| self.out[o as usize]).collect();
        let mut walk = Indices::new(&spatial);
        while !walk.done() && !out.is_empty() {
            let taps = self.taps(walk.index());
            let place = walk.index().iter().zip(&d.output_spatial);
            let place: usize = place.map(|(i, &o)| i * step(&os, o)).sum();
            for b in 0..batches {
                for o in 0..outputs {
                    let batch = b + o / per_batch_group * batches;
                    let first = o / per_feature_group * depth;
                    let l0 = batch * step(&ls, d.input_batch) + first * step(&ls, d.input_feature);
                    let r0 = o * step(&rs, d.kernel_output_feature);
                    let mut sum = T::ZERO;
                    for &(l, r) in &taps {
                        for i in 0..depth {
                            let l = l0 + l + i * step(&ls, d.input_feature);
                            let r = r0 + r + i * step(&rs, d.kernel_input_feature);
                            sum = sum.add_product(lhs[l], rhs[r]);
                        }
                    }
                    let at = b * step(&os, d.output_batch) + o * step(&os, d.output_feature);
                    out[place + at] = sum;
                }
            }
            walk.advance();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    fn nwc() -> Convolution {
        Convolution {
            dims: ConvDims {
                input_batch: 0,
                input_feature: 2,
                input_spatial: vec![1],
                kernel_input_feature: 1,
                kernel_output_feature: 2,
                kernel_spatial: vec![0],
                output_batch: 0,
                output_feature: 2,
                output_spatial: vec![1],
            },
            strides: vec![1],
            padding: vec![(0, 0)],
            lhs_dilation: vec![1],
            rhs_dilation: vec![1],
            reversal: vec![false],
            feature_group_count: 1,
            batch_group_count: 1,
            precision: vec![],
        }
    }

    fn run(op: Convolution, a: &Tensor, k: &Tensor, dims: &[u64]) -> Vec<f32> {
        let ty = TensorType::fixed(dims, DType::F32);
        eval_op(op, &[a.clone(), k.clone()], &ty).unwrap().to_f32s().unwrap()
    }

    #[test]
    fn strides_padding_dilation_and_reversal() {
        let a = floats(&[1, 4, 1], &[1., 2., 3., 4.]);
        let k = floats(&[2, 1, 1], &[1., 10.]);
        assert_eq!(run(nwc(), &a, &k, &[1, 3, 1]), [21., 32., 43.]);
        let op = Convolution { strides: vec![2], padding: vec![(1, 1)], ..nwc() };
        assert_eq!(run(op, &a, &k, &[1, 3, 1]), [10., 32., 4.]);
        let op = Convolution { rhs_dilation: vec![2], ..nwc() };
        assert_eq!(run(op, &a, &k, &[1, 2, 1]), [31., 42.]);
        let op = Convolution { lhs_dilation: vec![2], ..nwc() };
        assert_eq!(run(op, &a, &k, &[1, 6, 1]), [1., 20., 2., 30., 3., 40.]);
        let op = Convolution { reversal: vec![true], ..nwc() };
        assert_eq!(run(op, &a, &k, &[1, 3, 1]), [12., 23., 34.]);
        let op = Convolution { padding: vec![(-1, 0)], ..nwc() };
        assert_eq!(run(op, &a, &k, &[1, 2, 1]), [32., 43.]);
    }

    #[test]
    fn feature_groups_are_separate() {
        let a = floats(&[1, 1, 2], &[3., 5.]);
        let k = floats(&[1, 1, 4], &[1., 2., 3., 4.]);
        let op = Convolution { feature_group_count: 2, ..nwc() };
        assert_eq!(run(op, &a, &k, &[1, 1, 4]), [3., 6., 15., 20.]);
    }

    #[test]
    fn batch_groups_fill_output_features() {
        let a = floats(&[2, 1, 1], &[3., 5.]);
        let k = floats(&[1, 1, 2], &[10., 100.]);
        let op = Convolution { batch_group_count: 2, ..nwc() };
        assert_eq!(run(op, &a, &k, &[1, 1, 2]), [30., 500.]);
    }

    #[test]
    fn groups_and_dimensions_are_checked() {
        let t = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        let types = [t(&[1, 4, 3]), t(&[2, 1, 2])];
        let e = check_op(nwc(), &types, &t(&[1, 3, 2])).unwrap_err();
        assert_eq!(e.constraint, Some("C14"));
        let op = Convolution { strides: vec![0], ..nwc() };
        assert_eq!(check_op(op, &types, &t(&[1, 3, 2])).unwrap_err().constraint, Some("C3"));
        let mut op = nwc();
        op.dims.output_spatial = vec![2];
        assert_eq!(check_op(op, &types, &t(&[1, 3, 2])).unwrap_err().constraint, Some("C20"));
    }

    #[test]
    fn a_window_larger_than_the_input_gives_nothing() {
        let a = floats(&[1, 1, 1], &[1.]);
        let k = floats(&[3, 1, 1], &[1., 1., 1.]);
        assert_eq!(run(nwc(), &a, &k, &[1, 0, 1]), [0f32; 0]);
    }
}
