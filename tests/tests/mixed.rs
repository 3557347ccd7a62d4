//! Programs that mix StableHLO with other dialects, as TensorFlow's converters print them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use microhlo_compiler::cmd::load;
use microhlo_compiler::compile::{CompileOptions, compile};
use microhlo_compiler::diag::Source;
use microhlo_compiler::front::mlir::{parse_mixed, parse_module};
use microhlo_compiler::ir::{Body, Module, OpId, ValueId};
use microhlo_compiler::ops::OpKind;
use microhlo_compiler::partition::{Partition, partition};
use microhlo_tests::forms::Form;
use microhlo_tests::shared;

fn programs() -> Vec<PathBuf> {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return Vec::new();
    };
    let folder = shared.join("models/tf_mixed");
    let entries = std::fs::read_dir(folder).expect("the folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "mlir" || e == "mlirbc"))
        .collect();
    paths.sort();
    assert!(paths.len() > 90, "only {} programs", paths.len());
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the device cannot run of programs without other dialects, and why.
const EXCLUDED: &[(&str, &str)] = &[];

fn listed(list: &[(&str, &str)], label: &str) -> bool {
    list.iter().any(|(name, _)| label.starts_with(name))
}

#[test]
fn pure_programs_compile_and_others_list_what_is_foreign() {
    let mut failures = Vec::new();
    for path in programs() {
        let label = name(&path);
        let mixed = match load::open_mixed(&path) {
            Ok(program) => program,
            Err(e) => {
                failures.push(format!("{label}: {e}"));
                continue;
            }
        };
        let found = mixed.module.foreign_ops();
        let mut names: Vec<&str> =
            found.iter().map(|&(body, op)| body.ops[op].kind.spelling()).collect();
        names.sort_unstable();
        let excluded = listed(EXCLUDED, &label);
        match load::open_program(&path) {
            Ok(program) => {
                assert!(names.is_empty(), "{label} opens in spite of {names:?}");
                let compiled = compile(&program.module, &CompileOptions::default());
                match compiled {
                    Ok(_) if excluded => eprintln!("{label} compiles: exclude it no longer"),
                    Err(why) if !excluded => failures.push(format!("{label}: {why}")),
                    _ => {}
                }
            }
            Err(error) => {
                let report = error.to_string();
                assert!(!names.is_empty(), "{label}: {report}");
                for chunk in names.chunk_by(|a, b| a == b) {
                    let times = if chunk.len() == 1 { "time" } else { "times" };
                    let line = format!("`{}`: {} {times}, at ", chunk[0], chunk.len());
                    assert!(report.contains(&line), "{label}: {line} in {report}");
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Results of SavedModels come in any order; their names say which is which.
#[test]
fn pure_programs_give_the_expected_outputs() {
    let mut failures = Vec::new();
    let mut passed = 0;
    for path in programs() {
        let label = name(&path);
        let model = label.split('.').next().unwrap_or_default().to_owned();
        let vectors = path.with_file_name(format!("{model}.npz"));
        if !label.contains("savedmodel_to_stablehlo") || !vectors.exists() {
            continue;
        }
        if load::open_program(&path).is_err() || listed(EXCLUDED, &label) {
            continue;
        }
        let vectors = Some(vectors);
        let form = Form { model, path, vectors, sizes: Vec::new(), tolerance: 1e-4, steps: 0 };
        match form.run_on_host() {
            Ok(()) => passed += 1,
            Err(why) => failures.push(format!("{label}: {why}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(passed >= 2 || shared().is_none(), "{passed}");
}

/// Values that an operation reads, inside of its regions too.
fn reads(body: &Body, op: OpId) -> Vec<ValueId> {
    let mut all = body.ops[op].operands.clone();
    for &region in &body.ops[op].regions {
        for inner in body.walk(region) {
            all.extend(&body.ops[inner].operands);
        }
    }
    all
}

/// Whether no way leads out of the operations and back into them.
fn is_convex(body: &Body, ops: &[OpId]) -> bool {
    let inner = ops.iter().flat_map(|&op| &body.ops[op].regions).flat_map(|&r| body.walk(r));
    let own: HashSet<OpId> = ops.iter().copied().chain(inner).collect();
    // Everything that depends on the operations, reached through others.
    let mut reached: HashSet<OpId> = HashSet::new();
    loop {
        let before = reached.len();
        for op in body.walk(body.entry) {
            if own.contains(&op) || reached.contains(&op) {
                continue;
            }
            let sources = reads(body, op);
            let mut sources = sources.iter().filter_map(|&v| body.def_op(v));
            if sources.any(|s| own.contains(&s) || reached.contains(&s)) {
                reached.insert(op);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    let holds =
        |op: OpId, inner: OpId| body.ops[op].regions.iter().any(|&r| body.walk(r).contains(&inner));
    // An operation around the cluster reads what the cluster reads.
    reached.retain(|&op| !ops.iter().any(|&inner| holds(op, inner)));
    ops.iter().all(|&op| {
        reads(body, op).iter().filter_map(|&v| body.def_op(v)).all(|s| !reached.contains(&s))
    })
}

/// Number of operations on static tensors that the table knows, terminators and constants apart.
fn known_ops(module: &Module) -> usize {
    let count = |body: &Body| {
        let known = |&op: &OpId| {
            let o = &body.ops[op];
            let fixed =
                |&v: &ValueId| body.ty(v).tensor().is_some_and(|t| t.static_dims().is_some());
            let values = o.operands.iter().chain(&o.results);
            !matches!(o.kind, OpKind::Foreign(_) | OpKind::Constant(_))
                && !o.kind.has_side_effect()
                && values.clone().count() > 0
                && values.clone().all(fixed)
        };
        body.walk(body.entry).iter().filter(|op| known(op)).count()
    };
    module.funcs.values().map(|f| count(&f.body)).sum()
}

fn check(label: &str, parts: &Partition) {
    for (i, cluster) in parts.clusters.iter().enumerate() {
        let body = &parts.original.funcs[cluster.func].body;
        assert!(is_convex(body, &cluster.ops), "{label}: cluster {i}");
        assert!(cluster.refused.is_none(), "{label}: cluster {i}: {:?}", cluster.refused);
        let text = cluster.module.to_string();
        let module = parse_module(&Source::new("cluster.mlir", text.as_str())).expect("it parses");
        compile(&module, &CompileOptions::default()).expect("a written cluster compiles");
        let names: HashSet<&str> = cluster.inputs.iter().map(|l| &*l.name).collect();
        assert_eq!(names.len(), cluster.inputs.len(), "{label}: names of live-ins");
        assert!(!cluster.outputs.is_empty(), "{label}: cluster {i} gives nothing");
    }
    let text = parts.host.to_string();
    let host = parse_mixed(&Source::new("host.mlir", text.as_str()))
        .unwrap_or_else(|e| panic!("{label}: {e}"));
    assert_eq!(host.to_string(), text, "{label}");
    for i in 0..parts.clusters.len() {
        let call = format!("\"microhlo.cluster_{i}\"");
        assert_eq!(text.matches(&call).count(), 1, "{label}: {call}");
    }
}

#[test]
fn every_program_is_partitioned() {
    let mut cut = 0;
    for path in programs() {
        let label = name(&path);
        let program = match load::open_mixed(&path) {
            Ok(program) => program,
            Err(why) => panic!("{label}: {why}"),
        };
        let parts = partition(&program.module);
        check(&label, &parts);
        let some = known_ops(&program.module) > 0;
        assert!(!some || !parts.clusters.is_empty(), "{label}: nothing was cut out");
        cut += usize::from(!parts.clusters.is_empty());
    }
    eprintln!("{cut} programs have parts for the device");
}
