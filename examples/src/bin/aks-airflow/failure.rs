//! [`Failure`]: why a command failed and what was written before. It owns the last words; it
//! refuses to be typed: this is where errors end.

use converge::Written;
use helm_chart::render::{Reach, RenderError};
use helm_release::{ReleaseError, RenderFailureSource};
use miette::Diagnostic;

use crate::console::{Console, Paint, line};
use crate::excerpt::{Excerpt, printable};
use crate::exit;
use crate::interruption::Interruption;

/// The program was asked to end.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{0}")]
#[diagnostic(
    code(aka::cli::interrupted),
    help("run the same command again to go on where it stopped")
)]
struct Interrupted(Interruption);

/// An error on its way to the user.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<dyn Diagnostic + Send + Sync>,
    written: &'static str,
    code: u8,
}

impl Failure {
    /// Nothing was written.
    pub(crate) fn before_writes(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self {
            error: Box::new(error),
            written: "nothing was written",
            code: exit::FAILED,
        }
    }

    /// Something may have been written.
    pub(crate) fn after_writes(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self {
            error: Box::new(error),
            written: "something was written; run again after the fix",
            code: exit::FAILED,
        }
    }

    /// The program was asked to end while a command ran that writes, or only reads.
    pub(crate) fn interrupted(by: Interruption, writes: bool) -> Self {
        Self {
            error: Box::new(Interrupted(by)),
            written: if writes {
                "what was done stays"
            } else {
                "nothing was written"
            },
            code: by.exit_code(),
        }
    }

    /// The exit code it ends the program with.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// What the release engine says it wrote.
    pub(crate) fn of_release(error: ReleaseError) -> Self {
        match error.written {
            Written::Nothing => Self::before_writes(error),
            Written::Something => Self::after_writes(error),
        }
    }

    /// Prints code, what was written, message, causes and help.
    pub(crate) fn show(&self, console: &Console) {
        if console.is_json() {
            let mut error = json(self.error.as_ref());
            error["written"] = self.written.into();
            let json = serde_json::json!({"format": 1, "error": error});
            line(&serde_json::to_string_pretty(&json).unwrap_or_default());
            return;
        }
        let mut text = String::new();
        block(self.error.as_ref(), self.written, &mut text);
        console.error_line(text.trim_end());
    }
}

/// One error: its most precise code and what was written, the chain of causes, where it points at
/// and what was in reach there, the help. Errors it gathers follow, each in the same form.
fn block(error: &dyn Diagnostic, written: &str, text: &mut String) {
    let related: Vec<&dyn Diagnostic> = error.related().into_iter().flatten().collect();
    if !related.is_empty() {
        for one in related {
            block(one, written, text);
            text.push('\n');
        }
        return;
    }
    let code = code(error).unwrap_or_else(|| "aka::failed".to_owned());
    let sign = Paint::Bad.on("×");
    text.push_str(&format!("{sign} {code}   {}\n", Paint::Dim.on(written)));
    for (depth, cause) in causes(error).iter().enumerate() {
        let indent = "  ".repeat(depth.min(1) + 1);
        for line in cause.lines() {
            text.push_str(&format!("{indent}{line}\n"));
        }
    }
    if let Some(excerpt) = excerpt(error) {
        text.push_str(&excerpt.to_string());
    }
    let in_reach = in_reach(error);
    if !in_reach.is_empty() {
        text.push_str("  in reach there:\n");
        for one in in_reach {
            text.push_str(&format!("    {one}\n"));
        }
    }
    if let Some(help) = help(error) {
        text.push_str(&format!("  help: {help}\n"));
    }
}

/// The same for programs; the errors it gathers are its `errors`.
fn json(error: &dyn Diagnostic) -> serde_json::Value {
    let causes = causes(error);
    let mut json = serde_json::json!({
        "code": code(error),
        "message": causes.first(),
        "causes": causes.get(1..),
        "help": help(error),
        "at": excerpt(error).map(|excerpt| excerpt.json()),
        "inReach": in_reach(error),
    });
    let related: Vec<serde_json::Value> = error
        .related()
        .into_iter()
        .flatten()
        .map(self::json)
        .collect();
    if !related.is_empty() {
        json["errors"] = related.into();
    }
    json
}

/// What the failing template could see, `.` and the variables, a line each.
fn in_reach(error: &dyn Diagnostic) -> Vec<String> {
    let mut next = error.source();
    while let Some(cause) = next {
        let rendering = match cause.downcast_ref::<RenderFailureSource>() {
            Some(failure) => failure.cause(),
            None => cause,
        };
        if let Some(error) = rendering.downcast_ref::<RenderError>() {
            return error.reach().map(seen).unwrap_or_default();
        }
        next = cause.source();
    }
    Vec::new()
}

fn seen(reach: &Reach) -> Vec<String> {
    let all = std::iter::once(&reach.dot).chain(&reach.variables);
    all.map(|seen| printable(&seen.to_string())).collect()
}

/// Where the innermost error that knows its place points at.
fn excerpt(error: &dyn Diagnostic) -> Option<Excerpt> {
    let inner = error.diagnostic_source().and_then(excerpt);
    inner.or_else(|| Excerpt::of(error))
}

/// The innermost code: the most precise one.
fn code(error: &dyn Diagnostic) -> Option<String> {
    let inner = error.diagnostic_source().and_then(code);
    inner.or_else(|| error.code().map(|code| code.to_string()))
}

/// The message and its causes, without repetitions.
fn causes(error: &dyn Diagnostic) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        cause = next.source();
    }
    texts
}

/// The innermost help.
fn help(error: &dyn Diagnostic) -> Option<String> {
    let inner = error.diagnostic_source().and_then(help);
    inner.or_else(|| error.help().map(|help| help.to_string()))
}
