//! No input panics, overflows the stack or takes unbounded memory.

use super::*;

const MODULE: &str = r#"HloModule m, is_scheduled=true, entry_computation_layout={(f32[2,2]{0,1}, s32[])->(f32[2,2]{1,0}, f32[])}

%sum (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %s = f32[] add(f32[] %a, f32[] %b), metadata={op_name="x/y" source_line=3}
}

body {
  t.1 = (f32[2,2]{1,0}, s32[]) parameter(0)
  x.1 = f32[2,2]{1,0} get-tuple-element(t.1), index=0
  i.1 = s32[] get-tuple-element(t.1), index=1
  one = s32[] constant(-1)
  j.1 = s32[] add(i.1, one)
  y.1 = f32[2,2]{1,0} bitcast(x.1)
  ROOT r = (f32[2,2]{1,0}, /*index=1*/s32[]) tuple(y.1, j.1)
}

cond {
  t.2 = (f32[2,2]{1,0}, s32[]) parameter(0)
  i.2 = s32[] get-tuple-element(t.2), index=1
  zero = s32[] constant(0)
  ROOT c = pred[] compare(i.2, zero), direction=GT
}

ENTRY %main (p: f32[2,2], n: s32[]) -> (f32[2,2], f32[]) {
  p.1 = f32[2,2]{0,1} parameter(0)
  n.1 = s32[] parameter(1)
  w = f32[2,2]{1,0} constant({ { /*i0=0*/ 1, 2.5e-05 }, { nan, -inf } })
  z = f32[2,2]{1,0} copy(p.1)
  m = f32[2,2]{1,0} pad(z, s), padding=0_-1_0x1_0
  d = f32[2,2]{1,0} dot(w, z), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  init = (f32[2,2]{1,0}, s32[]) tuple(d, n.1)
  loop = (f32[2,2]{1,0}, s32[]) while(init), condition=cond, body=body
  o = f32[2,2]{1,0} get-tuple-element(loop), index=0
  k = f32[] constant(0)
  q = f32[] reduce(o, k), dimensions={0,1}, to_apply=%sum
  ROOT out = (f32[2,2]{1,0}, f32[]) tuple(o, q)
}
"#;

/// The module without the line that names an operand too early.
fn valid() -> String {
    MODULE.lines().filter(|l| !l.contains("pad(z, s)")).map(|l| format!("{l}\n")).collect()
}

/// Parses, verifies and renders what is reported.
fn survive(text: &str) {
    match parse_text(&Source::new("t.hlo.txt", text)) {
        Ok(module) => {
            let _ = verify(&module);
        }
        Err(errors) => assert!(errors.to_string().contains("error: ")),
    }
}

fn survive_proto(bytes: Vec<u8>) {
    match read_proto("t.hlo.pb", bytes) {
        Ok((_, module)) => {
            let _ = verify(&module);
        }
        Err(errors) => assert!(errors.to_string().contains("error: ")),
    }
}

#[test]
fn the_module_itself_is_accepted() {
    parse(&valid());
    assert!(reject(MODULE).contains("no instruction before this one is called `s`"));
}

#[test]
fn every_prefix_of_the_text_is_survived() {
    let text = valid();
    for end in 0..text.len() {
        survive(&text[..end]);
    }
}

#[test]
fn every_replaced_or_removed_byte_of_the_text_is_survived() {
    let text = valid();
    let mut bytes = text.clone().into_bytes();
    for i in 0..bytes.len() {
        survive(&[&text[..i], &text[i + 1..]].concat());
        let original = bytes[i];
        for replacement in *b"\0 \"%{}()[],=-.0x9\n" {
            bytes[i] = replacement;
            survive(std::str::from_utf8(&bytes).unwrap());
        }
        bytes[i] = original;
    }
}

#[test]
fn every_damage_of_a_binary_is_survived() {
    let bytes = std::fs::read(super::examples::path("gru_step.hlo.pb")).unwrap();
    // Every position would take minutes; the step is coprime to the sizes of fields.
    for end in (0..bytes.len()).step_by(7) {
        survive_proto(bytes[..end].to_vec());
    }
    for i in (0..bytes.len()).step_by(3) {
        for replacement in [0, 1, 0x7f, 0x80, 0xff, bytes[i] ^ 0x08] {
            let mut damaged = bytes.clone();
            damaged[i] = replacement;
            survive_proto(damaged);
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    let n = 100_000;
    let open = "(".repeat(n);
    let report = reject(&format!("HloModule m\nENTRY e {{\n  a = {open}"));
    assert!(report.contains("nests deeper than 64 levels"), "{report}");
    let braces = "{".repeat(n);
    let report = reject(&format!("HloModule m\nENTRY e {{\n  a = f32[2] constant({braces}"));
    assert!(report.contains("expected an element of type f32, found `{`"), "{report}");
    survive(&format!("HloModule m, x={braces}"));
}

#[test]
fn recursion_and_multiplication_are_refused() {
    let recursive = "HloModule m\n\
        f {\n  a = f32[2] parameter(0)\n  ROOT b = f32[2] map(a), dimensions={0}, to_apply=f\n}\n\
        ENTRY e {\n  a = f32[2] parameter(0)\n  ROOT b = f32[2] map(a), dimensions={0}, to_apply=f\n}\n";
    assert!(reject(recursive).contains("nest more than 64 deep"));
    let mut text = String::from("HloModule m\nf0 {\n  ROOT a = f32[] parameter(0)\n}\n");
    for i in 1..40 {
        let callee = i - 1;
        text += &format!(
            "f{i} {{\n  a = f32[] parameter(0)\n  b = f32[] map(a), to_apply=f{callee}\n  \
             ROOT c = f32[] map(b), to_apply=f{callee}\n}}\n"
        );
    }
    text += "ENTRY e {\n  a = f32[] parameter(0)\n  ROOT b = f32[] map(a), to_apply=f39\n}\n";
    assert!(reject(&text).contains("expands to more than"));
}

#[test]
fn a_small_literal_of_a_huge_type_takes_little_memory() {
    let report =
        reject("HloModule m\nENTRY e {\n  ROOT a = f32[1000000000000] constant({1, 2})\n}");
    assert!(report.contains("1000000000000 elements in this brace"), "{report}");
    let report =
        reject("HloModule m\nENTRY e {\n  ROOT a = f32[4294967296,4294967296] constant({})\n}");
    assert!(report.contains("overflows 63 bits"), "{report}");
}
