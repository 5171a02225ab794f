//! [`Ground`]: the guide's cluster in one of three places, and running its document there. It owns
//! booting once and ending; it refuses to know what is proven.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aks_airflow_e2e::{
    Aks, Component, DEPLOYER, Failed, Generation, NAMESPACE, Operator, official_charts, runtime,
    say_once,
};
use converge::Observer;
use futures::StreamExt as _;
use orchestrate::{Deployment, Plan, PlanError, Policy, Report, StepResult, World};
use serde_json::Value;

use super::Proof;
use super::rights::triple;

/// Where the guide is carried out: which of its documents, and who plays External Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The guide of 2024.
    Guide2024,
    /// The current generation.
    Current,
    /// The guide of 2024 with External Secrets' own controller.
    RealOperator,
}

impl Place {
    fn generation(self) -> Generation {
        match self {
            Self::Guide2024 | Self::RealOperator => Generation::Guide2024,
            Self::Current => Generation::Current,
        }
    }

    fn operator(self) -> Operator {
        match self {
            Self::Guide2024 | Self::Current => Operator::Simulated,
            Self::RealOperator => Operator::Real,
        }
    }

    /// The programs that must be there.
    pub(crate) fn needs(self) -> Vec<Component> {
        let mut needs = vec![Component::ControlPlane, Component::Kwok];
        if self.operator() == Operator::Real {
            needs.push(Component::ExternalSecrets);
        }
        needs
    }
}

/// The cluster of the place where something is being proven.
static CLUSTER: Mutex<Option<Arc<Aks>>> = Mutex::new(None);

/// The cluster and the document.
pub(crate) struct Ground {
    pub(crate) aks: Arc<Aks>,
    pub(crate) generation: Generation,
    pub(crate) deployment: Deployment,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) report: Report,
}

/// Runs one proof on the place's cluster.
pub(crate) fn run(place: Place, proof: Proof) -> Result<(), Failed> {
    let aks = {
        let mut kept = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(aks) = &*kept {
            Arc::clone(aks)
        } else {
            let aks = Aks::start(place.generation(), place.operator(), &official_charts());
            let aks = Arc::new(aks.map_err(|error| words(&error))?);
            *kept = Some(Arc::clone(&aks));
            aks
        }
    };
    let ground = Ground {
        aks,
        generation: place.generation(),
        deployment: Aks::document(place.generation()).map_err(|error| words(&error))?,
    };
    runtime()?.block_on(proof(&ground))
}

/// Ends the cluster there is; after a failure its logs stay.
pub(crate) fn end(failed: bool) {
    let mut kept = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(aks) = kept.take() {
        if failed {
            aks.plane.keep_logs();
            say_once(&format!("logs: {}", aks.plane.folder().display()));
        }
        aks.end();
    }
}

impl Ground {
    /// New clients of the deployer.
    pub(crate) async fn world(&self) -> Result<World, Failed> {
        let kubeconfig = self.kubeconfig()?;
        let world = self.aks.world(&kubeconfig).await;
        world.map_err(|error| words(&error).into())
    }

    /// A plan, by a new process.
    pub(crate) async fn plan(&self) -> Result<Plan, Failed> {
        let world = self.world().await?;
        let plan = self.deployment.plan(&world).await;
        plan.map_err(|error| plan_words(&error).into())
    }

    /// Plans and carries out, by a new process.
    pub(crate) async fn up(&self) -> Result<Up, Failed> {
        let policy = Policy {
            predict_creates: true,
            ..Policy::default()
        };
        self.up_in(&self.world().await?, &policy).await
    }

    /// Plans and carries out.
    pub(crate) async fn up_in(&self, world: &World, policy: &Policy) -> Result<Up, Failed> {
        let observer = Observer::default();
        let plan = self.deployment.plan_with(world, policy, &observer).await;
        let plan = plan.map_err(|error| plan_words(&error))?;
        let mut run = plan.apply(world, policy).map_err(|error| words(&error))?;
        while run.next().await.is_some() {}
        let report = run.report().ok_or("no report")?.clone();
        Ok(Up { report })
    }

    /// Uids of the namespace's pods, sorted, without those of Jobs.
    pub(crate) async fn pods(&self) -> Result<Vec<String>, Failed> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        let mut uids: Vec<String> = self
            .items(&path)
            .await?
            .iter()
            .map(|pod| format!("{} {}", pod["metadata"]["name"], pod["metadata"]["uid"]))
            .collect();
        uids.sort();
        Ok(uids)
    }

    /// What the deployer has used since the cluster was booted: group, resource, verb. A patch that
    /// made an object needed `create`, too.
    pub(crate) fn used_rights(&self) -> Result<BTreeSet<(String, String, String)>, Failed> {
        let mut used = BTreeSet::new();
        for request in self.aks.audit.requests()? {
            if request.verb == "patch" && request.code == 201 {
                used.insert(triple(&request.group, &request.resource, "create"));
            }
            used.insert(triple(&request.group, &request.resource, &request.verb));
        }
        Ok(used)
    }

    /// Back to the cluster and the Azure that the first run found.
    pub(crate) async fn reset(&self) -> Result<(), Failed> {
        let done = self.aks.reset().await;
        done.map_err(|error| words(&error).into())
    }

    /// The kubeconfig of the user who has exactly the shipped rights.
    pub(crate) fn kubeconfig(&self) -> Result<String, Failed> {
        let text = self.aks.plane.kubeconfig_of(DEPLOYER, None);
        text.map_err(|error| words(&error).into())
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failed> {
        let found = self.aks.api.get(path).await?;
        found.ok_or_else(|| format!("{path} is not there").into())
    }

    pub(crate) async fn items(&self, path: &str) -> Result<Vec<Value>, Failed> {
        Ok(self.aks.api.items(path).await?)
    }
}

impl Up {
    /// The report, once every step is done.
    pub(crate) fn succeeded(&self) -> Result<&Report, Failed> {
        if self.report.succeeded() {
            return Ok(&self.report);
        }
        Err(failures(&self.report).into())
    }
}

/// A report with what each failed step said.
pub(crate) fn failures(report: &Report) -> String {
    let mut text = report.to_string();
    for step in &report.steps {
        if let StepResult::Failed { causes, code, .. } = &step.result {
            let code = code.as_deref().unwrap_or("no code");
            text.push_str(&format!("{} [{code}] {}\n", step.step, causes.join(": ")));
        }
    }
    text
}

/// Why there is no plan, with the causes of each step.
fn plan_words(error: &PlanError) -> String {
    let PlanError::Steps(steps) = error else {
        return words(error);
    };
    let steps: Vec<String> = steps.iter().map(|step| words(step)).collect();
    steps.join("\n")
}

/// An error and its causes.
pub(crate) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Fails with a reason.
pub(crate) fn expect(holds: bool, why: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(why().into()) }
}

/// Fails unless both are equal.
pub(crate) fn same<T: std::fmt::Debug + PartialEq + ?Sized>(
    is: &T,
    want: &T,
) -> Result<(), Failed> {
    expect(is == want, || format!("{is:?} is not {want:?}"))
}
