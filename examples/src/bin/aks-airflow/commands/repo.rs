//! `repo search`: which versions of a chart there are.

use std::sync::Arc;

use helm_registry::{ChartSource, SourceError, Wanted, resolve};

use crate::cli::SearchArgs;
use crate::console::Console;
use crate::failure::Failure;

/// Lists a chart's versions, newest first.
pub(crate) async fn search(args: &SearchArgs, console: &Console) -> Result<u8, Failure> {
    let source = source(args).map_err(Failure::before_writes)?;
    let mut versions = source
        .versions(args.chart.clone())
        .await
        .map_err(Failure::before_writes)?;
    if let Some(constraint) = &args.version {
        let wanted = Wanted::version(constraint.clone());
        let best = resolve(source.as_ref(), &args.chart, &wanted)
            .await
            .map_err(Failure::before_writes)?;
        versions.retain(|version| {
            version.version == best.version
                || helm_chart::chart::is_compatible(constraint, &version.version)
        });
    }
    let mut text = format!("{:<24} {:<12} DESCRIPTION\n", "VERSION", "APP VERSION");
    for version in &versions {
        text.push_str(&format!(
            "{:<24} {:<12} {}\n",
            version.version,
            version.app_version.as_deref().unwrap_or("-"),
            version.description.as_deref().unwrap_or("-")
        ));
    }
    console.result(
        &text,
        &serde_json::json!({"format": 1, "chart": args.chart, "versions": versions}),
    );
    Ok(u8::from(versions.is_empty()))
}

fn source(args: &SearchArgs) -> Result<Arc<dyn ChartSource>, SourceError> {
    #[cfg(feature = "sandbox")]
    if args.sandbox {
        return Ok(Arc::new(crate::simulated::StandIn));
    }
    let address = args.repo.as_deref().unwrap_or(match args.chart.as_str() {
        "external-secrets" => orchestrate::EXTERNAL_SECRETS_REPOSITORY,
        _ => orchestrate::AIRFLOW_REPOSITORY,
    });
    crate::charts::source(address)
}
