//! [`Execution`]: running templates. Control flow, output, budgets, and the state functions reach.
//!
//! One execution runs any number of templates of one set, one after the other, over values that
//! they share. It is single-threaded; the set is not touched.

mod builtin;
mod call;
mod compare;
mod escape;
mod field;
mod limits;
mod loaded;
mod observer;
mod output;
mod pipeline;
mod range;
mod reach;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

pub use limits::Limits;
pub use observer::{Observer, Place};

use self::loaded::Loaded;
use crate::error::{Error, ErrorKind, Frame, Source};
use crate::fmt;
use crate::function::{Engine, FunctionError, Purity};
use crate::node::{At, Branch, CallAt, Node, Places, Slot};
use crate::templates::{Templates, TextCache};
use crate::unit::{Definition, Tables};
use crate::value::{Text, Value};

/// A run of templates over shared values.
///
/// Functions reach the caller's own state by its type:
///
/// ```
/// use go_text_template::{Execution, Function, Functions, Templates, Value};
///
/// struct Counter(i64);
/// const NEXT: Function = Function::new("next", &[], |scope, _| {
///     let counter = scope.state::<Counter>().ok_or("no counter")?;
///     counter.0 += 1;
///     Ok(counter.0.into())
/// });
///
/// let mut templates = Templates::new(Functions::new().with(&[NEXT]));
/// templates.parse("t", "{{ next }}{{ next }}")?;
/// let mut execution = Execution::new(&templates).with_state(Counter(0));
/// assert_eq!(execution.execute("t", Value::Nil)?, "12");
/// assert_eq!(execution.state::<Counter>().map(|counter| counter.0), Some(2));
/// # Ok::<(), go_text_template::Error>(())
/// ```
pub struct Execution<'s, O = ()> {
    templates: &'s Templates,
    cache: Option<&'s TextCache>,
    limits: Limits,
    text_name: &'s str,
    /// The set's units, as far as they were needed.
    loaded: Vec<Option<Rc<Loaded>>>,
    texts: HashMap<Text, Rc<Loaded>>,
    overlay: Option<Rc<Overlay>>,
    states: Vec<Box<dyn Any>>,
    impurities: [u64; 6],
    outermost: String,
    out: output::Output,
    variables: Vec<Operand>,
    steps: u64,
    written: u64,
    depth: u32,
    observer: O,
}

/// The definitions of a text that is being executed, in front of those around it.
struct Overlay {
    loaded: Rc<Loaded>,
    parent: Option<Rc<Overlay>>,
}

/// A value, and whether Go would hold it as an `interface {}`: that decides how nil behaves and
/// which type an error names.
#[derive(Clone, Default)]
struct Operand {
    value: Value,
    interface: bool,
}

impl Operand {
    fn concrete(value: Value) -> Self {
        Self {
            value,
            interface: false,
        }
    }

    /// What a function declared to return `interface {}` returned.
    fn returned(value: Value) -> Self {
        Self {
            interface: value.is_nil(),
            value,
        }
    }

    /// The static type Go would name.
    fn type_name(&self) -> &str {
        if self.interface {
            "interface {}"
        } else {
            self.value.go_type()
        }
    }
}

/// One running template.
struct Running<'p> {
    loaded: &'p Loaded,
    definition: &'p Definition,
    /// Where its variables start.
    base: usize,
    /// The node that an error points at.
    at: At<'p>,
}

/// What a node asks of the nodes around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// What an action prints for nil.
const NO_VALUE: &str = "<no value>";

/// A template call's hint holds the unit above, and the definition in these bits.
const HINT_BITS: u32 = 12;
const HINT_MASK: u32 = (1 << HINT_BITS) - 1;

impl<'s> Execution<'s> {
    /// An execution with default limits and without state.
    pub fn new(templates: &'s Templates) -> Self {
        Self {
            templates,
            cache: None,
            limits: Limits::default(),
            text_name: "text",
            loaded: vec![None; templates.units.len()],
            texts: HashMap::new(),
            overlay: None,
            states: Vec::new(),
            impurities: [0; 6],
            outermost: String::new(),
            out: output::Output::default(),
            variables: Vec::new(),
            steps: 0,
            written: 0,
            depth: 0,
            observer: (),
        }
    }
}

impl<'s, O: Observer> Execution<'s, O> {
    /// The same execution with someone who listens to it.
    #[must_use]
    pub fn with_observer<P: Observer>(self, observer: P) -> Execution<'s, P> {
        Execution {
            templates: self.templates,
            cache: self.cache,
            limits: self.limits,
            text_name: self.text_name,
            loaded: self.loaded,
            texts: self.texts,
            overlay: self.overlay,
            states: self.states,
            impurities: self.impurities,
            outermost: self.outermost,
            out: self.out,
            variables: self.variables,
            steps: self.steps,
            written: self.written,
            depth: self.depth,
            observer,
        }
    }

    /// Who listens.
    pub fn observer(&mut self) -> &mut O {
        &mut self.observer
    }

    /// Who listened.
    pub fn into_observer(self) -> O {
        self.observer
    }

    /// The same execution with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same execution with a cache for the texts that functions execute, which are parsed
    /// under `name`.
    #[must_use]
    pub fn with_text_cache(self, name: &'s str, cache: &'s TextCache) -> Self {
        Self {
            cache: Some(cache),
            text_name: name,
            ..self
        }
    }

    /// The same execution with one more state; functions find it by its type.
    #[must_use]
    pub fn with_state(mut self, state: impl Any) -> Self {
        self.states.push(Box::new(state));
        self
    }

    /// The state of this type.
    pub fn state<T: Any>(&mut self) -> Option<&mut T> {
        self.states
            .iter_mut()
            .find_map(|state| state.downcast_mut())
    }

    /// How many functions of this purity were called so far.
    pub fn calls(&self, purity: Purity) -> u64 {
        self.impurities[purity as usize]
    }

    /// Executes a template with `dot` as its data and returns the output.
    ///
    /// # Errors
    /// If there is no such template, or if it fails; its output is lost, changes it made to shared
    /// values stay.
    pub fn execute(&mut self, name: &str, dot: Value) -> Result<Text, Error> {
        self.execute_bytes(name, dot).map(Text::from)
    }

    /// Executes a template as [`Execution::execute`] does. The output is shown where it was
    /// written: nothing is copied, and the next execution overwrites it.
    ///
    /// # Errors
    /// See [`Execution::execute`].
    pub fn execute_bytes(&mut self, name: &str, dot: Value) -> Result<&[u8], Error> {
        name.clone_into(&mut self.outermost);
        self.variables.clear();
        self.out.clear();
        self.overlay = None;
        (self.depth, self.written) = (0, 0);
        let Some((loaded, index)) = self.find(name) else {
            return Err(missing(name, name));
        };
        if O::ACTIVE {
            self.observer.open();
        }
        let result = self.run(&loaded, index, &Operand::concrete(dot));
        if O::ACTIVE {
            self.observer
                .close(&String::from_utf8_lossy(self.out.as_bytes()));
        }
        result.map(|()| self.out.as_bytes())
    }

    /// Runs a template and takes its output off the buffer.
    fn output_of(&mut self, name: &str, dot: &Operand) -> Result<Text, Error> {
        let Some((loaded, index)) = self.find(name) else {
            let from = if self.overlay.is_some() || self.depth > 0 {
                self.text_name
            } else {
                name
            };
            return Err(missing(name, from));
        };
        self.take_output(|execution| execution.run(&loaded, index, dot))
    }

    fn take_output(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Text, Error> {
        let start = self.out.len();
        if O::ACTIVE {
            self.observer.open();
        }
        let result = run(self);
        self.written += (self.out.len() - start) as u64;
        let text = self.out.take_from(start);
        if O::ACTIVE {
            self.observer.close(&text.to_str());
        }
        result.map(|()| text)
    }

    fn find(&mut self, name: &str) -> Option<(Rc<Loaded>, usize)> {
        let mut overlay = self.overlay.as_deref();
        while let Some(layer) = overlay {
            if let Some(index) = layer.loaded.unit.find(name) {
                return Some((Rc::clone(&layer.loaded), index));
            }
            overlay = layer.parent.as_deref();
        }
        let place = self.templates.place(name)?;
        let slot = &mut self.loaded[place.unit as usize];
        let loaded = slot.get_or_insert_with(|| {
            Loaded::new(Arc::clone(&self.templates.units[place.unit as usize]))
        });
        Some((Rc::clone(loaded), place.definition as usize))
    }

    fn run(&mut self, loaded: &Loaded, index: usize, dot: &Operand) -> Result<(), Error> {
        let Some(definition) = loaded.unit.definition(index) else {
            return Ok(());
        };
        let base = self.variables.len();
        self.variables
            .resize(base + definition.slots as usize, Operand::default());
        self.variables[base] = dot.clone();
        if O::ACTIVE {
            self.observer.enter(base);
        }
        let mut running = Running {
            loaded,
            definition,
            base,
            at: At::Start,
        };
        if self.depth >= self.limits.depth {
            let message = format!("exceeded maximum template depth ({})", self.limits.depth);
            return Err(running.error(ErrorKind::Limit, message));
        }
        self.depth += 1;
        let flow = crate::stack::grow(|| self.walk(&mut running, dot, definition.body));
        let flow = flow.map_err(|error| self.with_reach(error, &running, dot));
        self.depth -= 1;
        self.variables.truncate(base);
        flow.map(|_| ())
    }

    fn walk(
        &mut self,
        running: &mut Running<'_>,
        dot: &Operand,
        nodes: Places,
    ) -> Result<Flow, Error> {
        let tables = running.tables();
        for node in tables.nodes(nodes) {
            self.spend(running)?;
            let flow = match *node {
                Node::Text { span, .. } => {
                    let text = span.of(running.source());
                    self.out.push_str(text);
                    if O::ACTIVE {
                        self.observer.text(running.place(span.start), text);
                    }
                    Flow::Next
                }
                Node::Action(pipe) => {
                    let pipe = tables.pipe(pipe);
                    self.begin(running, pipe.at);
                    let value = self.pipeline(running, dot, pipe)?;
                    let start = self.out.len();
                    if pipe.targets.is_empty() {
                        self.print(running, &value)?;
                    }
                    if O::ACTIVE {
                        let written = self.out.lossy_from(start);
                        let printed = pipe.targets.is_empty().then_some(&*written);
                        self.observer.end(printed);
                    }
                    Flow::Next
                }
                Node::If(branch) => {
                    let branch = tables.branch(branch);
                    let pipe = tables.pipe(branch.pipe);
                    self.begin(running, pipe.at);
                    let value = self.pipeline(running, dot, pipe)?;
                    self.end();
                    self.branch(running, dot, dot, value.truth(), branch)?
                }
                Node::With(branch) => {
                    let branch = tables.branch(branch);
                    let pipe = tables.pipe(branch.pipe);
                    self.begin(running, pipe.at);
                    let value = self.pipeline(running, dot, pipe)?;
                    self.end();
                    let truth = value.truth();
                    self.begin_body();
                    let flow =
                        self.branch(running, &Operand::concrete(value), dot, truth, branch)?;
                    self.end_body();
                    flow
                }
                Node::Range(branch) => {
                    let branch = tables.branch(branch);
                    let pipe = tables.pipe(branch.pipe);
                    self.begin(running, pipe.at);
                    let value = self.pipeline(running, dot, pipe)?;
                    self.end();
                    self.begin_body();
                    let flow = self.range(running, dot, value, branch)?;
                    self.end_body();
                    flow
                }
                Node::Template(call) => {
                    self.template(running, dot, call)?;
                    Flow::Next
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn branch<'p>(
        &mut self,
        running: &mut Running<'p>,
        inner: &Operand,
        outer: &Operand,
        truth: bool,
        branch: &'p Branch,
    ) -> Result<Flow, Error> {
        let (dot, nodes) = match (truth, branch.otherwise) {
            (true, _) => (inner, branch.body),
            (false, Some(nodes)) => (outer, nodes),
            (false, None) => return Ok(Flow::Next),
        };
        let flow = crate::stack::grow(|| self.walk(running, dot, nodes));
        flow.map_err(|error| self.with_reach(error, running, dot))
    }

    fn print(&mut self, running: &Running<'_>, value: &Value) -> Result<(), Error> {
        match value {
            Value::Nil => self.out.push_str(NO_VALUE),
            Value::String(text) => self.out.push(text),
            Value::Object(object) => {
                let addressed = object.print_addressed().map(Text::from);
                let pointee = || object.pointee().map(|value| fmt::sprint_value(&value));
                let text = addressed.or_else(pointee);
                self.out
                    .push(&text.unwrap_or_else(|| fmt::sprint_value(value)));
            }
            other => self.out.push(&fmt::sprint_value(other)),
        }
        if self.out.len() as u64 + self.written > self.limits.output {
            let message = format!("the output exceeds {} bytes", self.limits.output);
            return Err(running.error(ErrorKind::Limit, message));
        }
        Ok(())
    }

    fn spend(&mut self, running: &Running<'_>) -> Result<(), Error> {
        self.steps += 1;
        if self.steps <= self.limits.steps && self.out.len() as u64 <= self.limits.output {
            return Ok(());
        }
        let message = if self.steps > self.limits.steps {
            format!("the execution exceeds {} steps", self.limits.steps)
        } else {
            format!("the output exceeds {} bytes", self.limits.output)
        };
        Err(running.error(ErrorKind::Limit, message))
    }

    fn set(&mut self, running: &Running<'_>, slot: Option<Slot>, operand: Operand) {
        let Some(slot) = slot else {
            return;
        };
        let index = running.base + slot.index();
        if let Some(variable) = self.variables.get_mut(index) {
            *variable = operand;
        }
        if O::ACTIVE {
            self.observer.assign(index);
        }
    }

    fn template(
        &mut self,
        running: &mut Running<'_>,
        dot: &Operand,
        at: CallAt,
    ) -> Result<(), Error> {
        let tables = running.tables();
        let call = tables.call(at);
        running.at = At::Template(call);
        self.begin(running, call.at);
        let Some((loaded, index)) = self.resolve(running.loaded, at) else {
            let name = fmt::quote(call.name.as_bytes());
            return Err(running.refuse(format!("template {name} not defined")));
        };
        let dot = match call.pipe {
            Some(pipe) => self.pipeline(running, dot, tables.pipe(pipe))?,
            None => Value::Nil,
        };
        self.run(&loaded, index, &Operand::concrete(dot))?;
        self.end();
        Ok(())
    }

    fn begin(&mut self, running: &Running<'_>, offset: u32) {
        if O::ACTIVE {
            self.observer.begin(running.place(offset));
        }
    }

    fn end(&mut self) {
        if O::ACTIVE {
            self.observer.end(None);
        }
    }

    fn begin_body(&mut self) {
        if O::ACTIVE {
            self.observer.begin_body();
        }
    }

    fn end_body(&mut self) {
        if O::ACTIVE {
            self.observer.end_body();
        }
    }

    /// Like [`Execution::find`], skipping the search by name where a former one left its answer.
    fn resolve(&mut self, from: &Loaded, at: CallAt) -> Option<(Rc<Loaded>, usize)> {
        let tables = &from.unit.tables;
        let call = tables.call(at);
        if self.overlay.is_some() {
            return self.find(&call.name);
        }
        let hint = from.called(at);
        if let Some(Some(loaded)) = self.loaded.get((hint.get() >> HINT_BITS) as usize) {
            return Some((Rc::clone(loaded), (hint.get() & HINT_MASK) as usize));
        }
        let place = self.templates.place(&call.name)?;
        if place.definition <= HINT_MASK && place.unit < u32::MAX >> HINT_BITS {
            hint.set(place.unit << HINT_BITS | place.definition);
        }
        self.find(&call.name)
    }

    /// Parses a text as a layer over the current one.
    fn layer(&mut self, text: &Text) -> Result<Rc<Overlay>, Error> {
        let loaded = if let Some(loaded) = self.texts.get(text) {
            Rc::clone(loaded)
        } else {
            let functions = self.templates.functions();
            let source = text.to_str();
            let unit = match self.cache {
                Some(cache) => cache.parse(self.text_name, &source, functions)?,
                None => Arc::new(crate::parse::parse(
                    self.text_name,
                    source.into(),
                    functions,
                )?),
            };
            let loaded = Loaded::new(unit);
            self.texts.insert(text.clone(), Rc::clone(&loaded));
            loaded
        };
        Ok(Rc::new(Overlay {
            loaded,
            parent: self.overlay.clone(),
        }))
    }
}

impl<O: Observer> Engine for Execution<'_, O> {
    fn execute(&mut self, name: &str, dot: Value) -> Result<Text, FunctionError> {
        Ok(self.output_of(name, &Operand::concrete(dot))?)
    }

    fn execute_text(&mut self, text: &Text, dot: Value) -> Result<Text, FunctionError> {
        let layer = self.layer(text)?;
        let outer = self.overlay.replace(Rc::clone(&layer));
        let index = layer.loaded.unit.definitions.len() - 1;
        let output = self
            .take_output(|execution| execution.run(&layer.loaded, index, &Operand::concrete(dot)));
        self.overlay = outer;
        Ok(output?)
    }

    fn state(&mut self, wanted: TypeId) -> Option<&mut dyn Any> {
        self.states
            .iter_mut()
            .map(|state| &mut **state)
            .find(|state| (**state).type_id() == wanted)
    }

    fn template_name(&self) -> &str {
        &self.outermost
    }
}

impl<'p> Running<'p> {
    /// The nodes of its unit.
    fn tables(&self) -> &'p Tables {
        &self.loaded.unit.tables
    }

    /// The text of its unit.
    fn source(&self) -> &'p str {
        &self.loaded.unit.text
    }

    /// A node as Go shows it.
    fn text_of(&self, at: At<'_>) -> String {
        at.text(self.source(), self.tables())
    }

    fn place(&self, offset: u32) -> Place<'_> {
        Place {
            file: &self.loaded.unit.name,
            source: &self.loaded.unit.text,
            offset: offset as usize,
        }
    }

    /// The place of the current node, with a message.
    fn frame(&self, message: String) -> Frame {
        let source = &*self.loaded.unit.text;
        let before = &source[..(self.at.offset() as usize).min(source.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Frame {
            file: self.loaded.unit.name.to_string(),
            line: before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1,
            column: Some((before.len() - line_start) as u32),
            executing: Some(self.definition.name.to_string()),
            node: self.text_of(self.at),
            message,
            reach: None,
            text: Source(Some(Arc::clone(&self.loaded.unit.text))),
        }
    }

    fn error(&self, kind: ErrorKind, message: String) -> Error {
        Error::new(kind, self.frame(message))
    }

    fn refuse(&self, message: impl Into<String>) -> Error {
        self.error(ErrorKind::Execute, message.into())
    }
}

fn missing(name: &str, from: &str) -> Error {
    let (name, from) = (fmt::quote(name.as_bytes()), fmt::quote(from.as_bytes()));
    let message = format!("template: no template {name} associated with template {from}");
    Error::new(
        ErrorKind::Missing,
        Frame {
            message,
            ..Frame::default()
        },
    )
}

impl<O> std::fmt::Debug for Execution<'_, O> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Execution")
            .field("limits", &self.limits)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
