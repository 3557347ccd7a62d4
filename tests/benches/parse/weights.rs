//! Synthetic modules that consist of weights, and little else, in every form.

use std::fmt::Write as _;

use microhlo_compiler::diag::Source;

/// Constants of a module.
const CONSTANTS: usize = 4;

/// Elements of a constant.
const ELEMENTS: usize = 1 << 16;

/// Pseudo-random weights between -1 and 1, most of them small; always the same ones.
pub struct Weights(u64);

impl Weights {
    fn new() -> Weights {
        Weights(0x9e37_79b9_7f4a_7c15)
    }

    /// 32 random bits (xorshift64*).
    fn bits(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    fn next(&mut self) -> f64 {
        let signed = |bits: u32| f64::from(bits as i32) / 2f64.powi(31);
        signed(self.bits()) * signed(self.bits())
    }

    /// Values as a list, each written by `write`.
    fn list(mut self, write: impl Fn(&mut String, f64)) -> String {
        let mut text = String::new();
        for i in 0..ELEMENTS {
            text.push_str(if i == 0 { "" } else { ", " });
            write(&mut text, self.next());
        }
        text
    }
}

/// Writes an `f32` as MLIR and XLA do, with as many digits as it takes.
fn f32_digits(text: &mut String, value: f64) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{:?}", value as f32);
}

fn f64_digits(text: &mut String, value: f64) {
    let _ = write!(text, "{value:?}");
}

/// A float of 8 significant bits, in exponent form.
fn narrow(text: &mut String, value: f64) {
    let rounded = f32::from_bits((value as f32).to_bits() & 0xffff_0000);
    let _ = write!(text, "{rounded:e}");
    // MLIR's floats have a decimal point.
    if let Some(at) = text.rfind('e')
        && !text[text.rfind(' ').unwrap_or(0)..].contains('.')
    {
        text.insert_str(at, ".0");
    }
}

fn i8_digits(text: &mut String, value: f64) {
    let _ = write!(text, "{}", (value * 127.0).round());
}

fn boolean(text: &mut String, value: f64) {
    text.push_str(if value > 0.0 { "true" } else { "false" });
}

fn complex(text: &mut String, value: f64) {
    let (re, im) = (value as f32, -0.5 * value as f32);
    let _ = write!(text, "({re:?}, {im:?})");
}

/// The bytes of the `f32` weights.
fn raw_f32() -> Vec<u8> {
    let mut weights = Weights::new();
    (0..ELEMENTS).flat_map(|_| (weights.next() as f32).to_le_bytes()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// StableHLO text of constants in the given spelling.
fn constants(literal: &str, ty: &str) -> String {
    let mut text = String::from("func.func @main() {\n");
    for i in 0..CONSTANTS {
        let _ = writeln!(text, "  %c{i} = stablehlo.constant {literal} : tensor<{ELEMENTS}x{ty}>");
    }
    text + "  return\n}\n"
}

/// Constants whose data stand in the section at the end.
fn resources() -> String {
    let digits = hex(&raw_f32());
    let mut text = String::from("func.func @main() {\n");
    let mut data = String::from("{-#\n  dialect_resources: {\n    builtin: {\n");
    for i in 0..CONSTANTS {
        let ty = format!("tensor<{ELEMENTS}xf32>");
        let _ = writeln!(text, "  %c{i} = stablehlo.constant dense_resource<w{i}> : {ty}");
        let comma = if i + 1 < CONSTANTS { "," } else { "" };
        let _ = writeln!(data, "      w{i}: \"0x04000000{digits}\"{comma}");
    }
    text + "  return\n}\n" + &data + "    }\n  }\n#-}\n"
}

/// HLO text of constants.
fn hlo(list: &str, ty: &str) -> String {
    let mut text = String::from("HloModule m\n\nENTRY main {\n");
    for i in 0..CONSTANTS {
        let _ = writeln!(text, "  c{i} = {ty}[{ELEMENTS}]{{0}} constant({{{list}}})");
    }
    text + "}\n"
}

/// Text forms by name.
pub fn texts() -> Vec<Source> {
    let list = |write: fn(&mut String, f64)| Weights::new().list(write);
    let dense = |list: &str| format!("dense<[{list}]>");
    let decimal = list(f32_digits);
    let integers = list(i8_digits);
    let texts = [
        ("hexadecimal f32", constants(&format!("dense<\"0x{}\">", hex(&raw_f32())), "f32")),
        ("dense_resource f32", resources()),
        ("decimal f32", constants(&dense(&decimal), "f32")),
        ("decimal f64", constants(&dense(&list(f64_digits)), "f64")),
        ("decimal bf16", constants(&dense(&list(narrow)), "bf16")),
        ("decimal f16", constants(&dense(&list(narrow)), "f16")),
        ("decimal complex<f32>", constants(&dense(&list(complex)), "complex<f32>")),
        ("decimal i8", constants(&dense(&integers), "i8")),
        ("decimal i32", constants(&dense(&integers), "i32")),
        ("i1", constants(&dense(&list(boolean)), "i1")),
        ("HLO, decimal f32", hlo(&decimal, "f32")),
        ("HLO, decimal bf16", hlo(&list(narrow), "bf16")),
        ("HLO, decimal s8", hlo(&integers, "s8")),
        ("HLO, pred", hlo(&list(boolean), "pred")),
    ];
    texts.map(|(name, text)| Source::new(name, text)).into()
}

/// Text of many small operations, for comparison.
pub fn small_operations() -> Vec<Source> {
    let many = |line: &dyn Fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    let mlir = many(&|i| format!("  %c{i} = stablehlo.constant dense<1.0> : tensor<4x4xf32>\n"));
    let hlo = many(&|i| format!("  c{i} = f32[2]{{0}} constant({{1, 2}})\n"));
    vec![
        Source::new("small operations", format!("func.func @main() {{\n{mlir}  return\n}}\n")),
        Source::new("HLO, small operations", format!("HloModule m\n\nENTRY main {{\n{hlo}}}\n")),
    ]
}

/// The varint of MLIR's bytecode: the trailing zero bits of the first byte count the others.
fn mlir_varint(out: &mut Vec<u8>, value: u64) {
    let bits = 64 - value.leading_zeros() as usize;
    match bits.div_ceil(7).max(1) {
        9.. => {
            out.push(0);
            out.extend_from_slice(&value.to_le_bytes());
        }
        len => {
            let coded = (value << 1 | 1) << (len - 1);
            out.extend_from_slice(&coded.to_le_bytes()[..len]);
        }
    }
}

/// Varints one after the other.
fn varints(values: &[u64]) -> Vec<u8> {
    values.iter().fold(Vec::new(), |mut out, &value| {
        mlir_varint(&mut out, value);
        out
    })
}

fn section(out: &mut Vec<u8>, id: u8, data: &[u8]) {
    out.push(id);
    mlir_varint(out, data.len() as u64);
    out.extend_from_slice(data);
}

/// What the two forms of bytecode have different.
struct Dialects {
    /// Dialects after `builtin`, each with the names of its operations.
    names: &'static [(&'static str, &'static [&'static str])],
    /// Dialect of attributes and types.
    of_entries: u64,
    /// Codes of attributes: string, type, list, constant.
    codes: [u64; 4],
    /// Codes of types: `f32`, tensor, function.
    types: [u64; 3],
    /// Properties of the function: numbers of attributes.
    func: &'static [u64],
    /// Number of the operation names for constant and return.
    ops: [u64; 2],
}

/// A portable artifact: everything is of the dialect `vhlo`.
const PORTABLE: Dialects = Dialects {
    names: &[("vhlo", &["func_v1", "constant_v1", "return_v1"])],
    of_entries: 1,
    codes: [14, 17, 1, 15],
    types: [4, 20, 8],
    // Argument attributes, type, result attributes, name, visibility.
    func: &[3, 2, 3, 1, 4],
    ops: [2, 3],
};

/// Bytecode of the dialects themselves.
const RAW: Dialects = Dialects {
    names: &[("func", &["func", "return"]), ("stablehlo", &["constant"])],
    of_entries: 0,
    codes: [2, 6, 0, 18],
    types: [5, 13, 2],
    // Optional ones are 0, or their number and a set lowest bit.
    func: &[0, 2, 0, 0, 1, 0],
    ops: [3, 2],
};

impl Dialects {
    /// Attributes: an unknown location, the function's name and type, an empty list, an empty
    /// string, and the constants.
    fn attributes(&self) -> Vec<Vec<u8>> {
        let [string, ty, list, constant] = self.codes;
        let heads: [&[u64]; 5] = [&[15], &[string, 0], &[ty, 2], &[list, 0], &[string, 1]];
        let mut attributes: Vec<Vec<u8>> = heads.map(varints).into();
        let raw = raw_f32();
        for _ in 0..CONSTANTS {
            let mut bytes = varints(&[constant, 1, raw.len() as u64]);
            bytes.extend_from_slice(&raw);
            attributes.push(bytes);
        }
        attributes
    }

    fn write(&self) -> Vec<u8> {
        let mut strings = vec!["main", "", "builtin", "module"];
        // All dialects, then their operations in groups; the lowest bit says that the writer knew
        // the operation.
        let (mut dialects, mut ops) = (varints(&[1 + self.names.len() as u64, 2 << 1]), Vec::new());
        let mut number = |name: &'static str| {
            strings.push(name);
            strings.len() as u64 - 1
        };
        ops.extend(varints(&[0, 1, 3 << 1 | 1]));
        for (dialect, (name, operations)) in self.names.iter().enumerate() {
            mlir_varint(&mut dialects, number(name) << 1);
            ops.extend(varints(&[1 + dialect as u64, operations.len() as u64]));
            operations.iter().for_each(|op| mlir_varint(&mut ops, number(op) << 1 | 1));
        }
        mlir_varint(&mut dialects, 4);
        dialects.extend(ops);

        let [float, tensor, function] = self.types;
        let shape = 2 * ELEMENTS as u64;
        let types: [&[u64]; 3] = [&[float], &[tensor, 1, shape, 0], &[function, 0, 0]];
        let (attributes, types) = (self.attributes(), types.map(varints));
        let mut offsets = varints(&[attributes.len() as u64, types.len() as u64]);
        // The location is of `builtin` in both forms.
        let groups = [(0, &attributes[..1]), (self.of_entries, &attributes[1..])];
        for (dialect, entries) in groups.into_iter().chain([(self.of_entries, &types[..])]) {
            offsets.extend(varints(&[dialect, entries.len() as u64]));
            entries.iter().for_each(|e| mlir_varint(&mut offsets, (e.len() as u64) << 1 | 1));
        }

        let mut out = b"ML\xefR\x0dMLIRbench\0".to_vec();
        let mut table = varints(&[strings.len() as u64]);
        strings.iter().rev().for_each(|s| mlir_varint(&mut table, s.len() as u64 + 1));
        strings.iter().for_each(|s| table.extend(s.bytes().chain([0])));
        section(&mut out, 0, &table);
        section(&mut out, 1, &dialects);
        section(&mut out, 2, &[attributes.concat(), types.concat()].concat());
        section(&mut out, 3, &offsets);
        section(&mut out, 4, &self.module());
        section(&mut out, 8, &self.properties());
        out
    }

    /// One function of constants. An operation is its name, a mask of the parts that follow, a
    /// location, and these parts.
    fn module(&self) -> Vec<u8> {
        const REGIONS: u64 = 0x10;
        const PROPERTIES: u64 = 0x40;
        const RESULTS: u64 = 0x02;
        let mask = |bits: u64| [bits as u8];
        let [constant, end] = self.ops;
        // Blocks, values; operations of the block.
        let mut body = varints(&[1, CONSTANTS as u64, (CONSTANTS as u64 + 1) << 1]);
        for i in 0..CONSTANTS as u64 {
            mlir_varint(&mut body, constant);
            body.extend(mask(PROPERTIES | RESULTS));
            body.extend(varints(&[0, 1 + i, 1, 1]));
        }
        mlir_varint(&mut body, end);
        body.extend(mask(0));
        mlir_varint(&mut body, 0);

        let mut func = varints(&[1, 0, 1 << 1, 1]);
        func.extend(mask(PROPERTIES | REGIONS));
        func.extend(varints(&[0, 0, 1 << 1 | 1]));
        section(&mut func, 4, &body);

        let mut module = varints(&[1 << 1, 0]);
        module.extend(mask(REGIONS));
        module.extend(varints(&[0, 1 << 1 | 1]));
        section(&mut module, 4, &func);
        module
    }

    fn properties(&self) -> Vec<u8> {
        let mut all = vec![varints(self.func)];
        all.extend((0..CONSTANTS as u64).map(|i| varints(&[5 + i])));
        let mut out = varints(&[all.len() as u64]);
        for one in all {
            mlir_varint(&mut out, one.len() as u64);
            out.extend(one);
        }
        out
    }
}

/// Bytecode by name, as portable artifact and of the dialects themselves.
pub fn bytecode() -> [(&'static str, Vec<u8>); 2] {
    [("portable bytecode", PORTABLE.write()), ("raw bytecode", RAW.write())]
}

/// A varint of a protocol buffer: seven bits per byte, the lowest first.
fn proto_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field that is a number.
fn number(tag: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    proto_varint(&mut out, tag << 3);
    proto_varint(&mut out, value);
    out
}

/// A field that is bytes, a message for example.
fn field(tag: u64, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    proto_varint(&mut out, tag << 3 | 2);
    proto_varint(&mut out, parts.iter().map(|p| p.len() as u64).sum());
    parts.iter().for_each(|p| out.extend_from_slice(p));
    out
}

/// An `HloModuleProto` of constants (`xla/service/hlo.proto`, `xla/xla_data.proto`).
pub fn proto() -> Vec<u8> {
    const F32: u64 = 11;
    let mut dims = Vec::new();
    proto_varint(&mut dims, ELEMENTS as u64);
    let shape = [number(2, F32), field(3, &[&dims])].concat();
    let literal = field(8, &[&field(1, &[&shape]), &field(8, &[&raw_f32()])]);
    let mut instructions = Vec::new();
    for i in 0..CONSTANTS as u64 {
        let name = field(1, &[format!("c{i}").as_bytes()]);
        let head = [name, field(2, &[b"constant"]), field(3, &[&shape])].concat();
        instructions.extend(field(2, &[&head, &literal, &number(35, i)]));
    }
    let computation =
        field(3, &[&field(1, &[b"main"]), &instructions, &number(5, 1), &number(6, 0)]);
    [field(1, &[b"m"]), computation, number(6, 1)].concat()
}
