//! [`trial`]: a test over real components. It owns what happens when one is missing; it refuses to
//! let such a test pass.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};

use crate::{Component, is_required};

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
