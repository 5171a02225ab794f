//! [`Scope`]: what a running function can reach: the templates, and the caller's own state.

use std::any::{Any, TypeId};

use super::FunctionError;
use crate::value::{Text, Value};

/// The execution a function runs in.
pub struct Scope<'a> {
    engine: &'a mut dyn Engine,
}

/// What stands behind a [`Scope`]. Implemented by the executor, and by tests of functions.
pub trait Engine {
    /// See [`Scope::execute`].
    ///
    /// # Errors
    /// If there is no such template, or if it fails.
    fn execute(&mut self, name: &str, dot: Value) -> Result<Text, FunctionError>;

    /// See [`Scope::execute_text`].
    ///
    /// # Errors
    /// If the text cannot be parsed or fails.
    fn execute_text(&mut self, text: &Text, dot: Value) -> Result<Text, FunctionError>;

    /// The caller's state of this type.
    fn state(&mut self, wanted: TypeId) -> Option<&mut dyn Any>;

    /// The name of the template being executed by the caller's request (the outermost one).
    fn template_name(&self) -> &str;
}

impl<'a> Scope<'a> {
    /// A scope over an engine.
    pub fn new(engine: &'a mut dyn Engine) -> Self {
        Self { engine }
    }

    /// Executes a template of the set and returns its output.
    ///
    /// # Errors
    /// If there is no such template, or if it fails.
    pub fn execute(&mut self, name: &str, dot: Value) -> Result<Text, FunctionError> {
        self.engine.execute(name, dot)
    }

    /// Parses text as a template over the current set, executes it and returns its output.
    /// Templates the text defines exist only while it runs.
    ///
    /// # Errors
    /// If the text cannot be parsed or fails.
    pub fn execute_text(&mut self, text: &Text, dot: Value) -> Result<Text, FunctionError> {
        self.engine.execute_text(text, dot)
    }

    /// The caller's state of type `T`, if the execution was given one.
    pub fn state<T: Any>(&mut self) -> Option<&mut T> {
        self.engine.state(TypeId::of::<T>())?.downcast_mut()
    }

    /// The name of the outermost template of this execution.
    pub fn template_name(&self) -> &str {
        self.engine.template_name()
    }
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Scope")
            .field("template", &self.template_name())
            .finish_non_exhaustive()
    }
}
