//! Verification of modules: structure first, then every operation against the specification.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;

use crate::diag::Span;
use crate::ir::{BlockId, Body, Def, EntityId, Func, Module, Op, OpId, Type, Value, ValueId};
use crate::ops::{OpError, OpKind, OpView, run_parallel};

/// Regions nest at most this deep, so that recursive walks end before the stack does.
const MAX_NESTING: usize = 200;

/// A module that [`verify`] accepted.
///
/// Lowering and evaluation rely on it: operands are defined before their uses, every block ends
/// with its terminator, operand and region counts are those of the operation, and all attributes
/// fit the shapes. Neither panics on a verified module; shapes that are only known at run time are
/// checked then and give errors. See the example of [`verify`].
#[derive(Clone, Copy, Debug)]
pub struct Verified<'m> {
    module: &'m Module,
}

impl<'m> Verified<'m> {
    /// The module. See the example of [`verify`].
    pub fn module(self) -> &'m Module {
        self.module
    }
}

impl Deref for Verified<'_> {
    type Target = Module;

    fn deref(&self) -> &Module {
        self.module
    }
}

/// One violation.
///
/// ```
/// use microhlo_compiler::diag::Source;
/// use microhlo_compiler::front::mlir::parse_module;
/// use microhlo_compiler::verify::verify;
///
/// let text = "func.func @main(%x: tensor<2x3xf32>) -> tensor<3x3xf32> {
///   %0 = stablehlo.transpose %x, dims = [1, 1] : (tensor<2x3xf32>) -> tensor<3x3xf32>
///   return %0 : tensor<3x3xf32>
/// }";
/// let module = parse_module(&Source::new("turn.mlir", text))?;
/// let violations = verify(&module).unwrap_err();
/// let violation = &violations[0];
/// assert_eq!((violation.op, violation.constraint), ("stablehlo.transpose", Some("C2")));
/// assert!(violation.message.contains("must be a permutation"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// Where the operation or function is written.
    pub span: Span,
    /// Full name of the operation, or `func.func`.
    pub op: &'static str,
    /// The constraint's label in the specification's section of the operation.
    pub constraint: Option<&'static str>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: ", self.op)?;
        if let Some(label) = self.constraint {
            write!(f, "({label}) ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for VerifyError {}

/// Checks a whole module and returns a witness, or all violations in source order.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile_verified};
/// use microhlo_compiler::diag::Source;
/// use microhlo_compiler::front::mlir::parse_module;
/// use microhlo_compiler::verify::verify;
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.negate %x : tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let module = parse_module(&Source::new("negate.mlir", text))?;
/// let verified = verify(&module).map_err(|violations| violations[0].clone())?;
/// assert!(verified.module().find("main").is_some());
/// // Verified once, the module can be compiled in several ways.
/// let compiled = compile_verified(verified, &CompileOptions::default())?;
/// assert_eq!(compiled.report.kernels.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(module: &Module) -> Result<Verified<'_>, Vec<VerifyError>> {
    let mut errors = foreign(module);
    if errors.is_empty() {
        errors = check(module, false);
    }
    if errors.is_empty() { Ok(Verified { module }) } else { Err(errors) }
}

/// Checks what belongs to StableHLO in a module that may hold operations and types of other
/// dialects, and returns all violations in source order. Nothing is said about the others.
pub(crate) fn verify_mixed(module: &Module) -> Vec<VerifyError> {
    check(module, true)
}

fn check(module: &Module, mixed: bool) -> Vec<VerifyError> {
    let mut errors = Vec::new();
    let mut names: HashMap<&str, Span> = HashMap::new();
    for func in module.funcs.values() {
        if names.insert(&func.name, func.span).is_some() {
            let message = format!("the name `@{}` is defined twice", func.name);
            errors.push(VerifyError {
                span: func.span,
                op: "func.func",
                constraint: None,
                message,
            });
        }
        let mut checker = Checker { mixed, ..Checker::new(module, func) };
        checker.func();
        errors.append(&mut checker.errors);
    }
    errors
}

/// An error per operation of another dialect, up to a limit.
fn foreign(module: &Module) -> Vec<VerifyError> {
    const MAX_ERRORS: usize = 20;
    let error = |(body, op): (&Body, OpId)| {
        let op = &body.ops[op];
        let message = format!("`{}` is not an operation of StableHLO", op.kind.spelling());
        VerifyError { span: op.span, op: op.kind.name(), constraint: None, message }
    };
    module.foreign_ops().into_iter().take(MAX_ERRORS).map(error).collect()
}

/// Violations by the operations that the table knows, of a module that holds others, too. What
/// touches values of other dialects is not judged.
pub(crate) fn violations_beside_foreign(module: &Module) -> Vec<VerifyError> {
    let mut errors = Vec::new();
    for func in module.funcs.values() {
        let body = &func.body;
        let mut checker = Checker::new(module, func);
        for op in body.walk(body.entry) {
            let op = &body.ops[op];
            let opaque = |&v: &ValueId| matches!(body.ty(v), Type::Opaque(_));
            let foreign = matches!(op.kind, OpKind::Foreign(_));
            let regions = op.kind.regions().is_none_or(|n| n == op.regions.len());
            if foreign || !regions || op.operands.iter().chain(&op.results).any(opaque) {
                continue;
            }
            if let Err(e) = checker.semantics(op) {
                checker.fail_op(op, e);
            }
        }
        errors.append(&mut checker.errors);
    }
    errors
}

/// Checks one function.
struct Checker<'m> {
    module: &'m Module,
    func: &'m Func,
    body: &'m Body,
    /// Whether the value can be used where the walk stands.
    visible: Vec<bool>,
    /// Whether the operation was met before.
    seen: Vec<bool>,
    /// Whether operations and types of other dialects are let pass.
    mixed: bool,
    errors: Vec<VerifyError>,
}

impl<'m> Checker<'m> {
    fn new(module: &'m Module, func: &'m Func) -> Self {
        let body = &func.body;
        Checker {
            module,
            func,
            body,
            visible: vec![false; body.values.len()],
            seen: vec![false; body.ops.len()],
            mixed: false,
            errors: Vec::new(),
        }
    }

    fn fail(&mut self, message: String) {
        let span = self.func.span;
        self.errors.push(VerifyError { span, op: "func.func", constraint: None, message });
    }

    fn fail_op(&mut self, op: &Op, error: OpError) {
        let OpError { constraint, message } = error;
        let error = VerifyError { span: op.span, op: op.kind.name(), constraint, message };
        self.errors.push(error);
    }

    fn func(&mut self) {
        let (func, body) = (self.func, self.body);
        let Some(entry) = body.blocks.get(body.entry) else {
            return self.fail("the entry block is missing".into());
        };
        let (args, results) = (entry.args.len(), func.results.len());
        if func.arg_attrs.len() != args || func.arg_names.len() != args {
            self.fail(format!("{args} arguments need as many names and attribute dictionaries"));
        }
        if func.result_attrs.len() != results {
            self.fail(format!("{results} results need as many attribute dictionaries"));
        }
        if func.is_declaration() {
            if func.public && self.module.funcs.len() == 1 {
                self.fail(format!("`@{}` has no body", func.name));
            }
            return;
        }
        self.block(body.entry, 0);
        if !self.errors.is_empty() {
            return;
        }
        let returned: Vec<&Type> = body.returned(body.entry).iter().map(|&v| body.ty(v)).collect();
        if !accepts(&func.results, &returned) {
            let text = format!("returns {}, declares {}", list(&returned), list(&func.results));
            self.fail(text);
        }
    }

    /// Checks a block and what it contains; values that it defines are visible only within.
    fn block(&mut self, id: BlockId, depth: usize) {
        if depth > MAX_NESTING {
            return self.fail(format!("regions nest deeper than {MAX_NESTING}"));
        }
        let Some(block) = self.body.blocks.get(id) else {
            return self.fail(format!("the block {id} is missing"));
        };
        let mut defined = Vec::new();
        for (i, &arg) in block.args.iter().enumerate() {
            self.define(arg, Def::Arg(id, i as u32), &mut defined);
        }
        for (i, &op) in block.ops.iter().enumerate() {
            let last = i + 1 == block.ops.len();
            if self.op(op, depth, last) {
                for (i, &result) in self.body.ops[op].results.iter().enumerate() {
                    self.define(result, Def::Result(op, i as u32), &mut defined);
                }
            }
        }
        if block.ops.is_empty() {
            self.fail("a block ends without `return`".into());
        }
        for value in defined {
            self.visible[value.index()] = false;
        }
    }

    fn define(&mut self, value: ValueId, def: Def, defined: &mut Vec<ValueId>) {
        match self.body.values.get(value) {
            Some(Value { ty: Type::Opaque(ty), .. }) if !self.mixed => {
                self.fail(format!("the value {value} has the type `{ty}`, which is not supported"));
            }
            Some(v) if v.def == def && !self.visible[value.index()] => {
                self.visible[value.index()] = true;
                defined.push(value);
            }
            Some(_) => self.fail(format!("the value {value} is defined more than once")),
            None => self.fail(format!("the value {value} does not exist")),
        }
    }

    /// Checks one operation; true if its results exist.
    fn op(&mut self, id: OpId, depth: usize, last: bool) -> bool {
        let Some(op) = self.body.ops.get(id) else {
            self.fail(format!("the operation {id} does not exist"));
            return false;
        };
        if std::mem::replace(&mut self.seen[id.index()], true) {
            self.fail_op(op, OpError::new("is placed in more than one block"));
            return false;
        }
        let before = self.errors.len();
        if let Err(e) = self.structure(op, depth, last) {
            self.fail_op(op, e);
        }
        let foreign = self.mixed && matches!(op.kind, OpKind::Foreign(_));
        for &region in op.regions.iter().filter(|_| !foreign) {
            self.block(region, depth + 1);
        }
        if self.errors.len() == before
            && let Err(e) = self.semantics(op)
        {
            self.fail_op(op, e);
        }
        true
    }

    fn structure(&self, op: &Op, depth: usize, last: bool) -> Result<(), OpError> {
        for (i, &v) in op.operands.iter().enumerate() {
            if !self.visible.get(v.index()).is_some_and(|&x| x) {
                return Err(OpError::new(format!("operand {i} is used before its definition")));
            }
        }
        let ends = matches!(op.kind, OpKind::Return(_) | OpKind::FuncReturn(_));
        if ends != last {
            return Err(OpError::new(match last {
                true => "is the last operation of its block, which must end with `return`",
                false => "must be the last operation of its block",
            }));
        }
        // MLIR prints `return` in functions; `stablehlo.return` belongs to regions.
        let function = matches!(op.kind, OpKind::FuncReturn(_));
        if ends && function != (depth == 0) {
            return Err(OpError::new("ends the wrong kind of block"));
        }
        let n = op.regions.len();
        match op.kind.regions() {
            Some(want) if want != n => {
                Err(OpError::new(format!("expects {want} regions, has {n}")))
            }
            None if n == 0 && !matches!(op.kind, OpKind::Composite(_)) => {
                Err(OpError::new("expects at least one region"))
            }
            _ => Ok(()),
        }
    }

    fn semantics(&self, op: &Op) -> Result<(), OpError> {
        let view = OpView { body: self.body, op };
        if self.mixed && self.is_beyond(op) {
            return self.beyond(&view);
        }
        crate::ops::quant::verify(&op.kind, &view)?;
        let declared: Vec<&Type> = op.results.iter().map(|&v| self.body.ty(v)).collect();
        if let Some(inferred) = op.kind.infer(&view)?
            && !accepts(&inferred, &declared)
        {
            let (want, have) = (list(&inferred), list(&declared));
            let message = format!("gives {want}, its result types are {have}");
            return Err(OpError { constraint: result_label(op, &inferred, &declared), message });
        }
        op.kind.verify(&view)?;
        self.mesh(&op.kind)?;
        match &op.kind {
            OpKind::Call(c) => self.call(&c.callee, op, &declared),
            OpKind::Composite(c) => self.composite(&c.decomposition, op, &declared),
            _ => Ok(()),
        }
    }

    /// Whether an operation is of another dialect, or has operands or results that only CHLO and
    /// custom calls may have, such as tensors without a rank.
    fn is_beyond(&self, op: &Op) -> bool {
        let opaque = |v: &ValueId| matches!(self.body.ty(*v), Type::Opaque(_));
        let open = matches!(op.kind, OpKind::CustomCall(_)) || op.kind.name().starts_with("chlo.");
        matches!(op.kind, OpKind::Foreign(_))
            || open && op.operands.iter().chain(&op.results).any(opaque)
    }

    /// Checks what is known of such an operation.
    fn beyond(&self, view: &OpView<'_>) -> Result<(), OpError> {
        let OpKind::Foreign(foreign) = &view.op.kind else { return Ok(()) };
        if &*foreign.name != run_parallel::NAME {
            return Ok(());
        }
        let attr = |name: &str| foreign.properties.get(name).or(view.op.attrs.get(name)).cloned();
        run_parallel::verify(self.module, view, &attr)
    }

    /// A composite is its decomposition.
    fn composite(&self, decomposition: &str, op: &Op, declared: &[&Type]) -> Result<(), OpError> {
        let label = match self.module.find(decomposition) {
            None => "C2",
            Some(id) => {
                let func = &self.module.funcs[id];
                let args = &func.body.blocks[func.body.entry].args;
                let formal: Vec<Type> = args.iter().map(|&v| func.body.ty(v).clone()).collect();
                let actual: Vec<&Type> = op.operands.iter().map(|&v| self.body.ty(v)).collect();
                if accepts(&formal, &actual) { "C4" } else { "C3" }
            }
        };
        let labelled = |e| OpError { constraint: Some(label), ..e };
        self.call(decomposition, op, declared).map_err(labelled)
    }

    /// Groups that are axes of a mesh name one of the module's symbols.
    fn mesh(&self, kind: &OpKind) -> Result<(), OpError> {
        let Some(mesh) = kind.groups().and_then(|groups| groups.mesh()) else { return Ok(()) };
        match self.module.find(mesh) {
            Some(_) => Ok(()),
            None => Err(OpError::new(format!("there is no mesh `@{mesh}`"))),
        }
    }

    /// A call's operands and results are those of the function.
    fn call(&self, callee: &str, op: &Op, declared: &[&Type]) -> Result<(), OpError> {
        let unknown = || OpError::new(format!("there is no function `@{callee}`"));
        let func = &self.module.funcs[self.module.find(callee).ok_or_else(unknown)?];
        let args = &func.body.blocks[func.body.entry].args;
        let formal: Vec<Type> = args.iter().map(|&v| func.body.ty(v).clone()).collect();
        let actual: Vec<&Type> = op.operands.iter().map(|&v| self.body.ty(v)).collect();
        if !accepts(&formal, &actual) {
            let (want, have) = (list(&formal), list(&actual));
            return Err(OpError::new(format!("`@{callee}` takes {want}, is given {have}")));
        }
        if !accepts(&func.results, declared) {
            let (want, have) = (list(&func.results), list(declared));
            return Err(OpError::new(format!("`@{callee}` returns {want}, not {have}")));
        }
        Ok(())
    }
}

/// The constraint that the first unexpected result type violates.
fn result_label(op: &Op, inferred: &[Type], declared: &[&Type]) -> Option<&'static str> {
    let [element, shape] = op.kind.result_labels();
    let mut pairs = inferred.iter().zip(declared).filter(|(a, b)| !a.accepts(b));
    match pairs.next()? {
        (Type::Tensor(a), Type::Tensor(b)) if a.elem == b.elem => shape,
        _ => element,
    }
}

/// Whether the lists have equal types, `?` matching any size.
fn accepts(want: &[Type], have: &[&Type]) -> bool {
    want.len() == have.len() && want.iter().zip(have).all(|(a, b)| a.accepts(b))
}

fn list<T: fmt::Display>(types: &[T]) -> String {
    let all: Vec<String> = types.iter().map(ToString::to_string).collect();
    format!("({})", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::ElementwiseOp;
    use crate::ops::func::FuncReturn;
    use crate::ops::testing::module_of;
    use microhlo_format::DType;

    fn f32s(n: u64) -> TensorType {
        TensorType::fixed(&[n], DType::F32)
    }

    fn add() -> Module {
        module_of(ElementwiseOp::Add.into(), &[f32s(2), f32s(2)], &[f32s(2)], &[])
    }

    fn first_error(module: &Module) -> String {
        verify(module).unwrap_err()[0].to_string()
    }

    #[test]
    fn a_sound_module_is_accepted() {
        assert_eq!(verify(&add()).unwrap().funcs.len(), 1);
    }

    #[test]
    fn result_types_must_be_the_inferred_ones() {
        let wrong = module_of(ElementwiseOp::Add.into(), &[f32s(2), f32s(2)], &[f32s(3)], &[]);
        assert!(first_error(&wrong).contains("gives (tensor<2xf32>)"));
        let wrong = module_of(ElementwiseOp::Add.into(), &[f32s(2), f32s(3)], &[f32s(2)], &[]);
        assert!(first_error(&wrong).contains("(C1)"));
    }

    fn main_body(module: &mut Module) -> &mut Body {
        let id = module.find("main").unwrap();
        &mut module.funcs[id].body
    }

    #[test]
    fn uses_before_definitions_and_missing_terminators_are_found() {
        let mut module = add();
        let body = main_body(&mut module);
        let entry = body.entry;
        body.blocks[entry].ops.reverse();
        assert!(first_error(&module).contains("before its definition"));
        let mut module = add();
        let body = main_body(&mut module);
        let entry = body.entry;
        body.blocks[entry].ops.pop();
        assert!(first_error(&module).contains("must end with `return`"));
    }

    #[test]
    fn returned_types_must_be_the_declared_ones() {
        let mut module = add();
        let id = module.find("main").unwrap();
        module.funcs[id].results = vec![f32s(7).into()];
        assert!(first_error(&module).contains("declares (tensor<7xf32>)"));
    }

    #[test]
    fn all_errors_are_reported() {
        let mut module = add();
        let other = module.funcs.values().next().unwrap().clone();
        module.funcs.push(Func { results: vec![], result_attrs: vec![], ..other });
        assert_eq!(verify(&module).unwrap_err().len(), 2);
    }

    #[test]
    fn operations_are_placed_once() {
        let mut module = add();
        let body = main_body(&mut module);
        let entry = body.entry;
        let op = body.blocks[entry].ops[0];
        body.blocks[entry].ops.insert(0, op);
        assert!(verify(&module).is_err());
        let mut module = add();
        let body = main_body(&mut module);
        let entry = body.entry;
        body.append(entry, FuncReturn.into(), vec![], vec![], Span::default());
        assert!(first_error(&module).contains("must be the last"));
    }
}
