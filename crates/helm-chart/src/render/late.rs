//! The functions that reach the engine: `include`, `tpl`, `required`, `fail`, `lookup`,
//! `getHostByName`.
//!
//! Source: Helm's `pkg/engine/engine.go` and `lookup_func.go`.

use std::borrow::Cow;
use std::sync::LazyLock;

use go_text_template::{
    ErrorKind, Function, FunctionError, Functions, Purity, Scope, Text, Type, Value, fmt,
};
use serde_json::Value as Json;

use super::context::from_json;
use super::lookup::{Answers, Query};
use crate::Profile;
use crate::functions::{helm3, helm4};

/// A template may be included in itself this many times.
const MAX_NESTING: u32 = 1000;

/// What an action prints for nil; Helm removes it from every output.
const NO_VALUE: &str = "<no value>";

/// All that the templates of a chart may call: the library, and what is here. The tables are made once.
pub(super) fn functions(profile: Profile) -> Functions {
    static HELM4: LazyLock<Functions> = LazyLock::new(|| helm4().with(FUNCTIONS));
    static HELM3: LazyLock<Functions> = LazyLock::new(|| helm3().with(FUNCTIONS));
    match profile {
        Profile::Helm4 => HELM4.clone(),
        Profile::Helm3 => HELM3.clone(),
    }
}

const FUNCTIONS: &[Function] = &[
    Function::new("include", &[Type::String, Type::Any], include).with_purity(Purity::Runs),
    Function::new("tpl", &[Type::String, Type::Any], tpl).with_purity(Purity::Runs),
    Function::new("required", &[Type::String, Type::Any], required),
    Function::new("fail", &[Type::String], fail),
    Function::new(
        "lookup",
        &[Type::String, Type::String, Type::String, Type::String],
        lookup,
    )
    .with_purity(Purity::World),
    Function::new("getHostByName", &[Type::String], host).with_purity(Purity::World),
];

/// What the functions keep during a render.
pub(super) struct LateState {
    pub(super) answers: Answers,
    /// Names being included, with the depth of each.
    pub(super) including: Vec<(Text, u32)>,
}

/// The name under which `tpl` texts are parsed.
pub(super) const TEXT_NAME: &str = "gotpl";

/// Removes every `<no value>`.
fn without_no_value(text: Text) -> Text {
    match text.as_str() {
        Some(valid) if valid.contains(NO_VALUE) => valid.replace(NO_VALUE, "").into(),
        Some(_) => text,
        None => {
            let lossless = text.as_bytes();
            let mut out = Vec::with_capacity(lossless.len());
            let mut rest = lossless;
            while let Some(found) = rest
                .windows(NO_VALUE.len())
                .position(|window| window == NO_VALUE.as_bytes())
            {
                out.extend_from_slice(&rest[..found]);
                rest = &rest[found + NO_VALUE.len()..];
            }
            out.extend_from_slice(rest);
            out.into()
        }
    }
}

/// A file's output without `<no value>`; bytes that are not UTF-8 become U+FFFD.
pub(super) fn printed(output: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(output) {
        Ok(valid) if valid.contains(NO_VALUE) => valid.replace(NO_VALUE, "").into(),
        Ok(valid) => valid.into(),
        Err(_) => without_no_value(output.into()).to_string().into(),
    }
}

fn text(arguments: &[Value], index: usize) -> Text {
    arguments
        .get(index)
        .and_then(Value::as_text)
        .cloned()
        .unwrap_or_default()
}

fn string(arguments: &[Value], index: usize) -> String {
    text(arguments, index).to_string()
}

fn dot(arguments: &[Value]) -> Value {
    arguments.get(1).cloned().unwrap_or_default()
}

fn state<'s>(scope: &'s mut Scope<'_>) -> Result<&'s mut LateState, FunctionError> {
    scope
        .state::<LateState>()
        .ok_or_else(|| FunctionError::new("not within a render"))
}

fn include(scope: &mut Scope<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
    let name = text(arguments, 0);
    let including = &mut state(scope)?.including;
    let position = including.iter().position(|(active, _)| *active == name);
    match position.map(|index| &mut including[index].1) {
        Some(depth) if *depth > MAX_NESTING => {
            let message = format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            );
            return Err(message.into());
        }
        Some(depth) => *depth += 1,
        None => including.push((name.clone(), 1)),
    }
    let output = scope.execute(&name.to_str(), dot(arguments));
    let including = &mut state(scope)?.including;
    if let Some(index) = including.iter().rposition(|(active, _)| *active == name) {
        including[index].1 -= 1;
        if including[index].1 == 0 {
            including.swap_remove(index);
        }
    }
    output.map(Value::from)
}

fn tpl(scope: &mut Scope<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
    let text = text(arguments, 0);
    if !text.as_bytes().windows(2).any(|window| window == b"{{") {
        return Ok(without_no_value(text).into());
    }
    let output = scope
        .execute_text(&text, dot(arguments))
        .map_err(|error| match error {
            FunctionError::Template { cause, .. } => {
                let quoted = fmt::quote(text.as_bytes());
                let unparsed = cause.kind() == ErrorKind::Parse && cause.frames().len() == 1;
                let prefix = if unparsed {
                    format!("cannot parse template {quoted}: ")
                } else {
                    format!("error during tpl function execution for {quoted}: ")
                };
                FunctionError::Template { prefix, cause }
            }
            other => other,
        })?;
    Ok(without_no_value(output).into())
}

fn required(_: &mut Scope<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
    match arguments.get(1) {
        None | Some(Value::Nil) => Err(FunctionError::Required(string(arguments, 0))),
        Some(Value::String(text)) if text.is_empty() => {
            Err(FunctionError::Required(string(arguments, 0)))
        }
        Some(value) => Ok(value.clone()),
    }
}

fn fail(_: &mut Scope<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
    Err(FunctionError::Fail(string(arguments, 0)))
}

/// The answer to a query, `None` if nobody is asked.
fn answer(scope: &mut Scope<'_>, query: Query) -> Result<Option<Json>, FunctionError> {
    match &state(scope)?.answers {
        Answers::Offline => Ok(None),
        Answers::Known(known) => match known.get(&query) {
            Some(answer) => Ok(Some(answer.clone())),
            None => Err(FunctionError::Abort(Box::new(vec![query]))),
        },
        Answers::Source(source) => match source.answer(&query) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => Err(error.to_string().into()),
        },
    }
}

fn lookup(scope: &mut Scope<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
    let query = Query::Lookup {
        api_version: string(arguments, 0),
        kind: string(arguments, 1),
        namespace: string(arguments, 2),
        name: string(arguments, 3),
    };
    let answer = answer(scope, query)?;
    Ok(answer
        .as_ref()
        .filter(|answer| answer.is_object())
        .map_or_else(|| Value::map::<Text, Value>([]), from_json))
}

fn host(scope: &mut Scope<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
    let answer = answer(
        scope,
        Query::Host {
            name: string(arguments, 0),
        },
    )?;
    Ok(answer
        .as_ref()
        .and_then(Json::as_str)
        .unwrap_or_default()
        .into())
}
