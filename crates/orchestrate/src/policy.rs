//! [`Policy`]: what a run may do on the way. It owns what that means for a release; it refuses to
//! allow anything that was not named.

/// What a run may do on the way. The default is the careful one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Declared fields that other managers changed and that we take back, each as
    /// `Deployment airflow/airflow-scheduler spec.replicas` or, for every object, `spec.replicas`.
    pub take: Vec<String>,
    /// Adopt objects that exist without our release's marks.
    pub take_ownership: bool,
    /// Go on although another client left a release pending, if that client is gone.
    pub take_over: bool,
    /// Releases made by another client that may be changed although their pods restart, by name:
    /// `airflow`. Others are kept as they are and named in the plan.
    pub restart: Vec<String>,
    /// Plan objects of a release that are not there without asking the server by a dry-run: for a
    /// plan that is carried out at once, where the write itself says it. Off by default.
    pub predict_creates: bool,
}

impl Policy {
    pub(crate) fn release(&self) -> helm_release::Policy {
        helm_release::Policy {
            take_fields: self.take.clone(),
            take_ownership: self.take_ownership,
            take_over: self.take_over,
            predict_creates: self.predict_creates,
            ..helm_release::Policy::default()
        }
    }

    /// Whether a release that another client made may restart its pods.
    pub(crate) fn restarts(&self, release: &str) -> bool {
        self.restart.iter().any(|named| named == release)
    }

    /// Whether fields of objects of this kind may be taken.
    pub(crate) fn takes(&self, kind: &str) -> bool {
        self.take.iter().any(|field| match field.split_once(' ') {
            Some((named, _)) => named == kind,
            None => true,
        })
    }
}
