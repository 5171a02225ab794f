//! What a person gets wrong, from outside: the error says where and what, the exit code is 1 (64 for
//! the command line itself), and nothing was written, not even a simulated world.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the base document is followed by, and what must be said about it.
struct Case {
    /// An overlay over the guide's document; files are named after their place in the table.
    overlay: &'static str,
    /// Where the mistake is: `line:column` of the overlay, if it is in the text.
    place: Option<&'static str>,
    code: &'static str,
    words: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        overlay: "azure: [1\n",
        place: Some("2:1"),
        code: "aka::document::syntax",
        words: &["not YAML"],
    },
    Case {
        overlay: "airflow:\n  executer: KubernetesExecutor\n",
        place: Some("2:3"),
        code: "aka::document::unknown_key",
        words: &["airflow.executer", "did you mean `executor`?"],
    },
    Case {
        overlay: "airflow:\n  scheduler:\n    replicas: two\n",
        place: Some("3:5"),
        code: "aka::document::type",
        words: &["airflow.scheduler.replicas", "must be a whole number"],
    },
    Case {
        overlay: "azure:\n  keyVault: null\n",
        place: None,
        code: "aka::document::missing",
        words: &["azure", "`keyVault` is missing"],
    },
    Case {
        overlay: "databasePassword: hunter2\n",
        place: Some("1:1"),
        code: "aka::document::literal_secret",
        words: &["must be a reference", "{keyVault: NAME}"],
    },
    Case {
        overlay: "airflow:\n  airflowVersion: 3.0.2\n",
        place: Some("2:3"),
        code: "aka::document::pair",
        words: &["3.0.2 does not run on chart 1.15.0", "1.22.0"],
    },
    Case {
        overlay: "values:\n  schedular: {replicas: 2}\n",
        place: None,
        code: "aka::airflow::unknown_value",
        words: &["`schedular`", "did you mean `scheduler`"],
    },
    Case {
        overlay: "values:\n  scheduler: {replicas: many}\n",
        place: None,
        code: "aka::values::schema",
        words: &["at '/scheduler/replicas': got string, want integer"],
    },
    Case {
        overlay: "namespace: Airflow\n",
        place: Some("1:1"),
        code: "aka::document::value",
        words: &["`Airflow` would be refused", "lower-case"],
    },
    Case {
        overlay: "azure:\n  storageAccount: My_Account\n",
        place: Some("2:3"),
        code: "aka::document::value",
        words: &["`My_Account` would be refused", "3 to 24"],
    },
    Case {
        overlay: "airflowChart:\n  digest: sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
        place: None,
        code: "aka::registry::digest",
        words: &["airflow 1.15.0", "the document's pin"],
    },
];

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bad_input_{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Exit code, standard output, standard error.
    fn says(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_aks-airflow"))
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .env("HOME", &self.0)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn guide() -> String {
    format!("{}/guide.yaml", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn each_mistake_in_a_document_is_named_with_its_place_and_nothing_is_written() {
    let folder = Folder::new("documents");
    for (number, case) in CASES.iter().enumerate() {
        let file = format!("overlay-{number}.yaml");
        std::fs::write(folder.0.join(&file), case.overlay).unwrap();
        for command in ["plan", "up"] {
            let (code, out, error) =
                folder.says(&[command, "--sandbox", "-f", &guide(), "-f", &file]);
            let told = format!("{command} with\n{}\n{out}\n{error}", case.overlay);
            assert_eq!(code, Some(1), "{told}");
            let place = case.place.map(|place| format!("{file}:{place}"));
            let words = case.words.iter().copied().chain(place.as_deref());
            for word in words.chain([case.code, "nothing was written"]) {
                assert!(error.contains(word), "no `{word}` in {told}");
            }
            assert!(
                !told.replace(case.overlay, "").contains("hunter2"),
                "{told}"
            );
        }
        let (code, out, _) = folder.says(&[
            "plan",
            "--sandbox",
            "-o",
            "json",
            "-f",
            &guide(),
            "-f",
            &file,
        ]);
        assert_eq!(code, Some(1), "{out}");
        assert!(out.contains("\"nothing was written\""), "{out}");
    }
    // A world that was opened is kept only by a command that ends well.
    assert!(!folder.0.join(".aks-sandbox").exists());
}

/// A chart's archive of these files, whatever their names.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut tar = tar::Builder::new(gzip);
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        // As a hostile packer would: the library's own setter refuses to climb.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn archives_that_are_damaged_hostile_or_not_there_are_named() {
    let folder = Folder::new("archives");
    let chart: (&str, &[u8]) = (
        "web/Chart.yaml",
        b"apiVersion: v2\nname: web\nversion: 1.0.0\n",
    );
    let whole = archive(&[chart]);
    let climbs = archive(&[chart, ("web/../../escaped.txt", b"out")]);
    let inflates = archive(&[chart, ("web/files/zeros", &vec![0; 6 << 20])]);
    assert!(inflates.len() < 64 << 10, "it must be a small file");
    for (name, bytes) in [
        ("half.tgz", &whole[..whole.len() / 2]),
        ("climbs.tgz", &climbs),
        ("inflates.tgz", &inflates),
    ] {
        std::fs::write(folder.0.join(name), bytes).unwrap();
    }
    for (chart, words) in [
        ("half.tgz", ["half.tgz", "damaged"]),
        ("climbs.tgz", ["climbs.tgz", "escaped.txt"]),
        ("inflates.tgz", ["inflates.tgz", "files/zeros"]),
        ("nowhere.tgz", ["nowhere.tgz", "aka::render"]),
    ] {
        let (code, out, error) = folder.says(&["render", "r", chart]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{error}");
        for word in words.into_iter().chain(["nothing was written"]) {
            assert!(error.contains(word), "no `{word}` in {error}");
        }
    }
    // As the document's charts: the folder that was looked into, and what is wrong with the archive.
    std::fs::create_dir(folder.0.join("charts")).unwrap();
    for (is_there, words) in [
        (
            false,
            [
                "chart airflow 1.15.0 from charts",
                "aka::registry::not_found",
            ],
        ),
        (true, ["aka::chart::parent_path", "escaped.txt"]),
    ] {
        for (name, version) in [("airflow", "1.15.0"), ("external-secrets", "0.10.5")] {
            if is_there {
                let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
                let file = format!("{name}/Chart.yaml");
                let climbs = archive(&[
                    (&file, metadata.as_bytes()),
                    (&format!("{name}/../../escaped.txt"), b"out"),
                ]);
                let path = folder.0.join(format!("charts/{name}-{version}.tgz"));
                std::fs::write(path, climbs).unwrap();
            }
        }
        let up = ["up", "--sandbox", "--charts", "charts", "-f", &guide()];
        let (code, out, error) = folder.says(&up);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{error}");
        for word in words.into_iter().chain(["nothing was written"]) {
            assert!(error.contains(word), "no `{word}` in {error}");
        }
    }
    for folder in folder.0.ancestors().take(3) {
        assert!(!folder.join("escaped.txt").exists());
    }
}

#[test]
fn a_template_that_fails_is_shown_with_its_line_whichever_command_renders_it() {
    for (expression, code, words) in [
        (
            "$team.name.first",
            "aka::render::execute",
            "can't evaluate field first in type interface {}",
        ),
        (
            "until 2000000",
            "aka::render::execute",
            "a sequence of 2000000 numbers exceeds the limit of 1000000",
        ),
        (
            "repeat 99999999 (toString $team)",
            "aka::render::execute",
            "exceeds the limit of 33554432",
        ),
        ("fail \"no team\"", "aka::render::refused", "no team"),
    ] {
        let line = format!("team: {{{{ {expression} }}}}");
        let folder = Folder::new("template");
        std::fs::create_dir(folder.0.join("charts")).unwrap();
        for (name, version) in [("airflow", "1.15.0"), ("external-secrets", "0.10.5")] {
            let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
            let template = format!("{{{{ $team := dict \"name\" 5 }}}}\n{line}\n");
            let chart = archive(&[
                (&format!("{name}/Chart.yaml"), metadata.as_bytes()),
                (&format!("{name}/templates/a.yaml"), template.as_bytes()),
            ]);
            let archive = format!("{name}-{version}.tgz");
            std::fs::write(folder.0.join("charts").join(archive), chart).unwrap();
        }
        is_shown_by_plan_and_up(&folder, &line, code, words);
    }
}

/// The failure of the second line, whose expression these words refuse, is told with its place.
fn is_shown_by_plan_and_up(folder: &Folder, line: &str, code: &str, words: &str) {
    let line = format!("2 | {line}");
    let reach = "$team  map of 1: name";
    for command in ["plan", "up"] {
        let mut arguments = vec![command, "--sandbox", "--charts", "charts", "-f"];
        let guide = guide();
        arguments.push(&guide);
        let (exit, out, error) = folder.says(&arguments);
        assert_eq!((exit, out.as_str()), (Some(1), ""), "{error}");
        for words in [
            code,
            "nothing was written",
            words,
            "templates/a.yaml:2",
            &line,
            "in reach there:",
            reach,
        ] {
            assert!(error.contains(words), "no `{words}` in {error}");
        }
        arguments.extend(["--output", "json"]);
        let (_, out, _) = folder.says(&arguments);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        let one = &json["error"]["errors"][0];
        assert_eq!(one["at"]["line"], 2, "{json}");
        assert!(
            one["inReach"].as_array().unwrap().contains(&reach.into()),
            "{json}"
        );
    }
}

#[test]
fn values_that_break_the_charts_schema_are_named_by_their_path() {
    let folder = Folder::new("schema");
    let chart = archive(&[
        (
            "web/Chart.yaml",
            b"apiVersion: v2\nname: web\nversion: 1.0.0\n",
        ),
        (
            "web/values.schema.json",
            br#"{"properties": {"replicas": {"type": "integer", "maximum": 3}}}"#,
        ),
    ]);
    std::fs::write(folder.0.join("web.tgz"), chart).unwrap();
    std::fs::write(folder.0.join("v.yaml"), "replicas: 9\n").unwrap();
    for flags in [["-f", "v.yaml"], ["--set", "replicas=9"]] {
        let [flag, value] = flags;
        let (code, out, error) = folder.says(&["render", "r", "web.tgz", flag, value]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{error}");
        for word in [
            "aka::values::schema",
            "at '/replicas': maximum: got 9, want 3",
            "nothing was written",
        ] {
            assert!(error.contains(word), "no `{word}` in {error}");
        }
    }
}

#[test]
fn without_a_credential_the_way_to_one_is_named() {
    let folder = Folder::new("credentials");
    let overlay = "azure:\n  credentials: [client-secret]\n";
    std::fs::write(folder.0.join("c.yaml"), overlay).unwrap();
    let (code, _, error) = folder.says(&["up", "-f", &guide(), "-f", "c.yaml"]);
    assert_eq!(code, Some(1), "{error}");
    for word in [
        "aka::azure::credential",
        "no credential is configured",
        "help: log in",
        "nothing was written",
    ] {
        assert!(error.contains(word), "no `{word}` in {error}");
    }
}

#[test]
fn a_wrong_command_line_is_wrong_usage() {
    let folder = Folder::new("usage");
    for arguments in [
        &["plan", "--nope"][..],
        &["fly"],
        &["logs"],
        &["plan", "--output", "xml"],
    ] {
        let (code, out, error) = folder.says(arguments);
        assert_eq!((code, out.as_str()), (Some(64), ""), "{error}");
        assert!(error.starts_with("error: "), "{error}");
    }
    let (code, out, _) = folder.says(&["--help"]);
    assert_eq!(code, Some(0));
    let flat = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in [
        "0 done",
        "1 failed",
        "2 the plan has changes",
        "3 drift",
        "64 wrong usage",
        "130 interrupted",
    ] {
        assert!(flat.contains(word), "no `{word}` in {out}");
    }
}
