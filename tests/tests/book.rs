//! The book: every page is listed, its commands run, and messages that it explains exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use microhlo_tests::{microhlo, stderr, stdout};
#[cfg(feature = "qemu-tests")]
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the project's folder")
}

fn page(name: &str) -> String {
    let path = root().join("docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the pages, in order.
fn pages() -> Vec<String> {
    let summary = page("SUMMARY.md");
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.map(str::to_owned).collect()
}

/// The blocks of a page that are marked as of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.strip_prefix("```") == Some(language) {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        } else if line.starts_with("```") {
            lines.by_ref().take_while(|line| *line != "```").for_each(drop);
        }
    }
    blocks
}

#[test]
fn the_summary_lists_every_page() {
    let mut listed = pages();
    listed.push("SUMMARY.md".to_owned());
    listed.sort();
    let files = fs::read_dir(root().join("docs")).expect("the documents");
    let names =
        files.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut there: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    there.sort();
    assert_eq!(listed, there);
}

/// A folder that commands of the book run in: the project's examples, and what pages call their own model and inputs.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("examples/models");
    fs::create_dir_all(&to).expect("a folder");
    let from = root().join("examples/models");
    for entry in fs::read_dir(&from).expect("the models") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
    let own = ["model.stablehlo.mlir", "inputs.npz", "others.npz"];
    let theirs = ["digits_cnn.stablehlo.mlir", "digits_cnn.npz", "digits_cnn.npz"];
    for (own, theirs) in own.iter().zip(theirs) {
        fs::copy(from.join(theirs), folder.path().join(own)).expect("a copy");
    }
    // The command under its own name.
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let command = env!("CARGO_BIN_EXE_microhlo-under-test");
    let script = format!("#!/bin/sh\nexec '{command}' \"$@\"\n");
    let path = bin.join("microhlo");
    fs::write(&path, script).expect("a script");
    let made = Command::new("chmod").arg("+x").arg(&path).status().expect("chmod");
    assert!(made.success());
    folder
}

/// Runs commands in such a folder.
fn shell(commands: &str, folder: &Path) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-euc", commands]).current_dir(folder);
    shell.env("PATH", format!("{}:{path}", folder.join("bin").display()));
    // Boards are found from the project's folder.
    shell.env("MICROHLO_ROOT", root());
    shell.output().expect("a shell")
}

#[test]
fn commands_of_the_book_run() {
    let on_boards = cfg!(feature = "qemu-tests");
    let mut ran = 0;
    for name in pages() {
        let folder = folder();
        for block in blocks(&page(&name), "sh") {
            if block.contains("--on ") && !on_boards {
                continue;
            }
            let output = shell(&block, folder.path());
            let text = (stdout(&output), stderr(&output));
            assert!(output.status.success(), "docs/{name}:\n{block}\n{}{}", text.0, text.1);
            ran += 1;
        }
    }
    assert!(ran >= 10, "{ran} blocks");
}

/// Commands that need a real board go as far as its probe, of which there is none with this serial number.
#[cfg(all(feature = "qemu-tests", feature = "probe"))]
#[test]
fn commands_for_real_boards_lack_a_probe_alone() {
    let folder = folder();
    let registry = microhlo_qemu::Registry::find().expect("the boards");
    let board = registry.board("netduinoplus2").expect("a board with a chip for probes");
    let arguments = ["--features", "logs", "--bin", "logs"];
    let built = microhlo_qemu::build_with(&registry, board, "microhlo-calibrate", &arguments);
    let firmware = built.expect("a firmware that logs").join("logs");
    fs::copy(firmware, folder.path().join("app.elf")).expect("a copy");
    let page = page("flashing.md");
    for block in blocks(&page, "sh") {
        assert!(shell(&block, folder.path()).status.success(), "{block}");
    }
    let commands = blocks(&page, "sh probe").join("\n");
    assert!(commands.lines().count() >= 5, "{commands}");
    for line in commands.lines() {
        let line = format!("{} --probe=0000:0000:none", line.replace(" --probe", ""));
        let output = shell(&line, folder.path());
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{line}: {text}");
        let lacks = ["no debug probe found", "no probe 0000:0000:none"];
        assert!(lacks.iter().any(|lack| text.contains(lack)), "{line}: {text}");
    }
}

/// Documents with commands.
const DOCUMENTS: [&str; 8] = [
    "README.md",
    "CONTRIBUTING.md",
    "boards/README.md",
    "compiler/README.md",
    "qemu/README.md",
    "runtime-nostd/README.md",
    "runtime-nostd/capi/README.md",
    "runtime-nostd/slots/README.md",
];

/// All pages of the book, the workflow and other documents with commands, by name, with lines that go on joined.
fn documents() -> Vec<(String, String)> {
    let pages = pages().into_iter().map(|name| format!("docs/{name}"));
    let others = DOCUMENTS.map(str::to_owned).into_iter();
    let names = pages.chain(others).chain(["docs/github-actions.yml".to_owned()]);
    let read = |name: String| {
        let text = fs::read_to_string(root().join(&name)).expect("a document");
        (name, text.replace("\\\n", " "))
    };
    names.map(read).collect()
}

/// What `microhlo` and its subcommands say of themselves.
fn helps() -> BTreeMap<String, String> {
    let help = |args: &[&str]| {
        let output = microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), args);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let all = help(&["--help"]);
    let (_, list) = all.split_once("Commands:\n").expect("the commands");
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty() && *name != "help");
    names.map(|name| (name.to_owned(), help(&[name, "--help"]))).collect()
}

/// The options in a text: words that begin with two hyphens, without what follows.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c.is_whitespace() || "`,;()[]".contains(c));
    let names = words.filter_map(|word| {
        let name = word.strip_prefix("--")?;
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        Some(&name[..end.unwrap_or(name.len())])
    });
    names.filter(|name| !name.is_empty()).map(|name| format!("--{name}")).collect()
}

#[test]
fn commands_and_options_of_the_documents_exist() {
    let helps = helps();
    let of = |name: &str| options(&helps[name]);
    let (mut named, mut used) = (0, BTreeSet::new());
    for (document, text) in documents() {
        for (at, _) in text.match_indices("microhlo ") {
            let rest = &text[at + "microhlo ".len()..];
            let name: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            if !helps.contains_key(&name) {
                continue;
            }
            // To the end of the command: of a line, a span of code, or the first of several.
            let end = rest.find(['\n', '`', '#', '|', ';', '&', '>']).unwrap_or(rest.len());
            let given = options(&rest[..end]);
            let known = of(&name);
            let unknown: Vec<_> = given.difference(&known).collect();
            assert!(unknown.is_empty(), "{document}: `microhlo {name}` has no {unknown:?}");
            named += given.len();
            used.insert(name);
        }
    }
    assert!(named >= 100, "{named} options");
    let readme = &documents().into_iter().find(|(name, _)| name == "README.md").expect("it").1;
    for name in helps.keys() {
        assert!(readme.contains(&format!("\n| `{name}` |")), "README.md lists no `{name}`");
        assert!(used.contains(name) || name == "check", "no document uses `microhlo {name}`");
    }
}

/// What commands of other programs name is there: tasks of `./mh`, packages that are installed.
#[test]
fn tasks_and_packages_of_the_documents_exist() {
    let tasks = fs::read_to_string(root().join("Makefile.toml")).expect("the tasks");
    let (mut found, mut installed) = (0, 0);
    for (document, text) in documents() {
        for rest in text.split("./mh ").skip(1) {
            let task: String =
                rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            if task.is_empty() || rest.starts_with("alone") {
                continue;
            }
            assert!(tasks.contains(&format!("[tasks.{task}]\n")), "{document}: ./mh {task}");
            found += 1;
        }
        for rest in text.split("cargo install --path ").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let manifest = root().join(&rest[..end]).join("Cargo.toml");
            let manifest = fs::read_to_string(&manifest).expect("a package");
            assert!(manifest.contains("[[bin]]\nname = \"microhlo\"\n"), "{document}");
            installed += 1;
        }
    }
    assert!(found >= 8 && installed >= 2, "{found} tasks, {installed} packages");
}

/// The workflow that users copy, in their repository with two models and a clone of this one.
#[cfg(feature = "qemu-tests")]
#[test]
fn the_workflow_tests_models() {
    let text = page("github-actions.yml");
    let workflow: Value = yaml_serde::from_str(&text).expect("a workflow");
    let steps = workflow["jobs"]["qemu"]["steps"].as_array().expect("steps");
    let clone = steps.iter().find(|step| step["with"]["path"] == "microhlo").expect("a clone");
    assert!(clone["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@")));
    let run = steps.last().and_then(|step| step["run"].as_str()).expect("the last step");

    let folder = folder();
    let models = folder.path().join("models");
    fs::create_dir(&models).expect("a folder");
    for name in ["digits_cnn", "gru_step"] {
        for extension in ["stablehlo.mlir", "npz"] {
            let file = format!("{name}.{extension}");
            fs::copy(root().join("examples/models").join(&file), models.join(file)).expect("it");
        }
    }
    std::os::unix::fs::symlink(root(), folder.path().join("microhlo")).expect("the clone");
    // The command that was built for the tests in place of a release build.
    let run = run.replace("$PWD/microhlo/target/release:", "$PWD/bin:");
    assert!(run.contains("$PWD/bin:"), "{run}");
    let settings = workflow["env"].as_object().expect("settings");
    let settings = settings.iter().map(|(name, value)| {
        let value = value.as_str().expect("a text");
        format!("export {name}='{value}'\n")
    });
    let script = settings.collect::<String>() + &run;
    let output = shell(&script, folder.path());
    let printed = stdout(&output);
    assert!(output.status.success(), "{printed}{}", stderr(&output));
    for name in ["digits_cnn", "gru_step"] {
        assert!(printed.contains(&format!("{name} on mps2-an386: ")), "{printed}");
    }
    // A model whose results differ fails the job, and so does one that needs more than the limit.
    let small = script.replace("ARENA_LIMIT='65536'", "ARENA_LIMIT='64'");
    assert_ne!(small, script);
    assert!(!shell(&small, folder.path()).status.success());
    fs::copy(models.join("gru_step.npz"), models.join("digits_cnn.npz")).expect("a copy");
    assert!(!shell(&script, folder.path()).status.success());
}

/// The project's Rust source, without tests.
fn source() -> String {
    let mut text = String::new();
    let mut folders: Vec<PathBuf> =
        ["compiler/src", "runtime-nostd", "qemu"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(path).expect("source");
            }
        }
    }
    // A text that goes on in the next line.
    text.replace("\\\n", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn messages_that_are_explained_exist() {
    let source = source();
    let text = page("troubleshooting.md");
    let messages = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let messages: Vec<&str> = messages.collect();
    assert!(messages.len() >= 15, "{messages:?}");
    for message in messages {
        for part in message.split("...").map(str::trim).filter(|part| part.len() > 2) {
            assert!(source.contains(part), "`{part}` of `{message}` is in no message");
        }
    }
}
