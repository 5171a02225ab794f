//! Airflow on its official Helm chart: typed settings per chart generation, keys made once, a
//! schedule without dead-lock, verification by effect, the UI, and DAGs from Git.
//!
//! [`AirflowSettings`] are checked by [`AirflowSettings::validate`], become values by
//! [`chart_values`], are installed by [`InstallAirflow`] through `helm-release`, and proven by
//! [`VerifyAirflow`]. [`AirflowApi`] is the seam to a running Airflow. The crate refuses to know
//! Azure: identities and claims come in as names.

mod api;
mod dags;
mod generation;
mod keys;
mod pods;
mod release;
mod schedule;
mod settings;
mod traps;
mod ui;
mod values;
mod verify;

#[cfg(any(test, feature = "mock"))]
pub use api::MockAirflowApi;
#[cfg(feature = "conformance")]
pub use api::conformance;
pub use api::{
    AirflowApi, ApiError, ApiErrorKind, Followed, ForwardedApi, Health, ImportError, Login,
    PartHealth, RunState, trigger_and_follow,
};

pub use dags::{
    DagSettings, GitCredentials, GitPin, GitSync, HttpsLogin, SshLogin, https_secret, ssh_secret,
    synced_commit,
};
pub use generation::{AirflowVersion, ChartVersion, Generation, Pair, PairError};
pub use keys::{
    EnsureKeys, KeyError, KeyMaterial, KeyNames, KeysReady, RANDOM_BYTES, RandomBytes,
    derived_secrets,
};
pub use pods::{PodError, PodTarget, ready_pod};
pub use release::{AirflowRelease, InstallAirflow, InstallError};
pub use schedule::schedule;
pub use settings::{
    AdminUser, AirflowSettings, ComponentSettings, DagProcessorSettings, Database,
    EmbeddedDatabase, EnvVar, Executor, Executors, ExistingDatabase, ExternalDatabase,
    Housekeeping, Image, ImageRef, ImageSettings, IngressHost, IngressSettings, LogGroomer,
    LogSettings, NetworkPolicies, PgBouncer, PullPolicy, ResolvedImages, Resources, SecretEnvVar,
    SettingsError, SettingsProblem, StatsdSettings, TriggererSettings, WebSettings, WorkerSettings,
    WorkloadIdentity,
};
pub use traps::{Deviation, deviations};
pub use ui::{LoginHint, UiError, UiServer};
pub use values::{UnknownRoots, chart_values, check_roots, roots_of};
pub use verify::{Finding, VerifyAirflow, VerifyError, workloads};
