//! Small modules in both printers' spellings.

use super::*;
use crate::ir::{Attr, ConstData, TensorType, Type};
use microhlo_format::DType;

/// A module of one computation.
fn entry(body: &str) -> String {
    format!("HloModule m\n\nENTRY main.1 {{\n{body}\n}}\n")
}

/// The result of a module without parameters.
fn result(body: &str) -> Vec<f32> {
    f32s(&run(&parse(&entry(body)), &[])[0])
}

#[test]
fn long_and_short_forms_are_the_same_program() {
    let long = "HloModule jit_f, is_scheduled=true, entry_computation_layout={(f32[2]{0})->f32[2]{0}}\n\
        \n%add.2 (a.1: f32[], b.1: f32[]) -> f32[] {\n  %a.1 = f32[] parameter(0)\n  \
        %b.1 = f32[] parameter(1)\n  ROOT %c = f32[] add(f32[] %a.1, f32[] %b.1), \
        metadata={op_type=\"Sum\" op_name=\"a/b, {c}\" source_line=7}\n}\n\n\
        ENTRY %main.5 (x.1: f32[2]) -> f32[2] {\n  %x.1 = f32[2]{0} parameter(0), \
        parameter_replication={false}, sharding={devices=[2]<=[2]}\n  \
        %zero = f32[] constant(0)\n  %s = f32[] reduce(f32[2]{0} %x.1, f32[] %zero), \
        dimensions={0}, to_apply=%add.2\n  %w = f32[2]{0} broadcast(f32[] %s), dimensions={}\n  \
        ROOT %d = f32[2]{0} divide(f32[2]{0} %x.1, f32[2]{0} %w), backend_config={\"a\":{\"b\":[1]}}\n\
        }, execution_thread=\"main\"\n";
    let short = "HloModule jit_f\n\nadd.2 {\n  a.1 = f32[] parameter(0)\n  b.1 = f32[] parameter(1)\n  \
        ROOT c = f32[] add(a.1, b.1)\n}\n\nENTRY main.5 {\n  x.1 = f32[2]{0} parameter(0)\n  \
        zero = f32[] constant(0)\n  s = f32[] reduce(x.1, zero), dimensions={0}, to_apply=add.2\n  \
        w = f32[2]{0} broadcast(s), dimensions={}\n  ROOT d = f32[2]{0} divide(x.1, w)\n}\n";
    let (long, short) = (parse(long), parse(short));
    assert_eq!(long.to_string(), short.to_string());
    let main = &short.funcs[short.find("main").unwrap()];
    assert_eq!(main.arg_names, [Some("x".into())]);
    let out = run(&short, &[Tensor::f32s(&[2], &[1.0, 3.0]).unwrap()]);
    assert_eq!(f32s(&out[0]), [0.25, 0.75]);
}

#[test]
fn literals_of_every_class() {
    let tuple = "  ROOT t = (pred[3], s8[2], u64[], c64[2], bf16[2], f8e4m3fn[2], f16[], f64[1,2], \
        f32[0], s4[2]) constant(({true, 0, false}, {-128, 127}, 18446744073709551615, \
        {(1, -2.5), (nan, inf)}, {1.5, -inf}, {448, -1}, 65504, { { /*i0=0*/ 0.1, 1e-300 } }, {}, \
        {-8, 7}))";
    let out = run(&parse(&entry(tuple)), &[]);
    let bytes: Vec<&[u8]> = out.iter().map(|t| t.bytes()).collect();
    assert_eq!(bytes[0], [1, 0, 0]);
    assert_eq!(bytes[1], [0x80, 0x7f]);
    assert_eq!(bytes[2], [0xff; 8]);
    assert_eq!(bytes[3][4..8], (-2.5f32).to_le_bytes());
    assert_eq!(bytes[3][8..12], 0x7fc0_0000u32.to_le_bytes());
    assert_eq!(bytes[3][12..], f32::INFINITY.to_le_bytes());
    assert_eq!(bytes[4], [0xc0, 0x3f, 0x80, 0xff]);
    assert_eq!(bytes[5], [0x7e, 0xb8]);
    assert_eq!(bytes[6], [0xff, 0x7b]);
    assert_eq!(bytes[7], [0.1f64.to_le_bytes(), 1e-300f64.to_le_bytes()].concat());
    assert!(bytes[8].is_empty());
    assert_eq!(bytes[9], [0xf8, 7]);
}

#[test]
fn payloads_of_nan_are_kept() {
    let module = parse(&entry("  ROOT c = f32[2] constant({-nan, nan(0x12345)})"));
    let main = &module.funcs[module.find("main").unwrap()];
    let constant = main.body.constant(main.body.returned(main.body.entry)[0]).unwrap();
    let want = [0xffc0_0000u32, 0x7f81_2345].map(u32::to_le_bytes).concat();
    assert_eq!(constant.data, ConstData::Dense(want.into()));
}

#[test]
fn windows_and_labels() {
    let body = "  x = f32[1,4,4,1] parameter(0)\n  k = f32[2,2,1,1] constant({ { { { 1 } }, { { 2 } } }, \
        { { { 3 } }, { { 4 } } } })\n  ROOT c = f32[1,1,2,2] convolution(x, k), \
        window={size=2x2 stride=2x2 pad=1_-1x0_0 rhs_reversal=1x0}, dim_labels=b01f_01io->bf01, \
        operand_precision={highest,highest}";
    let module = parse(&entry(body));
    let ones = Tensor::f32s(&[1, 4, 4, 1], &[1.0; 16]).unwrap();
    // The first row of windows sees padding through the kernel's second row, flipped to the top.
    assert_eq!(f32s(&run(&module, &[ones])[0]), [3.0, 3.0, 10.0, 10.0]);
    let text = module.to_string();
    assert!(text.contains("HIGHEST") && text.contains("[b, 0, 1, f]x[0, 1, i, o]->[b, f, 0, 1]"));
}

#[test]
fn a_bitcast_reads_memory_in_the_order_of_its_layouts() {
    let body = "  a = f32[2,3]{0,1} constant({ { 1, 2, 3 }, { 4, 5, 6 } })\n  \
        ROOT b = f32[6]{0} bitcast(a)";
    assert_eq!(result(body), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let body = "  a = f32[6]{0} constant({ 1, 2, 3, 4, 5, 6 })\n  \
        ROOT b = f32[3,2]{0,1} bitcast(a)";
    assert_eq!(result(body), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let body = "  a = f32[2,3]{0,1} constant({ { 1, 2, 3 }, { 4, 5, 6 } })\n  \
        b = f32[3,2]{1,0} bitcast(a)\n  c = s32[3,2]{1,0} bitcast(b)\n  \
        ROOT d = f32[3,2]{1,0} bitcast(c)";
    assert_eq!(result(body), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let report = reject(&entry(
        "  a = f32[8,128]{1,0:T(8,128)} parameter(0)\n  \
        ROOT b = f32[1024]{0} bitcast(a)",
    ));
    assert!(report.contains("tiled layouts"), "{report}");
}

#[test]
fn layouts_of_the_entry_are_kept_beside_logical_values() {
    let text = "HloModule m, entry_computation_layout={(f32[2,3]{0,1})->f32[2,3]{0,1}}\n\
        ENTRY e {\n  ROOT x.7 = f32[2,3]{0,1} parameter(0)\n}\n";
    let module = parse(text);
    let main = &module.funcs[module.find("main").unwrap()];
    let layout = Some(&Attr::String("{0,1}".into()));
    assert_eq!(main.arg_attrs[0].get("mhlo.layout_mode"), layout);
    assert_eq!(main.result_attrs[0].get("mhlo.layout_mode"), layout);
    assert_eq!(main.results, [Type::Tensor(TensorType::fixed(&[2, 3], DType::F32))]);
}

#[test]
fn tuples_are_taken_apart() {
    let text = "HloModule m\n\nswap {\n  p = ((f32[], f32[]), token[]) parameter(0)\n  \
        q = (f32[], f32[]) get-tuple-element(p), index=0\n  a = f32[] get-tuple-element(q), index=0\n  \
        b = f32[] get-tuple-element(q), index=1\n  t = token[] after-all()\n  \
        r = (f32[], f32[]) tuple(b, a)\n  ROOT s = ((f32[], f32[]), token[]) tuple(r, t)\n}\n\n\
        ENTRY main {\n  p = (f32[], f32[]) parameter(0)\n  t = token[] after-all()\n  \
        a = ((f32[], f32[]), token[]) tuple(p, t)\n  \
        b = ((f32[], f32[]), token[]) call(a), to_apply=swap\n  \
        ROOT r = (f32[], f32[]) get-tuple-element(b), index=0\n}\n";
    let module = parse(text);
    let scalar = |v| Tensor::f32s(&[], &[v]).unwrap();
    let out = run(&module, &[scalar(1.0), scalar(2.0)]);
    assert_eq!([f32s(&out[0]), f32s(&out[1])], [[2.0], [1.0]]);
    let main = &module.funcs[module.find("main").unwrap()];
    assert_eq!(main.arg_names, [Some("p.0".into()), Some("p.1".into())]);
}

#[test]
fn conditionals_on_booleans_and_fusions() {
    let text = "HloModule m\n\nt {\n  a = f32[] parameter(0)\n  ROOT b = f32[] negate(a)\n}\n\n\
        f {\n  ROOT a = f32[] parameter(0)\n}\n\ntwice {\n  a = f32[] parameter(0)\n  \
        ROOT b = f32[] add(a, a)\n}\n\nENTRY main {\n  p = pred[] parameter(0)\n  x = f32[] parameter(1)\n  \
        y = f32[] fusion(x), kind=kLoop, calls=twice\n  \
        ROOT c = f32[] conditional(p, y, x), true_computation=t, false_computation=f\n}\n";
    let module = parse(text);
    for (p, want) in [(1u8, -6.0), (0, 3.0)] {
        let p = Tensor::from_bytes(&TensorType::scalar(DType::I1), vec![p]).unwrap();
        let out = run(&module, &[p, Tensor::f32s(&[], &[3.0]).unwrap()]);
        assert_eq!(f32s(&out[0]), [want]);
    }
}

#[test]
fn topk_keeps_the_order_of_equal_values() {
    let body = "  x = f32[2,4] constant({ { 1, 7, 7, -2 }, { 0, 3, -1, 3 } })\n  \
        t = (f32[2,2], s32[2,2]) topk(x), k=2, largest=true\n  \
        i = s32[2,2] get-tuple-element(t), index=1\n  ROOT f = f32[2,2] convert(i)";
    assert_eq!(result(body), [1.0, 2.0, 1.0, 3.0]);
}

#[test]
fn erf_and_operations_of_places() {
    let body = "  x = f32[3] constant({ 0.5, -10, 0 })\n  y = f32[3] erf(x)\n  \
        s = (f32[3], f32[3], u32[]) copy-start(y)\n  d = f32[3] copy-done(s)\n  \
        r = f32[3] all-reduce(d), replica_groups={{0}}, to_apply=add\n  \
        ROOT c = f32[3] custom-call(r), custom_call_target=\"Sharding\", sharding={replicated}";
    let add = "HloModule m\nadd {\n  a = f32[] parameter(0)\n  b = f32[] parameter(1)\n  \
        ROOT c = f32[] add(a, b)\n}\n";
    let text = entry(body).replace("HloModule m\n", add);
    let out = f32s(&run(&parse(&text), &[])[0]);
    assert!((out[0] - 0.520_499_9).abs() < 1e-6 && out[1] < -0.999_999 && out[2] == 0.0, "{out:?}");
}

#[test]
fn asynchronous_calls_are_calls() {
    let body = "  x = f32[3] constant({ 1, 2, 3 })\n  \
        s = ((f32[3]), f32[3], u32[]) async-start(x), calls=neg\n  \
        u = ((f32[3]), f32[3], u32[]) async-update(s), calls=neg\n  \
        ROOT d = f32[3] async-done(u), calls=neg";
    let neg = "HloModule m\nneg {\n  a = f32[3] parameter(0)\n  ROOT c = f32[3] negate(a)\n}\n";
    let text = entry(body).replace("HloModule m\n", neg);
    assert_eq!(f32s(&run(&parse(&text), &[])[0]), [-1.0, -2.0, -3.0]);
}

#[test]
fn older_dynamic_slices_take_one_list_of_indices() {
    let body = "  x = f32[3,3] constant({ { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } })\n  \
        i = s32[2] constant({ 1, 0 })\n  \
        ROOT d = f32[1,2] dynamic-slice(x, i), dynamic_slice_sizes={1,2}";
    assert_eq!(result(body), [4.0, 5.0]);
}

#[test]
fn tables_of_source_locations_are_skipped() {
    let text = "HloModule m\n\nFileNames\n1 \"a.py\"\n2 \"b, {.py\"\n\nStackFrames\n\
        1 {file_location_id=1}\n\nENTRY e {\n  ROOT c = f32[] constant(4)\n}\n";
    assert_eq!(f32s(&run(&parse(text), &[])[0]), [4.0]);
}

#[test]
fn reports_name_the_place_and_the_remedy() {
    let report = reject(&entry("  a = f32[2] constant({...})\n  ROOT b = f32[2] negate(a)"));
    assert!(report.contains("m.hlo.txt:4:3") && report.contains("values are lost"), "{report}");
    assert!(report.contains("print_large_constants"), "{report}");
    let cases = [
        ("ROOT a = f32[2] negate(b)", "no instruction before this one is called `b`"),
        ("ROOT a = f32[2] constant({1, 2, 3})", "elements"),
        ("ROOT a = s8[] constant(300)", "expected an integer from -128 to 127, found `300`"),
        ("ROOT a = f32[] constant(1x)", "found `1x`"),
        ("ROOT a = f32[] infeed()", "exchanges data with a host"),
        ("ROOT a = f32[2] frobnicate()", "the opcode `frobnicate` of `a` is not supported"),
        ("ROOT a = f32[2] iota()\n  ROOT b = f32[2] iota()", "two roots"),
        ("a = f32[2] iota()\n  a = f32[2] iota()", "defined twice"),
        ("ROOT a = f32[2]{1} iota()", "does not order 1 dimensions"),
        ("ROOT a = f32[] call(), to_apply=g", "there is no computation `g`"),
        ("ROOT a = f32[] parameter(1)", "numbered from 0 without gaps"),
        ("ROOT a = opaque[] parameter(0)", "values of type `opaque` are not supported"),
        ("ROOT a = f32[] iota(", "found the end of the file"),
    ];
    for (body, want) in cases {
        let text = entry(&format!("  {body}"));
        let text = text.strip_suffix("\n}\n").filter(|_| body.ends_with('(')).unwrap_or(&text);
        let report = reject(text);
        assert!(report.contains(want), "{body}: {report}");
        assert!(report.contains("m.hlo.txt:"), "{report}");
    }
    assert!(
        reject(
            "HloModule m\nf {\n  ROOT a = f32[] constant(1)\n}\ng {\n  \
        ROOT a = f32[] constant(1)\n}\n"
        )
        .contains("no computation marked `ENTRY`")
    );
}

#[test]
fn settings_of_typed_custom_calls_are_read() {
    let call = |config: &str| {
        format!(
            "  a = f32[2,2]{{1,0}} constant({{{{2, 7}}, {{3, 5}}}})\n  \
             b = f32[2,1]{{1,0}} constant({{{{4}}, {{21}}}})\n  ROOT x = f32[2,1]{{0,1}} \
             custom-call(a, b), custom_call_target=\"lapack_strsm_ffi\", \
             operand_layout_constraints={{f32[2,2]{{0,1}}, f32[2,1]{{0,1}}}}, \
             api_version=API_VERSION_TYPED_FFI, backend_config={config}"
        )
    };
    let lower = "{diag = 78 : ui8, side = 76 : ui8, trans_x = 78 : ui8, uplo = 76 : ui8}";
    assert_eq!(result(&call(lower)), [2.0, 3.0]);
    // The unit diagonal in place of the one that is stored.
    assert_eq!(result(&call(&lower.replace("diag = 78", "diag = 85"))), [4.0, 9.0]);
}

#[test]
fn scatters_drop_windows_that_reach_outside() {
    let scatter = |indices: &str, vector: &str| {
        format!(
            "HloModule m\n\nadd {{\n  a = f32[] parameter(0)\n  b = f32[] parameter(1)\n  \
             ROOT c = f32[] add(a, b)\n}}\n\nENTRY main {{\n  x = f32[5] constant({{1, 2, 3, 4, 5}})\n  \
             i = s8{vector} constant({indices})\n  u = f32[3,2] constant({{{{10, 20}}, {{30, 40}}, \
             {{50, 60}}}})\n  ROOT s = f32[5] scatter(x, i, u), update_window_dims={{1}}, \
             inserted_window_dims={{}}, scatter_dims_to_operand_dims={{0}}, \
             index_vector_dim=1, to_apply=add\n}}\n"
        )
    };
    // One window begins at the last element, one before the first.
    for (indices, vector) in [("{{4}, {-1}, {3}}", "[3,1]"), ("{4, -1, 3}", "[3]")] {
        let out = run(&parse(&scatter(indices, vector)), &[]);
        assert_eq!(f32s(&out[0]), [1.0, 2.0, 3.0, 54.0, 65.0], "{indices}");
    }
}
