//! [`Functions`]: the functions templates of one set may name.

use std::collections::HashMap;
use std::sync::Arc;

use super::Function;

/// The functions that templates may name, beside Go's own. Clones share one table until one of them is
/// changed.
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
    table: Arc<Table>,
}

#[derive(Clone, Debug, Default)]
struct Table {
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
        let Table { functions, indices } = Arc::make_mut(&mut self.table);
        let next = functions.len() as u32;
        let index = *indices.entry(function.name()).or_insert(next);
        match functions.get_mut(index as usize) {
            Some(earlier) => *earlier = function,
            None => functions.push(function),
        }
    }

    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<&Function> {
        self.index(name).map(|index| self.at(index))
    }

    /// All functions, in the order of their registration.
    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.table.functions.iter()
    }

    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        self.table.indices.get(name).copied()
    }

    pub(crate) fn at(&self, index: u32) -> &Function {
        &self.table.functions[index as usize]
    }
}
