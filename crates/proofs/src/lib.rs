//! The proofs: conformance suites and the whole workflow against the sandbox.

pub mod differential;
