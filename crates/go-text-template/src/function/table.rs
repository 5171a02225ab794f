//! [`Functions`]: the functions templates of one set may name.

use std::collections::HashMap;

use super::Function;

/// The functions that templates may name, beside Go's own.
///
/// ```
/// use go_text_template::{Function, Functions, Type};
///
/// const GROUP: &[Function] = &[Function::new("same", &[Type::Any], |_, arguments| Ok(arguments[0].clone()))];
/// let functions = Functions::new().with(GROUP);
/// assert!(functions.get("same").is_some());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Functions {
    functions: Vec<Function>,
    indices: HashMap<&'static str, u32>,
}

impl Functions {
    /// No functions but Go's own.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these functions as well. A later function of the same name replaces an earlier one,
    /// and one of Go's own.
    #[must_use]
    pub fn with(mut self, group: &[Function]) -> Self {
        for function in group {
            self.insert(*function);
        }
        self
    }

    /// Adds or replaces one function.
    pub fn insert(&mut self, function: Function) {
        if let Some(index) = self.index(function.name()) {
            self.functions[index as usize] = function;
        } else {
            self.indices
                .insert(function.name(), self.functions.len() as u32);
            self.functions.push(function);
        }
    }

    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<&Function> {
        self.index(name).map(|index| self.at(index))
    }

    /// All functions, in the order of their registration.
    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter()
    }

    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        self.indices.get(name).copied()
    }

    pub(crate) fn at(&self, index: u32) -> &Function {
        &self.functions[index as usize]
    }
}
