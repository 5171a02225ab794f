//! What a failing node could see: the right variables, in short, and the text around it.

use go_text_template::{Error, Execution, Function, Functions, Glimpse, Templates, Value};
use miette::Diagnostic;

const FUNCTIONS: &[Function] = &[
    Function::new("broken", &[], |_, _| Err("broken".into())),
    Function::new(
        "include",
        &[go_text_template::Type::String, go_text_template::Type::Any],
        |scope, arguments| {
            let name = arguments[0].to_string();
            Ok(scope.execute(&name, arguments[1].clone())?.into())
        },
    ),
];

fn failure(text: &str, dot: Value) -> Error {
    let mut templates = Templates::new(Functions::new().with(FUNCTIONS));
    templates.parse("t", text).unwrap();
    Execution::new(&templates).execute("t", dot).unwrap_err()
}

/// `.` and the variables of the innermost level, a line each.
fn seen(error: &Error) -> Vec<String> {
    let reach = error.frames().next_back().unwrap().reach.as_ref().unwrap();
    let all = std::iter::once(&reach.dot).chain(&reach.variables);
    all.map(ToString::to_string).collect()
}

#[test]
fn every_kind_of_value_is_told_in_short() {
    let text = "{{ $t := `a\"b` }}{{ $n := 1.5 }}{{ $b := true }}{{ $nil := .x }}{{ $l := .l }}{{ $long := .long }}{{ broken }}";
    let long = "a\nb";
    let dot = Value::map([("l", Value::list([1_i64, 2])), ("long", long.into())]);
    assert_eq!(
        seen(&failure(text, dot)),
        [
            ".  map of 2: l, long",
            "$  map of 2: l, long",
            "$t  string \"a\\\"b\"",
            "$n  float64 1.5",
            "$b  bool true",
            "$nil  nil",
            "$l  list of 2",
            "$long  string of 3 bytes",
        ]
    );
    let many = Value::map((0..20).map(|number| (format!("k{number:02}"), number)));
    let all = seen(&failure("{{ broken }}", many));
    assert!(
        all[0].starts_with(".  map of 20: k00, ") && all[0].ends_with("k11, …"),
        "{all:?}"
    );
}

#[test]
fn only_what_is_in_reach_of_the_node_is_told() {
    let text = "{{ $a := 1 }}{{ if $x := .x }}{{ $gone := 2 }}{{ end }}\
        {{ range $i, $v := .l }}{{ $in := $i }}{{ with $w := $v }}{{ broken }}{{ $later := 1 }}{{ end }}{{ end }}";
    let dot = Value::map([("l", Value::list(["p", "q"])), ("x", Value::Bool(true))]);
    assert_eq!(
        seen(&failure(text, dot.clone())),
        [
            ".  string \"p\"",
            "$  map of 2: l, x",
            "$a  int 1",
            "$i  int 0",
            "$v  string \"p\"",
            "$in  int 0",
            "$w  string \"p\"",
        ]
    );
    let text = "{{ $a := 1 }}{{ with $a := .none }}x{{ else }}{{ broken }}{{ end }}";
    assert_eq!(seen(&failure(text, dot.clone()))[2..], ["$a  nil"]);
    let text = "{{ $a := 1 }}{{ with $b := broken }}{{ end }}";
    assert_eq!(seen(&failure(text, dot))[2..], ["$a  int 1"]);
}

#[test]
fn each_level_tells_what_it_saw() {
    let text = "{{ define \"in\" }}{{ $inner := . }}\n  {{ broken }}{{ end }}{{ $outer := 1 }}{{ include \"in\" \"x\" }}";
    let error = failure(text, Value::Nil);
    let names = |frame: &go_text_template::Frame| {
        let reach = frame.reach.as_ref().unwrap();
        reach
            .variables
            .iter()
            .map(|seen| seen.name.clone())
            .collect::<Vec<_>>()
    };
    let levels: Vec<_> = error.frames().map(names).collect();
    assert_eq!(levels, [["$", "$outer"], ["$", "$inner"]]);
    let pipelines: Vec<_> = error
        .frames()
        .flat_map(|frame| &frame.reach.as_ref().unwrap().variables)
        .collect();
    assert_eq!(pipelines[3].pipeline, "$inner := .");
    assert_eq!(pipelines[3].value, Glimpse::Text("x".to_owned()));
}

#[test]
fn the_error_points_at_the_failing_node() {
    let text = "one\n  {{ .a.b }}\r\nthree";
    let error = failure(text, Value::map([("a", 1_i64)]));
    let frame = error.frames().next_back().unwrap();
    assert_eq!(frame.line_text(), Some("  {{ .a.b }}"));
    assert_eq!(&text[frame.offset().unwrap()..][..4], ".b }");
    let label = error.labels().unwrap().next().unwrap();
    assert_eq!(&text[label.offset()..][..label.len()], ".a.b");
    let source = error.source_code().unwrap();
    let contents = source.read_span(label.inner(), 0, 0).unwrap();
    assert_eq!((contents.name(), contents.line()), (Some("t"), 1));

    let mut templates = Templates::new(Functions::new());
    let error = templates.parse("p", "one\n{{ if }}").unwrap_err();
    let frame = error.frames().next().unwrap();
    assert_eq!(
        (frame.line_text(), frame.offset()),
        (Some("{{ if }}"), Some(4))
    );
    assert!(frame.reach.is_none());
}

#[test]
fn thousands_of_levels_are_not_all_kept() {
    let text = "{{ define \"in\" }}{{ if gt . 300 }}{{ broken }}{{ end }}{{ include \"in\" (add1 . nil) }}{{ end }}";
    let add1 = Function::new(
        "add1",
        &[go_text_template::Type::Any, go_text_template::Type::Any],
        |_, arguments| Ok((arguments[0].as_i64().unwrap_or_default() + 1).into()),
    );
    let mut templates = Templates::new(Functions::new().with(FUNCTIONS).with(&[add1]));
    templates
        .parse("t", format!("{text}{{{{ include \"in\" 1 }}}}"))
        .unwrap();
    let error = Execution::new(&templates)
        .execute("t", Value::Nil)
        .unwrap_err();
    let with_reach = error.frames().filter(|frame| frame.reach.is_some()).count();
    assert!(error.frames().len() > 250);
    assert_eq!(with_reach, 16);
}
