//! Rendered files into notes, hooks and objects in order (Helm `manifest_sorter.go`), and the texts
//! made of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::documents::read_documents;
use super::hook::{Role, role};
use super::object::Document;
use super::{Hook, HookEvent, LastText, Manifest, ManifestError, sort_for_install};
use crate::Profile;
use crate::yaml::YamlError;

/// Whose notes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NotesScope {
    /// Those of the chart itself.
    #[default]
    Chart,
    /// Those of subcharts, too (`--render-subchart-notes`), in the order of their paths.
    Subcharts,
}

/// What a rendered chart consists of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Manifests {
    /// The objects of the release, in the order of installation.
    pub objects: Vec<Manifest>,
    /// The hooks, in the order of kinds; weights count when they run.
    pub hooks: Vec<Hook>,
    /// The text of `NOTES.txt`.
    pub notes: String,
    /// CRD files as source and raw text, which are installed before everything else.
    pub crds: Vec<(String, String)>,
}

/// What the text of a manifest shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextOptions {
    /// CRD files first (`--include-crds`).
    pub include_crds: bool,
    /// Not the content of Secrets (`--hide-secret`).
    pub hide_secrets: bool,
    /// Not the hooks (`--no-hooks`).
    pub no_hooks: bool,
    /// Not the hooks that only test (`--skip-tests`).
    pub skip_tests: bool,
}

impl Manifests {
    /// Sorts rendered files, path to text, of the chart named `chart`.
    ///
    /// Comment-only documents are kept, documents with an unknown hook event are dropped, as Helm
    /// does.
    ///
    /// # Errors
    /// [`ManifestError`] for the first document that cannot be read.
    pub fn from_files(
        files: &BTreeMap<String, Arc<str>>,
        chart: &str,
        notes: NotesScope,
        profile: Profile,
    ) -> Result<Self, ManifestError> {
        Self::sorted(files, chart, notes, profile, |_, text| {
            read_documents(text, profile, &[])
        })
    }

    /// As [`Manifests::from_files`], with the memory of what each file was the last time.
    pub(crate) fn from_remembered<'l>(
        files: &BTreeMap<String, Arc<str>>,
        chart: &str,
        notes: NotesScope,
        profile: Profile,
        last: impl Fn(&str) -> Option<&'l LastText>,
    ) -> Result<Self, ManifestError> {
        Self::sorted(files, chart, notes, profile, |path, text| {
            match last(path) {
                Some(last) => last.documents(text, profile),
                None => read_documents(text, profile, &[]),
            }
        })
    }

    fn sorted(
        files: &BTreeMap<String, Arc<str>>,
        chart: &str,
        notes: NotesScope,
        profile: Profile,
        read: impl Fn(&str, &Arc<str>) -> Result<Arc<[Arc<Document>]>, YamlError>,
    ) -> Result<Self, ManifestError> {
        let mut sorted = Self::default();
        let own_notes = format!("{chart}/templates/NOTES.txt");
        for (path, text) in files {
            if path.ends_with("NOTES.txt") {
                if notes == NotesScope::Subcharts || *path == own_notes {
                    if !sorted.notes.is_empty() {
                        sorted.notes.push('\n');
                    }
                    sorted.notes.push_str(text);
                }
                continue;
            }
            let base = path.rsplit('/').next().unwrap_or(path);
            if base.starts_with('_') || text.trim().is_empty() {
                continue;
            }
            let documents = read(path, text).map_err(|source| ManifestError {
                path: path.clone(),
                source: match profile {
                    Profile::Helm4 => source,
                    Profile::Helm3 => source.with_type("util.", "releaseutil."),
                },
            })?;
            let path: Arc<str> = path.as_str().into();
            for document in documents.iter() {
                sorted.add(Manifest::new(Arc::clone(&path), Arc::clone(document)));
            }
        }
        sort_for_install(&mut sorted.objects, Manifest::kind, profile);
        sort_for_install(&mut sorted.hooks, |hook| &hook.kind, profile);
        Ok(sorted)
    }

    fn add(&mut self, manifest: Manifest) {
        match role(manifest.annotations()) {
            Role::Object => self.objects.push(manifest),
            Role::Dropped => {}
            Role::Hook(annotations) => self.hooks.push(Hook {
                name: manifest.name().to_owned(),
                kind: manifest.kind().to_owned(),
                path: manifest.source().to_owned(),
                manifest,
                events: annotations.events,
                weight: annotations.weight,
                delete_policies: annotations.delete_policies,
                output_log_policies: annotations.output_log_policies,
            }),
        }
    }

    /// The hooks of an event in the order they run: weight, then name.
    pub fn hooks_for(&self, event: HookEvent) -> Vec<&Hook> {
        let mut hooks: Vec<&Hook> = self
            .hooks
            .iter()
            .filter(|hook| hook.events.contains(&event))
            .collect();
        hooks.sort_by(|a, b| a.weight.cmp(&b.weight).then_with(|| a.name.cmp(&b.name)));
        hooks
    }

    /// The manifest as Helm stores it in a release: objects without hooks.
    pub fn text(&self, options: TextOptions) -> String {
        let mut text = String::new();
        if options.include_crds {
            for (source, crd) in &self.crds {
                let _ = writeln!(text, "---\n# Source: {source}\n{crd}");
            }
        }
        for object in &self.objects {
            let hidden =
                options.hide_secrets && object.kind() == "Secret" && object.api_version() == "v1";
            let body = if hidden {
                "# HIDDEN: The Secret output has been suppressed"
            } else {
                object.text()
            };
            let _ = writeln!(text, "---\n# Source: {}\n{body}", object.source());
        }
        text
    }

    /// The text `helm template` prints: the trimmed manifest, then the hooks.
    ///
    /// Helm 4.2.4 prints a further blank line before each `---` (helm issue 32565); that is left out.
    pub fn template_text(&self, options: TextOptions) -> String {
        self.with_hooks(&self.text(options), options)
    }

    /// A manifest, trimmed, and the hooks after it.
    pub(super) fn with_hooks(&self, manifest: &str, options: TextOptions) -> String {
        let mut text = manifest.trim().to_owned();
        text.push('\n');
        if options.no_hooks {
            return text;
        }
        for hook in &self.hooks {
            let only_tests = hook.events.contains(&HookEvent::Test);
            if !(options.skip_tests && only_tests) {
                let _ = writeln!(
                    text,
                    "---\n# Source: {}\n{}",
                    hook.path,
                    hook.manifest.text()
                );
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::{Manifests, NotesScope, TextOptions};
    use crate::Profile;
    use crate::manifest::{HookDeletePolicy, HookEvent};

    fn sorted(files: &[(&str, &str)], profile: Profile) -> Manifests {
        let files: BTreeMap<String, Arc<str>> = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).into()))
            .collect();
        Manifests::from_files(&files, "c", NotesScope::Chart, profile).unwrap()
    }

    #[test]
    fn files_become_objects_hooks_and_notes() {
        let hook = "kind: Job\nmetadata:\n  name: j\n  annotations:\n    helm.sh/hook: Post-Install, test\n    helm.sh/hook-weight: -5\n    helm.sh/hook-delete-policy: hook-succeeded,x\n";
        let manifests = sorted(
            &[
                ("c/templates/NOTES.txt", "hello"),
                ("c/charts/s/templates/NOTES.txt", "other"),
                ("c/templates/_h.tpl", "x"),
                (
                    "c/templates/a.yaml",
                    "---\nkind: Service\n---\n# only a comment\n---\nkind: Namespace\n",
                ),
                ("c/templates/h.yaml", hook),
                (
                    "c/templates/u.yaml",
                    "kind: A\nmetadata: {annotations: {helm.sh/hook: crd-install}}",
                ),
            ],
            Profile::Helm4,
        );
        assert_eq!(manifests.notes, "hello");
        let kinds: Vec<&str> = manifests
            .objects
            .iter()
            .map(crate::manifest::Manifest::kind)
            .collect();
        assert_eq!(kinds, ["Namespace", "Service", ""]);
        let hook = &manifests.hooks[0];
        assert_eq!(hook.events, [HookEvent::PostInstall, HookEvent::Test]);
        assert_eq!(hook.weight, -5);
        assert_eq!(
            hook.delete_policies[1],
            HookDeletePolicy::Other("x".to_owned())
        );
        assert!(
            manifests
                .text(TextOptions::default())
                .starts_with("---\n# Source: c/templates/a.yaml\nkind: Namespace\n")
        );
        assert!(
            manifests
                .template_text(TextOptions::default())
                .contains("---\n# Source: c/templates/h.yaml\nkind: Job\n")
        );
    }

    #[test]
    fn what_is_no_yaml_names_its_file() {
        let files = BTreeMap::from([("c/templates/a.yaml".to_owned(), "a: b: c".into())]);
        let error =
            Manifests::from_files(&files, "c", NotesScope::Chart, Profile::Helm3).unwrap_err();
        assert_eq!(error.to_string(), "YAML parse error on c/templates/a.yaml");
        assert_eq!(
            error.source.to_string(),
            "error converting YAML to JSON: yaml: mapping values are not allowed in this context"
        );
    }
}
