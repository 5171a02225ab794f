//! Semantic versions and constraints by the rules of Masterminds/semver 3.5, which Helm uses: lenient
//! versions, `||`, hyphen ranges, wildcards, and pre-releases only where a constraint names one.

mod constraint;
mod version;

pub use constraint::{Constraint, ConstraintError};
pub use version::{Version, VersionError};
