//! Conditions: reading `status.conditions`, and the rule for kinds nobody knows.

use converge::Readiness;

use super::one_line;
use crate::Object;

/// One entry of `status.conditions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition<'a> {
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    /// A word: `ProgressDeadlineExceeded`.
    pub reason: &'a str,
    /// A sentence.
    pub message: &'a str,
}

impl Condition<'_> {
    /// Whether it holds.
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }

    /// Whether it certainly does not hold.
    pub fn is_false(&self) -> bool {
        self.status == "False"
    }

    /// `reason: message`, or what there is of them.
    pub fn sentence(&self) -> String {
        let message = one_line(self.message);
        match (self.reason.is_empty(), message.is_empty()) {
            (false, false) => format!("{}: {message}", self.reason),
            (true, false) => message,
            (false, true) => self.reason.to_owned(),
            (true, true) => String::new(),
        }
    }
}

/// The condition of a type, if the object's status has it.
pub fn condition<'a>(object: &'a Object, name: &str) -> Option<Condition<'a>> {
    let conditions = object.at("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition["type"].as_str() == Some(name))?;
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    Some(Condition {
        status: text("status"),
        reason: text("reason"),
        message: text("message"),
    })
}

/// Any kind: `Stalled` fails, `Reconciling` is on its way, `Ready` decides; without them an object
/// that exists is what was asked for.
pub(super) fn generic(object: &Object) -> Readiness {
    if let Some(stalled) = condition(object, "Stalled").filter(Condition::is_true) {
        return Readiness::Failed(stalled.sentence());
    }
    if let Some(reconciling) = condition(object, "Reconciling").filter(Condition::is_true) {
        return Readiness::InProgress(reconciling.sentence());
    }
    match condition(object, "Ready") {
        Some(ready) if ready.is_true() => Readiness::Current(or_word(&ready, "ready")),
        Some(ready) => Readiness::InProgress(or_word(&ready, "not ready")),
        None => Readiness::Current("exists".into()),
    }
}

fn or_word(condition: &Condition<'_>, word: &str) -> String {
    let sentence = condition.sentence();
    if sentence.is_empty() {
        word.to_owned()
    } else {
        sentence
    }
}
