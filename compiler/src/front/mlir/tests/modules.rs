//! Modules, functions, names, aliases, locations, types, resources.

use super::{ops, parse, reject};
use crate::diag::Source;
use crate::front::mlir::parse_mixed;
use crate::ir::Dim;
use crate::ir::{Attr, ElementType, Type};
use crate::ops::OpKind;

#[test]
fn attributes_of_modules_functions_arguments_and_results() {
    let module = parse(
        r#"
#loc = loc(unknown)
#loc1 = loc("early"(#loc9))
module @"jit main" attributes {mhlo.num_partitions = 1 : i32, tf_saved_model.semantics} { // x
  func.func public @main(%arg0: tensor<2xf32> loc("x"), %arg1: tensor<f32> {a.b = 1 : i32} loc(#loc1),
      %arg2: tensor<f32> loc(#loc3) {tf_saved_model.index_path = ["in"]}, %3: tensor<i1>)
      -> (tensor<2xf32> {jax.result_info = "r\22"}, tensor<f32>) attributes {f = unit} {
    return %arg0, %arg1 : tensor<2xf32>, tensor<f32> loc(#loc)
  } loc(#loc)
  func.func private @"odd name"(tensor<f32> {x}) -> tensor<f32>
  func.func nested @f.g() -> () { func.return } loc(fused<{a = "b"}>["n", callsite("c" at #loc1)])
  func.func @h() { return }
} loc(#loc)
#loc3 = loc(callsite("late"("f.py":1:2 to :3) at unknown))
#loc9 = loc("a.py":1:2 to 3:4)
"#,
    );
    assert_eq!(module.name.as_deref(), Some("jit main"));
    assert_eq!(module.attrs.get("tf_saved_model.semantics"), Some(&Attr::Unit));
    let names: Vec<_> = module.funcs.values().map(|f| (&*f.name, f.public)).collect();
    assert_eq!(names, [("main", true), ("odd name", false), ("f.g", false), ("h", true)]);
    let main = &module.funcs[module.find("main").unwrap()];
    let arg_names: Vec<_> = main.arg_names.iter().map(|n| n.as_deref()).collect();
    assert_eq!(arg_names, [Some("x"), Some("early"), Some("late"), None]);
    assert_eq!(main.arg_attrs[1].get("a.b"), Some(&Attr::Int(1, "i32".into())));
    assert_eq!(main.result_attrs[0].get("jax.result_info"), Some(&Attr::String("r\"".into())));
    assert_eq!(main.results.len(), 2);
    assert_eq!(main.attrs.get("f"), Some(&Attr::Unit));
    let declared = &module.funcs[module.find("odd name").unwrap()];
    assert!(declared.body.blocks[declared.body.entry].ops.is_empty());
    assert_eq!(declared.body.blocks[declared.body.entry].args.len(), 1);
}

/// JAX ends the comparators of `approx_max_k` so.
#[test]
fn functions_may_end_with_the_return_of_regions() {
    let module = parse(
        r#"
module @m {
  func.func private @greater(%a: tensor<f32>, %b: tensor<f32>) -> tensor<i1> {
    %0 = stablehlo.compare GT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %0 : tensor<i1>
  }
  func.func public @main(%a: tensor<f32>) -> tensor<f32> {
    "stablehlo.return"(%a) : (tensor<f32>) -> ()
  }
}
"#,
    );
    assert!(crate::verify::verify(&module).is_ok());
    assert!(!module.to_string().contains("stablehlo.return"));
}

/// As JAX exports a program for several devices.
#[test]
fn hints_how_values_lie_on_several_devices_mean_nothing_on_one() {
    let module = parse(
        r#"
module @m {
  sdy.mesh @mesh = <["x"=2, "y"=2]> {stablehlo.mesh = {axes = [{name = "x", size = 2 : i64}]}} loc(#loc)
  "sdy.mesh"() <{mesh = #sdy.mesh<["z"=1]>, sym_name = "other"}> : () -> ()
  func.func public @main(%a: tensor<4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x", ?}]>}) -> tensor<4xf32> {
    %0 = sdy.sharding_constraint %a <@mesh, [{"x"}]> : tensor<4xf32>
    sdy.sharding_group %0 group_id=0 : tensor<4xf32>
    %1 = "sdy.sharding_constraint"(%0) <{sharding = #sdy.sharding<@mesh, [{"y"}]>}> : (tensor<4xf32>) -> tensor<4xf32>
    %2 = sdy.propagation_barrier %1 allowed_direction=NONE : tensor<4xf32>
    %3 = builtin.unrealized_conversion_cast %2 : tensor<4xf32> to tensor<4xf32>
    %4 = sdy.reshard %3 <@mesh, []> {unreduced} : tensor<4xf32> loc(#loc)
    %5 = stablehlo.negate %4 : tensor<4xf32>
    return %5 : tensor<4xf32>
  }
}
#loc = loc(unknown)
"#,
    );
    assert_eq!(ops(&module).len(), 2, "{module}");
}

#[test]
fn generic_modules_equal_pretty_ones() {
    let generic = parse(
        r#"
"builtin.module"() <{sym_name = "m"}> ({
  "func.func"() <{arg_attrs = [{a = 1 : i32}], function_type = (tensor<f32>) -> tensor<f32>,
      res_attrs = [{r}], sym_name = "main", sym_visibility = "public"}> ({
  ^bb0(%arg2: tensor<f32> loc("x")):
    %0 = "stablehlo.negate"(%arg2) : (tensor<f32>) -> tensor<f32> loc("n")
    "func.return"(%0) : (tensor<f32>) -> ()
  }) : () -> ()
  "func.func"() <{function_type = () -> (), sym_name = "g", sym_visibility = "private"}> ({}) : () -> ()
}) {b = 2 : i32} : () -> ()
"#,
    );
    let pretty = parse(
        r#"
module @m attributes {b = 2 : i32} {
  func.func @main(%arg0: tensor<f32> {a = 1 : i32} loc("x")) -> (tensor<f32> {r}) {
    %0 = stablehlo.negate %arg0 : tensor<f32>
    return %0 : tensor<f32>
  }
  func.func private @g()
}
"#,
    );
    assert_eq!(generic.name, pretty.name);
    assert_eq!(generic.attrs, pretty.attrs);
    for (a, b) in generic.funcs.values().zip(pretty.funcs.values()) {
        assert_eq!((&a.name, a.public, &a.arg_attrs), (&b.name, b.public, &b.arg_attrs));
        assert_eq!((&a.arg_names, &a.results), (&b.arg_names, &b.results));
        assert_eq!(a.result_attrs, b.result_attrs);
        let kinds = |f: &crate::ir::Func| -> Vec<OpKind> {
            f.body.walk(f.body.entry).into_iter().map(|o| f.body.ops[o].kind.clone()).collect()
        };
        assert_eq!(kinds(a), kinds(b));
    }
    assert_eq!(generic.funcs.len(), 2);
}

#[test]
fn aliases_stand_for_attributes_and_types() {
    let module = parse(
        "#map = array<i64: 1>\n!t = tensor<3xf32>\n!q = !quant.uniform<i8:f32, 0.5:-1>\n!e = !q\n\
         #b = #stablehlo.bounds<5, ?>\n\
         func.func @main(%a: !t, %b: tensor<2x!e>, %c: tensor<?x2xf32, #b>) -> tensor<2x3xf32> {\n\
         %0 = \"stablehlo.broadcast_in_dim\"(%a) <{broadcast_dimensions = #map}> : (!t) -> tensor<2x3xf32>\n\
         return %0 : tensor<2x3xf32> }",
    );
    let func = module.funcs.values().next().unwrap();
    let args = &func.body.blocks[func.body.entry].args;
    let Type::Tensor(b) = func.body.ty(args[1]) else { panic!() };
    assert!(matches!(&b.elem, ElementType::Quant(q) if q.zero_points == [-1]));
    let Type::Tensor(c) = func.body.ty(args[2]) else { panic!() };
    assert_eq!(c.dims, [Dim::Dynamic { bound: Some(5) }, Dim::Static(2)]);
}

#[test]
fn values_are_visible_in_nested_regions_and_packs_are_indexed() {
    let module = parse(
        "func.func @main(%n: tensor<i32>, %c: tensor<i1>) -> (tensor<i32>, tensor<i32>) {\n\
         %0:2 = stablehlo.while(%i = %n, %j = %n) : tensor<i32>, tensor<i32>\n\
          cond { stablehlo.return %c : tensor<i1> }\n\
          do { %1 = stablehlo.add %i, %n : tensor<i32> stablehlo.return %1, %j : tensor<i32>, tensor<i32> }\n\
         %1, %2 = \"stablehlo.if\"(%c) ({ stablehlo.return %0, %0#1 : tensor<i32>, tensor<i32> },\n\
          { stablehlo.return %n, %n : tensor<i32>, tensor<i32> }) : (tensor<i1>) -> (tensor<i32>, tensor<i32>)\n\
         return %2, %0#1 : tensor<i32>, tensor<i32> }",
    );
    let func = module.funcs.values().next().unwrap();
    let all = ops(&module);
    let results = |i: usize| func.body.ops[all[i]].results.clone();
    assert_eq!(func.body.returned(func.body.entry), [results(1)[1], results(0)[1]]);
    let then = func.body.ops[all[1]].regions[0];
    assert_eq!(func.body.returned(then), results(0));
}

#[test]
fn types_print_as_they_were_written() {
    for ty in [
        "tensor<f32>",
        "tensor<0xf32>",
        "tensor<2x?x3xi1>",
        "tensor<?x2xf32, #stablehlo.bounds<5, ?>>",
        "tensor<4xcomplex<f64>>",
        "tensor<2xui4>",
        "tensor<2xindex>",
        "tensor<4xf8E4M3B11FNUZ>",
        "tensor<2x!quant.uniform<i8:f32, 0.5:-128>>",
        "tensor<2x3x!quant.uniform<i8<-127:127>:f32:1, {0.2:20, 0.1:10, 0.3}>>",
        "tensor<2x!quant.uniform<u8:f32, 34.0:16>>",
        "!stablehlo.token",
        "tuple<tensor<f32>, tuple<>, !stablehlo.token>",
        "!stablehlo.future<tensor<4xf32>>",
    ] {
        let module = parse(&format!("func.func private @f({ty}) -> ()"));
        let func = module.funcs.values().next().unwrap();
        let arg = func.body.blocks[func.body.entry].args[0];
        assert_eq!(func.body.ty(arg).to_string(), ty);
    }
}

#[test]
fn bad_types_are_refused() {
    for (ty, message) in [
        ("tensor<*xf32>", "values of type `tensor<*xf32>` are not supported"),
        ("tensor<2xf33>", "expected an element type such as `f32`"),
        ("tensor<2x2>", "expected `x`"),
        ("f32", "values of type `f32` are not supported"),
        ("memref<2xf32>", "values of type `memref<2xf32>` are not supported"),
        ("f33", "expected a tensor, token or tuple type, found `f33`"),
        ("tensor<2x!foo.bar<tensor<f32>>>", "values of type `tensor<2x!foo.bar<tensor<f32>>>`"),
        ("tensor<99999999999999999999xf32>", "does not fit in 63 bits"),
        ("tensor<2xf32, #stablehlo.bounds<5>>", "dimension of size 2 has a bound"),
        ("tensor<?xf32, #stablehlo.bounds<5, 6>>", "2 bounds for a tensor of rank 1"),
        ("tensor<?xf32, 5>", "unsupported tensor encoding"),
        ("!foo.bar<2>", "values of type `!foo.bar<2>` are not supported"),
        ("!bar", "unknown type `!bar`"),
        ("!vhlo.tensor_v1<2>", "expected `x`"),
        ("!vhlo.zorp_v1", "unknown type `!vhlo.zorp_v1`"),
        ("!vhlo.f32_v2", "unknown type `!vhlo.f32_v2`"),
        ("!vhlo.f32_v1", "no type of a value"),
        ("tensor<2x!quant.uniform<f32:f32, 0.5>>", "storage type must be an integer"),
        ("tensor<2x!quant.uniform<i8:f32, -0.5>>", "scale must be positive and finite"),
        ("tensor<2x!quant.uniform<i8:f32, 0.5:300>>", "zero point 300 must lie within -128:127"),
        ("tensor<2x!quant.uniform<i8:f32:0, {0.5}>>", "1 scales for dimension 0 of size 2"),
        ("tensor<2x!quant.uniform<i8:f32:3, {0.5}>>", "axis 3 must be less than the rank 1"),
        ("tensor<2xcomplex<i8>>", "parts must be `f32` or `f64`"),
    ] {
        let report = reject(&format!("func.func private @f({ty})"));
        assert!(report.contains(message), "{ty}: {report}");
    }
    let deep = format!("tensor<{}f32>", "1x".repeat(65));
    assert!(reject(&format!("func.func private @f({deep})")).contains("rank is greater than 64"));
}

#[test]
fn resources_are_read_from_the_end_of_the_file() {
    let program = |literal: &str| {
        format!(
            "module {{\nfunc.func @main() -> tensor<2xf32> {{\n\
            %c = stablehlo.constant {literal} : tensor<2xf32>\nreturn %c : tensor<2xf32>\n}}\n}}\n"
        )
    };
    let section = "{-#\n  dialect_resources: {\n    builtin: {\n      w0: \"0x040000000000803F00000040\",\n\
        \"b\": \"0x0400000000\"\n    }\n  }\n#-}\n";
    let module = parse(&(program("dense_resource<w0>") + section));
    let func = module.funcs.values().next().unwrap();
    let OpKind::Constant(c) = &func.body.ops[ops(&module)[0]].kind else { panic!() };
    assert_eq!(c.value.to_f32s().unwrap(), [1.0, 2.0]);
    for (text, message) in [
        (program("dense_resource<w1>") + section, "resource `w1` is not defined"),
        (program("dense_resource<w0>"), "resource `w0` is not defined"),
        (program("dense_resource<b>") + section, "the blob has 1 bytes"),
        (program("dense_resource<__elided__>") + section, "their values are lost"),
    ] {
        let report = reject(&text);
        assert!(report.contains(message), "{report}");
    }
}

#[test]
fn a_module_without_functions_is_a_module() {
    assert!(
        parse("module attributes {stablehlo.scatter = #stablehlo.scatter<>} {}").funcs.is_empty()
    );
    assert!(parse("// nothing\n").funcs.is_empty());
}

#[test]
fn vhlo_reads_as_stablehlo() {
    let vhlo = parse(
        "module {
          vhlo.func_v1 @main(%arg0: !vhlo.tensor_v1<1x4x!vhlo.f32_v1>) -> \
            (!vhlo.tensor_v1<1x2x!vhlo.f32_v1>) {
            %0 = \"vhlo.constant_v1\"() <{value = #vhlo.tensor_v1<dense<1.0> : tensor<4x2xf32>>}> \
              : () -> !vhlo.tensor_v1<4x2x!vhlo.f32_v1>
            %1 = \"vhlo.dot_general_v2\"(%arg0, %0) <{\
              accumulation_type = #vhlo.type_v1<!vhlo.none_v1>, \
              allow_imprecise_accumulation = #vhlo.type_v1<!vhlo.none_v1>, \
              lhs_batching_dimensions = #vhlo.tensor_v1<dense<> : tensor<0xi64>>, \
              lhs_component_count = #vhlo.type_v1<!vhlo.none_v1>, \
              lhs_contracting_dimensions = #vhlo.tensor_v1<dense<1> : tensor<1xi64>>, \
              lhs_precision_type = #vhlo.type_v1<!vhlo.none_v1>, \
              num_primitive_operations = #vhlo.type_v1<!vhlo.none_v1>, \
              precision_config = #vhlo.array_v1<[#vhlo<precision_v1 HIGHEST>, \
              #vhlo<precision_v1 DEFAULT>]>, \
              rhs_batching_dimensions = #vhlo.tensor_v1<dense<> : tensor<0xi64>>, \
              rhs_component_count = #vhlo.type_v1<!vhlo.none_v1>, \
              rhs_contracting_dimensions = #vhlo.tensor_v1<dense<0> : tensor<1xi64>>, \
              rhs_precision_type = #vhlo.type_v1<!vhlo.none_v1>}> : \
              (!vhlo.tensor_v1<1x4x!vhlo.f32_v1>, !vhlo.tensor_v1<4x2x!vhlo.f32_v1>) -> \
              !vhlo.tensor_v1<1x2x!vhlo.f32_v1>
            %2 = \"vhlo.exponential_v2\"(%1) <{result_accuracy = \
              #vhlo.result_accuracy_v1<atol = 0.0, rtol = 0.0, ulps = 0, \
              mode = #vhlo<result_accuracy_mode_v1 DEFAULT>>}> : \
              (!vhlo.tensor_v1<1x2x!vhlo.f32_v1>) -> !vhlo.tensor_v1<1x2x!vhlo.f32_v1>
            \"vhlo.return_v1\"(%2) : (!vhlo.tensor_v1<1x2x!vhlo.f32_v1>) -> ()
          } {arg_attrs = #vhlo.array_v1<[#vhlo.dict_v1<{}>]>, res_attrs = #vhlo.array_v1<\
             [#vhlo.dict_v1<{#vhlo.string_v1<\"jax.result_info\"> = #vhlo.string_v1<\"y\">}>]>, \
             sym_visibility = #vhlo.string_v1<\"private\">}
        }",
    );
    let stablehlo = parse(
        "module { func.func private @main(%arg0: tensor<1x4xf32>) -> \
            (tensor<1x2xf32> {jax.result_info = \"y\"}) {
            %0 = stablehlo.constant dense<1.0> : tensor<4x2xf32>
            %1 = stablehlo.dot_general %arg0, %0, contracting_dims = [1] x [0], \
              precision = [HIGHEST, DEFAULT] : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>
            %2 = stablehlo.exponential %1 : tensor<1x2xf32>
            return %2 : tensor<1x2xf32>
        } }",
    );
    assert_eq!(vhlo.to_string(), stablehlo.to_string());
}

/// Functions of StableHLO's `stablehlo_legalize_to_vhlo` tests, as they print in VHLO.
#[test]
fn vhlo_types_and_attributes_read_as_stablehlo() {
    for (vhlo, stablehlo) in [
        (
            "!vhlo.tensor_v1<2x!vhlo.quant_per_axis_v1<!vhlo.i8_v1:!vhlo.f32_v1, 0, \
             [3.400000e+01, 2.0], [16, 0], -128:127, 1>>",
            "tensor<2x!quant.uniform<i8:f32:0, {34.0:16, 2.0}>>",
        ),
        (
            "!vhlo.tensor_v1<2x!vhlo.quant_v1<!vhlo.i8_v1:!vhlo.f32_v1, 0.5:16, 0:255, 0>>",
            "tensor<2x!quant.uniform<u8:f32, 0.5:16>>",
        ),
        (
            "!vhlo.tensor_v1<?x4x!vhlo.f8E8M0FNU_v1, #vhlo.type_extensions_v1<bounds = [8, ?]>>",
            "tensor<?x4xf8E8M0FNU, #stablehlo.bounds<8, ?>>",
        ),
        (
            "!vhlo.future_v1<!vhlo.tensor_v1<2x!vhlo.complex_v1<!vhlo.f64_v1>>>",
            "!stablehlo.future<tensor<2xcomplex<f64>>>",
        ),
    ] {
        let vhlo = parse(&format!(
            "vhlo.func_v1 @f(%a: {vhlo}) -> ({vhlo}) {{ \"vhlo.return_v1\"(%a) : ({vhlo}) -> () }}"
        ));
        let text =
            format!("func.func @f(%a: {stablehlo}) -> {stablehlo} {{ return %a : {stablehlo} }}");
        assert_eq!(vhlo.to_string(), parse(&text).to_string());
    }
    let call = |target: &str, attrs: &str, ty: &str| {
        format!("%0 = \"{target}\"(%a) <{{{attrs}}}> : ({ty}) -> {ty} ")
    };
    let vhlo = parse_mixed(&Source::new(
        "t.mlir",
        format!(
            "vhlo.func_v1 @f(%a: !vhlo.buffer_v1<2x!vhlo.f32_v1>) -> () {{ {} \"vhlo.return_v1\"() : () -> () }}",
            call(
                "vhlo.custom_call_v1",
                "call_target_name = #vhlo.string_v1<\"foo\">, \
            output_operand_aliases = #vhlo.array_v1<[#vhlo.output_operand_alias_v1<\
            outputTupleIndices = [], operandIndex = 0, operandTupleIndices = []>]>",
                "!vhlo.buffer_v1<2x!vhlo.f32_v1>"
            ),
        ),
    ));
    let stablehlo = parse_mixed(&Source::new(
        "t.mlir",
        format!(
            "func.func @f(%a: memref<2xf32>) {{ {} return }}",
            call(
                "stablehlo.custom_call",
                "call_target_name = \"foo\", output_operand_aliases = [\
            #stablehlo.output_operand_alias<output_tuple_indices = [], operand_index = 0, \
            operand_tuple_indices = []>]",
                "memref<2xf32>"
            ),
        ),
    ));
    assert_eq!(vhlo.unwrap().to_string(), stablehlo.unwrap().to_string());
    for attr in ["#vhlo.zorp_v1<a = 1>", "#vhlo.string_v2<\"x\">", "#vhlo.mesh_v3<axes = []>"] {
        let report = reject(&format!("vhlo.func_v1 @f() -> () {{}} {{x = {attr}}}"));
        let name = attr.split_once('<').unwrap().0;
        assert!(report.contains(&format!("unknown attribute `{name}`")), "{report}");
    }
}

#[test]
fn locations_printed_for_people_are_skipped() {
    let module = parse(
        "#loc = [unknown]\n#loc1 = \"x\"\nmodule @m {\n\
         func.func @main(%arg0: tensor<2xf32> \"x\", %arg1: tensor<2xf32> [unknown]) -> tensor<2xf32> {\n\
         %0 = stablehlo.add %arg0, %arg1 : tensor<2xf32> \"add\"(#loc3)\n\
         %1 = stablehlo.add %0, %0 : tensor<2xf32> #loc1\n\
         %2 = stablehlo.add %1, %0 : tensor<2xf32> a/b.py:3:4 to :9\n\
         return %2 : tensor<2xf32> [unknown]\n} [unknown]\n} [unknown]\n\
         #loc2 = a/b.py:23:10 to :89\n#loc3 = #loc1\n at #loc2\n",
    );
    let func = module.funcs.values().next().unwrap();
    assert_eq!(func.arg_names[0].as_deref(), Some("x"));
    assert_eq!(ops(&module).len(), 4);
}

/// What JAX, TensorFlow and torch_xla print beside the plain forms, in one program.
#[test]
fn spellings_of_exporters_read_and_survive() {
    let module = parse(include_str!("data/spellings.mlir"));
    crate::verify::verify(&module).expect("it is valid");
    let text = module.to_string();
    assert_eq!(parse(&text).to_string(), text);
}
