//! [`Observer`]: what an execution tells while it runs, for those who ask where text comes from.
//!
//! Owns the events. Refuses to keep any of them, and to cost anything where nobody listens: an
//! execution without an observer is compiled without the calls.

use crate::function::Function;
use crate::value::Value;

/// Where in a template something is written.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The name the text was parsed under.
    pub file: &'a str,
    /// The whole text.
    pub source: &'a str,
    /// The byte within the text.
    pub offset: usize,
}

impl Place<'_> {
    /// The line, from one.
    pub fn line(&self) -> u32 {
        let before = &self.source.as_bytes()[..self.offset.min(self.source.len())];
        before.split(|byte| *byte == b'\n').count() as u32
    }
}

/// A listener to an [`Execution`](crate::Execution).
///
/// Actions, conditions, loops and template calls are *statements*: [`Observer::begin`] and
/// [`Observer::end`] enclose the evaluation of each, and nest where a function runs another
/// template. When a template fails, the ends of what was begun are missing.
///
/// ```
/// use go_text_template::{Execution, Functions, Observer, Place, Templates, Value};
///
/// #[derive(Default)]
/// struct Lines(Vec<u32>);
/// impl Observer for Lines {
///     fn begin(&mut self, place: Place<'_>) {
///         self.0.push(place.line());
///     }
/// }
///
/// let mut templates = Templates::new(Functions::new());
/// templates.parse("t", "a\n{{ print 1 }}\nb {{ print 2 }}")?;
/// let mut execution = Execution::new(&templates).with_observer(Lines::default());
/// execution.execute("t", Value::Nil)?;
/// assert_eq!(execution.into_observer().0, [2, 3]);
/// # Ok::<(), go_text_template::Error>(())
/// ```
#[expect(unused_variables, reason = "by default nothing is listened to")]
pub trait Observer {
    /// Whether anything is told at all.
    const ACTIVE: bool = true;

    /// A template begins; its variables are those from `first` on.
    fn enter(&mut self, first: usize) {}

    /// Output is collected apart, for a function that runs a template or for the caller.
    fn open(&mut self) {}

    /// What was collected apart is complete.
    fn close(&mut self, text: &str) {}

    /// Text of the template itself is written.
    fn text(&mut self, place: Place<'_>, text: &str) {}

    /// A statement begins.
    fn begin(&mut self, place: Place<'_>) {}

    /// The last statement that began has been evaluated; `written` is what an action printed.
    fn end(&mut self, written: Option<&str>) {}

    /// The body of the `with` or `range` that ended last begins: `.` is what it yielded.
    fn begin_body(&mut self) {}

    /// The body that began last is done.
    fn end_body(&mut self) {}

    /// The statement sets a variable.
    fn assign(&mut self, variable: usize) {}

    /// The statement reads a variable.
    fn variable(&mut self, variable: usize) {}

    /// The statement reads `.` or goes on from it.
    fn dot(&mut self, dot: &Value) {}

    /// The statement reads an entry of a map or a field of an object.
    fn field(&mut self, receiver: &Value, name: &str, value: &Value) {}

    /// The statement calls a function that is not one of Go's own.
    fn call(&mut self, function: &Function, arguments: &[Value], place: Place<'_>) {}

    /// The statement calls one of Go's own functions.
    fn call_builtin(&mut self, name: &str, arguments: &[&Value]) {}
}

/// Nobody listens.
impl Observer for () {
    const ACTIVE: bool = false;
}
