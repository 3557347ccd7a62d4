//! Other spellings of CHLO operations: composites and custom calls of the same meaning.

use super::super::composite::Composite;
use super::super::custom_call::CustomCall;
use super::super::{AttrReader, ElementwiseOp, OpKind};
use super::top_k::TopK;
use crate::ir::{Attr, Body, Dict, Op};

/// The operation that another spelling stands for, on the same operands.
///
/// A composite is recognised by its name where its operands and results are those of the
/// operation; its decomposition, as exporters write it, computes the same less well. Custom calls
/// have the operation's name in the MHLO dialect and its attributes in `mhlo.attributes`.
pub fn meaning(body: &Body, op: &Op) -> Option<OpKind> {
    let (name, attrs) = match &op.kind {
        OpKind::Composite(Composite { name, attributes, .. }) => (&**name, attributes.clone()),
        OpKind::CustomCall(CustomCall { target, .. }) => (&**target, mhlo_attributes(op)),
        _ => return None,
    };
    let (dialect, short) = name.split_once('.')?;
    if !matches!(dialect, "chlo" | "mhlo") {
        return None;
    }
    let kind = match short {
        "topk" | "top_k" => OpKind::TopK(top_k(body, op, attrs)?),
        _ => elementwise(short)?.into(),
    };
    fits(body, op, &kind).then_some(kind)
}

fn mhlo_attributes(op: &Op) -> Dict {
    match op.attrs.get("mhlo.attributes") {
        Some(Attr::Dict(attrs)) => attrs.clone(),
        _ => Dict::default(),
    }
}

/// The elementwise operation of CHLO, or of StableHLO where only that dialect has it.
fn elementwise(short: &str) -> Option<ElementwiseOp> {
    let named = |dialect: &str| ElementwiseOp::from_name(&format!("{dialect}.{short}"));
    named("chlo").or_else(|| named("stablehlo"))
}

fn top_k(body: &Body, op: &Op, mut attrs: Dict) -> Option<TopK> {
    // JAX's composite has `k` among its attributes, or only in the result's type.
    if attrs.get("k").is_none() {
        let values = body.ty(*op.results.first()?).tensor()?;
        let k = values.dims.last()?.size()?;
        attrs.push("k", Attr::i64(k.try_into().ok()?));
    }
    use super::super::StructuralOp;
    TopK::read(&mut AttrReader::new(attrs, &[], &[])).ok()
}

/// Whether the operation accepts the operands and gives the results' types.
fn fits(body: &Body, op: &Op, kind: &OpKind) -> bool {
    let view = super::super::OpView { body, op };
    let Ok(Some(types)) = kind.infer(&view) else { return false };
    let declared = op.results.iter().map(|&v| body.ty(v));
    types.iter().eq(declared) && kind.verify(&view).is_ok()
}
