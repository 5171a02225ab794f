//! After rendering: documents, hooks, notes, the order of kinds, and the text Helm stores and prints.

mod documents;
mod hook;
mod kinds;
mod object;
mod post_render;
mod sort;
mod split;

pub(crate) use documents::LastText;
pub use hook::{Hook, HookDeletePolicy, HookEvent, HookOutputLogPolicy};
pub use kinds::{install_rank, sort_for_install, sort_for_uninstall};
pub use object::{Manifest, ManifestError};
pub use post_render::{PostRenderError, PostRenderer};
pub use sort::{Manifests, NotesScope, TextOptions};
pub use split::split_documents;
