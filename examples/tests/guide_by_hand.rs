//! The sandbox judged by others: the guide's own commands, by Microsoft's `az`, by `kubectl` and by
//! Helm itself, against a served sandbox; then `aks-airflow` takes over what they left. They leave it
//! half done: the image of the guide's database is no longer where the guide expects it.
//!
//! The programs are `azure-cli/bin/az`, `kubectl`, `helm3` in `E2E_TOOLS_DIR`, made by
//! `e2e/tools/install.sh azure-cli` and `e2e/tools/build.sh kubernetes helm3`; the official charts
//! are in `AKS_AIRFLOW_SHARED/charts`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn folder_of(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} names a folder"));
    std::fs::canonicalize(value).unwrap()
}

/// A sandbox that listens, until this value goes.
struct Served {
    process: Child,
    endpoints: serde_json::Value,
}

impl Served {
    fn begin(folder: &Path, charts: &Path) -> Self {
        let process = aks_airflow(folder)
            .args(["sandbox", "serve", "--output", "json", "--charts"])
            .arg(charts)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut served = Self {
            process,
            endpoints: serde_json::Value::Null,
        };
        let output = BufReader::new(served.process.stdout.take().unwrap());
        let mut text = String::new();
        for line in output.lines() {
            text.push_str(&line.unwrap());
            // It goes on listening after the one document it prints.
            if let Ok(endpoints) = serde_json::from_str(&text) {
                served.endpoints = endpoints;
                return served;
            }
        }
        panic!("the sandbox ended: {text}");
    }

    fn said(&self, field: &str) -> &str {
        self.endpoints[field].as_str().unwrap()
    }

    fn login(&self, field: &str) -> &str {
        self.endpoints["login"][field].as_str().unwrap()
    }

    /// A program of others that reaches the simulated Azure under Azure's own names.
    fn client(&self, folder: &Path, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let authority = std::fs::canonicalize(folder.join(self.said("authority"))).unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .env("HOME", folder)
            .env("HTTPS_PROXY", self.said("proxy"))
            .env("NO_PROXY", "127.0.0.1")
            .env("REQUESTS_CA_BUNDLE", &authority)
            .env("SSL_CERT_FILE", &authority);
        command
    }

    /// Ctrl-C, which keeps the world.
    fn end(mut self) {
        let id = self.process.id().to_string();
        let killed = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(killed.success() && self.process.wait().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn aks_airflow(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aks-airflow"));
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("AKS_AIRFLOW_SANDBOX", folder.join("world"))
        .stdin(Stdio::null());
    command
}

/// What a program that succeeds writes.
fn said_by(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let [text, error] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{command:?}\n{text}\n{error}");
    (text, error)
}

#[test]
#[ignore = "needs az, kubectl and Helm 3 (E2E_TOOLS_DIR) and the official charts (AKS_AIRFLOW_SHARED)"]
fn the_guides_own_commands_work_and_are_taken_over() {
    let (tools, shared) = (folder_of("E2E_TOOLS_DIR"), folder_of("AKS_AIRFLOW_SHARED"));
    let charts = shared.join("charts");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide_by_hand");
    let _ = std::fs::remove_dir_all(&folder);
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for (name, program) in [
        ("az", "azure-cli/bin/az"),
        ("kubectl", "kubectl"),
        ("helm", "helm3"),
    ] {
        std::os::unix::fs::symlink(tools.join(program), bin.join(name)).unwrap();
    }

    let sandbox = Served::begin(&folder, &charts);
    let path = std::env::join_paths(
        std::iter::once(bin).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    let by_hand = |program: &str, arguments: &[&str]| {
        let mut command = sandbox.client(&folder, program);
        command
            .args(arguments)
            .env("PATH", &path)
            .env("AZURE_CONFIG_DIR", folder.join("azure"))
            .env("AZURE_CORE_COLLECT_TELEMETRY", "no")
            .env("KUBECONFIG", folder.join("kubeconfig"));
        let (text, error) = said_by(&mut command);
        format!("{text}\n{error}")
    };
    by_hand(
        "az",
        &[
            "login",
            "--service-principal",
            "-u",
            sandbox.login("application"),
            "-p",
            sandbox.login("secret"),
            "--tenant",
            sandbox.login("tenant"),
        ],
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guide_by_hand.sh");
    let said = by_hand("bash", &[script.to_str().unwrap()]);
    let ended = "failed post-install: 1 error occurred:\n\t* timed out waiting for the condition";
    assert!(said.contains(ended), "{said}");
    for pod in ["airflow-scheduler", "external-secrets-webhook"] {
        assert!(said.contains(pod), "{said}");
    }
    sandbox.end();

    // What they left is taken over, and nothing is made twice.
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("guide.yaml");
    let ours = |arguments: &[&str]| {
        let mut command = aks_airflow(&folder);
        command.args(arguments).arg("--sandbox").arg("--charts");
        let output = command.arg(&charts).arg("-f").arg(&guide).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), format!("{text}\n{error}"))
    };
    let (code, planned) = ours(&["plan"]);
    assert_eq!(code, Some(2), "{planned}");
    for made in [
        "+ create   Namespace",
        "+ create   ServiceAccount airflow/airflow\n",
    ] {
        assert!(!planned.contains(made), "{planned}");
    }
    // Each trap the guide led into is named.
    for trap in [
        "G11 ", "S1 ", "S2 ", "S3 ", "G39 ", "S10 ", "V1 ", "S8 ", "G1 ", "G29 ", "O1 ",
    ] {
        assert!(planned.contains(&format!("  {trap}")), "{trap}: {planned}");
    }
    let (code, up) = ours(&["up"]);
    assert_eq!(code, Some(0), "{up}");
    let (code, again) = ours(&["plan"]);
    assert_eq!(code, Some(0), "{again}");
    std::fs::remove_dir_all(folder).unwrap();
}
