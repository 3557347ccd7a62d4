//! `tuple` and `get_tuple_element`.
//!
//! StableHLO specification, sections `tuple` and `get_tuple_element`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Groups values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuple;

impl StructuralOp for Tuple {
    const NAME: &'static str = "stablehlo.tuple";
    const SPEC: &'static str = "tuple";
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C1")];

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Tuple)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, 1)?;
        let types = (0..n).map(|i| op.operand(i).cloned()).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(vec![Type::Tuple(types)]))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        // A tuple is passed on as its tensors.
        Ok(inputs.to_vec())
    }
}

/// Takes one value of a tuple.
#[derive(Clone, Debug, PartialEq)]
pub struct GetTupleElement {
    /// Position in the tuple.
    pub index: i64,
}

impl StructuralOp for GetTupleElement {
    const NAME: &'static str = "stablehlo.get_tuple_element";
    const SPEC: &'static str = "get_tuple_element";
    const RESULT: [Option<&'static str>; 2] = [Some("C2"), Some("C2")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(GetTupleElement { index: attrs.int("index")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.i32("index", self.index);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        let ty = op.operand(0)?;
        let Type::Tuple(types) = ty else {
            let text = format!("the operand must be a tuple, is {ty}");
            return Err(OpError::constraint("I1", text));
        };
        let element = usize::try_from(self.index).ok().and_then(|i| types.get(i));
        let missing = || OpError::constraint("C1", format!("{ty} has no element {}", self.index));
        Ok(Some(vec![element.ok_or_else(missing)?.clone()]))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let range = self.leaves(op.operand(0)?)?;
        let missing = || OpError::new("the tuple has fewer tensors than its type says");
        Ok(inputs.get(range).ok_or_else(missing)?.to_vec())
    }
}

impl GetTupleElement {
    /// Which of the tensors of a tuple of this type the element consists of.
    pub fn leaves(&self, tuple: &Type) -> Result<std::ops::Range<usize>, OpError> {
        let Type::Tuple(types) = tuple else {
            return Err(OpError::new(format!("the operand must be a tuple, is {tuple}")));
        };
        let missing =
            || OpError::constraint("C1", format!("{tuple} has no element {}", self.index));
        let index = usize::try_from(self.index).ok().filter(|&i| i < types.len());
        let index = index.ok_or_else(missing)?;
        let start: usize = types[..index].iter().map(Type::leaves).sum();
        Ok(start..start + types[index].leaves())
    }
}

#[cfg(test)]
mod tests {
    use crate::diag::Source;
    use crate::eval::{Evaluator, Tensor};

    #[test]
    fn tuples_pass_through_calls_and_nest() {
        let text = "func.func @main(%a: tensor<1xf32>, %b: tensor<2xf32>) -> (tensor<2xf32>, tensor<1xf32>) {
          %0 = stablehlo.tuple %a, %b : tuple<tensor<1xf32>, tensor<2xf32>>
          %1 = stablehlo.tuple %b, %0 : tuple<tensor<2xf32>, tuple<tensor<1xf32>, tensor<2xf32>>>
          %2 = call @inner(%1) : (tuple<tensor<2xf32>, tuple<tensor<1xf32>, tensor<2xf32>>>)
            -> tuple<tensor<1xf32>, tensor<2xf32>>
          %3 = stablehlo.get_tuple_element %2[1] : (tuple<tensor<1xf32>, tensor<2xf32>>) -> tensor<2xf32>
          %4 = stablehlo.get_tuple_element %2[0] : (tuple<tensor<1xf32>, tensor<2xf32>>) -> tensor<1xf32>
          return %3, %4 : tensor<2xf32>, tensor<1xf32>
        }
        func.func private @inner(%t: tuple<tensor<2xf32>, tuple<tensor<1xf32>, tensor<2xf32>>>)
          -> tuple<tensor<1xf32>, tensor<2xf32>> {
          %0 = stablehlo.get_tuple_element %t[1] : (tuple<tensor<2xf32>, tuple<tensor<1xf32>, tensor<2xf32>>>)
            -> tuple<tensor<1xf32>, tensor<2xf32>>
          return %0 : tuple<tensor<1xf32>, tensor<2xf32>>
        }";
        let module = crate::front::mlir::parse_module(&Source::new("t.mlir", text)).unwrap();
        let verified = crate::verify::verify(&module).unwrap();
        let inputs = [Tensor::f32s(&[1], &[1.]).unwrap(), Tensor::f32s(&[2], &[2., 3.]).unwrap()];
        let out = Evaluator::new(&module).call("main", &inputs).unwrap();
        assert_eq!(out, [inputs[1].clone(), inputs[0].clone()]);
        // The entry function alone, without tuples, computes the same.
        let func = crate::passes::inline::inline(verified, "main").unwrap();
        assert_eq!(func.body.blocks[func.body.entry].ops.len(), 1);
        let mut flat = crate::ir::Module::default();
        flat.funcs.push(func);
        assert_eq!(Evaluator::new(&flat).call("main", &inputs).unwrap(), out);
    }

    #[test]
    fn tuples_of_an_entry_function_become_several_values() {
        let text = "func.func @main(%t: tuple<tensor<1xf32>, tuple<tensor<2xf32>>>)
            -> (tuple<tensor<2xf32>>, tensor<1xf32>) {
          %0 = stablehlo.get_tuple_element %t[1] : (tuple<tensor<1xf32>, tuple<tensor<2xf32>>>)
            -> tuple<tensor<2xf32>>
          %1 = stablehlo.get_tuple_element %t[0] : (tuple<tensor<1xf32>, tuple<tensor<2xf32>>>)
            -> tensor<1xf32>
          return %0, %1 : tuple<tensor<2xf32>>, tensor<1xf32>
        }";
        let mut module = crate::front::mlir::parse_module(&Source::new("t.mlir", text)).unwrap();
        let id = module.find("main").unwrap();
        module.funcs[id].arg_names[0] = Some("t".into());
        let verified = crate::verify::verify(&module).unwrap();
        let func = crate::passes::inline::inline(verified, "main").unwrap();
        let names: Vec<_> = func.arg_names.iter().map(|n| n.as_deref().unwrap_or("-")).collect();
        assert_eq!(names, ["t.0", "t.1.0"]);
        assert_eq!((func.results.len(), func.result_attrs.len()), (2, 2));
        let mut flat = crate::ir::Module::default();
        flat.funcs.push(func);
        assert!(crate::verify::verify(&flat).is_ok());
    }
}
