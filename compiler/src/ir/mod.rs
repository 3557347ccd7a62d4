//! The intermediate representation: StableHLO operations on typed arenas.
//!
//! A [`Module`] owns functions, a function owns its [`Body`], a body owns operations, values and
//! blocks. Nothing holds a pointer; everything is named by a typed id.

pub mod attr;
pub mod constant;
pub mod entity;
pub mod module;
mod print;
pub mod types;

pub use attr::{Attr, Dict};
pub use constant::{ConstData, Constant};
pub use entity::{Arena, EntityId};
pub use module::{Block, BlockId, Body, Def, Func, FuncId, Module, Op, OpId, Value, ValueId};
pub use types::{Dim, ElementType, QuantType, TensorType, Type, full_range, index_along};
