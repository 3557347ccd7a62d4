//! Typed indices and the dense arenas that they index.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A typed index into an [`Arena`].
#[doc(hidden)]
pub trait EntityId: Copy + Eq {
    /// The id of the arena's item number `index`.
    fn new(index: usize) -> Self;
    /// The position in the arena.
    fn index(self) -> usize;
}

/// Declares typed index types: `entity! { /// doc  ValueId "%v"; }`.
macro_rules! entity {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $crate::ir::entity::EntityId for $name {
            fn new(index: usize) -> Self {
                // An arena of 2^32 items would need more than 64 GiB; saturation is never reached.
                $name(u32::try_from(index).unwrap_or(u32::MAX))
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

pub(crate) use entity;

/// A growable sequence of `T` indexed by its own id type.
///
/// ```
/// use microhlo_compiler::front;
///
/// let text = "func.func private @helper(%x: tensor<4xf32>) -> tensor<4xf32> {
///   return %x : tensor<4xf32>
/// }
/// func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = func.call @helper(%x) : (tensor<4xf32>) -> tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let (_, module) = front::parse("calls.mlir", text)?;
/// let funcs = &module.funcs;
/// assert!(funcs.len() == 2 && !funcs.is_empty());
/// let names: Vec<&str> = funcs.values().map(|func| &*func.name).collect();
/// assert_eq!(names, ["helper", "main"]);
/// let public = funcs.iter().find(|(_, func)| func.public).map(|(id, _)| id);
/// assert_eq!(public, module.find("main"));
/// assert!(funcs.ids().all(|id| funcs.get(id).is_some()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Arena<K: EntityId, T> {
    items: Vec<T>,
    key: PhantomData<K>,
}

impl<K: EntityId, T> Default for Arena<K, T> {
    fn default() -> Self {
        Arena { items: Vec::new(), key: PhantomData }
    }
}

impl<K: EntityId, T> Arena<K, T> {
    /// An arena without items.
    #[doc(hidden)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an item and returns its id.
    ///
    /// ```
    /// use microhlo_compiler::compile::{CompileOptions, compile};
    /// use microhlo_compiler::front;
    /// use microhlo_compiler::ir::Module;
    ///
    /// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    ///   return %x : tensor<4xf32>
    /// }";
    /// let (_, module) = front::parse("same.mlir", text)?;
    /// // The function after all passes, in a module of its own.
    /// let optimized = compile(&module, &CompileOptions::default())?.optimized;
    /// let mut passed = Module::default();
    /// let id = passed.funcs.push(optimized);
    /// assert_eq!(passed.entry(), Some(id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&mut self, item: T) -> K {
        let id = K::new(self.items.len());
        self.items.push(item);
        id
    }

    /// The number of items ever pushed. See the example of [`Arena`].
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing was pushed. See the example of [`Arena`].
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The item, or `None` for an id of another arena. See the example of [`Arena`].
    pub fn get(&self, id: K) -> Option<&T> {
        self.items.get(id.index())
    }

    /// All ids in order. See the example of [`Arena`].
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = K> + ExactSizeIterator + use<K, T> {
        (0..self.items.len()).map(K::new)
    }

    /// All items with their ids. See the example of [`Arena`].
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &T)> + ExactSizeIterator {
        self.items.iter().enumerate().map(|(i, t)| (K::new(i), t))
    }

    /// All items. See the example of [`Arena`].
    pub fn values(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// All items, mutable.
    #[doc(hidden)]
    pub fn values_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.items.iter_mut()
    }
}

impl<K: EntityId, T> Index<K> for Arena<K, T> {
    type Output = T;
    fn index(&self, id: K) -> &T {
        &self.items[id.index()]
    }
}

impl<K: EntityId, T> IndexMut<K> for Arena<K, T> {
    fn index_mut(&mut self, id: K) -> &mut T {
        &mut self.items[id.index()]
    }
}

impl<K: EntityId + fmt::Debug, T: fmt::Debug> fmt::Debug for Arena<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
