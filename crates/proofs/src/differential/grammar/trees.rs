//! Charts with subcharts: conditions, tags, aliases, imported values, globals, nulls; and files of
//! several documents, hooks among them. Every chart of a tree prints its values.

use std::fmt::Write as _;

use super::Choices;

/// A whole chart as path and text, and the values for it.
pub fn tree(choices: &mut Choices) -> (Vec<(String, String)>, String) {
    let mut files = Vec::new();
    chart(choices, &mut files, "", "c", 2);
    for index in 0..choices.below(3) {
        files.push((format!("templates/d{index}.yaml"), documents(choices)));
    }
    let mut values = String::new();
    table(choices, &mut values, 0, 2, true);
    if choices.one_in(3) {
        let _ = writeln!(
            values,
            "tags: {{t1: {}, t2: {}}}",
            choices.pick(&["true", "false", "no", "\"x\""]),
            choices.pick(&["true", "false", "null"])
        );
    }
    (files, values)
}

fn chart(
    choices: &mut Choices,
    files: &mut Vec<(String, String)>,
    folder: &str,
    name: &str,
    depth: usize,
) {
    let mut metadata = format!(
        "apiVersion: {}\nname: {name}\nversion: {}\n",
        if choices.one_in(8) { "v1" } else { "v2" },
        choices.pick(&["0.1.0", "1.2.3", "1.20", "v2.0.0-rc.1"])
    );
    metadata.push_str(choices.pick(&[
        "",
        "appVersion: 1.20\n",
        "appVersion: \"1.0\"\n",
        "type: application\n",
    ]));
    let mut listed = String::new();
    for child in ["s1", "s2", "s3"]
        .iter()
        .take(if depth == 0 { 0 } else { choices.below(4) })
    {
        let mut inner = Vec::new();
        chart(choices, &mut inner, "", child, depth - 1);
        if choices.one_in(10) {
            // A library gives its definitions and values only.
            for (path, text) in &mut inner {
                if path == "Chart.yaml" {
                    text.push_str("type: library\n");
                }
            }
        }
        if !choices.one_in(6) {
            dependency(choices, &mut listed, child);
        }
        files.extend(
            inner
                .into_iter()
                .map(|(path, text)| (format!("{folder}charts/{child}/{path}"), text)),
        );
    }
    if !listed.is_empty() {
        let _ = write!(metadata, "dependencies:\n{listed}");
    }
    files.push((format!("{folder}Chart.yaml"), metadata));
    let mut values = String::new();
    table(choices, &mut values, 0, 2, true);
    if choices.one_in(3) {
        values.push_str("exports:\n  data:\n    a: exported\n    e: {x: 1, y: null}\n");
    }
    files.push((format!("{folder}values.yaml"), values));
    files.push((
        format!("{folder}templates/v.yaml"),
        "values: {{ .Values | toJson | quote }}\nname: {{ .Chart.Name }} {{ .Template.Name }} {{ keys .Subcharts | sortAlpha }}\n"
            .to_owned(),
    ));
}

fn dependency(choices: &mut Choices, listed: &mut String, name: &str) {
    let _ = writeln!(
        listed,
        "- name: {name}\n  version: {}",
        choices.pick(&["\"*\"", "0.x.x", "\">=0.0.0-0\"", "^1", "0.1.0"])
    );
    if choices.one_in(4) {
        let _ = writeln!(listed, "  alias: {name}-{}", choices.pick(&["x", "y"]));
    }
    if choices.one_in(3) {
        let _ = writeln!(
            listed,
            "  condition: {}",
            choices.pick(&[
                "s1.enabled",
                "s2.enabled",
                "global.on",
                "a",
                "absent.b,s1.enabled",
                "b.on",
                "s1"
            ])
        );
    }
    if choices.one_in(3) {
        let _ = writeln!(
            listed,
            "  tags: [{}]",
            choices.pick(&["t1", "t2", "t1, t2"])
        );
    }
    if choices.one_in(3) {
        let _ = writeln!(
            listed,
            "  import-values:\n{}",
            choices.pick(&[
                "  - data",
                "  - child: b\n    parent: imported",
                "  - child: a\n    parent: .",
                "  - child: exports.data\n    parent: b",
                "  - absent",
                "  - child: global\n    parent: g",
            ])
        );
    }
    if choices.one_in(12) {
        let _ = writeln!(listed, "  enabled: false");
    }
}

/// Lines of a values file that meet others of the same keys.
fn table(choices: &mut Choices, text: &mut String, by: usize, depth: usize, top: bool) {
    let mut keys: Vec<&str> = vec!["a", "b", "c", "global", "s1", "s2", "s1-x", "enabled", "on"];
    if !top {
        keys.extend(["d", "e"]);
    }
    for key in keys {
        if !choices.one_in(3) {
            continue;
        }
        let _ = write!(text, "{:by$}{key}: ", "");
        let is_table = matches!(key, "global" | "s1" | "s2" | "s1-x") && !choices.one_in(8);
        if depth > 0 && (is_table || choices.one_in(4)) {
            let mut inner = String::new();
            table(choices, &mut inner, by + 2, depth - 1, false);
            if inner.is_empty() {
                text.push_str("{}\n");
            } else {
                text.push('\n');
                text.push_str(&inner);
            }
        } else {
            text.push_str(choices.pick(&[
                "1", "x", "null", "~", "true", "false", "[1, 2]", "[]", "{}", "1000000", "1.5",
                "\"\"", "\"null\"",
            ]));
            text.push('\n');
        }
    }
}

/// A file of several documents.
fn documents(choices: &mut Choices) -> String {
    let mut text = String::new();
    for _ in 0..=choices.below(4) {
        text.push_str(choices.pick(&[
            "---\n",
            "---\n",
            "--- \n",
            "---",
            "\n---\n",
            "--- # c\n",
            "\n\n",
            "# only a comment\n",
            "----\n",
            " ---\n",
            "",
            "---\r\n",
        ]));
        let kind = choices.pick(&[
            "ConfigMap",
            "Secret",
            "Job",
            "Deployment",
            "Namespace",
            "Widget",
            "Gadget",
            "ServiceAccount",
            "ValidatingWebhookConfiguration",
            "CustomResourceDefinition",
            "Pod",
            "Ingress",
            "configmap",
            "List",
        ]);
        let _ = writeln!(
            text,
            "apiVersion: {}\nkind: {kind}\nmetadata:\n  name: n{}",
            choices.pick(&["v1", "apps/v1", "example.com/v1"]),
            choices.below(9)
        );
        if choices.one_in(3) {
            let _ = writeln!(
                text,
                "  annotations:\n    \"helm.sh/hook\": {}\n    \"helm.sh/hook-weight\": \"{}\"",
                choices.pick(&[
                    "pre-install",
                    "post-install,pre-upgrade",
                    "test",
                    "test-success",
                    "crd-install",
                    "Pre-Install , x",
                    "\"\"",
                    "pre-delete",
                ]),
                choices.pick(&["0", "-5", "3", "x", ""])
            );
        }
        text.push_str(choices.pick(&[
            "",
            "",
            "data: {a: b}\n",
            "\n",
            "\n  \n",
            "# end\n",
            "data:\n  t: |\n    ---\n    x\n",
            "spec:   \n",
            "data: {a: {{ .Release.Name }}}",
            "x: \"a\tb\"\n",
            "nokey\n",
        ]));
    }
    text
}
