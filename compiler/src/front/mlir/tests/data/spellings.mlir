#loc1 = loc("f.py":3:4)
!t = tensor<4xf32>
#al = 1 : i64
// comment
module @"a b" attributes {mhlo.num_partitions = 1 : i32, jax.uses_shape_polymorphism = false, tf.versions = {bad_consumers = [], min_consumer = 12 : i32, producer = 2329 : i32}, mhlo.cross_program_prefetches = [], mhlo.frontend_attributes = {xla.sdy.meshes = "{}"}} {
  func.func private @"weird name"(%a: !t) -> !t { return %a : !t }
  func.func private @decl(tensor<f32>) -> tensor<f32>
  func.func nested @g(%a: !t loc("x")) -> !t { return %a : !t loc(#loc1) }
  func.func public @main(%arg0: !t {mhlo.layout_mode = "default", jax.global_constant = "m", sdy.sharding = #sdy.sharding<@mesh, [{}]>} loc("q"(#loc1)), %arg1: tensor<3x4xi8>) -> (!t {jax.result_info = "", mhlo.layout_mode = "default"}, tensor<3x4xi8>) attributes {no_inline, x = #al} {
    %c = stablehlo.constant {a = 1 : i64} dense<255> : tensor<3x4xi8>
    %c1 = stablehlo.constant dense<[[8, -8], [0x7, -0x1]]> : tensor<2x2xi4>
    %c2 = stablehlo.constant dense<> : tensor<0x3xf32>
    %c3 = stablehlo.constant dense<(1.0, 2.0)> : tensor<2xcomplex<f32>>
    %c4 = stablehlo.constant dense<[(1.0, 2.0), (3.0, -0.0)]> : tensor<2xcomplex<f32>>
    %c5 = stablehlo.constant dense<0x7F> : tensor<f8E4M3FN>
    %c6 = stablehlo.constant dense<[1.e3, 1.0e+40, 2.84240406E-4, 0xFF800000]> : tensor<4xf32>
    %c7 = stablehlo.constant dense<[true, 0, 1, false]> : tensor<4xi1>
    %c8 = stablehlo.constant dense<"0x0000803F"> : tensor<4xf32>
    %0 = stablehlo.exponential %arg0 {result_accuracy = #stablehlo.result_accuracy<atol = 1.0e-05, ulps = 1, mode = #stablehlo.result_accuracy_mode<TOLERANCE>>} : !t loc(fused<"m">[#loc1, "z"(#loc1)])
    %1 = stablehlo.compare  GT, %0, %arg0,  FLOAT : (!t, !t) -> tensor<4xi1> loc(callsite(#loc1 at "f":1:2))
    %2 = stablehlo.select %1, %0, %c6 : tensor<4xi1>, !t
    %3 = call @"weird name"(%2) : (!t) -> !t loc("f":1:2 to :9)
    %4 = func.call @g(%3) : (!t) -> !t loc(unknown)
    %cst = stablehlo.constant dense<0.0> : tensor<f32>
    %5 = stablehlo.reduce(%4 init: %cst) applies stablehlo.add across dimensions = [0] : (!t, tensor<f32>) -> tensor<f32>
    %6 = stablehlo.reduce(%4 init: %cst) across dimensions = [0] {foo = "bar"} : (!t, tensor<f32>) -> tensor<f32>
      reducer(%x: tensor<f32>, %y: tensor<f32>) {
      %z = stablehlo.subtract %x, %y : tensor<f32>
      stablehlo.return %z : tensor<f32>
    }
    %7:2 = stablehlo.while(%iterArg = %5, %iterArg_0 = %4) : tensor<f32>, !t attributes {foo = "bar"}
     cond {
      %8 = stablehlo.compare LT, %iterArg, %cst : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %8 : tensor<i1>
    } do {
      %8 = func.call @g(%iterArg_0) : (!t) -> !t
      stablehlo.return %iterArg, %8 : tensor<f32>, !t
    }
    %9 = stablehlo.optimization_barrier %7#1 : !t
    %10 = stablehlo.composite "my.op" %9 {composite_attributes = {n = 1 : i64}, decomposition = @g, version = 2 : i32} : (!t) -> !t
    %st = stablehlo.constant dense<1> : tensor<2xui64>
    %11, %12 = stablehlo.rng_bit_generator %st, algorithm =  PHILOX : (tensor<2xui64>) -> (tensor<2xui64>, tensor<10xui32>)
    %13 = stablehlo.reduce_precision %10, format = e5m10 : !t
    %14 = stablehlo.get_dimension_size %13, dim = 0 : (!t) -> tensor<i32>
    %tok = stablehlo.create_token : !stablehlo.token
    %tok2 = stablehlo.after_all %tok, %tok : !stablehlo.token
    %15 = stablehlo.tuple %13, %14 : tuple<!t, tensor<i32>>
    %16 = stablehlo.get_tuple_element %15[0] : (tuple<!t, tensor<i32>>) -> !t
    %17 = stablehlo.custom_call @Sharding(%16) {backend_config = "", mhlo.sharding = "{replicated}", operand_layouts = [dense<0> : tensor<1xindex>], result_layouts = [dense<0> : tensor<1xindex>], api_version = 2 : i32} : (!t) -> !t
    %18 = stablehlo.slice %17 [0:4:1] : (!t) -> !t
    %19 = "stablehlo.transpose"(%arg1) {permutation = dense<[1, 0]> : tensor<2xi64>, result_layout = dense<[0, 1]> : tensor<2xindex>, xla_shape = "s8[4,3]{0,1}"} : (tensor<3x4xi8>) -> tensor<4x3xi8>
    %20 = stablehlo.transpose %19, dims = [1, 0] {result_layout = dense<[1, 0]> : tensor<2xindex>} : (tensor<4x3xi8>) -> tensor<3x4xi8>
    %21 = stablehlo.add %20, %c {a} : tensor<3x4xi8>
    return %18, %21 : !t, tensor<3x4xi8> loc(#loc2)
  } loc(#loc2)
} loc(#loc)
#loc = loc(unknown)
#loc2 = loc("n"(callsite("a"(#loc1) at "b"(#loc1))))
