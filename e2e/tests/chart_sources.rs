//! Chart sources nobody here wrote: Debian's OCI registry, and a plain web server with an index that
//! real Helm made. Every behaviour of the suite, and what a password changes.
//!
//! Without the components the tests are *ignored*; named in `E2E_REQUIRE` they fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::registry::{PASSWORD, USER};
use aks_airflow_e2e::{Component, Registry, StaticServer, trial};
use converge::Secret;
use helm_registry::conformance::{NAME, Subject, archives};
use helm_registry::{
    ChartRef, ChartSource, HttpOptions, HttpRepository, Login, OciOptions, OciRepository,
    SourceErrorKind,
};
use libtest_mimic::{Arguments, Trial};

type Behaviour = fn(Subject) -> Pin<Box<dyn Future<Output = ()>>>;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = Vec::new();
    for (name, behaviour) in behaviours() {
        trials.push(trial(
            format!("oci::{name}"),
            &[Component::Registry],
            move || async move {
                behaviour(registry().await?).await;
                Ok(())
            },
        ));
        trials.push(trial(
            format!("index::{name}"),
            &[Component::Python, Component::Helm4],
            move || async move {
                behaviour(indexed().await?).await;
                Ok(())
            },
        ));
    }
    trials.extend([
        trial(
            "a_guarded_registry_gives_charts_to_those_who_log_in",
            &[Component::Registry],
            a_guarded_registry_gives_charts_to_those_who_log_in,
        ),
        trial(
            "what_helm_pushed_is_pulled",
            &[Component::Registry, Component::Helm4],
            what_helm_pushed_is_pulled,
        ),
    ]);
    libtest_mimic::run(&arguments, trials).exit();
}

fn behaviours() -> Vec<(&'static str, Behaviour)> {
    fn each(name: &'static str, behaviour: Behaviour) -> (&'static str, Behaviour) {
        (name, behaviour)
    }
    helm_registry::charts_conformance!(list = each)
}

/// The charts below `helm/` of a registry.
fn charts_of(registry: &Registry, login: Login) -> Result<OciRepository, Failed> {
    let options = OciOptions {
        login,
        plain_http: true,
        ..OciOptions::default()
    };
    let address = format!("oci://{}/helm", registry.address());
    Ok(OciRepository::new(&address, options)?)
}

async fn publish(registry: &Registry) -> Result<(), Failed> {
    for (version, bytes) in archives() {
        let tag = version.replace('+', "_");
        registry.push(&format!("helm/{NAME}"), &tag, &bytes).await?;
    }
    Ok(())
}

async fn registry() -> Result<Subject, Failed> {
    let registry = Registry::open().await?;
    publish(&registry).await?;
    let mut subject = Subject::new(Arc::new(charts_of(&registry, Login::Anonymous)?));
    subject.guard = Box::new(registry);
    Ok(subject)
}

/// A folder that goes when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let id = std::process::id();
        let path = std::env::temp_dir().join(format!("aks-airflow-charts-{id}-{number}"));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// The suite's charts as files.
    fn with_charts() -> std::io::Result<Self> {
        let scratch = Self::new()?;
        for (version, bytes) in archives() {
            fs::write(scratch.0.join(format!("{NAME}-{version}.tgz")), bytes)?;
        }
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs real Helm with a home of its own.
fn helm(home: &Path, arguments: &[&str]) -> Result<Result<String, String>, Failed> {
    let helm = Component::Helm4.locate()?.join("helm4");
    let output = Command::new(helm)
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    })
}

/// A folder of charts behind a plain web server, indexed by Helm.
async fn indexed() -> Result<Subject, Failed> {
    let scratch = Scratch::with_charts()?;
    let home = Scratch::new()?;
    helm(
        &home.0,
        &["repo", "index", &scratch.0.display().to_string()],
    )??;
    let server = StaticServer::of(&scratch.0).await?;
    let repository = HttpRepository::new(&server.url(), HttpOptions::default())?;
    let mut subject = Subject::new(Arc::new(repository));
    subject.guard = Box::new((server, scratch));
    Ok(subject)
}

fn login(password: &str) -> Login {
    Login::Basic {
        user: USER.into(),
        password: Secret::new(password),
    }
}

/// Without the right password nothing comes, and the error says that the login is at fault.
async fn a_guarded_registry_gives_charts_to_those_who_log_in() -> Result<(), Failed> {
    let registry = Registry::guarded().await?;
    publish(&registry).await?;
    let charts = charts_of(&registry, login(PASSWORD))?;
    for (version, bytes) in archives() {
        let pulled = charts.pull(ChartRef::new(NAME, version)).await?;
        if pulled.bytes != bytes {
            return Err(format!("{version} is not what was pushed").into());
        }
    }
    for who in [Login::Anonymous, login("wrong")] {
        let charts = charts_of(&registry, who.clone())?;
        let pulled = charts.pull(ChartRef::new(NAME, "1.9.0")).await.map(|_| ());
        let listed = charts.versions(NAME.into()).await.map(|_| ());
        for result in [pulled, listed] {
            let Err(error) = result else {
                return Err(format!("{who:?} is let in").into());
            };
            if !matches!(*error.kind, SourceErrorKind::Denied { status: 401 }) {
                return Err(format!("{who:?}: {error:?}").into());
            }
            let text = format!("{error} {:?}", error.kind);
            if text.contains("wrong") || text.contains(PASSWORD) {
                return Err(format!("a password in {text}").into());
            }
        }
    }
    Ok(())
}

/// Helm logs in and pushes; we list and pull the same bytes.
async fn what_helm_pushed_is_pulled() -> Result<(), Failed> {
    let registry = Registry::guarded().await?;
    let (scratch, home) = (Scratch::with_charts()?, Scratch::new()?);
    let target = format!("oci://{}/helm", registry.address());
    let log_in = |password| {
        let arguments = [
            "registry",
            "login",
            registry.address(),
            "--plain-http",
            "--username",
            USER,
            "--password",
            password,
        ];
        helm(&home.0, &arguments)
    };
    let Err(refused) = log_in("wrong")? else {
        return Err("Helm is let in with a wrong password".into());
    };
    if !refused.contains("401") {
        return Err(refused.into());
    }
    log_in(PASSWORD)??;
    for (version, _) in archives() {
        let file = scratch.0.join(format!("{NAME}-{version}.tgz"));
        let file = file.display().to_string();
        helm(&home.0, &["push", &file, &target, "--plain-http"])??;
    }
    // What Helm keeps as its login is ours to read.
    let config = fs::read_to_string(home.0.join(".config/helm/registry/config.json"))?;
    let kept = helm_registry::docker_login(&config, registry.address())?;
    let charts = charts_of(&registry, kept.ok_or("Helm kept no login")?)?;
    let listed = charts.versions(NAME.into()).await?;
    if listed.len() != archives().len() {
        return Err(format!("{listed:?}").into());
    }
    for (version, bytes) in archives() {
        let pulled = charts.pull(ChartRef::new(NAME, version)).await?;
        if pulled.bytes != bytes {
            return Err(format!("{version} is not what Helm pushed").into());
        }
    }
    Ok(())
}
