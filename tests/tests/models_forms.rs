//! Every shared model in every form that it comes in, on the host.

use microhlo_compiler::cmd::load;
use microhlo_compiler::compile::Target;
use microhlo_tests::forms::{Form, forms};
use microhlo_tests::shared;

/// What does not give its outputs yet, by the beginning of its label, and why.
const EXCLUDED: &[(&str, &str)] = &[];

fn excluded(label: &str) -> Option<&'static str> {
    EXCLUDED.iter().find(|(name, _)| label.starts_with(name)).map(|(_, reason)| *reason)
}

#[test]
fn every_form_gives_the_expected_outputs() {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    let forms = forms(&shared);
    assert!(forms.len() > 200, "only {} forms", forms.len());
    let (mut passed, mut failures, mut expected) = (0, Vec::new(), 0);
    for form in &forms {
        let label = form.label();
        match (form.run_on_host(), excluded(&label)) {
            (Ok(()), None) => passed += 1,
            (Ok(()), Some(_)) => {
                passed += 1;
                eprintln!("{label} passes: exclude it no longer");
            }
            (Err(_), Some(_)) => expected += 1,
            (Err(why), None) => failures.push(format!("{label}: {}", first_lines(&why))),
        }
    }
    eprintln!("{passed} of {} forms pass, {expected} are excluded", forms.len());
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

fn first_lines(text: &str) -> String {
    text.lines().take(2).collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

/// Weights that were left out when the program was printed.
const ELIDED: [&str; 2] = ["elided", "optimized_cpu"];

#[test]
fn variants_compile_and_lost_weights_are_refused() {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    let folder = std::fs::read_dir(shared.join("models/variants")).expect("the variants");
    let (mut count, mut failures) = (0, Vec::new());
    for entry in folder {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        count += 1;
        let model = name.split('.').next().unwrap_or_default().to_owned();
        let vectors = Some(shared.join(format!("models/{model}.npz"))).filter(|p| p.exists());
        let sizes = Vec::new();
        let form = Form { model, path, vectors, sizes, tolerance: 1e-4, steps: 0 };
        let outcome = form.run_on_host();
        let lost = ELIDED.iter().any(|word| name.contains(word));
        match outcome {
            Ok(()) if !lost => {}
            Err(why) if lost && why.contains("lost") => {}
            Ok(()) => failures.push(format!("{name}: its weights were elided, yet it runs")),
            Err(why) => failures.push(format!("{name}: {}", first_lines(&why))),
        }
    }
    assert!(count > 30, "only {count} variants");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn converted_programs_compute_the_same() {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (mut count, mut failures) = (0, Vec::new());
    for form in forms(&shared) {
        if form.prepare(Target::Host).is_err() {
            // Why is the business of the first test.
            continue;
        }
        count += 1;
        let program = load::open_program(&form.path).expect("it was opened");
        let path = folder.path().join("converted.mlir");
        std::fs::write(&path, program.module.to_string()).expect("a file");
        let converted = Form { path, ..form.clone() };
        let same = match (form.prepare(Target::Host), converted.prepare(Target::Host)) {
            (Ok(a), Ok(b)) => a.job.artifact.len() == b.job.artifact.len(),
            (_, Err(why)) => {
                failures.push(format!("{}: {}", form.label(), first_lines(&why)));
                continue;
            }
            (Err(_), _) => false,
        };
        match (same, converted.run_on_host()) {
            (_, Ok(())) => {}
            (_, Err(why)) if form.run_on_host().is_ok() => {
                failures.push(format!("{}: converted, {}", form.label(), first_lines(&why)));
            }
            (_, Err(_)) => {}
        }
    }
    assert!(count > 50, "only {count} programs");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
