//! `aks-airflow` from outside, as a person uses it for a day: exit codes, and what is said about what
//! was written. One world, kept in a folder between the commands.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Day(PathBuf);

/// An exit code, standard output and standard error.
type Said = (i32, String, String);

impl Day {
    fn begins(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn says(&self, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_aks-airflow"))
            .args(arguments)
            .arg("--sandbox")
            .current_dir(&self.0)
            .env("HOME", &self.0)
            .env("AKS_AIRFLOW_SANDBOX", self.0.join("world"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("it was not killed");
        (code, text(output.stdout), text(output.stderr))
    }
}

impl Drop for Day {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn assert_said((code, out, error): &Said, wanted: i32, words: &[&str]) {
    assert_eq!(*code, wanted, "{out}\n{error}");
    for word in words {
        let found = out.contains(word) || error.contains(word);
        assert!(found, "{word:?} is not in\n{out}\n{error}");
    }
}

#[test]
fn a_deployment_goes_up_changes_goes_back_and_comes_down() {
    let day = Day::begins("a_day");
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("guide.yaml");
    let document = std::fs::read_to_string(&guide).unwrap();
    let wider = format!("{document}  triggerer: {{replicas: 2}}\n");
    std::fs::write(day.0.join("wider.yaml"), wider).unwrap();

    // An empty world: everything is to be made, and the plan is kept.
    let empty = day.says(&["plan", "--out", "plan.json"]);
    assert_said(&empty, 2, &["+ create   Namespace airflow", "(predicted)"]);
    let applied = day.says(&["apply", "plan.json"]);
    assert_said(&applied, 0, &["Airflow 2.9.3 is up", "STEP", "PROOF"]);
    // The world is another one now.
    let stale = day.says(&["apply", "plan.json"]);
    assert_said(&stale, 1, &["aka::plan::stale", "nothing was written"]);

    assert_said(&day.says(&["plan"]), 0, &["nothing to do"]);
    assert_said(&day.says(&["status"]), 0, &["as declared"]);
    let history = day.says(&["history"]);
    assert_said(&history, 0, &["airflow 2.9.3", "deployed"]);
    // The first revision has none before it.
    let refused = day.says(&["rollback"]);
    let words = ["no revision came before 1", "nothing was written"];
    assert_said(&refused, 1, &words);

    let planned = day.says(&["plan", "-f", "wider.yaml"]);
    assert_said(&planned, 2, &["airflow-triggerer", "spec.replicas: 1 → 2"]);
    let upgraded = day.says(&["up", "-f", "wider.yaml", "--output", "json"]);
    assert_said(&upgraded, 0, &["\"upgraded, revision 2\""]);
    let back = day.says(&["rollback"]);
    assert_said(&back, 0, &["revision 3"]);
    // The cluster is as the document wants it; only the last finished run was another's.
    let planned = day.says(&["plan"]);
    assert_said(&planned, 2, &["history", "1 create · 0 change · 0 delete"]);

    let listed = day.says(&["down", "--dry-run"]);
    assert_said(
        &listed,
        2,
        &["- release airflow", "stays: Namespace airflow"],
    );
    // Nobody is there to say yes.
    let unconfirmed = day.says(&["down"]);
    assert_said(&unconfirmed, 1, &["nothing was written"]);
    assert_said(&day.says(&["down", "--yes"]), 0, &["objects are gone"]);
    assert_said(&day.says(&["status"]), 3, &["create ServiceAccount"]);
    assert_said(&day.says(&["logs"]), 64, &["<COMPONENT>"]);
}
