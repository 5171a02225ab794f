//! [`ReleaseIntent`] (what should be) and [`Policy`] (what may be done to get there). They own no
//! behaviour and refuse to hold what was observed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use converge::Signal;
use serde_json::Value;

use crate::{Gate, Planned, Profile, ReleaseChart, ReleaseId, ReleaseName, Schedule};

/// What a release should be.
///
/// Two intents with the same chart archive, values, profile, capabilities and schedule are the
/// same; everything else decides only how the way there is gone.
#[derive(Debug, Clone)]
pub struct ReleaseIntent {
    /// The release's name.
    pub name: ReleaseName,
    /// The namespace of its records and objects.
    pub namespace: String,
    /// The chart.
    pub chart: Arc<dyn ReleaseChart>,
    /// The values a user supplies, a JSON object; stored as the release's `config`. Empty by
    /// default.
    pub values: Value,
    /// Whose rendering and record details to follow; Helm 4 by default.
    pub profile: Profile,
    /// When objects and hooks run; Helm's own order by default.
    pub schedule: Schedule,
    /// API versions (`external-secrets.io/v1`, `external-secrets.io/v1/ExternalSecret`) that the
    /// plan will bring into being before this release is applied: templates see them as served.
    pub extra_api_versions: Vec<String>,
    /// How long each wait (a hook, a phase) may take; five minutes by default, as Helm.
    pub timeout: Duration,
    /// What is waited for; everything but Jobs by default.
    pub wait: WaitMode,
    /// How many revisions are kept, 0 for all; 10 by default, as Helm.
    pub history_max: u32,
    /// Create the namespace if it is missing; off by default.
    pub create_namespace: bool,
    /// The description stored in the record; Helm's `Install complete` and `Upgrade complete` by
    /// default.
    pub description: Option<String>,
    /// Labels on the record's Secret besides Helm's own.
    pub labels: BTreeMap<String, String>,
    /// Leave out all hooks; off by default.
    pub no_hooks: bool,
    /// Leave out the CRDs of `crds/`; off by default.
    pub skip_crds: bool,
    /// What keeps objects and hooks back until others have done their part; nothing by default. Applying
    /// begins meanwhile, and waits for a gate as long as it takes.
    pub gates: Vec<Gate>,
    /// Set by applying once everything is ready and only the record's end is left to write.
    pub ready: Signal,
    /// What a [plan](crate::ReleasePlan::planned) of the same intent has just seen, so that it is not
    /// looked at again; nothing by default.
    pub planned: Planned,
}

impl ReleaseIntent {
    /// A release of `chart` without values, everything else by default.
    pub fn new(
        name: ReleaseName,
        namespace: impl Into<String>,
        chart: Arc<dyn ReleaseChart>,
    ) -> Self {
        Self {
            name,
            namespace: namespace.into(),
            chart,
            values: Value::Object(serde_json::Map::new()),
            profile: Profile::default(),
            schedule: Schedule::helm(),
            extra_api_versions: Vec::new(),
            timeout: Duration::from_secs(300),
            wait: WaitMode::default(),
            history_max: 10,
            create_namespace: false,
            description: None,
            labels: BTreeMap::new(),
            no_hooks: false,
            skip_crds: false,
            gates: Vec::new(),
            ready: Signal::new(),
            planned: Planned::default(),
        }
    }

    /// Which release this is.
    pub fn id(&self) -> ReleaseId {
        ReleaseId::new(self.name.clone(), self.namespace.clone())
    }
}

/// What is waited for before a release counts as deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitMode {
    /// Hooks and CRDs only, as Helm without `--wait`.
    HooksOnly,
    /// All objects are current; Jobs only have to have started, as Helm's `--wait`.
    #[default]
    Objects,
    /// All objects are current and Jobs complete, as Helm's `--wait --wait-for-jobs`.
    ObjectsAndJobs,
}

/// What may be done on the way. The default is the careful one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Declared fields that other managers changed and that we may take back, each as
    /// `Deployment airflow/airflow-scheduler spec.replicas` or, for every object, `spec.replicas`.
    pub take_fields: Vec<String>,
    /// Take every field other managers own, as Helm's `--force-conflicts`; off by default.
    pub force_conflicts: bool,
    /// Adopt objects that exist without this release's marks, as Helm's `--take-ownership`; off by
    /// default.
    pub take_ownership: bool,
    /// Go on although another client left a revision pending: it is marked failed. Refused as long
    /// as a Lease shows that the client is alive; off by default.
    pub take_over: bool,
    /// After a failed upgrade roll back to the last good revision, after a failed install
    /// uninstall, as Helm's `--rollback-on-failure`; off by default.
    pub rollback_on_failure: bool,
    /// After a failure delete the objects this run created, as Helm's `--cleanup-on-fail`; off by
    /// default.
    pub cleanup_on_fail: bool,
    /// Plan what is not there without asking the server by a dry-run: for a plan that is carried out
    /// at once, where the write itself says it; off by default.
    pub predict_creates: bool,
}
