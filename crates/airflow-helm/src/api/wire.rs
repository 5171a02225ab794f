//! The two REST APIs as paths and bodies. This file owns what differs between Airflow 2 and 3; it
//! does no I/O.

use http::Method;
use serde_json::{Value, json};

use super::{ApiErrorKind, RunState};

/// Which API is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `/api/v1`, user and password with each request.
    Two,
    /// `/api/v2`, a token from `/auth/token`.
    Three,
}

/// One request.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) verb: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) login: bool,
}

impl Dialect {
    fn api(self, rest: &str) -> String {
        match self {
            Self::Two => format!("/api/v1{rest}"),
            Self::Three => format!("/api/v2{rest}"),
        }
    }

    fn get(verb: &'static str, path: String, login: bool) -> Question {
        Question {
            verb,
            method: Method::GET,
            path,
            body: None,
            login,
        }
    }

    pub(super) fn health(self) -> Question {
        let path = match self {
            Self::Two => "/health".to_owned(),
            Self::Three => self.api("/monitor/health"),
        };
        Self::get("ask the health of", path, false)
    }

    pub(super) fn version(self) -> Question {
        Self::get("ask the version of", self.api("/version"), false)
    }

    pub(super) fn import_errors(self) -> Question {
        Self::get(
            "read import errors from",
            self.api("/importErrors?limit=100"),
            true,
        )
    }

    pub(super) fn dags(self) -> Question {
        Self::get("list DAGs of", self.api("/dags?limit=1000"), true)
    }

    pub(super) fn unpause(self, dag: &str) -> Question {
        Question {
            verb: "unpause a DAG of",
            method: Method::PATCH,
            path: self.api(&format!("/dags/{}", segment(dag))),
            body: Some(json!({"is_paused": false})),
            login: true,
        }
    }

    /// The run's id is the caller's, so that asking again cannot start a second one.
    pub(super) fn trigger(self, dag: &str, run: &str) -> Question {
        Question {
            verb: "start a run in",
            method: Method::POST,
            path: self.api(&format!("/dags/{}/dagRuns", segment(dag))),
            body: Some(match self {
                Self::Two => json!({"dag_run_id": run}),
                // The key must be there; null means now.
                Self::Three => json!({"dag_run_id": run, "logical_date": null}),
            }),
            login: true,
        }
    }

    pub(super) fn run(self, dag: &str, run: &str) -> Question {
        let path = self.api(&format!("/dags/{}/dagRuns/{}", segment(dag), segment(run)));
        Self::get("ask about a run of", path, true)
    }
}

/// Escapes what would leave a path segment: run ids hold `+` and `:`.
fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            use std::fmt::Write;
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Reads an answer: data, absence, or a refusal in Airflow's words.
pub(super) fn answer(status: u16, body: &[u8]) -> Result<Option<Value>, ApiErrorKind> {
    let parsed = serde_json::from_slice::<Value>(body);
    let message = || match &parsed {
        // Airflow 2 writes `"detail": null` where the title says it all.
        Ok(value) => ["detail", "title", "error", "message"]
            .iter()
            .find_map(|key| value.get(key).filter(|text| !text.is_null()))
            .map_or_else(String::new, |text| {
                text.as_str()
                    .map_or_else(|| text.to_string(), str::to_owned)
            }),
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned(),
    };
    match status {
        200..=299 => parsed.map(Some).map_err(|_| {
            // Airflow 3 answers unknown paths with its page and 200.
            ApiErrorKind::Unreadable("a page where data had to be".into())
        }),
        404 => Ok(None),
        401 | 403 => Err(ApiErrorKind::Login {
            status,
            message: message(),
        }),
        _ => Err(ApiErrorKind::Answer {
            status,
            message: message(),
        }),
    }
}

/// The state of a run.
pub(super) fn run_state(run: &Value) -> Result<RunState, ApiErrorKind> {
    let state = run.get("state").cloned().unwrap_or_default();
    serde_json::from_value(state.clone())
        .map_err(|_| ApiErrorKind::Unreadable(format!("a run in state {state}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_has_its_paths_and_bodies() {
        assert_eq!(Dialect::Two.health().path, "/health");
        assert_eq!(Dialect::Three.health().path, "/api/v2/monitor/health");
        assert_eq!(
            Dialect::Two.trigger("a", "r").body,
            Some(json!({"dag_run_id": "r"}))
        );
        assert_eq!(
            Dialect::Three.trigger("a", "r").body,
            Some(json!({"dag_run_id": "r", "logical_date": null}))
        );
        assert_eq!(
            Dialect::Three
                .run("d", "manual__2026-01-01T00:00:00+00:00")
                .path,
            "/api/v2/dags/d/dagRuns/manual__2026-01-01T00%3A00%3A00%2B00%3A00"
        );
        assert_eq!(Dialect::Two.unpause("../x").path, "/api/v1/dags/..%2Fx");
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(answer(200, b"{}").unwrap(), Some(json!({})));
        assert_eq!(answer(404, b"{}").unwrap(), None);
        assert!(matches!(
            answer(200, b"<html>"),
            Err(ApiErrorKind::Unreadable(_))
        ));
        assert!(matches!(answer(401, br#"{"title":"Unauthorized"}"#),
            Err(ApiErrorKind::Login { message, .. }) if message == "Unauthorized"));
        assert!(
            matches!(answer(403, br#"{"detail":null,"title":"Forbidden"}"#),
            Err(ApiErrorKind::Login { message, .. }) if message == "Forbidden")
        );
        assert!(matches!(answer(422, br#"{"detail":[{"msg":"x"}]}"#),
            Err(ApiErrorKind::Answer { status: 422, message }) if message.contains("msg")));
    }
}
