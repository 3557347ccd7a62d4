//! `convolution`: sums of products over sliding windows and input features.
//!
//! StableHLO specification, section `convolution`.

use std::sync::Arc;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Type};

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
        Ok(Convolution {
            dims,
            strides: attrs.opt_ints("window_strides")?.unwrap_or_else(ones),
            padding: attrs.opt_pairs("padding")?.unwrap_or_else(|| vec![(0, 0); n]),
            lhs_dilation: attrs.opt_ints("lhs_dilation")?.unwrap_or_else(ones),
            rhs_dilation: attrs.opt_ints("rhs_dilation")?.unwrap_or_else(ones),
            reversal: attrs.opt_bools("window_reversal")?.unwrap_or_else(|| vec![false; n]),
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

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}
