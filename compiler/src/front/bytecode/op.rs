//! Operations: attributes from properties and dictionaries, then the operation table.

use std::borrow::Cow;

use super::container::{OpName, version};
use super::entries::Decoder;
use super::ir::{Builder, Head, Slot};
use super::reader::{Reader, Res, advise, fail, unsupported};
use super::stablehlo::{self, Property};
use super::{values, vhlo};
use crate::diag::{Diagnostic, Span};
use crate::front::mlir;
use crate::ir::{Attr, BlockId, Dict, OpId, Type, ValueId};
use crate::ops::foreign::Foreign;

/// Why an operation was not built: a report, or `None` when the cause is reported already.
type Stop = Option<Box<Diagnostic>>;

/// Mark of an operation whose inherent attributes could not be read: only its dialect knows in
/// which order they are stored.
const UNREAD: &str = "microhlo.unread_properties";

impl<'a> Builder<'_, 'a> {
    /// Builds an operation and appends it to `block`, which is a function's own if `top` is set.
    pub(super) fn build(
        &mut self,
        head: &Head<'a>,
        block: BlockId,
        regions: Vec<BlockId>,
        top: bool,
    ) -> Result<OpId, Stop> {
        let name = op_name(head.name, top);
        let known = mlir::is_known(&name);
        let foreign = !known && !mlir::own_dialect(&name);
        // Types and attributes of operations that the table lacks need not be readable.
        let parts = match known || foreign || head.name.dialect == "vhlo" {
            true => self.parts(head, foreign).map_err(|failure| self.explain(head, &failure)),
            false => Ok((Vec::new(), Dict::default(), Dict::default())),
        };
        let (results, properties, attrs) = parts.map_err(|report| Some(Box::new(report)))?;
        let mut operands = Vec::with_capacity(head.operands.len());
        for slot in &head.operands {
            match slot {
                Slot::Value(value) => operands.push(*value),
                Slot::Unknown | Slot::Undefined if known || foreign => return Err(None),
                Slot::Unknown | Slot::Undefined => {}
            }
        }
        let types = self.types(&operands);
        let (kind, attrs) = if foreign {
            let place = Some(self.place_of(head).into());
            (Foreign { name: (&*name).into(), properties, place }.into(), attrs)
        } else {
            let mut all = properties;
            all.0.extend(attrs.0);
            match mlir::read_op(&name, Span::default(), all, &types, &results) {
                Ok(parts) => parts,
                Err(None) => return Err(None),
                Err(Some(report)) => return Err(Some(Box::new(self.placed(head, *report)))),
            }
        };
        let id = self.body.make_op(kind, operands, results, regions, Span::default());
        self.body.ops[id].attrs = attrs;
        self.body.blocks[block].ops.push(id);
        Ok(id)
    }

    fn types(&self, operands: &[ValueId]) -> Vec<Type> {
        operands.iter().map(|&v| self.body.ty(v).clone()).collect()
    }

    /// Result types, inherent and discardable attributes. Inherent ones of another dialect's
    /// operation that cannot be decoded are left out, and [`UNREAD`] says so.
    fn parts(&mut self, head: &Head<'a>, foreign: bool) -> Res<(Vec<Type>, Dict, Dict)> {
        let (properties, attrs) = match self.split_attrs(head) {
            Err(_) if foreign => {
                let mut attrs = self.discardable(head).unwrap_or_default();
                attrs.push(UNREAD, Attr::Unit);
                (Dict::default(), attrs)
            }
            other => other?,
        };
        let mut results = Vec::with_capacity(head.results.len());
        for &ty in &head.results {
            results.push(self.entries.value_type(ty, head.at)?);
        }
        Ok((results, properties, attrs))
    }

    /// Inherent attributes in StableHLO's spelling, then discardable ones.
    pub(super) fn all_attrs(&mut self, head: &Head<'a>) -> Res<Dict> {
        let (mut inherent, mut discardable) = self.split_attrs(head)?;
        inherent.0.append(&mut discardable.0);
        Ok(inherent)
    }

    fn split_attrs(&mut self, head: &Head<'a>) -> Res<(Dict, Dict)> {
        let mut discardable = self.discardable(head)?;
        let inherent = match head.name.dialect == "vhlo" {
            true => self.vhlo_attrs(head, &mut discardable)?,
            false => self.raw_attrs(head)?,
        };
        Ok((inherent, discardable))
    }

    fn discardable(&mut self, head: &Head<'a>) -> Res<Dict> {
        match head.attrs {
            None => Ok(Dict::default()),
            Some(index) => match self.entries.attr(index)? {
                Attr::Dict(dict) => Ok(dict),
                _ => fail(head.at, "an operation's attributes are no dictionary"),
            },
        }
    }

    fn vhlo_attrs(&mut self, head: &Head<'a>, discardable: &mut Dict) -> Res<Dict> {
        let name = head.name.name;
        let Some(names) = vhlo::attributes(name) else {
            let producer = self.entries.file.producer;
            let message = format!("unknown operation `vhlo.{name}` in a file by {producer}");
            return advise(head.at, message, super::NEWER_HELP);
        };
        let mut inherent = Dict::default();
        if self.entries.file.version < version::PROPERTIES {
            for name in names {
                let found = discardable.0.iter().position(|(key, _)| &**key == name);
                if let Some(at) = found {
                    inherent.0.push(discardable.0.remove(at));
                }
            }
        } else {
            let names: Vec<_> = names.map(Property::Attr).collect();
            inherent = self.properties(head, &names)?;
        }
        Ok(vhlo::legalize(vhlo::base(name), inherent))
    }

    /// The inherent attributes of an operation that is not VHLO's. Before properties there were,
    /// they stood among the others.
    fn raw_attrs(&mut self, head: &Head<'a>) -> Res<Dict> {
        let Some(index) = head.properties else { return Ok(Dict::default()) };
        let mut data = self.entries.file.properties[index].clone();
        if !head.name.registered {
            return self.unregistered(data);
        }
        let mut stored = 0;
        while !data.is_empty() {
            data.varint()?;
            stored += 1;
        }
        let OpName { dialect, name, .. } = head.name;
        let spelled = format!("{dialect}.{name}");
        let full = mlir::canonical(Cow::Borrowed(&spelled));
        match stablehlo::properties(&full, &spelled, stored) {
            Some(properties) => {
                let mut attrs = self.properties(head, &properties)?;
                attrs.0.retain(|(key, value)| {
                    &**key != "result_accuracy" || !vhlo::is_default_accuracy(value)
                });
                Ok(attrs)
            }
            None => {
                let message = format!("`{full}` with {stored} properties is not supported");
                unsupported(fail(head.at, message))
            }
        }
    }

    /// Properties of an operation that the writer did not know: a dictionary.
    fn unregistered(&mut self, r: Reader<'a>) -> Res<Dict> {
        let at = r.at();
        let mut d = Decoder { entries: &mut self.entries, r };
        match d.attr()? {
            Attr::Dict(dict) if d.r.is_empty() => Ok(dict),
            _ => fail(at, "the properties of an unregistered operation are no dictionary"),
        }
    }

    /// Decodes properties: attribute numbers, plain or optional, and sizes of groups.
    fn properties(&mut self, head: &Head<'a>, properties: &[Property]) -> Res<Dict> {
        let mut attrs = Dict::default();
        let Some(index) = head.properties else { return Ok(attrs) };
        let r = self.entries.file.properties[index].clone();
        let mut d = Decoder { entries: &mut self.entries, r };
        for property in properties {
            match property {
                Property::Attr(name) => attrs.push(name, d.attr()?),
                Property::Optional(name) => {
                    let count = d.entries.file.attrs.len();
                    if let Some(index) = d.r.optional_index(count, "attribute")? {
                        attrs.push(name, d.entries.attr(index)?);
                    }
                }
                Property::Segments => {
                    for name in ["operandSegmentSizes", "resultSegmentSizes"] {
                        attrs.push(name, Attr::DenseInts(values::sparse_array(&mut d)?));
                    }
                }
            }
        }
        match d.r.is_empty() {
            true => Ok(attrs),
            false => {
                let OpName { dialect, name, .. } = head.name;
                fail(d.r.at(), format!("`{dialect}.{name}` has more properties than expected"))
            }
        }
    }
}

/// The name in the operation table. VHLO has one `return` for functions and regions.
fn op_name(name: OpName<'_>, top: bool) -> Cow<'_, str> {
    let OpName { dialect, name, .. } = name;
    match (dialect, vhlo::base(name)) {
        ("vhlo", "call") => "func.call".into(),
        ("vhlo", base) => mlir::terminator(format!("stablehlo.{base}").into(), top),
        _ => mlir::terminator(mlir::canonical(format!("{dialect}.{name}").into()), top),
    }
}
