module attributes {mhlo.num_partitions = 1 : i32} {
  func.func @arithmetic(%a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xi1>) {
    %0 = mhlo.add %a, %b : tensor<4xf32>
    %1 = mhlo.exponential %0 {result_accuracy = #mhlo.result_accuracy<atol = 1.000000e-05, ulps = 1, mode = #mhlo.result_accuracy_mode<TOLERANCE>>} : tensor<4xf32>
    %2 = mhlo.compare  LT, %0, %1,  TOTALORDER : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    %3 = mhlo.erf %1 : tensor<4xf32>
    %4 = mhlo.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
    %5 = mhlo.select %2, %3, %4 : tensor<4xi1>, tensor<4xf32>
    return %5, %2 : tensor<4xf32>, tensor<4xi1>
  }
  func.func @contractions(%a: tensor<2x3x4xf32>, %b: tensor<2x4x5xf32>, %c: tensor<1x8x8x2xf32>, %d: tensor<3x3x2x4xf32>) -> (tensor<2x3x5xf32>, tensor<1x8x8x4xf32>) {
    %0 = "mhlo.dot_general"(%a, %b) <{dot_dimension_numbers = #mhlo.dot<lhs_batching_dimensions = [0], rhs_batching_dimensions = [0], lhs_contracting_dimensions = [2], rhs_contracting_dimensions = [1]>, precision_config = [#mhlo<precision HIGH>, #mhlo<precision DEFAULT>]}> : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
    %1 = mhlo.convolution(%c, %d) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<1x8x8x2xf32>, tensor<3x3x2x4xf32>) -> tensor<1x8x8x4xf32>
    return %0, %1 : tensor<2x3x5xf32>, tensor<1x8x8x4xf32>
  }
  func.func @indices(%a: tensor<5x4xf32>, %i: tensor<3x1xi32>, %u: tensor<3x4xf32>, %b: tensor<2x5xf32>, %j: tensor<2x3x1xi32>) -> (tensor<3x4xf32>, tensor<5x4xf32>, tensor<2x3xf32>) {
    %0 = "mhlo.gather"(%a, %i) <{dimension_numbers = #mhlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, indices_are_sorted = true, slice_sizes = dense<[1, 4]> : tensor<2xi64>}> : (tensor<5x4xf32>, tensor<3x1xi32>) -> tensor<3x4xf32>
    %1 = "mhlo.scatter"(%a, %i, %u) <{scatter_dimension_numbers = #mhlo.scatter<update_window_dims = [1], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}> ({
    ^bb0(%x: tensor<f32>, %y: tensor<f32>):
      %3 = mhlo.add %x, %y : tensor<f32>
      mhlo.return %3 : tensor<f32>
    }) : (tensor<5x4xf32>, tensor<3x1xi32>, tensor<3x4xf32>) -> tensor<5x4xf32>
    %2 = "mhlo.gather"(%b, %j) <{dimension_numbers = #mhlo.gather<collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = dense<1> : tensor<2xi64>}> : (tensor<2x5xf32>, tensor<2x3x1xi32>) -> tensor<2x3xf32>
    return %0, %1, %2 : tensor<3x4xf32>, tensor<5x4xf32>, tensor<2x3xf32>
  }
  func.func @others(%a: tensor<4x4xf32>, %c: tensor<4xcomplex<f32>>, %n: tensor<2xui64>) -> (tensor<4x4xf32>, tensor<4xcomplex<f32>>, tensor<4xf32>, tensor<2xui64>, tensor<8xui32>, tensor<4x2xf32>, tensor<4x2xi32>) {
    %5 = mhlo.constant dense<0xFF800000> : tensor<f32>
    %0 = "mhlo.triangular_solve"(%a, %a) <{left_side = true, lower = true, transpose_a = #mhlo<transpose ADJOINT>, unit_diagonal = false}> : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    %1 = "mhlo.fft"(%c) <{fft_length = dense<4> : tensor<1xi64>, fft_type = #mhlo<fft_type IFFT>}> : (tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>>
    %2 = mhlo.custom_call @foo(%a) {api_version = 2 : i32, output_operand_aliases = [#mhlo.output_operand_alias<output_tuple_indices = [], operand_index = 0, operand_tuple_indices = []>]} : (tensor<4x4xf32>) -> tensor<4x4xf32>
    %3 = "mhlo.reduce"(%2, %5) <{dimensions = dense<1> : tensor<1xi64>}> ({
    ^bb0(%x: tensor<f32>, %y: tensor<f32>):
      %6 = mhlo.maximum %x, %y : tensor<f32>
      mhlo.return %6 : tensor<f32>
    }) : (tensor<4x4xf32>, tensor<f32>) -> tensor<4xf32>
    %4:2 = "mhlo.rng_bit_generator"(%n) <{rng_algorithm = #mhlo.rng_algorithm<PHILOX>}> : (tensor<2xui64>) -> (tensor<2xui64>, tensor<8xui32>)
    %7:2 = mhlo.topk(%a, k = 2, largest = true) : tensor<4x4xf32> -> (tensor<4x2xf32>, tensor<4x2xi32>)
    return %0, %1, %3, %4#0, %4#1, %7#0, %7#1 : tensor<4x4xf32>, tensor<4xcomplex<f32>>, tensor<4xf32>, tensor<2xui64>, tensor<8xui32>, tensor<4x2xf32>, tensor<4x2xi32>
  }
  func.func @bounds(%a: tensor<?xf32, #mhlo.type_extensions<bounds = [4]>>, %t: !mhlo.token) -> (tensor<?xf32, #mhlo.type_extensions<bounds = [4]>>, !mhlo.token) {
    %0 = mhlo.abs %a : tensor<?xf32, #mhlo.type_extensions<bounds = [4]>>
    return %0, %t : tensor<?xf32, #mhlo.type_extensions<bounds = [4]>>, !mhlo.token
  }
  func.func @chlo(%a: tensor<2x16xf32>, %b: tensor<16xf32>, %c: tensor<2xf32>) -> (tensor<2x16xi1>, tensor<2x16xf32>, tensor<2x8xf32>, tensor<2x8xi32>, tensor<2x16xf32>, tensor<16x2xf32>, tensor<2xf32>) {
    %0 = chlo.broadcast_compare %a, %b {broadcast_dimensions = array<i64: 1>, compare_type = #chlo<comparison_type TOTALORDER>, comparison_direction = #chlo<comparison_direction LE>} : (tensor<2x16xf32>, tensor<16xf32>) -> tensor<2x16xi1>
    %1 = chlo.broadcast_add %a, %b {broadcast_dimensions = array<i64: 1>} : (tensor<2x16xf32>, tensor<16xf32>) -> tensor<2x16xf32>
    %2:2 = chlo.top_k(%1, k = 8) : tensor<2x16xf32> -> (tensor<2x8xf32>, tensor<2x8xi32>)
    %3 = "chlo.constant_like"(%1) <{value = 2.0 : f32}> : (tensor<2x16xf32>) -> tensor<2x16xf32>
    %4 = stablehlo.transpose %a, dims = [1, 0] : (tensor<2x16xf32>) -> tensor<16x2xf32>
    %5:2 = chlo.scan(%4) inits (%c) dimension=0 {
    ^bb0(%x: tensor<2xf32>, %y: tensor<2xf32>):
      %6 = stablehlo.add %x, %y : tensor<2xf32>
      stablehlo.return %6, %6 : tensor<2xf32>, tensor<2xf32>
    } : (tensor<16x2xf32>, tensor<2xf32>) -> (tensor<16x2xf32>, tensor<2xf32>)
    return %0, %1, %2#0, %2#1, %3, %5#0, %5#1 : tensor<2x16xi1>, tensor<2x16xf32>, tensor<2x8xf32>, tensor<2x8xi32>, tensor<2x16xf32>, tensor<16x2xf32>, tensor<2xf32>
  }
  func.func @ragged(%a: tensor<11x5xf32>, %b: tensor<3x5x7xf32>, %n: tensor<3xi64>) -> tensor<11x7xf32> {
    %0 = "chlo.ragged_dot"(%a, %b, %n) <{precision_config = [#chlo<precision DEFAULT>, #chlo<precision HIGHEST>], ragged_dot_dimension_numbers = #chlo.ragged_dot<lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [1], lhs_ragged_dimensions = [0], rhs_group_dimensions = [0]>}> : (tensor<11x5xf32>, tensor<3x5x7xf32>, tensor<3xi64>) -> tensor<11x7xf32>
    return %0 : tensor<11x7xf32>
  }
  func.func @floats(%a: tensor<2xf4E2M1FN>, %b: tensor<2xf6E2M3FN>, %c: tensor<2xf6E3M2FN>, %d: tensor<2xf8E3M4>, %e: tensor<2xf8E4M3>, %f: tensor<2xf8E4M3FN>, %g: tensor<2xf8E4M3FNUZ>, %h: tensor<2xf8E4M3B11FNUZ>, %i: tensor<2xf8E5M2>, %j: tensor<2xf8E5M2FNUZ>, %k: tensor<2xf8E8M0FNU>) -> tensor<2xf8E4M3> {
    %0 = stablehlo.constant dense<[1.0, 2.0]> : tensor<2xf8E4M3>
    return %0 : tensor<2xf8E4M3>
  }
}
