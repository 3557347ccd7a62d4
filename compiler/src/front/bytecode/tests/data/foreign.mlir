module {
  func.func @main(%a: tensor<4xf32>) -> tensor<2xf32> {
    %0:2 = "foo.bar"(%a) <{count = 1 : i64, name = "q", shape = array<i64: 2, 3>}> {extra = 2 : i32} : (tensor<4xf32>) -> (tensor<4xf32>, tensor<2x!foo.thing<3>>)
    %1 = "foo.baz"(%0#0) : (tensor<4xf32>) -> memref<4xf32, strided<[2], offset: 1>, 1>
    %2 = "foo.qux"(%1) {text = dense<["a\22", "b"]> : tensor<2x!foo.string>} : (memref<4xf32, strided<[2], offset: 1>, 1>) -> vector<2x[4]xf32>
    %3 = "foo.last"(%2, %0#1) <{kind = #foo.kind<z>}> : (vector<2x[4]xf32>, tensor<2x!foo.thing<3>>) -> tensor<2xf32>
    %4 = "mhlo.domain"(%3) <{entry_metadata = "a", exit_metadata = "b", kind = #mhlo<kind sharding>}> : (tensor<2xf32>) -> tensor<2xf32>
    return %4 : tensor<2xf32>
  }
}
