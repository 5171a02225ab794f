//! The cluster suite on a real API server: every behaviour the sandbox claims must be true here.
//!
//! One control plane for the whole run, one namespace for each test. Without the programs the tests
//! are *ignored*; named in `E2E_REQUIRE` they fail.

use std::io::Write as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use aks_airflow_e2e::{Component, ControlPlane, Failed, is_required, told};
use converge::Secret;
use kube_cluster::conformance::{Gaps, Subject};
use kube_cluster::{Cluster, ConnectOptions, KubeCluster, Object, ObjectRef, WriteOptions};
use libtest_mimic::{Arguments, Trial};

type Behaviour = fn(Subject) -> Pin<Box<dyn Future<Output = ()>>>;

/// The control plane of this run, booted by the first test that needs it.
static PLANE: OnceLock<Result<ControlPlane, String>> = OnceLock::new();

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    let missing = Component::ControlPlane.locate().err();
    let ignore = missing.is_some() && !is_required(Component::ControlPlane);
    if let Some(missing) = &missing {
        let _ = writeln!(std::io::stderr(), "{missing}");
    }
    let trial = |name: &str, behaviour: Behaviour| {
        Trial::test(name, move || run(behaviour).map_err(told)).with_ignored_flag(ignore)
    };
    let mut trials = vec![
        Trial::test("a_control_plane_boots_on_loopback_only", || {
            plane().map(|_| ()).map_err(told)
        })
        .with_ignored_flag(ignore),
    ];
    trials.extend(
        behaviours()
            .into_iter()
            .map(|(name, behaviour)| trial(name, behaviour)),
    );
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(Ok(plane)) = PLANE.get() {
        if conclusion.has_failed() {
            plane.keep_logs();
            let _ = writeln!(std::io::stderr(), "logs: {}", plane.folder().display());
        }
        plane.end();
    }
    conclusion.exit();
}

fn behaviours() -> Vec<(&'static str, Behaviour)> {
    fn each(name: &'static str, behaviour: Behaviour) -> (&'static str, Behaviour) {
        (name, behaviour)
    }
    kube_cluster::cluster_conformance!(list = each)
}

fn plane() -> Result<&'static ControlPlane, Failed> {
    PLANE
        .get_or_init(|| ControlPlane::start().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|error| Failed::from(error.clone()))
}

fn run(behaviour: Behaviour) -> Result<(), Failed> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let plane = plane()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cluster: Arc<dyn Cluster> = Arc::new(
            KubeCluster::from_kubeconfig(
                &Secret::new(plane.admin_kubeconfig()),
                ConnectOptions::default(),
            )
            .await?,
        );
        let namespace = format!("suite-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let object = Object::named(&ObjectRef::cluster_wide("v1", "Namespace", &namespace));
        cluster.create(object, WriteOptions::default()).await?;
        // etcd compacts every five minutes; a fresh one still knows everything.
        let gaps = Gaps {
            old_watches_go_on: true,
        };
        behaviour(Subject {
            gaps,
            ..Subject::new(cluster, namespace)
        })
        .await;
        Ok(())
    })
}
