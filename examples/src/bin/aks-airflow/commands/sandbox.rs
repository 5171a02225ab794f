//! `sandbox`: the simulated Azure and AKS as a thing of its own: served on loopback, broken on
//! demand, thrown away.

use aks_sandbox::world::{Class, MigrationFailure, WorldSpec};

use crate::cli::{SandboxCommand, SandboxDirArgs, SandboxFaultArgs, SandboxServeArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::session::{SessionError, open_world};

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

async fn serve(args: &SandboxServeArgs, console: &Console) -> Result<u8, Failure> {
    let sandbox =
        open_world(&args.dir.sandbox_dir, WorldSpec::default()).map_err(Failure::before_writes)?;
    let file = |source| {
        Failure::before_writes(SessionError::File {
            path: args.kubeconfig.display().to_string(),
            source,
        })
    };
    let endpoints = sandbox.listen().await.map_err(file)?;
    std::fs::write(&args.kubeconfig, &endpoints.kubeconfig).map_err(file)?;
    console.result(
        &format!(
            "Kubernetes  {}\nAzure       {} (by Host header)\nkubeconfig  {}\nStop        Ctrl-C",
            endpoints.kubernetes,
            endpoints.http,
            args.kubeconfig.display()
        ),
        &serde_json::json!({"format": 1, "kubernetes": endpoints.kubernetes, "http": endpoints.http, "kubeconfig": args.kubeconfig}),
    );
    let _ = tokio::signal::ctrl_c().await;
    sandbox.save().map_err(|error| {
        Failure::after_writes(SessionError::Sandbox {
            folder: args.dir.sandbox_dir.display().to_string(),
            message: error.to_string(),
        })
    })?;
    Ok(0)
}

fn fault(args: &SandboxFaultArgs, console: &Console) -> Result<u8, Failure> {
    let sandbox =
        open_world(&args.dir.sandbox_dir, WorldSpec::default()).map_err(Failure::before_writes)?;
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

fn save(sandbox: &aks_sandbox::Sandbox, dir: &SandboxDirArgs) -> Result<(), Failure> {
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
            return Err(Failure::before_writes(SessionError::File { path, source }));
        }
    }
    console.result(
        "the next command with --sandbox meets a new world",
        &serde_json::json!({"format": 1}),
    );
    Ok(0)
}

fn requests(args: &SandboxDirArgs, console: &Console) -> Result<u8, Failure> {
    let sandbox =
        open_world(&args.sandbox_dir, WorldSpec::default()).map_err(Failure::before_writes)?;
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
