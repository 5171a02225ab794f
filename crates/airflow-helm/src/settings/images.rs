//! [`ImageSettings`]: where images come from. It owns the guide's names in the registry and the
//! chart's own defaults per generation; it refuses two places for one tag.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AirflowVersion, Generation};

/// Where images come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ImageSettings {
    /// The registry that holds copies of all images, such as `myacr.azurecr.io`; without one the
    /// public registries are used.
    pub registry: Option<String>,
    /// When nodes pull; `IfNotPresent`.
    pub pull_policy: PullPolicy,
    /// Airflow itself. Its tag follows the Airflow version unless given.
    pub airflow: Image,
    /// The exporter of metrics.
    pub statsd: Image,
    /// The connection pool.
    pub pgbouncer: Image,
    /// The pool's metrics.
    pub pgbouncer_exporter: Image,
    /// The sidecar that fetches DAGs.
    pub git_sync: Image,
    /// The embedded database.
    pub postgresql: Image,
    /// The embedded broker.
    pub redis: Image,
    /// Migrate with the chart's default image instead of yours; off, as the guide.
    pub use_default_image_for_migration: bool,
    /// How long a pod waits for migrations before it starts over, in seconds; 60, as the guide.
    /// Our schedule starts these pods after the migrations, so it hardly matters.
    pub migrations_wait_timeout: u32,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            registry: None,
            pull_policy: PullPolicy::IfNotPresent,
            airflow: Image::default(),
            statsd: Image::default(),
            pgbouncer: Image::default(),
            pgbouncer_exporter: Image::default(),
            git_sync: Image::default(),
            postgresql: Image::default(),
            redis: Image::default(),
            use_default_image_for_migration: false,
            migrations_wait_timeout: 60,
        }
    }
}

/// One image, as far as it differs from the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Image {
    /// The repository, with its registry (`myacr.azurecr.io/airflow`).
    pub repository: Option<String>,
    /// The tag.
    pub tag: Option<String>,
    /// The digest, `sha256:…`. Only Airflow's own image has a field for it; for others write
    /// `tag@digest` as the tag.
    pub digest: Option<String>,
}

/// When a node pulls an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// If it does not have it.
    #[default]
    IfNotPresent,
    /// Each time.
    Always,
    /// Not at all.
    Never,
}

/// An image with nothing left open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageRef {
    /// `myacr.azurecr.io/airflow`.
    pub repository: String,
    /// `2.9.3`.
    pub tag: String,
    /// `sha256:…`.
    pub digest: Option<String>,
}

impl ImageRef {
    /// `repository:tag`.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// The registry's host, `docker.io` where the repository names none, and the rest.
    pub fn split(&self) -> (&str, &str) {
        match self.repository.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
            _ => ("docker.io", &self.repository),
        }
    }
}

/// Every image of a deployment: what has to be in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResolvedImages {
    /// Airflow.
    pub airflow: ImageRef,
    /// The exporter of metrics.
    pub statsd: ImageRef,
    /// The connection pool.
    pub pgbouncer: ImageRef,
    /// The pool's metrics.
    pub pgbouncer_exporter: ImageRef,
    /// The sidecar that fetches DAGs.
    pub git_sync: ImageRef,
    /// The embedded database.
    pub postgresql: ImageRef,
    /// The embedded broker.
    pub redis: ImageRef,
}

/// Name in the guide's registry, public repository, tag with chart 1.15, tag with chart 1.22.
type Known = (&'static str, &'static str, &'static str, &'static str);

const STATSD: Known = (
    "statsd-exporter",
    "quay.io/prometheus/statsd-exporter",
    "v0.26.1",
    "v0.30.0",
);
const PGBOUNCER: Known = (
    "airflow",
    "apache/airflow",
    "airflow-pgbouncer-2024.01.19-1.21.0",
    "airflow-pgbouncer-2025.03.05-1.23.1",
);
const EXPORTER: Known = (
    "airflow",
    "apache/airflow",
    "airflow-pgbouncer-exporter-2024.06.18-0.17.0",
    "airflow-pgbouncer-exporter-2025.03.05-0.18.0",
);
const GIT_SYNC: Known = (
    "git-sync",
    "registry.k8s.io/git-sync/git-sync",
    "v4.1.0",
    "v4.4.2",
);
// The image the chart names before 1.19 was removed from its registry; this one is its successor.
const POSTGRESQL: Known = (
    "postgresql",
    "docker.io/bitnamilegacy/postgresql",
    "16.1.0-debian-11-r15",
    "16.1.0-debian-11-r15",
);
const REDIS: Known = ("redis", "redis", "7.2-bookworm", "7.2-bookworm");

impl ImageSettings {
    /// Fills in what is left open: the guide's names in the registry, or the public ones, and the
    /// tags the chart's generation was made with.
    pub fn resolve(&self, generation: Generation, airflow: AirflowVersion) -> ResolvedImages {
        let known = |image: &Image, (name, public, tag15, tag22): Known| {
            let tag = match generation {
                Generation::Chart15 => tag15,
                Generation::Chart22 => tag22,
            };
            self.fill(image, name, public, tag)
        };
        ResolvedImages {
            airflow: self.fill(
                &self.airflow,
                "airflow",
                "apache/airflow",
                &airflow.to_string(),
            ),
            statsd: known(&self.statsd, STATSD),
            pgbouncer: known(&self.pgbouncer, PGBOUNCER),
            pgbouncer_exporter: known(&self.pgbouncer_exporter, EXPORTER),
            git_sync: known(&self.git_sync, GIT_SYNC),
            postgresql: known(&self.postgresql, POSTGRESQL),
            redis: known(&self.redis, REDIS),
        }
    }

    fn fill(&self, image: &Image, name: &str, public: &str, tag: &str) -> ImageRef {
        let repository = image
            .repository
            .clone()
            .unwrap_or_else(|| match &self.registry {
                Some(registry) => format!("{}/{name}", registry.trim_end_matches('/')),
                None => public.to_owned(),
            });
        ImageRef {
            repository,
            tag: image.tag.clone().unwrap_or_else(|| tag.to_owned()),
            digest: image.digest.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_the_guides_in_the_registry_and_public_without_one() {
        let mut images = ImageSettings {
            registry: Some("myacr.azurecr.io".into()),
            ..ImageSettings::default()
        };
        let v2 = AirflowVersion::new(2, 9, 3);
        let resolved = images.resolve(Generation::Chart15, v2);
        assert_eq!(
            resolved.airflow.reference(),
            "myacr.azurecr.io/airflow:2.9.3"
        );
        assert_eq!(
            resolved.pgbouncer.reference(),
            "myacr.azurecr.io/airflow:airflow-pgbouncer-2024.01.19-1.21.0"
        );
        assert_eq!(
            resolved.postgresql.split(),
            ("myacr.azurecr.io", "postgresql")
        );
        images.registry = None;
        images.git_sync.tag = Some("v4.9.9".into());
        let resolved = images.resolve(Generation::Chart22, AirflowVersion::new(3, 2, 2));
        assert_eq!(resolved.airflow.reference(), "apache/airflow:3.2.2");
        assert_eq!(resolved.airflow.split(), ("docker.io", "apache/airflow"));
        assert_eq!(
            resolved.git_sync.reference(),
            "registry.k8s.io/git-sync/git-sync:v4.9.9"
        );
        assert_eq!(
            resolved.postgresql.split(),
            ("docker.io", "bitnamilegacy/postgresql")
        );
    }
}
