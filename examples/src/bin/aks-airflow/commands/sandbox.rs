//! `sandbox`: the simulated Azure and AKS as a thing of its own: served on loopback, broken on
//! demand, thrown away.

use std::path::Path;

use aks_sandbox::Sandbox;
use aks_sandbox::registry::{ChartArchive, Charts};
use aks_sandbox::world::{Class, MigrationFailure, WorldSpec};

use crate::cli::{SandboxCommand, SandboxDirArgs, SandboxFaultArgs, SandboxServeArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::session::SessionError;
use crate::simulated::open_world;

/// A fault nobody knows.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no fault `{0}`")]
#[diagnostic(
    code(aka::sandbox::fault),
    help(
        "faults: image=REPOSITORY:TAG, vault-grant, federated-subject, propagation=SECONDS, claim=NAMESPACE/NAME, migration, webhook, none"
    )
)]
struct UnknownFault(String);

/// Runs one of the sandbox's own commands.
pub(crate) async fn sandbox(command: &SandboxCommand, console: &Console) -> Result<u8, Failure> {
    match command {
        SandboxCommand::Serve(args) => serve(args, console).await,
        SandboxCommand::Fault(args) => fault(args, console),
        SandboxCommand::Reset(args) => reset(args, console),
        SandboxCommand::Requests(args) => requests(args, console),
    }
}

/// The kept world, or the guide's.
fn world(dir: &SandboxDirArgs, charts: Charts) -> Result<Sandbox, Failure> {
    open_world(&dir.sandbox_dir, WorldSpec::default(), charts).map_err(Failure::before_writes)
}

/// The archives of a folder at the hosts where their projects publish them.
fn offered(folder: &Path) -> Result<Charts, Failure> {
    let unreadable = |path: &Path, source| {
        Failure::before_writes(SessionError::File {
            path: path.display().to_string(),
            source,
        })
    };
    let mut charts = Charts::none();
    for entry in std::fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        let path = entry.map_err(|source| unreadable(folder, source))?.path();
        if path.extension().is_none_or(|extension| extension != "tgz") {
            continue;
        }
        let archive = std::fs::read(&path).map_err(|source| unreadable(&path, source))?;
        let chart = helm_chart::Chart::from_archive(&archive).map_err(|error| {
            unreadable(
                &path,
                std::io::Error::new(std::io::ErrorKind::InvalidData, error),
            )
        })?;
        let metadata = chart.metadata();
        charts.add_official(ChartArchive {
            name: metadata.name.clone(),
            version: metadata.version.clone(),
            app_version: metadata.app_version.clone(),
            description: metadata.description.clone(),
            archive: archive.into(),
        });
    }
    Ok(charts)
}

async fn serve(args: &SandboxServeArgs, console: &Console) -> Result<u8, Failure> {
    let charts = match &args.charts {
        Some(folder) => offered(folder)?,
        None => Charts::compact(),
    };
    let sandbox = world(&args.dir, charts)?;
    let unwritable = |path: &Path, source| {
        Failure::before_writes(SessionError::Unwritable {
            path: path.display().to_string(),
            source,
        })
    };
    let folder = &args.dir.sandbox_dir;
    std::fs::create_dir_all(folder).map_err(|source| unwritable(folder, source))?;
    let endpoints = sandbox
        .listen()
        .await
        .map_err(|source| Failure::before_writes(SessionError::Listen { source }))?;
    let authority = folder.join("authority.pem");
    for (path, text) in [
        (&args.kubeconfig, &endpoints.kubeconfig),
        (&authority, &endpoints.authority),
    ] {
        std::fs::write(path, text).map_err(|source| unwritable(path, source))?;
    }
    let login = sandbox.login();
    console.result(
        &format!(
            "Kubernetes  {}\nkubeconfig  {}\nAzure       {} (by Host header)\nHTTPS_PROXY {} (Azure's hosts by their names)\nAuthority   {} (REQUESTS_CA_BUNDLE, SSL_CERT_FILE)\nLogin       az login --service-principal -u {} -p {} --tenant {}\nStop        Ctrl-C",
            endpoints.kubernetes,
            args.kubeconfig.display(),
            endpoints.http,
            endpoints.proxy,
            authority.display(),
            login.application,
            login.secret,
            login.tenant,
        ),
        &serde_json::json!({
            "format": 1,
            "kubernetes": endpoints.kubernetes,
            "http": endpoints.http,
            "proxy": endpoints.proxy,
            "authority": authority,
            "login": {
                "application": login.application,
                "secret": login.secret,
                "tenant": login.tenant,
            },
            "kubeconfig": args.kubeconfig,
        }),
    );
    Interruption::next().await;
    sandbox.save().map_err(|error| {
        Failure::after_writes(SessionError::Sandbox {
            folder: args.dir.sandbox_dir.display().to_string(),
            message: error.to_string(),
        })
    })?;
    Ok(0)
}

fn fault(args: &SandboxFaultArgs, console: &Console) -> Result<u8, Failure> {
    let sandbox = world(&args.dir, Charts::compact())?;
    for fault in &args.faults {
        let (name, value) = fault.split_once('=').unwrap_or((fault, ""));
        let known = matches!(
            name,
            "none"
                | "image"
                | "vault-grant"
                | "federated-subject"
                | "propagation"
                | "claim"
                | "migration"
                | "webhook"
        );
        let seconds: Option<u64> = value.parse().ok();
        if !known || (name == "propagation" && seconds.is_none()) {
            return Err(Failure::before_writes(UnknownFault(fault.clone())));
        }
        sandbox.set_faults(|faults| match name {
            "image" => {
                faults.missing_images.insert(value.to_owned());
            }
            "vault-grant" => faults.vault_grant_missing = true,
            "federated-subject" => {
                faults.federated_subject = Some("system:serviceaccount:airflw:airflow".into());
            }
            "propagation" => {
                faults.federated_propagation_ms = seconds.map(|seconds| seconds * 1000);
            }
            "claim" => {
                faults.unbound_claims.insert(value.to_owned());
            }
            "migration" => {
                faults.migration = Some(MigrationFailure {
                    exit_code: 1,
                    log: "alembic.util.exc.CommandError: Can't locate revision (simulated)".into(),
                });
            }
            "webhook" => faults.webhook_silent = true,
            _ => *faults = aks_sandbox::world::Faults::default(),
        });
    }
    save(&sandbox, &args.dir)?;
    console.result(
        "set; the next commands with --sandbox meet it",
        &serde_json::json!({"format": 1, "faults": args.faults}),
    );
    Ok(0)
}

fn save(sandbox: &Sandbox, dir: &SandboxDirArgs) -> Result<(), Failure> {
    sandbox.save().map_err(|error| {
        Failure::before_writes(SessionError::Sandbox {
            folder: dir.sandbox_dir.display().to_string(),
            message: error.to_string(),
        })
    })
}

fn reset(args: &SandboxDirArgs, console: &Console) -> Result<u8, Failure> {
    match std::fs::remove_dir_all(&args.sandbox_dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => {
            let path = args.sandbox_dir.display().to_string();
            return Err(Failure::before_writes(SessionError::Unwritable {
                path,
                source,
            }));
        }
    }
    console.result(
        "the next command with --sandbox meets a new world",
        &serde_json::json!({"format": 1}),
    );
    Ok(0)
}

fn requests(args: &SandboxDirArgs, console: &Console) -> Result<u8, Failure> {
    let sandbox = world(args, Charts::compact())?;
    let requests = sandbox.requests();
    let count = |class| {
        requests
            .iter()
            .filter(|request| request.class == class)
            .count()
    };
    let (reads, probes, writes) = (count(Class::Read), count(Class::Probe), count(Class::Write));
    console.result(
        &format!("{reads} reads, {probes} probes, {writes} writes in this process"),
        &serde_json::json!({"format": 1, "reads": reads, "probes": probes, "writes": writes}),
    );
    Ok(0)
}
