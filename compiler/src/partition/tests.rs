//! Clusters: that they are convex, and that host and clusters together are the whole program.

use std::collections::HashSet;

use super::{Partition, partition, uses};
use crate::diag::Source;
use crate::front::mlir::{parse_mixed, parse_module};
use crate::ir::{Body, OpId};
use crate::ops::OpKind;

fn cut(text: &str) -> Partition {
    partition(&parse_mixed(&Source::new("t.mlir", text)).expect("it parses"))
}

/// Whether a way leads from the operations out of them and back, found by following all uses.
fn convex(body: &Body, block: &[OpId], ops: &[OpId]) -> bool {
    let own: HashSet<OpId> = ops.iter().copied().collect();
    let mut outside: HashSet<OpId> = HashSet::new();
    for &op in block {
        let sources: Vec<OpId> = uses(body, op).iter().filter_map(|&v| body.def_op(v)).collect();
        let reached = sources.iter().any(|s| outside.contains(s));
        if own.contains(&op) {
            if reached {
                return false;
            }
        } else if reached || sources.iter().any(|s| own.contains(s)) {
            outside.insert(op);
        }
    }
    true
}

const MIXED: &str = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    %c = stablehlo.constant dense<2.0> : tensor<4xf32>
    %a = stablehlo.add %x, %c : tensor<4xf32>
    %b = stablehlo.multiply %a, %c : tensor<4xf32>
    %h = \"tf.Foo\"(%a) {device = \"\"} : (tensor<4xf32>) -> tensor<4xf32>
    %d = stablehlo.add %h, %b : tensor<4xf32>
    %e = stablehlo.add %b, %b : tensor<4xf32>
    %f = stablehlo.multiply %d, %e : tensor<4xf32>
    return %f : tensor<4xf32>
}";

#[test]
fn levels_are_convex_and_few() {
    let p = cut(MIXED);
    assert_eq!(p.clusters.len(), 2);
    let names = |i: usize| -> Vec<&str> {
        let body = &p.original.funcs[p.clusters[i].func].body;
        p.clusters[i].ops.iter().map(|&op| body.ops[op].kind.name()).collect()
    };
    assert_eq!(names(0), ["stablehlo.add", "stablehlo.multiply", "stablehlo.add"]);
    assert_eq!(names(1), ["stablehlo.add", "stablehlo.multiply"]);
    for cluster in &p.clusters {
        let body = &p.original.funcs[cluster.func].body;
        assert!(convex(body, &body.blocks[cluster.block].ops, &cluster.ops));
        assert_eq!(cluster.refused, None);
    }
    // Joining both would not be convex, which the test itself has to see.
    let body = &p.original.funcs[p.clusters[0].func].body;
    let both = [p.clusters[0].ops.clone(), p.clusters[1].ops.clone()].concat();
    assert!(!convex(body, &body.blocks[body.entry].ops, &both));
}

#[test]
fn the_host_calls_clusters_in_order() {
    let p = cut(MIXED);
    let text = p.host.to_string();
    let again = parse_mixed(&Source::new("host.mlir", text.as_str())).expect("the host parses");
    assert_eq!(again.to_string(), text);
    assert_eq!(again.foreign_ops().len(), 1);
    let body = &again.funcs.values().next().expect("a function").body;
    let calls = body.walk(body.entry).into_iter().filter_map(|op| match &body.ops[op].kind {
        OpKind::CustomCall(c) => Some(c.target.to_string()),
        OpKind::Foreign(f) => Some(f.name.to_string()),
        _ => None,
    });
    let calls: Vec<String> = calls.collect();
    assert_eq!(calls, ["microhlo.cluster_0", "tf.Foo", "microhlo.cluster_1"]);
}

#[test]
fn clusters_are_programs_with_names() {
    let p = cut(MIXED);
    let text = p.clusters[1].module.to_string();
    let module = parse_module(&Source::new("c.mlir", text.as_str())).expect("it parses");
    let main = module.funcs.values().next().expect("a function");
    let names: Vec<&str> = main.arg_names.iter().map(|n| n.as_deref().expect("a name")).collect();
    assert_eq!(names.len(), 3, "{text}");
    assert!(names[0].starts_with("Foo_"), "{names:?}");
    assert!(p.clusters[1].outputs[0].name.starts_with("multiply_"));
}

#[test]
fn effects_keep_their_order_and_split_clusters() {
    let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
        %a = stablehlo.add %x, %x : tensor<4xf32>
        \"tf.Print\"(%a) : (tensor<4xf32>) -> ()
        %h = \"tf.ReadRandom\"() : () -> tensor<4xf32>
        %b = stablehlo.multiply %h, %h : tensor<4xf32>
        \"tf.Print\"(%b) : (tensor<4xf32>) -> ()
        return %a : tensor<4xf32>
    }";
    let p = cut(text);
    assert_eq!(p.clusters.len(), 2);
    let host = p.host.to_string();
    let at = |what: &str| host.find(what).unwrap_or_else(|| panic!("{what} in {host}"));
    assert!(at("cluster_0") < at("tf.Print") && at("tf.Print") < at("tf.ReadRandom"));
    assert!(at("tf.ReadRandom") < at("cluster_1"));
}

#[test]
fn regions_of_other_dialects_are_searched_and_calls_carried_along() {
    let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
        %r = \"tf.Body\"() ({
          %y = func.call @twice(%x) : (tensor<4xf32>) -> tensor<4xf32>
          \"tf.Yield\"(%y) : (tensor<4xf32>) -> ()
        }) : () -> tensor<4xf32>
        return %r : tensor<4xf32>
      }
      func.func private @twice(%x: tensor<4xf32>) -> tensor<4xf32> {
        %y = stablehlo.add %x, %x : tensor<4xf32>
        return %y : tensor<4xf32>
      }";
    let p = cut(text);
    assert_eq!(p.clusters.len(), 1);
    assert_eq!(p.clusters[0].refused, None);
    assert_eq!(p.clusters[0].module.funcs.len(), 2);
    assert_eq!(&*p.clusters[0].inputs[0].name, "arg0");
    let host = p.host.to_string();
    assert!(host.find("tf.Body") < host.find("cluster_0"), "{host}");
}

#[test]
fn what_is_dynamic_or_opaque_stays_with_the_host() {
    let text = "func.func @main(%x: tensor<?xf32>, %y: tensor<*xf32>) -> tensor<?xf32> {
        %a = stablehlo.add %x, %x : tensor<?xf32>
        %b = \"tf.Foo\"(%y) : (tensor<*xf32>) -> tensor<?xf32>
        return %a : tensor<?xf32>
    }";
    let p = cut(text);
    assert!(p.clusters.is_empty());
    assert_eq!(p.host.to_string(), p.original.to_string());
}
