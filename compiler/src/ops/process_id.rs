//! `partition_id` and `replica_id`: the place of this process in the process grid.
//!
//! StableHLO specification, sections `partition_id` and `replica_id`. A device is one process.
use microhlo_format::DType;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{TensorType, Type};

fn infer(op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
    op.expect_arity(0, 1)?;
    Ok(Some(vec![TensorType::scalar(DType::U32).into()]))
}

macro_rules! process_id {
    ($(#[$doc:meta])* $op:ident, $name:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $op;

        impl StructuralOp for $op {
            const NAME: &'static str = concat!("stablehlo.", $name);
            const SPEC: &'static str = $name;

            fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
                Ok($op)
            }

            fn write(&self, _attrs: &mut AttrWriter) {}

            fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
                infer(op)
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
                Ok(vec![Tensor::scalar(DType::U32, Element::Int(0))])
            }
        }
    };
}

process_id! {
    /// Number of this process's partition.
    PartitionId, "partition_id"
}

process_id! {
    /// Number of this process's replica.
    ReplicaId, "replica_id"
}
