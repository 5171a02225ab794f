//! [`Schedule`]: when objects and hooks run. It owns phases and their selectors; it refuses to
//! change a name, a hook's status or a stored text, so that the record stays Helm's.

use kube_cluster::Object;
use serde::Serialize;
use serde_json::Value;

/// The order in which a release comes into being.
///
/// [`Schedule::helm`] is Helm's own order: pre hooks, all objects, the wait, post hooks. A schedule
/// of phases decides only *when* each object or hook runs:
///
/// - every object belongs to the first phase that selects it, and is applied in Helm's kind order
///   within it; objects no phase selects come after the last phase;
/// - a hook runs in the first phase that selects it, if it belongs to the operation at all (its
///   events name `pre-` or `post-` of it); all other hooks run where Helm runs them, before the
///   first phase or after the last object.
///
/// ```
/// use helm_release::{Phase, Schedule, Selector};
/// let waiters = Selector::init_container("wait-for-airflow-migrations");
/// let schedule = Schedule::phases([
///     Phase::objects("back ends", waiters.clone().not()),
///     Phase::hooks("migrations", Selector::name("airflow-run-airflow-migrations")),
///     Phase::objects("workloads", waiters),
/// ]);
/// assert!(!schedule.is_helm());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Schedule {
    phases: Vec<Phase>,
}

impl Schedule {
    /// Helm's own order.
    pub fn helm() -> Self {
        Self::default()
    }

    /// These phases, in this order.
    pub fn phases(phases: impl IntoIterator<Item = Phase>) -> Self {
        Self {
            phases: phases.into_iter().collect(),
        }
    }

    /// Whether this is Helm's own order.
    pub fn is_helm(&self) -> bool {
        self.phases.is_empty()
    }

    /// The phases; none for Helm's own order.
    pub fn as_slice(&self) -> &[Phase] {
        &self.phases
    }
}

/// One stretch of a schedule: some objects, or some hooks, and whether to wait for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// How progress and errors name it: `migrations`.
    pub name: String,
    /// What runs in it.
    pub members: Members,
    /// Whether the next phase starts only when its objects are ready; hooks are always waited for.
    pub wait: bool,
}

impl Phase {
    /// The objects `selector` selects; the next phase starts when they are ready.
    pub fn objects(name: impl Into<String>, selector: Selector) -> Self {
        Self {
            name: name.into(),
            members: Members::Objects(selector),
            wait: true,
        }
    }

    /// The hooks `selector` selects, one after the other by weight and name.
    pub fn hooks(name: impl Into<String>, selector: Selector) -> Self {
        Self {
            name: name.into(),
            members: Members::Hooks(selector),
            wait: true,
        }
    }

    /// The same phase, but the next one starts as soon as its objects are applied.
    #[must_use]
    pub fn without_waiting(mut self) -> Self {
        self.wait = false;
        self
    }
}

/// What runs in a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Members {
    /// Ordinary objects.
    Objects(Selector),
    /// Hooks.
    Hooks(Selector),
}

/// A predicate over objects, as data: it is part of the digest that tells equal intents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Selector {
    /// Every object.
    Any,
    /// Objects of a kind: `StatefulSet`.
    Kind(String),
    /// The object of this name.
    Name(String),
    /// Objects whose name ends so.
    NameSuffix(String),
    /// Objects with this label value.
    Label(String, String),
    /// Objects whose pod template has an init container of this name.
    InitContainer(String),
    /// Objects all of these select.
    AllOf(Vec<Selector>),
    /// Objects any of these selects.
    AnyOf(Vec<Selector>),
    /// Objects this one does not select.
    Not(Box<Selector>),
}

impl Selector {
    /// Objects of a kind.
    pub fn kind(kind: impl Into<String>) -> Self {
        Self::Kind(kind.into())
    }

    /// Objects that run pods, now or later.
    pub fn pods() -> Self {
        let kinds = [
            "Pod",
            "ReplicationController",
            "ReplicaSet",
            "Deployment",
            "StatefulSet",
            "DaemonSet",
            "Job",
            "CronJob",
        ];
        Self::AnyOf(kinds.map(Self::kind).into())
    }

    /// The object of a name.
    pub fn name(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }

    /// Objects whose name ends so.
    pub fn name_suffix(suffix: impl Into<String>) -> Self {
        Self::NameSuffix(suffix.into())
    }

    /// Objects with a label.
    pub fn label(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Label(key.into(), value.into())
    }

    /// Objects whose pod template has an init container of this name.
    pub fn init_container(name: impl Into<String>) -> Self {
        Self::InitContainer(name.into())
    }

    /// Objects both select.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::AllOf(vec![self, other])
    }

    /// Objects either selects.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::AnyOf(vec![self, other])
    }

    /// Objects this one does not select.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "reads as the other combinators do; `!` on a data value would hide it"
    )]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Whether it selects `object`.
    pub fn selects(&self, object: &Object) -> bool {
        match self {
            Self::Any => true,
            Self::Kind(kind) => object.kind().kind == *kind,
            Self::Name(name) => object.name() == name,
            Self::NameSuffix(suffix) => object.name().ends_with(suffix.as_str()),
            Self::Label(key, value) => object.label(key) == Some(value),
            Self::InitContainer(name) => POD_SPECS
                .iter()
                .filter_map(|pod| object.at(pod)?.get("initContainers")?.as_array())
                .flatten()
                .any(|container| container.get("name").and_then(Value::as_str) == Some(name)),
            Self::AllOf(all) => all.iter().all(|selector| selector.selects(object)),
            Self::AnyOf(any) => any.iter().any(|selector| selector.selects(object)),
            Self::Not(inner) => !inner.selects(object),
        }
    }
}

/// Where kinds that run pods keep the pod's spec.
const POD_SPECS: [&str; 3] = [
    "/spec/template/spec",
    "/spec/jobTemplate/spec/template/spec",
    "/spec",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_read_kind_name_labels_and_init_containers() {
        let object = Object::from_value(json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "airflow-scheduler", "labels": {"tier": "airflow"}},
            "spec": {"template": {"spec": {"initContainers": [{"name": "wait"}]}}},
        }))
        .unwrap();
        assert!(Selector::kind("Deployment").selects(&object));
        assert!(Selector::pods().selects(&object));
        assert!(Selector::name_suffix("-scheduler").selects(&object));
        assert!(Selector::label("tier", "airflow").selects(&object));
        assert!(Selector::init_container("wait").selects(&object));
        assert!(!Selector::init_container("other").selects(&object));
        assert!(Selector::name("x").or(Selector::Any).selects(&object));
        assert!(!Selector::name("x").and(Selector::Any).selects(&object));
        assert!(Selector::name("x").not().selects(&object));
    }
}
