//! The report of a compiled model: the page is well-formed, needs nothing from elsewhere, and says what the
//! plan says.

use microhlo_compiler::compile::{Target, Technique};
use microhlo_compiler::memory_map::Block;
use microhlo_compiler::stack::{self, Stack};
use microhlo_tests::networks::{Generated, branchy, generated};
use microhlo_tests::{Prepared, microhlo, stderr, stdout};
use roxmltree::{Document, Node, ParsingOptions};

/// A network whose layers are reordered.
fn network() -> Generated {
    branchy().into_iter().find(|n| n.name == "swiftnet_2x16").expect("the network")
}

/// What `compile` writes to a report's file, or prints for `text`.
fn report(text: bool) -> String {
    report_with(network(), text, &[])
}

/// The same of a network, with further arguments.
fn report_with(network: Generated, text: bool, further: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join(format!("{}.mlir", network.name));
    std::fs::write(&model, network.text).expect("a file");
    let page = folder.path().join("report.html");
    let (model, page) = (model.display().to_string(), page.display().to_string());
    let target = if text { "text" } else { &page };
    let mut arguments = vec!["compile", &model, "--target", "cortex-m4f", "--report", target];
    arguments.extend(further);
    let output = microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), &arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    if text { stdout(&output) } else { std::fs::read_to_string(&page).expect("the page") }
}

fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).expect("well-formed")
}

/// The text in every cell of every row of a table but its head.
fn rows(page: &Document<'_>, id: &str) -> Vec<Vec<String>> {
    let table = page.descendants().find(|n| n.attribute("id") == Some(id)).expect("a table");
    let rows = table.children().filter(|n| n.has_tag_name("tr")).skip(1);
    rows.map(|row| row.children().map(all_text).collect()).collect()
}

fn all_text(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|n| n.text().filter(|_| n.is_text())).collect()
}

/// A number with spaces and a unit.
fn number(text: &str) -> u64 {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

fn prepared() -> Prepared {
    network().prepare(Target::CortexM4f, 0)
}

#[test]
fn the_map_is_that_of_the_plan() {
    let (page, prepared) = (report(false), prepared());
    let page = parsed(&page);
    let class = |n: &Node<'_, '_>, class: &str| {
        n.attribute("class").is_some_and(|c| c.split(' ').any(|c| c == class))
    };
    let value = |n: &Node<'_, '_>, name: &str| -> u32 {
        n.attribute(name).and_then(|v| v.parse().ok()).expect("a number")
    };
    let mut drawn: Vec<[u32; 4]> = page
        .descendants()
        .filter(|n| class(n, "block"))
        .map(|n| ["data-offset", "data-bytes", "data-first", "data-last"].map(|a| value(&n, a)))
        .collect();
    let planned = |b: &Block| [b.offset, b.bytes, b.first, b.last];
    let mut wanted: Vec<[u32; 4]> = prepared.compiled.memory.blocks.iter().map(planned).collect();
    drawn.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(drawn, wanted);
    let end = drawn.iter().map(|[offset, bytes, ..]| offset + bytes).max();
    assert_eq!(end, Some(prepared.compiled.report.arena_bytes));
    let steps = page.descendants().filter(|n| class(n, "step")).count();
    assert_eq!(steps, prepared.compiled.report.kernels.len());
    assert_eq!(page.descendants().filter(|n| class(n, "peak")).count(), 1);
    // Each says what it is when pointed at.
    let rects = page.descendants().filter(|n| class(n, "block") || class(n, "step"));
    for rect in rects {
        let title = rect.children().find(|n| n.has_tag_name("title")).map(all_text);
        assert!(title.is_some_and(|title| title.contains(" B")));
    }
}

#[test]
fn tables_say_what_the_compiler_says() {
    let (page, prepared) = (report(false), prepared());
    let page = parsed(&page);
    let report = &prepared.compiled.report;
    let steps = rows(&page, "steps");
    assert_eq!(steps.len(), report.kernels.len());
    for (row, kernel) in steps.iter().zip(&report.kernels) {
        assert_eq!((&row[0], &row[1]), (&kernel.name, &kernel.op));
        assert_eq!(row[2].is_empty(), kernel.macs == 0);
        assert!(row[2].is_empty() || number(&row[2]) == kernel.macs);
        assert!(row[5].len() > 10, "{row:?}");
    }
    let flash: u64 = rows(&page, "flash").iter().rev().skip(1).map(|row| number(&row[1])).sum();
    assert_eq!(flash, u64::from(report.artifact_bytes));
    let peak: u64 = rows(&page, "peak").iter().map(|row| number(&row[1])).sum();
    // What results share with operands is in both.
    assert!(peak >= u64::from(*prepared.compiled.memory.reserved.iter().max().expect("steps")));
}

#[test]
fn the_stack_is_that_of_the_table() {
    let prepared = prepared();
    let stack = Stack::of(&prepared.compiled.report, Target::CortexM4f).expect("it was measured");
    assert!(stack.run_bytes > 200 && stack.load_bytes > 1_000, "{stack:?}");
    assert!(stack.not_measured.is_empty(), "{stack:?}");
    let page = report(false);
    let summary = rows(&parsed(&page), "summary");
    let row = summary.iter().find(|row| row[0] == "stack").expect("a row");
    assert_eq!(number(&row[1]), u64::from(stack.run_bytes.max(stack.load_bytes)));
    let said = stack::text(Some(&stack));
    assert_eq!(row[2], said);
    assert!(report(true).contains(&said));
}

#[test]
fn what_a_technique_saves_is_the_difference_to_a_program_without_it() {
    let page = report(false);
    let savings = rows(&parsed(&page), "savings");
    let arena = |without: &[Technique]| {
        let prepared = network().prepare_without(Target::CortexM4f, 0, without);
        u64::from(prepared.compiled.report.arena_bytes)
    };
    for technique in Technique::ALL {
        let row = savings.iter().find(|row| row[0] == technique.name()).expect("a row");
        assert_eq!(number(&row[1]), arena(&[technique]), "{technique}");
    }
    let ordered = savings.iter().find(|row| row[0] == "scheduling").expect("a row");
    assert!(number(&ordered[1]) > arena(&[]) && ordered[2].contains('%'), "{ordered:?}");
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let page = report(false);
    for (tag, attribute) in [("script", "src"), ("link", "href"), ("img", "src"), ("a", "href")] {
        let document = parsed(&page);
        let foreign = |n: &Node<'_, '_>| n.has_tag_name(tag) || n.attribute(attribute).is_some();
        assert!(!document.descendants().any(|n| foreign(&n)), "{tag}");
    }
    assert!(!page.contains("url(") && !page.contains("@import"));
}

#[test]
fn the_text_has_a_letter_where_something_lies() {
    let (text, prepared) = (report(true), prepared());
    let memory = &prepared.compiled.memory;
    let map: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once(" |")?.1)).collect();
    assert!(map.len() > 10, "{text}");
    let steps = memory.reserved.len();
    let width = map[0].len() / steps;
    let arena = prepared.compiled.report.arena_bytes;
    for (row, line) in map.iter().rev().enumerate() {
        let byte = (u64::from(arena) * (2 * row as u64 + 1) / (2 * map.len() as u64)) as u32;
        for (column, letter) in line.chars().enumerate() {
            let step = (column / width) as u32;
            let within = |b: &&Block| (b.offset..b.offset + b.bytes).contains(&byte);
            let reserved = memory.during(step).iter().any(within);
            assert_eq!(letter != ' ', reserved, "byte {byte} in step {step}\n{text}");
        }
    }
    let peak = memory.peak().expect("steps") as usize;
    let most = format!("at the peak, {} needs", prepared.compiled.report.kernels[peak].name);
    assert!(text.contains(&most), "{text}");
    assert!(text.contains("what saves memory") && text.contains("scheduling"), "{text}");
}

/// Steps that run in turns reserve the same memory, and what that saves is said.
#[test]
fn steps_of_a_chain_are_drawn_together() {
    let network = generated().into_iter().find(|n| n.name == "temporal_64x32");
    let network = network.expect("a network whose layers run by rows");
    let page = report_with(network, false, &["--rows", "least", "--without", "overlap"]);
    let page = parsed(&page);
    let steps = rows(&page, "steps");
    let first = steps.iter().position(|row| row[1] == "rows").expect("a chain");
    assert!(steps.len() > first + 2);
    assert_eq!(steps[first][4], steps[first + 1][4], "the arena in use");
    assert_eq!(steps[first][4], steps[first + 2][4], "the arena in use");
    let savings = rows(&page, "savings");
    let chains = savings.iter().find(|row| row[0] == "row by row").expect("a row");
    assert!(chains[2].contains('%'), "{chains:?}");
}
