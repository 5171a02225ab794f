//! `Chart.yaml`, and the texts in it that are read further: versions and constraints.

#![no_main]

use helm_chart::chart::Metadata;
use helm_chart::semver::{Constraint, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let Ok(metadata) = Metadata::parse(&text) else {
        return;
    };
    let version = Version::parse(&metadata.version);
    let dependencies = metadata.dependencies.iter().flatten();
    let constraints = dependencies
        .map(|dependency| &dependency.version)
        .chain([&metadata.kube_version]);
    for constraint in constraints {
        if let (Ok(constraint), Ok(version)) = (Constraint::parse(constraint), &version) {
            let _ = constraint.matches(version);
        }
    }
});
