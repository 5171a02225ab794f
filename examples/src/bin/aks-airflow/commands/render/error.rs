//! [`RenderCommandError`]: why `render` printed nothing.

use std::path::PathBuf;

use helm_chart::KubeVersionError;
use helm_chart::chart::ChartError;
use helm_chart::manifest::PostRenderError;
use helm_chart::render::RenderError;
use helm_chart::values::ValuesError;
use helm_registry::SourceError;

/// Why `render` printed nothing. Nothing was written, except where [`Self::Write`] says so.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum RenderCommandError {
    /// The release's name is not one Kubernetes can carry.
    #[error("release name {name:?} is invalid")]
    #[diagnostic(
        code(aka::render::name),
        help(
            "use lower-case letters, digits, `-` and `.`, at most 53 characters, beginning and ending with a letter or digit"
        )
    )]
    Name {
        /// The name.
        name: String,
    },
    /// `--kube-version` is none.
    #[error(transparent)]
    #[diagnostic(transparent)]
    KubeVersion(#[from] KubeVersionError),
    /// There is nothing at the chart's path.
    #[error("path {chart:?} not found")]
    #[diagnostic(
        code(aka::render::chart_not_found),
        help("give a folder, an archive, `oci://…`, or a name together with `--repo URL`")
    )]
    ChartNotFound {
        /// What was given.
        chart: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(aka::render::read))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of `--lookup` holds no manifests.
    #[error("cannot read the objects in {}", path.display())]
    #[diagnostic(
        code(aka::render::lookup),
        help(
            "give objects with apiVersion, kind and metadata, as `kubectl get -o yaml` prints them"
        )
    )]
    Lookup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The post-renderer failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    PostRender(#[from] PostRenderError),
    /// The chart cannot be fetched, or its folder cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Source(#[from] SourceError),
    /// What was found is no chart.
    #[error("cannot load the chart {chart}")]
    #[diagnostic(code(aka::render::chart))]
    Chart {
        /// Where it was found.
        chart: String,
        /// What is wrong with it.
        #[diagnostic_source]
        source: ChartError,
    },
    /// The values cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Values(#[from] ValuesError),
    /// The chart does not render.
    #[error("{0}")]
    #[diagnostic(transparent)]
    Render(#[from] RenderError),
    /// `--show-only` names a template without documents.
    #[error("could not find template {template} in chart")]
    #[diagnostic(
        code(aka::render::no_template),
        help("templates are named from the chart's root, such as templates/service.yaml")
    )]
    NoTemplate {
        /// What was named.
        template: String,
    },
    /// `--why` names an object the chart does not render.
    #[error("the chart renders no {object}")]
    #[diagnostic(
        code(aka::render::no_object),
        help("name it KIND/NAME or KIND as in the output, or give --why alone for all")
    )]
    NoObject {
        /// What was named.
        object: String,
    },
    /// `--output-dir` cannot be written; the files named before may have been.
    #[error("cannot write {}", path.display())]
    #[diagnostic(code(aka::render::write))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl RenderCommandError {
    /// The message with its reasons, in one line.
    pub(super) fn with_reason(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}
