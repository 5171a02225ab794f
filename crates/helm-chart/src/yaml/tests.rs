//! What the reader and the writer do with small texts.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    parse, parse_documents, parse_exact, parse_spanned, parse_table, to_string, to_string_pretty,
};

fn exact(yaml: &str, wanted: &Value) {
    assert_eq!(&parse_exact(yaml).unwrap(), wanted, "{yaml}");
}

fn refused(yaml: &str, error: &str) {
    assert_eq!(parse(yaml).unwrap_err().to_string(), error, "{yaml}");
}

#[test]
fn scalars_resolve_as_in_yaml_1_1() {
    exact(
        "[yes, No, ON, off, y, N, true, null, ~, '']",
        &json!([true, false, true, false, true, false, true, null, null, ""]),
    );
    exact(
        "[0777, 0o17, 0x1F, 0b101, 1_000, +12, -3, 08]",
        &json!([511, 15, 31, 5, 1000, 12, -3, 8.0]),
    );
    exact(
        "[.5, 1e3, 1.5, 1:30, 2001-12-14, 1.2.3, 1e400]",
        &json!([0.5, 1000.0, 1.5, "1:30", "2001-12-14", "1.2.3", "1e400"]),
    );
    exact(
        "[18446744073709551615, -9223372036854775808]",
        &json!([u64::MAX, i64::MIN]),
    );
    exact("!!str 12", &json!("12"));
    exact("!!binary aGk=", &json!("hi"));
    exact("!!float 1", &json!(1.0));
}

#[test]
fn keys_become_strings() {
    exact(
        "y: 1\nno: 2\n1: 3\n1.5: 4\n2020-01-01: 5",
        &json!({"true": 1, "false": 2, "1": 3, "1.5": 4, "2020-01-01": 5}),
    );
    refused(
        "~: x",
        "error converting YAML to JSON: unsupported map key of type: %!s(<nil>), key: <nil>, value: \"x\"",
    );
}

#[test]
fn collections_nest_in_every_notation() {
    exact(
        "a:\n- 1\n- b: 2\n  c: 3\n-\n  - x\nd: {e: [f, g: h], \"i\": }\n",
        &json!({
            "a": [1, {"b": 2, "c": 3}, ["x"]], "d": {"e": ["f", {"g": "h"}], "i": null}
        }),
    );
    exact("? a\n: - b\n? c\n", &json!({"a": ["b"], "c": null}));
    exact("a: 1\na: 2", &json!({"a": 2}));
    exact(
        "a: &x {b: 1}\nc: {<<: *x, d: 2}\ne: *x",
        &json!({"a": {"b": 1}, "c": {"b": 1, "d": 2}, "e": {"b": 1}}),
    );
}

#[test]
fn block_scalars_fold_and_chomp() {
    exact(
        "a: |\n  x\n   y\n\n  z\n\nb: |-\n  x\nc: |+\n  x\n\nd: >\n  a\n  b\n\n  c\n",
        &json!({
            "a": "x\n y\n\nz\n", "b": "x", "c": "x\n\n", "d": "a b\nc\n"
        }),
    );
    exact("a: |\n  x", &json!({"a": "x"}));
    exact(
        "a: \"x\\\n  y\\tz\\u00e9\"\nb: 'it''s'\nc: plain\n  folded\n\n  text",
        &json!({
            "a": "xy\tz\u{e9}", "b": "it's", "c": "plain folded\ntext"
        }),
    );
}

#[test]
fn errors_speak_go() {
    let prefix = "error converting YAML to JSON: yaml: ";
    for (yaml, error) in [
        ("a: [1,\n b", "line 2: did not find expected ',' or ']'"),
        ("\ta: 1", "found character that cannot start any token"),
        ("a: b: c", "mapping values are not allowed in this context"),
        (
            "a: 1\n b: 2\n",
            "line 2: mapping values are not allowed in this context",
        ),
        ("a: 1\nb", "line 3: could not find expected ':'"),
        ("a: \"x", "found unexpected end of stream"),
        ("a: *x", "unknown anchor 'x' referenced"),
        ("a: \x07", "control characters are not allowed"),
        ("a: &x [*x]", "anchor 'x' value contains itself"),
        ("a: !!int x", "cannot decode !!str `x` as a !!int"),
    ] {
        refused(yaml, &format!("{prefix}{error}"));
    }
    refused(
        "a: .inf",
        "error converting YAML to JSON: json: unsupported value: +Inf",
    );
    assert_eq!(
        parse_table("x").unwrap_err().to_string(),
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type map[string]interface {}"
    );
}

#[test]
fn documents_split_at_markers() {
    assert_eq!(
        parse_documents("a: 1\n---\n---\nb: 2\n...\n")
            .unwrap()
            .len(),
        3
    );
    assert_eq!(parse_documents("").unwrap().len(), 0);
    assert_eq!(parse("# nothing\n").unwrap(), Value::Null);
}

#[test]
fn hostile_documents_are_refused() {
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&"- ".repeat(100_000)).is_err());
    assert!(parse(&"a:\n".repeat(3)).is_ok());
    let levels = (1..9).map(|level| {
        let alias = format!("*a{},", level - 1).repeat(10);
        format!("a{level}: &a{level} [{alias}]\n")
    });
    let bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned() + &levels.collect::<String>();
    refused(
        &bomb,
        "error converting YAML to JSON: yaml: document contains excessive aliasing",
    );
}

#[test]
fn positions_are_kept() {
    let spanned = parse_spanned("a:\n  - b: 1\n    c/d: x\n").unwrap();
    let place = |pointer: &str| spanned.position(pointer).map(|at| (at.line, at.column));
    assert_eq!(place("/a/0/b"), Some((2, 8)));
    assert_eq!(place("/a/0/c~1d"), Some((3, 10)));
    assert_eq!(
        spanned
            .key_position("/a/0/c~1d")
            .map(|at| (at.line, at.column)),
        Some((3, 5))
    );
    assert_eq!(
        spanned.nearest_position("/a/0/zzz").map(|at| at.line),
        Some(2)
    );
}

#[test]
fn writing_follows_go_yaml() {
    let value = json!({
        "k": [{"b": 1, "a": []}, [1, [2]], {}, null, "", true],
        "n": 5.0, "f": 123_456_789.5, "big": 1e20,
    });
    let text = "big: 1e+20\nf: 1.234567895e+08\nk:\n- a: []\n  b: 1\n- - 1\n  - - 2\n- {}\n- null\n- \"\"\n- true\n\"n\": 5";
    assert_eq!(to_string(&value).unwrap(), text);
    assert_eq!(to_string(&json!({"a": "yes", "b": "1:30", "c": "- x", "d": "#", "e": "2001-12-14", "f": "a: b", "g": "\u{1F600}\t"})).unwrap(),
        "a: \"yes\"\nb: \"1:30\"\nc: '- x'\nd: '#'\ne: \"2001-12-14\"\nf: 'a: b'\ng: \"\\U0001F600\\t\"");
    assert_eq!(to_string(&json!("\n")).unwrap(), "|2+\n");
    assert!(to_string(&json!("x\u{7f}")).is_err());
    assert_eq!(
        to_string_pretty(&json!({"a": [1, {"b": 2}], "f": 1e6})).unwrap(),
        "a:\n  - 1\n  - b: 2\nf: 1e+06"
    );
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,20}",
        "[a-z0-9:#' \"\\n\\t-]{0,120}",
        "(yes|no|1e3|0o7|null|~|2001-01-01|\\.5|=|1:30)",
        "\\PC{0,12}",
        "[a ]{80,200}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in value()) {
        if let Ok(text) = to_string(&value) {
            let text = text + "\n";
            prop_assert_eq!(parse_exact(&text).map_err(|error| format!("{error}\n{text}")), Ok(value));
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,40}|[-?:,\\[\\]{}#&*!|>'\"%@` \\t\\na-c0-9]{0,60}") {
        let _ = parse_documents(&text);
    }
}
