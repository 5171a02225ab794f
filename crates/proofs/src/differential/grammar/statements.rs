//! Statements: actions, branches, loops, definitions and the texts between them.

use std::fmt::Write;

use super::Choices;
use super::expressions::{TYPES, Type, any, expression};
use super::mistakes::BROKEN;

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
    match choices.below(if depth == 0 { 5 } else { 14 }) {
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
