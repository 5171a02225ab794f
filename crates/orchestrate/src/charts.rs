//! [`ChartLibrary`]: from a pin to a compiled chart. It owns the choice of a source and the check of
//! the digest; it refuses to fetch by itself.

use std::fmt;
use std::sync::Arc;

use helm_chart::Chart;
use helm_registry::{ChartRef, ChartSource, Digest, SourceError, SourceErrorKind};

use crate::document::{ChartPin, Deployment, Operator};

/// The repository of the Airflow chart.
pub const AIRFLOW_REPOSITORY: &str = "https://airflow.apache.org";
/// The repository of the External Secrets chart.
pub const EXTERNAL_SECRETS_REPOSITORY: &str = "https://charts.external-secrets.io";

/// Chart sources by the address of their repository.
pub trait ChartLibrary: fmt::Debug + Send + Sync + 'static {
    /// The source at an address: `https://…`, `oci://…`.
    ///
    /// # Errors
    /// When the address is of no known kind.
    fn source(&self, repository: &str) -> Result<Arc<dyn ChartSource>, SourceError>;
}

/// One source for every address: a folder of archives, charts in memory.
#[derive(Debug, Clone)]
pub struct OneSource(pub Arc<dyn ChartSource>);

impl ChartLibrary for OneSource {
    fn source(&self, _: &str) -> Result<Arc<dyn ChartSource>, SourceError> {
        Ok(Arc::clone(&self.0))
    }
}

/// A chart that cannot be had. Nothing was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ChartError {
    /// Its source does not give it, or gives what is no chart.
    #[error("chart {chart} {version} cannot be had")]
    #[diagnostic(code(aka::chart::pull))]
    Pull {
        /// Which chart.
        chart: &'static str,
        /// Which version.
        version: String,
        /// Why, and where it was looked for.
        #[source]
        #[diagnostic_source]
        source: SourceError,
    },
    /// The pin is no digest.
    #[error("`{digest}`, pinned for chart {chart}, is not a digest")]
    #[diagnostic(
        code(aka::chart::pin),
        help("write `sha256:` and 64 hexadecimal digits")
    )]
    Pin {
        /// Which chart.
        chart: &'static str,
        /// The text.
        digest: String,
    },
}

/// The charts of a deployment, compiled.
#[derive(Debug, Clone)]
pub struct Charts {
    /// Airflow.
    pub airflow: Arc<Chart>,
    /// External Secrets, unless somebody else runs the operator.
    pub external_secrets: Option<Arc<Chart>>,
}

impl Charts {
    /// Pulls and compiles the charts a deployment pins, both at once.
    ///
    /// # Errors
    /// The first chart that cannot be had. Nothing was written.
    pub async fn load(
        deployment: &Deployment,
        library: &dyn ChartLibrary,
    ) -> Result<Self, ChartError> {
        let pin = ChartPin {
            repository: deployment.airflow_chart.repository.clone(),
            version: deployment.airflow.chart_version.clone(),
            digest: deployment.airflow_chart.digest.clone(),
        };
        let secrets = &deployment.external_secrets;
        let operator = async {
            match secrets.operator {
                Operator::Install => load(
                    library,
                    "external-secrets",
                    EXTERNAL_SECRETS_REPOSITORY,
                    &secrets.chart,
                )
                .await
                .map(Some),
                Operator::Existing => Ok(None),
            }
        };
        let (airflow, external_secrets) =
            futures::future::try_join(load(library, "airflow", AIRFLOW_REPOSITORY, &pin), operator)
                .await?;
        Ok(Self {
            airflow,
            external_secrets,
        })
    }
}

async fn load(
    library: &dyn ChartLibrary,
    chart: &'static str,
    default: &str,
    pin: &ChartPin,
) -> Result<Arc<Chart>, ChartError> {
    let repository = pin.repository.as_deref().unwrap_or(default);
    let version = pin.version.clone();
    let failed = |source| ChartError::Pull {
        chart,
        version: version.clone(),
        source,
    };
    let mut wanted = ChartRef::new(chart, version.clone());
    let digest = pin.digest.as_ref().map(|text| {
        Digest::parse(text).map_err(|_| ChartError::Pin {
            chart,
            digest: text.clone(),
        })
    });
    let digest = digest.transpose()?;
    if let Some(digest) = digest {
        wanted = wanted.pinned(digest);
    }
    let archive = library
        .source(repository)
        .map_err(failed)?
        .pull(wanted)
        .await
        // Whatever the source makes of the pin.
        .and_then(|archive| archive.checked(digest, "the document's pin"))
        .map_err(failed)?;
    let origin = archive.origin;
    // Tens of milliseconds of pure work, which answers on their way need not wait for.
    let compiling = tokio::task::spawn_blocking(move || Chart::from_archive(&archive.bytes));
    let chart = compiling
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    chart.map(Arc::new).map_err(|error| {
        let kind = SourceErrorKind::NoChart(error);
        failed(SourceError::new("load", origin, kind))
    })
}
