//! Short forms of operations of other dialects that stand beside StableHLO in real programs:
//! TensorFlow's executor (`tf_executor_ops.td`), MLIR's `shape`, `tensor` and `arith`, and Shardy's
//! annotations (`sdy`), which JAX exports.
//!
//! They are read well enough to keep the operation as it is: operands, attributes, regions, types.

use super::super::cursor::PResult;
use super::super::op::RawOp;
use super::super::parser::Parser;
use crate::diag::Span;
use crate::ir::{Attr, Dict, TensorType, Type};
use crate::ops::foreign::Foreign;

use Results::{Boolean, Element, Index, Listed, None as Nothing, Witness};

/// How the result types follow from the types at the end of a short form, if these are not a
/// functional type or `A -> B` or `A to B`.
#[derive(Clone, Copy)]
enum Results {
    /// None.
    None,
    /// The last type of the list.
    Listed,
    /// `i1`, in a tensor like the operands.
    Boolean,
    /// The element type of the tensor.
    Element,
    /// `index`.
    Index,
    /// `!shape.witness`.
    Witness,
    /// The type, then these.
    With(&'static [&'static str]),
    /// The type twice, then a control token.
    Switch,
}

const CONTROL: &str = "!tf_executor.control";

/// Operations with short forms, apart from those with regions.
const FORMS: &[(&str, Results)] = &[
    ("tf_executor.fetch", Nothing),
    ("tf_executor.yield", Nothing),
    ("tf_executor.Switch", Results::Switch),
    ("tf_executor.Merge", Results::With(&["tensor<i32>", CONTROL])),
    ("tf_executor.Enter", Results::With(&[CONTROL])),
    ("tf_executor.Exit", Results::With(&[CONTROL])),
    ("tf_executor.LoopCond", Results::With(&[CONTROL])),
    ("tf_executor.NextIteration.Source", Results::With(&["!tf_executor.token", CONTROL])),
    ("tf_executor.NextIteration.Sink", Nothing),
    ("builtin.unrealized_conversion_cast", Listed),
    ("mhlo.copy", Listed),
    ("mhlo.add_dependency", Listed),
    ("arith.addi", Listed),
    ("arith.subi", Listed),
    ("arith.muli", Listed),
    ("arith.divsi", Listed),
    ("arith.divui", Listed),
    ("arith.remsi", Listed),
    ("arith.remui", Listed),
    ("arith.maxsi", Listed),
    ("arith.minsi", Listed),
    ("arith.maxui", Listed),
    ("arith.minui", Listed),
    ("arith.andi", Listed),
    ("arith.ori", Listed),
    ("arith.xori", Listed),
    ("arith.select", Listed),
    ("arith.cmpi", Boolean),
    ("arith.index_cast", Listed),
    ("arith.index_castui", Listed),
    ("arith.extsi", Listed),
    ("arith.extui", Listed),
    ("arith.trunci", Listed),
    ("tensor.cast", Listed),
    ("tensor.dim", Index),
    ("tensor.extract", Element),
    ("tensor.from_elements", Listed),
    ("shape.assuming_yield", Nothing),
    ("shape.any", Listed),
    ("shape.broadcast", Listed),
    ("shape.concat", Listed),
    ("shape.const_shape", Listed),
    ("shape.cstr_broadcastable", Witness),
    ("shape.cstr_eq", Witness),
    ("shape.dim", Index),
    ("shape.from_extent_tensor", Listed),
    ("shape.get_extent", Index),
    ("shape.index_to_size", Listed),
    ("shape.num_elements", Index),
    ("shape.shape_of", Listed),
    ("shape.size_to_index", Index),
    ("shape.to_extent_tensor", Listed),
];

impl<'a> Parser<'a> {
    /// The short form of an operation of another dialect; `false` if it has none that is known.
    pub(crate) fn pretty_foreign(&mut self, raw: &mut RawOp<'a>) -> PResult<bool> {
        match &*raw.name {
            "tf_executor.graph" => self.executor_graph(raw)?,
            "tf_executor.island" => self.executor_island(raw)?,
            "tf_executor.ControlTrigger" => {
                self.loose_operands(raw)?;
                raw.results = vec![opaque(CONTROL)];
                self.optional_dict(&mut raw.attrs)?;
            }
            "mhlo.topk" => self.pretty_top_k(raw)?,
            "arith.constant" => self.arith_constant(raw)?,
            "shape.const_witness" => {
                let value = self.parse_attr()?;
                raw.attrs.push("passing", value);
                raw.results = vec![opaque("!shape.witness")];
            }
            "shape.assuming" => self.shape_assuming(raw)?,
            "sdy.propagation_barrier" | "sdy.reshard" | "sdy.sharding_constraint" => {
                let ty = self.sharded(raw)?;
                raw.results = vec![ty];
            }
            "sdy.sharding_group" => self.sharded(raw).map(|_| ())?,
            name => {
                let Some(&(_, results)) = FORMS.iter().find(|(form, _)| *form == name) else {
                    return Ok(false);
                };
                self.loose_operands(raw)?;
                self.optional_dict(&mut raw.attrs)?;
                self.loose_types(raw, results)?;
                self.optional_dict(&mut raw.attrs)?;
            }
        }
        Ok(true)
    }

    /// Operands in any brackets, with keywords and literals in between.
    fn loose_operands(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        loop {
            match self.c.peek() {
                b'%' => {
                    let operand = self.operand()?;
                    raw.operands.push(operand);
                }
                b'(' | b')' | b']' | b',' => self.c.seek(self.c.pos() + 1),
                b'[' => {
                    // A literal shape, or indices of an element.
                    self.c.expect("[")?;
                    if self.c.at("%") || self.c.at("]") {
                        continue;
                    }
                    let mut shape = Vec::new();
                    while !self.c.eat("]") {
                        shape.push(self.c.int64()?);
                        if !self.c.at("]") {
                            self.c.expect(",")?;
                        }
                    }
                    raw.attrs.push("shape", Attr::DenseInts(shape));
                }
                _ => {
                    if !self.keyword(raw)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// `frame "name"`, `parallel_iterations 10`, `eq`, `overflow<nsw>`.
    fn keyword(&mut self, raw: &mut RawOp<'a>) -> PResult<bool> {
        let word = self.c.peek_word();
        if matches!(word, "" | "loc") {
            return Ok(false);
        }
        self.c.word();
        match word {
            "frame" => {
                let name = self.c.string()?;
                raw.attrs.push("frame_name", Attr::String(name.into()));
            }
            "parallel_iterations" => {
                let count = self.c.integer()?;
                raw.attrs.push("parallel_iterations", Attr::Int(count, "i64".into()));
            }
            "constant" => raw.attrs.push("is_constant", Attr::Bool(true)),
            "overflow" => self.skip_angle()?,
            predicate => raw.attrs.push("predicate", Attr::String(predicate.into())),
        }
        Ok(true)
    }

    /// `: (A) -> B`, `: A -> B`, `: A to B` or `: A, B`.
    fn loose_types(&mut self, raw: &mut RawOp<'a>, results: Results) -> PResult<()> {
        if !self.c.eat(":") {
            return Ok(());
        }
        if self.c.at("(") {
            raw.results = self.function_type()?.1;
            return Ok(());
        }
        let mut types = self.type_list()?;
        if self.c.eat("->") {
            raw.results = self.result_types()?;
            return Ok(());
        }
        if self.c.eat_word("to") {
            raw.results = vec![self.parse_type()?];
            return Ok(());
        }
        let Some(last) = types.pop() else { return Ok(()) };
        raw.results = match results {
            Results::None => Vec::new(),
            Listed => vec![last],
            Boolean => vec![match last {
                Type::Tensor(t) => Type::Tensor(t.with_dtype(microhlo_format::DType::I1)),
                _ => opaque("i1"),
            }],
            Element => match &last {
                Type::Tensor(TensorType { elem, .. }) => vec![opaque(&elem.to_string())],
                _ => Vec::new(),
            },
            Index => vec![opaque("index")],
            Witness => vec![opaque("!shape.witness")],
            Results::With(more) => {
                let more = more.iter().map(|ty| self.named_type(ty));
                std::iter::once(last).chain(more).collect()
            }
            Results::Switch => vec![last.clone(), last, opaque(CONTROL)],
        };
        Ok(())
    }

    fn named_type(&self, text: &str) -> Type {
        match text {
            "tensor<i32>" => TensorType::scalar(microhlo_format::DType::I32).into(),
            other => opaque(other),
        }
    }

    /// `%a <@mesh, [{"x"}]> : T` or `%a group_id=0 : T`: a hint how values lie on several devices.
    fn sharded(&mut self, raw: &mut RawOp<'a>) -> PResult<Type> {
        let operand = self.operand()?;
        raw.operands.push(operand);
        self.c.skip();
        self.skip_angle()?;
        if !self.c.at(":") && !self.c.at("{") {
            self.c.word();
            self.c.expect("=")?;
            self.skip_setting()?;
        }
        self.optional_dict(&mut raw.attrs)?;
        self.c.expect(":")?;
        self.parse_type()
    }

    /// A number or a keyword, which is left out.
    fn skip_setting(&mut self) -> PResult<()> {
        if self.c.peek().is_ascii_digit() {
            self.c.integer()?;
        } else {
            self.c.word();
        }
        Ok(())
    }

    /// `1 : index`, `dense<[1, 2]> : tensor<2xindex>`, `true`.
    fn arith_constant(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        self.optional_dict(&mut raw.attrs)?;
        let value = self.parse_attr()?;
        raw.results = vec![match &value {
            Attr::Dense(constant) => Type::Tensor(constant.ty.clone()),
            Attr::Int(_, ty) | Attr::Float(_, ty) => Type::Opaque(ty.clone()),
            _ => opaque("i1"),
        }];
        raw.properties = 1;
        raw.attrs.0.insert(0, ("value".into(), value));
        Ok(())
    }

    /// `%witness -> (T) { ... shape.assuming_yield %x : T }`.
    fn shape_assuming(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let operand = self.operand()?;
        raw.operands.push(operand);
        if self.c.eat("->") {
            raw.results = self.result_types()?;
        }
        let block = self.region(&[])?;
        raw.regions.push(block);
        self.optional_dict(&mut raw.attrs)
    }

    /// `{ ... tf_executor.fetch %a, %control : T, !tf_executor.control } {..}`.
    fn executor_graph(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        let block = self.region(&[])?;
        raw.regions.push(block);
        let body = &self.scope.body;
        let fetched = body.returned(block).iter().map(|&v| body.ty(v).clone());
        raw.results = fetched.filter(|ty| *ty != opaque(CONTROL)).collect();
        self.optional_dict(&mut raw.attrs)
    }

    /// `(%control) { ... tf_executor.yield %a : T } {..}` or `(%control) wraps op`.
    fn executor_island(&mut self, raw: &mut RawOp<'a>) -> PResult<()> {
        if self.c.at("(") {
            self.operand_list(raw)?;
        }
        let block = match self.c.eat_word("wraps") {
            false => self.region(&[])?,
            true => {
                let block = self.scope.body.add_block();
                let op = self.unnamed_op(block)?;
                let body = &mut self.scope.body;
                let yielded = body.ops[op].results.clone();
                let name = "tf_executor.yield".into();
                let end = Foreign { name, properties: Dict::default(), place: None };
                body.append(block, end.into(), yielded, Vec::new(), Span::default());
                block
            }
        };
        raw.regions.push(block);
        let body = &self.scope.body;
        raw.results = body.returned(block).iter().map(|&v| body.ty(v).clone()).collect();
        raw.results.push(opaque(CONTROL));
        self.optional_dict(&mut raw.attrs)
    }
}

fn opaque(text: &str) -> Type {
    Type::Opaque(text.into())
}
