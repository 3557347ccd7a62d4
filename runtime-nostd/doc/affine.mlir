// The model of the examples in the documentation: y = 2x + 1. As affine.mhlo: `microhlo compile affine.mlir`.
module @affine {
  func.func public @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    %two = stablehlo.constant dense<2.0> : tensor<4xf32>
    %one = stablehlo.constant dense<1.0> : tensor<4xf32>
    %double = stablehlo.multiply %x, %two : tensor<4xf32>
    %y = stablehlo.add %double, %one : tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
