//! Programs of dynamic shapes, at sizes given by name.

use crate::compile::{CompileOptions, Size, specialised};
use crate::diag::Source;
use crate::eval::{Evaluator, Tensor};
use crate::front::mlir::parse_module;
use crate::ir::{Func, Module, TensorType};
use crate::verify::verify;

fn sizes(given: &[&str]) -> Vec<Size> {
    given.iter().map(|text| text.parse().expect("a size")).collect()
}

fn refine(text: &str, given: &[&str]) -> Result<Func, String> {
    let module = parse_module(&Source::new("t.mlir", text)).map_err(|e| e.to_string())?;
    let verified = verify(&module).map_err(|e| e[0].to_string())?;
    let options = CompileOptions { sizes: sizes(given), ..CompileOptions::default() };
    specialised(verified, &options).map_err(|e| e.to_string())
}

/// The refined program is valid, and computes what the dynamic one does.
#[track_caller]
fn same(text: &str, given: &[&str]) -> Func {
    same_as(text, text, given)
}

/// The same with another text of the dynamic program, which the evaluator can run.
#[track_caller]
fn same_as(text: &str, evaluated: &str, given: &[&str]) -> Func {
    let func = refine(text, given).expect("it is refined");
    let mut refined = Module::default();
    refined.funcs.push(func.clone());
    verify(&refined).expect("the refined program is valid");
    let dynamic = parse_module(&Source::new("t.mlir", evaluated)).expect("it parses");
    let body = &func.body;
    let input = |(i, &v): (usize, &crate::ir::ValueId)| {
        let ty: &TensorType = body.ty(v).tensor().expect("a tensor");
        let count = ty.bytes().expect("a size") / 4;
        let bytes: Vec<u8> =
            (0..count).flat_map(|k| ((k + i as u64) as f32 * 0.5).to_le_bytes()).collect();
        Tensor::from_bytes(ty, bytes).expect("a tensor")
    };
    let inputs: Vec<Tensor> = body.blocks[body.entry].args.iter().enumerate().map(input).collect();
    let run = |module: &Module| Evaluator::new(module).call("main", &inputs).expect("it runs");
    let (a, b) = (run(&refined), run(&dynamic));
    assert_eq!(a, b);
    assert!(a.iter().zip(&func.results).all(|(t, ty)| ty.tensor() == Some(t.ty())));
    func
}

const SYMBOLIC: &str = "module {
  func.func public @main(%x: tensor<?x3xf32>, %y: tensor<?xf32>) -> tensor<?x3xf32> {
    %m = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x3xf32>) -> tensor<i32>
    %n = stablehlo.get_dimension_size %y, dim = 0 : (tensor<?xf32>) -> tensor<i32>
    %two = stablehlo.constant dense<2> : tensor<i32>
    %d = stablehlo.multiply %m, %two : tensor<i32>
    %ok = stablehlo.compare EQ, %n, %d, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.custom_call @shape_assertion(%ok, %n, %d) {api_version = 2 : i32, \
      error_message = \"y has {0}, expected {1}\", has_side_effect = true} : \
      (tensor<i1>, tensor<i32>, tensor<i32>) -> ()
    %r = call @inner(%m, %x, %y) : (tensor<i32>, tensor<?x3xf32>, tensor<?xf32>) -> tensor<?x3xf32>
    return %r : tensor<?x3xf32>
  }
  func.func private @inner(%m: tensor<i32> {jax.global_constant = \"m\"}, %x: tensor<?x3xf32>, \
      %y: tensor<?xf32>) -> tensor<?x3xf32> {
    %two = stablehlo.constant dense<2> : tensor<1xi32>
    %three = stablehlo.constant dense<3> : tensor<1xi32>
    %s = stablehlo.reshape %m : (tensor<i32>) -> tensor<1xi32>
    %shape = stablehlo.concatenate %s, %two, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
    %p = stablehlo.dynamic_reshape %y, %shape : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x2xf32>
    %z = stablehlo.constant dense<0.0> : tensor<f32>
    %q = stablehlo.reduce(%p init: %z) applies stablehlo.add across dimensions = [1] : \
      (tensor<?x2xf32>, tensor<f32>) -> tensor<?xf32>
    %full = stablehlo.concatenate %s, %three, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
    %b = stablehlo.dynamic_broadcast_in_dim %q, %full, dims = [0] : \
      (tensor<?xf32>, tensor<2xi32>) -> tensor<?x3xf32>
    %r = stablehlo.add %x, %b : tensor<?x3xf32>
    return %r : tensor<?x3xf32>
  }
}";

#[test]
fn symbols_bind_dimensions_and_assertions_the_others() {
    let assertion = SYMBOLIC.find("    stablehlo.custom_call").expect("the assertion");
    let end = assertion + SYMBOLIC[assertion..].find("-> ()").expect("its end") + "-> ()".len();
    let plain = [&SYMBOLIC[..assertion], &SYMBOLIC[end..]].concat();
    for m in [1, 4] {
        let func = same_as(SYMBOLIC, &plain, &[&format!("m={m}")]);
        assert_eq!(func.results[0].to_string(), format!("tensor<{m}x3xf32>"));
        let names: Vec<&str> = func
            .body
            .walk(func.body.entry)
            .iter()
            .map(|&op| func.body.ops[op].kind.name())
            .collect();
        assert!(
            !names.iter().any(|n| n.contains("dynamic") || n.contains("custom_call")),
            "{names:?}"
        );
    }
    same_as(SYMBOLIC, &plain, &["arg0=2x3", "arg1=4"]);
    same_as(SYMBOLIC, &plain, &["arg0.0=2"]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    for (given, message) in [
        (&[][..], "argument 0 has the dynamic type tensor<?x3xf32>; give its shape"),
        (&["q=3"], "there is no dimension `q`; known are `m`"),
        (&["arg0=2x4"], "dimension 1 of argument 0 cannot be 4"),
        (&["arg0=2"], "`arg0` has 1 sizes, the argument is tensor<?x3xf32>"),
        (&["arg0=2x3", "arg1=5"], "y has 5, expected 4"),
        (&["arg9=2x3"], "there is no argument `arg9`"),
        (&["arg0.7=2"], "argument 0 has no dimension 7"),
    ] {
        let error = refine(SYMBOLIC, given).expect_err("an error");
        assert!(error.contains(message), "{given:?}: {error}");
    }
    for text in ["m", "m=", "=3", "m=axb", "m=-1"] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
}

#[test]
fn one_name_is_every_dimension_where_the_program_has_no_names() {
    let text = "func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
        %r = stablehlo.add %x, %y : tensor<?xf32>
        return %r : tensor<?xf32>
    }";
    let func = same(text, &["batch=3"]);
    assert_eq!(func.results[0].to_string(), "tensor<3xf32>");
}

#[test]
fn bounded_dimensions_are_their_bounds_unless_given() {
    let text = "func.func @main(%x: tensor<?x2xf32, #stablehlo.bounds<5, ?>>) -> \
        tensor<?x2xf32, #stablehlo.bounds<5, ?>> {
        %r = stablehlo.negate %x : tensor<?x2xf32, #stablehlo.bounds<5, ?>>
        return %r : tensor<?x2xf32, #stablehlo.bounds<5, ?>>
    }";
    assert_eq!(same(text, &[]).results[0].to_string(), "tensor<5x2xf32>");
    assert_eq!(same(text, &["arg0=3x2"]).results[0].to_string(), "tensor<3x2xf32>");
    assert!(refine(text, &["arg0=6x2"]).expect_err("an error").contains("cannot be 6"));
}

#[test]
fn a_size_set_at_run_time_is_what_is_measured() {
    let text = "func.func @main(%x: tensor<4xf32>) -> tensor<i32> {
        %z = stablehlo.constant dense<0.0> : tensor<f32>
        %s = stablehlo.reduce(%x init: %z) applies stablehlo.add across dimensions = [0] : \
          (tensor<4xf32>, tensor<f32>) -> tensor<f32>
        %n = stablehlo.convert %s : (tensor<f32>) -> tensor<i32>
        %d = stablehlo.set_dimension_size %x, %n, dim = 0 : (tensor<4xf32>, tensor<i32>) -> \
          tensor<?xf32, #stablehlo.bounds<4>>
        %m = stablehlo.get_dimension_size %d, dim = 0 : \
          (tensor<?xf32, #stablehlo.bounds<4>>) -> tensor<i32>
        return %m : tensor<i32>
    }";
    let mut func = refine(text, &[]).expect("it is refined");
    // Nothing but its size is used of the shortened value.
    crate::passes::dce::dce(&mut func.body);
    let mut module = Module::default();
    module.funcs.push(func);
    verify(&module).expect("it is valid");
    let x = Tensor::f32s(&[4], &[1.0, 0.0, 2.0, 0.0]).expect("a tensor");
    let out = Evaluator::new(&module).call("main", &[x]).expect("it runs");
    assert_eq!(out[0].ints(), Some(vec![3]));
}

#[test]
fn dynamic_operations_become_static_ones() {
    let text = "func.func @main(%x: tensor<?x4xf32>) -> (tensor<?x?xf32>, tensor<?x?xf32>, tensor<?xi32>) {
        %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x4xf32>) -> tensor<i32>
        %s = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
        %i = stablehlo.dynamic_iota %s, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
        %z = stablehlo.constant dense<0> : tensor<1xi32>
        %o = stablehlo.constant dense<1> : tensor<1xi32>
        %low = stablehlo.concatenate %z, %o, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
        %high = stablehlo.concatenate %s, %o, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
        %v = stablehlo.constant dense<7.0> : tensor<f32>
        %p = \"stablehlo.dynamic_pad\"(%x, %v, %low, %high, %low) : (tensor<?x4xf32>, tensor<f32>, \
            tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<?x?xf32>
        %ones = stablehlo.constant dense<1> : tensor<2xi32>
        %c = \"stablehlo.real_dynamic_slice\"(%p, %low, %high, %ones) : (tensor<?x?xf32>, \
            tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<?x?xf32>
        return %p, %c, %i : tensor<?x?xf32>, tensor<?x?xf32>, tensor<?xi32>
    }";
    let func = same(text, &["arg0=3x4"]);
    let types: Vec<String> = func.results.iter().map(ToString::to_string).collect();
    assert_eq!(types, ["tensor<6x9xf32>", "tensor<3x0xf32>", "tensor<3xi32>"]);
}

#[test]
fn loops_and_branches_carry_shapes() {
    let text = "func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
        %c = stablehlo.constant dense<0> : tensor<i32>
        %n = stablehlo.constant dense<3> : tensor<i32>
        %o = stablehlo.constant dense<1> : tensor<i32>
        %r:2 = stablehlo.while(%i = %c, %v = %x) : tensor<i32>, tensor<?xf32>
        cond {
          %t = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %t : tensor<i1>
        } do {
          %j = stablehlo.add %i, %o : tensor<i32>
          %w = stablehlo.add %v, %x : tensor<?xf32>
          stablehlo.return %j, %w : tensor<i32>, tensor<?xf32>
        }
        %t = stablehlo.compare GT, %r#0, %o : (tensor<i32>, tensor<i32>) -> tensor<i1>
        %s = \"stablehlo.if\"(%t) ({
          %a = stablehlo.negate %r#1 : tensor<?xf32>
          stablehlo.return %a : tensor<?xf32>
        }, {
          stablehlo.return %x : tensor<?xf32>
        }) : (tensor<i1>) -> tensor<?xf32>
        return %s : tensor<?xf32>
    }";
    assert_eq!(same(text, &["m=4"]).results[0].to_string(), "tensor<4xf32>");
}

#[test]
fn a_window_of_dynamic_size_is_a_window() {
    let text = "module {
      func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
        %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
        %w = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
        %o = stablehlo.constant dense<1> : tensor<1xi32>
        %z = stablehlo.constant dense<0> : tensor<i32>
        %l = stablehlo.subtract %w, %o : tensor<1xi32>
        %a = stablehlo.reshape %l : (tensor<1xi32>) -> tensor<1x1xi32>
        %b = stablehlo.reshape %z : (tensor<i32>) -> tensor<1x1xi32>
        %p = stablehlo.concatenate %a, %b, dim = 1 : (tensor<1x1xi32>, tensor<1x1xi32>) -> tensor<1x2xi32>
        %i = stablehlo.constant dense<0.0> : tensor<f32>
        %r = stablehlo.custom_call @stablehlo.dynamic_reduce_window(%x, %i, %w, %o, %o, %o, %p) \
          {called_computations = [@sum]} : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, \
          tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
        return %r : tensor<?xf32>
      }
      func.func private @sum(%a: tensor<f32>, %b: tensor<f32>) -> tensor<f32> {
        %r = stablehlo.add %a, %b : tensor<f32>
        return %r : tensor<f32>
      }
    }";
    let func = refine(text, &["t=4"]).expect("it is refined");
    let mut module = Module::default();
    module.funcs.push(func);
    verify(&module).expect("it is valid");
    let x = Tensor::f32s(&[4], &[1.0, 2.0, 3.0, 4.0]).expect("a tensor");
    let out = Evaluator::new(&module).call("main", &[x]).expect("it runs");
    assert_eq!(out[0].to_f32s(), Some(vec![1.0, 3.0, 6.0, 10.0]));
}

#[test]
fn the_number_of_top_elements_and_the_shape_of_random_bits_may_be_operands() {
    let text = "func.func @main(%x: tensor<?xf32>, %s: tensor<2xui64>)
        -> (tensor<?xf32>, tensor<?xi32>, tensor<2xui64>, tensor<?x3xui32>) {
      %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
      %two = stablehlo.constant dense<2> : tensor<i32>
      %k = stablehlo.divide %n, %two : tensor<i32>
      %0:2 = stablehlo.custom_call @stablehlo.dynamic_top_k(%x, %k)
        : (tensor<?xf32>, tensor<i32>) -> (tensor<?xf32>, tensor<?xi32>)
      %m = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
      %three = stablehlo.constant dense<3> : tensor<1xi32>
      %d = stablehlo.concatenate %m, %three, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
      %1:2 = stablehlo.custom_call @stablehlo.dynamic_rng_bit_generator(%s, %d)
        {rng_algorithm = #stablehlo<rng_algorithm THREE_FRY>}
        : (tensor<2xui64>, tensor<2xi32>) -> (tensor<2xui64>, tensor<?x3xui32>)
      return %0#0, %0#1, %1#0, %1#1 : tensor<?xf32>, tensor<?xi32>, tensor<2xui64>, tensor<?x3xui32>
    }";
    let func = refine(text, &["t=4"]).expect("it is refined");
    let types: Vec<String> = func.results.iter().map(ToString::to_string).collect();
    assert_eq!(types, ["tensor<2xf32>", "tensor<2xi32>", "tensor<2xui64>", "tensor<4x3xui32>"]);
    let mut module = Module::default();
    module.funcs.push(func);
    verify(&module).expect("it is valid");
    let x = Tensor::f32s(&[4], &[1.0, 4.0, 3.0, 2.0]).expect("a tensor");
    let ty = TensorType::fixed(&[2], microhlo_format::DType::U64);
    let state = Tensor::from_elements(&ty, [crate::eval::Element::Int(7); 2]).expect("a tensor");
    let out = Evaluator::new(&module).call("main", &[x, state]).expect("it runs");
    assert_eq!(out[0].to_f32s(), Some(vec![4.0, 3.0]));
    assert_eq!(out[1].ints(), Some(vec![1, 2]));
}
