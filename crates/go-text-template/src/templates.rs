//! [`Templates`]: a set of parsed templates that can name each other, ready to be executed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::error::Error;
use crate::function::Functions;
use crate::parse::parse;
use crate::unit::Unit;

/// A set of templates in one namespace, with the functions they may call.
///
/// `Send + Sync`: parse once, execute from many threads, each with an [`Execution`](crate::Execution)
/// of its own.
///
/// ```
/// use go_text_template::{Execution, Functions, Templates, Value};
///
/// let mut templates = Templates::new(Functions::new());
/// templates.parse("greet", r#"{{ define "name" }}{{ .first | printf "%s!" }}{{ end }}Hello {{ template "name" . }}"#)?;
/// let text = Execution::new(&templates).execute("greet", Value::map([("first", "Ada")]))?;
/// assert_eq!(text, "Hello Ada!");
/// # Ok::<(), go_text_template::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Templates {
    functions: Functions,
    pub(crate) units: Vec<Arc<Unit>>,
    names: HashMap<Arc<str>, Place>,
}

/// Where a definition is: the unit, and the definition within it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) unit: u32,
    pub(crate) definition: u32,
}

impl Templates {
    /// An empty set whose templates may call these functions and Go's own.
    pub fn new(functions: Functions) -> Self {
        Self {
            functions,
            units: Vec::new(),
            names: HashMap::new(),
        }
    }

    /// Parses a text and adds its template and all that it defines.
    ///
    /// A later definition replaces an earlier one of the same name, unless the later one is empty.
    ///
    /// # Errors
    /// If the text is not a template; then the set is unchanged.
    pub fn parse(&mut self, name: &str, text: impl Into<Arc<str>>) -> Result<(), Error> {
        let unit = parse(name, text.into(), &self.functions)?;
        let unit_index = self.units.len() as u32;
        for (index, definition) in unit.definitions.iter().enumerate() {
            let place = Place {
                unit: unit_index,
                definition: index as u32,
            };
            if !definition.is_empty || !self.names.contains_key(&definition.name) {
                self.names.insert(Arc::clone(&definition.name), place);
            }
        }
        self.units.push(Arc::new(unit));
        Ok(())
    }

    /// Whether a template of this name exists.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The names of all templates, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(AsRef::as_ref)
    }

    /// The functions templates may call, beside Go's own.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        self.names.get(name).copied()
    }
}

/// Texts parsed during executions ([`Scope::execute_text`](crate::Scope::execute_text)), kept for
/// the next ones. One cache serves one [`Templates`] set; it may be shared between threads.
#[derive(Debug, Default)]
pub struct TextCache {
    units: Mutex<HashMap<Box<str>, Arc<Unit>>>,
}

impl TextCache {
    /// Texts beyond this number are parsed every time.
    const CAPACITY: usize = 4096;

    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn parse(
        &self,
        name: &str,
        text: &str,
        functions: &Functions,
    ) -> Result<Arc<Unit>, Error> {
        let cached = self
            .units
            .lock()
            .ok()
            .and_then(|units| units.get(text).cloned());
        if let Some(unit) = cached.filter(|unit| *unit.name == *name) {
            return Ok(unit);
        }
        let unit = Arc::new(parse(name, text.into(), functions)?);
        if let Ok(mut units) = self.units.lock()
            && units.len() < Self::CAPACITY
        {
            units.insert(text.into(), Arc::clone(&unit));
        }
        Ok(unit)
    }
}
