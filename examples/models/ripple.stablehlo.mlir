module @jit_ripple attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<64xf32>) -> (tensor<3xf32> {jax.result_info = "result"}) {
    %0 = stablehlo.composite "board.median3" %arg0 {composite_attributes = {window = 3 : i64}, decomposition = @board.median3} : (tensor<64xf32>) -> tensor<64xf32>
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %1 = stablehlo.reduce(%0 init: %cst) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %cst_0 = stablehlo.constant dense<6.400000e+01> : tensor<f32>
    %2 = stablehlo.divide %1, %cst_0 : tensor<f32>
    %3 = stablehlo.broadcast_in_dim %2, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %4 = stablehlo.subtract %0, %3 : tensor<64xf32>
    %5 = stablehlo.multiply %4, %4 : tensor<64xf32>
    %cst_1 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %6 = stablehlo.reduce(%5 init: %cst_1) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %cst_2 = stablehlo.constant dense<6.400000e+01> : tensor<f32>
    %7 = stablehlo.divide %6, %cst_2 : tensor<f32>
    %8 = stablehlo.sqrt %7 : tensor<f32>
    %9 = stablehlo.abs %4 : tensor<64xf32>
    %cst_3 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %10 = stablehlo.reduce(%9 init: %cst_3) applies stablehlo.maximum across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %11 = stablehlo.broadcast_in_dim %2, dims = [] : (tensor<f32>) -> tensor<1xf32>
    %12 = stablehlo.broadcast_in_dim %8, dims = [] : (tensor<f32>) -> tensor<1xf32>
    %13 = stablehlo.broadcast_in_dim %10, dims = [] : (tensor<f32>) -> tensor<1xf32>
    %14 = stablehlo.concatenate %11, %12, %13, dim = 0 : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<3xf32>
    return %14 : tensor<3xf32>
  }
  func.func private @board.median3(%arg0: tensor<64xf32>) -> tensor<64xf32> {
    %0 = stablehlo.slice %arg0 [0:1] : (tensor<64xf32>) -> tensor<1xf32>
    %1 = stablehlo.slice %arg0 [63:64] : (tensor<64xf32>) -> tensor<1xf32>
    %2 = stablehlo.concatenate %0, %arg0, %1, dim = 0 : (tensor<1xf32>, tensor<64xf32>, tensor<1xf32>) -> tensor<66xf32>
    %3 = stablehlo.slice %2 [0:64] : (tensor<66xf32>) -> tensor<64xf32>
    %4 = stablehlo.slice %2 [1:65] : (tensor<66xf32>) -> tensor<64xf32>
    %5 = stablehlo.slice %2 [2:66] : (tensor<66xf32>) -> tensor<64xf32>
    %6 = stablehlo.minimum %3, %4 : tensor<64xf32>
    %7 = stablehlo.maximum %3, %4 : tensor<64xf32>
    %8 = stablehlo.minimum %7, %5 : tensor<64xf32>
    %9 = stablehlo.maximum %6, %8 : tensor<64xf32>
    return %9 : tensor<64xf32>
  }
}
