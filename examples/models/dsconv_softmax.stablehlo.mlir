module @jit_dsconv_softmax attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<1x12x10x2xf32>) -> (tensor<1x5xf32> {jax.result_info = "result"}) {
    %cst = stablehlo.constant dense<"0xEAB6203E242C8D3D8F4164BEA397FF3D8A58B73EF9C29ABEE78D6C3C9A8AEE3E4E82133E6351443E143C41BD889840BE49FB893E50C81D3E2EF846BC44A0E0BD2AEAD2BE7F84163D81F326BE0698FEBC2FF2213E46EA453E95892D3EF111083F229B8C3EA11234BE2F8145BEE87A0C3F8D1920BE81702ABC9E91D23EE900CF3E9AF952BCA794693D0353C5BEFD3C5BBE3751B0BD76DDAEBA9C129CBDB907133DA04E043F5325E03DC204953D8AB1E13943F725BD8DCA943EFF3F6FBE657AF2BCE83C84BE843CA83CFDDEE53C322C5E3E8588903E6009203E06C6C33E2BB3BF3EB93A983DAA38B43D6CABE9BE55969A3D5D4C9DBA51C4CBBEE73CD0BD4015673EA77E95BE64089C3EBD31E53D837E5CBD706809BD7B4F483E72BDACBE3B47F63E835344BE45B538BE5F52933EB3AF3E3E9BF29F3E02757C3E74B1B53D92089ABE9A3FE4BDA2943F3D9EB584BB9BBAF7BEA6137C3EDCE9D03EB5AFB03E71AB75BEF972D23DFB4F00BF5DF3CB3E7E1AEABEFA28C63DB34C8C3E0DD69B3E740AA63DFC0BACBE8C5BC3BCB08581BD4DD0B13DC8666E3E23CA1F3E9304003FF78C1F3E76B0BBBD89B4C43E14D497BD870F883D94872E3D825F0ABF44A0853DCBB78B3DF8744ABD526708BD52009BBEE6399F3C545FB53E7B242BBD240AFCBD50AE12BED96BF33ED98CA3BEB3EF4B3E3E1FD73C1CD0E73E313E9E3EE887AABC1506BABE3F87AC3EC1F4AF3ECE5685BE70DE333EB64541BE32573BBE1336C2BE492A613EEEE0823D3CB4EE3DB648AF3EEF60213EED160D3E16D8343ED97880BE791805BC"> : tensor<3x3x2x8xf32>
    %cst_0 = stablehlo.constant dense<[[[[-0.402087182, -0.299971044, -3.060550e-02, 0.353962541, 0.686071336, -0.361731052, 0.057776805, -0.0236368123]], [[0.175745204, 0.194136634, 0.120807052, -0.322392195, 0.131558478, 0.297442228, -0.171130285, 0.659388304]], [[-0.0783043951, -0.211286739, 0.0987930148, -0.0858631581, -0.455724269, -0.00871892925, 0.531900823, 0.667510748]]], [[[-0.189013824, 0.3017582, 0.0441764854, 0.0946288779, 0.422457069, 0.284023851, 0.0514401384, -0.309581429]], [[-0.374660283, -0.0213393699, 0.107871108, 0.167723969, 0.260656446, 0.32652837, -0.801025569, 0.301146775]], [[-0.349149257, 0.371356189, 0.112214774, 0.210186601, -0.18030858, 0.0942171067, -0.622404218, 0.365082204]]], [[[-0.110279582, -0.863026738, 0.353827864, 0.558924556, -0.292043179, 0.404236615, -0.249918491, -0.755506873]], [[-0.11929749, 0.108712152, 0.044517044, 0.0345326513, 0.098807618, 0.0721852183, -0.0720127672, -0.200460464]], [[-0.0886002853, -0.117224187, -0.10097421, -0.367651135, -0.180864796, 0.0274087302, 0.103139639, -0.0213429816]]]]> : tensor<3x3x1x8xf32>
    %cst_1 = stablehlo.constant dense<"0xE6FB84BDD47D413E406F933E1837763E3A621EBFCFDF24BE68797F3E01983A3E231E763E649DE33DB5819ABECD4EDD3EA41CF6BEF470B23EB4B5BDBB194A05BFC06C0FBE00E7D93E2F0655BE7724DBBE441BD1BD5F1694BEFE61E2BED5671E3E107C903E84BF47BE5E923D3E661E0CBEC86610BDAEB4323D1728073F85C1373EDADBB4BE09C03A3E4C28A0BD2BD728BE570398BE9E1D18BC8229AEBC079B11BE17D3FBBEFE831ABF6257393DB608813D2198453FA85D81BDC3E5B83EE05AD83E43DEB0BC8170DE3CBC9E1BBE48AB203F178708BFB0A765BC938DFA3EF9EF1BBD93B34EBE03A0A83D40CA3E3EB46F4D3E7AEECB3DEFC7873EAF30AB3E015EC8BE6A2C09BE536E9D3E3BE6303E5EDEA93D9F76733EB55BAC3EB7529BBEC519DEBEB2D6D0BE5D3A283F68DFBEBEF6DBA9BDF64C86BD4FA4BA3EBA551DBF3D7763BCE9D3DB3E84D1C93ED02F143EA9F0BCBD5C161F3FCF5317BFCA93B13EE4FA373E67FA553E5677C03DF990943D9A7DA83E31B9D0BE67A6E1BEE6416B3D7A0B973C57016D3D16F30F3F7EBB51BED300883E582F0B3E6032563FA9D2FDBEFAAC45BE2B6025BEFE0DEF3ECE6B94BE540F163FEEA4103F50B19C3ED8581E3E63D90CBFEDE3833D587D01BFE74803BE860F933D93A5DFBD3C1DAC3E2A113BBD63290CBF0FE4BFBE209AE6BEBD1EE5BD44D6E13E8119373EC4D4F53DCBADE8BEA76E563F"> : tensor<8x16xf32>
    %cst_2 = stablehlo.constant dense<[-0.00282631628, 0.241691262, -0.0867421478, -0.0567846484, 0.259966135, -0.107499398, 0.0418705828, -0.0338205285, -0.0813412368, 0.216107965, -0.100413106, 8.974350e-02, 0.110431261, -0.101180144, -0.189722523, -0.178063989]> : tensor<16xf32>
    %cst_3 = stablehlo.constant dense<[[-0.199895874, 0.0556661673, 0.0838605314, -0.0472616442, -0.026326647], [0.243511841, 0.192038238, 0.094688557, -0.154241785, 0.194393188], [0.0453024209, -0.18695879, -0.144223973, 0.307161927, 0.461345494], [-0.132431686, -0.519517064, 0.146865934, -0.225815713, 0.183124542], [-0.09398932, 0.557399631, 0.0280611254, 0.225712672, -0.303763419], [-0.704822838, 0.033832781, 0.0654907748, 0.180074915, -0.138452858], [-0.322959632, -0.400123835, 0.138285235, 0.177572727, -0.218939587], [-0.132008657, -0.182046354, -0.473801881, 4.977890e-02, 0.211504027], [-0.0558374263, -0.355618089, -0.0495804697, 0.34110567, 0.532476544], [0.0672742873, -0.197235256, -0.496393859, -0.386484027, -0.0222218875], [0.0564413592, 0.0641599819, -0.0657443628, -0.385805517, -3.941140e-01], [0.0368310921, -0.206141964, 0.326208889, -0.364728183, 0.421774477], [-0.166624039, 0.0557972491, 0.055790484, -0.0860018879, -0.503370702], [-0.120598845, 0.380615056, -0.320198327, -0.460527301, -0.0547183752], [-0.103096768, -0.323210448, -0.188143179, -0.120269768, -0.103218615], [0.0406934544, 0.176665813, 0.0967687293, 0.085437186, 0.42003575]]> : tensor<16x5xf32>
    %0 = stablehlo.convolution(%arg0, %cst) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [2, 2], pad = [[0, 1], [0, 1]], lhs_dilate = [1, 1], rhs_dilate = [1, 1], reverse = [false, false]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]} : (tensor<1x12x10x2xf32>, tensor<3x3x2x8xf32>) -> tensor<1x6x5x8xf32>
    %1 = call @relu(%0) : (tensor<1x6x5x8xf32>) -> tensor<1x6x5x8xf32>
    %2 = stablehlo.convolution(%1, %cst_0) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]], lhs_dilate = [1, 1], rhs_dilate = [1, 1], reverse = [false, false]} {batch_group_count = 1 : i64, feature_group_count = 8 : i64, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]} : (tensor<1x6x5x8xf32>, tensor<3x3x1x8xf32>) -> tensor<1x6x5x8xf32>
    %3 = call @relu6(%2) : (tensor<1x6x5x8xf32>) -> tensor<1x6x5x8xf32>
    %4 = stablehlo.broadcast_in_dim %cst_1, dims = [2, 3] : (tensor<8x16xf32>) -> tensor<1x1x8x16xf32>
    %5 = stablehlo.convolution(%3, %4) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[0, 0], [0, 0]], lhs_dilate = [1, 1], rhs_dilate = [1, 1], reverse = [false, false]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]} : (tensor<1x6x5x8xf32>, tensor<1x1x8x16xf32>) -> tensor<1x6x5x16xf32>
    %6 = stablehlo.broadcast_in_dim %cst_2, dims = [3] : (tensor<16xf32>) -> tensor<1x1x1x16xf32>
    %7 = stablehlo.broadcast_in_dim %6, dims = [0, 1, 2, 3] : (tensor<1x1x1x16xf32>) -> tensor<1x6x5x16xf32>
    %8 = stablehlo.add %5, %7 : tensor<1x6x5x16xf32>
    %9 = call @relu_0(%8) : (tensor<1x6x5x16xf32>) -> tensor<1x6x5x16xf32>
    %cst_4 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %10 = stablehlo.reduce(%9 init: %cst_4) applies stablehlo.add across dimensions = [1, 2] : (tensor<1x6x5x16xf32>, tensor<f32>) -> tensor<1x16xf32>
    %cst_5 = stablehlo.constant dense<3.000000e+01> : tensor<f32>
    %11 = stablehlo.broadcast_in_dim %cst_5, dims = [] : (tensor<f32>) -> tensor<1x16xf32>
    %12 = stablehlo.divide %10, %11 : tensor<1x16xf32>
    %13 = stablehlo.dot_general %12, %cst_3, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<1x16xf32>, tensor<16x5xf32>) -> tensor<1x5xf32>
    %cst_6 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %14 = stablehlo.reduce(%13 init: %cst_6) applies stablehlo.maximum across dimensions = [1] : (tensor<1x5xf32>, tensor<f32>) -> tensor<1xf32>
    %cst_7 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %15 = stablehlo.broadcast_in_dim %cst_7, dims = [] : (tensor<f32>) -> tensor<1xf32>
    %16 = stablehlo.maximum %15, %14 : tensor<1xf32>
    %17 = stablehlo.broadcast_in_dim %16, dims = [0] : (tensor<1xf32>) -> tensor<1x1xf32>
    %18 = stablehlo.broadcast_in_dim %17, dims = [0, 1] : (tensor<1x1xf32>) -> tensor<1x5xf32>
    %19 = stablehlo.subtract %13, %18 : tensor<1x5xf32>
    %20 = stablehlo.exponential %19 : tensor<1x5xf32>
    %cst_8 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %21 = stablehlo.reduce(%20 init: %cst_8) applies stablehlo.add across dimensions = [1] : (tensor<1x5xf32>, tensor<f32>) -> tensor<1xf32>
    %22 = stablehlo.broadcast_in_dim %21, dims = [0] : (tensor<1xf32>) -> tensor<1x1xf32>
    %23 = stablehlo.broadcast_in_dim %22, dims = [0, 1] : (tensor<1x1xf32>) -> tensor<1x5xf32>
    %24 = stablehlo.divide %20, %23 : tensor<1x5xf32>
    return %24 : tensor<1x5xf32>
  }
  func.func private @relu(%arg0: tensor<1x6x5x8xf32>) -> tensor<1x6x5x8xf32> {
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %0 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<1x6x5x8xf32>
    %1 = stablehlo.maximum %arg0, %0 : tensor<1x6x5x8xf32>
    return %1 : tensor<1x6x5x8xf32>
  }
  func.func private @relu6(%arg0: tensor<1x6x5x8xf32>) -> tensor<1x6x5x8xf32> {
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %0 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<1x6x5x8xf32>
    %1 = stablehlo.maximum %arg0, %0 : tensor<1x6x5x8xf32>
    %cst_0 = stablehlo.constant dense<6.000000e+00> : tensor<f32>
    %2 = stablehlo.broadcast_in_dim %cst_0, dims = [] : (tensor<f32>) -> tensor<1x6x5x8xf32>
    %3 = stablehlo.minimum %1, %2 : tensor<1x6x5x8xf32>
    return %3 : tensor<1x6x5x8xf32>
  }
  func.func private @relu_0(%arg0: tensor<1x6x5x16xf32>) -> tensor<1x6x5x16xf32> {
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %0 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<1x6x5x16xf32>
    %1 = stablehlo.maximum %arg0, %0 : tensor<1x6x5x16xf32>
    return %1 : tensor<1x6x5x16xf32>
  }
}
