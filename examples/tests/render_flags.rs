//! Each flag of `helm template` that `aks-airflow render` takes, on the same chart in the same folder:
//! what is printed and what is written is what Helm's own binary prints and writes.
//!
//! The binaries are `helm4` and `helm3` in `E2E_TOOLS_DIR`, made by `e2e/tools/build.sh helm4 helm3`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The chart, the values files and the programs that the flags are about.
const FILES: &[(&str, &str)] = &[
    (
        "c/Chart.yaml",
        "apiVersion: v2\nname: c\nversion: 0.1.0\nappVersion: '7'\ndependencies:\n- {name: s, version: 0.1.0, condition: s.enabled}\n- {name: l, version: 0.1.0}\n",
    ),
    (
        "c/values.yaml",
        "who: world\nport: 80\ndeep: {a: 1, list: [x, y], gone: here}\nfile: ''\ns: {enabled: true}\n",
    ),
    (
        "c/values.schema.json",
        r#"{"type":"object","properties":{"port":{"type":"integer","maximum":65535}}}"#,
    ),
    (
        "c/crds/crd.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x.y.z}\n",
    ),
    (
        "c/templates/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {{ .Values | toJson | quote }}\n",
    ),
    (
        "c/templates/b.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  release: {{ .Release | toJson | quote }}\n  kube: {{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.KubeVersion.Minor }}\n  foo: {{ .Capabilities.APIVersions.Has \"foo/v1\" }}\n  bar: {{ .Capabilities.APIVersions.Has \"bar/v1/Bar\" }}\n  lookup: {{ lookup \"v1\" \"Secret\" \"x\" \"y\" | toJson | quote }}\n{{ include \"l.lines\" . | indent 2 }}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\n",
    ),
    (
        "c/templates/hook.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: h\n  annotations: {helm.sh/hook: 'pre-install,post-upgrade', helm.sh/hook-weight: '3'}\n",
    ),
    (
        "c/templates/tests/t.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: t\n  annotations: {helm.sh/hook: test}\n",
    ),
    ("c/templates/NOTES.txt", "notes\n"),
    (
        "c/charts/s/Chart.yaml",
        "apiVersion: v2\nname: s\nversion: 0.1.0\n",
    ),
    (
        "c/charts/s/templates/s.yaml",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s}\n",
    ),
    (
        "c/charts/l/Chart.yaml",
        "apiVersion: v2\nname: l\nversion: 0.1.0\ntype: library\n",
    ),
    (
        "c/charts/l/templates/_l.tpl",
        "{{ define \"l.lines\" }}library: of {{ .Chart.Name }}{{ end }}\n",
    ),
    ("one.yaml", "who: one\ndeep: {list: [z], gone: null}\n"),
    (
        "two.yaml",
        "deep: {a: 2}\nextra: 1.50\n---\nwho: second document\n",
    ),
    ("text.txt", "line one\nline: {two}\n"),
    ("rename.sh", "#!/bin/sh\nsed \"s/name: a/name: ${1:-z}/\"\n"),
    ("fail.sh", "#!/bin/sh\nexit 3\n"),
];

/// What is added to `template r c`, for both Helms.
const FLAGS: &[&[&str]] = &[
    &[],
    &["-f", "one.yaml"],
    &["-f", "one.yaml", "-f", "two.yaml"],
    &[
        "--values",
        "two.yaml",
        "--set",
        "deep.a=3,deep.list[1]=q,who=null",
    ],
    &["--set", "deep.b.c=true,extra={1,2,x}", "--set", "who=a\\,b"],
    &["--set-string", "port2=80,who=true"],
    &["--set-json", "deep={\"a\":[1,{\"b\":null}]}"],
    &["--set-file", "file=text.txt"],
    &["--set-literal", "who=a,b=c{[}"],
    &[
        "--set",
        "who=set",
        "--set-string",
        "who=string",
        "--set-json",
        "who=\"json\"",
        "--set-literal",
        "who=literal",
        "--set-file",
        "who=text.txt",
    ],
    &["--set", "s.enabled=false"],
    &["--include-crds"],
    &["--include-crds", "--no-hooks"],
    &["--show-only", "templates/b.yaml"],
    &["-s", "templates/hook.yaml", "-s", "templates/a.yaml"],
    &["--show-only", "charts/s/templates/s.yaml"],
    &["--show-only", "templates/*.yaml"],
    &["--show-only", "templates/none.yaml"],
    &["--api-versions", "foo/v1", "-a", "bar/v1/Bar"],
    &["--api-versions", "foo/v1,bar/v1/Bar"],
    &["--kube-version", "1.29.3"],
    &["--kube-version", "v1.30"],
    &["--kube-version", "nonsense"],
    &["--is-upgrade"],
    &["--no-hooks"],
    &["--skip-tests"],
    &["--namespace", "other"],
    &[
        "-n",
        "other",
        "--is-upgrade",
        "--skip-tests",
        "-f",
        "one.yaml",
    ],
    &["--set", "port=70000"],
    &["--set", "port=70000", "--skip-schema-validation"],
    &["--output-dir", "out"],
    &["--output-dir", "out", "--include-crds", "--no-hooks"],
    &["-f", "absent.yaml"],
    &["--set", "a[=1"],
    &["--set-json", "a={"],
    &["--set-json", "{\"who\":\"all\",\"deep\":{\"a\":9}}"],
];

/// What only Helm 3 has in this form.
const OF_HELM_3: &[&[&str]] = &[
    &["--post-renderer", "./rename.sh"],
    &[
        "--post-renderer",
        "./rename.sh",
        "--post-renderer-args",
        "--q",
    ],
    &[
        "--post-renderer",
        "./rename.sh",
        "--show-only",
        "templates/a.yaml",
    ],
    &["--post-renderer", "./fail.sh"],
    &["--post-renderer", "cat", "--include-crds", "--no-hooks"],
];

fn ground(name: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    for (path, text) in FILES {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        if path.extension().is_some_and(|extension| extension == "sh") {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
    }
    folder
}

/// What a program printed, wrote into `out`, and whether it succeeded.
type Seen = (bool, String, BTreeMap<PathBuf, String>);

fn seen(mut command: Command, folder: &Path) -> (Seen, String) {
    let out = folder.join("out");
    let _ = std::fs::remove_dir_all(&out);
    command.current_dir(folder).stdin(Stdio::null());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let mut written = BTreeMap::new();
    let mut folders = vec![out];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                written.insert(path.clone(), unblanked(&std::fs::read(&path).unwrap()));
            }
        }
    }
    let printed = unblanked(&stdout);
    let said = String::from_utf8_lossy(&stderr).into_owned();
    ((status.success(), printed, written), said)
}

/// Without the blank line Helm 4.2.4 prints before each document, which is left out here.
fn unblanked(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\n\n---\n", "\n---\n")
}

/// The flags with a Helm, and those it alone has. `always` goes before them: a Helm 3 that was built
/// without its Makefile takes a cluster for an older one than the published Helm does.
fn every_flag(helm: &str, special: &[&[&str]], always: &[&str]) {
    let tools = std::env::var_os("E2E_TOOLS_DIR").expect("E2E_TOOLS_DIR names a folder");
    let theirs = Path::new(&tools).join(helm);
    let folder = ground(helm);
    let mut different = Vec::new();
    for flags in FLAGS.iter().chain(special) {
        let mut helm_template = Command::new(&theirs);
        let always = if flags.contains(&"--kube-version") {
            &[]
        } else {
            always
        };
        let flags = [always, *flags].concat();
        helm_template.args(["template", "r", "c"]).args(&flags);
        let mut render = Command::new(env!("CARGO_BIN_EXE_aks-airflow"));
        render
            .args(["render", "r", "c", "--profile", helm])
            .args(&flags);
        let (wanted, helm_said) = seen(helm_template, &folder);
        let (found, said) = seen(render, &folder);
        if wanted != found {
            different.push(format!(
                "{flags:?}\nHelm: {wanted:#?}\n{helm_said}\nhere: {found:#?}\n{said}"
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
#[ignore = "needs Helm 4's binary: E2E_TOOLS_DIR, see e2e/tools/build.sh"]
fn every_flag_does_what_it_does_in_helm_4() {
    every_flag("helm4", &[], &[]);
}

#[test]
#[ignore = "needs Helm 3's binary: E2E_TOOLS_DIR, see e2e/tools/build.sh"]
fn every_flag_does_what_it_does_in_helm_3() {
    every_flag("helm3", OF_HELM_3, &["--kube-version", "1.36.0"]);
}
