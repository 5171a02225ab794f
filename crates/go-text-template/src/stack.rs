//! Room on the call stack: deep templates and deep values get a new segment instead of a crash.

/// Runs `work` with at least 128 KiB of stack left, on a fresh 1 MiB segment if need be.
pub(crate) fn grow<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(128 * 1024, 1024 * 1024, work)
}
