//! Our answer to the same question, in the same words.

use std::error::Error;

use helm_chart::manifest::TextOptions;
use helm_chart::render::{RenderOptions, Rendered};
use helm_chart::values::ValueOptions;
use helm_chart::{Chart, Environment, Profile, Values};

use super::helm::{Answer, Release};

/// The user's values from files as name and text, and arguments of `--set` and its kin, each as
/// `--set=…`.
///
/// # Errors
/// In Helm's words.
pub fn values(
    files: &[(String, String)],
    set: &[String],
    profile: Profile,
) -> Result<Values, String> {
    let of = |flag: &str| -> Vec<String> {
        set.iter()
            .filter_map(|argument| argument.strip_prefix(flag)?.strip_prefix('='))
            .map(str::to_owned)
            .collect()
    };
    let options = ValueOptions {
        files: files.to_vec(),
        set: of("--set"),
        set_string: of("--set-string"),
        set_json: of("--set-json"),
        set_literal: of("--set-literal"),
        ..ValueOptions::default()
    };
    options
        .merge(profile, |_| Err("no files".to_owned()))
        .map_err(|error| words(&error))
}

/// The chart rendered in an environment.
///
/// # Errors
/// In Helm's words.
pub fn render(
    chart: &Chart,
    release: &Release<'_>,
    values: &Values,
    environment: &Environment,
    profile: Profile,
) -> Result<Rendered, String> {
    let release = helm_chart::Release::install(release.name, release.namespace);
    let options = RenderOptions::default().with_profile(profile);
    chart
        .render_with(&release, values, environment, &options)
        .map_err(|error| words(&error))
}

/// What `helm template` would print.
///
/// # Errors
/// Helm's words for why there is nothing to print.
pub fn template(chart: &Chart, release: &Release<'_>, values: &Values, profile: Profile) -> Answer {
    let rendered = render(chart, release, values, &Environment::sealed(), profile)?;
    Ok(rendered.manifests.template_text(TextOptions::default()))
}

/// An error and its reasons as Go joins them.
pub fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
