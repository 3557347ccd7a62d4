//! The operation table.
//!
//! A structural operation is one file: its attributes as a struct that implements
//! [`StructuralOp`], and one row in the table below. An elementwise operation without attributes
//! is one row in [`elementwise`]. The table expands into [`OpKind`], reading, writing,
//! verification, inference and evaluation; a missing method is a compile error.

pub mod attrs;
mod contract;
mod dot_algorithm;
pub mod elementwise;
pub mod groups;
mod inputs;
#[cfg(test)]
mod label_tests;
mod layouts;
pub mod quant;
pub mod region;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod types;
mod view;

pub mod all_gather;
pub mod all_reduce;
pub mod all_to_all;
pub mod async_op;
pub mod batch_norm;
pub mod batch_norm_grad;
pub mod batch_norm_inference;
pub mod batch_norm_training;
pub mod bitcast_convert;
pub mod broadcast;
pub mod broadcast_in_dim;
pub mod case;
pub mod check;
pub mod chlo;
pub mod cholesky;
pub mod collective_broadcast;
pub mod collective_permute;
pub mod collective_reduce;
pub mod compare;
pub mod composite;
pub mod concatenate;
pub mod constant;
pub mod convolution;
pub mod cross_replica_sum;
pub mod custom_call;
pub mod dot;
pub mod dot_general;
pub mod dynamic_broadcast_in_dim;
pub mod dynamic_conv;
pub mod dynamic_gather;
pub mod dynamic_iota;
pub mod dynamic_pad;
pub mod dynamic_reshape;
pub mod dynamic_slice;
pub mod dynamic_update_slice;
pub mod einsum;
pub mod feed;
pub mod fft;
pub mod foreign;
pub mod func;
pub mod gather;
pub mod get_dimension_size;
pub mod if_op;
pub mod iota;
pub mod map;
pub mod optimization_barrier;
pub mod pad;
pub mod process_id;
pub mod real_dynamic_slice;
pub mod reduce;
pub mod reduce_precision;
pub mod reduce_scatter;
pub mod reduce_window;
pub mod reshape;
pub mod reverse;
pub mod rng;
pub mod rng_bit_generator;
pub mod run_parallel;
pub mod scatter;
pub mod select_and_scatter;
pub mod set_dimension_size;
pub mod slice;
pub mod sort;
pub mod token;
pub mod torch_index_select;
pub mod transfer;
pub mod transpose;
pub mod triangular_solve;
pub mod tuple;
pub mod uniform_dequantize;
pub mod uniform_quantize;
pub mod while_loop;
pub mod window;

pub use attrs::{AttrReader, AttrWriter};
pub use elementwise::ElementwiseOp;
pub use view::OpView;

use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// A violated constraint or a malformed attribute of one operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .constraint.map(|c| format!("({c}) ")).unwrap_or_default())]
pub struct OpError {
    /// The constraint's label in the specification's section, for example `C3` or `I1`.
    pub constraint: Option<&'static str>,
    /// What is wrong, with the offending values.
    pub message: String,
}

impl OpError {
    /// An error that names no constraint of the specification.
    pub fn new(message: impl Into<String>) -> Self {
        OpError { constraint: None, message: message.into() }
    }

    /// A violation of the labelled constraint.
    pub fn constraint(label: &'static str, message: impl Into<String>) -> Self {
        OpError { constraint: Some(label), message: message.into() }
    }
}

/// Fails with the labelled constraint unless the condition holds.
#[doc(hidden)]
#[macro_export]
macro_rules! constraint {
    ($cond:expr, $label:expr, $($message:tt)+) => {
        if !$cond {
            return Err($crate::ops::OpError::constraint($label, format!($($message)+)));
        }
    };
}

/// An operation with attributes or regions: one file.
pub trait StructuralOp: Sized {
    /// Full name, for example `stablehlo.transpose`.
    const NAME: &'static str;
    /// The section of the StableHLO specification that defines it, or a note why there is none.
    const SPEC: &'static str;
    /// All names: more than one for a family of operations, or one with a former name.
    const NAMES: &'static [&'static str] = &[Self::NAME];

    /// The operation's own name among [`StructuralOp::NAMES`].
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// Labels of the constraints that give the result's element type and its shape.
    const RESULT: [Option<&'static str>; 2] = [None, None];

    /// Reads the attributes. Anything left over becomes discardable.
    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError>;

    /// Reads the attributes of the operation called `name`, one of [`StructuralOp::NAMES`].
    fn read_as(_name: &str, attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Self::read(attrs)
    }

    /// Writes the attributes so that [`StructuralOp::read`] gives an equal value.
    fn write(&self, attrs: &mut AttrWriter);

    /// Result types implied by operands, attributes and regions; `None` where the result types
    /// are the author's choice (as for `reshape`) and [`StructuralOp::verify`] checks them.
    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError>;

    /// Checks the specification's constraints that [`StructuralOp::infer`] does not imply.
    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError>;

    /// Evaluates exactly as the specification says, slowly.
    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError>;
}

macro_rules! structural_ops {
    ($($variant:ident($ty:path);)*) => {
        /// What an operation does.
        #[derive(Clone, Debug, PartialEq)]
        pub enum OpKind {
            /// An elementwise operation without attributes.
            Elementwise(ElementwiseOp),
            $(
                #[doc = concat!("See [`", stringify!($ty), "`].")]
                $variant($ty),
            )*
        }

        impl OpKind {
            /// Full name, for example `stablehlo.add`.
            pub fn name(&self) -> &'static str {
                match self {
                    OpKind::Elementwise(op) => op.name(),
                    $(OpKind::$variant(op) => StructuralOp::name(op),)*
                }
            }

            /// Section of the specification.
            pub fn spec(&self) -> &'static str {
                match self {
                    OpKind::Elementwise(op) => op.spec(),
                    $(OpKind::$variant(_) => <$ty as StructuralOp>::SPEC,)*
                }
            }

            /// Labels of the constraints that give the result's element type and its shape.
            pub fn result_labels(&self) -> [Option<&'static str>; 2] {
                match self {
                    OpKind::Elementwise(op) => op.result_labels(),
                    $(OpKind::$variant(_) => <$ty as StructuralOp>::RESULT,)*
                }
            }

            /// Names of all known operations.
            pub fn known() -> impl Iterator<Item = &'static str> {
                let structural = [$(<$ty as StructuralOp>::NAMES),*].into_iter().flatten();
                let named = structural.copied().filter(|n| *n != foreign::Foreign::NAME);
                named.chain(ElementwiseOp::names())
            }

            /// Section of the specification of the operation called `name`.
            pub fn spec_of(name: &str) -> Option<&'static str> {
                $(if <$ty as StructuralOp>::NAMES.contains(&name) {
                    return Some(<$ty as StructuralOp>::SPEC);
                })*
                ElementwiseOp::from_name(name).map(ElementwiseOp::spec)
            }

            /// Reads the operation called `name`; `None` if it is not known.
            pub fn read(name: &str, attrs: &mut AttrReader<'_>) -> Option<Result<OpKind, OpError>> {
                $(if <$ty as StructuralOp>::NAMES.contains(&name) {
                    attrs.section(<$ty as StructuralOp>::SPEC);
                    return Some(<$ty as StructuralOp>::read_as(name, attrs).map(OpKind::$variant));
                })*
                ElementwiseOp::from_name(name).map(|op| Ok(OpKind::Elementwise(op)))
            }

            /// Writes the attributes.
            pub fn write(&self, attrs: &mut AttrWriter) {
                match self {
                    OpKind::Elementwise(_) => {}
                    $(OpKind::$variant(op) => op.write(attrs),)*
                }
            }

            /// See [`StructuralOp::infer`].
            pub fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
                let inferred = match self {
                    OpKind::Elementwise(e) => e.infer(op),
                    $(OpKind::$variant(s) => s.infer(op),)*
                }?;
                Ok(inferred.map(|types| quant::with_parameters(self, op, types)))
            }

            /// See [`StructuralOp::verify`].
            pub fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
                match self {
                    OpKind::Elementwise(e) => e.verify(op),
                    $(OpKind::$variant(s) => s.verify(op),)*
                }
            }

            /// See [`StructuralOp::eval`].
            pub fn eval(
                &self,
                op: &OpView<'_>,
                inputs: &[Tensor],
                evaluator: &mut Evaluator<'_>,
            ) -> Result<Vec<Tensor>, EvalError> {
                match self {
                    OpKind::Elementwise(e) => e.eval(op, inputs).map(|t| vec![t]),
                    $(OpKind::$variant(s) => s.eval(op, inputs, evaluator),)*
                }
            }
        }

        $(impl From<$ty> for OpKind {
            fn from(op: $ty) -> OpKind {
                OpKind::$variant(op)
            }
        })*
    };
}

structural_ops! {
    Constant(constant::Constant);
    Iota(iota::Iota);
    Compare(compare::Compare);
    BitcastConvert(bitcast_convert::BitcastConvert);
    UniformQuantize(uniform_quantize::UniformQuantize);
    UniformDequantize(uniform_dequantize::UniformDequantize);
    ReducePrecision(reduce_precision::ReducePrecision);
    Map(map::Map);
    BroadcastInDim(broadcast_in_dim::BroadcastInDim);
    Broadcast(broadcast::Broadcast);
    Reshape(reshape::Reshape);
    Transpose(transpose::Transpose);
    Reverse(reverse::Reverse);
    Concatenate(concatenate::Concatenate);
    Pad(pad::Pad);
    Slice(slice::Slice);
    DynamicSlice(dynamic_slice::DynamicSlice);
    DynamicUpdateSlice(dynamic_update_slice::DynamicUpdateSlice);
    Gather(gather::Gather);
    Scatter(scatter::Scatter);
    Reduce(reduce::Reduce);
    ReduceWindow(reduce_window::ReduceWindow);
    SelectAndScatter(select_and_scatter::SelectAndScatter);
    Sort(sort::Sort);
    BatchNormInference(batch_norm_inference::BatchNormInference);
    BatchNormTraining(batch_norm_training::BatchNormTraining);
    BatchNormGrad(batch_norm_grad::BatchNormGrad);
    Dot(dot::Dot);
    DotGeneral(dot_general::DotGeneral);
    Einsum(einsum::Einsum);
    UnaryEinsum(einsum::UnaryEinsum);
    Convolution(convolution::Convolution);
    DynamicConv(dynamic_conv::DynamicConv);
    TriangularSolve(triangular_solve::TriangularSolve);
    Cholesky(cholesky::Cholesky);
    Fft(fft::Fft);
    Rng(rng::Rng);
    RngBitGenerator(rng_bit_generator::RngBitGenerator);
    TorchIndexSelect(torch_index_select::TorchIndexSelect);
    While(while_loop::While);
    If(if_op::If);
    Case(case::Case);
    OptimizationBarrier(optimization_barrier::OptimizationBarrier);
    DynamicReshape(dynamic_reshape::DynamicReshape);
    DynamicBroadcastInDim(dynamic_broadcast_in_dim::DynamicBroadcastInDim);
    DynamicIota(dynamic_iota::DynamicIota);
    DynamicPad(dynamic_pad::DynamicPad);
    RealDynamicSlice(real_dynamic_slice::RealDynamicSlice);
    DynamicGather(dynamic_gather::DynamicGather);
    GetDimensionSize(get_dimension_size::GetDimensionSize);
    SetDimensionSize(set_dimension_size::SetDimensionSize);
    AllGather(all_gather::AllGather);
    AllReduce(all_reduce::AllReduce);
    AllToAll(all_to_all::AllToAll);
    CollectiveBroadcast(collective_broadcast::CollectiveBroadcast);
    CollectivePermute(collective_permute::CollectivePermute);
    CollectiveReduce(collective_reduce::CollectiveReduce);
    CrossReplicaSum(cross_replica_sum::CrossReplicaSum);
    ReduceScatter(reduce_scatter::ReduceScatter);
    PartitionId(process_id::PartitionId);
    ReplicaId(process_id::ReplicaId);
    AfterAll(token::AfterAll);
    CreateToken(token::CreateToken);
    AsyncStart(async_op::AsyncStart);
    AsyncDone(async_op::AsyncDone);
    Infeed(feed::Infeed);
    Outfeed(feed::Outfeed);
    Send(transfer::Send);
    Recv(transfer::Recv);
    Tuple(tuple::Tuple);
    GetTupleElement(tuple::GetTupleElement);
    CustomCall(custom_call::CustomCall);
    Composite(composite::Composite);
    Call(func::Call);
    FuncReturn(func::FuncReturn);
    Return(func::Return);
    ChloBroadcast(chlo::broadcast::Broadcast);
    ConstantLike(chlo::constant_like::ConstantLike);
    TopK(chlo::top_k::TopK);
    Scan(chlo::scan::Scan);
    RaggedDot(chlo::ragged_dot::RaggedDot);
    ExpectEq(check::ExpectEq);
    ExpectEqConst(check::ExpectEqConst);
    ExpectAlmostEq(check::ExpectAlmostEq);
    ExpectAlmostEqConst(check::ExpectAlmostEqConst);
    ExpectClose(check::ExpectClose);
    Foreign(foreign::Foreign);
}

impl OpKind {
    /// The name as it is written: that of a foreign operation is its own.
    pub fn spelling(&self) -> &str {
        match self {
            OpKind::Foreign(foreign) => &foreign.name,
            other => other.name(),
        }
    }

    /// Number of regions; `None` for an operation that has any number: a `case` of branches, at
    /// least one, and a composite of regions that say something about it.
    pub fn regions(&self) -> Option<usize> {
        match self {
            OpKind::While(_) | OpKind::If(_) | OpKind::SelectAndScatter(_) => Some(2),
            OpKind::Case(_) | OpKind::Composite(_) => None,
            OpKind::Map(_)
            | OpKind::Reduce(_)
            | OpKind::Scan(_)
            | OpKind::ReduceWindow(_)
            | OpKind::Scatter(_)
            | OpKind::Sort(_)
            | OpKind::AllReduce(_)
            | OpKind::ReduceScatter(_)
            | OpKind::CollectiveReduce(_)
            | OpKind::AsyncStart(_) => Some(1),
            _ => Some(0),
        }
    }

    /// The groups of processes that a collective operation works in.
    pub fn groups(&self) -> Option<&groups::Groups> {
        match self {
            OpKind::AllGather(op) => Some(&op.groups),
            OpKind::AllReduce(op) => Some(&op.groups),
            OpKind::AllToAll(op) => Some(&op.groups),
            OpKind::CollectiveBroadcast(op) => Some(&op.0.groups),
            OpKind::CollectiveReduce(op) => Some(&op.0.groups),
            OpKind::CrossReplicaSum(op) => Some(&op.groups),
            OpKind::ReduceScatter(op) => Some(&op.groups),
            _ => None,
        }
    }

    /// Whether the operation must stay although nothing uses its results.
    pub fn has_side_effect(&self) -> bool {
        match self {
            OpKind::CustomCall(c) => c.has_side_effect,
            OpKind::Return(_) | OpKind::FuncReturn(_) | OpKind::Foreign(_) => true,
            OpKind::Infeed(_) | OpKind::Outfeed(_) | OpKind::Send(_) | OpKind::Recv(_) => true,
            OpKind::ExpectEq(_)
            | OpKind::ExpectEqConst(_)
            | OpKind::ExpectAlmostEq(_)
            | OpKind::ExpectAlmostEqConst(_)
            | OpKind::ExpectClose(_) => true,
            _ => false,
        }
    }
}

impl From<ElementwiseOp> for OpKind {
    fn from(op: ElementwiseOp) -> OpKind {
        OpKind::Elementwise(op)
    }
}
