//! Short forms of operations with regions: `reduce`, `while`, `scan`.

use std::borrow::Cow;

use super::super::cursor::{PResult, advise, error};
use super::super::op::{Operand, RawOp, canonical};
use super::super::parser::Parser;
use crate::diag::Span;
use crate::ir::{Attr, BlockId, Dict, TensorType, Type};
use crate::ops::{AttrReader, OpKind};

/// A block argument that a short form names.
type NamedArg<'a> = (&'a str, Span, Type);

impl<'a> Parser<'a> {
    /// `(%a init: %z), (%b init: %y) applies op across dimensions = [1] {..} : type`, or without
    /// `applies` and with `reducer(%x: T, %y: T) {..}` at the end.
    pub(crate) fn pretty_reduce(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let mut inits: Vec<Operand> = Vec::new();
        loop {
            self.c.expect("(")?;
            let operand = self.operand()?;
            raw.operands.push(operand);
            self.c.expect_word("init")?;
            self.c.expect(":")?;
            inits.push(self.operand()?);
            self.c.expect(")")?;
            if !self.c.eat(",") {
                break;
            }
        }
        let count = inits.len();
        raw.operands.extend(inits);
        let mut applied = None;
        if self.c.eat_word("applies") {
            self.c.skip();
            let start = self.c.pos();
            let name = canonical(Cow::Borrowed(self.c.word()));
            applied = Some((name, self.c.span_since(start)));
        }
        self.c.expect_word("across")?;
        self.c.expect_word("dimensions")?;
        self.c.expect("=")?;
        let dims = self.int_list()?;
        raw.attrs.push("dimensions", Attr::DenseInts(dims));
        self.optional_dict(&mut raw.attrs)?;
        self.functional_type(raw)?;
        let block = match applied {
            Some((name, span)) => self.applied_region(raw, count, &name, span)?,
            None => self.reducer_region(count)?,
        };
        raw.regions.push(block);
        Ok(())
    }

    /// The region that `applies op` stands for: `op` on its two arguments.
    fn applied_region(
        &mut self,
        raw: &RawOp<'a>,
        count: usize,
        name: &str,
        span: Span,
    ) -> PResult<BlockId> {
        let operand = raw.operands.first().filter(|_| count == 1);
        let Some(operand) = operand else {
            return Err(error(span, "`applies` takes one operand; write out the `reducer`"));
        };
        let ty = match self.scope.body.ty(operand.value) {
            Type::Tensor(t) => Type::Tensor(TensorType { dims: Vec::new(), elem: t.elem.clone() }),
            other => {
                return Err(error(operand.span, format!("expected a tensor, found {other}")));
            }
        };
        let both = [ty.clone(), ty.clone()];
        let results = [ty.clone()];
        let mut kinds = Vec::new();
        for (name, inputs, outputs) in
            [(name, &both[..], &results[..]), ("stablehlo.return", &results[..], &[])]
        {
            let mut reader = AttrReader::new(Dict::default(), inputs, outputs);
            match OpKind::read(name, &mut reader) {
                Some(Ok(kind)) => kinds.push(kind),
                _ => {
                    let stop = error(span, format!("expected a binary operation, found `{name}`"));
                    return Err(advise(stop, "for example `applies stablehlo.add`"));
                }
            }
        }
        let commutes = match kinds.first() {
            Some(OpKind::Elementwise(op)) => op.is_commutative(),
            _ => false,
        };
        if !commutes {
            let stop =
                error(span, format!("`applies` takes a commutative operation, not `{name}`"));
            return Err(advise(stop, "write out the `reducer`"));
        }
        let body = &mut self.scope.body;
        let block = body.add_block();
        let args = vec![body.add_arg(block, ty.clone()), body.add_arg(block, ty.clone())];
        let mut kinds = kinds.into_iter();
        let (Some(apply), Some(give)) = (kinds.next(), kinds.next()) else { return Err(None) };
        let op = body.append(block, apply, args, vec![ty], span);
        let result = body.ops[op].results.clone();
        body.append(block, give, result, Vec::new(), span);
        Ok(block)
    }

    /// `reducer(%x0: T, %y0: T) (%x1: U, %y1: U) { .. }`: pair `i` is arguments `i` and `i + n`.
    fn reducer_region(&mut self, count: usize) -> PResult<BlockId> {
        self.c.expect_word("reducer")?;
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for _ in 0..count {
            self.c.skip();
            let start = self.c.pos();
            let pair = self.argument_list()?;
            let named: Vec<NamedArg<'a>> =
                pair.into_iter().filter_map(|a| a.name.map(|(n, s)| (n, s, a.ty))).collect();
            let Ok([x, y]) = <[NamedArg<'a>; 2]>::try_from(named) else {
                let message = "expected two arguments `(%x: T, %y: T)`";
                return Err(error(self.c.span_since(start), message));
            };
            left.push(x);
            right.push(y);
        }
        left.extend(right);
        self.region(&left)
    }

    /// `(%i = %a, %j = %b) : A, B attributes {..} cond {..} do {..}`.
    pub(crate) fn pretty_while(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        self.c.expect("(")?;
        let mut names: Vec<(&'a str, Span)> = Vec::new();
        while !self.c.eat(")") {
            self.c.skip();
            let start = self.c.pos();
            self.c.expect("%")?;
            let name = self.c.name("an argument name after `%`")?;
            names.push((name, self.c.span_since(start)));
            self.c.expect("=")?;
            let operand = self.operand()?;
            raw.operands.push(operand);
            if !self.c.at(")") {
                self.c.expect(",")?;
            }
        }
        let types = if self.c.eat(":") { self.type_list()? } else { Vec::new() };
        self.check_operands(raw, &types)?;
        if self.c.eat_word("attributes") {
            let attrs = self.attr_dict()?;
            raw.attrs.0.extend(attrs.0);
        }
        let args: Vec<NamedArg<'a>> = names
            .into_iter()
            .zip(&types)
            .map(|((name, span), ty)| (name, span, ty.clone()))
            .collect();
        for keyword in ["cond", "do"] {
            self.c.expect_word(keyword)?;
            let block = self.region(&args)?;
            raw.regions.push(block);
        }
        raw.results = types;
        Ok(())
    }

    /// `(%in) inits (%c) dimension = 0 {..} {..} : (..) -> (..)`.
    pub(crate) fn pretty_scan(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        self.operand_list(raw)?;
        let inputs = raw.operands.len() as i128;
        self.c.expect_word("inits")?;
        self.operand_list(raw)?;
        let inits = raw.operands.len() as i128 - inputs;
        self.c.expect_word("dimension")?;
        self.c.expect("=")?;
        let dim = self.c.integer()?;
        raw.attrs.push("dimension", Attr::Int(dim, "i64".into()));
        let sizes = [inputs, inits].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        raw.attrs.push("operandSegmentSizes", Attr::DenseInts(sizes.to_vec()));
        if self.c.eat_word("attributes") {
            let attrs = self.attr_dict()?;
            raw.attrs.0.extend(attrs.0);
        }
        let block = self.region(&[])?;
        raw.regions.push(block);
        self.optional_dict(&mut raw.attrs)?;
        self.functional_type(raw)
    }
}
