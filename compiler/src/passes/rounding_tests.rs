//! Integer programs in the arithmetic of LiteRT: the evaluator's bits, in few operations.

use super::tests::{kernels, ops, same_bits};

/// `MultiplyByQuantizedMultiplier` of `%{x}`, which is `tensor<{n}xi32>`, as `%{x}r` in 64 bits.
fn twice(x: &str, n: &str, multiplier: i64, e: u32) -> String {
    let (mask, half) = ((1i64 << e) - 1, ((1i64 << e) - 1) >> 1);
    let (wide, test) = (format!("tensor<{n}xi64>"), format!("tensor<{n}xi1>"));
    let c = |name: &str, value: i64| {
        format!("  %{x}{name} = stablehlo.constant dense<{value}> : {wide}\n")
    };
    let constants = [
        c("m", multiplier),
        c("zero", 0),
        c("up", 1 << 30),
        c("down", 1 - (1 << 30)),
        c("by", 1 << 31),
        c("e", e.into()),
        c("mask", mask),
        c("half", half),
    ];
    format!(
        "{}  %{x}0 = stablehlo.convert %{x} : (tensor<{n}xi32>) -> {wide}
  %{x}1 = stablehlo.multiply %{x}0, %{x}m : {wide}
  %{x}2 = stablehlo.compare GE, %{x}1, %{x}zero, SIGNED : ({wide}, {wide}) -> {test}
  %{x}3 = stablehlo.select %{x}2, %{x}up, %{x}down : {test}, {wide}
  %{x}4 = stablehlo.add %{x}1, %{x}3 : {wide}
  %{x}5 = stablehlo.divide %{x}4, %{x}by : {wide}
  %{x}6 = stablehlo.shift_right_arithmetic %{x}5, %{x}e : {wide}
  %{x}7 = stablehlo.and %{x}5, %{x}mask : {wide}
  %{x}8 = stablehlo.compare LT, %{x}5, %{x}zero, SIGNED : ({wide}, {wide}) -> {test}
  %{x}9 = stablehlo.convert %{x}8 : ({test}) -> {wide}
  %{x}10 = stablehlo.add %{x}half, %{x}9 : {wide}
  %{x}11 = stablehlo.compare GT, %{x}7, %{x}10, SIGNED : ({wide}, {wide}) -> {test}
  %{x}12 = stablehlo.convert %{x}11 : ({test}) -> {wide}
  %{x}r = stablehlo.add %{x}6, %{x}12 : {wide}
",
        constants.concat()
    )
}

/// From `%{x}r` to 8 bits: the result is `%{x}s`.
fn stored(x: &str, n: &str, zero: i32) -> String {
    let t = format!("tensor<{n}xi32>");
    format!(
        "  %{x}z = stablehlo.constant dense<{zero}> : {t}
  %{x}low = stablehlo.constant dense<-128> : {t}
  %{x}high = stablehlo.constant dense<127> : {t}
  %{x}13 = stablehlo.convert %{x}r : (tensor<{n}xi64>) -> {t}
  %{x}14 = stablehlo.add %{x}13, %{x}z : {t}
  %{x}15 = stablehlo.maximum %{x}low, %{x}14 : {t}
  %{x}16 = stablehlo.minimum %{x}15, %{x}high : {t}
  %{x}s = stablehlo.convert %{x}16 : ({t}) -> tensor<{n}xi8>
"
    )
}

fn product(multiplier: i64, e: u32) -> String {
    format!(
        "func.func @main(%x: tensor<60x4xi8>) -> tensor<60x2xi8> {{
  %w = stablehlo.constant dense<[[1, -2], [25, 4], [-128, 5], [3, 127]]> : tensor<4x2xi8>
  %p = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<60x4xi8>, tensor<4x2xi8>) -> tensor<60x2xi32>
  %b = stablehlo.constant dense<[[100, -20]]> : tensor<1x2xi32>
  %c = stablehlo.broadcast_in_dim %b, dims = [0, 1] : (tensor<1x2xi32>) -> tensor<60x2xi32>
  %a = stablehlo.add %p, %c : tensor<60x2xi32>
{}{}  return %as : tensor<60x2xi8>
}}",
        twice("a", "60x2", multiplier, e),
        stored("a", "60x2", -100)
    )
}

#[test]
fn two_roundings_of_a_product_are_those_of_the_kernel() {
    for (multiplier, e) in [(1_185_020_333, 6), (1 << 30, 7), (i64::from(i32::MAX), 5)] {
        assert_eq!(kernels(&same_bits(&product(multiplier, e))), ["conv_i8"], "{multiplier} {e}");
    }
    // The quotient's shift is too short for the kernel.
    assert_eq!(kernels(&same_bits(&product(1 << 30, 1))), ["conv_i8", "map"]);
}

#[test]
fn operands_of_rounding_may_be_in_any_order() {
    let text = product(1_185_020_333, 6);
    for (from, to) in [
        ("add %a1, %a3", "add %a3, %a1"),
        ("add %a6, %a12", "add %a12, %a6"),
        ("and %a5, %amask", "and %amask, %a5"),
        ("add %ahalf, %a9", "add %a9, %ahalf"),
        ("compare GT, %a7, %a10", "compare LT, %a10, %a7"),
        ("compare LT, %a5, %azero", "compare GT, %azero, %a5"),
        ("compare GE, %a1, %azero", "compare GT, %a1, %azero"),
        ("multiply %a0, %am", "multiply %am, %a0"),
        ("maximum %alow, %a14", "maximum %a14, %alow"),
    ] {
        let text = text.replace(from, to);
        assert!(text.contains(to));
        assert_eq!(kernels(&same_bits(&text)), ["conv_i8"], "{to}");
    }
}

/// What differs in a number or a relation is something else, and stays.
#[test]
fn other_roundings_are_kept() {
    let text = product(1_185_020_333, 6);
    for (from, to) in [
        ("dense<-1073741823>", "dense<-1073741822>"),
        ("dense<31> : tensor<60x2xi64>", "dense<30> : tensor<60x2xi64>"),
        ("dense<63> : tensor<60x2xi64>", "dense<62> : tensor<60x2xi64>"),
        ("dense<2147483648>", "dense<2147483647>"),
        ("compare GT, %a7, %a10", "compare GE, %a7, %a10"),
        ("compare LT, %a5, %azero", "compare GT, %a5, %azero"),
        ("compare GE, %a1, %azero", "compare LT, %a1, %azero"),
    ] {
        let text = text.replace(from, to);
        assert!(text.contains(to));
        assert!(kernels(&same_bits(&text)).contains(&"map"), "{to}");
    }
}

#[test]
fn divisions_by_powers_of_two_become_shifts_where_nothing_overflows() {
    let text = |ty: &str, least: i64| {
        let (t, test) = (format!("tensor<64x{ty}>"), "tensor<64xi1>");
        format!(
            "func.func @main(%x: tensor<64xi8>) -> {t} {{
  %w = stablehlo.convert %x : (tensor<64xi8>) -> {t}
  %z = stablehlo.constant dense<0> : {t}
  %u = stablehlo.constant dense<4> : {t}
  %d = stablehlo.constant dense<{least}> : {t}
  %n = stablehlo.constant dense<8> : {t}
  %0 = stablehlo.compare GE, %w, %z, SIGNED : ({t}, {t}) -> {test}
  %1 = stablehlo.select %0, %u, %d : {test}, {t}
  %2 = stablehlo.add %w, %1 : {t}
  %3 = stablehlo.divide %2, %n : {t}
  return %3 : {t}
}}"
        )
    };
    for (ty, least, shortened) in [
        ("i32", -3, true),
        ("i32", -4, true),
        ("i16", -4, true),
        ("i64", -3, true),
        ("i32", -2, false),
        ("i8", -3, false),
    ] {
        let compiled = same_bits(&text(ty, least));
        let divides = ops(&compiled).contains(&"stablehlo.divide");
        assert_eq!(divides, !shortened, "{ty} {least}");
    }
}

/// A residual as LiteRT adds it: both operands to a common scale of 20 more bits, and back.
fn residual(multipliers: [i64; 3], shifts: [u32; 3]) -> String {
    let term = |x: &str, zero: i32| {
        format!(
            "  %{x}c = stablehlo.convert %{x} : (tensor<8x16xi8>) -> tensor<8x16xi32>
  %{x}zp = stablehlo.constant dense<{zero}> : tensor<8x16xi32>
  %{x}d = stablehlo.subtract %{x}c, %{x}zp : tensor<8x16xi32>
  %{x}twenty = stablehlo.constant dense<20> : tensor<8x16xi32>
  %{x}l = stablehlo.shift_left %{x}d, %{x}twenty : tensor<8x16xi32>
"
        )
    };
    let [a, b, c] = multipliers;
    let [d, e, f] = shifts;
    format!(
        "func.func @main(%x: tensor<8x16xi8>, %y: tensor<8x16xi8>) -> tensor<8x16xi8> {{
{}{}{}{}  %xn = stablehlo.convert %xlr : (tensor<8x16xi64>) -> tensor<8x16xi32>
  %yn = stablehlo.convert %ylr : (tensor<8x16xi64>) -> tensor<8x16xi32>
  %s = stablehlo.add %xn, %yn : tensor<8x16xi32>
{}{}  return %ss : tensor<8x16xi8>
}}",
        term("x", -128),
        term("y", 5),
        twice("xl", "8x16", a, d),
        twice("yl", "8x16", b, e),
        twice("s", "8x16", c, f),
        stored("s", "8x16", -11)
    )
}

#[test]
fn residuals_of_several_roundings_are_one_sum_of_the_same_bits() {
    let text = residual([1_623_821_475, 1 << 30, 1_098_017_566], [2, 0, 17]);
    assert_eq!(kernels(&same_bits(&text)), ["sum_i8"]);
    let text = residual([1 << 30, 1_934_283_111, 2_000_111_222], [0, 3, 18]);
    assert_eq!(kernels(&same_bits(&text)), ["sum_i8"]);
    // Squares of a byte are no line.
    let text = text.replace("multiply %xl0, %xlm", "multiply %xl0, %xl0");
    assert!(kernels(&same_bits(&text)).contains(&"map"));
}

#[test]
fn means_are_rounded_away_from_zero_by_one_product() {
    let text = |h: u32, w: u32, test: &str, half: u32| {
        let n = h * w;
        format!(
            "func.func @main(%x: tensor<2x{h}x{w}x5xi8>) -> tensor<2x5xi8> {{
  %c = stablehlo.convert %x : (tensor<2x{h}x{w}x5xi8>) -> tensor<2x{h}x{w}x5xi32>
  %i = stablehlo.constant dense<0> : tensor<i32>
  %s = stablehlo.reduce(%c init: %i) applies stablehlo.add across dimensions = [1, 2] : (tensor<2x{h}x{w}x5xi32>, tensor<i32>) -> tensor<2x5xi32>
  %z = stablehlo.constant dense<0> : tensor<2x5xi32>
  %h = stablehlo.constant dense<{half}> : tensor<2x5xi32>
  %n = stablehlo.constant dense<{n}> : tensor<2x5xi32>
  %low = stablehlo.constant dense<-128> : tensor<2x5xi32>
  %high = stablehlo.constant dense<127> : tensor<2x5xi32>
  %0 = stablehlo.compare {test}, %s, %z, SIGNED : (tensor<2x5xi32>, tensor<2x5xi32>) -> tensor<2x5xi1>
  %1 = stablehlo.add %s, %h : tensor<2x5xi32>
  %2 = stablehlo.subtract %s, %h : tensor<2x5xi32>
  %3 = stablehlo.select %0, %1, %2 : tensor<2x5xi1>, tensor<2x5xi32>
  %4 = stablehlo.divide %3, %n : tensor<2x5xi32>
  %5 = stablehlo.maximum %low, %4 : tensor<2x5xi32>
  %6 = stablehlo.minimum %high, %5 : tensor<2x5xi32>
  %7 = stablehlo.convert %6 : (tensor<2x5xi32>) -> tensor<2x5xi8>
  return %7 : tensor<2x5xi8>
}}"
        )
    };
    for (h, w) in [(5, 25), (8, 8), (3, 4), (2, 5)] {
        let compiled = same_bits(&text(h, w, "GT", h * w / 2));
        assert_eq!(kernels(&compiled), ["pool_i8"], "{h}x{w}");
    }
    assert_eq!(kernels(&same_bits(&text(4, 5, "GE", 10))), ["pool_i8"]);
    assert!(kernels(&same_bits(&text(4, 5, "GT", 9))).len() > 1);
    assert!(kernels(&same_bits(&text(4, 5, "LT", 10))).len() > 1);
}
