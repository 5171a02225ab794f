//! The index of a chart repository, in YAML or JSON.

#![no_main]

use helm_registry::Index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(index) = Index::parse(&text) {
        for versions in index.charts().values() {
            let _ = versions;
        }
    }
});
