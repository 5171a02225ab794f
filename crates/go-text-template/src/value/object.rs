//! [`Object`]: values that are neither scalars nor collections, such as versions, times and files.

use std::any::Any;
use std::fmt::Debug;

use super::{Kind, Value};
use crate::function::Function;

/// A Go struct, pointer or function as a template sees it.
///
/// Only [`go_type`](Object::go_type) is required: the default is an opaque struct that is true,
/// prints as `{}` and has neither fields nor methods.
pub trait Object: Any + Debug {
    /// The Go type as `%T` prints it, such as `*semver.Version`.
    fn go_type(&self) -> &str;

    /// The Go kind; by default [`Kind::Struct`], or [`Kind::Pointer`] if the type starts with `*`.
    fn kind(&self) -> Kind {
        if self.go_type().starts_with('*') {
            Kind::Pointer
        } else {
            Kind::Struct
        }
    }

    /// Whether `if` takes its branch.
    fn truth(&self) -> bool {
        true
    }

    /// The value of an exported field.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// The methods. Each takes the receiver as its first argument, which is not among its
    /// parameter types.
    fn methods(&self) -> &'static [Function] {
        &[]
    }

    /// The text of `%v`: what `String()` or `Error()` returns, or the fields.
    fn print(&self) -> String {
        "{}".to_owned()
    }

    /// The fields in order, for every verb to print one by one; by default there is only
    /// [`print`](Object::print). A stringer's are printed by verbs that do not ask for a text.
    fn printed_fields(&self) -> Option<Vec<(&str, Value)>> {
        None
    }

    /// What `GoString()` returns, which `%#v` prints, if there is such a method.
    fn print_go_syntax(&self) -> Option<String> {
        None
    }

    /// The value without its methods, such as the number a `time.Month` is: what verbs print that do
    /// not ask for a text.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// What `String()` of a pointer to this returns, if only the pointer has one: an action prints
    /// that, since it can take the address; functions get the value and print its fields.
    fn print_addressed(&self) -> Option<String> {
        None
    }

    /// What this points at, if it is a pointer without a `String()`: actions and `html` and its like print
    /// that.
    fn pointee(&self) -> Option<Value> {
        None
    }

    /// What functions get instead, if they get a copy that lacks the methods of a pointer to this.
    fn copied(&self) -> Option<Value> {
        None
    }

    /// Whether Go's `==` can compare two of this type; a struct that holds a slice or map cannot be.
    fn is_comparable(&self) -> bool {
        true
    }

    /// Whether [`print`](Object::print) is Go's `String()` or `Error()`, so that `%s` and `%q` use
    /// it as well.
    fn is_stringer(&self) -> bool {
        false
    }

    /// What `len` answers, if anything.
    fn length(&self) -> Option<usize> {
        None
    }

    /// `reflect.DeepEqual` against another object; by default, only the same object is equal.
    fn deep_equal(&self, _other: &dyn Object) -> bool {
        false
    }

    /// The function to run for `call`, if this is a function value.
    fn as_function(&self) -> Option<&Function> {
        None
    }
}
