//! Lists: making, taking apart, searching. No function changes a list; each makes a new one.

use std::borrow::Cow;

use go_text_template::{FunctionError, List, ListType, Type, Value};

use super::arguments::{Answer, NIL_POINTER, any, int, items};
use super::casts::to_int;
use super::defaults::is_empty;
use super::entry::Entry;

const LIST: &[Type] = &[Type::Any];
const LIST_AND_ITEM: &[Type] = &[Type::Any, Type::Any];

/// `[][]interface {}`, what `chunk` makes.
const CHUNKS: ListType = ListType::named("[][]interface {}", Type::List);

const MAKE: Entry = Entry::variadic(
    "list",
    LIST,
    |_, args| Ok(Value::List(args.to_vec().into())),
    "A list of the values.",
);
const APPEND: Entry = Entry::new(
    "append",
    LIST_AND_ITEM,
    |_, args| append(args),
    "The list with a value added at the end.",
);
const PREPEND: Entry = Entry::new(
    "prepend",
    LIST_AND_ITEM,
    |_, args| prepend(args),
    "The list with a value added in front.",
);
const FIRST: Entry = Entry::new(
    "first",
    LIST,
    |_, args| {
        Ok(slice_of(any(args, 0), "find first on")?
            .first()
            .cloned()
            .unwrap_or_default())
    },
    "The first item, or nil.",
);
const LAST: Entry = Entry::new(
    "last",
    LIST,
    |_, args| {
        Ok(slice_of(any(args, 0), "find last on")?
            .last()
            .cloned()
            .unwrap_or_default())
    },
    "The last item, or nil.",
);
const REST: Entry = Entry::new(
    "rest",
    LIST,
    |_, args| {
        Ok(or_nil(
            slice_of(any(args, 0), "find rest on")?
                .split_first()
                .map(|(_, rest)| rest.to_vec()),
        ))
    },
    "All items but the first.",
);
const INITIAL: Entry = Entry::new(
    "initial",
    LIST,
    |_, args| {
        Ok(or_nil(
            slice_of(any(args, 0), "find initial on")?
                .split_last()
                .map(|(_, rest)| rest.to_vec()),
        ))
    },
    "All items but the last.",
);
const REVERSE: Entry = Entry::new(
    "reverse",
    LIST,
    |_, args| {
        Ok(slice_of(any(args, 0), "find reverse on")?
            .iter()
            .rev()
            .cloned()
            .collect::<Vec<_>>()
            .into())
    },
    "The items in reverse order.",
);
const COMPACT: Entry = Entry::new(
    "compact",
    LIST,
    |_, args| {
        let all = slice_of(any(args, 0), "compact on")?;
        Ok(all
            .iter()
            .filter(|item| !is_empty(item))
            .cloned()
            .collect::<Vec<_>>()
            .into())
    },
    "The items that are not empty.",
);
const UNIQ: Entry = Entry::new(
    "uniq",
    LIST,
    |_, args| uniq(any(args, 0)),
    "The items without repetitions.",
);
const WITHOUT: Entry = Entry::variadic(
    "without",
    LIST_AND_ITEM,
    |_, args| {
        let omitted = args.get(1..).unwrap_or_default();
        let all = slice_of(any(args, 0), "find without on")?;
        Ok(all
            .iter()
            .filter(|item| !contains(omitted, item))
            .cloned()
            .collect::<Vec<_>>()
            .into())
    },
    "The items that equal none of the values.",
);
const HAS: Entry = Entry::new(
    "has",
    LIST_AND_ITEM,
    |_, args| {
        let list = any(args, 1);
        Ok((!list.is_nil() && contains(&slice_of(list, "find has on")?, any(args, 0))).into())
    },
    "Whether an item of the list equals the value, type included.",
);
const SLICE: Entry = Entry::variadic(
    "slice",
    LIST_AND_ITEM,
    |_, args| slice(args),
    "The items from one index (0) to before another (the end).",
);
const CHUNK: Entry = Entry::new(
    "chunk",
    &[Type::Int, Type::Any],
    |_, args| chunk(int(args, 0)?, any(args, 1)),
    "The items in lists of so many.",
);

/// List functions, with their `must` twins, which fail in the same words.
pub(super) const ENTRIES: &[Entry] = &[
    MAKE,
    MAKE.named("tuple"),
    APPEND,
    APPEND.named("push"),
    APPEND.named("mustAppend"),
    APPEND.named("mustPush"),
    PREPEND,
    PREPEND.named("mustPrepend"),
    FIRST,
    FIRST.named("mustFirst"),
    LAST,
    LAST.named("mustLast"),
    REST,
    REST.named("mustRest"),
    INITIAL,
    INITIAL.named("mustInitial"),
    REVERSE,
    REVERSE.named("mustReverse"),
    COMPACT,
    COMPACT.named("mustCompact"),
    UNIQ,
    UNIQ.named("mustUniq"),
    WITHOUT,
    WITHOUT.named("mustWithout"),
    HAS,
    HAS.named("mustHas"),
    SLICE,
    SLICE.named("mustSlice"),
    CHUNK,
    CHUNK.named("mustChunk"),
    Entry::variadic(
        "concat",
        LIST,
        |_, args| concat(args),
        "The items of all lists in one.",
    ),
];

/// The items of `value`, or Go's complaint that it has none.
fn slice_of<'v>(value: &'v Value, doing: &str) -> Result<Cow<'v, [Value]>, FunctionError> {
    items(value).ok_or_else(|| match value {
        Value::Nil => NIL_POINTER.into(),
        // What Go calls the type here is the kind.
        other => FunctionError::new(format!("Cannot {doing} type {}", other.kind().name())),
    })
}

fn or_nil(items: Option<Vec<Value>>) -> Value {
    Value::List(items.map_or_else(|| List::nil(ListType::ANY), List::from))
}

fn append(args: &[Value]) -> Answer {
    let all = slice_of(any(args, 0), "push on")?;
    let mut longer = Vec::with_capacity(all.len() + 1);
    longer.extend_from_slice(&all);
    longer.push(any(args, 1).clone());
    Ok(longer.into())
}

fn prepend(args: &[Value]) -> Answer {
    let all = slice_of(any(args, 0), "prepend on")?;
    let mut longer = Vec::with_capacity(all.len() + 1);
    longer.push(any(args, 1).clone());
    longer.extend_from_slice(&all);
    Ok(longer.into())
}

fn contains(items: &[Value], wanted: &Value) -> bool {
    items.iter().any(|item| wanted.deep_equal(item))
}

fn uniq(list: &Value) -> Answer {
    let mut seen: Vec<Value> = Vec::new();
    for item in slice_of(list, "find uniq on")?.iter() {
        if !contains(&seen, item) {
            seen.push(item.clone());
        }
    }
    Ok(seen.into())
}

fn slice(args: &[Value]) -> Answer {
    let list = any(args, 0);
    let all = items(list).ok_or_else(|| match list {
        Value::Nil => NIL_POINTER.into(),
        other => FunctionError::new(format!(
            "list should be type of slice or array but {}",
            other.kind().name()
        )),
    })?;
    if all.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int);
    let end = args.get(2).map_or(all.len() as i64, to_int);
    if start < 0 || end < start || end > all.len() as i64 {
        return Err("reflect.Value.Slice: slice index out of bounds".into());
    }
    let (start, end) = (start as usize, end as usize);
    Ok(match list {
        Value::Bytes(bytes) => Value::Bytes(bytes[start..end].into()),
        Value::List(typed) => {
            Value::List(List::with_type(typed.list_type(), all[start..end].to_vec()))
        }
        _ => all[start..end].to_vec().into(),
    })
}

fn chunk(size: i64, list: &Value) -> Answer {
    let all = items(list).ok_or_else(|| match list {
        Value::Nil => NIL_POINTER.into(),
        other => FunctionError::new(format!("Cannot chunk type {}", other.kind().name())),
    })?;
    let impossible = || FunctionError::new("runtime error: makeslice: len out of range");
    let count = ((all.len() as f64 - 1.0) / size as f64).floor() + 1.0;
    if !count.is_finite() || count < 0.0 {
        return Err(impossible());
    }
    if count == 0.0 {
        return Ok(Value::List(List::with_type(CHUNKS, Vec::new())));
    }
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size > 0)
        .ok_or_else(impossible)?;
    let chunks = all
        .chunks(size)
        .map(|items| items.to_vec().into())
        .collect();
    Ok(Value::List(List::with_type(CHUNKS, chunks)))
}

fn concat(lists: &[Value]) -> Answer {
    let mut all = Vec::new();
    for list in lists {
        let more = items(list).ok_or_else(|| match list {
            Value::Nil => NIL_POINTER.into(),
            other => FunctionError::new(format!(
                "Cannot concat type {} as list",
                other.kind().name()
            )),
        })?;
        all.extend_from_slice(&more);
    }
    Ok(or_nil(Some(all).filter(|all| !all.is_empty())))
}
