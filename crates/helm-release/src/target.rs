//! [`Target`]: an intent rendered. It owns the way from chart and values to manifest, hooks, notes
//! and CRDs, including the templates' questions to the cluster; it refuses to write.

use kube_cluster::{Cluster, ClusterError, Discovery, Kind, Object, ObjectRef, Query};

use crate::digest::Capabilities;
use crate::error::ReleaseErrorKind;
use crate::manifest::{self, Declared, Scopes};
use crate::record::{Hook, HookRun};
use crate::storage::RenderedWith;
use crate::{
    Lookup, LookupAnswer, Record, ReleaseIntent, RenderInput, Rendered, RenderedHook, Rendering,
    Revision,
};

/// How often templates may come up with new questions.
const ROUNDS: usize = 10;

/// What a revision is to bring about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The content of the record: chart, config, manifest, hooks, notes.
    pub content: Content,
    /// The manifest's objects.
    pub objects: Vec<Declared>,
    /// The hooks' objects, in the order of the content's hooks.
    pub hooks: Vec<Object>,
    /// The objects of `crds/`.
    pub crds: Vec<Declared>,
    /// How it was rendered, if it was.
    pub rendered_with: Option<RenderedWith>,
    /// Each random or clock source of the render, in words.
    pub random_sources: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// What a record says besides status and times.
#[derive(Clone, PartialEq)]
pub(crate) struct Content {
    /// The chart as stored.
    pub chart: serde_json::Value,
    /// The user's values.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// The objects.
    pub manifest: String,
    /// The hooks, none of which has run.
    pub hooks: Vec<Hook>,
    /// The notes.
    pub notes: String,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({} bytes of manifest)", self.manifest.len())
    }
}

impl Target {
    /// The API versions that its CRDs make the server serve: `group/version` and
    /// `group/version/Kind`.
    pub(crate) fn api_versions(&self) -> Vec<String> {
        let mut versions: Vec<String> = self
            .objects
            .iter()
            .chain(&self.crds)
            .flat_map(|declared| manifest::kinds_of_crd(&declared.object))
            .flat_map(|kind| {
                let whole = format!("{}/{}", kind.api_version, kind.kind);
                [whole, kind.api_version]
            })
            .collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    }
}

impl Content {
    /// A record's content.
    pub(crate) fn of(record: &Record) -> Self {
        let mut hooks = record.hooks.clone();
        for hook in &mut hooks {
            hook.last_run = HookRun::default();
        }
        Self {
            chart: record.chart.clone(),
            config: record.config.clone(),
            manifest: record.manifest.clone(),
            hooks,
            notes: record.info.notes.clone(),
        }
    }

    fn of_rendered(rendered: Rendered, intent: &ReleaseIntent) -> Self {
        Self {
            chart: rendered.stored_chart,
            config: intent.values.as_object().cloned().unwrap_or_default(),
            manifest: rendered.manifest,
            hooks: rendered.hooks.into_iter().map(hook).collect(),
            notes: rendered.notes,
        }
    }

    /// Whether a revision with this content would change nothing: same objects, same hooks, same
    /// values, same chart version. Hooks' stored policies may be filled in once they ran.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let chart = |content: &Self| content.chart.get("metadata").cloned();
        let hooks = |content: &Self| {
            let mut hooks = content.hooks.clone();
            for hook in &mut hooks {
                hook.manifest.clear();
                if hook.delete_policies.is_empty() {
                    hook.delete_policies.push("before-hook-creation".into());
                }
            }
            hooks
        };
        declares_the_same(&self.manifest, &other.manifest)
            && self.config == other.config
            && chart(self) == chart(other)
            && hooks(self) == hooks(other)
            && self
                .hooks
                .iter()
                .zip(&other.hooks)
                .all(|(one, other)| declares_the_same(&one.manifest, &other.manifest))
    }
}

/// Whether two manifests declare the same objects in the same order. Texts alone do not tell: Helm 3
/// and 4 end documents with different white space, which matters only within some scalars.
fn declares_the_same(one: &str, other: &str) -> bool {
    one.trim() == other.trim()
        || match (manifest::parse(one, ""), manifest::parse(other, "")) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
}

fn hook(rendered: RenderedHook) -> Hook {
    Hook {
        name: rendered.name,
        kind: rendered.kind,
        path: rendered.path,
        manifest: rendered.manifest,
        events: rendered.events,
        last_run: HookRun::default(),
        weight: rendered.weight,
        delete_policies: rendered.delete_policies,
        output_log_policies: rendered.output_log_policies,
        other: serde_json::Map::default(),
    }
}

/// The chart's CRDs, parsed.
pub(crate) fn crds(intent: &ReleaseIntent) -> Result<Vec<Declared>, ReleaseErrorKind> {
    if intent.skip_crds {
        return Ok(Vec::new());
    }
    let mut crds = Vec::new();
    for file in intent.chart.crds(&intent.values, intent.profile)? {
        crds.extend(manifest::parse(&file.text, &file.path)?);
    }
    Ok(crds)
}

/// What templates see: what the server serves, what the chart's own CRDs and the rest of the plan
/// will make it serve.
pub(crate) fn capabilities(
    discovery: &Discovery,
    crds: &[Declared],
    extra: &[String],
) -> Capabilities {
    let mut api_versions: Vec<String> = extra.to_vec();
    let mut add = |kind: &Kind| {
        api_versions.push(format!("{}/{}", kind.api_version, kind.kind));
        api_versions.push(kind.api_version.clone());
    };
    for resource in &discovery.resources {
        add(&resource.kind);
    }
    for crd in crds {
        manifest::kinds_of_crd(&crd.object)
            .iter()
            .for_each(&mut add);
    }
    api_versions.sort_unstable();
    api_versions.dedup();
    Capabilities {
        kube_version: discovery.version.clone(),
        api_versions,
    }
}

/// Renders an intent, fetching what templates ask for.
///
/// # Errors
/// What the chart or the cluster objects to. Nothing was written.
pub(crate) async fn render(
    cluster: &dyn Cluster,
    intent: &ReleaseIntent,
    revision: Revision,
    with: RenderedWith,
    capabilities: &Capabilities,
    scopes: &Scopes,
) -> Result<Target, ReleaseErrorKind> {
    let mut input = RenderInput {
        release: intent.id(),
        revision: revision.0,
        is_upgrade: with.is_upgrade,
        values: intent.values.clone(),
        profile: intent.profile,
        kube_version: capabilities.kube_version.clone(),
        api_versions: capabilities.api_versions.clone(),
        tape: with.seed.clone(),
        lookups: Vec::new(),
    };
    for _ in 0..ROUNDS {
        let (intent, asked, scopes) = (intent.clone(), input.clone(), scopes.clone());
        // Answers that are on their way need not wait for pure work.
        let working = tokio::task::spawn_blocking(move || round(&intent, &asked, &scopes));
        let rendered = working
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        match rendered? {
            Round::Done(mut target) => {
                target.rendered_with = Some(with);
                return Ok(*target);
            }
            Round::Needs(lookups) => {
                for lookup in lookups {
                    let answer = answer(cluster, &lookup).await?;
                    input.lookups.push((lookup, answer));
                }
            }
        }
    }
    Err(ReleaseErrorKind::Lookups(ROUNDS))
}

/// What came of rendering with the answers so far.
enum Round {
    Done(Box<Target>),
    Needs(Vec<Lookup>),
}

fn round(
    intent: &ReleaseIntent,
    input: &RenderInput,
    scopes: &Scopes,
) -> Result<Round, ReleaseErrorKind> {
    let rendered = match intent.chart.render(input)? {
        Rendering::Done(rendered) => rendered,
        Rendering::Needs(lookups) => return Ok(Round::Needs(lookups)),
    };
    let random_sources = rendered.random_sources.clone();
    let warnings = rendered.warnings.clone();
    let content = Content::of_rendered(rendered, intent);
    let target = of_content(content, scopes, &intent.namespace)?;
    Ok(Round::Done(Box::new(Target {
        crds: crds(intent)?,
        random_sources,
        warnings,
        ..target
    })))
}

/// The target of content that is already there: a stored revision.
pub(crate) fn of_content(
    content: Content,
    scopes: &Scopes,
    namespace: &str,
) -> Result<Target, ReleaseErrorKind> {
    let objects = manifest::objects(&content.manifest, scopes, namespace)?;
    let mut hooks = Vec::with_capacity(content.hooks.len());
    for hook in &content.hooks {
        let refuse = |why: String| ReleaseErrorKind::Manifest {
            path: hook.path.clone(),
            why,
        };
        let mut parsed = manifest::parse(&hook.manifest, &hook.path)?;
        let (Some(one), true) = (parsed.pop(), parsed.is_empty()) else {
            return Err(refuse("a hook must be exactly one object".into()));
        };
        let mut object = one.object;
        scopes.place(&mut object, namespace);
        hooks.push(object);
    }
    Ok(Target {
        content,
        objects,
        hooks,
        crds: Vec::new(),
        rendered_with: None,
        random_sources: Vec::new(),
        warnings: Vec::new(),
    })
}

/// Answers a template's question. A kind that is not served is an answer, as in Helm.
async fn answer(cluster: &dyn Cluster, lookup: &Lookup) -> Result<LookupAnswer, ClusterError> {
    if lookup.api_version.is_empty() {
        return Ok(LookupAnswer::Nothing);
    }
    let result = if lookup.name.is_empty() {
        let namespace = Some(lookup.namespace.clone()).filter(|namespace| !namespace.is_empty());
        let kind = Kind::new(&lookup.api_version, &lookup.kind);
        let list = cluster.list(Query::all(kind, namespace)).await;
        list.map(LookupAnswer::list)
    } else {
        let found = cluster.get(ObjectRef::from(lookup)).await;
        found.map(|found| match found {
            Some(object) => LookupAnswer::Found(object.into_value()),
            None => LookupAnswer::Nothing,
        })
    };
    match result {
        Err(error) if error.is_unknown_kind() => Ok(LookupAnswer::Nothing),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_the_same_by_their_objects() {
        let helm4 = "---\n# Source: a/x.yaml\nkind: A\napiVersion: v1\nmetadata: {name: a}\n\n---\n# Source: a/y.yaml\nkind: B\napiVersion: v1\nmetadata: {name: b}\n";
        let helm3 = helm4.replace("\n\n---", "\n---");
        assert!(declares_the_same(helm4, &helm3));
        assert!(!declares_the_same(
            helm4,
            &helm3.replace("kind: B", "kind: C")
        ));
    }
}
