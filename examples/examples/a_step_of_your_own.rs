//! Adds a step of your own to a workflow: it looks, decides without I/O, acts, and says how it knows.
//! Run twice on one cluster, it writes once. `cargo run -p aks-airflow --example a_step_of_your_own`

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, sync::Arc};

use converge::{Change, ChangeKind, Decision, Proof, Slot, Verification};
use converge::{Step, StepContext, StepError, StepOutcome};
use kube_cluster::{ApplyOptions, Cluster, ConnectOptions, KubeCluster, Object, ObjectRef};

/// The namespace `default` carries the team that pays for it.
#[derive(Debug)]
struct TeamLabel(Arc<dyn Cluster>, &'static str);

#[async_trait::async_trait]
impl Step for TeamLabel {
    type Observed = Option<Object>;
    type Action = Object;
    type Output = ();

    fn name(&self) -> &'static str {
        "team label"
    }

    async fn observe(&self, _: &StepContext) -> Result<Option<Object>, StepError> {
        let seen = self.0.get(namespace()).await;
        seen.map_err(StepError::before_writes)
    }

    fn decide(&self, seen: &Option<Object>) -> Result<Decision<Object, ()>, StepError> {
        let proof = Proof::observed("the label is there");
        if seen.as_ref().and_then(|it| it.label("team")) == Some(self.1) {
            return Ok(Decision::Done { output: (), proof });
        }
        let mut action = Object::named(&namespace());
        action.set_label("team", self.1);
        let change = Change::new(
            ChangeKind::Update,
            "Namespace default",
            Verification::Verified,
        );
        let changes = vec![change];
        Ok(Decision::Act { action, changes })
    }

    async fn perform(&self, it: Object, _: &StepContext) -> Result<StepOutcome<()>, StepError> {
        let applied = self.0.apply(it, ApplyOptions::default()).await;
        applied.map_err(StepError::after_writes)?;
        let (did, proof) = ("labelled".into(), Proof::observed("applied"));
        let output = ();
        Ok(StepOutcome { output, did, proof })
    }
}

fn namespace() -> ObjectRef {
    ObjectRef::cluster_wide("v1", "Namespace", "default")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = aks_sandbox::Sandbox::seeded(7);
    let options = ConnectOptions::default();
    let cluster = KubeCluster::with_connector(sandbox.connector(), &sandbox.api_url(), options)?;
    let step = Slot::new().of(TeamLabel(Arc::new(cluster), "data"));
    for did in ["labelled", "unchanged"] {
        let outcome = step.run(&StepContext::default()).await?;
        println!("{}: {} ({})", step.name(), outcome.did, outcome.proof);
        assert_eq!(outcome.did, did);
    }
    Ok(())
}
