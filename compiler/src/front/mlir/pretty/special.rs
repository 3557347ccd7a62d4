//! Short forms with a syntax of their own, without regions.

use microhlo_format::DType;

use super::super::cursor::{PResult, advise, error};
use super::super::op::RawOp;
use super::super::parser::Parser;
use crate::ir::{Attr, Constant, ElementType, TensorType, Type};

impl<'a> Parser<'a> {
    /// `{a = 1 : i64} dense<..> : T`, or `() <{value = ..}> : () -> T`.
    pub(crate) fn pretty_constant(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        if self.c.at("(") {
            return self.generic_op(raw);
        }
        self.optional_dict(&mut raw.attrs)?;
        self.c.skip();
        let start = self.c.pos();
        let value = self.parse_attr()?;
        let Attr::Dense(constant) = &value else {
            let message = format!("expected a literal `dense<...>`, found `{value}`");
            return Err(error(self.c.span_since(start), message));
        };
        raw.results = vec![Type::Tensor(constant.ty.clone())];
        raw.attrs.push("value", value);
        Ok(())
    }

    /// `LT, %a, %b, TOTALORDER : ...`.
    pub(crate) fn pretty_compare(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let direction = self.enum_word("comparison_direction")?;
        raw.attrs.push("comparison_direction", direction);
        self.c.expect(",")?;
        for last in [false, true] {
            let operand = self.operand()?;
            raw.operands.push(operand);
            if !last {
                self.c.expect(",")?;
            }
        }
        if self.c.eat(",") {
            let kind = self.enum_word("comparison_type")?;
            raw.attrs.push("compare_type", kind);
        }
        self.optional_dict(&mut raw.attrs)?;
        self.c.expect(":")?;
        if self.c.at("(") {
            let (inputs, results) = self.function_type()?;
            self.check_operands(raw, &inputs)?;
            raw.results = results;
            return Ok(());
        }
        // The one-type form of old printers leaves out the result, which follows from it.
        let ty = self.parse_type()?;
        self.check_operands(raw, &[ty.clone(), ty.clone()])?;
        raw.results = match ty {
            Type::Tensor(t) => {
                vec![Type::Tensor(TensorType { elem: ElementType::Plain(DType::I1), ..t })]
            }
            other => vec![other],
        };
        Ok(())
    }

    /// `%a [0:2, 0:4:2] : ...`.
    pub(crate) fn pretty_slice(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let operand = self.operand()?;
        raw.operands.push(operand);
        self.c.expect("[")?;
        let (mut starts, mut limits, mut strides) = (Vec::new(), Vec::new(), Vec::new());
        while !self.c.eat("]") {
            starts.push(self.c.int64()?);
            self.c.expect(":")?;
            limits.push(self.c.int64()?);
            strides.push(if self.c.eat(":") { self.c.int64()? } else { 1 });
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        raw.attrs.push("start_indices", Attr::DenseInts(starts));
        raw.attrs.push("limit_indices", Attr::DenseInts(limits));
        raw.attrs.push("strides", Attr::DenseInts(strides));
        self.optional_dict(&mut raw.attrs)?;
        self.functional_type(raw)
    }

    /// `%t[0] : (tuple<A, B>) -> A`.
    pub(crate) fn pretty_get_tuple_element(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let operand = self.operand()?;
        raw.operands.push(operand);
        self.c.expect("[")?;
        let index = self.c.integer()?;
        self.c.expect("]")?;
        raw.attrs.push("index", Attr::Int(index, "i32".into()));
        self.optional_dict(&mut raw.attrs)?;
        self.functional_type(raw)
    }

    /// `(%a, %k) dim_numbers = [..]x[..]->[..], window = {..} {..} : ...`.
    pub(crate) fn pretty_convolution(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        self.operand_list(raw)?;
        self.c.expect_word("dim_numbers")?;
        self.c.expect("=")?;
        let dims = self.conv_dims()?;
        raw.attrs.push("dimension_numbers", dims);
        self.c.expect(",")?;
        self.c.expect_word("window")?;
        self.c.expect("=")?;
        self.c.expect("{")?;
        while !self.c.eat("}") {
            self.window_field(raw)?;
            if !self.c.at("}") {
                self.c.expect(",")?;
            }
        }
        self.optional_dict(&mut raw.attrs)?;
        self.functional_type(raw)
    }

    fn window_field(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let word = self.c.peek_word();
        let name = match word {
            "stride" => "window_strides",
            "pad" => "padding",
            "lhs_dilate" => "lhs_dilation",
            "rhs_dilate" => "rhs_dilation",
            "reverse" => "window_reversal",
            _ => {
                let what = "`stride`, `pad`, `lhs_dilate`, `rhs_dilate` or `reverse`";
                return Err(self.c.expected(what));
            }
        };
        if raw.attrs.get(name).is_some() {
            return Err(self.c.expected("each window field once"));
        }
        self.c.word();
        self.c.expect("=")?;
        let value = match word {
            "pad" => self.pad_list()?,
            "reverse" => Attr::DenseBools(self.bool_list()?),
            _ => Attr::DenseInts(self.int_list()?),
        };
        raw.attrs.push(name, value);
        Ok(())
    }

    fn bool_list(&mut self) -> PResult<Vec<bool>> {
        self.c.expect("[")?;
        let mut values = Vec::new();
        while !self.c.eat("]") {
            values.push(self.boolean()?);
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        Ok(values)
    }

    /// `[[0, 1], [2, 3]]` as the N x 2 literal of the generic form.
    fn pad_list(&mut self) -> PResult<Attr> {
        self.c.expect("[")?;
        let mut values: Vec<i64> = Vec::new();
        while !self.c.eat("]") {
            let start = self.c.pos();
            let pair = self.int_list()?;
            if pair.len() != 2 {
                let message = "expected a pair of low and high padding such as `[1, 1]`";
                return Err(error(self.c.span_since(start), message));
            }
            values.extend(pair);
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        let ty = TensorType::fixed(&[values.len() as u64 / 2, 2], DType::I64);
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Ok(Attr::Dense(std::sync::Arc::new(Constant::dense(ty, bytes))))
    }

    /// `@target(%a, %b) {..} : ...`.
    pub(crate) fn pretty_custom_call(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let target = self.c.symbol()?;
        raw.attrs.push("call_target_name", Attr::String(target.into()));
        self.operand_list(raw)?;
        self.optional_dict(&mut raw.attrs)?;
        self.functional_type(raw)
    }

    /// `"name" %a, %b {..} : ...`.
    pub(crate) fn pretty_composite(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        if self.c.at("(") {
            return self.generic_op(raw);
        }
        let name = self.c.string()?;
        raw.attrs.push("name", Attr::String(name.into()));
        while self.c.at("%") {
            let operand = self.operand()?;
            raw.operands.push(operand);
            if !self.c.eat(",") {
                break;
            }
        }
        self.optional_dict(&mut raw.attrs)?;
        self.functional_type(raw)
    }

    /// `@callee(%a) : (A) -> B`.
    pub(crate) fn pretty_call(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let callee = self.c.symbol()?;
        raw.attrs.push("callee", Attr::Symbol(callee.into()));
        self.operand_list(raw)?;
        self.optional_dict(&mut raw.attrs)?;
        self.functional_type(raw)
    }

    /// `(%a, k = 8) : A -> (B, C)`.
    pub(crate) fn pretty_top_k(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        self.c.expect("(")?;
        let operand = self.operand()?;
        raw.operands.push(operand);
        self.c.expect(",")?;
        self.c.expect_word("k")?;
        self.c.expect("=")?;
        let k = self.c.integer()?;
        raw.attrs.push("k", Attr::Int(k, "i64".into()));
        // MHLO can ask for the smallest values instead.
        if self.c.eat(",") {
            self.c.expect_word("largest")?;
            self.c.expect("=")?;
            let largest = self.boolean()?;
            raw.attrs.push("largest", Attr::Bool(largest));
        }
        self.c.expect(")")?;
        self.optional_dict(&mut raw.attrs)?;
        self.c.expect(":")?;
        if self.c.at("(") {
            let stop = self.c.expected("the operand's type");
            return Err(advise(stop, "`chlo.top_k` is typed `: A -> (B, C)`"));
        }
        let ty = self.parse_type()?;
        self.check_operands(raw, &[ty])?;
        self.c.expect("->")?;
        raw.results = self.result_types()?;
        Ok(())
    }
}
