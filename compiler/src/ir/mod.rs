//! The intermediate representation: StableHLO operations on typed arenas.
//!
//! A [`Module`] owns functions, a function owns its body, a body owns operations, values and
//! blocks. Nothing holds a pointer; everything is named by a typed id.

pub(crate) mod attr;
pub(crate) mod constant;
pub(crate) mod entity;
mod module;
mod print;
pub(crate) mod types;

pub use entity::Arena;
pub use module::{Func, FuncId, Module};
pub use types::{Dim, ElementType, QuantType, TensorType, Type};
pub(crate) use types::{full_range, index_along};

// What functions consist of: not for other crates than those of this workspace.
#[doc(hidden)]
pub use attr::{Attr, Dict};
#[doc(hidden)]
pub use constant::{ConstData, Constant};
#[doc(hidden)]
pub use entity::EntityId;
#[doc(hidden)]
pub use module::{Block, BlockId, Body, Def, Op, OpId, Value, ValueId};
