//! [`PodTarget`] and [`ready_pod`]: which pod answers for a component. This file owns the choice
//! among pods; it refuses to talk to them.

use kube_cluster::{Cluster, ClusterError, Kind, Object, Query, readiness};

/// The pods of one component of a release, and the port they listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodTarget {
    /// The namespace.
    pub namespace: String,
    /// The release's name.
    pub release: String,
    /// The chart's label: `webserver`, `api-server`.
    pub component: String,
    /// The port.
    pub port: u16,
}

impl PodTarget {
    /// The pods that serve the UI and the API: port 8080.
    pub fn ui(settings: &crate::AirflowSettings, pair: &crate::Pair) -> Self {
        Self {
            namespace: settings.namespace.clone(),
            release: settings.release.clone(),
            component: pair.airflow.ui_component().to_owned(),
            port: 8080,
        }
    }

    fn query(&self) -> Query {
        Query::all(Kind::new("v1", "Pod"), Some(self.namespace.clone())).with_labels(format!(
            "tier=airflow,component={},release={}",
            self.component, self.release
        ))
    }
}

/// No pod answers.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum PodError {
    /// The cluster refused.
    #[error("cannot look for a pod")]
    #[diagnostic(code(aka::airflow::pods))]
    Cluster(
        #[source]
        #[diagnostic_source]
        ClusterError,
    ),

    /// There is none that is ready.
    #[error("no pod of `{component}` in `{namespace}` is ready: {reason}")]
    #[diagnostic(
        code(aka::airflow::no_ready_pod),
        help("wait until Airflow is up, or look at the reason with `status`")
    )]
    NoneReady {
        /// The component.
        component: String,
        /// The namespace.
        namespace: String,
        /// What the pods are doing.
        reason: String,
    },
}

/// The name of a ready pod, by name's order, not one of `avoid` if another is ready.
///
/// # Errors
/// Every [`PodError`]. Nothing was written.
pub async fn ready_pod(
    cluster: &dyn Cluster,
    target: &PodTarget,
    avoid: &[String],
) -> Result<String, PodError> {
    let list = cluster
        .list(target.query())
        .await
        .map_err(PodError::Cluster)?;
    choose(&list.items, avoid).ok_or_else(|| PodError::NoneReady {
        component: target.component.clone(),
        namespace: target.namespace.clone(),
        reason: reason(&list.items),
    })
}

/// The name of a ready pod of the component among pods that are known, by name's order.
pub(crate) fn ready_among(pods: &[Object], target: &PodTarget) -> Option<String> {
    let labels = [
        ("tier", "airflow"),
        ("component", target.component.as_str()),
        ("release", target.release.as_str()),
    ];
    let is_of = |pod: &&Object| {
        let mut labels = labels.iter();
        labels.all(|(key, value)| pod.label(key) == Some(*value))
    };
    let pods: Vec<Object> = pods.iter().filter(is_of).cloned().collect();
    choose(&pods, &[])
}

fn choose(pods: &[Object], avoid: &[String]) -> Option<String> {
    let mut ready: Vec<&str> = pods
        .iter()
        .filter(|pod| !pod.is_terminating() && readiness(pod).is_current())
        .map(Object::name)
        .collect();
    ready.sort_unstable();
    ready
        .iter()
        .find(|name| !avoid.iter().any(|other| other == *name))
        .or(ready.first())
        .map(|name| (*name).to_owned())
}

fn reason(pods: &[Object]) -> String {
    match pods.first() {
        None => "there is none".into(),
        Some(pod) => format!("{}: {}", pod.name(), readiness(pod).reason()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, ready: bool, going: bool) -> Object {
        let mut value = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "airflow"},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": if ready { "True" } else { "False" }},
            ]},
        });
        if going {
            value["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        Object::from_value(value).unwrap()
    }

    #[test]
    fn a_ready_pod_that_stays_is_chosen_and_a_failed_one_avoided() {
        let pods = [
            pod("a", true, true),
            pod("b", false, false),
            pod("d", true, false),
            pod("c", true, false),
        ];
        assert_eq!(choose(&pods, &[]).as_deref(), Some("c"));
        assert_eq!(choose(&pods, &["c".into()]).as_deref(), Some("d"));
        assert_eq!(
            choose(&pods, &["c".into(), "d".into()]).as_deref(),
            Some("c")
        );
        assert_eq!(choose(&pods[..2], &[]), None);
    }
}
