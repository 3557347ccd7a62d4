//! What collective operations share: groups of processes, channels, and what they mean on the one
//! device that a compiled program runs on.
//!
//! StableHLO specification, sections "Process grid" and "Collective ops".

use super::attrs::ints_of;
use super::region::verify_reducer;
use super::{AttrReader, AttrWriter, OpError, OpView, types};
use crate::eval::{EvalError, Tensor};
use crate::ir::{Attr, Dim, TensorType, Type};

/// `replica_groups`: a table with one group of process ids per row, or axes of a mesh.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups(pub Attr);

/// Labels of the constraints on groups in an operation's section.
#[derive(Clone, Copy)]
pub(super) struct GroupLabels {
    /// The type of the table.
    pub(super) table: &'static str,
    /// Ids are unique.
    pub(super) unique: &'static str,
    /// Ids are those of the grid.
    pub(super) range: &'static str,
}

/// A table of process ids.
pub(super) struct Table {
    /// Number of groups.
    pub(super) groups: usize,
    /// Processes per group.
    pub(super) width: usize,
    ids: Vec<i64>,
}

impl Groups {
    /// Reads `replica_groups`.
    pub(super) fn read(attrs: &mut AttrReader<'_>) -> Result<Groups, OpError> {
        let missing = || OpError::new("attribute `replica_groups` is missing");
        attrs.take("replica_groups").map(Groups).ok_or_else(missing)
    }

    /// Writes `replica_groups`.
    pub(super) fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("replica_groups", self.0.clone());
    }

    /// The mesh that the groups are axes of.
    pub fn mesh(&self) -> Option<&str> {
        match &self.0 {
            Attr::Struct(name, fields) if &**name == "stablehlo.replica_group_mesh_axes" => {
                match fields.get("mesh") {
                    Some(Attr::Symbol(mesh)) => Some(mesh),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The table, or `None` for axes of a mesh.
    pub(super) fn table(&self, label: &'static str) -> Result<Option<Table>, OpError> {
        if self.mesh().is_some() {
            return Ok(None);
        }
        let dims = match &self.0 {
            Attr::Dense(c) => c.ty.static_dims(),
            _ => None,
        };
        match (dims.as_deref(), ints_of(&self.0)) {
            (Some(&[groups, width]), Some(ids)) => {
                Ok(Some(Table { groups: groups as usize, width: width as usize, ids }))
            }
            _ => Err(OpError::constraint(
                label,
                format!("`replica_groups` must be a table of process ids, is `{}`", self.0),
            )),
        }
    }

    /// Checks that ids are unique and, if all groups have one size, that none is missing. `-1`
    /// fills up groups of unequal size.
    pub(super) fn verify(&self, labels: GroupLabels, uniform: bool) -> Result<(), OpError> {
        let Some(table) = self.table(labels.table)? else { return Ok(()) };
        let mut ids = table.ids;
        if !uniform {
            ids.retain(|&id| id != -1);
        }
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            let text = format!("process {} is in `replica_groups` more than once", pair[0]);
            return Err(OpError::constraint(labels.unique, text));
        }
        match ids.iter().zip(0..).find(|(id, want)| **id != *want) {
            None => Ok(()),
            Some((id, want)) => Err(OpError::constraint(
                labels.range,
                format!(
                    "`replica_groups` must hold the processes 0..{}, has {id} in place of {want}",
                    ids.len()
                ),
            )),
        }
    }

    /// Checks that ids are unique and not negative.
    pub(super) fn verify_some(&self, labels: GroupLabels) -> Result<(), OpError> {
        let Some(table) = self.table(labels.table)? else { return Ok(()) };
        let mut ids = table.ids;
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            let text = format!("process {} is in `replica_groups` more than once", pair[0]);
            return Err(OpError::constraint(labels.unique, text));
        }
        match ids.first() {
            Some(id) if *id < 0 => {
                Err(OpError::constraint(labels.range, format!("there is no process {id}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether the only process of a device is in a group; fails when there are others.
    pub fn on_one_device(&self, op: &'static str) -> Result<bool, EvalError> {
        let ids = match self.table("C1")? {
            Some(table) => table.ids,
            None => return Err(several(op, "axes of a mesh")),
        };
        match ids.iter().find(|&&id| id > 0) {
            Some(id) => Err(several(op, &format!("process {id}"))),
            // No groups at all are one group of all processes.
            None => Ok(ids.is_empty() || ids.contains(&0)),
        }
    }
}

/// A program for several devices.
pub(super) fn several(op: &'static str, what: &str) -> EvalError {
    let why = format!("it names {what}, and a program runs on one device");
    EvalError::unsupported(op, why)
}

/// `channel_handle`, and whether ids are global.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channel {
    /// The handle as written.
    pub handle: Option<Attr>,
    /// `use_global_device_ids`.
    pub global_ids: bool,
}

impl Channel {
    pub(super) fn read(attrs: &mut AttrReader<'_>) -> Result<Channel, OpError> {
        let handle = attrs.take("channel_handle");
        let channel = Channel {
            handle,
            global_ids: attrs.opt_bool("use_global_device_ids")?.unwrap_or(false),
        };
        channel.number("handle")?;
        Ok(channel)
    }

    pub(super) fn write(&self, attrs: &mut AttrWriter) {
        if let Some(handle) = &self.handle {
            attrs.attr("channel_handle", handle.clone());
        }
        if self.global_ids {
            attrs.attr("use_global_device_ids", Attr::Unit);
        }
    }

    /// `handle` or `type` of the handle, 0 without one.
    pub(super) fn number(&self, field: &str) -> Result<i64, OpError> {
        let Some(handle) = &self.handle else { return Ok(0) };
        let number = match handle {
            Attr::Struct(_, fields) => fields.get(field),
            _ => None,
        };
        match number {
            Some(Attr::Int(value, _)) => i64::try_from(*value).ok(),
            _ => None,
        }
        .ok_or_else(|| OpError::new(format!("attribute `channel_handle` is malformed: {handle}")))
    }

    /// Global ids need a channel.
    pub(super) fn verify(&self, label: &'static str) -> Result<(), OpError> {
        let id = self.number("handle")?;
        if self.global_ids && id <= 0 {
            let text = format!("use_global_device_ids needs a positive channel id, has {id}");
            return Err(OpError::constraint(label, text));
        }
        Ok(())
    }

    /// Whether groups are made of replicas alone, or of numbered devices, so that a group's size
    /// is the width of the table.
    pub(super) fn plain_groups(&self) -> Result<bool, OpError> {
        Ok(self.global_ids || self.number("handle")? <= 0)
    }
}

/// The operands' types, all of them tensors, at least one.
pub(super) fn data<'a>(
    op: &OpView<'a>,
    count: usize,
    label: &'static str,
) -> Result<Vec<&'a TensorType>, OpError> {
    if count == 0 {
        return Err(OpError::constraint(label, "expects at least one operand to work on"));
    }
    (0..count).map(|i| op.tensor(i)).collect()
}

/// The attributes of a collective operation in which one process of each group has a part of its
/// own.
#[derive(Clone, Debug, PartialEq)]
pub struct Rooted {
    /// The groups; without a dynamic root it is the first process of each.
    pub groups: Groups,
    /// The channel.
    pub channel: Channel,
    /// Whether the last operand says which process it is.
    pub dynamic: bool,
}

impl Rooted {
    pub(super) fn read(attrs: &mut AttrReader<'_>) -> Result<Rooted, OpError> {
        Ok(Rooted {
            groups: Groups::read(attrs)?,
            channel: Channel::read(attrs)?,
            dynamic: attrs.opt_bool("has_dynamic_root")?.unwrap_or(false),
        })
    }

    pub(super) fn write(&self, attrs: &mut AttrWriter) {
        self.groups.write(attrs);
        self.channel.write(attrs);
        if self.dynamic {
            attrs.attr("has_dynamic_root", Attr::Unit);
        }
    }

    /// The types of the operands without the root, each of which has a result.
    pub(super) fn data<'a>(
        &self,
        op: &OpView<'a>,
        label: &'static str,
    ) -> Result<Vec<&'a TensorType>, OpError> {
        let n = self.without_root(op, label)?;
        op.expect_arity(op.op.operands.len(), n)?;
        data(op, n, label)
    }

    /// Number of operands without the root, a list of one process per operand.
    fn without_root(&self, op: &OpView<'_>, label: &'static str) -> Result<usize, OpError> {
        let all = op.op.operands.len();
        if !self.dynamic {
            return Ok(all);
        }
        let fail = |text: String| Err(OpError::constraint(label, text));
        if all < 2 {
            return fail("has_dynamic_root needs an operand to work on and the root".into());
        }
        let root = op.tensor(all - 1)?;
        let i32s = root.dtype() == Some(microhlo_format::DType::I32) && root.rank() == 1;
        if !i32s || !root.dims[0].accepts(Dim::Static(all as u64 - 1)) {
            return fail(format!("the root must be {} of i32, is {root}", all - 1));
        }
        Ok(all - 1)
    }
}

/// The result types of a reduction by region 0 that keeps shapes.
pub(super) fn reduced(
    op: &OpView<'_>,
    inputs: &[&TensorType],
    label: &'static str,
) -> Result<Vec<TensorType>, OpError> {
    let mut out = Vec::new();
    for input in inputs {
        let accumulators = verify_reducer(op, 0, &[input], label)?;
        out.push(types::with_dims(&accumulators[0], input.dims.clone()));
    }
    Ok(out)
}

/// Tensor types as result types.
pub(super) fn results(types: Vec<TensorType>) -> Option<Vec<Type>> {
    Some(types.into_iter().map(Type::Tensor).collect())
}

/// The operands converted to the result types: a reduction over one process.
pub(super) fn reduce_one(op: &OpView<'_>, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError> {
    let n = op.op.results.len();
    let mut out = Vec::new();
    for (i, input) in inputs.iter().take(n).enumerate() {
        let dtype = op.result_tensor(i)?.elem.storage();
        let ty = input.ty().with_dtype(dtype);
        let elements = input.elements().map(|e| super::elementwise::convert_element(e, dtype));
        out.push(match ty == *input.ty() {
            true => input.clone(),
            false => Tensor::from_elements(&ty, elements)?,
        });
    }
    Ok(out)
}

/// Zeros of a tensor's type.
pub(super) fn zeros(like: &Tensor) -> Result<Tensor, EvalError> {
    let dtype = like.ty().elem.storage();
    let zero = super::elementwise::convert_element(crate::eval::Element::Int(0), dtype);
    Tensor::from_elements(like.ty(), std::iter::repeat_n(zero, like.len()))
}
