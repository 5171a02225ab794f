//! `.Files`: a chart's other files as a map with methods.

use std::sync::Arc;

use go_text_template::{Function, FunctionError, Map, MapType, Text, Type, Value};

use super::glob;
use crate::chart::ChartFile;
use crate::{Profile, yaml};

const PATH: &[Type] = &[Type::String];

const HELM4: MapType = MapType::named("engine.files", Type::Bytes).with_methods(&[
    Function::new("Get", PATH, get),
    Function::new("GetBytes", PATH, get_bytes),
    Function::new("Glob", PATH, glob_files),
    Function::new("AsConfig", &[], as_config),
    Function::new("AsSecrets", &[], as_secrets),
    Function::new("Lines", PATH, lines_of_helm4),
]);

const HELM3: MapType = MapType::named("engine.files", Type::Bytes).with_methods(&[
    Function::new("Get", PATH, get),
    Function::new("GetBytes", PATH, get_bytes),
    Function::new("Glob", PATH, glob_files),
    Function::new("AsConfig", &[], as_config),
    Function::new("AsSecrets", &[], as_secrets),
    Function::new("Lines", PATH, lines_of_helm3),
]);

type Scope<'a> = go_text_template::Scope<'a>;
type Answer = Result<Value, FunctionError>;

/// The value of `.Files`.
pub(super) fn value(files: &[ChartFile], profile: Profile) -> Value {
    let entries = files
        .iter()
        .map(|file| (file.name.as_str(), Value::Bytes(file.shared_data())));
    let map: Map = entries.collect();
    Value::Map(map.retyped(match profile {
        Profile::Helm4 => HELM4,
        Profile::Helm3 => HELM3,
    }))
}

fn receiver(arguments: &[Value]) -> Result<&Map, FunctionError> {
    arguments
        .first()
        .and_then(Value::as_map)
        .ok_or_else(|| FunctionError::new("the receiver is no collection of files"))
}

fn content(arguments: &[Value]) -> Result<Option<Arc<[u8]>>, FunctionError> {
    let path = arguments
        .get(1)
        .and_then(Value::as_text)
        .cloned()
        .unwrap_or_default();
    Ok(match receiver(arguments)?.get_bytes(path.as_bytes()) {
        Some(Value::Bytes(bytes)) => Some(bytes),
        _ => None,
    })
}

fn get(_: &mut Scope<'_>, arguments: &[Value]) -> Answer {
    Ok(content(arguments)?
        .map_or_else(Text::default, |bytes| Text::from(&*bytes))
        .into())
}

fn get_bytes(_: &mut Scope<'_>, arguments: &[Value]) -> Answer {
    Ok(Value::Bytes(content(arguments)?.unwrap_or_default()))
}

fn glob_files(_: &mut Scope<'_>, arguments: &[Value]) -> Answer {
    let files = receiver(arguments)?;
    let pattern = arguments.get(1).map(Value::to_string).unwrap_or_default();
    let glob = glob::compile(&pattern);
    let entries = files.entries();
    let matching = entries
        .iter()
        .filter(|(path, _)| glob.is_match(&path.to_str()));
    let matching: Map = matching
        .map(|(path, content)| (path.clone(), content.clone()))
        .collect();
    Ok(Value::Map(matching.retyped(files.map_type())))
}

/// The files by their last path segment, as YAML.
fn as_table(arguments: &[Value], text: impl Fn(&[u8]) -> Value) -> Answer {
    let table = Map::new();
    for (path, content) in receiver(arguments)?.entries().iter() {
        if let Value::Bytes(bytes) = content {
            let path = path.to_str();
            table.insert(path.rsplit('/').next().unwrap_or(&path), text(bytes));
        }
    }
    Ok(yaml::to_string(&Value::Map(table))
        .unwrap_or_default()
        .into())
}

fn as_config(_: &mut Scope<'_>, arguments: &[Value]) -> Answer {
    as_table(arguments, |bytes| Text::from(bytes).into())
}

fn as_secrets(_: &mut Scope<'_>, arguments: &[Value]) -> Answer {
    // A `[]byte` is written as base64.
    as_table(arguments, |bytes| Value::Bytes(bytes.into()))
}

fn lines_of_helm4(_: &mut Scope<'_>, arguments: &[Value]) -> Answer {
    match content(arguments)? {
        Some(bytes) if bytes.is_empty() => Err("runtime error: index out of range [-1]".into()),
        content => Ok(lines(content.as_deref())),
    }
}

fn lines_of_helm3(_: &mut Scope<'_>, arguments: &[Value]) -> Answer {
    Ok(lines(
        content(arguments)?
            .filter(|bytes| !bytes.is_empty())
            .as_deref(),
    ))
}

fn lines(content: Option<&[u8]>) -> Value {
    let Some(content) = content else {
        return Value::strings::<&str>([]);
    };
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    Value::strings(content.split(|byte| *byte == b'\n').map(Text::from))
}
