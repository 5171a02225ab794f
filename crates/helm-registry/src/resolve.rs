//! [`resolve`]: from a constraint to one version. It owns Helm's choice; it refuses to fetch
//! archives.

use helm_chart::semver::{Constraint, Version};

use crate::{ChartRef, ChartSource, ChartVersion, SourceError, SourceErrorKind};

/// Which versions may be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A version or a constraint (`1.15.0`, `~1.15`, `>=1.15 <2`); the newest by default.
    pub version: Option<String>,
    /// Pre-releases too, as Helm's `--devel`; off by default.
    pub devel: bool,
}

impl Wanted {
    /// This version, or the newest that satisfies this constraint.
    pub fn version(text: impl Into<String>) -> Self {
        Self {
            version: Some(text.into()),
            devel: false,
        }
    }
}

/// Chooses the version of a chart: one written exactly as wanted, else the newest that satisfies
/// the constraint; without one, the newest that is no pre-release. The source's digest becomes the
/// reference's pin.
///
/// Source: `IndexFile.Get` in `pkg/repo/v1/index.go` of Helm v4.2.
///
/// ```
/// use helm_registry::{MemoryCharts, Wanted, resolve};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let charts = MemoryCharts::default();
/// let missing = resolve(&charts, "airflow", &Wanted::version("~1.15")).await;
/// assert!(missing.unwrap_err().is_not_found());
/// # }
/// ```
///
/// # Errors
/// No chart or no version that satisfies, a constraint that is none, or the source cannot be read.
pub async fn resolve(
    source: &dyn ChartSource,
    name: &str,
    wanted: &Wanted,
) -> Result<ChartRef, SourceError> {
    let versions = source.versions(name.to_owned()).await?;
    let chosen = choose(name, &versions, wanted)
        .map_err(|kind| SourceError::new("find", format!("chart {name}"), kind))?;
    Ok(ChartRef {
        name: name.to_owned(),
        version: chosen.version.clone(),
        digest: chosen.digest,
    })
}

fn choose<'v>(
    name: &str,
    versions: &'v [ChartVersion],
    wanted: &Wanted,
) -> Result<&'v ChartVersion, SourceErrorKind> {
    if versions.is_empty() {
        return Err(SourceErrorKind::NotFound {
            what: format!("chart {name}"),
            help: "check the name of the chart and the address of its source".into(),
        });
    }
    let text = wanted.version.as_deref().unwrap_or_default();
    if let Some(exact) = versions.iter().find(|one| one.version == text) {
        return Ok(exact);
    }
    let text = match (text, wanted.devel) {
        ("", true) => ">0.0.0-0",
        ("", false) => "*",
        (text, _) => text,
    };
    let constraint = Constraint::parse(text).map_err(|error| SourceErrorKind::Invalid {
        why: format!("`{text}` is no version and no constraint: {error}"),
    })?;
    let satisfies = |one: &&ChartVersion| {
        Version::parse(&one.version).is_ok_and(|version| constraint.matches(&version))
    };
    versions
        .iter()
        .find(satisfies)
        .ok_or_else(|| SourceErrorKind::NoMatch {
            name: name.to_owned(),
            constraint: text.to_owned(),
            help: offered(versions),
        })
}

/// `there are 1.22.0, 1.21.0, … and 10 more`.
pub(crate) fn offered(versions: &[ChartVersion]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = versions
        .iter()
        .take(SHOWN)
        .map(|one| one.version.as_str())
        .collect();
    match versions.len().saturating_sub(SHOWN) {
        0 if names.is_empty() => "there is no version at all".into(),
        0 => format!("there are {}", names.join(", ")),
        more => format!("there are {} and {more} more", names.join(", ")),
    }
}

/// Newest first; what is no semantic version comes last, in its old order.
pub(crate) fn newest_first(versions: &mut [ChartVersion]) {
    versions.sort_by(
        |a, b| match (Version::parse(&a.version), Version::parse(&b.version)) {
            (Ok(a), Ok(b)) => b.cmp(&a),
            (Ok(_), Err(_)) => std::cmp::Ordering::Less,
            (Err(_), Ok(_)) => std::cmp::Ordering::Greater,
            (Err(_), Err(_)) => std::cmp::Ordering::Equal,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions() -> Vec<ChartVersion> {
        let mut versions: Vec<ChartVersion> = ["1.9.0", "1.15.0", "2.0.0-rc1", "1.10.0", "odd"]
            .into_iter()
            .map(|version| ChartVersion {
                version: version.into(),
                ..ChartVersion::default()
            })
            .collect();
        newest_first(&mut versions);
        versions
    }

    fn chosen(wanted: &Wanted) -> Result<String, String> {
        choose("airflow", &versions(), wanted)
            .map(|one| one.version.clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn newest_comes_first_and_what_is_no_version_last() {
        let order: Vec<String> = versions().into_iter().map(|one| one.version).collect();
        assert_eq!(order, ["2.0.0-rc1", "1.15.0", "1.10.0", "1.9.0", "odd"]);
    }

    #[test]
    fn exact_text_wins_then_the_newest_that_satisfies() {
        for (wanted, version) in [
            (Wanted::default(), "1.15.0"),
            (
                Wanted {
                    version: None,
                    devel: true,
                },
                "2.0.0-rc1",
            ),
            (Wanted::version("1.9.0"), "1.9.0"),
            (Wanted::version("odd"), "odd"),
            (Wanted::version("~1.10"), "1.10.0"),
            (Wanted::version("<1.15"), "1.10.0"),
        ] {
            assert_eq!(chosen(&wanted).as_deref(), Ok(version), "{wanted:?}");
        }
        assert_eq!(
            chosen(&Wanted::version("^3")).unwrap_err(),
            "no version of airflow satisfies `^3`"
        );
        assert!(
            chosen(&Wanted::version("not a version"))
                .unwrap_err()
                .contains("no constraint")
        );
    }
}
