//! [`helm_chart::Chart`] as a [`ReleaseChart`]. It owns the translation both ways, and the chart as
//! Helm's record stores it; it refuses to render by itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use helm_chart::manifest::{Hook, TextOptions};
use helm_chart::render::{Answers, Query, RenderError, RenderOptions};
use helm_chart::{
    Capabilities, Chart, ChartFile, Environment, KubeVersion, Profile, Release, Source, SourceKind,
    Values,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::{
    CrdFile, Lookup, LookupAnswer, ReleaseChart, RenderFailure, RenderInput, Rendered,
    RenderedHook, Rendering,
};

impl ReleaseChart for Chart {
    fn name(&self) -> &str {
        Chart::name(self)
    }

    fn version(&self) -> &str {
        Chart::version(self)
    }

    /// The SHA-256 of the chart's content: two archives of the same files are the same chart.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        add_chart(&mut hash, self);
        hex(&hash.finalize())
    }

    fn crds(&self, values: &Value, profile: Profile) -> Result<Vec<CrdFile>, RenderFailure> {
        let resolved = self
            .resolve(user_values(values).as_table(), profile)
            .map_err(failure)?;
        let crds = resolved.root.crds().into_iter();
        Ok(crds
            .map(|(path, file)| CrdFile {
                path,
                text: file.text().into_owned(),
            })
            .collect())
    }

    fn render(&self, input: &RenderInput) -> Result<Rendering, RenderFailure> {
        let values = user_values(&input.values);
        let release = if input.is_upgrade {
            Release::upgrade(
                input.release.name.as_str(),
                &input.release.namespace,
                input.revision,
            )
        } else {
            Release {
                revision: input.revision,
                ..Release::install(input.release.name.as_str(), &input.release.namespace)
            }
        };
        let options = RenderOptions::default()
            .with_profile(input.profile)
            .with_capabilities(capabilities(input)?)
            .with_answers(answers(&input.lookups));
        let environment = Environment::new(input.tape.now, input.tape.seed);
        let rendered = match self.render_with(&release, &values, &environment, &options) {
            Ok(rendered) => rendered,
            Err(RenderError::Needs { queries }) => {
                return Ok(Rendering::Needs(queries.iter().map(lookup).collect()));
            }
            Err(error) => return Err(failure(error)),
        };
        Ok(Rendering::Done(Rendered {
            manifest: rendered.manifests.text(TextOptions::default()),
            hooks: rendered.hooks().iter().map(hook).collect(),
            notes: rendered.notes().to_owned(),
            stored_chart: stored(self, &values, input.profile)?,
            random_sources: sources(&rendered.files.sources),
            warnings: rendered.warnings,
        }))
    }
}

fn failure(error: impl miette::Diagnostic + Send + Sync + 'static) -> RenderFailure {
    Box::new(error)
}

fn user_values(values: &Value) -> Values {
    Values::from(values.as_object().cloned().unwrap_or_default())
}

fn capabilities(input: &RenderInput) -> Result<Capabilities, RenderFailure> {
    Ok(Capabilities {
        kube_version: KubeVersion::parse(&input.kube_version).map_err(failure)?,
        api_versions: input.api_versions.clone(),
        ..Capabilities::assumed(input.profile)
    })
}

/// `getHostByName` is a lookup of kind `Host` in no API version.
fn lookup(query: &Query) -> Lookup {
    match query {
        Query::Lookup {
            api_version,
            kind,
            namespace,
            name,
        } => Lookup {
            api_version: api_version.clone(),
            kind: kind.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
        },
        Query::Host { name } => host(name),
        _ => Lookup::default(),
    }
}

fn host(name: &str) -> Lookup {
    Lookup {
        kind: "Host".into(),
        name: name.to_owned(),
        ..Lookup::default()
    }
}

fn answers(known: &[(Lookup, LookupAnswer)]) -> Answers {
    let mut answers = Answers::none_yet();
    for (lookup, answer) in known {
        if lookup.api_version.is_empty() {
            // As Helm without `--enable-dns`.
            let query = Query::Host {
                name: lookup.name.clone(),
            };
            answers = answers.with(query, "".into());
            continue;
        }
        let query = Query::Lookup {
            api_version: lookup.api_version.clone(),
            kind: lookup.kind.clone(),
            namespace: lookup.namespace.clone(),
            name: lookup.name.clone(),
        };
        let answer = match answer {
            LookupAnswer::Nothing => json!({}),
            LookupAnswer::Found(object) => object.clone(),
        };
        answers = answers.with(query, answer);
    }
    answers
}

fn hook(hook: &Hook) -> RenderedHook {
    RenderedHook {
        name: hook.name.clone(),
        kind: hook.kind.clone(),
        path: hook.path.clone(),
        manifest: hook.manifest.text().to_owned(),
        events: hook
            .events
            .iter()
            .map(|event| event.name().to_owned())
            .collect(),
        weight: hook.weight,
        delete_policies: hook
            .delete_policies
            .iter()
            .map(|policy| policy.name().to_owned())
            .collect(),
        output_log_policies: hook
            .output_log_policies
            .iter()
            .map(|policy| policy.name().to_owned())
            .collect(),
    }
}

/// Each source once: `randAlphaNum in airflow/templates/secret.yaml`.
fn sources(used: &[Source]) -> Vec<String> {
    let mut named: Vec<String> = used
        .iter()
        .map(|source| {
            let clock = match source.kind {
                SourceKind::Clock => " (clock)",
                SourceKind::Random => "",
            };
            format!("{} in {}{clock}", source.function, source.template)
        })
        .collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// The chart as a record stores it: the root alone, with the values that subcharts' defaults and
/// imports made of its own.
fn stored(chart: &Chart, values: &Values, profile: Profile) -> Result<Value, RenderFailure> {
    let resolved = chart.resolve(values.as_table(), profile).map_err(failure)?;
    let mut metadata = serde_json::to_value(chart.metadata()).unwrap_or_default();
    if let (Some(table), true) = (
        metadata.as_object_mut(),
        chart.metadata().dependencies.is_some(),
    ) {
        let enabled = resolved.root.dependencies();
        if enabled.is_empty() {
            table.remove("dependencies");
        } else {
            table.insert("dependencies".into(), json!(enabled));
        }
    }
    Ok(json!({
        "metadata": metadata,
        "lock": chart.lock(),
        "templates": files(chart.templates()),
        "values": resolved.root.values(),
        "schema": chart.schema().map(|schema| STANDARD.encode(schema)),
        "files": files(chart.files()),
    }))
}

fn files(files: &[ChartFile]) -> Vec<Value> {
    files
        .iter()
        .map(|file| json!({"name": file.name, "data": STANDARD.encode(file.data())}))
        .collect()
}

fn add_chart(hash: &mut Sha256, chart: &Chart) {
    add(hash, json!(chart.metadata()).to_string().as_bytes());
    add(hash, json!(chart.lock()).to_string().as_bytes());
    add(hash, chart.raw_values().unwrap_or_default().as_bytes());
    add(hash, chart.schema().unwrap_or_default());
    for file in chart.templates().iter().chain(chart.files()) {
        add(hash, file.name.as_bytes());
        add(hash, file.data());
    }
    for child in chart.children() {
        hash.update(b"child");
        add_chart(hash, child);
    }
}

/// Length first, so that two neighbours cannot trade bytes.
fn add(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}
