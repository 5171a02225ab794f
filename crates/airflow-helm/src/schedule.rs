//! [`schedule`]: the order in which the chart's objects and hooks come, so that nothing waits for
//! what comes after it. It owns the phases; it changes no object.
//!
//! Every Airflow pod waits in an init container until the database's migrations are those of its
//! image, and the chart migrates in a hook that Helm runs only after all pods are ready: with
//! `--wait` a dead-lock. Here the pods that wait come after the hook.

use helm_release::{Phase, Schedule, Selector};

/// The init container in which the chart's pods wait for migrations.
pub(crate) const WAITER: &str = "wait-for-airflow-migrations";

/// What runs only after the migrations, and mounts the claim for logs.
pub(crate) fn waits_for_migrations() -> Selector {
    Selector::init_container(WAITER)
}

/// The schedule of a release: claims, everything but what waits for migrations, migrations, the
/// first user, what waits.
pub fn schedule(release: &str) -> Schedule {
    let claims = Selector::kind("PersistentVolumeClaim");
    // Autoscalers are never current before what they scale.
    let late = waits_for_migrations()
        .or(Selector::kind("HorizontalPodAutoscaler"))
        .or(Selector::kind("ScaledObject"));
    Schedule::phases([
        // A claim may bind only when its first pod is scheduled, which may be a late one.
        Phase::objects("claims", claims).without_waiting(),
        Phase::objects("back ends", late.clone().not()),
        Phase::hooks(
            "migrations",
            Selector::name(format!("{release}-run-airflow-migrations")),
        ),
        Phase::hooks(
            "first user",
            Selector::name(format!("{release}-create-user")),
        ),
        Phase::objects("airflow", late),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use helm_release::Members;
    use kube_cluster::Object;
    use serde_json::{Value, json};

    fn phase_of(object: &Value, hook: bool) -> Option<String> {
        let object = &Object::from_value(object.clone()).expect("a table");
        schedule("airflow")
            .as_slice()
            .iter()
            .find(|phase| match &phase.members {
                Members::Objects(selector) => !hook && selector.selects(object),
                Members::Hooks(selector) => hook && selector.selects(object),
            })
            .map(|phase| phase.name.clone())
    }

    #[test]
    fn each_object_runs_in_its_phase() {
        let waiting = |kind: &str| {
            json!({
                "kind": kind,
                "metadata": {"name": "airflow-x"},
                "spec": {"template": {"spec": {"initContainers": [{"name": WAITER}]}}},
            })
        };
        let plain = |kind: &str, name: &str| json!({"kind": kind, "metadata": {"name": name}});
        let cases = [
            (waiting("Deployment"), false, Some("airflow")),
            (waiting("StatefulSet"), false, Some("airflow")),
            (
                plain("StatefulSet", "airflow-postgresql"),
                false,
                Some("back ends"),
            ),
            (
                plain("ConfigMap", "airflow-config"),
                false,
                Some("back ends"),
            ),
            (
                plain("PersistentVolumeClaim", "logs"),
                false,
                Some("claims"),
            ),
            (
                plain("ScaledObject", "airflow-worker"),
                false,
                Some("airflow"),
            ),
            (
                plain("Job", "airflow-run-airflow-migrations"),
                true,
                Some("migrations"),
            ),
            (
                plain("Job", "airflow-create-user"),
                true,
                Some("first user"),
            ),
            (plain("Secret", "airflow-fernet-key"), true, None),
        ];
        for (object, hook, expected) in cases {
            assert_eq!(phase_of(&object, hook).as_deref(), expected, "{object}");
        }
    }
}
