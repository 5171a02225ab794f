//! [`Interruption`]: what asks the program to end before its work is done. It owns how that is waited
//! for and the exit code it ends with; it refuses to know what to leave behind.

use std::fmt;

/// Who asks the program to end. A second one, while the first is heeded, changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// A person at the terminal: Ctrl-C.
    User,
    /// Whatever started the program, such as a job runner at its time limit: SIGTERM.
    Supervisor,
}

impl Interruption {
    /// Waits for one. From the first poll on, the signals no longer end the program by themselves.
    pub(crate) async fn next() -> Self {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => Self::User,
            () = told_to_end() => Self::Supervisor,
        }
    }

    /// The exit code a shell gives for such an end: 128 and the number of the signal.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::User => 130,
            Self::Supervisor => 143,
        }
    }
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "interrupted",
            Self::Supervisor => "told to end (SIGTERM)",
        })
    }
}

#[cfg(unix)]
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn told_to_end() {
    std::future::pending().await
}
