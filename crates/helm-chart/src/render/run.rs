//! One render: chart, release, values and environment in; files, manifests and hooks out.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use go_text_template::{Execution, Limits, Map, Observer, Value};

use super::blame::Blame;
use super::context::{Common, table, values_type};
use super::engine::Engine;
use super::late::{LateState, TEXT_NAME, printed};
use super::tracer::Tracer;
use super::{Answers, RenderError};
use crate::chart::{Resolved, ResolvedChart};
use crate::environment::{Environment, Source, SourceKind, Tape};
use crate::manifest::{Hook, Manifest, ManifestError, Manifests, NotesScope};
use crate::yaml::YamlError;
use crate::{Capabilities, Chart, Profile, Release, Values};

/// What a render may be told beside chart, release, values and environment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RenderOptions {
    /// Which Helm is meant; Helm 4 by default.
    pub profile: Profile,
    /// What the target offers; what Helm assumes without a cluster by default.
    pub capabilities: Option<Capabilities>,
    /// Who answers `lookup` and `getHostByName`; nobody by default.
    pub answers: Answers,
    /// Whose notes are kept; the chart's own by default.
    pub notes: NotesScope,
    /// Whether values are not checked against the schemas (`--skip-schema-validation`).
    pub skip_schema: bool,
    /// What the templates may spend.
    pub limits: Limits,
    /// Whether the chart is rendered this once, so that nothing compiled is kept for the next time:
    /// it takes less memory.
    pub once: bool,
}

impl RenderOptions {
    /// The options with another profile.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The options with the capabilities of a target.
    #[must_use]
    pub fn with_capabilities(self, capabilities: Capabilities) -> Self {
        Self {
            capabilities: Some(capabilities),
            ..self
        }
    }

    /// The options with answers for `lookup` and `getHostByName`.
    #[must_use]
    pub fn with_answers(self, answers: Answers) -> Self {
        Self { answers, ..self }
    }

    /// The options with other budgets.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The options with the notes of subcharts kept, or not.
    #[must_use]
    pub fn with_notes(self, notes: NotesScope) -> Self {
        Self { notes, ..self }
    }

    /// The options for a chart that is rendered only once.
    #[must_use]
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// The options with schemas ignored.
    #[must_use]
    pub fn without_schema(self) -> Self {
        Self {
            skip_schema: true,
            ..self
        }
    }
}

/// What the templates of a chart tree produced, before it is split into documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenderedFiles {
    /// Path to text of every executed file, notes included.
    pub files: BTreeMap<String, Arc<str>>,
    /// Every use of the clock and of randomness, in order.
    pub sources: Vec<Source>,
    /// Files whose text is no UTF-8, and what a reader of YAML says of it.
    damaged: BTreeMap<String, YamlError>,
}

/// A rendered chart: its manifests and hooks in order, its notes, and how it came about.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Rendered {
    /// Objects, hooks, notes and CRDs.
    pub manifests: Manifests,
    /// The files they come from.
    pub files: RenderedFiles,
    /// What Helm would warn about, in its words.
    pub warnings: Vec<String>,
}

impl Rendered {
    /// The objects of the release, in the order of installation.
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests.objects
    }

    /// The hooks, in the order of their kinds.
    pub fn hooks(&self) -> &[Hook] {
        &self.manifests.hooks
    }

    /// The text of `NOTES.txt`; empty if there is none.
    pub fn notes(&self) -> &str {
        &self.manifests.notes
    }

    /// Every draw of randomness: where the output depends on the seed of the environment.
    pub fn random_sources(&self) -> Vec<&Source> {
        self.files
            .sources
            .iter()
            .filter(|source| source.kind == SourceKind::Random)
            .collect()
    }
}

/// The engines of one chart, by the shape its subcharts take for given values.
#[derive(Debug, Default)]
struct Engines {
    by_signature: Mutex<HashMap<String, Arc<Engine>>>,
}

impl Engines {
    /// Shapes beyond this number are parsed every time.
    const CAPACITY: usize = 32;

    fn of(chart: &Chart) -> Option<Arc<Self>> {
        let any = chart.compiled.get_or_init(|| Arc::new(Self::default()));
        Arc::clone(any).downcast().ok()
    }

    fn engine(
        &self,
        root: &ResolvedChart<'_>,
        profile: Profile,
    ) -> Result<Arc<Engine>, RenderError> {
        let signature = Engine::signature(root, profile);
        let known = self
            .by_signature
            .lock()
            .ok()
            .and_then(|engines| engines.get(&signature).cloned());
        if let Some(engine) = known {
            return Ok(engine);
        }
        let engine = Arc::new(Engine::compile(root, profile)?);
        if let Ok(mut engines) = self.by_signature.lock()
            && engines.len() < Self::CAPACITY
        {
            engines.insert(signature, Arc::clone(&engine));
        }
        Ok(engine)
    }
}

impl Chart {
    /// Renders the chart for a release as Helm 4 does without a cluster.
    ///
    /// # Errors
    /// See [`Chart::render_with`].
    pub fn render(
        &self,
        release: &Release,
        values: &Values,
        environment: &Environment,
    ) -> Result<Rendered, RenderError> {
        self.render_with(release, values, environment, &RenderOptions::default())
    }

    /// Renders the chart for a release: combines values, checks them against the schemas, executes
    /// the templates and sorts what comes out. Equal arguments give equal bytes.
    ///
    /// Templates are parsed once per chart and shape of its subcharts.
    ///
    /// # Errors
    /// [`RenderError`] in Helm's words; [`RenderError::Needs`] if a template asks the cluster and
    /// the options hold no answer.
    pub fn render_with(
        &self,
        release: &Release,
        values: &Values,
        environment: &Environment,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderError> {
        self.check_installable(options)?;
        let resolved = self.resolve(values.as_table(), options.profile)?;
        #[cfg(feature = "schema")]
        let resolved = check(resolved, options)?;
        let engine = self.engine(&resolved, options)?;
        let files = execute_silently(&engine, &resolved, release, environment, options)?;
        self.sorted(&engine, &resolved, files, options)
    }

    /// Renders like [`Chart::render_with`], and gives account of every line: which line of which
    /// template wrote it, and which values that read. Costs several times as much.
    ///
    /// # Errors
    /// See [`Chart::render_with`].
    pub fn render_with_blame(
        &self,
        release: &Release,
        values: &Values,
        environment: &Environment,
        options: &RenderOptions,
    ) -> Result<(Rendered, Blame), RenderError> {
        self.check_installable(options)?;
        let resolved = self.resolve(values.as_table(), options.profile)?;
        #[cfg(feature = "schema")]
        let resolved = check(resolved, options)?;
        let engine = self.engine(&resolved, options)?;
        let mut finished = BTreeMap::new();
        let (files, tracer) = execute(
            &engine,
            &resolved,
            release,
            environment,
            options,
            Tracer::new,
            |tracer, file| {
                finished.insert(file.to_owned(), tracer.take_finished());
            },
        )?;
        let rendered = self.sorted(&engine, &resolved, files, options)?;
        let blame = Blame::new(finished, tracer.draws, &rendered, options.profile);
        Ok((rendered, blame))
    }

    fn sorted(
        &self,
        engine: &Engine,
        resolved: &Resolved<'_>,
        files: RenderedFiles,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderError> {
        let manifests = Manifests::from_remembered(
            &files.files,
            self.name(),
            options.notes,
            options.profile,
            |name| engine.last(name),
        );
        let is_read = |path: &&String| {
            let base = path.rsplit('/').next().unwrap_or(path);
            !base.starts_with('_') && !base.ends_with("NOTES.txt")
        };
        let damaged = files.damaged.iter().find(|(path, _)| is_read(path));
        let mut manifests = match (manifests, damaged) {
            (Ok(manifests), None) => manifests,
            (Err(error), None) => return Err(error.into()),
            (Err(error), Some((path, _))) if error.path < *path => return Err(error.into()),
            (_, Some((path, source))) => {
                let (path, source) = (path.clone(), source.clone());
                return Err(ManifestError { path, source }.into());
            }
        };
        let crds = resolved.root.crds();
        manifests.crds = crds
            .into_iter()
            .map(|(path, file)| (path, file.text().into_owned()))
            .collect();
        Ok(Rendered {
            manifests,
            files,
            warnings: resolved.warnings.clone(),
        })
    }

    fn check_installable(&self, options: &RenderOptions) -> Result<(), RenderError> {
        if self.is_library() {
            return Err(RenderError::Library);
        }
        let assumed = || Capabilities::assumed(options.profile).kube_version;
        let kube = options
            .capabilities
            .as_ref()
            .map_or_else(assumed, |capabilities| capabilities.kube_version.clone());
        let compared = match options.profile {
            Profile::Helm4 => &kube.normalized,
            Profile::Helm3 => &kube.version,
        };
        if self.allows_kubernetes(compared) {
            return Ok(());
        }
        let constraint = self.metadata().kube_version.clone();
        Err(RenderError::Kubernetes {
            constraint,
            version: compared.clone(),
        })
    }

    /// Executes the templates for values that have been combined with the defaults already, and
    /// nothing else: no schema is checked, no document is read.
    ///
    /// # Errors
    /// [`RenderError`] in Helm's words.
    pub fn render_resolved(
        &self,
        resolved: &Resolved<'_>,
        release: &Release,
        environment: &Environment,
        options: &RenderOptions,
    ) -> Result<RenderedFiles, RenderError> {
        let engine = self.engine(resolved, options)?;
        execute_silently(&engine, resolved, release, environment, options)
    }

    fn engine(
        &self,
        resolved: &Resolved<'_>,
        options: &RenderOptions,
    ) -> Result<Arc<Engine>, RenderError> {
        let (root, profile) = (&resolved.root, options.profile);
        match Engines::of(self) {
            Some(engines) if !options.once => engines.engine(root, profile),
            _ => Ok(Arc::new(Engine::compile(root, profile)?)),
        }
    }
}

/// Checks the values against the schemas, unless the options say otherwise.
#[cfg(feature = "schema")]
fn check<'c>(
    mut resolved: Resolved<'c>,
    options: &RenderOptions,
) -> Result<Resolved<'c>, RenderError> {
    use crate::schema::{Keep, validate_value};
    use serde_json::Value as Json;

    if options.skip_schema {
        return Ok(resolved);
    }
    let keep = if options.once {
        Keep::Nothing
    } else {
        Keep::Compiled
    };
    let values = Json::Object(std::mem::take(&mut resolved.values));
    validate_value(&resolved.root, &values, keep)?;
    if let Json::Object(values) = values {
        resolved.values = values;
    }
    Ok(resolved)
}

/// Executes all files of an engine; nobody listens.
fn execute_silently(
    engine: &Engine,
    resolved: &Resolved<'_>,
    release: &Release,
    environment: &Environment,
    options: &RenderOptions,
) -> Result<RenderedFiles, RenderError> {
    let nobody = |_: &Map| ();
    let (files, ()) = execute(
        engine,
        resolved,
        release,
        environment,
        options,
        nobody,
        |(), _| {},
    )?;
    Ok(files)
}

/// Executes all files of an engine while `observer` listens; `executed` is told the name of each
/// file.
fn execute<O: Observer>(
    engine: &Engine,
    resolved: &Resolved<'_>,
    release: &Release,
    environment: &Environment,
    options: &RenderOptions,
    observer: impl FnOnce(&Map) -> O,
    mut executed: impl FnMut(&mut O, &str),
) -> Result<(RenderedFiles, O), RenderError> {
    let profile = options.profile;
    let assumed;
    let capabilities = if let Some(capabilities) = &options.capabilities {
        capabilities
    } else {
        assumed = Capabilities::assumed(profile);
        &assumed
    };
    let values = table(&resolved.values);
    let maps = Common::new(release, capabilities, profile).maps(&resolved.root, &values);
    let state = LateState {
        answers: options.answers.clone(),
        including: Vec::new(),
    };
    let mut execution = Execution::new(&engine.templates)
        .with_text_cache(TEXT_NAME, &engine.texts)
        .with_limits(options.limits)
        .with_state(environment.tape())
        .with_state(state)
        .with_observer(observer(&values));
    let (mut files, mut damaged) = (BTreeMap::new(), BTreeMap::new());
    for file in &engine.files {
        let Some(dot) = maps.get(file.chart) else {
            continue;
        };
        let template = Map::from_iter([
            ("BasePath", file.base_path.as_str()),
            ("Name", file.name.as_str()),
        ]);
        dot.insert("Template", template.retyped(values_type(profile)));
        let output = execution.execute_bytes(&file.name, Value::Map(dot.clone()));
        let output =
            output.map_err(|error| RenderError::execute(error, profile, &resolved.values))?;
        let text = printed(output);
        if matches!(text, Cow::Owned(_))
            && let Err(error) = crate::yaml::text_of(output)
        {
            damaged.insert(file.name.clone(), error);
        }
        files.insert(file.name.clone(), file.last.share(&text));
        executed(execution.observer(), &file.name);
    }
    let sources = execution
        .state::<Tape>()
        .map(|tape| tape.sources().to_vec())
        .unwrap_or_default();
    let files = RenderedFiles {
        files,
        sources,
        damaged,
    };
    Ok((files, execution.into_observer()))
}
