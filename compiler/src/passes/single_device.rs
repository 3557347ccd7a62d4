//! What a program for a grid of processes means on one device.
//!
//! A compiled program is the only process of its grid (StableHLO specification, section "Process
//! grid"): groups have one member, so that collective operations move nothing and reduce one
//! value. Operations run in program order, so that tokens order nothing, and what is started
//! asynchronously is done at once.

use std::collections::HashMap;

use microhlo_format::DType;

use super::rewrite::{Editor, Visit, reachable_blocks, rewrite};
use crate::diag::Span;
use crate::ir::{BlockId, Body, Constant, Def, Func, OpId, TensorType, Type, ValueId};
use crate::ops::token::token;
use crate::ops::{ElementwiseOp, OpKind, constant};

/// Replaces collective operations, asynchronous ones and tokens. Those that need further devices
/// or a host stay. Returns whether anything changed.
pub fn single_device(func: &mut Func) -> bool {
    let mut changed = finish_async(&mut func.body);
    changed |= rewrite(&mut func.body, |ed, op| {
        let replaced = replacements(ed, op);
        let Some(new) = replaced else { return Visit::Keep };
        let old = ed.body.ops[op].results.clone();
        for (old, new) in old.into_iter().zip(new) {
            ed.replace(old, new);
        }
        Visit::Drop
    });
    if has_tokens(func) && tokens_order_only(&func.body) {
        remove_tokens(func);
        changed = true;
    }
    changed
}

/// Values in place of an operation's results; `None` if it stays.
fn replacements(ed: &mut Editor<'_>, op: OpId) -> Option<Vec<ValueId>> {
    let o = ed.body.ops[op].clone();
    let alone = |member: Result<bool, _>| member.ok();
    let kept = o.operands.iter().copied().take(o.results.len());
    match &o.kind {
        OpKind::AllGather(_) | OpKind::AllToAll(_) | OpKind::CrossReplicaSum(_) => {
            alone(o.kind.groups()?.on_one_device(o.kind.name()))?;
            Some(kept.collect())
        }
        OpKind::AllReduce(_) | OpKind::ReduceScatter(_) | OpKind::CollectiveReduce(_) => {
            alone(o.kind.groups()?.on_one_device(o.kind.name()))?;
            let pairs = kept.zip(&o.results);
            Some(pairs.map(|(value, &result)| converted(ed, value, result, o.span)).collect())
        }
        OpKind::CollectiveBroadcast(b) => match alone(b.0.groups.on_one_device(o.kind.name()))? {
            true => Some(kept.collect()),
            false => kept.map(|value| zeros(ed, value, o.span)).collect(),
        },
        OpKind::CollectivePermute(p) => match p.pairs.as_slice() {
            [] => kept.map(|value| zeros(ed, value, o.span)).collect(),
            [(0, 0)] => Some(kept.collect()),
            _ => None,
        },
        OpKind::PartitionId(_) | OpKind::ReplicaId(_) => {
            let zero = Constant::dense(TensorType::scalar(DType::U32), vec![0; 4]);
            Some(vec![ed.constant(zero, o.span)])
        }
        _ => None,
    }
}

/// The value in the element type of the result.
fn converted(ed: &mut Editor<'_>, value: ValueId, result: ValueId, span: Span) -> ValueId {
    let (from, to) = (ed.body.ty(value).clone(), ed.body.ty(result).clone());
    match (&from, &to) {
        (Type::Tensor(a), Type::Tensor(b)) if a.elem != b.elem => {
            ed.emit(ElementwiseOp::Convert, vec![value], to, span)
        }
        _ => value,
    }
}

fn zeros(ed: &mut Editor<'_>, like: ValueId, span: Span) -> Option<ValueId> {
    let ty = ed.body.ty(like).tensor()?.clone();
    ty.static_dims()?;
    let zero = vec![0; ty.dtype()?.size()];
    Some(ed.constant(Constant::splat(ty, &zero), span))
}

/// Puts asynchronous operations where they start. Returns whether there were any.
fn finish_async(body: &mut Body) -> bool {
    let mut replaced: HashMap<ValueId, ValueId> = HashMap::new();
    for block in reachable_blocks(body) {
        let ops = std::mem::take(&mut body.blocks[block].ops);
        let mut out = Vec::with_capacity(ops.len());
        for op in ops {
            let results = body.ops[op].results.clone();
            match body.ops[op].kind {
                OpKind::AsyncStart(_) => match waits(body, results[0]) {
                    Some(waits) => start(body, op, &waits, &mut replaced, &mut out),
                    None => out.push(op),
                },
                OpKind::AsyncDone(_) if results.iter().all(|r| replaced.contains_key(r)) => {}
                _ => out.push(op),
            }
        }
        body.blocks[block].ops = out;
    }
    body.replace_uses(&replaced);
    !replaced.is_empty()
}

/// The operations that wait for a future; `None` if anything else is done with it.
fn waits(body: &Body, future: ValueId) -> Option<Vec<OpId>> {
    let users = body.ops.ids().filter(|&op| body.ops[op].operands.contains(&future));
    let wait = |op: OpId| matches!(body.ops[op].kind, OpKind::AsyncDone(_)).then_some(op);
    users.map(wait).collect()
}

/// Moves the operation of an `async_start` out of its region.
fn start(
    body: &mut Body,
    op: OpId,
    waits: &[OpId],
    replaced: &mut HashMap<ValueId, ValueId>,
    out: &mut Vec<OpId>,
) {
    let region = body.ops[op].regions[0];
    let args = body.blocks[region].args.clone();
    replaced.extend(args.into_iter().zip(body.ops[op].operands.iter().copied()));
    let mut inner = std::mem::take(&mut body.blocks[region].ops);
    let returned = inner.pop().map(|last| body.ops[last].operands.clone()).unwrap_or_default();
    out.extend(inner);
    for &wait in waits {
        let results = body.ops[wait].results.clone();
        replaced.extend(results.into_iter().zip(returned.iter().copied()));
    }
}

fn has_tokens(func: &Func) -> bool {
    let token = |ty: &Type| *ty == Type::Token;
    func.results.iter().any(token) || func.body.values.values().any(|v| token(&v.ty))
}

/// Whether tokens are made, grouped and handed on only.
fn tokens_order_only(body: &Body) -> bool {
    let token = |v: &ValueId| matches!(body.ty(*v), Type::Token | Type::Future(_) | Type::Tuple(_));
    body.walk(body.entry).into_iter().all(|op| {
        let op = &body.ops[op];
        let hands_on = matches!(
            op.kind,
            OpKind::AfterAll(_)
                | OpKind::CreateToken(_)
                | OpKind::OptimizationBarrier(_)
                | OpKind::While(_)
                | OpKind::If(_)
                | OpKind::Case(_)
                | OpKind::Return(_)
                | OpKind::FuncReturn(_)
        );
        hands_on || !op.operands.iter().chain(&op.results).any(token)
    })
}

/// Makes every token a boolean that nothing looks at, and the function one without tokens.
fn remove_tokens(func: &mut Func) {
    let body = &mut func.body;
    let stand_in = token();
    let is_token: Vec<bool> = body.values.values().map(|v| v.ty == Type::Token).collect();
    for value in body.values.values_mut().filter(|v| v.ty == Type::Token) {
        value.ty = stand_in.ty().clone().into();
    }
    let made = |kind: &OpKind| matches!(kind, OpKind::AfterAll(_) | OpKind::CreateToken(_));
    for op in body.ops.values_mut().filter(|op| made(&op.kind)) {
        let value = Constant::dense(stand_in.ty().clone(), vec![0]).into();
        op.kind = constant::Constant { value }.into();
        op.operands.clear();
    }
    let keep: Vec<bool> = func.results.iter().map(|ty| *ty != Type::Token).collect();
    retain(&mut func.results, &keep);
    retain(&mut func.result_attrs, &keep);
    if let Some(&last) = body.blocks[body.entry].ops.last() {
        retain(&mut body.ops[last].operands, &keep);
    }
    let args = body.blocks[body.entry].args.clone();
    let keep: Vec<bool> = args.iter().map(|&arg| !is_token[index(arg)]).collect();
    retain(&mut func.arg_attrs, &keep);
    retain(&mut func.arg_names, &keep);
    drop_arguments(body, body.entry, &args, &keep);
}

fn index(value: ValueId) -> usize {
    crate::ir::EntityId::index(value)
}

fn retain<T>(items: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    items.retain(|_| *keep.next().unwrap_or(&true));
}

/// Replaces arguments that are not kept by the boolean that stands for a token.
fn drop_arguments(body: &mut Body, entry: BlockId, args: &[ValueId], keep: &[bool]) {
    let dropped: Vec<ValueId> = args.iter().zip(keep).filter(|p| !p.1).map(|p| *p.0).collect();
    if dropped.is_empty() {
        return;
    }
    let ty = token().ty().clone();
    let value = Constant::dense(ty.clone(), vec![0]).into();
    let made = constant::Constant { value }.into();
    let op = body.make_op(made, Vec::new(), vec![ty.into()], Vec::new(), Span::default());
    let stand_in = body.ops[op].results[0];
    body.blocks[entry].ops.insert(0, op);
    retain(&mut body.blocks[entry].args, keep);
    for (i, arg) in body.blocks[entry].args.clone().into_iter().enumerate() {
        body.values[arg].def = Def::Arg(entry, i as u32);
    }
    body.replace_uses(&dropped.into_iter().map(|arg| (arg, stand_in)).collect());
}

/// Why a program cannot run on a device by itself, and where that is written.
pub fn refusal(body: &Body) -> Option<(Span, String)> {
    let reason = |op: OpId| {
        let op = &body.ops[op];
        let name = op.kind.name();
        let why = match &op.kind {
            OpKind::Infeed(_) | OpKind::Outfeed(_) => {
                "a device has no queue to its host; make the value an argument or a result"
            }
            OpKind::Send(_) | OpKind::Recv(_) => {
                "a device has no channel to its host or to other devices; make the value an \
                 argument or a result"
            }
            OpKind::AsyncStart(_) | OpKind::AsyncDone(_) => {
                "its future is not waited for in the same function"
            }
            OpKind::CollectivePermute(_) => "it names several processes, and a device is one",
            kind if kind.groups().is_some() => "it names several processes, and a device is one",
            _ => return None,
        };
        Some((op.span, format!("`{name}` cannot run on a device: {why}")))
    };
    body.walk(body.entry).into_iter().find_map(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{CompileOptions, compile};
    use crate::diag::Source;
    use crate::eval::{Evaluator, Tensor};
    use crate::front::mlir::parse_module;
    use crate::ir::Module;
    use crate::ops::testing::floats;
    use crate::verify::verify;

    fn module(text: &str) -> Module {
        parse_module(&Source::new("m.mlir", text)).unwrap()
    }

    /// The function after the pass, verified again, and the values that both give.
    fn lowered(text: &str, inputs: &[Tensor]) -> (Module, Vec<Tensor>) {
        let before = module(text);
        let verified = verify(&before).unwrap();
        let mut func = super::super::inline::inline(verified, "main").unwrap();
        let direct = Evaluator::new(&before).call("main", inputs).unwrap();
        assert!(single_device(&mut func));
        let mut after = Module::default();
        after.funcs.push(func);
        assert!(verify(&after).is_ok(), "{after}");
        let results = Evaluator::new(&after).call("main", inputs).unwrap();
        let shown: Vec<_> = direct.iter().filter(|t| results.contains(t)).collect();
        assert_eq!(shown.len(), results.len());
        (after, results)
    }

    const COLLECTIVES: &str = r#"
func.func @main(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf64>, tensor<2x2xf32>) {
  %0 = "stablehlo.all_gather"(%x) {all_gather_dim = 0 : i64,
    replica_groups = dense<0> : tensor<1x1xi64>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = "stablehlo.all_reduce"(%0) ({
    ^bb0(%a: tensor<f64>, %b: tensor<f64>):
      %s = stablehlo.add %a, %b : tensor<f64>
      stablehlo.return %s : tensor<f64>
  }) {replica_groups = dense<0> : tensor<1x1xi64>} : (tensor<2x2xf32>) -> tensor<2x2xf64>
  %2 = "stablehlo.collective_permute"(%0) {
    source_target_pairs = dense<> : tensor<0x2xi64>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %id = stablehlo.replica_id : tensor<ui32>
  %f = stablehlo.convert %id : (tensor<ui32>) -> tensor<f32>
  %g = stablehlo.broadcast_in_dim %f, dims = [] : (tensor<f32>) -> tensor<2x2xf32>
  %3 = stablehlo.add %2, %g : tensor<2x2xf32>
  return %0, %1, %3 : tensor<2x2xf32>, tensor<2x2xf64>, tensor<2x2xf32>
}"#;

    #[test]
    fn collectives_move_nothing() {
        let x = floats(&[2, 2], &[1., 2., 3., 4.]);
        let (after, results) = lowered(COLLECTIVES, std::slice::from_ref(&x));
        assert_eq!(results[0], x);
        assert_eq!(results[2].to_f32s().unwrap(), [0.0; 4]);
        let text = after.to_string();
        assert!(!text.contains("all_") && !text.contains("collective") && !text.contains("_id"));
    }

    #[test]
    fn tokens_and_futures_vanish() {
        let text = r#"
func.func @main(%x: tensor<2xf32>, %t: !stablehlo.token) -> (tensor<2xf32>, !stablehlo.token) {
  %0 = stablehlo.create_token : !stablehlo.token
  %1 = stablehlo.after_all %0, %t : !stablehlo.token
  %p = stablehlo.constant dense<false> : tensor<i1>
  %2:2 = stablehlo.while(%i = %x, %j = %1) : tensor<2xf32>, !stablehlo.token
  cond { stablehlo.return %p : tensor<i1> }
  do { stablehlo.return %i, %j : tensor<2xf32>, !stablehlo.token }
  %3 = "stablehlo.async_start"(%2#0) ({
    ^bb0(%a: tensor<2xf32>):
      %r = "stablehlo.collective_broadcast"(%a) {replica_groups = dense<0> : tensor<1x1xi64>}
        : (tensor<2xf32>) -> tensor<2xf32>
      stablehlo.return %r : tensor<2xf32>
  }) : (tensor<2xf32>) -> !stablehlo.future<tensor<2xf32>>
  %4 = "stablehlo.async_done"(%3) : (!stablehlo.future<tensor<2xf32>>) -> tensor<2xf32>
  return %4, %2#1 : tensor<2xf32>, !stablehlo.token
}"#;
        let before = module(text);
        let verified = verify(&before).unwrap();
        let mut func = super::super::inline::inline(verified, "main").unwrap();
        assert!(single_device(&mut func));
        assert!(!single_device(&mut func), "a second time changes nothing");
        let mut after = Module::default();
        after.funcs.push(func);
        assert!(verify(&after).is_ok(), "{after}");
        assert!(!after.to_string().contains("stablehlo.token"), "{after}");
        let x = floats(&[2], &[5., 6.]);
        let results = Evaluator::new(&after).call("main", std::slice::from_ref(&x)).unwrap();
        assert_eq!(results, [x]);
    }

    #[test]
    fn what_needs_a_host_or_other_devices_is_refused() {
        let feed = r#"func.func @main(%t: !stablehlo.token) -> tensor<2xf32> {
  %0:2 = "stablehlo.infeed"(%t) {infeed_config = ""}
    : (!stablehlo.token) -> (tensor<2xf32>, !stablehlo.token)
  return %0#0 : tensor<2xf32>
}"#;
        let sum = r#"func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "stablehlo.cross-replica-sum"(%x) {replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>}
    : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}"#;
        for (text, why) in [(feed, "no queue to its host"), (sum, "several processes")] {
            let error = compile(&module(text), &CompileOptions::default()).unwrap_err();
            assert!(error.unsupported && error.message.contains(why), "{}", error.message);
        }
    }
}
