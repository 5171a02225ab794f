//! What Go 1.26 answers: templates of ours with the output or error of `text/template`.
//!
//! Each line of `goldens/go.jsonl` is `{template, output | error}`; the template is named `t`, its
//! data and functions are the ones defined here, with option `missingkey=zero`.

use go_text_template::{
    Execution, Function, Functions, List, ListType, Map, MapType, Templates, Text, Type, Value,
};

const FUNCTIONS: &[Function] = &[
    Function::new("upper", &[Type::String], |_, arguments| {
        Ok(arguments[0].to_string().to_uppercase().into())
    }),
    Function::new("repeat", &[Type::Int, Type::String], |_, arguments| {
        let count = usize::try_from(arguments[0].as_i64().unwrap_or(-1))
            .ok()
            .filter(|count| *count <= 1000);
        let count = count.ok_or("bad count")?;
        let text = arguments[1].as_text().cloned().unwrap_or_default();
        Ok(Text::from(text.as_bytes().repeat(count)).into())
    }),
    Function::variadic("list", &[Type::Any], |_, arguments| {
        Ok(arguments.to_vec().into())
    }),
    Function::variadic("dict", &[Type::Any], |_, arguments| {
        let map = Map::new();
        for pair in arguments.chunks_exact(2) {
            map.insert(pair[0].to_string(), pair[1].clone());
        }
        Ok(map.into())
    }),
    Function::new("keyed", &[Type::Map, Type::String], |_, arguments| {
        let key = arguments[1].to_string();
        Ok(arguments[0]
            .as_map()
            .is_some_and(|map| map.contains_key(&key))
            .into())
    }),
    Function::new("nothing", &[], |_, _| Ok(Value::Nil)),
    Function::new("fails", &[Type::String], |_, arguments| {
        Err(format!("oops {}", arguments[0]).into())
    }),
    Function::new("half", &[Type::Float64], |_, arguments| {
        Ok(Value::Float64(
            arguments[0].as_f64().unwrap_or_default() / 2.0,
        ))
    }),
    Function::new("wide", &[Type::Int64], |_, arguments| {
        Ok(arguments[0].clone())
    }),
    Function::new("flag", &[Type::Bool], |_, arguments| {
        Ok((!arguments[0].truth()).into())
    }),
];

fn data() -> Value {
    let nested = Value::map([("c", "d")]);
    let strings = Map::with_type(MapType::STRING);
    strings.insert("k", "v");
    let items = vec![
        Value::Int(1),
        "a".into(),
        Value::Nil,
        true.into(),
        1.5.into(),
    ];
    Value::map([
        ("s", Value::from("text")),
        ("i", Value::Int(3)),
        ("i64", Value::Int64(4)),
        ("f", Value::Float64(2.5)),
        ("big", Value::Float64(1e6)),
        ("t", Value::Bool(true)),
        ("nil", Value::Nil),
        ("list", items.into()),
        (
            "ints",
            List::with_type(ListType::INT, vec![Value::Int(1), Value::Int(2)]).into(),
        ),
        ("strs", Value::strings(["x", "y"])),
        (
            "m",
            Value::map([("a", Value::Int(1)), ("b", nested), ("n", Value::Nil)]),
        ),
        ("ms", strings.into()),
        ("bytes", Value::Bytes([1, 2, 255].into())),
        ("u", Value::Uint64(7)),
        ("empty", Map::new().into()),
        ("e", List::new().into()),
    ])
}

fn run(template: &str) -> Result<String, String> {
    let mut templates = Templates::new(Functions::new().with(FUNCTIONS));
    templates
        .parse("t", template)
        .map_err(|error| error.to_string())?;
    let text = Execution::new(&templates)
        .execute("t", data())
        .map_err(|error| error.to_string())?;
    Ok(text.to_string())
}

#[test]
fn outputs_and_errors_are_those_of_go() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("goldens/go.jsonl").lines() {
        let golden: serde_json::Value = serde_json::from_str(line).expect("a golden line is JSON");
        let template = golden["template"].as_str().expect("a template");
        let expected = match (golden["output"].as_str(), golden["error"].as_str()) {
            (Some(output), None) => Ok(output.to_owned()),
            (None, Some(error)) => Err(error.to_owned()),
            _ => panic!("neither output nor error: {line}"),
        };
        count += 1;
        let found = run(template);
        if found != expected {
            wrong.push(format!(
                "{template:?}\n   Go: {expected:?}\n ours: {found:?}"
            ));
        }
    }
    assert!(count > 2000, "only {count} goldens");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
