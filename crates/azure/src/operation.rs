//! Long-running operations: from the first answer to the end. It owns waiting for a lock, polling
//! and the reading of states; it refuses to wait past the deadline it is given.
//!
//! Source: Azure Resource Manager, "Track asynchronous Azure operations".

use std::time::Duration;

use azure_core::http::Url;
use azure_core::time::OffsetDateTime;
use converge::{Backoff, Deadline};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::arm_client::{Answer, Call, refused};
use crate::transport::retry_after;
use crate::{ArmClient, ArmError, ArmErrorKind, ServiceAnswer};

/// The pauses between polls where Azure asks for none.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A deadline on tokio's clock.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    deadline: Deadline,
}

impl Clock {
    pub(crate) fn starting(limit: Duration) -> Self {
        Self {
            origin: Instant::now(),
            deadline: Deadline::starting(Duration::ZERO, limit),
        }
    }

    /// What is left of the time, or the error that says what was last seen.
    fn left(&self, call: &Call, last: &str) -> Result<Duration, ArmError> {
        self.deadline
            .remaining(self.origin.elapsed())
            .ok_or_else(|| {
                call.fails(ArmErrorKind::Deadline {
                    limit: self.deadline.limit(),
                    last: last.to_owned(),
                })
            })
    }

    /// Sleeps, but not past the deadline.
    async fn pause(&self, pause: Duration, call: &Call, last: &str) -> Result<(), ArmError> {
        sleep(pause.min(self.left(call, last)?)).await;
        Ok(())
    }
}

/// The first answer that is not "try again".
#[derive(Debug)]
pub(crate) enum Attempt {
    Accepted(Answer),
    Refused(ServiceAnswer),
}

/// Where an operation stands.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Running(String),
    Succeeded,
    Ended(String),
}

impl State {
    /// Reads a `status` or `provisioningState`; unknown words mean that it runs.
    fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "succeeded" => Self::Succeeded,
            "failed" | "canceled" | "cancelled" => Self::Ended(word.to_owned()),
            _ => Self::Running(word.to_owned()),
        }
    }
}

impl ArmClient {
    /// Sends a write; while Azure says that another operation holds the resource, waits and sends
    /// it again.
    pub(crate) async fn begin(&self, call: &Call, clock: &Clock) -> Result<Attempt, ArmError> {
        let mut last = String::from("not sent");
        for pause in Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, seed(call)) {
            let left = clock.left(call, &last)?;
            match self.send(call, Some(left)).await? {
                Ok(answer) => return Ok(Attempt::Accepted(answer)),
                Err(refusal) if is_busy(&refusal) => {
                    last = format!("another operation holds it: {}", refusal.code);
                    clock.pause(pause, call, &last).await?;
                }
                Err(refusal) => return Ok(Attempt::Refused(refusal)),
            }
        }
        unreachable!("the pauses are endless")
    }

    /// Follows a PUT to its end and returns the resource.
    pub(crate) async fn follow_put(
        &self,
        call: &Call,
        answer: Answer,
        resource: Url,
        clock: &Clock,
    ) -> Result<Value, ArmError> {
        let reading = call.reading(resource);
        let mut seen = if let Some(url) = self.operation(call, &answer)? {
            self.poll_operation(&call.reading(url), &answer, clock)
                .await?;
            self.accepted(&reading, None).await?
        } else if let Some(url) = self.location(call, &answer)? {
            self.poll_location(&call.reading(url), &answer, clock)
                .await?;
            self.accepted(&reading, None).await?
        } else {
            answer
        };
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, seed(call));
        loop {
            let word = &seen.body["properties"]["provisioningState"];
            match word.as_str().map(State::of) {
                None | Some(State::Succeeded) => return Ok(seen.body),
                Some(State::Ended(state)) => return Err(ended(call, state, &seen.body)),
                Some(State::Running(state)) => {
                    let pause = asked(&seen).or_else(|| pauses.next());
                    clock
                        .pause(pause.unwrap_or(LONGEST_PAUSE), call, &state)
                        .await?;
                    seen = self
                        .accepted(&reading, Some(clock.left(call, &state)?))
                        .await?;
                }
            }
        }
    }

    /// Follows a POST or DELETE to its end and returns what the last answer says.
    pub(crate) async fn follow_post(
        &self,
        call: &Call,
        answer: Answer,
        clock: &Clock,
    ) -> Result<Value, ArmError> {
        if let Some(url) = self.operation(call, &answer)? {
            let last = self
                .poll_operation(&call.reading(url), &answer, clock)
                .await?;
            Ok(last["properties"]["output"].clone())
        } else if let Some(url) = self.location(call, &answer)? {
            self.poll_location(&call.reading(url), &answer, clock).await
        } else {
            Ok(answer.body)
        }
    }

    fn operation(&self, call: &Call, answer: &Answer) -> Result<Option<Url>, ArmError> {
        answer
            .header("azure-asyncoperation")
            .map(|text| self.link(call, text))
            .transpose()
    }

    /// `Location`, which is a place to poll only with 202.
    fn location(&self, call: &Call, answer: &Answer) -> Result<Option<Url>, ArmError> {
        answer
            .header("location")
            .filter(|_| answer.status == 202)
            .map(|text| self.link(call, text))
            .transpose()
    }

    /// Polls an operation's document until it says that it ended.
    async fn poll_operation(
        &self,
        reading: &Call,
        first: &Answer,
        clock: &Clock,
    ) -> Result<Value, ArmError> {
        let mut pause = asked(first);
        let mut last = String::from("accepted");
        for own in Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, seed(reading)) {
            clock.pause(pause.unwrap_or(own), reading, &last).await?;
            let left = clock.left(reading, &last)?;
            let answer = self.accepted(reading, Some(left)).await?;
            match State::of(answer.body["status"].as_str().unwrap_or_default()) {
                State::Succeeded => return Ok(answer.body),
                State::Ended(state) => return Err(ended(reading, state, &answer.body)),
                State::Running(state) => last = state,
            }
            pause = asked(&answer);
        }
        unreachable!("the pauses are endless")
    }

    /// Polls a `Location` until it no longer answers 202.
    async fn poll_location(
        &self,
        reading: &Call,
        first: &Answer,
        clock: &Clock,
    ) -> Result<Value, ArmError> {
        let mut pause = asked(first);
        let last = "accepted";
        for own in Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, seed(reading)) {
            clock.pause(pause.unwrap_or(own), reading, last).await?;
            let left = clock.left(reading, last)?;
            match self.send(reading, Some(left)).await? {
                Ok(answer) if answer.status == 202 => pause = asked(&answer),
                Ok(answer) => return Ok(answer.body),
                Err(refusal) => return Err(refused(reading, refusal)),
            }
        }
        unreachable!("the pauses are endless")
    }
}

/// The pause the last answer asks for.
fn asked(answer: &Answer) -> Option<Duration> {
    retry_after(&answer.headers, OffsetDateTime::now_utc())
}

/// A seed for the jitter that differs between resources and not between runs.
fn seed(call: &Call) -> u64 {
    call.target
        .bytes()
        .fold(0, |seed, byte| seed.rotate_left(7) ^ u64::from(byte))
}

/// The error of an operation that ended without success.
fn ended(call: &Call, state: String, document: &Value) -> ArmError {
    let answer = ServiceAnswer::read(
        200,
        &azure_core::http::headers::Headers::new(),
        document.to_string().as_bytes(),
    );
    call.fails(ArmErrorKind::OperationFailed {
        state,
        code: answer.code,
        message: answer.message,
    })
}

/// Whether a refusal means "somebody else is at work here, come again".
///
/// `OperationNotAllowed` is also what Compute says about quota, so it counts only together with
/// its sentence.
fn is_busy(refusal: &ServiceAnswer) -> bool {
    if refusal.status != 409 && refusal.status != 429 {
        return false;
    }
    let message = refusal.message.to_ascii_lowercase();
    let at_work = message.contains("in progress")
        || message.contains("another operation")
        || message.contains("being updated")
        || message.contains("pending-operation");
    match refusal.code.as_str() {
        "AnotherOperationInProgress"
        | "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
        | "ConflictError" => true,
        "OperationNotAllowed" | "Conflict" | "OperationPreempted" => at_work,
        code => code.starts_with("RetryableError"),
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::headers::Headers;

    use super::*;

    #[test]
    fn a_lock_is_told_from_a_refusal() {
        for (code, message, busy) in [
            ("AnotherOperationInProgress", "", true),
            (
                "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
                "Too many",
                true,
            ),
            ("RetryableErrorDueToAnotherOperation", "", true),
            (
                "OperationNotAllowed",
                "Another operation (Updating) is in progress",
                true,
            ),
            (
                "OperationNotAllowed",
                "exceeding approved total regional cores quota",
                false,
            ),
            ("RoleAssignmentExists", "already exists", false),
            ("Conflict", "already exists in target registry", false),
        ] {
            let body = serde_json::json!({"error": {"code": code, "message": message}});
            let refusal = ServiceAnswer::read(409, &Headers::new(), body.to_string().as_bytes());
            assert_eq!(is_busy(&refusal), busy, "{code}: {message}");
        }
    }

    #[test]
    fn states_are_read_without_case_and_unknown_ones_run() {
        assert_eq!(State::of("SUCCEEDED"), State::Succeeded);
        assert_eq!(State::of("Canceled"), State::Ended("Canceled".into()));
        for word in ["InProgress", "Updating", "", "Migrating"] {
            assert_eq!(State::of(word), State::Running(word.into()));
        }
    }
}
