//! What the release engine must do on every cluster: one public function per behaviour. It owns the
//! list; it refuses to know any backend.
//!
//! [`releases_conformance!`](crate::releases_conformance) expands the whole list into tests:
//!
//! ```ignore
//! // `setup()` is an async function that answers a `Subject` with a namespace of its own.
//! helm_release::releases_conformance!(setup());
//! helm_release::releases_conformance!(#[ignore = "needs a Kubernetes API server"] setup());
//! ```

pub mod conflicts;
pub mod dying;
pub mod ending;
pub mod gates;
pub mod hooks;
pub mod locking;
pub mod upgrading;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use converge::Observer;
use helm_chart::{Chart, ChartFile};
use kube_cluster::{Applied, ApplyOptions, Cluster, Kind, Object, ObjectRef, Query};
use serde_json::{Value, json};

use crate::{
    ClusterReleases, Outcome, Policy, ReleaseError, ReleaseId, ReleaseIntent, ReleaseName,
    Releases, Status,
};

/// A backend under test.
pub struct Subject {
    /// The backend; its caller may do everything.
    pub cluster: Arc<dyn Cluster>,
    /// A namespace that exists and that nobody else uses during the test.
    pub namespace: String,
    /// Kept alive until the test is over: a server, a directory.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?} in {})", self.cluster, self.namespace)
    }
}

/// A chart of ConfigMaps, a Secret with a made-up password, and hooks: nothing that needs a node.
pub fn chart() -> Chart {
    let file = |name: &str, text: &str| ChartFile::new(name, text);
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-config\ndata:\n  greeting: {{ .Values.greeting | quote }}\n{{- with .Values.second }}\n  second: {{ . | quote }}\n{{- end }}\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}-secret\nstringData:\n  password: {{ randAlphaNum 16 | quote }}\n";
    let extra = "{{- if .Values.extra }}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-extra\n{{- if .Values.keep }}\n  annotations:\n    helm.sh/resource-policy: keep\n{{- end }}\ndata: {}\n{{- end }}\n";
    let hooks = "{{- range $name, $weight := .Values.hooks }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ $.Release.Name }}-{{ $name }}\n  annotations:\n    helm.sh/hook: pre-install,pre-upgrade,pre-delete\n    helm.sh/hook-weight: {{ $weight | quote }}\n{{- with $.Values.hookPolicy }}\n    helm.sh/hook-delete-policy: {{ . }}\n{{- end }}\n{{- end }}\n";
    let files = vec![
        file(
            "Chart.yaml",
            "apiVersion: v2\nname: probe\nversion: 0.1.0\nappVersion: \"7\"\n",
        ),
        file("values.yaml", "greeting: hello\nextra: false\nhooks: {}\n"),
        file("templates/config.yaml", config),
        file("templates/secret.yaml", secret),
        file("templates/extra.yaml", extra),
        file("templates/hooks.yaml", hooks),
        file("templates/NOTES.txt", "It says {{ .Values.greeting }}.\n"),
    ];
    match Chart::from_files(files) {
        Ok(chart) => chart,
        Err(error) => panic!("the chart of the suite does not load: {error:?}"),
    }
}

impl Subject {
    /// A backend.
    pub fn new(cluster: Arc<dyn Cluster>, namespace: impl Into<String>) -> Self {
        Self {
            cluster,
            namespace: namespace.into(),
            guard: Box::new(()),
        }
    }

    /// An engine of its own, as another process would have it.
    pub fn releases(&self) -> ClusterReleases {
        ClusterReleases::new(Arc::clone(&self.cluster))
    }

    /// Which release the suite installs.
    pub fn id(&self) -> ReleaseId {
        match ReleaseName::parse("probe") {
            Ok(name) => ReleaseId::new(name, &self.namespace),
            Err(error) => panic!("{error}"),
        }
    }

    /// The suite's chart with some values.
    pub fn intent(&self, values: Value) -> ReleaseIntent {
        let id = self.id();
        let mut intent = ReleaseIntent::new(id.name, id.namespace, Arc::new(chart()));
        intent.values = values;
        intent
    }

    async fn try_apply(&self, values: Value, policy: Policy) -> Result<Outcome, ReleaseError> {
        self.releases()
            .apply(self.intent(values), policy, Observer::default())
            .await
    }

    async fn applied(&self, values: Value) -> Outcome {
        match self.try_apply(values, Policy::default()).await {
            Ok(outcome) => outcome,
            Err(error) => panic!("not applied: {error:?}"),
        }
    }

    async fn refused(&self, values: Value, policy: Policy) -> ReleaseError {
        match self.try_apply(values, policy).await {
            Err(error) => error,
            Ok(outcome) => panic!("applied though it should be refused: {}", outcome.did),
        }
    }

    fn config(&self, suffix: &str) -> ObjectRef {
        ObjectRef::namespaced(
            "v1",
            "ConfigMap",
            &self.namespace,
            format!("probe-{suffix}"),
        )
    }

    async fn live(&self, target: &ObjectRef) -> Option<Object> {
        match self.cluster.get(target.clone()).await {
            Ok(found) => found,
            Err(error) => panic!("{target} cannot be read: {error:?}"),
        }
    }

    async fn existing(&self, target: &ObjectRef) -> Object {
        match self.live(target).await {
            Some(object) => object,
            None => panic!("{target} is not there"),
        }
    }

    /// Every object of the namespace that a release could touch, with its version.
    async fn versions(&self) -> Vec<(String, String)> {
        let mut versions = Vec::new();
        for kind in [
            Kind::new("v1", "ConfigMap"),
            Kind::new("v1", "Secret"),
            Kind::new("coordination.k8s.io/v1", "Lease"),
        ] {
            let query = Query::all(kind, Some(self.namespace.clone()));
            let items = match self.cluster.list(query).await {
                Ok(list) => list.items,
                Err(error) => panic!("cannot list: {error:?}"),
            };
            // A controller gives it to every namespace, some time after its creation.
            let own = items
                .iter()
                .filter(|item| item.name() != "kube-root-ca.crt");
            versions.extend(own.map(|item| {
                let version = item.resource_version().unwrap_or_default();
                (item.reference().to_string(), version.to_owned())
            }));
        }
        versions
    }

    /// Changes one value of a ConfigMap as somebody else.
    async fn meddle(&self, target: &ObjectRef, key: &str, value: &str, manager: &str) {
        let mut object = Object::named(target);
        object
            .as_map_mut()
            .insert("data".into(), json!({ key: value }));
        let options = ApplyOptions {
            manager: manager.into(),
            force: true,
            dry_run: false,
        };
        match self.cluster.apply(object, options).await {
            Ok(Applied::Done(_)) => {}
            other => panic!("{target} is not changed: {other:?}"),
        }
    }

    /// Status by revision: `1 superseded, 2 deployed`.
    async fn story(&self) -> String {
        let history = match self.releases().history(self.id()).await {
            Ok(history) => history,
            Err(error) => panic!("no history: {error:?}"),
        };
        let lines: Vec<String> = history
            .iter()
            .map(|one| format!("{} {}", one.revision, one.status))
            .collect();
        lines.join(", ")
    }

    /// Stores the newest revision again with another status and without our marks, as a Helm that
    /// died would leave it.
    async fn leave_as(&self, status: Status, keep_marks: bool) {
        let releases = self.releases();
        let history = crate::storage::history(self.cluster.as_ref(), &self.id()).await;
        let Ok(Some(stored)) = history.map(|mut history| history.pop()) else {
            panic!("no revision to change");
        };
        let marks = if keep_marks {
            crate::storage::Marks {
                holder: Some("another".into()),
                ..stored.marks.clone()
            }
        } else {
            crate::storage::Marks::default()
        };
        let Ok(mut record) = stored.record() else {
            panic!("the record cannot be read");
        };
        record.info.status = status;
        let Ok(next) = crate::storage::next_state(
            &stored,
            &crate::codec::Packer::default(),
            &record,
            &marks,
            crate::Profile::default(),
            (releases.clock)(),
        ) else {
            panic!("the record cannot be packed");
        };
        let swapped = crate::storage::swap(self.cluster.as_ref(), next).await;
        assert!(matches!(swapped, Ok(crate::storage::Swapped::Done(_))));
    }
}

/// Expands every behaviour of [`conformance`](crate::conformance) into a test of its own.
///
/// The argument is an expression whose future answers a
/// [`Subject`](crate::conformance::Subject); attributes before it go to every test. The calling
/// crate needs `tokio` with `macros` and `rt`.
///
/// `releases_conformance!(list = each)` makes a `Vec` instead: `each(name, behaviour)` is called for
/// every behaviour, which takes a `Subject` and answers a boxed future.
#[macro_export]
macro_rules! releases_conformance {
    (list = $each:ident) => {
        $crate::releases_conformance! { @all { @name $each } }
    };
    ($(#[$attribute:meta])* $setup:expr) => {
        $crate::releases_conformance! { @all { @test { $(#[$attribute])* } { $setup } } }
    };
    (@all { $($how:tt)* }) => {
        $crate::releases_conformance! { $($how)*
            upgrading::installing_leaves_helms_record
            upgrading::applying_again_writes_nothing
            upgrading::a_plan_writes_nothing_and_names_what_would_change
            upgrading::an_upgrade_changes_adds_and_deletes
            upgrading::a_field_left_out_goes_away
            upgrading::made_up_values_stay
            upgrading::the_history_keeps_its_length
            upgrading::a_deleted_object_is_repaired_without_a_revision
            upgrading::objects_that_helm_applied_client_side_are_taken_over
            upgrading::a_missing_namespace_is_created_on_demand
            conflicts::a_field_changed_by_another_stops_before_any_write
            conflicts::a_named_field_is_taken_back
            conflicts::an_object_of_nobody_is_refused_in_helms_words
            conflicts::an_object_of_nobody_is_adopted_on_demand
            conflicts::an_object_of_nobody_that_came_after_the_plan_is_not_merged_into
            conflicts::fields_of_others_stay
            conflicts::a_record_that_is_too_large_is_refused_before_any_write
            gates::what_a_gate_keeps_comes_once_it_is_open
            gates::a_gate_that_will_not_open_fails_the_revision
            hooks::hooks_run_by_weight_and_their_runs_are_recorded
            hooks::a_hook_that_is_to_go_is_gone
            hooks::a_hook_is_made_anew_each_time
            hooks::a_schedule_moves_a_hook_behind_objects
            locking::a_revision_that_helm_left_pending_is_respected
            locking::a_revision_that_helm_left_pending_is_taken_over_on_demand
            locking::an_unfinished_revision_of_the_same_inputs_is_resumed
            locking::an_unfinished_revision_of_other_inputs_is_abandoned
            ending::a_rollback_brings_the_old_content_back
            ending::a_rollback_to_nothing_is_refused_in_helms_words
            ending::uninstalling_leaves_nothing
            ending::uninstalling_nothing_is_an_answer
            ending::what_is_to_be_kept_stays
            ending::what_is_guarded_stops_before_any_write
            ending::a_kept_history_can_be_installed_upon
        }
    };
    (@name $each:ident $($module:ident :: $behaviour:ident)*) => {
        vec![$($each(
            stringify!($behaviour),
            |subject| Box::pin(async move { $crate::conformance::$module::$behaviour(&subject).await }),
        )),*]
    };
    (@test $attributes:tt $setup:tt $($module:ident :: $behaviour:ident)*) => {
        $($crate::releases_conformance! { @one $attributes $setup $module :: $behaviour })*
    };
    (@one { $(#[$attribute:meta])* } { $setup:expr } $module:ident :: $behaviour:ident) => {
        $(#[$attribute])*
        #[tokio::test]
        async fn $behaviour() {
            let subject: $crate::conformance::Subject = $setup.await;
            $crate::conformance::$module::$behaviour(&subject).await;
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_behaviour_is_in_the_list() {
        let list = include_str!("conformance.rs");
        let modules = [
            ("conflicts", include_str!("conformance/conflicts.rs")),
            ("ending", include_str!("conformance/ending.rs")),
            ("gates", include_str!("conformance/gates.rs")),
            ("hooks", include_str!("conformance/hooks.rs")),
            ("locking", include_str!("conformance/locking.rs")),
            ("upgrading", include_str!("conformance/upgrading.rs")),
        ];
        for (module, text) in modules {
            for piece in text.split("pub async fn ").skip(1) {
                let name = piece.split('(').next().unwrap_or_default();
                let entry = format!("            {module}::{name}\n");
                assert!(list.contains(&entry), "{module}::{name} is not in the list");
            }
        }
    }
}
