//! Semantic versions and constraints, by the rules of [`crate::semver`].

use std::any::Any;

use go_text_template::{Function, Object, Type, Value};

use super::arguments::{Answer, any, string};
use super::entry::Entry;
use crate::semver::{Constraint, Version};

/// The Go type of [`SemanticVersion`].
const VERSION: &str = "*semver.Version";

/// Version functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "semver",
        &[Type::String],
        |_, args| {
            let version = Version::parse(&string(args, 0)?).map_err(|error| error.to_string())?;
            Ok(Value::object(SemanticVersion::pointer(version)))
        },
        "The version a text holds.",
    ),
    Entry::new(
        "semverCompare",
        &[Type::String, Type::String],
        |_, args| {
            let constraint =
                Constraint::parse(&string(args, 0)?).map_err(|error| error.to_string())?;
            let version = Version::parse(&string(args, 1)?).map_err(|error| error.to_string())?;
            Ok(constraint.matches(&version).into())
        },
        "Whether a version satisfies a constraint.",
    ),
];

/// A `*semver.Version`, or a `semver.Version`, which lacks the methods of the pointer.
#[derive(Clone, Debug)]
struct SemanticVersion {
    version: Version,
    is_pointer: bool,
}

impl SemanticVersion {
    fn pointer(version: Version) -> Self {
        Self {
            version,
            is_pointer: true,
        }
    }

    fn value(version: Version) -> Self {
        Self {
            version,
            is_pointer: false,
        }
    }
}

impl Object for SemanticVersion {
    fn go_type(&self) -> &str {
        if self.is_pointer {
            VERSION
        } else {
            VERSION.trim_start_matches('*')
        }
    }

    fn methods(&self) -> &'static [Function] {
        if self.is_pointer {
            METHODS
        } else {
            METHODS.split_at(VALUE_METHODS).0
        }
    }

    fn print(&self) -> String {
        self.version.to_string()
    }

    fn is_stringer(&self) -> bool {
        true
    }

    fn printed_fields(&self) -> Option<Vec<(&str, Value)>> {
        Some(vec![
            ("major", Value::Uint64(self.version.major())),
            ("minor", Value::Uint64(self.version.minor())),
            ("patch", Value::Uint64(self.version.patch())),
            ("pre", self.version.prerelease().into()),
            ("metadata", self.version.metadata().into()),
            ("original", self.version.original().into()),
        ])
    }

    fn deep_equal(&self, other: &dyn Object) -> bool {
        let other = (other as &dyn Any).downcast_ref::<Self>();
        other.is_some_and(|other| {
            let versions = (&self.version, &other.version);
            versions.0.original() == versions.1.original()
                && versions.0.to_string() == versions.1.to_string()
        })
    }
}

const OTHER: &[Type] = &[Type::Named(VERSION)];

/// How many of the methods, from the first on, a version has that is no pointer.
const VALUE_METHODS: usize = 14;

const METHODS: &[Function] = &[
    Function::new("Major", &[], |_, args| {
        Ok(Value::Uint64(version(args, 0)?.major()))
    }),
    Function::new("Minor", &[], |_, args| {
        Ok(Value::Uint64(version(args, 0)?.minor()))
    }),
    Function::new("Patch", &[], |_, args| {
        Ok(Value::Uint64(version(args, 0)?.patch()))
    }),
    Function::new("Prerelease", &[], |_, args| {
        Ok(version(args, 0)?.prerelease().into())
    }),
    Function::new("Metadata", &[], |_, args| {
        Ok(version(args, 0)?.metadata().into())
    }),
    Function::new("String", &[], |_, args| {
        Ok(version(args, 0)?.to_string().into())
    }),
    Function::new("Value", &[], |_, args| {
        Ok(version(args, 0)?.to_string().into())
    }),
    Function::new("MarshalText", &[], |_, args| {
        Ok(bytes(&version(args, 0)?.to_string()))
    }),
    Function::new("MarshalJSON", &[], |_, args| {
        Ok(bytes(&format!("\"{}\"", version(args, 0)?)))
    }),
    Function::new("IncMajor", &[], |_, args| Ok(raised(version(args, 0)?, 0))),
    Function::new("IncMinor", &[], |_, args| Ok(raised(version(args, 0)?, 1))),
    Function::new("IncPatch", &[], |_, args| Ok(raised(version(args, 0)?, 2))),
    Function::new("SetPrerelease", &[Type::String], |_, args| {
        let (old, new) = (version(args, 0)?, string(args, 1)?);
        respelled(old, &new, old.metadata())
    }),
    Function::new("SetMetadata", &[Type::String], |_, args| {
        let (old, new) = (version(args, 0)?, string(args, 1)?);
        respelled(old, old.prerelease(), &new)
    }),
    Function::new("Original", &[], |_, args| {
        Ok(version(args, 0)?.original().into())
    }),
    Function::new("Compare", OTHER, |_, args| {
        Ok(Value::Int(compared(args)? as i64))
    }),
    Function::new("LessThan", OTHER, |_, args| {
        Ok(compared(args)?.is_lt().into())
    }),
    Function::new("LessThanEqual", OTHER, |_, args| {
        Ok(compared(args)?.is_le().into())
    }),
    Function::new("GreaterThan", OTHER, |_, args| {
        Ok(compared(args)?.is_gt().into())
    }),
    Function::new("GreaterThanEqual", OTHER, |_, args| {
        Ok(compared(args)?.is_ge().into())
    }),
    Function::new("Equal", OTHER, |_, args| Ok(compared(args)?.is_eq().into())),
];

fn version(args: &[Value], index: usize) -> Result<&Version, go_text_template::FunctionError> {
    let held = any(args, index).downcast::<SemanticVersion>();
    held.map(|held| &held.version)
        .ok_or_else(|| "not a version".into())
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.as_bytes().into())
}

fn compared(args: &[Value]) -> Result<std::cmp::Ordering, go_text_template::FunctionError> {
    Ok(version(args, 0)?.cmp(version(args, 1)?))
}

/// The next version in the first, second or third number; a pre-release leads up to its own patch.
fn raised(old: &Version, number: usize) -> Value {
    let (major, minor, patch) = (old.major(), old.minor(), old.patch());
    Value::object(SemanticVersion::value(match number {
        0 => Version::new(major.wrapping_add(1), 0, 0),
        1 => Version::new(major, minor.wrapping_add(1), 0),
        _ if !old.prerelease().is_empty() => Version::new(major, minor, patch),
        _ => Version::new(major, minor, patch.wrapping_add(1)),
    }))
}

fn respelled(old: &Version, prerelease: &str, metadata: &str) -> Answer {
    let mut text = format!("{}.{}.{}", old.major(), old.minor(), old.patch());
    for (mark, part) in [('-', prerelease), ('+', metadata)] {
        if !part.is_empty() {
            text.push(mark);
            text.push_str(part);
        }
    }
    let version = Version::parse(&text).map_err(|error| error.to_string())?;
    Ok(Value::object(SemanticVersion::value(version)))
}
