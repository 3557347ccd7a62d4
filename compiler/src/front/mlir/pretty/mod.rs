//! Short forms of operations, as MLIR prints them by default.
//!
//! Most are operands and `key = value` clauses in a row, ending in a type: one row each in
//! [`table`]. The others have a function each in [`special`] and [`regions`].

mod clauses;
mod foreign;
mod regions;
mod special;
mod table;

use super::cursor::{PResult, error};
use super::op::RawOp;
use super::parser::Parser;
use crate::ir::Type;
use table::{Form, TypeForm};

impl<'a> Parser<'a> {
    /// An operation in its short form; the name is consumed.
    pub(crate) fn pretty_op(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        match &*raw.name {
            "stablehlo.constant" | "chlo.constant" => self.pretty_constant(raw),
            "stablehlo.compare" => self.pretty_compare(raw),
            "stablehlo.slice" => self.pretty_slice(raw),
            "stablehlo.get_tuple_element" => self.pretty_get_tuple_element(raw),
            "stablehlo.convolution" => self.pretty_convolution(raw),
            "stablehlo.custom_call" => self.pretty_custom_call(raw),
            "stablehlo.composite" => self.pretty_composite(raw),
            "stablehlo.reduce" => self.pretty_reduce(raw),
            "stablehlo.while" => self.pretty_while(raw),
            "chlo.top_k" => self.pretty_top_k(raw),
            "chlo.scan" => self.pretty_scan(raw),
            "func.call" => self.pretty_call(raw),
            name => {
                let form = table::form_of(name);
                self.pretty_form(raw, form)
            }
        }
    }

    /// Operands and clauses separated by commas, a dictionary before or after them, types.
    fn pretty_form(&mut self, raw: &mut RawOp<'a>, form: &Form) -> PResult<()> {
        // `stablehlo.op(%a, %b)` is accepted like the form without parentheses.
        self.optional_dict(&mut raw.attrs)?;
        let parenthesised = self.c.at("(") && self.c.eat("(");
        let mut dots = Vec::new();
        loop {
            match self.c.peek() {
                b'%' => {
                    let operand = self.operand()?;
                    raw.operands.push(operand);
                }
                b'{' => {}
                b':' | b')' => break,
                _ if self.c.at("dense") => {
                    let value = self.parse_attr()?;
                    raw.attrs.push("value", value);
                }
                _ => {
                    let key = self.c.peek_word();
                    if key.is_empty() || !self.clause(raw, form, key, &mut dots)? {
                        break;
                    }
                }
            }
            if !self.c.eat(",") {
                break;
            }
        }
        if parenthesised {
            self.c.expect(")")?;
        }
        clauses::finish_dots(raw, dots);
        self.optional_dict(&mut raw.attrs)?;
        self.form_types(raw, &form.types)
    }

    /// The type at the end, and from it the result types.
    fn form_types(&mut self, raw: &mut RawOp<'a>, form: &TypeForm) -> PResult<()> {
        if !self.c.eat(":") {
            // Nothing to say about the types: no operands, no results, or an attribute that has it.
            let silent = match form {
                TypeForm::Consume => raw.operands.is_empty() || raw.attrs.get("value").is_some(),
                TypeForm::Forward => raw.operands.is_empty(),
                _ => false,
            };
            return if silent {
                Ok(())
            } else {
                Err(self.c.expected("`:` and the operation's type"))
            };
        }
        if self.c.at("(") {
            let (inputs, results) = self.function_type()?;
            self.check_operands(raw, &inputs)?;
            raw.results = results;
            return Ok(());
        }
        let mut types = self.type_list()?;
        if self.c.eat("->") {
            raw.results = self.result_types()?;
            return self.check_operands(raw, &types);
        }
        match form {
            TypeForm::Same => self.same_type(raw, types),
            TypeForm::Select => {
                let [pred, value] = two(types, raw)?;
                self.check_operands(raw, &[pred, value.clone(), value.clone()])?;
                raw.results = vec![value];
                Ok(())
            }
            TypeForm::Forward => {
                self.check_operands(raw, &types)?;
                raw.results = types;
                Ok(())
            }
            TypeForm::Consume => {
                if types.len() == 1 && raw.operands.len() > 1 {
                    types = vec![types.swap_remove(0); raw.operands.len()];
                }
                self.check_operands(raw, &types)
            }
            TypeForm::Tuple => {
                if let [Type::Tuple(items)] = types.as_slice() {
                    self.check_operands(raw, items)?;
                }
                raw.results = types;
                Ok(())
            }
            TypeForm::Produce => {
                raw.results = types;
                Ok(())
            }
        }
    }

    /// One type for all operands and the result.
    fn same_type(&mut self, raw: &mut RawOp<'a>, types: Vec<Type>) -> PResult<()> {
        let [ty] = <[Type; 1]>::try_from(types).map_err(|types| {
            let message = format!("`{}` takes one type here, found {}", raw.name, types.len());
            error(raw.span, message)
        })?;
        let inputs = vec![ty.clone(); raw.operands.len()];
        self.check_operands(raw, &inputs)?;
        raw.results = vec![ty];
        Ok(())
    }
}

fn two(types: Vec<Type>, raw: &RawOp<'_>) -> PResult<[Type; 2]> {
    <[Type; 2]>::try_from(types).map_err(|types| {
        let message = format!("`{}` takes two types here, found {}", raw.name, types.len());
        error(raw.span, message)
    })
}
