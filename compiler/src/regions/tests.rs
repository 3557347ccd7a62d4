//! Tests of where things come to lie. That every bit stays is tested with random programs beside those of
//! the passes.

use super::*;
use crate::compile::{CompileError, CompileOptions, Compiled, Kept, compile};
use crate::diag::Source;
use crate::front::mlir::parse_module;
use crate::ir::Module;

/// A matrix product, whose weights are read once for each of 16 rows, between sums of long values that
/// are read once.
const PROGRAM: &str = "func.func @main(%x: tensor<16x64xf32>, %y: tensor<16x64xf32>)
    -> (tensor<16x64xf32>, tensor<16x64xf32>) {
  %w = stablehlo.constant dense<\"0xWEIGHTS\"> : tensor<64x64xf32>
  %v = stablehlo.constant dense<\"0xADDEND\"> : tensor<16x64xf32>
  %p = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
    : (tensor<16x64xf32>, tensor<64x64xf32>) -> tensor<16x64xf32>
  %s = stablehlo.tanh %p : tensor<16x64xf32>
  %q = stablehlo.add %y, %v : tensor<16x64xf32>
  return %s, %q : tensor<16x64xf32>, tensor<16x64xf32>
}";

/// Bytes of a value, and of the weights.
const VALUE: u32 = 16 * 64 * 4;
const WEIGHTS: u32 = 64 * 64 * 4;

fn module(text: &str) -> Module {
    parse_module(&Source::new("test.mlir", text)).expect("it parses")
}

fn memories(given: &[(&str, u32, u32)], artifact_cost: u32) -> Memories {
    let memory =
        |&(name, bytes, cost): &(&str, u32, u32)| Memory { name: name.into(), bytes, cost };
    Memories { arenas: given.iter().map(memory).collect(), artifact_cost }
}

fn compiled(memories: Memories) -> Result<Compiled, CompileError> {
    compiled_with(CompileOptions { memories, ..CompileOptions::default() })
}

fn compiled_with(options: CompileOptions) -> Result<Compiled, CompileError> {
    // Numbers near 0.5, all different.
    let numbers = |count: u32| -> String {
        (0..count).map(|i| format!("{:08x}", (0x3f00_0000 + i).swap_bytes())).collect()
    };
    let program = PROGRAM.replace("WEIGHTS", &numbers(WEIGHTS / 4));
    let program = program.replace("ADDEND", &numbers(VALUE / 4));
    compile(&module(&program), &options)
}

/// Names, bytes and bytes of constants of the memories that are used.
fn used(compiled: &Compiled) -> Vec<(&str, u32, u32)> {
    let region = |r: &'_ RegionReport| (r.bytes, r.constant_bytes);
    compiled.report.regions.iter().map(|r| (r.name.as_str(), region(r).0, region(r).1)).collect()
}

#[test]
fn one_memory_that_holds_everything_is_an_arena_like_any_other() {
    let plain = compiled(Memories::default()).unwrap();
    let fast = compiled(memories(&[("SLOW", 1 << 20, 4), ("FAST", 1 << 20, 1)], 1)).unwrap();
    assert_eq!(fast.artifact, plain.artifact);
    assert!(fast.report.regions.is_empty());
    let only = fast.report.memory.as_ref().unwrap();
    assert_eq!((only.name.as_str(), only.bytes), ("FAST", plain.report.arena_bytes));
    assert_eq!(plain.report.memory, None);
}

#[test]
fn what_is_read_often_lies_where_it_costs_least() {
    // The input of the matrix product is the value that is read most.
    let both = compiled(memories(&[("SLOW", 1 << 20, 4), ("FAST", VALUE, 1)], 1)).unwrap();
    assert_eq!(used(&both), [("SLOW", 2 * VALUE, 0), ("FAST", VALUE, 0)]);
    let fast = &both.report.regions[1];
    let names = both.memory.blocks.iter().filter(|block| block.offset >= fast.start);
    let names: Vec<&str> = names.flat_map(|b| b.tensors.iter().map(|t| t.name.as_str())).collect();
    assert!(names.contains(&"in0"), "{names:?}");
    assert!(fast.accesses > u64::from(VALUE / 4) * 2, "{}", fast.accesses);
}

#[test]
fn constants_are_copied_where_that_costs_less() {
    let given = [("SLOW", 1 << 20, 4), ("FAST", 3 * VALUE + WEIGHTS, 1)];
    let stay = compiled(memories(&given, 1)).unwrap();
    assert!(stay.report.regions.iter().all(|region| region.constant_bytes == 0));
    let copied = compiled(memories(&given, 3)).unwrap();
    let fast = copied.report.regions.iter().find(|r| r.name == "FAST").unwrap();
    assert_eq!(fast.constant_bytes, WEIGHTS, "the weights, not what is added once");
    assert_eq!(copied.report.const_bytes, stay.report.const_bytes);
    let all = compiled(memories(&given, 9)).unwrap();
    let slow = all.report.regions.iter().find(|r| r.name == "SLOW").unwrap();
    assert!(slow.constant_bytes >= VALUE, "also a slow memory is faster than that");
    let one = compiled(memories(&[("FAST", 1 << 20, 1)], 3)).unwrap();
    assert_eq!(one.report.regions.len(), 1, "an arena with constants has a table, too");
}

#[test]
fn buffers_come_before_constants_if_else_they_had_no_room() {
    let plain = compiled(Memories::default()).unwrap().report.arena_bytes;
    let tight = compiled(memories(&[("ONLY", plain + 16, 1)], 100)).unwrap();
    assert!(tight.report.arena_bytes <= plain + 16);
}

#[test]
fn what_fits_nowhere_is_refused_with_what_it_needs() {
    let error = compiled(memories(&[("A", 1000, 1), ("B", VALUE, 2)], 1)).unwrap_err();
    let text = error.to_string();
    let parts = ["A of 1000 bytes", "B of 4096 bytes", "the smallest needs", "are alive at"];
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn every_memory_keeps_its_limit() {
    for limit in (VALUE..4 * VALUE).step_by(1040) {
        let given = [("A", limit, 1), ("B", 3 * VALUE, 2), ("C", 2 * VALUE, 3)];
        let compiled = compiled(memories(&given, 4)).unwrap();
        for region in &compiled.report.regions {
            let blocks = compiled.memory.blocks.iter().filter(|block| {
                (region.start..region.start + region.bytes).contains(&block.offset)
            });
            let writable = region.start + region.bytes - region.constant_bytes;
            assert!(region.bytes <= region.limit_bytes, "{region:?}");
            assert!(blocks.map(|b| b.offset + b.bytes).all(|end| end <= writable));
        }
    }
}

#[test]
fn a_limit_is_that_of_all_memories_together() {
    let memories = memories(&[("SLOW", 8 * VALUE, 4), ("FAST", 8 * VALUE, 1)], 9);
    let plain = compiled(Memories::default()).unwrap().report.arena_bytes;
    let mut constants = Vec::new();
    for limit in [plain, plain + VALUE, plain + VALUE + WEIGHTS, 1 << 20] {
        let mut options =
            CompileOptions { memories: memories.clone(), ..CompileOptions::default() };
        options.memory.arena_limit = Some(limit);
        let report = compiled_with(options).unwrap().report;
        assert!(report.arena_bytes <= limit, "{} of {limit}", report.arena_bytes);
        let sum: u32 = report.memories().iter().map(|region| region.bytes).sum();
        assert!(sum <= report.arena_bytes, "{sum} of {}", report.arena_bytes);
        constants.push(report.memories().iter().map(|r| r.constant_bytes).sum::<u32>());
    }
    // Buffers come first; what the limit leaves is for constants, here the addend or all.
    assert_eq!(constants, [0, VALUE, VALUE + WEIGHTS, VALUE + WEIGHTS]);
    let mut options = CompileOptions { memories, ..CompileOptions::default() };
    options.memory.arena_limit = Some(VALUE);
    let text = compiled_with(options).unwrap_err().to_string();
    assert!(text.contains("with 4096 bytes of them in all: the smallest needs"), "{text}");
}

#[test]
fn constants_lie_behind_what_other_models_have() {
    let given = memories(&[("FAST", 1 << 20, 1)], 9);
    let others = vec![Others { buffers: 100_000, constants: 64 }];
    let options = CompileOptions { memories: given, others, ..CompileOptions::default() };
    let region = compiled_with(options.clone()).unwrap().report.regions.remove(0);
    assert_eq!(region.constant_bytes, VALUE + WEIGHTS);
    assert_eq!(region.bytes - region.constant_bytes, 100_000 + 64);
    assert!(region.buffer_bytes < 100_000);
    // What is left there is less than the constants need, but not for values.
    let given = memories(&[("FAST", 100_000 + 64 + VALUE, 1)], 9);
    let region =
        compiled_with(CompileOptions { memories: given, ..options }).unwrap().report.regions;
    assert_eq!(region.iter().map(|r| r.constant_bytes).collect::<Vec<_>>(), [VALUE]);
}

#[test]
fn states_lie_in_the_first_memory() {
    let text = "func.func @main(%s: tensor<8xf32>, %x: tensor<8xf32>) -> tensor<8xf32> {
      %0 = stablehlo.add %s, %x : tensor<8xf32>
      return %0 : tensor<8xf32>
    }";
    let memories = memories(&[("SLOW", 64, 4), ("FAST", 32, 1)], 1);
    let states = vec![Kept { input: "0".into(), output: "0".into() }];
    let options = CompileOptions { states, memories, ..CompileOptions::default() };
    let compiled = compile(&module(text), &options).unwrap();
    assert_eq!(used(&compiled), [("SLOW", 32, 0), ("FAST", 32, 0)]);
    assert_eq!(compiled.report.state_bytes, 32);
}

#[test]
fn memories_given_by_hand_are_read() {
    let read = |text: &str| text.parse::<Given>();
    let given = read("DTCM=65536:2").unwrap();
    assert_eq!((given.name.as_str(), given.bytes, given.cost), ("DTCM", 65536, Some(2)));
    assert_eq!(read("A_1-b=0").unwrap().cost, None);
    for bad in ["", "A", "=5", "A=", "A=x", "A=5:", "A=5:x", "LONGNAMES=5", "A B=5", "Ä=5", "A=-1"]
    {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn memories_given_by_hand_are_instead_of_or_for_a_boards() {
    let given = |text: &[&str]| -> Vec<Given> { text.iter().map(|t| t.parse().unwrap()).collect() };
    let alone = Memories::default().with(&given(&["A=5:2", "B=6"])).unwrap();
    assert_eq!(alone, memories(&[("A", 5, 2), ("B", 6, 1)], 1));
    let board = || memories(&[("A", 100, 2), ("B", 200, 1)], 4);
    assert_eq!(board().with(&[]).unwrap(), board());
    let less = board().with(&given(&["B=50:7"])).unwrap();
    assert_eq!(less, memories(&[("A", 100, 2), ("B", 50, 7)], 4));
    let more = board().with(&given(&["A=1000"])).unwrap();
    assert_eq!(more.arenas[0].bytes, 100, "there is no more than the board has");
    assert!(board().with(&given(&["C=1"])).unwrap_err().contains("A, B"));
    assert!(board().with(&given(&["A=1", "A=2"])).is_err());
    let five = given(&["A=1", "B=1", "C=1", "D=1", "E=1"]);
    assert!(Memories::default().with(&five).unwrap_err().contains("at most 4"));
    let long = memories(&[("NINECHARS", 1, 1)], 1);
    assert!(long.with(&[]).unwrap_err().contains("NINECHARS"));
}
