//! The functions a chart's templates can call: sprig 3.3.0 and Helm's own, with Go's semantics down
//! to the error texts.
//!
//! One [`Entry`] per name: Go signature, purity, code, description. Functions that need the engine
//! or the cluster (`include`, `tpl`, `required`, `fail`, `lookup`, `getHostByName`) belong to the
//! render. Nothing here reads a clock, a disk or the system's randomness: time and random bytes
//! come from the [`Tape`](crate::environment::Tape) among the states of the execution.
//!
//! ```
//! use helm_chart::functions;
//!
//! let names: Vec<&str> = functions::library().map(|entry| entry.name()).collect();
//! assert!(names.contains(&"nindent") && names.contains(&"genSignedCert"));
//! ```

mod arguments;
mod case;
mod casts;
mod certificates;
mod convert;
mod data;
mod date_format;
mod date_layout;
mod date_parse;
mod dates;
mod decimal;
mod defaults;
mod dicts;
mod duration;
mod encoding;
mod entry;
mod instant;
mod keys;
mod letters;
mod lines;
mod lists;
mod math;
mod merge;
mod moment;
mod passwords;
mod paths;
mod random;
mod re2;
mod record;
mod regex;
mod semver;
mod strings;
mod texts;
mod toml;
mod toml_read;
mod toml_scan;
mod toml_write;
mod types;
mod url;

use go_text_template::Functions;

pub use data::TemplateValues;
pub use entry::Entry;
pub use record::{Field, Record};

#[cfg(feature = "schema")]
pub(crate) use {
    date_parse::parse as parse_time,
    re2::Pattern,
    url::{Url, parse as parse_url, unescape_path},
};

const GROUPS: &[&[Entry]] = &[
    case::ENTRIES,
    casts::ENTRIES,
    certificates::ENTRIES,
    convert::ENTRIES,
    dates::ENTRIES,
    defaults::ENTRIES,
    dicts::ENTRIES,
    encoding::ENTRIES,
    keys::ENTRIES,
    lines::ENTRIES,
    lists::ENTRIES,
    math::ENTRIES,
    merge::ENTRIES,
    passwords::ENTRIES,
    paths::ENTRIES,
    random::ENTRIES,
    regex::ENTRIES,
    semver::ENTRIES,
    strings::ENTRIES,
    texts::ENTRIES,
    toml::ENTRIES,
    types::ENTRIES,
    url::ENTRIES,
];

/// Every function of the library, family by family.
pub fn library() -> impl Iterator<Item = &'static Entry> {
    GROUPS.iter().copied().flatten()
}

/// The library as Helm 4 has it, ready for templates; the render adds its own functions.
pub fn helm4() -> Functions {
    collect(|_| true)
}

/// The library as Helm 3 has it: without `mustToYaml` and `mustToToml`.
pub fn helm3() -> Functions {
    collect(Entry::in_helm3)
}

fn collect(known: impl Fn(&Entry) -> bool) -> Functions {
    let mut functions = Functions::new();
    for entry in library().filter(|entry| known(entry)) {
        functions.insert(*entry.function());
    }
    functions
}
