//! [`PostRenderer`]: a last word on the finished manifest. It owns where that word is heard; it runs
//! no program itself.
//!
//! Source of the behaviour: Helm 3.21.4, `pkg/postrender` and `renderResources` in
//! `pkg/action/action.go`.

use std::error::Error;

use super::{Manifests, TextOptions};

/// Somebody who changes the finished manifest before it is shown or applied: adds labels, replaces
/// images, leaves objects out. Any function of this shape is one.
pub trait PostRenderer {
    /// The manifest to use instead of this one, which holds the objects and, where they were asked
    /// for, the CRDs, but no hooks, as Helm 3 has it.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    fn post_render(&self, manifest: &str) -> Result<String, Box<dyn Error + Send + Sync>>;
}

impl<F> PostRenderer for F
where
    F: Fn(&str) -> Result<String, Box<dyn Error + Send + Sync>>,
{
    fn post_render(&self, manifest: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
        self(manifest)
    }
}

/// A post-renderer that failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("error while running post render on files")]
#[diagnostic(code(aka::render::post_render))]
pub struct PostRenderError(#[source] pub Box<dyn Error + Send + Sync>);

impl Manifests {
    /// The text `helm template --post-renderer` prints: the manifest as the renderer left it, then
    /// the hooks, which it never sees.
    ///
    /// # Errors
    /// [`PostRenderError`].
    pub fn template_text_through(
        &self,
        options: TextOptions,
        renderer: &dyn PostRenderer,
    ) -> Result<String, PostRenderError> {
        let manifest = renderer
            .post_render(&self.text(options))
            .map_err(PostRenderError)?;
        Ok(self.with_hooks(&manifest, options))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Profile;
    use crate::manifest::NotesScope;

    fn manifests() -> Manifests {
        let files = [
            ("c/templates/a.yaml", "kind: A\n"),
            (
                "c/templates/h.yaml",
                "kind: H\nmetadata:\n  annotations:\n    helm.sh/hook: pre-install\n",
            ),
        ];
        let files: BTreeMap<_, _> = files
            .into_iter()
            .map(|(path, text)| (path.to_owned(), text.into()))
            .collect();
        Manifests::from_files(&files, "c", NotesScope::Chart, Profile::Helm3).unwrap()
    }

    #[test]
    fn objects_pass_through_it_and_hooks_do_not() {
        let shout = |manifest: &str| Ok(manifest.to_uppercase());
        let text = manifests()
            .template_text_through(TextOptions::default(), &shout)
            .unwrap();
        assert_eq!(
            text,
            "---\n# SOURCE: C/TEMPLATES/A.YAML\nKIND: A\n---\n# Source: c/templates/h.yaml\nkind: H\nmetadata:\n  annotations:\n    helm.sh/hook: pre-install\n"
        );
    }

    #[test]
    fn silence_leaves_the_hooks_and_a_failure_is_told() {
        let through = |renderer: &dyn PostRenderer| {
            manifests().template_text_through(TextOptions::default(), renderer)
        };
        let silent = through(&|_: &str| Ok(String::new())).unwrap();
        assert!(silent.starts_with("\n---\n# Source: c/templates/h.yaml\n"));
        let failing = through(&|_: &str| Err("exit status 3".into())).unwrap_err();
        assert_eq!(failing.source().unwrap().to_string(), "exit status 3");
    }
}
