//! Rendering: a resolved chart, a release and the capabilities of a cluster become files.
//!
//! Owns what Helm's engine owns: the objects templates see, the order in which files run, the
//! functions that reach the engine (`include`, `tpl`, `required`, `fail`, `lookup`), and Helm's
//! words for failures. It reads no cluster, clock or randomness: what a template asks of the
//! cluster ends the render with [`RenderError::Needs`]; the caller looks it up and renders again in
//! the same [`Environment`](crate::Environment), which gives the same bytes.
//!
//! Source of the behaviour: Helm's `pkg/engine` and `pkg/chart/common`, v4.2.4 and v3.21.4.
//!
//! ```
//! use helm_chart::{Chart, ChartFile, Environment, Release, Values};
//!
//! let chart = Chart::from_files(vec![
//!     ChartFile::new("Chart.yaml", "apiVersion: v2\nname: hello\nversion: 0.1.0\n"),
//!     ChartFile::new("values.yaml", "who: world\n"),
//!     ChartFile::new("templates/greeting.yaml", "kind: Greeting\nto: {{ .Values.who | quote }}\n"),
//! ])?;
//! let values = Values::default().set("who=Ada")?;
//! let rendered = chart.render(&Release::install("r", "default"), &values, &Environment::sealed())?;
//! assert_eq!(rendered.manifests()[0].text().trim(), "kind: Greeting\nto: \"Ada\"");
//! assert!(rendered.random_sources().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blame;
mod capabilities;
mod context;
mod engine;
mod error;
mod files;
mod glob;
mod late;
mod lookup;
mod metadata;
mod run;
mod secrecy;
mod tracer;

pub use blame::{Blame, BlamedLine, Draw, TemplateLine, Writer};
pub use error::RenderError;
pub use go_text_template::{Glimpse, Reach, Seen};
pub use lookup::{Answers, LookupSource, Query};
pub use run::{RenderOptions, Rendered, RenderedFiles};
