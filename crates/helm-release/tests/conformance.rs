//! The engine's conformance suite over a cluster in memory.

mod memory;

use std::sync::Arc;

use helm_release::conformance::Subject;
use memory::Memory;

fn setup() -> Subject {
    let memory = Memory::with_namespace("suite");
    Subject::new(Arc::new(memory), "suite")
}

helm_release::releases_conformance!(async { setup() });
