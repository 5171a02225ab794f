//! A chart that grows: subcharts with templates that call `tpl` within `tpl`. With twice the
//! subcharts a render should take twice the time.

use std::fmt::Write as _;

/// How deep `tpl` calls `tpl`.
const DEPTH: usize = 6;

/// The files of an umbrella chart with this many subcharts, as path and text.
pub fn umbrella(subcharts: usize) -> Vec<(String, String)> {
    let mut files = vec![
        (
            "Chart.yaml".to_owned(),
            "apiVersion: v2\nname: umbrella\nversion: 0.1.0\n".to_owned(),
        ),
        (
            "values.yaml".to_owned(),
            "global:\n  team: none\n".to_owned(),
        ),
        (
            "templates/root.yaml".to_owned(),
            "kind: Root\nname: {{ .Release.Name }}\n".to_owned(),
        ),
    ];
    for index in 0..subcharts {
        let folder = format!("charts/part-{index:03}");
        files.push((
            format!("{folder}/Chart.yaml"),
            format!("apiVersion: v2\nname: part-{index:03}\nversion: 0.1.0\n"),
        ));
        files.push((format!("{folder}/values.yaml"), values()));
        files.push((format!("{folder}/templates/_names.tpl"), names(index)));
        files.push((
            format!("{folder}/templates/workloads.yaml"),
            workloads(index),
        ));
    }
    files
}

fn values() -> String {
    let mut text = String::from(
        "name: part\nreplicas: 2\nlabels:\n  app: demo\n  tier: back\nlevel0: \"{{ .Values.name }}-{{ .Release.Name }}\"\n",
    );
    for level in 1..=DEPTH {
        let _ = writeln!(
            text,
            "level{level}: '{{{{ tpl .Values.level{} . }}}}'",
            level - 1
        );
    }
    text
}

fn names(index: usize) -> String {
    format!(
        "{{{{- define \"part-{index:03}.name\" }}}}{{{{ tpl .Values.level{DEPTH} . | trunc 63 | trimSuffix \"-\" }}}}{{{{ end }}}}\n\
         {{{{- define \"part-{index:03}.labels\" }}}}{{{{ toYaml .Values.labels }}}}\nchart: {{{{ include \"part-{index:03}.name\" . }}}}\nteam: {{{{ .Values.global.team }}}}{{{{ end }}}}\n"
    )
}

fn workloads(index: usize) -> String {
    let mut text = String::new();
    for object in 0..4 {
        let _ = write!(
            text,
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{{{ include \"part-{index:03}.name\" . }}}}-{object}\n  labels:\n    \
             {{{{- include \"part-{index:03}.labels\" . | nindent 4 }}}}\nspec:\n  replicas: {{{{ .Values.replicas }}}}\n  template:\n    metadata:\n      \
             labels:\n        {{{{- include \"part-{index:03}.labels\" . | nindent 8 }}}}\n"
        );
    }
    text
}
