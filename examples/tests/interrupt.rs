//! `aks-airflow up` that meets a fault, Ctrl-C and SIGTERM: `status` and `verify` name the cause with their
//! exit codes, and the next `up` goes on where the interrupted one stopped.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a run may take until it says what it waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A simulated world in a folder of its own.
struct World(PathBuf);

/// An exit code and everything that was printed.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    text: String,
}

impl World {
    fn with_faults(name: &str, faults: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("interrupt_{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let world = Self(folder);
        world.faults(faults);
        world
    }

    fn faults(&self, faults: &[&str]) {
        let mut arguments = vec!["sandbox", "fault"];
        arguments.extend(faults);
        self.says(&arguments).ends(0, &[]);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aks-airflow"));
        command
            .args(arguments)
            .current_dir(&self.0)
            .env("HOME", &self.0)
            .env_remove("AKS_AIRFLOW_SANDBOX")
            .stdin(Stdio::null());
        command
    }

    fn says(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        Said {
            code: output.status.code(),
            text: String::from_utf8(text).unwrap(),
        }
    }

    /// Runs `up` until a line of its progress has all these words (`this|or that`), then presses
    /// Ctrl-C.
    fn up_interrupted_at(&self, words: &[&str]) -> Said {
        self.up_ended_at("INT", words)
    }

    /// The same by a signal of this name.
    fn up_ended_at(&self, signal: &str, words: &[&str]) -> Said {
        let mut up = self.command(&["up", "--sandbox"]);
        let mut up = up
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, told) = mpsc::channel();
        let progress = BufReader::new(up.stderr.take().unwrap());
        let reading = std::thread::spawn(move || {
            for line in progress.lines() {
                let _ = tell.send(line.unwrap());
            }
        });
        let mut text = String::new();
        let until = Instant::now() + PATIENCE;
        let mut found = false;
        while !found {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = told.recv_timeout(left) else {
                break;
            };
            found = words
                .iter()
                .all(|words| words.split('|').any(|word| line.contains(word)));
            text.push_str(&line);
            text.push('\n');
        }
        send(signal, up.id());
        let mut output = String::new();
        let mut stdout = up.stdout.take().unwrap();
        stdout.read_to_string(&mut output).unwrap();
        let status = up.wait().unwrap();
        reading.join().unwrap();
        for line in told.try_iter() {
            text.push_str(&line);
            text.push('\n');
        }
        assert!(found, "no line with {words:?} in:\n{text}");
        text.push_str(&output);
        Said {
            code: status.code(),
            text,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Said {
    #[track_caller]
    fn ends(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "no `{word}` in:\n{}", self.text);
        }
    }
}

/// Sends a signal; Ctrl-C sends `INT`.
fn send(signal: &str, process: u32) {
    let kill = Command::new("sh")
        .args(["-c", &format!("kill -{signal} {process}")])
        .status();
    assert!(kill.unwrap().success());
}

const INTERRUPTED: [&str; 3] = [
    "aka::cli::interrupted",
    "what was done stays",
    "run the same command again",
];

/// A fault: what `up` waits for, and what `status` and `verify` say while it does.
struct Fault {
    name: &'static str,
    given: &'static [&'static str],
    waits: &'static [&'static str],
    seen: &'static [&'static str],
}

#[track_caller]
fn is_named(fault: &Fault) {
    let world = World::with_faults(fault.name, fault.given);
    world.up_interrupted_at(fault.waits).ends(130, &INTERRUPTED);
    world.says(&["status", "--sandbox"]).ends(3, fault.seen);
    world.says(&["verify", "--sandbox"]).ends(1, fault.seen);
}

#[test]
fn an_image_that_is_not_in_the_registry_is_named() {
    is_named(&Fault {
        name: "image",
        given: &["image=airflowregistry123.azurecr.io/airflow:2.9.3"],
        waits: &["airflow", "ImagePull"],
        seen: &["airflowregistry123.azurecr.io/airflow:2.9.3", "ImagePull"],
    });
}

#[test]
fn a_vault_grant_that_is_missing_is_named() {
    is_named(&Fault {
        name: "grant",
        given: &["vault-grant"],
        waits: &["token exchange", "403"],
        seen: &["does not have secrets get permission"],
    });
}

#[test]
fn a_federated_subject_that_is_wrong_is_named() {
    is_named(&Fault {
        name: "subject",
        given: &["federated-subject"],
        waits: &["token exchange", "AADSTS700213"],
        seen: &["AADSTS700213", "system:serviceaccount:airflow:airflow"],
    });
}

#[test]
fn propagation_that_takes_long_is_named() {
    is_named(&Fault {
        name: "propagation",
        given: &["propagation=3600"],
        waits: &["token exchange", "AADSTS70021"],
        seen: &["token exchange", "AADSTS70021"],
    });
}

#[test]
fn a_claim_that_is_not_bound_is_named() {
    is_named(&Fault {
        name: "claim",
        given: &["claim=airflow/pvc-airflow-logs"],
        waits: &["logs", "not bound"],
        seen: &["pvc-airflow-logs", "no persistent volumes available"],
    });
}

#[test]
fn a_webhook_that_does_not_answer_is_named() {
    is_named(&Fault {
        name: "webhook",
        given: &["webhook"],
        waits: &["external-secrets", "webhook"],
        seen: &["webhook"],
    });
}

/// In the middle of a release: the interrupted run leaves it pending, the next one resumes it.
#[test]
fn a_migration_that_fails_is_named_and_once_mended_the_next_run_goes_on() {
    let fault = Fault {
        name: "migration",
        given: &["migration"],
        waits: &["airflow-run-airflow-migrations-", "exit code 1|Back-off"],
        seen: &["airflow-run-airflow-migrations", "Can't locate revision"],
    };
    let world = World::with_faults(fault.name, fault.given);
    world.up_interrupted_at(fault.waits).ends(130, &INTERRUPTED);
    world.says(&["status", "--sandbox"]).ends(3, fault.seen);
    world.says(&["verify", "--sandbox"]).ends(1, fault.seen);
    world.faults(&["none"]);
    world
        .says(&["up", "--sandbox"])
        .ends(0, &["Airflow 2.9.3 is up", "resumed, revision 1"]);
    world
        .says(&["plan", "--sandbox"])
        .ends(0, &["nothing to do"]);
}

/// As a job runner does at its time limit.
#[test]
fn a_run_that_is_told_to_end_leaves_what_the_next_one_goes_on_from() {
    let world = World::with_faults("told", &["claim=airflow/pvc-airflow-logs"]);
    let [_, stays, again] = INTERRUPTED;
    world
        .up_ended_at("TERM", &["logs", "not bound"])
        .ends(143, &["told to end (SIGTERM)", stays, again]);
    world.faults(&["none"]);
    world
        .says(&["up", "--sandbox"])
        .ends(0, &["Airflow 2.9.3 is up"]);
}
