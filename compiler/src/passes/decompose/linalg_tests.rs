//! Factorisations that exporters leave to LAPACK: each multiplies to its matrix, has orthonormal
//! factors, and gives the same bits on the evaluator and on the kernels.

use crate::passes::tests::{results, same_bits};

/// An element type: its letter in LAPACK, itself, the type of its parts, and the error allowed.
type Kind = (&'static str, &'static str, &'static str, f64);

const KINDS: [Kind; 4] = [
    ("s", "f32", "f32", 1e-4),
    ("d", "f64", "f64", 1e-12),
    ("c", "complex<f32>", "f32", 1e-4),
    ("z", "complex<f64>", "f64", 1e-12),
];

/// Two matrices `%x` made from the program's arguments.
fn matrices(rows: usize, columns: usize, (_, ty, part, _): Kind) -> (String, String) {
    let dims = format!("2x{rows}x{columns}");
    let arguments = format!("%p: tensor<{dims}xf32>, %q: tensor<{dims}xf32>");
    let (p, q) = match part {
        "f32" => ("%p", "%q"),
        _ => ("%pd", "%qd"),
    };
    let wide = format!(
        "%pd = stablehlo.convert %p : (tensor<{dims}xf32>) -> tensor<{dims}x{part}>\n\
         %qd = stablehlo.convert %q : (tensor<{dims}xf32>) -> tensor<{dims}x{part}>\n"
    );
    let made = match ty.starts_with("complex") {
        true => format!("%x = stablehlo.complex {p}, {q} : tensor<{dims}x{ty}>\n"),
        false => format!("%x = stablehlo.add {p}, {q} : tensor<{dims}x{part}>\n"),
    };
    (arguments, wide + &made)
}

/// The adjoint of `%name`, as `%nameh`.
fn adjoint(name: &str, rows: usize, columns: usize, ty: &str) -> String {
    let (from, to) =
        (format!("tensor<2x{rows}x{columns}x{ty}>"), format!("tensor<2x{columns}x{rows}x{ty}>"));
    let conj = match ty.starts_with("complex") {
        true => format!("%{name}h = chlo.conj %{name}t : {to} -> {to}\n"),
        false => format!("%{name}h = stablehlo.optimization_barrier %{name}t : {to}\n"),
    };
    format!("%{name}t = stablehlo.transpose %{name}, dims = [0, 2, 1] : ({from}) -> {to}\n{conj}")
}

/// `%out = %a %b`, of matrices of `m` by `k` and `k` by `n`.
fn product(out: &str, [a, b]: [&str; 2], [m, k, n]: [usize; 3], ty: &str) -> String {
    format!(
        "%{out} = stablehlo.dot_general %{a}, %{b}, batching_dims = [0] x [0], \
         contracting_dims = [2] x [1] : (tensor<2x{m}x{k}x{ty}>, tensor<2x{k}x{n}x{ty}>) -> \
         tensor<2x{m}x{n}x{ty}>\n"
    )
}

/// `%out`: how far `%a` is from `%b`.
fn distance(out: &str, [a, b]: [&str; 2], [m, n]: [usize; 2], (_, ty, part, _): Kind) -> String {
    let (full, real) = (format!("tensor<2x{m}x{n}x{ty}>"), format!("tensor<2x{m}x{n}x{part}>"));
    format!(
        "%{out}d = stablehlo.subtract %{a}, %{b} : {full}\n\
         %{out} = stablehlo.abs %{out}d : ({full}) -> {real}\n"
    )
}

/// `%e` of `n` by `n`: ones on the diagonal.
fn identity(e: &str, n: usize, ty: &str) -> String {
    let (index, flag) = (format!("tensor<2x{n}x{n}xi32>"), format!("tensor<2x{n}x{n}xi1>"));
    format!(
        "%{e}i = stablehlo.iota dim = 1 : {index}\n%{e}j = stablehlo.iota dim = 2 : {index}\n\
         %{e}b = stablehlo.compare EQ, %{e}i, %{e}j : ({index}, {index}) -> {flag}\n\
         %{e} = stablehlo.convert %{e}b : ({flag}) -> tensor<2x{n}x{n}x{ty}>\n"
    )
}

/// The numbers of a result.
fn floats(bytes: &[u8], part: &str) -> Vec<f64> {
    match part {
        "f32" => {
            bytes.chunks(4).map(|c| f32::from_le_bytes(c.try_into().unwrap()).into()).collect()
        }
        _ => bytes.chunks(8).map(|c| f64::from_le_bytes(c.try_into().unwrap())).collect(),
    }
}

/// Compiles and runs a program whose first results are distances; gives the others.
fn checked(text: &str, distances: usize, (_, _, part, allowed): Kind) -> Vec<Vec<f64>> {
    let out = results(&same_bits(text));
    let out: Vec<Vec<f64>> = out.iter().map(|bytes| floats(bytes, part)).collect();
    for distance in &out[..distances] {
        let worst = distance.iter().copied().fold(0.0, f64::max);
        assert!(worst < allowed && !distance.iter().any(|d| d.is_nan()), "{worst}\n{text}");
    }
    out[distances..].to_vec()
}

#[test]
fn eigenvectors_are_orthonormal_and_belong_to_ascending_values() {
    for kind in KINDS {
        let (letter, ty, part, _) = kind;
        let n = 4;
        let (arguments, made) = matrices(n, n, kind);
        let (full, real) = (format!("tensor<2x{n}x{n}x{ty}>"), format!("tensor<2x{n}x{n}x{part}>"));
        let routine = if ty.starts_with("complex") { "heevd" } else { "syevd" };
        for uplo in ['L', 'U'] {
            let values = format!("tensor<2x{n}x{part}>");
            let text = format!(
                "func.func @main({arguments}) -> ({real}, {real}, {values}) {{\n{made}{}\
                 %a = stablehlo.add %x, %xh : {full}\n\
                 %v, %w, %i = stablehlo.custom_call @lapack_{letter}{routine}_ffi(%a) \
                   {{mhlo.backend_config = {{mode = 86 : ui8, uplo = {} : ui8}}}} : \
                   ({full}) -> ({full}, {values}, tensor<2xi32>)\n{}\
                 %wb = stablehlo.broadcast_in_dim %w, dims = [0, 2] : ({values}) -> {real}\n\
                 %wc = stablehlo.convert %wb : ({real}) -> {full}\n\
                 %vw = stablehlo.multiply %v, %wc : {full}\n{}{}{}{}{}\
                 return %r1, %r2, %w : {real}, {real}, {values}\n}}",
                adjoint("x", n, n, ty),
                u32::from(uplo),
                product("av", ["a", "v"], [n, n, n], ty),
                distance("r1", ["av", "vw"], [n, n], kind),
                adjoint("v", n, n, ty),
                product("g", ["vh", "v"], [n, n, n], ty),
                identity("e", n, ty),
                distance("r2", ["g", "e"], [n, n], kind),
            );
            let rest = checked(&text, 2, kind);
            assert!(rest[0].chunks(n).all(|w| w.is_sorted()), "{rest:?}");
        }
    }
}

#[test]
fn singular_vectors_are_orthonormal_and_belong_to_descending_values() {
    for (kind, m, n, mode) in [
        (KINDS[0], 5, 3, 'S'),
        (KINDS[0], 5, 3, 'A'),
        (KINDS[1], 3, 5, 'A'),
        (KINDS[2], 3, 4, 'S'),
        (KINDS[2], 4, 2, 'A'),
        (KINDS[3], 3, 3, 'S'),
    ] {
        let (letter, ty, part, _) = kind;
        let k = usize::min(m, n);
        let (a, b) = if mode == 'A' { (m, n) } else { (k, k) };
        let (arguments, made) = matrices(m, n, kind);
        let t = |rows, columns, ty| format!("tensor<2x{rows}x{columns}x{ty}>");
        let values = format!("tensor<2x{k}x{part}>");
        let text = format!(
            "func.func @main({arguments}) -> ({}, {}, {}, {values}) {{\n{made}\
             %o, %s, %u, %w, %i = stablehlo.custom_call @lapack_{letter}gesdd_ffi(%x) \
               {{mhlo.backend_config = {{mode = {} : ui8}}}} : \
               ({x}) -> ({x}, {values}, {u}, {w}, tensor<2xi32>)\n\
             %uk = stablehlo.slice %u [0:2, 0:{m}, 0:{k}] : ({u}) -> {}\n\
             %wk = stablehlo.slice %w [0:2, 0:{k}, 0:{n}] : ({w}) -> {}\n\
             %sb = stablehlo.broadcast_in_dim %s, dims = [0, 2] : ({values}) -> {}\n\
             %sc = stablehlo.convert %sb : ({}) -> {}\n\
             %us = stablehlo.multiply %uk, %sc : {}\n{}{}{}{}{}{}{}{}{}{}\
             return %r1, %r2, %r3, %s : {}, {}, {}, {values}\n}}",
            t(m, n, part),
            t(a, a, part),
            t(b, b, part),
            u32::from(mode),
            t(m, k, ty),
            t(k, n, ty),
            t(m, k, part),
            t(m, k, part),
            t(m, k, ty),
            t(m, k, ty),
            product("usw", ["us", "wk"], [m, k, n], ty),
            distance("r1", ["usw", "x"], [m, n], kind),
            adjoint("u", m, a, ty),
            product("g", ["uh", "u"], [a, m, a], ty),
            identity("e", a, ty),
            distance("r2", ["g", "e"], [a, a], kind),
            adjoint("w", b, n, ty),
            product("h", ["w", "wh"], [b, n, b], ty),
            identity("f", b, ty),
            distance("r3", ["h", "f"], [b, b], kind),
            t(m, n, part),
            t(a, a, part),
            t(b, b, part),
            x = t(m, n, ty),
            u = t(m, a, ty),
            w = t(b, n, ty),
        );
        let rest = checked(&text, 3, kind);
        assert!(rest[0].chunks(k).all(|s| s.windows(2).all(|p| p[0] >= p[1])), "{rest:?}");
    }
}

/// Values of matrices that are known: Hilbert's, one of rank one, and zero.
#[test]
fn values_are_those_of_the_matrix() {
    let text = "func.func @main() -> (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<2xf32>) {
      %h = stablehlo.constant dense<[[1.0, 0.5, 0.3333333333333333], [0.5, 0.3333333333333333, 0.25],
        [0.3333333333333333, 0.25, 0.2]]> : tensor<3x3xf64>
      %0:3 = stablehlo.custom_call @lapack_dsyevd_ffi(%h) {mhlo.backend_config = {mode = 86 : ui8, uplo = 76 : ui8}}
        : (tensor<3x3xf64>) -> (tensor<3x3xf64>, tensor<3xf64>, tensor<i32>)
      %1:5 = stablehlo.custom_call @lapack_dgesdd_ffi(%h) {mhlo.backend_config = {mode = 78 : ui8}}
        : (tensor<3x3xf64>) -> (tensor<3x3xf64>, tensor<3xf64>, tensor<3x3xf64>, tensor<3x3xf64>, tensor<i32>)
      %z = stablehlo.constant dense<0.0> : tensor<3x3xf64>
      %2:5 = stablehlo.custom_call @lapack_dgesdd_ffi(%z) {mhlo.backend_config = {mode = 65 : ui8}}
        : (tensor<3x3xf64>) -> (tensor<3x3xf64>, tensor<3xf64>, tensor<3x3xf64>, tensor<3x3xf64>, tensor<i32>)
      %s = stablehlo.constant dense<[[1.0e30, 2.0e30], [2.0e30, 4.0e30]]> : tensor<2x2xf32>
      %3:5 = stablehlo.custom_call @lapack_sgesdd_ffi(%s) {mhlo.backend_config = {mode = 65 : ui8}}
        : (tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<i32>)
      return %0#1, %1#1, %2#1, %3#1 : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<2xf32>
    }";
    let out = results(&same_bits(text));
    let known = [0.002_687_340_355_773_47, 0.122_327_065_853_905_7, 1.408_318_927_123_654];
    for (value, known) in floats(&out[0], "f64").iter().zip(known) {
        assert!((value - known).abs() < 1e-14, "{value} {known}");
    }
    for (value, known) in floats(&out[1], "f64").iter().zip(known.iter().rev()) {
        assert!((value - known).abs() < 1e-14, "{value} {known}");
    }
    assert_eq!(floats(&out[2], "f64"), [0.0; 3]);
    let one = floats(&out[3], "f32");
    assert!((one[0] / 5e30 - 1.0).abs() < 1e-6 && one[1].abs() < 1e24, "{one:?}");
}

#[test]
fn factors_of_any_size_and_type_multiply_to_the_matrix() {
    for (kind, m, n) in
        [(KINDS[0], 36, 34), (KINDS[1], 3, 3), (KINDS[2], 5, 3), (KINDS[3], 3, 3), (KINDS[2], 3, 5)]
    {
        let (letter, ty, part, _) = kind;
        let k = usize::min(m, n);
        let (arguments, made) = matrices(m, n, kind);
        let gqr = if ty.starts_with("complex") { "ungqr" } else { "orgqr" };
        let t = |rows, columns, ty: &str| format!("tensor<2x{rows}x{columns}x{ty}>");
        let (flag, index) = (t(k, n, "i1"), t(k, n, "i32"));
        let text = format!(
            "func.func @main({arguments}) -> ({}, {}) {{\n{made}\
             %y, %tau = stablehlo.custom_call @lapack_{letter}geqrf_ffi(%x) \
               {{mhlo.backend_config = {{}}}} : ({x}) -> ({x}, tensor<2x{k}x{ty}>)\n\
             %l = stablehlo.slice %y [0:2, 0:{m}, 0:{k}] : ({x}) -> {q}\n\
             %o = stablehlo.custom_call @lapack_{letter}{gqr}_ffi(%l, %tau) \
               {{mhlo.backend_config = {{}}}} : ({q}, tensor<2x{k}x{ty}>) -> {q}\n\
             %ri = stablehlo.iota dim = 1 : {index}\n%rj = stablehlo.iota dim = 2 : {index}\n\
             %rb = stablehlo.compare LE, %ri, %rj : ({index}, {index}) -> {flag}\n\
             %ru = stablehlo.slice %y [0:2, 0:{k}, 0:{n}] : ({x}) -> {r}\n\
             %rf = stablehlo.convert %rb : ({flag}) -> {r}\n\
             %r = stablehlo.multiply %ru, %rf : {r}\n{}{}{}{}{}{}\
             return %r1, %r2 : {}, {}\n}}",
            t(m, n, part),
            t(k, k, part),
            product("qr", ["o", "r"], [m, k, n], ty),
            distance("r1", ["qr", "x"], [m, n], kind),
            adjoint("o", m, k, ty),
            product("g", ["oh", "o"], [k, m, k], ty),
            identity("e", k, ty),
            distance("r2", ["g", "e"], [k, k], kind),
            t(m, n, part),
            t(k, k, part),
            x = t(m, n, ty),
            q = t(m, k, ty),
            r = t(k, n, ty),
        );
        checked(&text, 2, kind);
    }
}

/// The names under which XLA itself calls them.
#[test]
fn names_of_xla_compute_the_same() {
    let text = "func.func @main(%a: tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>,
        tensor<3xi32>, tensor<4x3xf32>, tensor<3xi32>, tensor<4xi32>) {
      %0:2 = stablehlo.custom_call @Qr(%a) : (tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<3xf32>)
      %1 = stablehlo.custom_call @ProductOfElementaryHouseholderReflectors(%0#0, %0#1)
        : (tensor<4x3xf32>, tensor<3xf32>) -> tensor<4x3xf32>
      %2:2 = stablehlo.custom_call @lapack_sgeqrf_ffi(%a) {mhlo.backend_config = {}}
        : (tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<3xf32>)
      %3 = stablehlo.custom_call @lapack_sorgqr_ffi(%2#0, %2#1) {mhlo.backend_config = {}}
        : (tensor<4x3xf32>, tensor<3xf32>) -> tensor<4x3xf32>
      %4:3 = stablehlo.custom_call @LuDecomposition(%a) {api_version = 2 : i32}
        : (tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<3xi32>, tensor<4xi32>)
      %5:3 = stablehlo.custom_call @lapack_sgetrf_ffi(%a) {mhlo.backend_config = {}}
        : (tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<3xi32>, tensor<i32>)
      %6 = stablehlo.subtract %1, %3 : tensor<4x3xf32>
      %7 = stablehlo.subtract %4#0, %5#0 : tensor<4x3xf32>
      %8 = stablehlo.subtract %5#1, %4#1 : tensor<3xi32>
      return %6, %7, %8, %4#0, %4#1, %4#2 : tensor<4x3xf32>, tensor<4x3xf32>, tensor<3xi32>,
        tensor<4x3xf32>, tensor<3xi32>, tensor<4xi32>
    }";
    let out = results(&same_bits(text));
    assert!(out[..2].iter().flat_map(|o| floats(o, "f32")).all(|d| d == 0.0));
    let ints = |bytes: &[u8]| -> Vec<i32> {
        bytes.chunks(4).map(|c| i32::from_le_bytes(c.try_into().unwrap())).collect()
    };
    assert_eq!(ints(&out[2]), [1; 3]);
    let (pivots, order) = (ints(&out[4]), ints(&out[5]));
    let mut rows: Vec<i32> = (0..4).collect();
    pivots.iter().enumerate().for_each(|(k, &p)| rows.swap(k, p as usize));
    assert_eq!(order, rows);

    let text = "func.func @main(%a: tensor<3x3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
      %0:2 = stablehlo.custom_call @Eigh(%a) {backend_config = \"1,1,100,1e-6\"}
        : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
      %1:3 = stablehlo.custom_call @lapack_ssyevd_ffi(%a) {mhlo.backend_config = {mode = 86 : ui8, uplo = 76 : ui8}}
        : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>, tensor<i32>)
      return %0#1, %1#1 : tensor<3xf32>, tensor<3xf32>
    }";
    let out = results(&same_bits(text));
    assert_eq!(out[0], out[1]);
}

/// Callers replace by NaN what belongs to a matrix that does not consist of numbers.
#[test]
fn eigenvalues_that_are_no_numbers_are_told() {
    let text = "func.func @main() -> tensor<i32> {
      %a = stablehlo.constant dense<0x7FC00000> : tensor<3x3xf32>
      %0:3 = stablehlo.custom_call @lapack_ssyevd_ffi(%a) {mhlo.backend_config = {mode = 86 : ui8, uplo = 76 : ui8}}
        : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>, tensor<i32>)
      return %0#2 : tensor<i32>
    }";
    let out = results(&same_bits(text));
    assert_ne!(out[0], [0; 4]);
}
