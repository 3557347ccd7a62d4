//! Kernel sets: what a firmware links.

use microhlo_format::{Access, Cursor, KernelId, MicroId, Place, Program};

use crate::error::StepError;
use crate::kernels::{Memory, Turn};
use crate::micro::{Fold, Row};

/// Receives what one step touches and calls.
pub(crate) trait Visitor {
    /// Memory touched.
    fn access(&mut self, access: Access<Place>);
    /// The program that the step is part of, and where the next step is.
    fn program(&self) -> (&Program<'_>, Cursor);
    /// What is linked.
    fn linked(&self) -> &Kernels;
    /// Notes why the step is refused, if nothing has been noted before.
    fn refuse(&mut self, error: StepError);
    /// Forgets all but the first memory touched, so much of it.
    fn forget(&mut self, all_but: usize);
}

impl dyn Visitor + '_ {
    /// Micro-operation called. Not one of the visitor's own functions: what calls none needs no search.
    pub(crate) fn micro(&mut self, id: MicroId) {
        if !self.linked().has_micro(id) {
            self.refuse(StepError::MissingMicro(id));
        }
    }
}

/// Decodes and checks parameters on their own, and reports what the kernel touches.
pub(crate) type Check = fn(&[u8], &mut dyn Visitor) -> Result<(), StepError>;

/// Decodes parameters and runs the kernel.
///
/// # Safety
/// The parameters have passed the loader's checks for the memory given.
pub(crate) type Execute = unsafe fn(&[u8], &Memory<'_>) -> Result<(), Undecodable>;

/// Decodes and checks the parameters of a stage of a chain, and reports what the kernel touches for the
/// strip whose turn it is.
pub(crate) type CheckStrip =
    fn(&[u8], &mut Turn<'_, '_, '_>, &mut dyn Visitor) -> Result<(), StepError>;

/// Decodes parameters and runs the kernel on the strip whose turn it is.
///
/// # Safety
/// The strip has passed the loader's checks for the memory given.
pub(crate) type Fire =
    unsafe fn(&[u8], &mut Turn<'_, '_, '_>, &Memory<'_>) -> Result<(), Undecodable>;

/// A kernel as a stage of chains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StageEntry {
    pub(crate) check: CheckStrip,
    pub(crate) fire: Fire,
}

/// Parameters that decoded at load time do not decode any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undecodable;

impl From<postcard::Error> for Undecodable {
    fn from(_: postcard::Error) -> Undecodable {
        Undecodable
    }
}

/// A kernel that can be linked: the `ENTRY` of a module in [`crate::kernels`], or its `STAGE`, with which it
/// can be part of a chain too.
///
/// ```
/// use microhlo::{KernelEntry, KernelId, kernels};
///
/// const MAP: KernelEntry = kernels::map::ENTRY;
/// assert_eq!(MAP.id(), KernelId::map);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KernelEntry {
    pub(crate) id: KernelId,
    pub(crate) check: Check,
    pub(crate) execute: Execute,
    pub(crate) stage: Option<&'static StageEntry>,
}

impl KernelEntry {
    /// Which kernel it is.
    ///
    /// ```
    /// use microhlo::{KernelId, Kernels};
    ///
    /// let all = Kernels::ALL.kernels;
    /// assert!(all.iter().any(|entry| entry.id() == KernelId::map));
    /// ```
    pub const fn id(&self) -> KernelId {
        self.id
    }
}

/// A micro-operation that can be linked: a constant of a module in [`crate::micro`].
///
/// ```
/// use microhlo::{DType, MicroEntry, MicroId, MicroOp, micro};
///
/// const ADD: MicroEntry = micro::add::F32;
/// assert_eq!(ADD.id(), MicroId::op(MicroOp::add, DType::F32));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MicroEntry {
    pub(crate) id: MicroId,
    pub(crate) row: Row,
    /// Where reductions are common; others fold row by row.
    pub(crate) fold: Option<Fold>,
}

impl MicroEntry {
    /// Which micro-operation it is.
    ///
    /// ```
    /// let id = microhlo::micro::add::F32.id();
    /// assert_eq!(id.to_string(), "add of f32");
    /// ```
    pub const fn id(&self) -> MicroId {
        self.id
    }
}

/// The kernels and micro-operations that a firmware links.
///
/// The compiler emits this list for a model as Rust, so that nothing else is linked.
///
/// ```
/// use microhlo::{KernelId, Kernels, kernels, micro};
///
/// static KERNELS: Kernels =
///     Kernels { kernels: &[kernels::map::ENTRY], micro: &[micro::add::F32, micro::multiply::F32] };
/// assert_eq!(KERNELS.kernels[0].id(), KernelId::map);
/// assert!(KERNELS.has_micro(micro::add::F32.id()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    /// Kernels.
    pub kernels: &'static [KernelEntry],
    /// Micro-operations that the kernels call.
    pub micro: &'static [MicroEntry],
}

impl Kernels {
    /// Everything that this runtime has.
    pub const ALL: &'static Kernels =
        &Kernels { kernels: crate::kernels::ALL, micro: &crate::micro::ALL };

    pub(crate) fn kernel(&self, id: KernelId) -> Option<&'static KernelEntry> {
        self.kernels.iter().find(|entry| entry.id == id)
    }

    /// Whether a micro-operation is in the set.
    ///
    /// ```
    /// use microhlo::{Kernels, micro};
    ///
    /// let few = Kernels { kernels: &[], micro: &[micro::add::F32] };
    /// assert!(few.has_micro(micro::add::F32.id()) && !few.has_micro(micro::tanh::F32.id()));
    /// assert!(Kernels::ALL.has_micro(micro::tanh::F32.id()));
    /// ```
    pub fn has_micro(&self, id: MicroId) -> bool {
        find(self.micro, id).is_some()
    }
}

/// The entry of a micro-operation. Lists that the compiler emits are in the order of ids; others
/// are searched from end to end.
pub(crate) fn find(entries: &[MicroEntry], id: MicroId) -> Option<&MicroEntry> {
    match entries.binary_search_by_key(&id, |entry| entry.id) {
        Ok(at) => entries.get(at),
        Err(_) => entries.iter().find(|entry| entry.id == id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_micro_operations_are_in_order_of_their_ids() {
        assert!(Kernels::ALL.micro.is_sorted_by_key(|entry| entry.id));
    }

    #[test]
    fn those_fold_that_say_so() {
        for entry in Kernels::ALL.micro {
            let folds = entry.id.decode().is_some_and(|op| op.folds());
            assert_eq!(entry.fold.is_some(), folds, "{:?}", entry.id.decode());
        }
    }

    #[test]
    fn entries_are_found_in_lists_of_any_order() {
        let (a, b) = (crate::micro::add::F32, crate::micro::subtract::F32);
        for list in [[a, b], [b, a]] {
            assert_eq!(find(&list, a.id).map(|e| e.id), Some(a.id));
            assert_eq!(find(&list, b.id).map(|e| e.id), Some(b.id));
            assert!(find(&list, crate::micro::tanh::F32.id).is_none());
        }
    }
}
