//! Helm charts without Helm: archives, dependencies, values, schemas, functions, Go-dialect YAML,
//! rendering and manifests, byte for byte as Helm 4.2.4 or 3.21.4 does it.
//!
//! # Quick start
//!
//! ```
//! use helm_chart::{Chart, ChartFile, Environment, Release, Values};
//!
//! // `Chart::from_archive(&bytes)` takes what `helm package` makes.
//! let chart = Chart::from_files(vec![
//!     ChartFile::new("Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n"),
//!     ChartFile::new("values.yaml", "replicas: 1\n"),
//!     ChartFile::new(
//!         "templates/web.yaml",
//!         "kind: Deployment\nmetadata: {name: {{ .Release.Name }}-web}\nspec: {replicas: {{ .Values.replicas }}}\n",
//!     ),
//! ])?;
//! let release = Release::install("shop", "production");
//! let values = Values::parse("replicas: 2")?.set("replicas=3")?;
//! let rendered = chart.render(&release, &values, &Environment::sealed())?;
//!
//! let web = &rendered.manifests()[0];
//! assert_eq!((web.kind(), web.name()), ("Deployment", "shop-web"));
//! assert_eq!(web.object()["spec"]["replicas"], 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The parts
//!
//! - A [`Chart`] is immutable, `Send + Sync`, and compiles its templates and schemas once: load it
//!   once, render it for as many tenants as there are.
//! - [`Values`] are what the user says: files and the `--set` family, in Helm's order
//!   ([`values::ValueOptions`] is the whole command line of it).
//! - A [`Release`] and the [`Capabilities`] are what templates see of the world.
//! - The [`Environment`] brings the time, the zone and a seed: equal environments give equal bytes.
//!   What chance decided is told by [`Rendered::random_sources`].
//! - [`RenderOptions`] choose the [`Profile`] (whose Helm), answers to `lookup`
//!   ([`render::Answers`]), and the budgets.
//! - [`Rendered`] holds objects in the order of installation, hooks, notes and CRDs
//!   ([`manifest`]).
//! - [`render::Blame`] tells for each line of output which template line wrote it and which values
//!   it read; [`values::Origins`] tells who set those.
//! - [`yaml`], [`json`], [`semver`] and [`archive`] are of use alone.
//!
//! Nothing here touches a disk, a network, a clock or a source of randomness. A template that asks
//! the cluster ends the render with [`RenderError::Needs`]: answer the queries, render again in the
//! same environment, and get the same bytes.
//!
//! # Errors
//!
//! Each step has its own type: [`chart::ChartError`], [`values::ValuesError`], [`RenderError`].
//! Messages are Helm's, word for word; the parts beside them (file, line, node, the templates on the
//! way) are data. All are [`miette::Diagnostic`]s with a code and, where there is one, a help.
//!
//! # Limits
//!
//! No input makes this crate panic, run without end or take memory without bound:
//!
//! | what | limit | error |
//! |---|---|---|
//! | a chart, unpacked | 100 MiB (Helm's) | [`archive::ArchiveError::TooLarge`] |
//! | a file of a chart | 5 MiB (Helm's) | [`archive::ArchiveError::FileTooLarge`] |
//! | a chart with all archives in it | 400 MiB, 100,000 files | `TreeTooLarge`, `TooManyFiles` |
//! | charts within charts | 32 | [`chart::ChartError::TooDeep`] |
//! | nesting of YAML and JSON | 256 | [`yaml::YamlError`] |
//! | aliases of a YAML text | go-yaml's ratio | [`yaml::YamlError`] |
//! | `--set` | 30 levels, lists of 65,536 (Helm's) | [`values::SetError`] |
//! | what templates may do | 100 million steps, 1 GiB, 10,000 deep ([`go_text_template::Limits`]) | [`RenderError::Execute`] |
//! | a template included in itself | 1,000 (Helm's) | [`RenderError::Execute`] |
//! | text that one function returns | 32 MiB ([`MAX_TEXT`]) | [`RenderError::Execute`] |
//! | numbers that one function returns | 1,000,000 | [`RenderError::Execute`] |
//! | parentheses, blocks | 1,000 deep | [`RenderError::Parse`] |
//! | `$ref` in a schema | none outside it | [`RenderError`]`::Schema` |
//! | values that meet schemas | 20 million times, 4,000 deep | [`RenderError`]`::Schema` |
//!
//! Archives are read in memory: no path in one can reach the disk, and links are never followed.

pub mod archive;
mod capabilities;
pub mod chart;
mod environment;
pub mod functions;
pub mod json;
pub mod manifest;
pub mod number;
mod profile;
mod release;
pub mod render;
#[cfg(feature = "schema")]
pub mod schema;
pub mod semver;
pub mod tree;
pub mod values;
pub mod yaml;

/// The most bytes one function may return: a text, or a value as YAML or JSON.
pub const MAX_TEXT: usize = 32 << 20;

pub use capabilities::{Capabilities, HelmVersion, KubeVersion, KubeVersionError};
pub use chart::{Chart, ChartFile};
pub use environment::{Environment, Source, SourceKind, Tape};
pub use profile::Profile;
pub use release::{Operation, Release};
pub use render::{RenderError, RenderOptions, Rendered};
pub use values::Values;
