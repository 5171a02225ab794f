//! The invariants of ARCHITECTURE.md that text can prove: which crate names which, who prints, who
//! touches the wire, how files begin and end. It reads the work tree and owns no opinion of its own;
//! it refuses to judge behaviour, which the other proofs run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates of ours that each crate may name under `[dependencies]`: all of them, no other.
const ARROWS: &[(&str, &[&str])] = &[
    // pure
    ("converge", &[]),
    ("go-text-template", &[]),
    ("helm-chart", &["go-text-template"]),
    // seams
    ("kube-cluster", &["converge"]),
    ("azure", &["converge"]),
    ("helm-registry", &["converge", "helm-chart"]),
    // engine
    ("helm-release", &["converge", "helm-chart", "kube-cluster"]),
    // domains
    ("aks-identity", &["azure", "converge", "kube-cluster"]),
    (
        "ext-secrets",
        &[
            "azure",
            "converge",
            "helm-chart",
            "helm-release",
            "kube-cluster",
        ],
    ),
    ("blob-storage", &["azure", "converge", "kube-cluster"]),
    (
        "airflow-helm",
        &["converge", "helm-chart", "helm-release", "kube-cluster"],
    ),
    // top
    (
        "orchestrate",
        &[
            "airflow-helm",
            "aks-identity",
            "azure",
            "blob-storage",
            "converge",
            "ext-secrets",
            "helm-chart",
            "helm-registry",
            "helm-release",
            "kube-cluster",
        ],
    ),
    // beside them
    ("aks-sandbox", &[]),
];

const PURE: [&str; 3] = ["converge", "go-text-template", "helm-chart"];
const DOMAINS: [&str; 4] = [
    "aks-identity",
    "ext-secrets",
    "blob-storage",
    "airflow-helm",
];

/// Who may name a client of the outside world, in code and in `[dependencies]`.
const WIRE: &[(&str, &[&str])] = &[
    ("kube", &["kube-cluster"]),
    ("oci-client", &["helm-registry"]),
    ("azure_identity", &["azure"]),
    ("azure_core", &["azure", "blob-storage", "ext-secrets"]),
    ("azure_security_keyvault_secrets", &["ext-secrets"]),
    ("azure_storage_blob", &["blob-storage"]),
    ("reqwest", &["azure", "helm-registry"]),
];

/// The seams: trait, crate, and the file whose conformance functions take it.
const SEAMS: &[(&str, &str, &str)] = &[
    ("Cluster", "kube-cluster", "src/conformance.rs"),
    ("Arm", "azure", "src/conformance.rs"),
    ("TokenExchange", "azure", "src/conformance.rs"),
    ("ChartSource", "helm-registry", "src/conformance.rs"),
    ("Releases", "helm-release", "src/conformance.rs"),
    ("Identities", "aks-identity", "src/conformance.rs"),
    ("VaultAccess", "ext-secrets", "src/conformance.rs"),
    ("VaultSecrets", "ext-secrets", "src/conformance.rs"),
    ("StorageAccounts", "blob-storage", "src/conformance.rs"),
    ("LogStore", "blob-storage", "src/conformance.rs"),
    ("AirflowApi", "airflow-helm", "src/api/conformance.rs"),
];

/// Seams with a mock and no suite of their own: what they must do is stated where they are used,
/// by the suites and the workflow over the sandbox.
const MOCKED_ONLY: &[(&str, &str)] =
    &[("PodLogs", "kube-cluster"), ("PortForward", "kube-cluster")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace is two folders up")
}

/// Every file below `folder` that belongs to the project, as a path relative to the root.
fn files(folder: &str) -> Vec<String> {
    let root = root();
    let mut pending = vec![root.join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                let made = name.starts_with("target")
                    || [".git", ".aks-sandbox", ".build"].contains(&name.as_str());
                if !made && !path.ends_with("e2e/tools/bin") {
                    pending.push(path);
                }
            } else if !name.starts_with(".nfs") {
                let relative = path.strip_prefix(&root).expect("below the root");
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} holds nothing");
    found
}

fn rust_files(folder: &str) -> Vec<String> {
    let is_rust = |file: &String| Path::new(file).extension().is_some_and(|it| it == "rs");
    files(folder).into_iter().filter(is_rust).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The crates named in a table of a manifest.
fn dependencies(manifest: &str, table: &str) -> BTreeSet<String> {
    let text = read(manifest);
    let header = format!("[{table}]");
    text.lines()
        .skip_while(|line| line.trim() != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric()))
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .map(str::to_owned)
        .collect()
}

/// A text without comments: what a machine may do, not what a person may read.
fn code(path: &str) -> Vec<(usize, String)> {
    read(path)
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line.to_owned()))
        .collect()
}

fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn arrows_point_down_and_are_the_ones_drawn() {
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let mut problems = Vec::new();
    for (name, allowed) in ARROWS {
        let named = dependencies(&format!("crates/{name}/Cargo.toml"), "dependencies");
        let named: Vec<_> = named
            .iter()
            .map(String::as_str)
            .filter(|it| ours.contains(it))
            .collect();
        if named != *allowed {
            problems.push(format!("{name} names {named:?}, drawn are {allowed:?}"));
        }
    }
    none(&problems);
}

#[test]
fn every_crate_is_in_the_drawing() {
    let drawn: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut present: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .expect("a readable folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(
        present.remove("proofs"),
        "the proofs stand beside the drawing"
    );
    assert_eq!(present, drawn);
}

#[test]
fn tests_of_a_crate_know_neither_the_sandbox_nor_another_domain() {
    let mut problems = Vec::new();
    for (name, _) in ARROWS.iter().filter(|(name, _)| *name != "orchestrate") {
        let named = dependencies(&format!("crates/{name}/Cargo.toml"), "dev-dependencies");
        if named.contains("aks-sandbox") {
            problems.push(format!("{name} dev-depends on the sandbox"));
        }
        for domain in DOMAINS
            .iter()
            .filter(|domain| *domain != name && named.contains(**domain))
        {
            problems.push(format!("{name} dev-depends on {domain}"));
        }
    }
    none(&problems);
}

#[test]
fn pure_crates_name_no_runtime_network_clock_or_chance() {
    let mut problems = Vec::new();
    for name in PURE {
        let named = dependencies(&format!("crates/{name}/Cargo.toml"), "dependencies");
        for io in [
            "tokio",
            "reqwest",
            "kube",
            "hyper",
            "hyper-util",
            "getrandom",
            "fastrand",
        ] {
            if named.contains(io) {
                problems.push(format!("{name} depends on {io}"));
            }
        }
        let own = format!("crates/{name}/src");
        for path in rust_files(&own) {
            for (number, line) in code(&path) {
                for io in [
                    "TcpStream",
                    "std::fs",
                    "std::env",
                    "Timestamp::now",
                    "SystemTime::now",
                    "Instant::now",
                    "Zoned::now",
                    "TimeZone::system",
                ] {
                    if line.contains(io) && !is_test(&path, number) {
                        problems.push(format!("{path}:{number} uses {io}"));
                    }
                }
            }
        }
    }
    none(&problems);
}

#[test]
fn one_crate_alone_names_each_client_of_the_outside() {
    let mut problems = Vec::new();
    for (client, owners) in WIRE {
        let path_of_code = format!("{}::", client.replace('-', "_"));
        for (name, _) in ARROWS.iter().filter(|(name, _)| !owners.contains(name)) {
            if dependencies(&format!("crates/{name}/Cargo.toml"), "dependencies").contains(*client)
            {
                problems.push(format!("{name} depends on {client}"));
            }
            for path in rust_files(&format!("crates/{name}/src")) {
                for (number, line) in code(&path) {
                    let at = line.find(&path_of_code);
                    let before = |at: usize| line[..at].chars().next_back();
                    if at.is_some_and(|at| {
                        !before(at).is_some_and(|c| c.is_alphanumeric() || c == '_')
                    }) {
                        problems.push(format!("{path}:{number} names {client}"));
                    }
                }
            }
        }
        for owner in *owners {
            let named = dependencies(&format!("crates/{owner}/Cargo.toml"), "dependencies");
            assert!(
                named.contains(*client),
                "{owner} has no use for {client} any more"
            );
        }
    }
    none(&problems);
}

/// Whether a line stands in a test: in a file of tests, or below `#[cfg(test)]`.
fn is_test(path: &str, number: usize) -> bool {
    let file = path.contains("/tests/") || path.ends_with("tests.rs");
    file || read(path)
        .lines()
        .position(|line| line.trim() == "#[cfg(test)]")
        .is_some_and(|start| number > start)
}

#[test]
fn libraries_are_silent_and_blind_to_the_process() {
    let mut problems = Vec::new();
    for (name, _) in ARROWS {
        for path in rust_files(&format!("crates/{name}/src")) {
            for (number, line) in code(&path) {
                for word in [
                    "println!",
                    "eprintln!",
                    "print!(",
                    "eprint!(",
                    "dbg!(",
                    "env::var",
                    "env::args",
                    "process::exit",
                    "io::stdout",
                    "io::stderr",
                ] {
                    if line.contains(word) && !is_test(&path, number) {
                        problems.push(format!("{path}:{number} uses {word}"));
                    }
                }
            }
        }
    }
    none(&problems);
}

#[test]
fn every_file_says_what_it_owns_and_stays_readable() {
    let mut problems = Vec::new();
    for path in ["crates", "examples", "e2e", "benches"]
        .iter()
        .flat_map(|it| rust_files(it))
    {
        let text = read(&path);
        if !text.starts_with("//! ") {
            problems.push(format!("{path} does not open with `//!`"));
        }
        let lines = text.lines().count();
        if lines > 800 {
            problems.push(format!("{path} has {lines} lines"));
        }
        let stem = Path::new(&path)
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let folders = Path::new(&path)
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned());
        for name in folders.chain([stem]) {
            if [
                "utils", "util", "common", "helpers", "helper", "manager", "misc",
            ]
            .contains(&name.as_str())
            {
                problems.push(format!("{path}: `{name}` names nothing"));
            }
        }
    }
    none(&problems);
}

#[test]
fn nothing_is_left_to_do_and_no_lint_is_silenced_without_reason() {
    // Put together here, so that this file does not find itself.
    let unfinished = ["todo", "unimplemented"].map(|word| format!("{word}!("));
    let marks = [["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let mut problems = Vec::new();
    for path in ["crates", "examples", "e2e", "benches"]
        .iter()
        .flat_map(|it| rust_files(it))
    {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            let place = format!("{path}:{}", number + 1);
            let words = unfinished.iter().chain(&marks);
            problems.extend(
                words
                    .filter(|word| line.contains(*word))
                    .map(|word| format!("{place} says {word}")),
            );
            if line.trim_start().starts_with("#[allow(") && !line.contains("reason = ") {
                problems.push(format!("{place} allows without a reason"));
            }
        }
    }
    none(&problems);
}

#[test]
fn every_ignored_test_says_what_it_needs() {
    let mut problems = Vec::new();
    for path in ["crates", "examples", "e2e", "benches"]
        .iter()
        .flat_map(|it| rust_files(it))
    {
        for (number, line) in code(&path) {
            let attribute = ["#[", "ignore"].concat();
            let rest = line.split(&attribute).skip(1);
            for rest in rest.filter(|rest| !rest.starts_with(" = \"needs ")) {
                problems.push(format!("{path}:{number} ignores: {rest}"));
            }
        }
    }
    none(&problems);
}

#[test]
fn every_seam_has_a_mock_and_what_it_must_do() {
    let mut problems = Vec::new();
    let all = SEAMS.iter().map(|(seam, owner, _)| (seam, owner));
    for (seam, owner) in all.chain(MOCKED_ONLY.iter().map(|(seam, owner)| (seam, owner))) {
        let sources: String = rust_files(&format!("crates/{owner}/src"))
            .iter()
            .map(|path| read(path))
            .collect();
        for wanted in [format!("pub trait {seam}:"), format!("Mock{seam}")] {
            if !sources.contains(&wanted) {
                problems.push(format!("{owner} lacks `{wanted}`"));
            }
        }
        let manifest = read(&format!("crates/{owner}/Cargo.toml"));
        if !manifest.contains("mock = [\"dep:mockall\"]") {
            problems.push(format!("{owner} lacks the feature `mock`"));
        }
    }
    for (seam, owner, suite) in SEAMS {
        let text = read(&format!("crates/{owner}/{suite}"));
        let speaks = text.contains(seam);
        if !speaks
            || !text.contains("pub async fn ")
                && !text.contains("pub mod ")
                && !text.contains("_conformance {")
        {
            problems.push(format!("{owner}/{suite} states nothing about {seam}"));
        }
    }
    none(&problems);
}

#[test]
fn no_seam_is_missing_from_the_list() {
    let listed: BTreeSet<&str> = SEAMS
        .iter()
        .map(|(seam, _, _)| *seam)
        .chain(MOCKED_ONLY.iter().map(|(seam, _)| *seam))
        .collect();
    let mut mocked = BTreeMap::new();
    for (name, _) in ARROWS {
        for path in rust_files(&format!("crates/{name}/src")) {
            let text = read(&path);
            for piece in text.split("mockall::automock").skip(1) {
                let seam = piece
                    .split("pub trait ")
                    .nth(1)
                    .and_then(|rest| rest.split(':').next());
                mocked.insert(seam.unwrap_or("?").to_owned(), path.clone());
            }
        }
    }
    for (seam, path) in &mocked {
        assert!(
            listed.contains(seam.as_str()),
            "{path}: {seam} is not listed here"
        );
    }
    assert_eq!(mocked.len(), listed.len());
}

#[test]
fn every_path_in_architecture_md_exists() {
    let text = read("ARCHITECTURE.md");
    let mut problems = Vec::new();
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let paths = quoted
        .iter()
        .filter(|word| word.contains('/') && !word.contains(char::is_whitespace));
    let mut seen = 0;
    for path in paths {
        seen += 1;
        if !root().join(path).exists() {
            problems.push(format!("{path} does not exist"));
        }
    }
    let steps = text.lines().filter(|line| line.starts_with("| S")).count();
    assert_eq!(steps, 18, "S0 to S16, and S18");
    assert!(seen >= steps, "each step has a path");
    none(&problems);
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let mut problems = Vec::new();
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "COMPATIBILITY.md",
        "CONTRIBUTING.md",
    ] {
        let text = read(page);
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            if !root().join(link).exists() {
                problems.push(format!("{page} links to {link}, which does not exist"));
            }
        }
    }
    none(&problems);
}

#[test]
fn nothing_of_one_machine_is_in_the_tree() {
    // Put together here, so that this file does not find itself.
    let private = ["work", "tmp", "root"].map(|folder| format!("/{folder}/"));
    let elsewhere = [
        ["GO", "PROXY="],
        ["--index", "-url"],
        ["[sour", "ce."],
        ["[regis", "tries"],
    ]
    .map(|parts| parts.concat());
    let mut problems = Vec::new();
    for path in files(".") {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue; // not text
        };
        if path.ends_with("tests/architecture.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for word in private.iter().filter(|word| line.contains(word.as_str())) {
                problems.push(format!("{path}:{} names {word}", number + 1));
            }
            let words = elsewhere.iter().filter(|word| line.contains(word.as_str()));
            if path != "deny.toml" {
                problems.extend(
                    words.map(|word| format!("{path}:{} names a registry: {word}", number + 1)),
                );
            }
        }
    }
    let lock = read("Cargo.lock");
    for source in lock.lines().filter(|line| line.starts_with("source = ")) {
        assert_eq!(
            source,
            "source = \"registry+https://github.com/rust-lang/crates.io-index\""
        );
    }
    none(&problems);
}
