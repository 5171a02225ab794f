//! The proofs: conformance suites and the whole workflow against the sandbox.

pub mod differential;

/// The snippets of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
