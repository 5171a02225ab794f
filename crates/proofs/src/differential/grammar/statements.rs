//! Statements: actions, branches, loops, definitions and the texts between them.

use std::fmt::Write;

use super::expressions::{TYPES, Type, any, expression};
use super::mistakes::BROKEN;
use super::{Choices, odd};

/// One template in so many has a statement that does not parse or stops it.
const STOP: usize = 40;

/// One template: a few statements that can be left out one by one.
pub fn template(choices: &mut Choices) -> Vec<String> {
    let count = 1 + choices.below(4);
    let mut statements: Vec<String> = (0..count).map(|_| text(choices, 3)).collect();
    if choices.one_in(STOP) {
        statements.push(choices.pick(BROKEN).to_owned());
    }
    statements
}

fn text(choices: &mut Choices, depth: usize) -> String {
    let mut text = String::new();
    statement(choices, &mut text, depth);
    text
}

fn statement(choices: &mut Choices, text: &mut String, depth: usize) {
    let trim_left = choices.pick(&["{{ ", "{{- ", "{{"]);
    let trim_right = choices.pick(&[" }}", " -}}", "}}"]);
    match choices.below(if depth == 0 { 5 } else { 19 }) {
        0 => text.push_str(choices.pick(&[
            "text ",
            "\n",
            "  indented\n",
            "a: b\n",
            "\t",
            "é ",
            "{{/* c */}}",
            " {{- /* c */ -}} ",
        ])),
        1..=4 => {
            let of = TYPES[choices.below(TYPES.len())];
            let expression = expression(choices, of, depth);
            let _ = write!(text, "{trim_left}{expression}{trim_right}");
        }
        5 => branch(choices, text, depth),
        6 => {
            let list = expression(choices, Type::List, depth - 1);
            let _ = write!(text, "{trim_left}range $i, $e := {list}{trim_right}");
            text.push_str(choices.pick(&[
                "{{ $i }}={{ $e }};",
                "[{{ . }}]",
                "{{ $i }},",
                "{{ toYaml $e }}|",
                "{{ if eq $i 1 }}{{ break }}{{ end }}{{ $e }}",
                "{{ if eq $i 0 }}{{ continue }}{{ end }}{{ $e | toJson }}\n",
                " {{- $.Release.Name }}{{ $i -}} ",
            ]));
            text.push_str(choices.pick(&["{{ end }}", "{{ else }}none{{ end }}"]));
        }
        7 => {
            let table = expression(choices, Type::Table, depth - 1);
            let _ = write!(text, "{trim_left}range $k, $v := {table}{trim_right}");
            text.push_str(choices.pick(&[
                "{{ $k }}={{ $v }};",
                "{{ $k | quote }},",
                "{{ kindOf $v }} ",
                "\n{{ $k }}: {{ toYaml $v | nindent 2 }}",
            ]));
            text.push_str("{{ end }}");
        }
        8 => {
            let value = any(choices, depth - 1);
            let _ = write!(text, "{trim_left}with {value}{trim_right}");
            text.push_str(choices.pick(&[
                "{{ . }}",
                "{{ toJson . }}",
                "{{ kindOf . }}",
                "{{ . | toString | len }}",
            ]));
            text.push_str(choices.pick(&[
                "{{ end }}",
                "{{ else }}empty{{ end }}",
                "{{ else with .Values.t }}{{ . }}{{ end }}",
            ]));
        }
        9 => {
            let value = any(choices, depth - 1);
            let _ = write!(text, "{trim_left}$x := {value}{trim_right}{{{{ $x }}}}");
            if choices.one_in(2) {
                let again = any(choices, depth - 1);
                let _ = write!(
                    text,
                    "{{{{ if true }}}}{{{{ $x = {again} }}}}{{{{ end }}}}{{{{ $x }}}}"
                );
            }
        }
        10 => {
            let inner = any(choices, depth - 1);
            let _ = write!(text, "{{{{ tpl \"<{{{{ . | toJson }}}}>\" ({inner}) }}}}");
        }
        11 => definition(choices, text, depth),
        12 => {
            let (count, value) = (choices.below(4), any(choices, 0));
            let _ = write!(
                text,
                "{trim_left}range {count}{trim_right}{{{{ . }}}}{{{{ {value} }}}}{{{{ end }}}}"
            );
        }
        13 => {
            let (call, show) = (odd::call(choices), choices.pick(&SHOWN));
            let _ = write!(text, "{trim_left}{call} | {show}{trim_right}");
        }
        14 => {
            let call = odd::formatted(choices);
            let _ = write!(text, "{trim_left}{call}{trim_right}");
        }
        15 => mutation(choices, text, depth),
        16 => scopes(choices, text, depth),
        17 => {
            let (left, right) = (odd::value(choices), odd::value(choices));
            let compare = choices.pick(&["eq", "ne", "lt", "le", "gt", "ge", "and", "or"]);
            let _ = write!(
                text,
                "{trim_left}if {compare} {left} {right}{trim_right}yes{{{{ else }}}}no{{{{ end }}}}"
            );
        }
        _ => {
            let value = any(choices, depth - 1);
            let filter = choices.pick(&[
                "quote",
                "toYaml | nindent 4",
                "toString | upper",
                "default \"d\"",
                "toJson | squote",
                "kindOf",
                "len",
                "not",
            ]);
            let _ = write!(text, "{trim_left}{value} | {filter}{trim_right}");
        }
    }
}

/// How the answer of any function is shown.
const SHOWN: [&str; 6] = [
    "toJson",
    "toString | quote",
    "typeOf",
    "toYaml",
    "printf \"%v|%T\" 1",
    "kindOf",
];

/// Tables changed under several names, and looked at under each.
fn mutation(choices: &mut Choices, text: &mut String, depth: usize) {
    let table = expression(choices, Type::Table, depth - 1);
    let other = expression(choices, Type::Table, depth - 1);
    let value = odd::value(choices);
    let _ = write!(
        text,
        "{{{{- $d := {} }}}}{{{{- $e := dict \"in\" $d \"l\" (list $d) }}}}",
        choices.pick(&[
            "dict \"a\" (dict \"b\" 1)",
            "deepCopy .Values.m",
            "merge (dict) .Values.m"
        ])
    );
    for _ in 0..=choices.below(2) {
        text.push_str("{{ $_ := ");
        let _ = match choices.below(8) {
            0 => write!(text, "set $d \"x\" {value}"),
            1 => write!(text, "merge $d {table} {other}"),
            2 => write!(text, "mergeOverwrite $d {table}"),
            3 => write!(text, "unset $e.in \"a\""),
            4 => write!(text, "set (get $e \"in\") \"deep\" (deepCopy $d)"),
            5 => write!(text, "merge {table} $d"),
            6 => write!(text, "set (first $e.l) \"y\" (pick $d \"a\" \"x\")"),
            _ => write!(text, "mustMergeOverwrite (deepCopy $d) {table} {other}"),
        };
        text.push_str(" }}");
    }
    text.push_str(choices.pick(&[
        "{{ $d | toJson }}{{ $e.in | toYaml }}",
        "{{ toJson $e.l }}{{ $d }}",
        "{{ range $k, $v := $d }}{{ $k }}={{ $v | toJson }} {{ end }}",
        "{{ $e.in.a }}|{{ $d.x | kindOf }}|{{ len $d }}",
        "{{ $l := splitList \",\" \"b,a\" }}{{ sortAlpha $l }}{{ $l }}",
    ]));
}

/// Variables, dots and loops within each other.
fn scopes(choices: &mut Choices, text: &mut String, depth: usize) {
    let list = expression(choices, Type::List, depth - 1);
    let table = expression(choices, Type::Table, depth - 1);
    let value = odd::value(choices);
    let _ = match choices.below(9) {
        0 => write!(
            text,
            "{{{{ $n := 0 }}}}{{{{ range $i, $e := {list} }}}}{{{{ $n = add $n $i 1 }}}}{{{{ $i := {value} }}}}{{{{ $i }}}}{{{{ end }}}}{{{{ $n }}}}"
        ),
        1 => write!(
            text,
            "{{{{ range {list} }}}}{{{{ if kindIs \"string\" . }}}}{{{{ continue }}}}{{{{ end }}}}{{{{ with $.Values.m }}}}{{{{ .a }}}}{{{{ if eq 1 1 }}}}{{{{ break }}}}{{{{ end }}}}{{{{ end }}}}x{{{{ else }}}}none{{{{ end }}}}"
        ),
        2 => write!(
            text,
            "{{{{ with $x := {value} }}}}{{{{ $x }}}}{{{{ . }}}}{{{{ $x = 2 }}}}{{{{ $x }}}}{{{{ else with $y := {table} }}}}{{{{ $y | toJson }}}}{{{{ $x }}}}{{{{ else }}}}{{{{ $x }}}}none{{{{ end }}}}"
        ),
        3 => write!(
            text,
            "{{{{ range $k, $v := {table} }}}}{{{{ range $w := list $v $k }}}}{{{{ $w }}}}/{{{{ end }}}}{{{{ $.Release.Name }}}}{{{{ end }}}}"
        ),
        4 => write!(
            text,
            "{{{{ if $x := {value} }}}}[{{{{ $x }}}}]{{{{ else if $y := not $x }}}}{{{{ $y }}}}{{{{ end }}}}"
        ),
        5 => write!(
            text,
            "{{{{ range $i := {} }}}}{{{{ $i }}}}{{{{ else }}}}none{{{{ end }}}}",
            choices.pick(&[
                "3",
                "0",
                "-1",
                ".Values.n",
                "(int .Values.n)",
                "2.0",
                "(int64 2)",
                "nil",
                "\"ab\"",
                "true"
            ])
        ),
        6 => write!(
            text,
            "{{{{ range $i, $c := {value} }}}}{{{{ $i }}}}:{{{{ $c }}}},{{{{ else }}}}none{{{{ end }}}}"
        ),
        7 => write!(
            text,
            "a {{{{- /* one\n two */ -}}}} b\n{{{{- \"\" }}}}\n  {{{{ {value} -}}}}  \n\t c \n {{{{- \"d\" -}}}}\r\n e"
        ),
        _ => write!(
            text,
            "{{{{ (dict \"f\" {value}).f }}}}{{{{ (index (list {table}) 0).a }}}}{{{{ $v := {table} }}}}{{{{ $v.a }}}}{{{{ $v.b.c }}}}"
        ),
    };
}

fn branch(choices: &mut Choices, text: &mut String, depth: usize) {
    let condition = any(choices, depth);
    let _ = write!(text, "{{{{- if {condition} }}}}");
    statement(choices, text, depth - 1);
    if choices.one_in(3) {
        let condition = any(choices, depth - 1);
        let _ = write!(text, "{{{{ else if {condition} }}}}");
        statement(choices, text, depth - 1);
    }
    if choices.one_in(2) {
        text.push_str("{{ else -}}");
        statement(choices, text, depth - 1);
    }
    text.push_str("{{ end }}");
}

fn definition(choices: &mut Choices, text: &mut String, depth: usize) {
    let number = choices.below(1000);
    let name = format!("\"part.{}.{number}\"", super::CASE);
    let _ = write!(text, "{{{{- define {name} }}}}");
    text.push_str(choices.pick(&[
        "<{{ . }}>",
        "{{ toYaml . }}",
        "{{- . | toJson -}} ",
        "{{ $ | kindOf }}\n",
        "a:\n  b: {{ . | quote }}\n",
    ]));
    text.push_str("{{ end }}");
    let value = any(choices, depth - 1);
    match choices.below(3) {
        0 => {
            let _ = write!(text, "{{{{ template {name} {value} }}}}");
        }
        1 => {
            let _ = write!(text, "{{{{ include {name} {value} | nindent 2 }}}}");
        }
        _ => {
            let _ = write!(
                text,
                "{{{{ block {name} {value} }}}}[{{{{ . }}}}]{{{{ end }}}}"
            );
        }
    }
}
