//! [`Ground`]: the control plane of this run and one test's namespace on it. It owns booting once
//! and ending; it refuses to know what is proven.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use aks_airflow_e2e::{ControlPlane, Failed, make_namespace, runtime, sample, say_once};
use converge::{Observer, RequestClass};
use helm_release::conformance::Subject;
use helm_release::{
    ClusterReleases, Outcome, Policy, ReleaseError, ReleaseId, ReleaseIntent, ReleaseStatus,
    Releases as _,
};
use kube_cluster::{Cluster as _, Kind, KubeCluster, Object, ObjectRef, Query};
use serde_json::Value;

use super::{Behaviour, Proof};

static PLANE: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A namespace of one's own on the control plane of this run.
pub(crate) struct Ground {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) cluster: KubeCluster,
    pub(crate) namespace: String,
}

/// Runs one proof in a namespace of its own.
pub(crate) fn run(proof: Proof) -> Result<(), Failed> {
    runtime()?.block_on(async { proof(ground().await?).await })
}

/// Runs one behaviour of the engine's suite.
pub(crate) fn subject(behaviour: Behaviour) -> Result<(), Failed> {
    runtime()?.block_on(async {
        let ground = ground().await?;
        behaviour(Subject::new(Arc::new(ground.cluster), ground.namespace)).await;
        Ok(())
    })
}

/// Stops the control plane; after a failure its folder of logs stays.
pub(crate) fn end(failed: bool) {
    if let Some(Ok(plane)) = PLANE.get() {
        if failed {
            plane.keep_logs();
            say_once(&format!("logs: {}", plane.folder().display()));
        }
        plane.end();
    }
}

async fn ground() -> Result<Ground, Failed> {
    let boot = || {
        PLANE.get_or_init(|| {
            let plane = ControlPlane::start().map_err(|error| words(&error))?;
            plane.add_nodes(2).map_err(|error| words(&error))?;
            Ok(plane)
        })
    };
    let plane = tokio::task::spawn_blocking(boot).await?;
    let plane = plane.as_ref().map_err(|why| Failed::from(why.clone()))?;
    let ground = Ground {
        plane,
        cluster: plane.connect().await?,
        namespace: String::new(),
    };
    ground.sibling().await
}

/// An error and its causes.
pub(crate) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

impl Ground {
    /// Another namespace and client on the same control plane.
    pub(crate) async fn sibling(&self) -> Result<Self, Failed> {
        let cluster = self.plane.connect().await?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("proof-{number}");
        make_namespace(&cluster, &namespace).await?;
        Ok(Self {
            plane: self.plane,
            cluster,
            namespace,
        })
    }

    pub(crate) fn releases(&self) -> ClusterReleases {
        ClusterReleases::new(Arc::new(self.cluster.clone()))
    }

    pub(crate) fn id(&self) -> ReleaseId {
        ReleaseId::new(sample::name().expect("a name"), &self.namespace)
    }

    pub(crate) fn intent(&self, values: Value) -> ReleaseIntent {
        sample::intent(&self.namespace, values)
    }

    pub(crate) async fn try_apply(
        &self,
        values: Value,
        policy: Policy,
    ) -> Result<Outcome, ReleaseError> {
        self.releases()
            .apply(self.intent(values), policy, Observer::default())
            .await
    }

    pub(crate) async fn apply(&self, values: Value) -> Result<Outcome, Failed> {
        let outcome = self.try_apply(values, Policy::default()).await;
        outcome.map_err(|error| words(&error).into())
    }

    /// Applies what is there already: no write, and no object has another version.
    pub(crate) async fn assert_noop(&self, values: Value) -> Result<(), Failed> {
        let versions = self.versions().await?;
        let before = self.cluster.requests().count();
        let outcome = self.apply(values).await?;
        let made = self.cluster.requests().count().since(&before);
        expect(outcome.unchanged, || format!("not unchanged: {outcome:?}"))?;
        expect(made.of(RequestClass::Write) == 0, || made.to_string())?;
        let after = self.versions().await?;
        expect(after == versions, || {
            format!("versions changed: {versions:?} {after:?}")
        })
    }

    /// Everything a release could have touched, with generations and versions. Status moves
    /// Deployments, so these count by generation.
    pub(crate) async fn versions(&self) -> Result<Vec<String>, Failed> {
        let mut versions = Vec::new();
        for (api_version, kind) in [
            ("v1", "ConfigMap"),
            ("v1", "Secret"),
            ("v1", "ServiceAccount"),
            ("v1", "Service"),
            ("apps/v1", "Deployment"),
            ("batch/v1", "Job"),
            ("e2e.invalid/v1", "Widget"),
            ("coordination.k8s.io/v1", "Lease"),
        ] {
            let query = Query::all(Kind::new(api_version, kind), Some(self.namespace.clone()));
            for item in self.cluster.list(query).await?.items {
                let version = if kind == "Deployment" {
                    item.generation().unwrap_or_default().to_string()
                } else {
                    item.resource_version().unwrap_or_default().to_owned()
                };
                versions.push(format!("{} {version}", item.reference()));
            }
        }
        Ok(versions)
    }

    /// Status by revision: `1 superseded, 2 deployed`.
    pub(crate) async fn story(&self) -> Result<String, Failed> {
        let history = self.releases().history(self.id()).await?;
        let lines: Vec<_> = history
            .iter()
            .map(|one| format!("{} {}", one.revision, one.status))
            .collect();
        Ok(lines.join(", "))
    }

    pub(crate) fn object(&self, api_version: &str, kind: &str, name: &str) -> ObjectRef {
        ObjectRef::namespaced(api_version, kind, &self.namespace, name)
    }

    /// One of the sample's objects; they all have its name.
    pub(crate) async fn live(&self, api_version: &str, kind: &str) -> Result<Object, Failed> {
        let target = self.object(api_version, kind, sample::RELEASE);
        let found = self.cluster.get(target.clone()).await?;
        found.ok_or_else(|| format!("{target} is not there").into())
    }

    /// The sample says so in every object that says anything.
    pub(crate) async fn assert_says(&self, greeting: &str) -> Result<(), Failed> {
        for (api_version, kind, path) in [
            ("v1", "ConfigMap", "/data/greeting"),
            ("e2e.invalid/v1", "Widget", "/spec/colour"),
            (
                "apps/v1",
                "Deployment",
                "/spec/template/spec/containers/0/env/0/value",
            ),
        ] {
            let said = self.live(api_version, kind).await?;
            same(said.text(path).unwrap_or_default(), greeting)?;
        }
        Ok(())
    }

    /// Nothing of the sample is left but its CRD.
    pub(crate) async fn assert_gone(&self) -> Result<(), Failed> {
        let left: Vec<_> = self
            .versions()
            .await?
            .into_iter()
            .filter(|one| one.contains("sample") && !one.starts_with("Lease"))
            .collect();
        expect(left.is_empty(), || format!("left: {left:?}"))
    }
}

/// Every object of the release is ready.
pub(crate) fn assert_ready(status: &ReleaseStatus) -> Result<(), Failed> {
    let waiting: Vec<_> = status
        .objects
        .iter()
        .filter(|(_, readiness)| !readiness.is_current())
        .collect();
    expect(waiting.is_empty(), || format!("not ready: {waiting:?}"))
}

/// Fails with a reason.
pub(crate) fn expect(holds: bool, why: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(why().into()) }
}

/// Fails unless both are equal.
pub(crate) fn same<T: std::fmt::Debug + PartialEq + ?Sized>(
    is: &T,
    want: &T,
) -> Result<(), Failed> {
    expect(is == want, || format!("{is:?} is not {want:?}"))
}
