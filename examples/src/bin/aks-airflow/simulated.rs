//! The sandbox as the world of a command. It owns opening the kept world and what stands in for charts;
//! it refuses to know what is done there.

use std::path::Path;
use std::sync::Arc;

use azure::Azure;
use converge::RequestLog;
use helm_registry::{Archive, ChartRef, ChartSource, ChartVersion, SourceError, SourceErrorKind};
use kube_cluster::{ConnectOptions, KubeCluster};
use orchestrate::{ChartLibrary, Deployment, OneSource};

use crate::cli::TargetArgs;
use crate::session::{Session, SessionError, read_documents, world};

/// The built-in document of the sandbox: the guide.
const GUIDE: &str = include_str!("../../../guide.yaml");

/// Opens the kept world, or makes the one the document names. Reads only.
pub(crate) fn open(target: &TargetArgs) -> Result<Session, SessionError> {
    let deployment = match read_documents(&target.files)? {
        Some(deployment) => deployment,
        None => Deployment::parse(GUIDE).map_err(SessionError::Document)?,
    };
    let spec = sandbox_spec(&deployment);
    let sandbox = open_world(
        &target.sandbox_dir,
        spec,
        aks_sandbox::registry::Charts::compact(),
    )?;
    let requests = RequestLog::new();
    let options = ConnectOptions {
        requests: requests.clone(),
        ..ConnectOptions::default()
    };
    let cluster = KubeCluster::with_connector(sandbox.connector(), &sandbox.api_url(), options)
        .map_err(SessionError::Cluster)?;
    let tenant = sandbox.spec().tenant;
    let credential = azure::SandboxCredential::new(tenant, aks_sandbox::DEPLOYER);
    let azure = Azure::sandbox_over(sandbox.connector(), credential, requests.clone());
    let charts: Arc<dyn ChartLibrary> = match &target.charts {
        Some(folder) => crate::charts::folder(folder),
        None => Arc::new(OneSource(Arc::new(StandIn))),
    };
    let world = world(cluster, azure, charts, requests);
    Ok(Session {
        deployment,
        world,
        sandbox: Some(sandbox),
    })
}

/// Opens the kept world, or makes the guide's.
pub(crate) fn open_world(
    folder: &Path,
    spec: aks_sandbox::world::WorldSpec,
    charts: aks_sandbox::registry::Charts,
) -> Result<aks_sandbox::Sandbox, SessionError> {
    /// The seed of every kept world; its clock is the machine's.
    const SEED: u64 = 7;
    aks_sandbox::Sandbox::open(folder, SEED, spec, charts).map_err(|error| SessionError::Sandbox {
        folder: folder.display().to_string(),
        message: error.to_string(),
    })
}

/// A world that has what the document names.
fn sandbox_spec(deployment: &Deployment) -> aks_sandbox::world::WorldSpec {
    let azure = &deployment.azure;
    let mut spec = aks_sandbox::world::WorldSpec {
        subscription: azure.subscription.clone(),
        resource_group: azure.resource_group.clone(),
        cluster: azure.cluster.clone(),
        identity: azure.managed_identity.clone(),
        vault: azure.key_vault.clone(),
        storage_account: azure.storage_account.clone(),
        registry: azure.container_registry.clone(),
        ..aks_sandbox::world::WorldSpec::default()
    };
    // Part 2 of the guide imports the images; the sandbox's registry starts with them.
    let settings = deployment.airflow_settings();
    if let Ok(pair) = settings.validate() {
        let images = settings.images.resolve(pair.generation, pair.airflow);
        let host = format!("{}.azurecr.io/", spec.registry);
        for image in [
            &images.airflow,
            &images.statsd,
            &images.pgbouncer,
            &images.pgbouncer_exporter,
            &images.git_sync,
            &images.postgresql,
            &images.redis,
        ] {
            if let Some(repository) = image.repository.strip_prefix(&host) {
                let image = aks_sandbox::world::RegistryImage::new(repository, image.tag.clone());
                if !spec.images.contains(&image) {
                    spec.images.push(image);
                }
            }
        }
    }
    spec
}

/// The compact charts: `1.15.0` is answered by `1.15.0-sandbox`, which says so in its version.
#[derive(Debug)]
pub(crate) struct StandIn;

#[async_trait::async_trait]
impl ChartSource for StandIn {
    async fn versions(&self, name: String) -> Result<Vec<ChartVersion>, SourceError> {
        let charts = aks_sandbox::charts::COMPACT_CHARTS
            .iter()
            .filter(|chart| chart.name == name);
        Ok(charts
            .map(|chart| ChartVersion {
                version: chart.version.to_owned(),
                app_version: Some(chart.app_version.to_owned()),
                description: Some(chart.description.to_owned()),
                ..ChartVersion::default()
            })
            .collect())
    }

    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError> {
        let ChartRef { name, version, .. } = chart;
        let wanted = version.strip_suffix("-sandbox").unwrap_or(&version);
        let charts = || {
            aks_sandbox::charts::COMPACT_CHARTS
                .iter()
                .filter(|chart| chart.name == name)
        };
        if let Some(chart) =
            charts().find(|chart| chart.version.strip_suffix("-sandbox") == Some(wanted))
        {
            return Ok(Archive::new(
                chart.archive(),
                format!("sandbox:{}-{}", chart.name, chart.version),
            ));
        }
        let known = charts()
            .map(|chart| chart.version)
            .collect::<Vec<_>>()
            .join(", ");
        let kind = SourceErrorKind::NotFound {
            what: format!("{name} {version}"),
            help: format!(
                "the sandbox's compact stand-ins are {name} {known}; for others give official archives: `--charts DIR`"
            ),
        };
        Err(SourceError::new("pull", format!("{name} {version}"), kind))
    }
}
