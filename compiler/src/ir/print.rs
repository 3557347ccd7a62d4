//! Modules as StableHLO text that parses again.
//!
//! Headers, elementwise operations, constants, `return`, `call` and a few simple operations are
//! printed in their pretty form, everything else in MLIR's generic form. Syntax: MLIR's language
//! reference and the StableHLO specification's examples.

use std::collections::HashMap;
use std::fmt::{self, Write};

use super::attr::{Attr, Dict, symbol};
use super::constant::Constant;
use super::module::{BlockId, Body, Func, Module, Op, ValueId};
use super::types::{ElementType, Type};
use crate::ops::{AttrWriter, ElementwiseOp, OpKind};

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("module")?;
        if let Some(name) = &self.name {
            write!(f, " {}", symbol(name))?;
        }
        if !self.attrs.is_empty() {
            write!(f, " attributes {{{}}}", self.attrs)?;
        }
        f.write_str(" {\n")?;
        let globals = &self.globals;
        if !globals.blocks[globals.entry].ops.is_empty() {
            Printer::new(globals, f).block(globals.entry, 2)?;
        }
        for func in self.funcs.values() {
            write!(f, "{func}")?;
        }
        f.write_str("}\n")
    }
}

impl fmt::Display for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer::new(&self.body, f);
        printer.func(self)
    }
}

/// Prints one function.
struct Printer<'a, 'f> {
    body: &'a Body,
    out: &'a mut fmt::Formatter<'f>,
    names: HashMap<ValueId, String>,
    /// Next number of an operation's results.
    next: usize,
    /// Next number of a block argument.
    next_arg: usize,
}

impl<'a, 'f> Printer<'a, 'f> {
    fn new(body: &'a Body, out: &'a mut fmt::Formatter<'f>) -> Self {
        Printer { body, out, names: HashMap::new(), next: 0, next_arg: 0 }
    }

    fn func(&mut self, func: &Func) -> fmt::Result {
        let visibility = if func.public { "public" } else { "private" };
        write!(self.out, "  func.func {visibility} {}(", symbol(&func.name))?;
        let declaration = func.is_declaration();
        for (i, &arg) in self.body.blocks[self.body.entry].args.iter().enumerate() {
            self.out.write_str(if i == 0 { "" } else { ", " })?;
            let name = self.name_arg(arg);
            if !declaration {
                write!(self.out, "{name}: ")?;
            }
            write!(self.out, "{}", self.body.ty(arg))?;
            self.attrs(func.arg_attrs.get(i))?;
        }
        self.out.write_str(")")?;
        if !func.results.is_empty() {
            self.out.write_str(" -> (")?;
            for (i, ty) in func.results.iter().enumerate() {
                self.out.write_str(if i == 0 { "" } else { ", " })?;
                write!(self.out, "{ty}")?;
                self.attrs(func.result_attrs.get(i))?;
            }
            self.out.write_str(")")?;
        }
        if !func.attrs.is_empty() {
            write!(self.out, " attributes {{{}}}", func.attrs)?;
        }
        if declaration {
            return self.out.write_str("\n");
        }
        self.out.write_str(" {\n")?;
        self.block(self.body.entry, 4)?;
        self.out.write_str("  }\n")
    }

    /// A dictionary after a type, if it has entries.
    fn attrs(&mut self, attrs: Option<&Dict>) -> fmt::Result {
        match attrs {
            Some(attrs) if !attrs.is_empty() => write!(self.out, " {{{attrs}}}"),
            _ => Ok(()),
        }
    }

    fn name_arg(&mut self, arg: ValueId) -> String {
        let name = format!("%arg{}", self.next_arg);
        self.next_arg += 1;
        self.names.insert(arg, name.clone());
        name
    }

    fn name(&self, value: ValueId) -> String {
        // A value that is not in scope has no number; its arena index says which one it is.
        self.names.get(&value).cloned().unwrap_or_else(|| format!("%undefined{value:?}"))
    }

    fn block(&mut self, block: BlockId, indent: usize) -> fmt::Result {
        for &op in &self.body.blocks[block].ops {
            write!(self.out, "{:indent$}", "")?;
            self.op(&self.body.ops[op], indent)?;
            self.out.write_str("\n")?;
        }
        Ok(())
    }

    fn op(&mut self, op: &'a Op, indent: usize) -> fmt::Result {
        // Results are named after their operands are printed, as they may not use themselves.
        let operands: Vec<String> = op.operands.iter().map(|&v| self.name(v)).collect();
        self.results(op)?;
        let operands = operands.join(", ");
        match &op.kind {
            OpKind::FuncReturn(_) => self.end("return", op, &operands),
            OpKind::Return(_) => self.end("stablehlo.return", op, &operands),
            OpKind::Call(c) => {
                write!(self.out, "call {}({operands})", symbol(&c.callee))?;
                self.discardable(op)?;
                self.function_type(op)
            }
            OpKind::Constant(c) if c.value.ty.elem.plain().is_some() => {
                self.out.write_str("stablehlo.constant")?;
                self.discardable(op)?;
                write!(self.out, " {}", c.value)
            }
            OpKind::Elementwise(e) => self.elementwise(*e, op, &operands),
            OpKind::Reshape(_) => {
                write!(self.out, "stablehlo.reshape {operands}")?;
                self.discardable(op)?;
                self.function_type(op)
            }
            OpKind::Transpose(t) => self.with_dims(op, &operands, &t.permutation),
            OpKind::BroadcastInDim(b) => self.with_dims(op, &operands, &b.dims),
            _ => self.generic(op, &operands, indent),
        }
    }

    fn results(&mut self, op: &Op) -> fmt::Result {
        let base = format!("%{}", self.next);
        match op.results.as_slice() {
            [] => return Ok(()),
            [one] => {
                self.names.insert(*one, base.clone());
                write!(self.out, "{base} = ")?;
            }
            many => {
                for (i, &value) in many.iter().enumerate() {
                    self.names.insert(value, format!("{base}#{i}"));
                }
                write!(self.out, "{base}:{} = ", many.len())?;
            }
        }
        self.next += 1;
        Ok(())
    }

    fn end(&mut self, name: &str, op: &Op, operands: &str) -> fmt::Result {
        self.out.write_str(name)?;
        self.discardable(op)?;
        if op.operands.is_empty() {
            return Ok(());
        }
        write!(self.out, " {operands} : {}", self.types(&op.operands))
    }

    fn elementwise(&mut self, kind: ElementwiseOp, op: &Op, operands: &str) -> fmt::Result {
        write!(self.out, "{} {operands}", kind.name())?;
        self.discardable(op)?;
        let mut types = op.operands.iter().chain(&op.results).map(|&v| self.body.ty(v));
        let first = types.next();
        // `select` has a short form of two types; the functional type is right for all of them.
        let functional = matches!(kind, ElementwiseOp::Select | ElementwiseOp::Complex);
        match first {
            Some(ty) if !functional && types.all(|t| t == ty) => write!(self.out, " : {ty}"),
            _ => self.function_type(op),
        }
    }

    fn with_dims(&mut self, op: &Op, operands: &str, dims: &[i64]) -> fmt::Result {
        let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
        write!(self.out, "{} {operands}, dims = [{}]", op.kind.name(), dims.join(", "))?;
        self.discardable(op)?;
        self.function_type(op)
    }

    fn generic(&mut self, op: &'a Op, operands: &str, indent: usize) -> fmt::Result {
        write!(self.out, "{}({operands})", super::attr::quote(op.kind.spelling()))?;
        let mut writer = AttrWriter::default();
        op.kind.write(&mut writer);
        if !writer.attrs.is_empty() {
            write!(self.out, " <{{{}}}>", writer.attrs)?;
        }
        if !op.regions.is_empty() {
            self.out.write_str(" (")?;
            for (i, &region) in op.regions.iter().enumerate() {
                self.out.write_str(if i == 0 { "{\n" } else { ", {\n" })?;
                self.region(region, indent)?;
                write!(self.out, "{:indent$}}}", "")?;
            }
            self.out.write_str(")")?;
        }
        self.discardable(op)?;
        self.function_type(op)
    }

    fn region(&mut self, region: BlockId, indent: usize) -> fmt::Result {
        let args = &self.body.blocks[region].args;
        if !args.is_empty() {
            let mut header = String::new();
            for (i, &arg) in args.iter().enumerate() {
                let name = self.name_arg(arg);
                let comma = if i == 0 { "" } else { ", " };
                write!(header, "{comma}{name}: {}", self.body.ty(arg))?;
            }
            writeln!(self.out, "{:indent$}^bb0({header}):", "")?;
        }
        self.block(region, indent + 2)
    }

    fn discardable(&mut self, op: &Op) -> fmt::Result {
        self.attrs(Some(&op.attrs))
    }

    fn types(&self, values: &[ValueId]) -> String {
        let all: Vec<String> = values.iter().map(|&v| self.body.ty(v).to_string()).collect();
        all.join(", ")
    }

    fn function_type(&mut self, op: &Op) -> fmt::Result {
        let (from, to) = (self.types(&op.operands), self.types(&op.results));
        match op.results.as_slice() {
            &[one] if !matches!(self.body.ty(one), Type::Tuple(_)) => {
                write!(self.out, " : ({from}) -> {to}")
            }
            _ => write!(self.out, " : ({from}) -> ({to})"),
        }
    }
}

/// A float as an MLIR literal that reads back as the same value.
///
/// MLIR wants a point before the exponent, and takes infinities and NaN only as bit patterns.
pub(super) fn float_literal(value: f64, dtype: microhlo_format::DType) -> String {
    use microhlo_format::DType;
    if !value.is_finite() {
        let mut bytes = [0u8; 8];
        let bytes = &mut bytes[..dtype.size().min(8)];
        crate::eval::Element::Float(value).encode(dtype, bytes);
        let digits: String = bytes.iter().rev().map(|b| format!("{b:02X}")).collect();
        return format!("0x{digits}");
    }
    // The shortest digits that identify the value in its own width.
    let text = match dtype {
        DType::F32 => format!("{:e}", value as f32),
        _ => format!("{value:e}"),
    };
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

/// A constant's only element as a literal; `None` when the hex form must do.
pub(super) fn splat_literal(constant: &Constant) -> Option<String> {
    let dtype = match constant.ty.elem {
        ElementType::Plain(d) => d,
        ElementType::Index | ElementType::Quant(_) => return None,
    };
    let element = crate::eval::Element::decode(dtype, constant.splat_bytes()?);
    match element {
        crate::eval::Element::Bool(b) => Some(b.to_string()),
        crate::eval::Element::Int(v) => Some(v.to_string()),
        // A NaN's payload would be lost.
        crate::eval::Element::Float(v) if v.is_nan() => None,
        crate::eval::Element::Float(v) => Some(float_literal(v, dtype)),
        crate::eval::Element::Complex(..) => None,
    }
}

/// An attribute float with its type's spelling.
pub(super) fn typed_float(value: f64, ty: &str) -> String {
    let dtype = microhlo_format::DType::from_name(ty).filter(|d| d.is_float());
    let literal = float_literal(value, dtype.unwrap_or(microhlo_format::DType::F64));
    format!("{literal} : {ty}")
}

/// A dictionary key, quoted unless it is an identifier.
pub(super) fn key(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '-');
    if first && chars.all(plain) { name.to_string() } else { super::attr::quote(name) }
}

/// Whether an attribute may stand inside of a structured one without its type.
pub(super) fn bare(attr: &Attr) -> Option<String> {
    let list = |v: &[i64]| v.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match attr {
        Attr::Int(v, _) => Some(v.to_string()),
        Attr::DenseInts(v) => Some(format!("[{}]", list(v))),
        Attr::Struct(name, fields) if &**name == "stablehlo.sub_axis_info" => {
            match (fields.get("pre_size"), fields.get("size")) {
                (Some(Attr::Int(before, _)), Some(Attr::Int(size, _))) => {
                    Some(format!("({before}){size}"))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::reduce::Reduce;
    use crate::ops::testing::{binary, module_of};
    use microhlo_format::DType;

    #[test]
    fn pretty_and_generic_forms() {
        let ty = TensorType::fixed(&[2], DType::F32);
        let module = module_of(
            ElementwiseOp::Add.into(),
            &[ty.clone(), ty.clone()],
            std::slice::from_ref(&ty),
            &[],
        );
        let want = "module {\n  func.func public @main(%arg0: tensor<2xf32>, %arg1: tensor<2xf32>) \
                    -> (tensor<2xf32>) {\n    %0 = stablehlo.add %arg0, %arg1 : tensor<2xf32>\n    \
                    return %0 : tensor<2xf32>\n  }\n}\n";
        assert_eq!(module.to_string(), want);
        let scalar = TensorType::scalar(DType::F32);
        let args = [scalar.clone(), scalar.clone()];
        let add = binary(ElementwiseOp::Add);
        let reduce = Reduce { dims: vec![0] };
        let module = module_of(reduce.into(), &[ty, scalar.clone()], &[scalar], &[(&args, &add)]);
        let text = module.to_string();
        assert!(text.contains(
            "%0 = \"stablehlo.reduce\"(%arg0, %arg1) <{dimensions = array<i64: 0>}> ({\n    \
             ^bb0(%arg2: tensor<f32>, %arg3: tensor<f32>):\n      \
             %1 = stablehlo.add %arg2, %arg3 : tensor<f32>\n      \
             stablehlo.return %1 : tensor<f32>\n    }) : (tensor<2xf32>, tensor<f32>) -> tensor<f32>"
        ), "{text}");
    }

    #[test]
    fn literals_read_back_exactly() {
        assert_eq!(float_literal(1.0, DType::F32), "1.0e0");
        assert_eq!(float_literal(f64::from(0.1f32), DType::F32), "1.0e-1");
        assert_eq!(float_literal(-0.0, DType::F64), "-0.0e0");
        assert_eq!(float_literal(f64::NEG_INFINITY, DType::F32), "0xFF800000");
        assert_eq!(float_literal(f64::INFINITY, DType::BF16), "0x7F80");
        let c = Constant::splat(TensorType::fixed(&[3], DType::I8), &[0xff]);
        assert_eq!(c.to_string(), "dense<-1> : tensor<3xi8>");
        let c = Constant::f32s(&[2], &[1.0, 2.0]);
        assert_eq!(c.to_string(), "dense<\"0x0000803F00000040\"> : tensor<2xf32>");
    }

    #[test]
    fn unusual_names_are_quoted() {
        assert_eq!(key("mhlo.layout_mode"), "mhlo.layout_mode");
        assert_eq!(key("a b"), "\"a b\"");
        assert_eq!(symbol("a b"), "@\"a b\"");
        assert_eq!((symbol("a-b"), symbol("a-")), ("@a-b".into(), "@\"a-\"".into()));
    }
}
