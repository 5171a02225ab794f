//! Where the chart comes from: a folder, an archive, a repository or a registry. What is on disk
//! wins, as with Helm.

use std::path::Path;

use helm_chart::{Chart, Profile};
use helm_registry::{Wanted, read_chart_folder, resolve};

use super::RenderCommandError;
use crate::charts::source;
use crate::cli::RenderArgs;

const OCI: &str = "oci://";

/// The chart the command line names, as that Helm judges it.
pub(super) async fn load(args: &RenderArgs, profile: Profile) -> Result<Chart, RenderCommandError> {
    let name = args.chart.trim();
    let loaded = match std::fs::metadata(name) {
        Ok(found) if found.is_dir() => {
            Chart::from_files_as(read_chart_folder(Path::new(name))?, profile)
        }
        Ok(_) => {
            let unreadable = |source| RenderCommandError::Read {
                path: name.into(),
                source,
            };
            Chart::from_archive_as(&std::fs::read(name).map_err(unreadable)?, profile)
        }
        Err(_) => {
            let Some(place) = Place::of(name, args.repo.as_deref()) else {
                return Err(RenderCommandError::ChartNotFound {
                    chart: name.to_owned(),
                });
            };
            Chart::from_archive_as(&pull(&place, args.version.as_deref()).await?, profile)
        }
    };
    loaded.map_err(|source| RenderCommandError::Chart {
        chart: name.to_owned(),
        source,
    })
}

/// A chart somewhere else.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    repository: String,
    name: String,
    version: Option<String>,
}

impl Place {
    /// `oci://registry/path/chart[:version]`, or a name in `--repo`.
    fn of(chart: &str, repo: Option<&str>) -> Option<Self> {
        if let Some(path) = chart.strip_prefix(OCI) {
            let (repository, name) = path.rsplit_once('/')?;
            let (name, version) = match name.split_once(':') {
                Some((name, version)) => (name, Some(version.to_owned())),
                None => (name, None),
            };
            return Some(Self {
                repository: format!("{OCI}{repository}"),
                name: name.to_owned(),
                version,
            });
        }
        let is_path = chart.starts_with(['.', '/']);
        let repository = repo.filter(|_| !is_path)?.to_owned();
        Some(Self {
            repository,
            name: chart.to_owned(),
            version: None,
        })
    }
}

async fn pull(place: &Place, version: Option<&str>) -> Result<Vec<u8>, RenderCommandError> {
    let source = source(&place.repository)?;
    let version = version.map(str::to_owned).or_else(|| place.version.clone());
    let wanted = Wanted {
        version,
        ..Wanted::default()
    };
    let chosen = resolve(source.as_ref(), &place.name, &wanted).await?;
    Ok(source.pull(chosen).await?.bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::Place;

    fn place(repository: &str, name: &str, version: Option<&str>) -> Place {
        Place {
            repository: repository.to_owned(),
            name: name.to_owned(),
            version: version.map(str::to_owned),
        }
    }

    #[test]
    fn charts_are_found_in_registries_and_repositories() {
        assert_eq!(
            Place::of("oci://r.io/helm/airflow", None),
            Some(place("oci://r.io/helm", "airflow", None))
        );
        let tagged = place("oci://r.io:5000/helm", "airflow", Some("1.15.0"));
        assert_eq!(
            Place::of("oci://r.io:5000/helm/airflow:1.15.0", None),
            Some(tagged)
        );
        let repo = "https://airflow.apache.org";
        assert_eq!(
            Place::of("airflow", Some(repo)),
            Some(place(repo, "airflow", None))
        );
        assert_eq!(Place::of("airflow", None), None);
        assert_eq!(Place::of("./airflow", Some(repo)), None);
    }
}
