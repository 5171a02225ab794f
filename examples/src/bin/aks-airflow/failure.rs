//! [`Failure`]: why a command failed and what was written before. It owns the last words; it
//! refuses to be typed: this is where errors end.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::console::{Console, line};

/// An error on its way to the user.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<dyn Diagnostic + Send + Sync>,
    written: &'static str,
}

impl Failure {
    /// Nothing was written.
    pub(crate) fn before_writes(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { error: Box::new(error), written: "nothing was written" }
    }

    /// Something may have been written.
    pub(crate) fn after_writes(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { error: Box::new(error), written: "something was written; run again after the fix" }
    }

    /// Prints code, what was written, message, causes and help.
    pub(crate) fn show(&self, console: &Console) {
        if console.is_json() {
            let causes = causes(self.error.as_ref());
            let json = serde_json::json!({
                "format": 1,
                "error": {
                    "code": self.error.code().map(|code| code.to_string()),
                    "message": causes.first(),
                    "causes": causes.get(1..),
                    "help": help(self.error.as_ref()),
                    "written": self.written,
                },
            });
            line(&serde_json::to_string_pretty(&json).unwrap_or_default());
            return;
        }
        let theme = if console.colors() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(theme);
        let code = self.error.code().map_or_else(|| "aka::failed".to_owned(), |code| code.to_string());
        if handler.render_report(&mut text, self.error.as_ref()).is_err() {
            text = self.error.to_string();
        }
        // The handler prints the code on a line of its own; ours also says what was written.
        let body = text.trim_start().strip_prefix(&code).map_or(text.as_str(), |rest| rest.trim_start_matches('\n'));
        console.error_line(&format!("× {code}   {}\n{body}", self.written));
    }
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
