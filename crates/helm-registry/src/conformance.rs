//! What every chart source must do: one public function per behaviour. It owns the list; it refuses
//! to know any backend.
//!
//! [`charts_conformance!`](crate::charts_conformance) expands the whole list into tests:
//!
//! ```ignore
//! // `setup()` is an async function that answers a `Subject` that offers `archives()`.
//! helm_registry::charts_conformance!(setup());
//! ```

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use helm_chart::archive::write_archive;
use helm_chart::{Chart, ChartFile};

use crate::{ChartRef, ChartSource, Digest, SourceErrorKind, Wanted, resolve};

/// A source under test, which offers exactly [`archives`].
pub struct Subject {
    /// The source.
    pub source: Arc<dyn ChartSource>,
    /// Kept alive until the test is over: a server, a directory.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?})", self.source)
    }
}

impl Subject {
    /// A source.
    pub fn new(source: Arc<dyn ChartSource>) -> Self {
        Self {
            source,
            guard: Box::new(()),
        }
    }
}

/// The name of the suite's chart.
pub const NAME: &str = "probe";

/// The versions of the suite's chart, not in their order.
pub const VERSIONS: [&str; 4] = ["1.9.0", "1.10.0", "2.0.0-rc.1", "1.10.0+build.7"];

/// The archives a source under test must offer: `(version, bytes)`.
pub fn archives() -> Vec<(&'static str, Vec<u8>)> {
    VERSIONS
        .into_iter()
        .map(|version| (version, archive(version)))
        .collect()
}

fn archive(version: &str) -> Vec<u8> {
    let text = format!("apiVersion: v2\nname: {NAME}\nversion: {version}\nappVersion: \"7\"\n");
    let files = vec![
        ChartFile::new("Chart.yaml", text),
        ChartFile::new("templates/a.yaml", "kind: A\n"),
    ];
    let packaged = Chart::from_files(files).map(|chart| write_archive(&chart, 0));
    match packaged {
        Ok(Ok(bytes)) => bytes,
        other => panic!("the suite's chart cannot be packaged: {other:?}"),
    }
}

async fn versions(subject: &Subject, name: &str) -> Vec<String> {
    match subject.source.versions(name.to_owned()).await {
        Ok(versions) => versions.into_iter().map(|one| one.version).collect(),
        Err(error) => panic!("no versions of {name}: {error:?}"),
    }
}

/// Newest first, with build metadata as it was published.
pub async fn versions_come_newest_first(subject: &Subject) {
    let mut found = versions(subject, NAME).await;
    // Versions that differ only in build metadata are equal: either may come first.
    found[1..3].sort();
    assert_eq!(found, ["2.0.0-rc.1", "1.10.0", "1.10.0+build.7", "1.9.0"]);
}

/// Not an error.
pub async fn a_chart_that_is_not_there_has_no_versions(subject: &Subject) {
    assert!(versions(subject, "absent").await.is_empty());
}

/// Byte for byte, with their digest.
pub async fn a_pulled_archive_is_what_was_published(subject: &Subject) {
    for (version, bytes) in archives() {
        let pulled = subject.source.pull(ChartRef::new(NAME, version)).await;
        let Ok(pulled) = pulled else {
            panic!("{version} is not pulled: {pulled:?}");
        };
        assert_eq!(pulled.digest, Digest::of(&bytes), "{version}");
        assert_eq!(pulled.bytes, bytes, "{version}");
        assert!(!pulled.origin.is_empty());
    }
}

/// The error says what there is instead.
pub async fn a_version_that_is_not_there_is_not_found(subject: &Subject) {
    let pulled = subject.source.pull(ChartRef::new(NAME, "9.9.9")).await;
    let Err(error) = pulled else {
        panic!("9.9.9 is not there");
    };
    assert!(error.is_not_found(), "{error:?}");
    let SourceErrorKind::NotFound { help, .. } = &*error.kind else {
        panic!("{error:?}");
    };
    assert!(help.contains("1.9.0"), "{help}");
}

/// Right pins pass, wrong ones do not.
pub async fn a_pin_is_checked(subject: &Subject) {
    let chart = ChartRef::new(NAME, "1.9.0");
    let right = Digest::of(&archive("1.9.0"));
    assert!(
        subject
            .source
            .pull(chart.clone().pinned(right))
            .await
            .is_ok()
    );
    let wrong = Digest::of(b"something else");
    let pulled = subject.source.pull(chart.pinned(wrong)).await;
    let Err(error) = pulled else {
        panic!("pulled in spite of the pin");
    };
    assert!(
        matches!(*error.kind, SourceErrorKind::DigestMismatch { promised, .. } if promised == wrong),
        "{error:?}"
    );
}

/// Exact text first, then the newest that satisfies; no pre-release unless asked for.
pub async fn a_constraint_finds_its_version(subject: &Subject) {
    for (wanted, version) in [
        ("1.9.0", "1.9.0"),
        ("~1.9", "1.9.0"),
        ("2.0.0-rc.1", "2.0.0-rc.1"),
    ] {
        let found = resolve(subject.source.as_ref(), NAME, &Wanted::version(wanted)).await;
        assert_eq!(
            found.map(|chart| chart.version).ok().as_deref(),
            Some(version),
            "{wanted}"
        );
    }
    let newest = resolve(subject.source.as_ref(), NAME, &Wanted::default()).await;
    let newest = newest.map(|chart| chart.version).unwrap_or_default();
    assert!(newest.starts_with("1.10.0"), "{newest}");
}

/// Expands every behaviour of [`conformance`](crate::conformance) into a test of its own.
///
/// The argument is an expression whose future answers a
/// [`Subject`](crate::conformance::Subject); attributes before it go to every test. The calling
/// crate needs `tokio` with `macros` and `rt`.
///
/// `charts_conformance!(list = each)` makes a `Vec` instead: `each(name, behaviour)` is called for
/// every behaviour, a function from a [`Subject`](crate::conformance::Subject) to a boxed future; for
/// harnesses of one's own.
#[macro_export]
macro_rules! charts_conformance {
    (list = $each:ident) => {
        $crate::charts_conformance! { @all { @name $each } }
    };
    ($(#[$attribute:meta])* $setup:expr) => {
        $crate::charts_conformance! { @all { @test { $(#[$attribute])* } { $setup } } }
    };
    (@all { $($how:tt)* }) => {
        $crate::charts_conformance! { $($how)*
            versions_come_newest_first
            a_chart_that_is_not_there_has_no_versions
            a_pulled_archive_is_what_was_published
            a_version_that_is_not_there_is_not_found
            a_pin_is_checked
            a_constraint_finds_its_version
        }
    };
    (@name $each:ident $($behaviour:ident)*) => {
        vec![$($each(
            stringify!($behaviour),
            |subject| Box::pin(async move { $crate::conformance::$behaviour(&subject).await }),
        )),*]
    };
    (@test $attributes:tt $setup:tt $($behaviour:ident)*) => {
        $($crate::charts_conformance! { @one $attributes $setup $behaviour })*
    };
    (@one { $(#[$attribute:meta])* } { $setup:expr } $behaviour:ident) => {
        $(#[$attribute])*
        #[tokio::test]
        async fn $behaviour() {
            let subject: $crate::conformance::Subject = $setup.await;
            $crate::conformance::$behaviour(&subject).await;
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_behaviour_is_in_the_list() {
        let text = include_str!("conformance.rs");
        let behaviours = text.split("\npub async fn ").skip(1);
        for piece in behaviours {
            let name = piece.split('(').next().unwrap_or_default();
            assert!(
                text.contains(&format!("            {name}\n")),
                "{name} is not in the list"
            );
        }
    }
}
