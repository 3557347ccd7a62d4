//! `key = value` clauses of short forms.

use super::super::cursor::PResult;
use super::super::op::RawOp;
use super::super::parser::Parser;
use super::table::Form;
use crate::ir::{Attr, Dict};

/// Kind of a clause's value, with the attribute that it becomes.
pub(crate) enum Field {
    /// `[1, 2]`.
    Ints(&'static str),
    /// `1`.
    Int(&'static str),
    /// `true`.
    Bool(&'static str),
    /// `1.0e-3`, with an optional type.
    Number(&'static str),
    /// `"text"`.
    Text(&'static str),
    /// `VALUE`, with the enum's name.
    Enum(&'static str, &'static str),
    /// `[DEFAULT, HIGHEST]`.
    Precision,
    /// `e5m10`.
    Format,
    /// `[0] x [1]`: dimensions of the left and the right operand.
    Dots(&'static str),
    /// `<lhs_precision_type = tf32, ...>`.
    Algorithm,
}

/// Fields of `#stablehlo.dot` collected from clauses.
pub(crate) type DotFields = Vec<(String, Vec<i64>)>;

impl<'a> Parser<'a> {
    /// A clause that begins with `key`, not consumed. `false` if the form has no such clause.
    pub(crate) fn clause(
        &mut self,
        raw: &mut RawOp<'a>,
        form: &Form,
        key: &str,
        dots: &mut DotFields,
    ) -> PResult<bool> {
        let Some((_, field)) = form.clauses.iter().find(|(k, _)| *k == key) else {
            return Ok(false);
        };
        self.c.word();
        self.c.expect("=")?;
        let (name, value) = match field {
            Field::Ints(name) => (*name, Attr::DenseInts(self.int_list()?)),
            Field::Int(name) => (*name, Attr::Int(self.c.integer()?, "i64".into())),
            Field::Bool(name) => (*name, Attr::Bool(self.boolean()?)),
            Field::Number(name) => (*name, self.clause_number()?),
            Field::Text(name) => (*name, Attr::String(self.c.string()?.into())),
            Field::Enum(name, kind) => (*name, self.enum_word(kind)?),
            Field::Precision => ("precision_config", self.precision_list()?),
            Field::Format => {
                self.precision_format(raw)?;
                return Ok(true);
            }
            Field::Dots(kind) => {
                let lhs = self.int_list()?;
                self.c.expect_word("x")?;
                let rhs = self.int_list()?;
                dots.push((format!("lhs_{kind}_dimensions"), lhs));
                dots.push((format!("rhs_{kind}_dimensions"), rhs));
                return Ok(true);
            }
            Field::Algorithm => {
                self.c.expect("<")?;
                let fields = self.struct_fields()?;
                self.c.expect(">")?;
                ("algorithm", Attr::Struct("stablehlo.dot_algorithm".into(), fields))
            }
        };
        raw.attrs.push(name, value);
        Ok(true)
    }

    /// A float without a type: the `:` after it begins the operation's type.
    fn clause_number(&mut self) -> PResult<Attr> {
        let text = self.c.number_text();
        match text.parse::<f64>() {
            Ok(value) => Ok(Attr::Float(value, "f64".into())),
            Err(_) => Err(self.c.expected("a number such as `1.0e-3`")),
        }
    }

    /// `[1, 2]`, or `array<i64: 1, 2>`.
    pub(crate) fn int_list(&mut self) -> PResult<Vec<i64>> {
        if self.c.at("array") {
            return match self.parse_attr()? {
                Attr::DenseInts(v) => Ok(v),
                _ => Err(self.c.expected("a list of integers")),
            };
        }
        self.c.expect("[")?;
        let mut values = Vec::new();
        while !self.c.eat("]") {
            values.push(self.c.int64()?);
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        Ok(values)
    }

    fn precision_list(&mut self) -> PResult<Attr> {
        self.c.expect("[")?;
        let mut items = Vec::new();
        while !self.c.eat("]") {
            items.push(self.enum_word("precision")?);
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        Ok(Attr::Array(items))
    }

    /// `e5m10`.
    fn precision_format(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let word = self.c.peek_word();
        let parts = word.strip_prefix('e').and_then(|w| w.split_once('m'));
        let bits = parts.and_then(|(e, m)| Some((e.parse::<i32>().ok()?, m.parse::<i32>().ok()?)));
        let Some((exponent, mantissa)) = bits else {
            return Err(self.c.expected("a format such as `e5m10`"));
        };
        self.c.word();
        raw.attrs.push("exponent_bits", Attr::Int(exponent.into(), "i32".into()));
        raw.attrs.push("mantissa_bits", Attr::Int(mantissa.into(), "i32".into()));
        Ok(())
    }
}

/// The dimension numbers of `dot_general`. Empty lists are left out, as the generic form does.
pub(crate) fn finish_dots(raw: &mut RawOp<'_>, mut dots: DotFields) {
    if raw.name != "stablehlo.dot_general" {
        return;
    }
    dots.retain(|(_, dims)| !dims.is_empty());
    let mut fields = Dict::default();
    for (name, dims) in dots {
        fields.push(&name, Attr::DenseInts(dims));
    }
    let numbers = Attr::Struct("stablehlo.dot".into(), fields);
    if raw.attrs.get("dot_dimension_numbers").is_none() {
        raw.attrs.0.insert(0, ("dot_dimension_numbers".into(), numbers));
    }
}
