//! `merge` and `mergeOverwrite`: merging maps into the first one, in place.
//!
//! Follows dario.cat/mergo 1.0.1 as sprig calls it: nested maps are merged, a source map that has
//! no counterpart is *shared* with the target, and lists are replaced whole.

use go_text_template::{FunctionError, Kind, Map, MapType, Purity, Type, Value};

use super::arguments::{Answer, map};
use super::defaults::is_empty;
use super::entry::Entry;
use super::record::Record;

/// Nesting beyond which a merge is refused; maps that contain themselves have no end.
const MAX_DEPTH: usize = 1_000;
/// Maps beyond which a merge is refused: what is shared counts each time it is met.
const MAX_MERGED: usize = 1_000_000;

const MAPS: &[Type] = &[Type::Map, Type::Map];

const MERGE: Entry = Entry::variadic(
    "merge",
    MAPS,
    |_, args| swallowed(merge(args, false)),
    "Merges maps into the first, which wins unless its value is empty.",
)
.purity(Purity::Mutates);

const OVERWRITE: Entry = Entry::variadic(
    "mergeOverwrite",
    MAPS,
    |_, args| swallowed(merge(args, true)),
    "Merges maps into the first; the later ones win.",
)
.purity(Purity::Mutates);

const MUST_MERGE: Entry = Entry::variadic(
    "mustMerge",
    MAPS,
    |_, args| Ok(merge(args, false)?),
    "Like merge, and fails where merge returns an empty text.",
)
.purity(Purity::Mutates);

const MUST_OVERWRITE: Entry = Entry::variadic(
    "mustMergeOverwrite",
    MAPS,
    |_, args| Ok(merge(args, true)?),
    "Like mergeOverwrite, and fails where it returns an empty text.",
)
.purity(Purity::Mutates);

/// Merge functions.
pub(super) const ENTRIES: &[Entry] = &[MERGE, OVERWRITE, MUST_MERGE, MUST_OVERWRITE];

/// Why maps were not merged.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// What mergo returns; the forms without `must` answer with an empty text.
    Returned(&'static str),
    /// A panic of Go's `reflect`, or a limit of ours: no form hides it.
    Thrown(String),
}

impl From<Refusal> for FunctionError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Returned(words) => words.into(),
            Refusal::Thrown(words) => words.into(),
        }
    }
}

fn swallowed(merged: Result<Value, Refusal>) -> Answer {
    match merged {
        Err(Refusal::Returned(_)) => Ok("".into()),
        other => Ok(other?),
    }
}

fn merge(args: &[Value], overwrite: bool) -> Result<Value, Refusal> {
    let missing = |_| Refusal::Thrown("argument 1 is not a map".to_owned());
    let mut target = map(args, 0).map_err(missing)?.clone();
    let mut left = MAX_MERGED;
    for source in args[1..].iter().filter_map(Value::as_map) {
        if target.is_nil() && !source.is_nil() {
            target = Map::with_type(MapType::ANY);
        }
        merge_into(&target, source, overwrite, MAX_DEPTH, &mut left)?;
    }
    Ok(Value::Map(target))
}

fn merge_into(
    target: &Map,
    source: &Map,
    overwrite: bool,
    depth: usize,
    left: &mut usize,
) -> Result<(), Refusal> {
    let limit = |words: &str| Refusal::Thrown(words.to_owned());
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| limit("a map nests too deeply to be merged"))?;
    *left = left
        .checked_sub(1)
        .ok_or_else(|| limit("a map holds too many others to be merged"))?;
    if target.ptr_eq(source) && !overwrite {
        return Ok(());
    }
    for (key, new) in source.entries().iter() {
        if new.is_nil() && !overwrite {
            continue;
        }
        let old = target.get_bytes(key.as_bytes());
        match (&old, new) {
            (Some(Value::Map(old)), Value::Map(new)) => {
                merge_into(old, new, overwrite, depth, left)?;
                if !old.is_empty() {
                    continue;
                }
            }
            (Some(old @ Value::Object(_)), Value::Map(_) | Value::Object(_)) => {
                enterable(old, new, overwrite)?;
            }
            (old, Value::List(_) | Value::Bytes(_)) => assignable_list(target, old.as_ref(), new)?,
            _ => {}
        }
        if overwrite || old.as_ref().is_none_or(is_empty) {
            let held = match source.map_type().element() {
                Type::Any => Type::Any.name(),
                _ => new.go_type(),
            };
            assignable(target, held)?;
            target.insert(key, new.clone());
        }
    }
    Ok(())
}

/// mergo goes into a pointer's struct or a struct's fields with whatever map, struct or pointer is
/// merged into it, before it knows whether the old value stays. What two structs do to each other is
/// left out.
fn enterable(old: &Value, new: &Value, overwrite: bool) -> Result<(), Refusal> {
    let fields = old.downcast::<Record>().is_some();
    match (old.kind(), new.kind()) {
        (Kind::Pointer, Kind::Map | Kind::Struct) if !overwrite => {
            Err(Refusal::Returned("src and dst must be of same type"))
        }
        (Kind::Struct, Kind::Map) if fields => Err(Refusal::Thrown(
            "reflect: call of reflect.Value.Field on map Value".to_owned(),
        )),
        (Kind::Struct, Kind::Pointer) if fields => Err(Refusal::Thrown(
            "reflect: call of reflect.Value.Field on ptr Value".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Refuses a value of this type for a map whose values are strings, such as `split` returns.
fn assignable(target: &Map, held: &str) -> Result<(), Refusal> {
    let wanted = target.map_type().element();
    if wanted == Type::Any || wanted.name() == held {
        return Ok(());
    }
    Err(Refusal::Thrown(format!(
        "reflect.Value.SetMapIndex: value of type {held} is not assignable to type {}",
        wanted.name()
    )))
}

/// mergo sets a list before it knows whether the old value stays.
fn assignable_list(target: &Map, old: Option<&Value>, new: &Value) -> Result<(), Refusal> {
    match (target.map_type().element(), old) {
        (Type::String, Some(_)) => Err(Refusal::Thrown(
            "reflect: call of reflect.Value.IsNil on string Value".to_owned(),
        )),
        _ => assignable(target, new.go_type()),
    }
}

#[cfg(test)]
mod tests {
    use super::merge;
    use go_text_template::{Map, Value};

    #[test]
    fn a_map_that_contains_itself_is_refused() {
        let (left, right) = (Map::new(), Map::new());
        left.insert("self", left.clone());
        right.insert("self", right.clone());
        assert!(merge(&[Value::Map(left.clone()), Value::Map(right.clone())], true).is_err());
        // Taking the cycles apart lets both be freed.
        left.remove("self");
        right.remove("self");
    }
}
