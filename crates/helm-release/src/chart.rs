//! [`ReleaseChart`]: a chart as the release engine sees it. It owns what is asked of a chart and
//! what comes back; it refuses to know how templates work.

use std::fmt;

use helm_chart::Profile;
use jiff::Timestamp;
use kube_cluster::{ObjectList, ObjectRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ReleaseId;

/// A chart that can be rendered and stored in a release record.
///
/// `helm_chart::Chart` implements it. Everything is synchronous and free of I/O: what a template
/// asks of the cluster comes back as [`Rendering::Needs`], is fetched by the engine, and the chart
/// is rendered again with the same [`TapeSeed`].
pub trait ReleaseChart: fmt::Debug + Send + Sync + 'static {
    /// The chart's name.
    fn name(&self) -> &str;

    /// The chart's version.
    fn version(&self) -> &str;

    /// A SHA-256 that tells the chart's content from any other, lower-case hex.
    fn digest(&self) -> String;

    /// The CRD files of `crds/`, in the order they are applied: the chart's own, then those of the
    /// dependencies that take part with these values. Raw text, never templated.
    ///
    /// # Errors
    /// Values and dependencies do not fit together.
    fn crds(&self, values: &Value, profile: Profile) -> Result<Vec<CrdFile>, RenderFailure>;

    /// Renders the chart.
    ///
    /// # Errors
    /// What Helm would print, as a diagnostic.
    fn render(&self, input: &RenderInput) -> Result<Rendering, RenderFailure>;
}

/// Why a chart cannot be rendered.
pub type RenderFailure = Box<dyn miette::Diagnostic + Send + Sync>;

/// One file of `crds/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrdFile {
    /// Its path in the chart.
    pub path: String,
    /// Its YAML, one or more documents.
    pub text: String,
}

/// What a render may depend on besides the chart.
#[derive(Debug, Clone)]
pub struct RenderInput {
    /// `.Release.Name` and `.Release.Namespace`.
    pub release: ReleaseId,
    /// `.Release.Revision`.
    pub revision: u32,
    /// `.Release.IsUpgrade`; `.Release.IsInstall` is its opposite.
    pub is_upgrade: bool,
    /// The values a user supplied, a JSON object.
    pub values: Value,
    /// Whose details to follow.
    pub profile: Profile,
    /// `.Capabilities.KubeVersion`: `v1.33.1`.
    pub kube_version: String,
    /// `.Capabilities.APIVersions`: group versions and `group/version/Kind`.
    pub api_versions: Vec<String>,
    /// Randomness and time.
    pub tape: TapeSeed,
    /// Answers to the questions of an earlier try.
    pub lookups: Vec<(Lookup, LookupAnswer)>,
}

/// Where randomness and the time of a render come from, so that it can be repeated exactly. Kept
/// in the release's Secret: a password a template makes up must not change with each look. As
/// secret as what templates draw from it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeSeed {
    /// What all randomness follows from.
    pub seed: [u8; 32],
    /// The time templates see.
    pub now: Timestamp,
}

/// Shows the time, never the seed.
impl fmt::Debug for TapeSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapeSeed")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What a template asks of the cluster: Helm's `lookup`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Secret`.
    pub kind: String,
    /// The namespace; empty for all, and for cluster-scoped kinds.
    pub namespace: String,
    /// The name; empty for all objects.
    pub name: String,
}

/// The answer to a [`Lookup`].
#[derive(Debug, Clone, PartialEq)]
pub enum LookupAnswer {
    /// There is no such object, or the kind is not served.
    Nothing,
    /// The object, or a `List` of objects, as JSON.
    Found(Value),
}

impl LookupAnswer {
    /// The answer to a question without a name.
    pub(crate) fn list(list: ObjectList) -> Self {
        let items: Vec<Value> = list
            .items
            .into_iter()
            .map(kube_cluster::Object::into_value)
            .collect();
        Self::Found(serde_json::json!({
            "apiVersion": "v1",
            "kind": "List",
            "metadata": {"resourceVersion": list.resource_version},
            "items": items,
        }))
    }
}

/// The result of a render.
#[derive(Debug, Clone)]
pub enum Rendering {
    /// It is done.
    Done(Rendered),
    /// Templates asked for what is not known; answer and render again.
    Needs(Vec<Lookup>),
}

/// A rendered chart.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// Helm's manifest text: `---\n# Source: path\n…`, in install order.
    pub manifest: String,
    /// The hooks, in Helm's order.
    pub hooks: Vec<RenderedHook>,
    /// The notes, trimmed as Helm does; empty if the chart has none.
    pub notes: String,
    /// The chart as Helm's record stores it: `metadata`, `lock`, `templates`, `values`, `schema`,
    /// `files`.
    pub stored_chart: Value,
    /// Each random or clock source the render used, with the objects it touched, in words.
    pub random_sources: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// A rendered hook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenderedHook {
    /// `metadata.name`.
    pub name: String,
    /// The kind.
    pub kind: String,
    /// The template's path.
    pub path: String,
    /// Its YAML.
    pub manifest: String,
    /// Helm's event names: `pre-install`, `post-upgrade`, `test`.
    pub events: Vec<String>,
    /// The weight; 0 by default.
    pub weight: i32,
    /// Helm's policy names: `before-hook-creation`, `hook-succeeded`, `hook-failed`.
    pub delete_policies: Vec<String>,
    /// Helm's policy names: `hook-succeeded`, `hook-failed`.
    pub output_log_policies: Vec<String>,
}

/// An object a lookup may name, for messages.
impl From<&Lookup> for ObjectRef {
    fn from(lookup: &Lookup) -> Self {
        Self {
            kind: kube_cluster::Kind::new(lookup.api_version.clone(), lookup.kind.clone()),
            namespace: Some(lookup.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: lookup.name.clone(),
        }
    }
}
