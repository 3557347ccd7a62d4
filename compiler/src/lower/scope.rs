//! What is known of values in the block being lowered and in those around it.

use std::collections::HashMap;

use crate::ir::ValueId;

/// A map from values that forgets, at the end of a block, what was added in it: memory written in a
/// branch or in the body of a loop may not be written at all where the program goes on.
#[derive(Debug)]
pub struct Scope<T> {
    known: HashMap<ValueId, T>,
    added: Vec<(ValueId, Option<T>)>,
}

impl<T> Default for Scope<T> {
    fn default() -> Self {
        Scope { known: HashMap::new(), added: Vec::new() }
    }
}

impl<T> Scope<T> {
    /// What is known of a value.
    pub fn get(&self, value: &ValueId) -> Option<&T> {
        self.known.get(value)
    }

    /// Adds a value.
    pub fn insert(&mut self, value: ValueId, known: T) {
        let before = self.known.insert(value, known);
        self.added.push((value, before));
    }

    /// Where to return to with [`Scope::leave`].
    pub fn enter(&self) -> usize {
        self.added.len()
    }

    /// Forgets what was added since [`Scope::enter`].
    pub fn leave(&mut self, mark: usize) {
        for (value, before) in self.added.drain(mark.min(self.added.len())..).rev() {
            match before {
                Some(known) => self.known.insert(value, known),
                None => self.known.remove(&value),
            };
        }
    }
}
