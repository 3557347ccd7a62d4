//! `interpreter.run_parallel`: functions as the processes of a grid.
//!
//! StableHLO's reference interpreter tests collective operations with it. A device is one process,
//! so that it is checked only, as an operation of another dialect.
use super::{OpError, OpView};
use crate::ir::{Attr, Func, Module, Type};

/// Its full name.
pub const NAME: &str = "interpreter.run_parallel";

fn symbols(list: &Attr) -> Option<Vec<&str>> {
    let Attr::Array(items) = list else { return None };
    let symbols = items.iter().map(|item| match item {
        Attr::Symbol(name) => Some(&**name),
        _ => None,
    });
    symbols.collect()
}

fn function<'m>(module: &'m Module, name: &str) -> Result<&'m Func, OpError> {
    let missing = || OpError::new(format!("there is no function `@{name}`"));
    module.find(name).map(|id| &module.funcs[id]).ok_or_else(missing)
}

/// Checks that the programs exist and that operands and results are theirs, one after the other,
/// and that the functions that feed them give tensors.
pub fn verify(
    module: &Module,
    op: &OpView<'_>,
    attr: &dyn Fn(&str) -> Option<Attr>,
) -> Result<(), OpError> {
    let programs = attr("programs").unwrap_or(Attr::Unit);
    let Attr::Array(rows) = &programs else {
        return Err(OpError::new("`programs` must be a table of functions"));
    };
    let (mut inputs, mut outputs) = (0, 0);
    for row in rows {
        let names = symbols(row).ok_or_else(|| OpError::new("`programs` must hold symbols"))?;
        for name in names {
            let func = function(module, name)?;
            inputs += func.body.blocks[func.body.entry].args.len();
            outputs += func.results.len();
        }
    }
    op.expect_arity(inputs, outputs)?;
    let Some(infeed) = attr("infeed") else { return Ok(()) };
    let names = symbols(&infeed).filter(|names| !names.is_empty());
    let names = names.ok_or_else(|| OpError::new("`infeed` must name at least one function"))?;
    for name in names {
        let func = function(module, name)?;
        let other = func.results.iter().find(|ty| !matches!(ty, Type::Tensor(_)));
        if let Some(other) = other.filter(|_| !func.is_declaration()) {
            return Err(OpError::new(format!("`@{name}` must give tensors, gives {other}")));
        }
    }
    Ok(())
}
