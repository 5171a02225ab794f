//! [`trial`]: a test over real components. It owns what happens when one is missing, and how a
//! failure is told; it refuses to let a test pass whose component is missing.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write as _;
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

/// A test that needs these components: *ignored* if one of them is missing (said once at the
/// terminal, with how to get it), failing if a missing one is named in `E2E_REQUIRE`. It runs in a
/// runtime of its own.
pub fn trial<F>(
    name: impl Into<String>,
    needs: &[Component],
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial
where
    F: Future<Output = Result<(), Failed>>,
{
    let mut missing = None;
    let mut required = false;
    for component in needs {
        if let Err(why) = component.locate() {
            required |= is_required(*component);
            missing = Some(why.to_string());
        }
    }
    let ignored = missing.is_some() && !required;
    if let (true, Some(why)) = (ignored, &missing) {
        say_once(why);
    }
    let run = move || {
        if let Some(why) = missing {
            return Err(why.into());
        }
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
            .block_on(test())
            .map_err(told)
    };
    Trial::test(name, run).with_ignored_flag(ignored)
}

/// Tells the person at the terminal, once.
fn say_once(text: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.insert(text.to_owned()) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
