module @features attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<2x3xf32> {jax.buffer_donor = true}, %arg1: tensor<i32>) -> (tensor<2xf32> {jax.result_info = "sum"}, tensor<i32>) {
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %mask = stablehlo.constant dense<[[true, false, true], [false, true, true]]> : tensor<2x3xi1>
    %all = stablehlo.constant dense<true> : tensor<2x3xi1>
    %weights = stablehlo.constant dense<[[1.5, -2.0, 0.25], [3.0, 1.0e-3, -4.0e6]]> : tensor<2x3xf32>
    %both = stablehlo.and %mask, %all : tensor<2x3xi1>
    %0 = stablehlo.select %both, %arg0, %weights : tensor<2x3xi1>, tensor<2x3xf32>
    %1 = call @scaled(%0) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    %2 = stablehlo.reduce(%1 init: %cst) applies stablehlo.add across dimensions = [1] : (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>
    %c = stablehlo.constant dense<0> : tensor<i32>
    %c_0 = stablehlo.constant dense<1> : tensor<i32>
    %3:2 = stablehlo.while(%iterArg = %c, %iterArg_1 = %2) : tensor<i32>, tensor<2xf32>
    cond {
      %6 = stablehlo.compare LT, %iterArg, %arg1, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %6 : tensor<i1>
    } do {
      %6 = stablehlo.add %iterArg, %c_0 : tensor<i32>
      %7 = stablehlo.multiply %iterArg_1, %2 : tensor<2xf32>
      stablehlo.return %6, %7 : tensor<i32>, tensor<2xf32>
    }
    %4 = "stablehlo.case"(%arg1) ({
      stablehlo.return %3#1 : tensor<2xf32>
    }, {
      %6 = stablehlo.negate %3#1 : tensor<2xf32>
      stablehlo.return %6 : tensor<2xf32>
    }) : (tensor<i32>) -> tensor<2xf32>
    %5 = "stablehlo.sort"(%4) <{dimension = 0 : i64, is_stable = true}> ({
    ^bb0(%arg2: tensor<f32>, %arg3: tensor<f32>):
      %6 = stablehlo.compare GT, %arg2, %arg3 : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %6 : tensor<i1>
    }) : (tensor<2xf32>) -> tensor<2xf32>
    return %5, %3#0 : tensor<2xf32>, tensor<i32>
  }
  func.func private @scaled(%arg0: tensor<2x3xf32>) -> tensor<2x3xf32> {
    %cst = stablehlo.constant dense<-2.500000e-01> : tensor<2x3xf32>
    %0 = stablehlo.multiply %arg0, %cst : tensor<2x3xf32>
    return %0 : tensor<2x3xf32>
  }
  func.func private @more(%arg0: tensor<1x4x4x2xi8>, %arg1: tensor<3x3x2x5xi8>, %arg2: tensor<4x3xf64>, %arg3: tensor<2x1xi64>) -> (tensor<1x2x2x5xi32>, tensor<2x3xf64>, tensor<4x4xf64>, tensor<2x4x4x2xi8>) {
    %0 = stablehlo.convolution(%arg0, %arg1) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [2, 2], pad = [[1, 1], [0, 2]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<1x4x4x2xi8>, tensor<3x3x2x5xi8>) -> tensor<1x2x2x5xi32>
    %1 = "stablehlo.gather"(%arg2, %arg3) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, indices_are_sorted = true, slice_sizes = array<i64: 1, 3>}> : (tensor<4x3xf64>, tensor<2x1xi64>) -> tensor<2x3xf64>
    %2 = stablehlo.dot_general %arg2, %arg2, contracting_dims = [1] x [1], precision = [HIGHEST, HIGHEST] : (tensor<4x3xf64>, tensor<4x3xf64>) -> tensor<4x4xf64>
    %c = stablehlo.constant dense<-7> : tensor<i8>
    %3 = stablehlo.pad %arg0, %c, low = [1, 0, -1, 0], high = [0, 0, 1, 0], interior = [0, 0, 0, 0] : (tensor<1x4x4x2xi8>, tensor<i8>) -> tensor<2x4x4x2xi8>
    return %0, %1, %2, %3 : tensor<1x2x2x5xi32>, tensor<2x3xf64>, tensor<4x4xf64>, tensor<2x4x4x2xi8>
  }
}
