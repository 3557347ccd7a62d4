//! Parameters of control flow.
//!
//! A program runs its steps in order; these continue it elsewhere. They compute nothing and write
//! nothing.

use serde::Serialize;

use super::Params;
use super::check::dense;
use crate::program::Target;
use crate::{Access, AccessKind, ParamError};

/// Most targets of one `switch`.
pub const MAX_TARGETS: usize = 16;

/// Continues at `target` if the `i1` at `predicate` equals `when`, or always if there is none;
/// with the next step otherwise. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Branch<P> {
    /// An `i1`.
    pub predicate: Option<P>,
    /// The value of the predicate that leads to the target.
    pub when: bool,
    /// Where the program goes on.
    pub target: Target,
}

/// Continues at `targets[index - first]`, where `index` is the `i32` at `index`; with the next step
/// if there is no such target. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Switch<P> {
    /// An `i32`.
    pub index: P,
    /// The index that leads to the first target.
    pub first: u32,
    /// Where the program goes on, by index.
    pub targets: heapless::Vec<Target, MAX_TARGETS>,
}

impl<P: Copy> Params<P> for Branch<P> {
    type With<Q: Copy> = Branch<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Branch<Q> {
        Branch { predicate: self.predicate.map(f), when: self.when, target: self.target }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        if let Some(predicate) = self.predicate {
            visit(dense(&[1])?.access(AccessKind::Read, predicate, 1));
        }
        Ok(())
    }

    fn targets(&self) -> &[Target] {
        core::slice::from_ref(&self.target)
    }

    fn targets_mut(&mut self) -> &mut [Target] {
        core::slice::from_mut(&mut self.target)
    }
}

impl<P: Copy> Params<P> for Switch<P> {
    type With<Q: Copy> = Switch<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Switch<Q> {
        Switch { index: f(self.index), first: self.first, targets: self.targets.clone() }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        visit(dense(&[4])?.access(AccessKind::Read, self.index, 4));
        Ok(())
    }

    fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn targets_mut(&mut self) -> &mut [Target] {
        &mut self.targets
    }
}
