//! The stack that loading and running a model take, known before anything is linked: looked up in a table of
//! measurements by core and kernel.
//!
//! A test measures what is in `measured.txt` again, and writes it (`tests/tests/stack.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use microhlo_format::KernelId;
use serde::Serialize;

use crate::cmd::text::grouped;
use crate::compile::{Report, Target};

/// Bytes by core and by what takes them, each with a line `CORE NAME BYTES`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(BTreeMap<(String, String), u32>);

impl Table {
    /// What loading takes, whatever is loaded.
    pub const LOAD: &'static str = "load";
    /// What a run takes without any kernel: setting inputs, and seeing that no step is left.
    pub const RUN: &'static str = "run";

    /// What a map takes that calls functions of complex numbers, which compute with pairs of `f64`, or sine, cosine
    /// or tangent, which divide large arguments by pi with hundreds of bits: much more than others.
    pub const DEEP: &'static str = "map_deep";

    /// The name under which the table has a kernel of a program that calls these micro-operations.
    #[must_use]
    pub fn name<'k>(kernel: &'k str, micro_ops: &[String]) -> &'k str {
        let complex = |name: &str| name.contains("C64") || name.contains("C128");
        let angles =
            |name: &str| ["sine::", "cosine::", "tan::"].iter().any(|f| name.starts_with(f));
        let deep = micro_ops.iter().any(|name| complex(name) || angles(name));
        if deep && kernel == KernelId::map.name() { Table::DEEP } else { kernel }
    }

    /// Reads the lines of a table; empty lines and those that start with `#` are left out.
    ///
    /// # Errors
    /// The line that is none of the table.
    pub fn parse(text: &str) -> Result<Table, String> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let row = |line: &str| {
            let mut words = line.split_whitespace();
            let key = (words.next()?.to_owned(), words.next()?.to_owned());
            let bytes = words.next()?.parse().ok()?;
            words.next().is_none().then_some((key, bytes))
        };
        let rows = lines.map(|line| row(line).ok_or_else(|| format!("no row: `{line}`")));
        rows.collect::<Result<_, _>>().map(Table)
    }

    /// What was measured.
    ///
    /// # Errors
    /// The table is damaged, which a test excludes.
    pub fn measured() -> Result<Table, String> {
        Table::parse(include_str!("measured.txt"))
    }

    /// The table as text, below a heading.
    #[must_use]
    pub fn text(&self, heading: &str) -> String {
        let rows = self.0.iter();
        let lines = rows.map(|((core, name), bytes)| format!("{core} {name} {bytes}\n"));
        lines.fold(heading.to_owned(), |text, line| text + &line)
    }

    /// The bytes of something on a core, if they were measured.
    #[must_use]
    pub fn get(&self, core: Target, name: &str) -> Option<u32> {
        self.0.get(&(core.name().to_owned(), name.to_owned())).copied()
    }

    /// Notes bytes of something on a core, of which the most counts.
    pub fn add(&mut self, core: Target, name: &str, bytes: u32) {
        let row = self.0.entry((core.name().to_owned(), name.to_owned())).or_default();
        *row = bytes.max(*row);
    }

    /// Forgets what is known of a core.
    pub fn forget(&mut self, core: Target) {
        self.0.retain(|(name, _), _| name != core.name());
    }

    /// What is known of a core.
    pub fn of(&self, core: Target) -> impl Iterator<Item = (&str, u32)> {
        let rows = self.0.iter().filter(move |((name, _), _)| name == core.name());
        rows.map(|((_, name), &bytes)| (name.as_str(), bytes))
    }
}

/// The stack that a model takes below the frame of what calls the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// The core that it was measured on.
    pub core: &'static str,
    /// Most bytes that a run takes: setting inputs, and the steps with those kernels that are known, each the
    /// most that was measured.
    pub run_bytes: u32,
    /// The kernel that takes most, if it is one.
    pub kernel: Option<String>,
    /// Most bytes that loading takes, of all models that were measured.
    pub load_bytes: u32,
    /// Kernels of the model that were not measured on the core.
    pub not_measured: Vec<String>,
}

impl Stack {
    /// Looks up what a compiled model takes on a target; `None` if nothing was measured there.
    #[must_use]
    pub fn of(report: &Report, target: Target) -> Option<Stack> {
        let (kernels, micro_ops) = (report.kernels.iter(), &report.micro_ops);
        let kernels = kernels.map(|kernel| Table::name(&kernel.op, micro_ops)).collect();
        Stack::look_up(&Table::measured().unwrap_or_default(), &kernels, target)
    }

    fn look_up(table: &Table, kernels: &BTreeSet<&str>, core: Target) -> Option<Stack> {
        let (load_bytes, run) = (table.get(core, Table::LOAD)?, table.get(core, Table::RUN)?);
        let known = kernels.iter().filter_map(|kernel| Some((table.get(core, kernel)?, *kernel)));
        let most = known.max().filter(|(bytes, _)| *bytes > run);
        let unknown = kernels.iter().filter(|kernel| table.get(core, kernel).is_none());
        Some(Stack {
            core: core.name(),
            run_bytes: most.map_or(run, |(bytes, _)| bytes),
            kernel: most.map(|(_, kernel)| kernel.to_owned()),
            load_bytes,
            not_measured: unknown.map(|kernel| (*kernel).to_owned()).collect(),
        })
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (run, load) = (grouped(self.run_bytes.into()), grouped(self.load_bytes.into()));
        if !self.not_measured.is_empty() {
            f.write_str("at least ")?;
        }
        write!(f, "{run} B to run")?;
        if let Some(kernel) = &self.kernel {
            write!(f, " ({kernel})")?;
        }
        write!(f, ", {load} B to load, measured on {}", self.core)?;
        match self.not_measured.as_slice() {
            [] => Ok(()),
            kernels => write!(f, "; not known of {}", kernels.join(", ")),
        }
    }
}

/// What is known of the stack, in words.
#[must_use]
pub fn text(stack: Option<&Stack>) -> String {
    stack.map_or_else(|| "not measured".to_owned(), Stack::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: Target = Target::CortexM4f;

    fn look_up(kernels: &[&str], core: Target) -> Option<Stack> {
        let mut table = Table::default();
        let rows = [("load", 3700), ("run", 100), ("move_", 90), ("fill", 120), ("map", 500)];
        rows.iter().for_each(|(name, bytes)| table.add(CORE, name, *bytes));
        Stack::look_up(&table, &kernels.iter().copied().collect(), core)
    }

    #[test]
    fn the_table_is_well_formed_and_survives_writing() {
        let table = Table::measured().unwrap();
        for core in Target::ALL {
            assert_eq!(table.of(core).count() > 10, core != Target::Host, "{core}");
        }
        assert_eq!(Table::parse(&table.text("# heading\n")), Ok(table));
        assert!(Table::parse("cortex-m4f load").is_err());
        assert!(Table::parse("cortex-m4f load 7 8").is_err());
    }

    #[test]
    fn the_stack_is_that_of_the_kernel_that_takes_most() {
        let text = |kernels: &[&str]| text(look_up(kernels, CORE).as_ref());
        assert_eq!(text(&["move_"]), "100 B to run, 3 700 B to load, measured on cortex-m4f");
        assert_eq!(
            text(&["move_", "fill"]),
            "120 B to run (fill), 3 700 B to load, measured on cortex-m4f"
        );
    }

    #[test]
    fn maps_whose_functions_take_much_are_rows_of_their_own() {
        let name = |micro: &str| Table::name("map", &["add::F32".to_owned(), micro.to_owned()]);
        assert_eq!([name("exponential::F64"), name("convert::I8_F32")], ["map"; 2]);
        assert_eq!([name("atan2::C128"), name("convert::C64_F32")], [Table::DEEP; 2]);
        assert_eq!(
            [name("sine::F32"), name("tan::F64"), name("tanh::F32")],
            [Table::DEEP, Table::DEEP, "map"]
        );
        assert_eq!(Table::name("reduce", &["add::C64".to_owned()]), "reduce");
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let stack = look_up(&["fill", "sort", "extern_call"], CORE).unwrap();
        assert_eq!(stack.not_measured, ["extern_call", "sort"]);
        assert_eq!(
            stack.to_string(),
            "at least 120 B to run (fill), 3 700 B to load, measured on cortex-m4f; \
             not known of extern_call, sort"
        );
        assert_eq!(text(look_up(&["fill"], Target::CortexM7).as_ref()), "not measured");
    }
}
