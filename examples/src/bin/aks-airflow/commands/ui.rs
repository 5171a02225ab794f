//! `ui`: Airflow's web interface on this machine, through the API server.

use std::sync::Arc;

use airflow_helm::{AirflowApi, ForwardedApi, PodTarget, UiServer};
use converge::Observer;

use crate::cli::UiArgs;
use crate::console::{Console, line};
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::session::Session;

/// No keys, no password.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the administrator's password is not there")]
#[diagnostic(code(aka::ui::no_keys), help("deploy first: `aks-airflow up`"))]
struct NoKeys;

/// Forwards until interrupted.
pub(crate) async fn ui(args: &UiArgs, console: &Console) -> Result<u8, Failure> {
    let session = Session::open(&args.target)
        .await
        .map_err(Failure::before_writes)?;
    let settings = session.deployment.airflow_settings();
    let (pair, keys) = session
        .deployment
        .keys(&session.world)
        .await
        .map_err(Failure::before_writes)?;
    if args.show_password {
        let keys = keys.ok_or_else(|| Failure::before_writes(NoKeys))?;
        // The one place where a secret is printed: it was asked for by name.
        line(keys.material.get("admin-password").expose());
        return Ok(0);
    }
    let target = PodTarget::ui(&settings, &pair);
    let world = &session.world;
    let api = ForwardedApi::new(
        Arc::clone(&world.cluster),
        Arc::clone(&world.forward),
        target.clone(),
        &pair,
        None,
    );
    let port = if args.check { 0 } else { args.port };
    let observer = Observer::default();
    let server = UiServer::bind(
        Arc::clone(&world.cluster),
        Arc::clone(&world.forward),
        target,
        &api,
        port,
        observer,
    )
    .await
    .map_err(Failure::before_writes)?;
    let hint = server.login(&settings);
    if args.check {
        let health = api.health().await.map_err(Failure::before_writes)?;
        let text = format!("the page answers; scheduler {}", health.scheduler.word());
        console.result(
            &text,
            &serde_json::json!({"format": 1, "scheduler": health.scheduler.word()}),
        );
        return Ok(0);
    }
    let remark = if world.simulated {
        "  (a simulated page, not Airflow)"
    } else {
        ""
    };
    console.result(
        &format!(
            "UI      {}{remark}\nLogin   {}; password: key {} of Secret {} (--show-password)\nStop    Ctrl-C",
            hint.url, hint.username, hint.key, hint.secret
        ),
        &serde_json::json!({"format": 1, "url": hint.url, "username": hint.username, "secret": hint.secret, "key": hint.key}),
    );
    tokio::select! {
        ended = server.serve() => match ended {
            Ok(never) => match never {},
            Err(error) => Err(Failure::before_writes(error)),
        },
        _ = Interruption::next() => Ok(0),
    }
}
