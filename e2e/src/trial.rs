//! [`trial`]: a test over real components. It owns what happens when one is missing, and how a
//! failure is told; it refuses to let a test pass whose component is missing.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use libtest_mimic::Trial;

use crate::{Component, is_required};

/// Why a test over real components failed: any error, or a sentence.
pub type Failed = Box<dyn Error + Send + Sync>;

/// The failure as the test runner prints it: every error of the chain, one a line.
#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub fn told(failed: Failed) -> libtest_mimic::Failed {
    let mut lines = vec![failed.to_string()];
    let mut source = failed.source();
    while let Some(error) = source {
        lines.push(error.to_string());
        source = error.source();
    }
    lines.join("\n  because: ").into()
}

/// What a test needs, and what of it is missing.
#[derive(Debug, Clone)]
pub struct Needs {
    missing: Option<String>,
    required: bool,
}

impl Needs {
    /// These components.
    pub fn of(components: impl IntoIterator<Item = Component>) -> Self {
        let mut needs = Self {
            missing: None,
            required: false,
        };
        for component in components {
            if let Err(why) = component.locate() {
                needs.required |= is_required(component);
                needs.missing = Some(why.to_string());
            }
        }
        needs
    }

    /// And this file, which no variable can require.
    #[must_use]
    pub fn with_file(mut self, path: &Path) -> Self {
        if self.missing.is_none() && !path.is_file() {
            self.missing = Some(format!("needs {}", path.display()));
        }
        self
    }

    /// The test that needs them: *ignored* if one is missing (said once at the terminal, with how to
    /// get it), failing if a missing one is named in `E2E_REQUIRE`.
    pub fn trial(
        self,
        name: impl Into<String>,
        run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
    ) -> Trial {
        let ignored = self.missing.is_some() && !self.required;
        if let (true, Some(why)) = (ignored, &self.missing) {
            say_once(why);
        }
        let run = move || match self.missing {
            Some(why) => Err(why.into()),
            None => run().map_err(told),
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    }
}

/// A test that [needs](Needs) these components, in a runtime of its own.
pub fn trial<F>(
    name: impl Into<String>,
    needs: &[Component],
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    Needs::of(needs.iter().copied()).trial(name, || runtime()?.block_on(test()))
}

/// The runtime of one test.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// The folder of the official archives, outside of the project.
pub fn official_charts() -> PathBuf {
    let shared = std::env::var_os("AKS_AIRFLOW_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    shared.join("charts")
}

/// Tells the person at the terminal, once.
pub fn say_once(text: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.insert(text.to_owned()) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
