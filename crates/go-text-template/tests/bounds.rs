//! Budgets, depth and hostile input: every excess is an error, never a crash.

use go_text_template::{
    ErrorKind, Execution, Function, Functions, Limits, List, Map, Purity, Templates, Type, Value,
};
use proptest::prelude::*;

const FUNCTIONS: &[Function] = &[
    Function::new("include", &[Type::String, Type::Any], |scope, arguments| {
        Ok(scope
            .execute(&arguments[0].to_string(), arguments[1].clone())?
            .into())
    })
    .with_purity(Purity::Runs),
    Function::new("tpl", &[Type::String, Type::Any], |scope, arguments| {
        let text = arguments[0].as_text().cloned().unwrap_or_default();
        Ok(scope.execute_text(&text, arguments[1].clone())?.into())
    }),
    Function::variadic("list", &[Type::Any], |_, arguments| {
        Ok(arguments.to_vec().into())
    }),
    Function::new(
        "set",
        &[Type::Map, Type::String, Type::Any],
        |_, arguments| {
            let map = arguments[0].as_map().cloned().unwrap_or_default();
            map.insert(arguments[1].to_string(), arguments[2].clone());
            Ok(map.into())
        },
    ),
];

fn templates(texts: &[(&str, &str)]) -> Templates {
    let mut templates = Templates::new(Functions::new().with(FUNCTIONS));
    for (name, text) in texts {
        templates
            .parse(name, *text)
            .expect("the test's own template parses");
    }
    templates
}

fn kind_of(text: &str, limits: Limits) -> ErrorKind {
    let templates = templates(&[("t", text)]);
    let error = Execution::new(&templates)
        .with_limits(limits)
        .execute("t", Value::Nil)
        .expect_err("a limit");
    error.kind()
}

#[test]
fn templates_within_templates_end_at_the_depth_limit() {
    assert_eq!(
        kind_of(
            r#"{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}"#,
            Limits::default()
        ),
        ErrorKind::Limit
    );
    assert_eq!(
        kind_of(
            r#"{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}"#,
            Limits::default()
        ),
        ErrorKind::Limit
    );
    assert_eq!(
        kind_of(
            r#"{{ define "a" }}{{ tpl "{{ include \"a\" . }}" . }}{{ end }}{{ include "a" . }}"#,
            Limits::default()
        ),
        ErrorKind::Limit
    );
}

#[test]
fn loops_end_at_the_step_limit() {
    let mut limits = Limits::default();
    limits.steps = 10_000;
    assert_eq!(
        kind_of("{{ range 1000000 }}{{ end }}", limits),
        ErrorKind::Limit
    );
    assert_eq!(
        kind_of(
            "{{ range 1000000 }}{{ range 1000000 }}{{ . }}{{ end }}{{ end }}",
            limits
        ),
        ErrorKind::Limit
    );
}

#[test]
fn output_ends_at_its_limit_even_if_it_is_only_included() {
    let mut limits = Limits::default();
    limits.output = 1000;
    assert_eq!(
        kind_of("{{ range 1000 }}0123456789{{ end }}", limits),
        ErrorKind::Limit
    );
    let text = r#"{{ define "a" }}0123456789{{ end }}{{ range 1000 }}{{ $x := include "a" . }}{{ print }}{{ end }}"#;
    assert_eq!(kind_of(text, limits), ErrorKind::Limit);
}

#[test]
fn deep_nesting_of_source_is_refused() {
    let mut templates = Templates::new(Functions::new());
    for (open, middle, close) in [("(", "1", ")"), ("{{ if 1 }}", "", "{{ end }}")] {
        let nested = format!("{}{middle}{}", open.repeat(100_000), close.repeat(100_000));
        let text = if open == "(" {
            format!("{{{{ {nested} }}}}")
        } else {
            nested
        };
        let error = templates.parse("t", text.as_str()).expect_err("too deep");
        assert!(
            error.to_string().ends_with("max expression depth exceeded"),
            "{error}"
        );
    }
    let text = format!("{{{{ {}1{} }}}}", "(".repeat(900), ")".repeat(900));
    templates
        .parse("t", text.as_str())
        .expect("900 levels are fine");
    assert_eq!(
        Execution::new(&templates)
            .execute("t", Value::Nil)
            .expect("a number"),
        "1"
    );
}

#[test]
fn deep_values_are_dropped_compared_and_printed_without_overflow() {
    let mut left = Value::Nil;
    let mut right = Value::Nil;
    for _ in 0..100_000 {
        left = Value::map([("a", Value::list([left]))]);
        right = Value::map([("a", Value::list([right]))]);
    }
    assert!(
        !left.deep_equal(&right),
        "beyond 10,000 levels values count as different"
    );
    assert!(left.to_string().contains("..."));
    drop(left);
    let templates = templates(&[(
        "t",
        "{{ $x := list }}{{ range 100000 }}{{ $x = list $x }}{{ end }}{{ len $x }}",
    )]);
    assert_eq!(
        Execution::new(&templates)
            .execute("t", Value::Nil)
            .expect("a length"),
        "1"
    );
}

#[test]
fn a_map_that_contains_itself_prints_to_an_end() {
    let map = Map::new();
    map.insert("self", map.clone());
    assert!(Value::from(map.clone()).to_string().contains("..."));
    map.remove("self");
}

#[test]
fn a_change_during_iteration_does_not_disturb_it() {
    let templates = templates(&[(
        "t",
        r#"{{ range $k, $v := . }}{{ set $ (print $k "2") $v }}{{ end }}{{ len . }}"#,
    )]);
    let map = Value::map([("a", 1_i64), ("b", 2)]);
    let text = Execution::new(&templates)
        .execute("t", map)
        .expect("four keys");
    assert!(text.to_string().ends_with('4'), "{text}");
}

#[test]
fn an_execution_goes_on_after_a_failure() {
    let templates = templates(&[
        (
            "bad",
            r#"{{ tpl "{{ define \"x\" }}{{ .a.b.c }}{{ end }}{{ include \"x\" . }}" . }}"#,
        ),
        ("good", "{{ $x := 1 }}{{ $x }}"),
    ]);
    let dot = Value::map([("a", Value::map::<&str, Value>([]))]);
    let mut execution = Execution::new(&templates);
    execution.execute("bad", dot).expect_err("nil pointer");
    assert_eq!(execution.execute("good", Value::Nil).expect("fine"), "1");
}

#[test]
fn compiled_templates_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Templates>();
    check::<go_text_template::TextCache>();
    check::<go_text_template::Error>();
}

/// Fragments that make templates likely to parse.
fn template() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "\n",
        "if ",
        "range ",
        "with ",
        "end",
        "else ",
        "define ",
        "template ",
        "block ",
        "$x",
        ":=",
        "=",
        ",",
        "|",
        "(",
        ")",
        ".",
        ".a",
        ".a.b",
        "$",
        "\"x\"",
        "`y`",
        "'c'",
        "1",
        "1.5",
        "0x1p3",
        "1i",
        "nil",
        "true",
        "break",
        "continue",
        "print ",
        "printf ",
        "\"%*d%[3]v%!\"",
        "index ",
        "slice ",
        "len ",
        "eq ",
        "lt ",
        "and ",
        "or ",
        "not ",
        "html ",
        "js ",
        "urlquery ",
        "call ",
        "list ",
        "include ",
        "tpl ",
        "set ",
        "/*",
        "*/",
        "é",
        "text",
        "\\",
    ]);
    prop::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_template_panics(text in template()) {
        let mut templates = Templates::new(Functions::new().with(FUNCTIONS));
        if templates.parse("t", text.as_str()).is_ok() {
            let mut limits = Limits::default();
            (limits.steps, limits.output, limits.depth) = (10_000, 1 << 20, 100);
            let dot = Value::map([("a", Value::from(List::from_iter(["b", "c"])))]);
            let _ = Execution::new(&templates).with_limits(limits).execute("t", dot);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let mut templates = Templates::new(Functions::new());
        let _ = templates.parse("t", format!("{{{{ {text} }}}}"));
        let _ = templates.parse("t", text.as_str());
    }

    #[test]
    fn no_format_panics(format in prop::collection::vec(prop::num::u8::ANY, 0..12), number in prop::num::i64::ANY, float in prop::num::f64::ANY) {
        let format = [b"%".as_slice(), &format].concat();
        let arguments = [Value::Int(number % 100), Value::Float64(float), "x\u{1F600}".into(), Value::Nil, Value::list([number])];
        let _ = go_text_template::fmt::sprintf(&format, &arguments);
    }

    #[test]
    fn the_shortest_float_reads_back(float in prop::num::f64::NORMAL) {
        let text = go_text_template::fmt::format_float(float, 'g', None);
        prop_assert_eq!(text.parse::<f64>().ok(), Some(float));
    }

    #[test]
    fn a_quoted_string_is_read_back_by_the_lexer(text in "\\PC*") {
        let source = format!("{{{{ {} }}}}", go_text_template::fmt::quote(text.as_bytes()));
        let templates = templates(&[("t", &source)]);
        prop_assert_eq!(Execution::new(&templates).execute("t", Value::Nil).expect("a string").to_string(), text);
    }

    #[test]
    fn maps_keep_one_entry_per_key_in_order(keys in prop::collection::vec("[a-c]{0,3}", 0..30)) {
        let built: Map = keys.iter().map(String::as_str).zip(0_i64..).collect();
        let grown = Map::new();
        for (key, number) in keys.iter().zip(0_i64..) {
            grown.insert(key.as_str(), number);
        }
        prop_assert!(built.entries().is_sorted_by(|(left, _), (right, _)| left < right));
        prop_assert!(Value::from(built).deep_equal(&Value::from(grown)));
    }
}
