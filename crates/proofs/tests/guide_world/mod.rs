//! [`Guide`]: the guide's document over a simulated world, with a ceiling on virtual time and on
//! requests, so that a wait that never ends or a loop that never rests fails instead of hanging. It
//! owns making clients for the world and running plans in it; it refuses to judge what came of it.

#![allow(
    dead_code,
    reason = "each test binary uses its own part of this folder"
)]

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aks_sandbox::charts::COMPACT_CHARTS;
use aks_sandbox::world::{Class, RequestRecord, Verdict, WorldSpec};
use aks_sandbox::{DEPLOYER, Moment, Sandbox};
use async_trait::async_trait;
use azure::{Azure, SandboxCredential};
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use converge::{Event, Observer, RequestLog};
use futures::StreamExt;
use helm_registry::{Archive, ChartRef, ChartSource, ChartVersion, SourceError, SourceErrorKind};
use kube_cluster::{ConnectOptions, KubeCluster};
use orchestrate::{
    Deployment, NoLocalSecrets, OneSource, Parts, Plan, PlanError, Policy, Report, StepResult,
    World,
};
use serde_json::Value;

/// The document of the guide's 2024 edition.
pub(crate) const DOCUMENT: &str = include_str!("../../../../examples/guide.yaml");

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "airflow";

/// How long one command may take in the world's time. The longest wait of a step is minutes.
const TIME: Duration = Duration::from_secs(3 * 60 * 60);

/// How many requests one command may make; a whole first run makes a few hundred.
const REQUESTS: u64 = 4_000;

/// A document and the world it is about.
pub(crate) struct Guide {
    pub(crate) sandbox: Sandbox,
    pub(crate) deployment: Deployment,
    worlds: AtomicU64,
}

/// One command's run and everything it said.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) plan: Plan,
    pub(crate) events: Vec<Event>,
    pub(crate) report: Report,
}

impl Guide {
    /// The guide in its own world.
    pub(crate) fn new() -> Self {
        Self::with(WorldSpec::default(), DOCUMENT)
    }

    /// A document in a world.
    pub(crate) fn with(spec: WorldSpec, document: &str) -> Self {
        Self {
            sandbox: Sandbox::with_spec(7, spec),
            deployment: Deployment::parse(document).expect("the document is right"),
            worlds: AtomicU64::new(0),
        }
    }

    /// The guide's document over a world that goes on from a moment of another one.
    pub(crate) fn resumed(moment: &Moment, process: u64) -> Self {
        Self {
            sandbox: Sandbox::resumed(moment),
            deployment: Deployment::parse(DOCUMENT).expect("the document is right"),
            worlds: AtomicU64::new(process),
        }
    }

    /// Goes on with another document.
    pub(crate) fn read(&mut self, document: &str) {
        self.deployment = Deployment::parse(document).expect("the document is right");
    }

    /// New clients of the world, as a new process has them: no connection, count or random byte is
    /// shared with those before.
    pub(crate) fn world(&self) -> World {
        self.world_of(DEPLOYER, self.sandbox.spec().tenant)
    }

    /// Clients that log in to Azure as `caller` of `tenant`.
    pub(crate) fn world_of(&self, caller: &str, tenant: String) -> World {
        self.world_through(SandboxCredential::new(tenant, caller), |azure| azure)
    }

    /// The world of a deployer whose credential goes on giving this token to Azure.
    #[allow(dead_code, reason = "not every proof is about tokens")]
    pub(crate) fn world_with_token(&self, token: String) -> World {
        let unused = SandboxCredential::new(self.sandbox.spec().tenant, DEPLOYER);
        self.world_through(unused, |azure| azure.acting_as(Arc::new(Kept(token))))
    }

    fn world_through(
        &self,
        credential: SandboxCredential,
        way: impl FnOnce(Azure) -> Azure,
    ) -> World {
        let requests = RequestLog::new();
        let options = ConnectOptions {
            requests: requests.clone(),
            ..ConnectOptions::default()
        };
        let cluster =
            KubeCluster::with_connector(self.sandbox.connector(), &self.sandbox.api_url(), options)
                .expect("the sandbox's address is one");
        let azure = Azure::sandbox_over(self.sandbox.connector(), credential, requests.clone());
        let azure = way(azure);
        World::over(Parts {
            cluster,
            azure,
            charts: Arc::new(OneSource(Arc::new(Compact))),
            local: Arc::new(NoLocalSecrets),
            random: random(self.worlds.fetch_add(1, Ordering::Relaxed)),
            requests,
        })
    }

    /// The plan of a new process.
    pub(crate) async fn plan(&self) -> Plan {
        self.try_plan(&self.world(), &Policy::default())
            .await
            .unwrap_or_else(|error| panic!("no plan: {}", told(&error)))
    }

    /// A plan, or why there is none.
    pub(crate) async fn try_plan(&self, world: &World, policy: &Policy) -> Result<Plan, PlanError> {
        self.bounded(
            self.deployment
                .plan_with(world, policy, &Observer::default()),
        )
        .await
    }

    /// Plans and carries out, as a new process.
    pub(crate) async fn up(&self) -> Up {
        self.up_with(&self.world(), &Policy::default()).await
    }

    /// Plans and carries out under a policy.
    pub(crate) async fn up_with(&self, world: &World, policy: &Policy) -> Up {
        let plan = match self.try_plan(world, policy).await {
            Ok(plan) => plan,
            Err(error) => panic!("no plan: {}", told(&error)),
        };
        let mut run = plan
            .apply(world, policy)
            .unwrap_or_else(|error| panic!("not carried out: {error}"));
        let mut events = Vec::new();
        self.bounded(async {
            while let Some(event) = run.next().await {
                events.push(event);
            }
        })
        .await;
        let report = run.report().expect("the stream has ended").clone();
        Up {
            plan,
            events,
            report,
        }
    }

    /// Runs one command under the ceilings.
    pub(crate) async fn bounded<T>(&self, command: impl Future<Output = T>) -> T {
        let before = self.sandbox.world().requests().records().len() as u64;
        let mut tick = tokio::time::interval(Duration::from_millis(250));
        let counting = async {
            loop {
                tick.tick().await;
                let now = self.sandbox.world().requests().records().len() as u64;
                if now - before > REQUESTS {
                    return now - before;
                }
            }
        };
        tokio::select! {
            biased;
            outcome = command => outcome,
            many = counting => panic!("{many} requests and no end: {}", self.last_requests()),
            () = tokio::time::sleep(TIME) => panic!("no end after {TIME:?} of the world's time: {}", self.last_requests()),
        }
    }

    /// How many requests there were so far.
    pub(crate) fn mark(&self) -> usize {
        self.sandbox.world().requests().records().len()
    }

    /// The Writes since a mark.
    pub(crate) fn writes_since(&self, mark: usize) -> Vec<RequestRecord> {
        self.sandbox
            .requests()
            .into_iter()
            .skip(mark)
            .filter(|record| record.class == Class::Write)
            .collect()
    }

    fn last_requests(&self) -> String {
        let records = self.sandbox.requests();
        let last = records.iter().rev().take(12).map(|record| {
            format!(
                "\n  {} {} {}{} → {:?}",
                record.index, record.method, record.host, record.path, record.status
            )
        });
        last.collect()
    }

    /// Has the world do this to request number `index` and to no other.
    pub(crate) fn at_request(&self, index: u64, verdict: Verdict) {
        let verdict = Mutex::new(Some(verdict));
        self.sandbox.on_request(Some(Arc::new(move |record| {
            if record.index == index {
                verdict.lock().unwrap().take().unwrap_or_default()
            } else {
                Verdict::Proceed
            }
        })));
    }

    /// An object of the cluster, whatever its server's version: `apps/deployments`.
    pub(crate) fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = aks_sandbox::world::Key::new(namespace, name);
        self.sandbox.world().read(|state| {
            state
                .store
                .get(resource, &key)
                .map(|object| Value::clone(object))
        })
    }

    /// Every object of the cluster with its resource.
    pub(crate) fn objects(&self) -> Vec<(String, Value)> {
        self.sandbox.world().read(|state| {
            let store = &state.store;
            store
                .resources()
                .into_iter()
                .flat_map(|resource| {
                    store
                        .all(&resource)
                        .map(|(_, object)| (resource.clone(), Value::clone(object)))
                        .collect::<Vec<_>>()
                })
                .collect()
        })
    }
}

impl Up {
    /// The report, once every step is done.
    #[track_caller]
    pub(crate) fn succeeded(&self) -> &Report {
        assert!(self.report.succeeded(), "{}", self.failures());
        &self.report
    }

    /// Each failed step with what it said.
    pub(crate) fn failures(&self) -> String {
        failures(&self.report)
    }

    /// A failed step's code, its causes as one text, and its help.
    #[track_caller]
    pub(crate) fn failure(&self, step: &str) -> (String, String, String) {
        match self.report.step(step).map(|step| &step.result) {
            Some(StepResult::Failed {
                causes, code, help, ..
            }) => (
                code.clone().unwrap_or_default(),
                causes.join(": "),
                help.clone().unwrap_or_default(),
            ),
            other => panic!("{step} did not fail but: {other:?}\n{}", self.failures()),
        }
    }
}

/// A report with what each failed step said.
pub(crate) fn failures(report: &Report) -> String {
    let mut text = report.to_string();
    for step in &report.steps {
        if let StepResult::Failed {
            causes, code, help, ..
        } = &step.result
        {
            text.push_str(&format!(
                "{} [{}] {}\n  help: {}\n",
                step.step,
                code.as_deref().unwrap_or("no code"),
                causes.join(": "),
                help.as_deref().unwrap_or("none")
            ));
        }
    }
    text
}

/// An error as a person reads it: sentences of it and its causes, codes and helps, related ones too.
pub(crate) fn told(error: &dyn miette::Diagnostic) -> String {
    let mut text = String::new();
    tell(error, &mut text);
    text
}

fn tell(error: &dyn miette::Diagnostic, text: &mut String) {
    let mut next = Some(error);
    while let Some(one) = next {
        let code = one.code().map(|code| format!("[{code}] "));
        text.push_str(&format!("{}{one}\n", code.unwrap_or_default()));
        if let Some(help) = one.help() {
            text.push_str(&format!("  help: {help}\n"));
        }
        let mut cause = std::error::Error::source(one);
        while let Some(why) = cause {
            text.push_str(&format!("  because: {why}\n"));
            cause = why.source();
        }
        for related in one.related().into_iter().flatten() {
            tell(related, text);
        }
        next = one.diagnostic_source();
    }
}

/// Random bytes that are the same each time for the same process, and others for the next.
fn random(process: u64) -> orchestrate::RandomSource {
    let generator = Mutex::new(fastrand::Rng::with_seed(0x5eed + process));
    Arc::new(move |bytes| generator.lock().unwrap().fill(bytes))
}

/// The compact charts under the official versions.
#[derive(Debug)]
struct Compact;

#[async_trait]
impl ChartSource for Compact {
    async fn versions(&self, name: String) -> Result<Vec<ChartVersion>, SourceError> {
        let charts = COMPACT_CHARTS.iter().filter(|chart| chart.name == name);
        Ok(charts
            .map(|chart| ChartVersion {
                version: chart.version.to_owned(),
                ..ChartVersion::default()
            })
            .collect())
    }

    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError> {
        let ChartRef { name, version, .. } = chart;
        COMPACT_CHARTS
            .iter()
            .find(|chart| chart.name == name && chart.version == format!("{version}-sandbox"))
            .map(|chart| Archive::new(chart.archive(), format!("memory:{}", chart.name)))
            .ok_or_else(|| {
                let kind = SourceErrorKind::NotFound {
                    what: format!("{name} {version}"),
                    help: "only the compact charts are here".into(),
                };
                SourceError::new("pull", format!("{name} {version}"), kind)
            })
    }
}

/// A credential that gives one token, whatever it is asked for.
#[derive(Debug)]
struct Kept(String);

#[async_trait]
impl TokenCredential for Kept {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let later = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new(self.0.clone(), later))
    }
}
