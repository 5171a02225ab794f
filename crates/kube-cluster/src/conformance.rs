//! What every [`Cluster`](crate::Cluster) must do: one public function per behaviour, each true of
//! a real API server (1.35). It owns the list; it refuses to know any backend.
//!
//! [`cluster_conformance!`](crate::cluster_conformance) expands the whole list into tests:
//!
//! ```ignore
//! // `setup()` is an async function that answers a `Subject` with a namespace of its own.
//! kube_cluster::cluster_conformance!(setup());
//! // or, where something has to be there:
//! kube_cluster::cluster_conformance!(setup(); #[ignore = "needs a Kubernetes API server"]);
//! ```

pub mod access;
pub mod applying;
pub mod deleting;
pub mod extending;
pub mod reading;
pub mod watching;
pub mod writing;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use converge::Observer;
use serde_json::{Value, json};

use crate::{
    Applied, ApplyOptions, Cluster, Created, Object, ObjectRef, Target, WriteOptions, wait_until,
};

/// How long a behaviour that needs a controller may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A backend under test.
pub struct Subject {
    /// The backend; its caller may do everything.
    pub cluster: Arc<dyn Cluster>,
    /// A namespace that exists and that nobody else uses during the test.
    pub namespace: String,
    /// What the backend does not claim to do.
    pub gaps: Gaps,
    /// Kept alive until the test is over: a server, a directory.
    pub guard: Box<dyn Any + Send + Sync>,
}

/// Behaviours of an API server that a backend openly lacks. The test then asserts the gap.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gaps {
    /// A watch from an old position goes on instead of saying that it expired.
    pub old_watches_go_on: bool,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?} in {})", self.cluster, self.namespace)
    }
}

impl Subject {
    /// A backend without gaps.
    pub fn new(cluster: Arc<dyn Cluster>, namespace: impl Into<String>) -> Self {
        Self {
            cluster,
            namespace: namespace.into(),
            gaps: Gaps::default(),
            guard: Box::new(()),
        }
    }

    fn config_map(&self, name: &str) -> ObjectRef {
        ObjectRef::namespaced("v1", "ConfigMap", &self.namespace, name)
    }

    /// A ConfigMap with these values.
    fn config(&self, name: &str, data: Value) -> Object {
        let mut object = Object::named(&self.config_map(name));
        object.as_map_mut().insert("data".into(), data);
        object
    }

    /// A ConfigMap that is there now.
    async fn created_config(&self, name: &str, data: Value) -> Object {
        self.created(self.config(name, data)).await
    }

    async fn created(&self, object: Object) -> Object {
        let target = object.reference();
        match self.cluster.create(object, WriteOptions::default()).await {
            Ok(Created::New(object)) => object,
            other => panic!("{target} is not created: {other:?}"),
        }
    }

    async fn applied(&self, object: Object, manager: &str) -> Object {
        let target = object.reference();
        match self.cluster.apply(object, by(manager)).await {
            Ok(Applied::Done(object)) => object,
            other => panic!("{target} is not applied: {other:?}"),
        }
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

    async fn until(&self, target: Target) {
        if let Err(error) = wait_until(
            &self.cluster,
            std::slice::from_ref(&target),
            PATIENCE,
            &Observer::default(),
        )
        .await
        {
            panic!("{target:?}: {error:?}");
        }
    }
}

fn by(manager: &str) -> ApplyOptions {
    ApplyOptions {
        manager: manager.into(),
        ..ApplyOptions::default()
    }
}

/// A Deployment without pods, so that no node is needed.
fn deployment(namespace: &str, name: &str) -> Object {
    let mut object = Object::named(&ObjectRef::namespaced(
        "apps/v1",
        "Deployment",
        namespace,
        name,
    ));
    object.as_map_mut().insert(
        "spec".into(),
        json!({
            "replicas": 0,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "example.invalid/main:1"}]},
            },
        }),
    );
    object
}

/// Expands every behaviour of [`conformance`](crate::conformance) into a test of its own.
///
/// The argument is an expression whose future answers a
/// [`Subject`](crate::conformance::Subject); attributes after a semicolon go to every test. The
/// calling crate needs `tokio` with `macros` and `rt`.
///
/// `cluster_conformance!(list = each)` makes a `Vec` instead: `each(name, behaviour)` is called for
/// every behaviour, which takes a `Subject` and answers a boxed future. It is for harnesses that
/// decide at run time whether a test can run.
#[macro_export]
macro_rules! cluster_conformance {
    (list = $each:ident) => {
        $crate::cluster_conformance! { @all { @name $each } }
    };
    (@all { $($how:tt)* }) => {
        $crate::cluster_conformance! { $($how)*
            reading::an_absent_object_is_none
            reading::an_object_reads_back_as_it_was_created
            reading::labels_select
            reading::a_field_selector_selects_by_name
            reading::a_list_is_in_the_order_of_names
            reading::a_list_over_all_namespaces_names_each_namespace
            reading::a_long_list_comes_whole
            reading::a_kind_nobody_serves_is_unknown
            reading::discovery_names_version_plurals_and_scopes
            writing::a_taken_name_is_an_answer
            writing::creating_in_a_missing_namespace_names_the_namespace
            writing::a_name_that_is_none_is_invalid
            writing::a_lost_race_is_stale_and_writes_nothing
            writing::replacing_what_is_not_there_is_an_answer
            writing::replacing_without_a_version_is_refused
            writing::replacing_with_the_same_content_writes_nothing
            writing::the_generation_moves_with_the_spec_only
            writing::immutable_content_stays
            writing::string_data_becomes_data
            writing::missing_fields_get_their_defaults
            writing::fields_nobody_knows_are_dropped
            writing::a_patch_changes_what_it_names
            writing::a_patch_whose_test_fails_changes_nothing
            writing::patching_what_is_not_there_is_an_answer
            writing::a_dry_run_keeps_nothing
            writing::the_manager_of_a_write_is_recorded
            writing::status_is_not_written_with_the_object
            applying::applying_creates
            applying::applying_what_must_be_new_leaves_what_is_there
            applying::applying_the_same_again_writes_nothing
            applying::a_field_left_out_is_removed
            applying::a_conflict_names_field_and_manager_and_writes_nothing
            applying::force_takes_the_field
            applying::equal_values_are_owned_together
            applying::a_plain_writer_owns_its_fields_too
            applying::keyed_lists_merge_by_their_keys
            applying::sets_merge
            applying::a_dry_apply_keeps_nothing
            applying::applying_an_old_version_is_a_conflict
            applying::applying_in_a_missing_namespace_names_the_namespace
            applying::fields_handed_over_are_removed_by_the_next_apply
            deleting::deleting_nothing_is_an_answer
            deleting::a_deleted_object_is_gone
            deleting::another_incarnation_is_not_deleted
            deleting::another_version_is_not_deleted
            deleting::a_dry_delete_keeps_the_object
            deleting::a_finalizer_holds_the_object
            deleting::dependents_go_in_the_background
            deleting::dependents_go_first_in_the_foreground
            deleting::orphans_stay
            deleting::a_namespace_goes_with_its_contents
            watching::a_watch_continues_where_the_list_ended
            watching::a_watch_without_a_position_begins_with_what_is_there
            watching::a_watch_sees_only_what_is_selected
            watching::an_object_that_leaves_the_selection_is_deleted_to_its_watch
            watching::a_position_that_is_too_old_expires
            extending::a_definition_is_served_used_and_gone_again
            extending::a_custom_schema_is_enforced
            extending::a_status_subresource_is_apart
            access::a_token_carries_audience_and_subject
            access::a_token_for_a_moment_is_refused
            access::a_token_of_nobody_is_not_found
            access::a_caller_who_may_do_everything_is_told_so
        }
    };
    (@name $each:ident $($module:ident :: $behaviour:ident)*) => {
        vec![$($each(
            stringify!($behaviour),
            |subject| Box::pin(async move { $crate::conformance::$module::$behaviour(&subject).await }),
        )),*]
    };
    (@test $attributes:tt $setup:tt $($module:ident :: $behaviour:ident)*) => {
        $($crate::cluster_conformance! { @one $attributes $setup $module $behaviour })*
    };
    (@one { $(#[$attribute:meta])* } { $setup:expr } $module:ident $behaviour:ident) => {
        $(#[$attribute])*
        #[tokio::test]
        async fn $behaviour() {
            let subject: $crate::conformance::Subject = $setup.await;
            $crate::conformance::$module::$behaviour(&subject).await;
        }
    };
    ($setup:expr $(; $(#[$attribute:meta])+)?) => {
        $crate::cluster_conformance! { @all { @test { $($(#[$attribute])+)? } { $setup } } }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_behaviour_is_in_the_list() {
        let list = include_str!("conformance.rs");
        let modules = [
            ("access", include_str!("conformance/access.rs")),
            ("applying", include_str!("conformance/applying.rs")),
            ("deleting", include_str!("conformance/deleting.rs")),
            ("extending", include_str!("conformance/extending.rs")),
            ("reading", include_str!("conformance/reading.rs")),
            ("watching", include_str!("conformance/watching.rs")),
            ("writing", include_str!("conformance/writing.rs")),
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
