//! [`Pair`]: a chart version and an Airflow version that work together. It owns the compatibility
//! matrix and the reasons; it refuses pairs that render but cannot run.
//!
//! The chart's templates follow `airflowVersion`, never the image's tag, so a wrong pair renders
//! without complaint and fails at run time; the chart accepts it, we do not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of Airflow: `2.9.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AirflowVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
    /// The third number.
    pub patch: u16,
}

/// A version of the chart: `1.15.0`, with an optional pre-release (`1.15.0-sandbox`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChartVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
    /// The third number.
    pub patch: u16,
    /// What follows the hyphen; empty for a release.
    pub pre: String,
}

/// Which shape the chart's values have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Generation {
    /// 1.15 to 1.18: one user under `webserver`, workers in one table. The guide's.
    Chart15,
    /// 1.19 to 1.22 and later 1.x: `createUserJob.defaultUser`, `apiServer`, workers split.
    Chart22,
}

/// A chart and an Airflow that work together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The chart.
    pub chart: ChartVersion,
    /// Airflow.
    pub airflow: AirflowVersion,
    /// The shape of the chart's values.
    pub generation: Generation,
    /// What a person should know although it works.
    pub warnings: Vec<String>,
}

/// A pair that cannot work, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum PairError {
    /// Not a version.
    #[error("`{text}` is not a version of {what}")]
    #[diagnostic(
        code(aka::airflow::version),
        help("write three numbers, such as `2.9.3`; `latest` and ranges are not accepted")
    )]
    NotAVersion {
        /// `Airflow`, `the chart`.
        what: &'static str,
        /// The text.
        text: String,
    },

    /// A chart this crate writes no values for.
    #[error("chart {chart} is not supported: {why}")]
    #[diagnostic(
        code(aka::airflow::chart_unsupported),
        help("use a chart from 1.15.0 to 1.22.0")
    )]
    ChartUnsupported {
        /// The chart's version.
        chart: String,
        /// Why.
        why: &'static str,
    },

    /// Each is fine, both together are not.
    #[error("Airflow {airflow} does not run on chart {chart}: {why}")]
    #[diagnostic(code(aka::airflow::pair), help("{help}"))]
    Incompatible {
        /// Airflow's version.
        airflow: AirflowVersion,
        /// The chart's version.
        chart: String,
        /// Why.
        why: &'static str,
        /// What to use instead.
        help: &'static str,
    },
}

impl AirflowVersion {
    /// Names a version.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads three numbers.
    ///
    /// # Errors
    /// [`PairError::NotAVersion`].
    pub fn parse(text: &str) -> Result<Self, PairError> {
        match numbers(text) {
            Some(([major, minor, patch], "")) => Ok(Self::new(major, minor, patch)),
            _ => Err(PairError::NotAVersion {
                what: "Airflow",
                text: text.to_owned(),
            }),
        }
    }

    /// Whether this is Airflow 3 or later.
    pub fn is_three(self) -> bool {
        self.major >= 3
    }

    /// The component that serves the UI: `webserver`, or `api-server` since Airflow 3.
    pub fn ui_component(self) -> &'static str {
        if self.is_three() {
            "api-server"
        } else {
            "webserver"
        }
    }
}

impl ChartVersion {
    /// Reads three numbers and an optional pre-release; a leading `v` is not accepted.
    ///
    /// # Errors
    /// [`PairError::NotAVersion`].
    pub fn parse(text: &str) -> Result<Self, PairError> {
        let bare = text.split_once('+').map_or(text, |(bare, _)| bare);
        match numbers(bare) {
            Some(([major, minor, patch], pre)) => Ok(Self {
                major,
                minor,
                patch,
                pre: pre.to_owned(),
            }),
            None => Err(PairError::NotAVersion {
                what: "the chart",
                text: text.to_owned(),
            }),
        }
    }
}

/// The three numbers and the pre-release after a hyphen.
fn numbers(text: &str) -> Option<([u16; 3], &str)> {
    let (core, pre) = text.split_once('-').unwrap_or((text, ""));
    let mut parts = core.split('.');
    let mut number = || {
        let part = parts.next()?;
        let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        (plain && (part == "0" || !part.starts_with('0'))).then(|| part.parse().ok())?
    };
    let found = [number()?, number()?, number()?];
    (parts.next().is_none() && !(pre.is_empty() && text.ends_with('-'))).then_some((found, pre))
}

impl Pair {
    /// Checks that a chart and an Airflow version work together.
    ///
    /// Source: the chart's release notes 1.15 to 1.22, and Airflow 3.0's removal of `webserver`,
    /// `/health` and `users` without the FAB auth manager.
    ///
    /// # Errors
    /// Every [`PairError`].
    pub fn check(chart: &str, airflow: &str) -> Result<Self, PairError> {
        let airflow = AirflowVersion::parse(airflow)?;
        let parsed = ChartVersion::parse(chart)?;
        let unsupported = |why| PairError::ChartUnsupported {
            chart: chart.to_owned(),
            why,
        };
        let incompatible = |why, help| PairError::Incompatible {
            airflow,
            chart: chart.to_owned(),
            why,
            help,
        };
        let generation = match (parsed.major, parsed.minor) {
            (1, 15..=18) => Generation::Chart15,
            (1, 19..) => Generation::Chart22,
            (0 | 1, _) => {
                return Err(unsupported(
                    "its values have another shape and it predates git-sync v4",
                ));
            }
            _ => {
                return Err(unsupported(
                    "chart 2 drops git-sync and the embedded database",
                ));
            }
        };
        let mut warnings = Vec::new();
        match (airflow.major, parsed.minor) {
            (0 | 1, _) => {
                return Err(incompatible("Airflow 1 has no stable REST API", "use Airflow 2.6 or later"));
            }
            (3.., ..16) => {
                return Err(incompatible(
                    "the chart starts `airflow webserver`, probes `/health` and runs no DAG processor, and Airflow 3 has removed the first two and needs the third",
                    "use chart 1.22.0 with Airflow 3",
                ));
            }
            (3.., 16..=18) => {
                return Err(incompatible(
                    "the chart's JWT secret, API server probes and pod template are wrong for Airflow 3 before 1.19",
                    "use chart 1.22.0 with Airflow 3",
                ));
            }
            (2, 20..) if airflow < AirflowVersion::new(2, 11, 0) => {
                return Err(incompatible(
                    "the chart refuses Airflow before 2.11",
                    "use chart 1.15.0 with Airflow 2.9, or upgrade to Airflow 2.11",
                ));
            }
            (3.., 19..=21) => warnings.push(format!(
                "chart {chart} runs Airflow 3, but 1.22.0 fixed task logs under network policies and worker ServiceAccounts"
            )),
            _ => {}
        }
        if airflow > AirflowVersion::new(3, 2, 99) {
            warnings.push(format!(
                "Airflow {airflow} is newer than any chart's default"
            ));
        }
        if parsed.minor > 22 {
            warnings.push(format!(
                "chart {chart} is newer than the newest tested, 1.22.0"
            ));
        }
        Ok(Self {
            chart: parsed,
            airflow,
            generation,
            warnings,
        })
    }
}

impl fmt::Display for AirflowVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Display for ChartVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if self.pre.is_empty() {
            Ok(())
        } else {
            write!(f, "-{}", self.pre)
        }
    }
}

impl TryFrom<String> for AirflowVersion {
    type Error = PairError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<AirflowVersion> for String {
    fn from(version: AirflowVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_of_pairs() {
        use Generation::{Chart15, Chart22};
        let works = [
            ("1.15.0", "2.9.3", Chart15, 0),
            ("1.15.0-sandbox", "2.9.3", Chart15, 0),
            ("1.18.0", "2.10.5", Chart15, 0),
            ("1.19.0", "2.9.3", Chart22, 0),
            ("1.19.0", "3.1.7", Chart22, 1),
            ("1.22.0", "2.11.2", Chart22, 0),
            ("1.22.0", "3.0.2", Chart22, 0),
            ("1.22.0", "3.2.2", Chart22, 0),
            ("1.22.0", "3.3.2", Chart22, 1),
            ("1.23.0", "3.2.2", Chart22, 1),
        ];
        for (chart, airflow, generation, warnings) in works {
            let pair =
                Pair::check(chart, airflow).unwrap_or_else(|e| panic!("{chart} {airflow}: {e}"));
            assert_eq!(
                (pair.generation, pair.warnings.len()),
                (generation, warnings),
                "{chart} {airflow}"
            );
        }
        for (chart, airflow) in [
            ("1.15.0", "3.0.2"),
            ("1.18.0", "3.0.2"),
            ("1.22.0", "2.9.3"),
            ("1.14.0", "2.9.3"),
            ("2.0.0", "3.2.2"),
            ("1.15.0", "latest"),
            ("1.15.0", "2.9"),
            ("v1.15.0", "2.9.3"),
            ("1.15.0", "1.10.15"),
        ] {
            assert!(Pair::check(chart, airflow).is_err(), "{chart} {airflow}");
        }
    }

    #[test]
    fn the_article_of_2025_is_refused_with_its_reason() {
        let error = Pair::check("1.15.0", "3.0.2").unwrap_err();
        assert!(error.to_string().starts_with(
            "Airflow 3.0.2 does not run on chart 1.15.0: the chart starts `airflow webserver`"
        ));
    }
}
