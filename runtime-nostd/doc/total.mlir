// A model with a state: the sum of all inputs so far. As total.mhlo: `microhlo compile total.mlir --state in1=out0`.
module @total {
  func.func public @main(%x: tensor<4xf32>, %before: tensor<4xf32>) -> tensor<4xf32> {
    %total = stablehlo.add %x, %before : tensor<4xf32>
    return %total : tensor<4xf32>
  }
}
