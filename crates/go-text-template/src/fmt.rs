//! Go's `fmt`: how values become text. `%v`, every other verb, flags, and Go's complaints.
//!
//! Owns formatting alone; which function prints what is decided by the executor and by the users
//! of this crate. Source of the behaviour: the documentation of Go's `fmt` and `strconv`, Go 1.26.

mod float;
mod number;
mod printer;
mod quote;
mod sprintf;

pub use float::{format_float, shortest};
pub(crate) use quote::is_printable;
pub use quote::quote;

use crate::value::{Text, Value};
use printer::Printer;

/// Go's `fmt.Sprint`: the arguments in `%v`, a space between two that are not strings.
pub fn sprint(arguments: &[Value]) -> Text {
    if let [argument] = arguments {
        return sprint_value(argument);
    }
    let mut printer = Printer::default();
    let mut after_string = false;
    for (index, argument) in arguments.iter().enumerate() {
        let string = matches!(argument, Value::String(_));
        if index > 0 && !string && !after_string {
            printer.out.push(b' ');
        }
        printer.print(argument, 'v');
        after_string = string;
    }
    printer.out.into()
}

/// Go's `fmt.Sprintln`: the arguments in `%v`, separated by spaces, with a newline at the end.
pub fn sprintln(arguments: &[Value]) -> Text {
    let mut printer = Printer::default();
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            printer.out.push(b' ');
        }
        printer.print(argument, 'v');
    }
    printer.out.push(b'\n');
    printer.out.into()
}

/// Go's `fmt.Sprintf`. Mistakes in the format show in the text, as in Go: `%!d(string=a)`.
///
/// ```
/// use go_text_template::{Value, fmt};
///
/// let text = fmt::sprintf(b"%05.1f|%-4s|%q|%d", &[2.25.into(), "ab".into(), "x".into(), "y".into()]);
/// assert_eq!(text, "002.2|ab  |\"x\"|%!d(string=y)");
/// ```
pub fn sprintf(format: &[u8], arguments: &[Value]) -> Text {
    sprintf::sprintf(format, arguments).into()
}

/// The `%v` text of one value; a string is returned as it is, without a copy.
pub fn sprint_value(value: &Value) -> Text {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "true".into(),
        Value::Bool(false) => "false".into(),
        other => {
            let mut out = Vec::new();
            write_value(&mut out, other);
            out.into()
        }
    }
}

/// Appends the `%v` text of one value.
pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => out.extend_from_slice(text.as_bytes()),
        Value::Int(number) | Value::Int64(number) => number::write_i64(out, *number),
        Value::Float64(number) => float::write_shortest(out, *number),
        other => {
            let mut printer = Printer {
                out: std::mem::take(out),
                ..Printer::default()
            };
            printer.print(other, 'v');
            *out = printer.out;
        }
    }
}
