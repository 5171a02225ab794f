//! `Chart.yaml` and `Chart.lock`: fields, coercion as sigs.k8s.io/yaml does it, validation texts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Profile;
use crate::number::write_go_float32;
use crate::semver::Version;
use crate::yaml::{YamlError, parse_exact};

/// The fields of `Chart.yaml`; serialised as Helm stores them, empty fields left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Metadata {
    /// Name of the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Home page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// Where the sources are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Version of the chart, a semantic version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// One sentence about the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Who looks after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    /// Address of an icon.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// Format of the chart: `v1` or `v2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Conditions under which a parent enables the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Tags under which a parent enables the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// Version of the application, of any form.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// Whether the chart should no longer be used.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// Free-form notes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Constraint on the version of Kubernetes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// Charts this one builds on; `None` where the key is missing, which switches conditions off.
    #[serde(skip_serializing_if = "is_empty_list")]
    pub dependencies: Option<Vec<Dependency>>,
    /// `application` (also when empty) or `library`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub chart_type: String,
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn is_empty_list(list: &Option<Vec<Dependency>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

/// A maintainer of a chart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Maintainer {
    /// Name of a person or organisation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Mail address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// Page about them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A chart another chart builds on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Dependency {
    /// Name of the chart; its alias once dependencies are resolved.
    pub name: String,
    /// Constraint on its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where it comes from.
    pub repository: String,
    /// Paths into the values, separated by commas; the first boolean found decides.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Tags that enable it together with others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it takes part; decided when dependencies are resolved.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    /// Values of the child that become values of the parent.
    #[serde(rename = "import-values", skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Value>,
    /// Name it goes by in the parent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

/// What `Chart.lock` says: the exact versions chosen for the dependencies.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Lock {
    /// When, as written.
    pub generated: String,
    /// Digest of the request and the choice.
    pub digest: String,
    /// The choice.
    pub dependencies: Vec<Dependency>,
}

/// A `Chart.yaml` that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum MetadataError {
    /// It is not YAML.
    #[error("{0}")]
    #[diagnostic(code(aka::chart::metadata_yaml))]
    Yaml(YamlError),
    /// It is no mapping, in Go's words.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type {wanted}"
    )]
    #[diagnostic(code(aka::chart::metadata_shape))]
    Shape {
        /// JSON type of what was found.
        found: &'static str,
        /// Go type of what is wanted.
        wanted: &'static str,
    },
    /// A field has the wrong type, in Go's words.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
    )]
    #[diagnostic(code(aka::chart::metadata_type))]
    Type {
        /// JSON type of what was found.
        found: &'static str,
        /// The field, such as `Metadata.name`.
        field: String,
        /// Go type wanted.
        wanted: &'static str,
    },
    /// A field has an unusable value, in Helm's words.
    #[error("validation: {0}")]
    #[diagnostic(code(aka::chart::validation))]
    Validation(String),
}

impl MetadataError {
    /// The same in the words of a Helm: the packages of its types differ, and Helm 4 looks at the
    /// version of the outermost `Chart.yaml` first.
    pub(super) fn in_words_of(mut self, profile: Profile, is_outermost: bool) -> Self {
        if let Self::Shape { wanted, .. } | Self::Type { wanted, .. } = &mut self {
            *wanted = match (profile, *wanted) {
                (Profile::Helm4, "v2.Metadata") if is_outermost => "loader.chartBase",
                (Profile::Helm3, "v2.Metadata") => "chart.Metadata",
                (Profile::Helm3, "v2.Lock") => "chart.Lock",
                (Profile::Helm3, "v2.Maintainer") => "chart.Maintainer",
                (Profile::Helm3, "[]*v2.Maintainer") => "[]*chart.Maintainer",
                (Profile::Helm3, "v2.Dependency") => "chart.Dependency",
                (Profile::Helm3, "[]*v2.Dependency") => "[]*chart.Dependency",
                (_, other) => other,
            };
        }
        if let Self::Type { field, .. } = &mut self
            && profile == Profile::Helm4
            && is_outermost
            && field == "Metadata.apiVersion"
        {
            "chartBase.apiVersion".clone_into(field);
        }
        self
    }
}

impl Metadata {
    /// Reads and validates the text of a `Chart.yaml`.
    ///
    /// # Errors
    /// [`MetadataError`] in Helm's words.
    pub fn parse(text: &str) -> Result<Self, MetadataError> {
        let mut metadata = Self::read(text)?;
        metadata.validate()?;
        Ok(metadata)
    }

    /// Reads the text of a `Chart.yaml` without judging it; a missing `apiVersion` means `v1`.
    pub(super) fn read(text: &str) -> Result<Self, MetadataError> {
        let value = parse_exact(text).map_err(MetadataError::Yaml)?;
        let mut metadata = Self::default();
        metadata.fill(&value)?;
        if metadata.api_version.is_empty() {
            "v1".clone_into(&mut metadata.api_version);
        }
        Ok(metadata)
    }

    /// Takes the fields `value` holds, as Go unmarshals into a struct that is in use.
    pub(super) fn fill(&mut self, value: &Value) -> Result<(), MetadataError> {
        let fields = Fields::of(value, "Metadata", "v2.Metadata")?;
        fields.text("name", &mut self.name)?;
        fields.text("home", &mut self.home)?;
        fields.texts("sources", &mut self.sources)?;
        fields.text("version", &mut self.version)?;
        fields.text("description", &mut self.description)?;
        fields.texts("keywords", &mut self.keywords)?;
        fields.text("icon", &mut self.icon)?;
        fields.text("apiVersion", &mut self.api_version)?;
        fields.text("condition", &mut self.condition)?;
        fields.text("tags", &mut self.tags)?;
        fields.text("appVersion", &mut self.app_version)?;
        fields.flag("deprecated", &mut self.deprecated)?;
        fields.text("kubeVersion", &mut self.kube_version)?;
        fields.text("type", &mut self.chart_type)?;
        if let Some(items) = fields.list("maintainers", "[]*v2.Maintainer")? {
            self.maintainers = items
                .iter()
                .map(|item| Maintainer::read(item, &fields))
                .collect::<Result<_, _>>()?;
        }
        if let Some(value) = fields.get("annotations") {
            let Value::Object(entries) = value else {
                return Err(fields.mismatch("annotations", value, "map[string]string"));
            };
            for (key, value) in entries {
                let mut text = String::new();
                coerce(value, &mut text).map_err(|found| MetadataError::Type {
                    found,
                    field: "Metadata.annotations".to_owned(),
                    wanted: "string",
                })?;
                self.annotations.insert(key.clone(), text);
            }
        }
        if let Some(items) = fields.list("dependencies", "[]*v2.Dependency")? {
            self.dependencies = Some(
                items
                    .iter()
                    .map(|item| Dependency::read(item, &fields))
                    .collect::<Result<_, _>>()?,
            );
        }
        Ok(())
    }

    /// Cleans the texts and checks what Helm checks (`Metadata.Validate`).
    pub(super) fn validate(&mut self) -> Result<(), MetadataError> {
        let refuse = |reason: String| Err(MetadataError::Validation(reason));
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ] {
            sanitise(text);
        }
        self.sources
            .iter_mut()
            .chain(&mut self.keywords)
            .for_each(sanitise);
        if self.name.is_empty() {
            return refuse("chart.metadata.name is required".to_owned());
        }
        if self.name == "." || self.name == ".." {
            return refuse(format!(
                "chart.metadata.name {:?} is not allowed",
                self.name
            ));
        }
        if self.name.contains('/') {
            return refuse(format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return refuse("chart.metadata.version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return refuse(format!(
                "chart.metadata.version {:?} is invalid",
                self.version
            ));
        }
        if !matches!(self.chart_type.as_str(), "" | "application" | "library") {
            return refuse("chart.metadata.type must be application or library".to_owned());
        }
        for maintainer in &mut self.maintainers {
            for text in [
                &mut maintainer.name,
                &mut maintainer.email,
                &mut maintainer.url,
            ] {
                sanitise(text);
            }
        }
        let mut names = Vec::new();
        for dependency in self.dependencies.iter_mut().flatten() {
            dependency.validate()?;
            let name = if dependency.alias.is_empty() {
                &dependency.name
            } else {
                &dependency.alias
            };
            if names.contains(name) {
                return refuse(format!(
                    "more than one dependency with name or alias {name:?}"
                ));
            }
            names.push(name.clone());
        }
        Ok(())
    }
}

impl Maintainer {
    fn read(value: &Value, outer: &Fields<'_>) -> Result<Self, MetadataError> {
        if value.is_null() {
            return Err(MetadataError::Validation(
                "maintainers must not contain empty or null nodes".to_owned(),
            ));
        }
        let path = "Maintainer.maintainers";
        let fields = outer.inner(value, "maintainers", path, "v2.Maintainer")?;
        let mut maintainer = Self::default();
        fields.text("name", &mut maintainer.name)?;
        fields.text("email", &mut maintainer.email)?;
        fields.text("url", &mut maintainer.url)?;
        Ok(maintainer)
    }
}

impl Dependency {
    fn read(value: &Value, outer: &Fields<'_>) -> Result<Self, MetadataError> {
        if value.is_null() {
            let reason = "dependencies must not contain empty or null nodes";
            return Err(MetadataError::Validation(reason.to_owned()));
        }
        let path = "Dependency.dependencies";
        let fields = outer.inner(value, "dependencies", path, "v2.Dependency")?;
        let mut dependency = Self::default();
        fields.text("name", &mut dependency.name)?;
        fields.text("version", &mut dependency.version)?;
        fields.text("repository", &mut dependency.repository)?;
        fields.text("condition", &mut dependency.condition)?;
        fields.texts("tags", &mut dependency.tags)?;
        fields.flag("enabled", &mut dependency.enabled)?;
        fields.text("alias", &mut dependency.alias)?;
        if let Some(items) = fields.list("import-values", "[]interface {}")? {
            dependency.import_values.clone_from(items);
        }
        Ok(dependency)
    }

    fn validate(&mut self) -> Result<(), MetadataError> {
        for text in [
            &mut self.name,
            &mut self.version,
            &mut self.repository,
            &mut self.condition,
        ] {
            sanitise(text);
        }
        self.tags.iter_mut().for_each(sanitise);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !self.alias.bytes().all(allowed) {
            let reason = format!(
                "dependency {:?} has disallowed characters in the alias",
                self.name
            );
            return Err(MetadataError::Validation(reason));
        }
        Ok(())
    }
}

impl Lock {
    /// Reads the text of a `Chart.lock`.
    ///
    /// # Errors
    /// [`MetadataError`] when it is not YAML or a field has the wrong type.
    pub fn parse(text: &str) -> Result<Self, MetadataError> {
        let value = parse_exact(text).map_err(MetadataError::Yaml)?;
        let fields = Fields::of(&value, "Lock", "v2.Lock")?;
        let mut lock = Self::default();
        fields.text("generated", &mut lock.generated)?;
        fields.text("digest", &mut lock.digest)?;
        if let Some(items) = fields.list("dependencies", "[]*v2.Dependency")? {
            lock.dependencies = items
                .iter()
                .map(|item| Dependency::read(item, &fields))
                .collect::<Result<_, _>>()?;
        }
        Ok(lock)
    }
}

/// A mapping seen as Go's `encoding/json` sees it when it fills a struct.
struct Fields<'v> {
    entries: Option<&'v serde_json::Map<String, Value>>,
    path: &'static str,
}

impl<'v> Fields<'v> {
    fn of(
        value: &'v Value,
        path: &'static str,
        wanted: &'static str,
    ) -> Result<Self, MetadataError> {
        let entries = match value {
            Value::Null => None,
            Value::Object(entries) => Some(entries),
            other => {
                let found = json_type(other);
                return Err(MetadataError::Shape { found, wanted });
            }
        };
        Ok(Self { entries, path })
    }

    /// An item of the list `name`.
    fn inner<'i>(
        &self,
        value: &'i Value,
        name: &str,
        path: &'static str,
        wanted: &'static str,
    ) -> Result<Fields<'i>, MetadataError> {
        Fields::of(value, path, wanted).map_err(|_| self.mismatch(name, value, wanted))
    }

    /// The value of a field; names match whatever their case, null is absent.
    fn get(&self, name: &str) -> Option<&'v Value> {
        let entries = self.entries?;
        // Of several the last one counts, in the order of the names.
        let found = entries
            .iter()
            .filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null());
        found.max_by_key(|(key, _)| *key).map(|(_, value)| value)
    }

    fn mismatch(&self, name: &str, value: &Value, wanted: &'static str) -> MetadataError {
        MetadataError::Type {
            found: json_type(value),
            field: format!("{}.{name}", self.path),
            wanted,
        }
    }

    fn text(&self, name: &str, into: &mut String) -> Result<(), MetadataError> {
        match self.get(name) {
            None => Ok(()),
            Some(value) => coerce(value, into).map_err(|_| self.mismatch(name, value, "string")),
        }
    }

    fn texts(&self, name: &str, into: &mut Vec<String>) -> Result<(), MetadataError> {
        let Some(items) = self.list(name, "[]string")? else {
            return Ok(());
        };
        into.clear();
        for item in items {
            let mut text = String::new();
            coerce(item, &mut text).map_err(|_| self.mismatch(name, item, "string"))?;
            into.push(text);
        }
        Ok(())
    }

    fn flag(&self, name: &str, into: &mut bool) -> Result<(), MetadataError> {
        match self.get(name) {
            None => Ok(()),
            Some(Value::Bool(value)) => {
                *into = *value;
                Ok(())
            }
            Some(value) => Err(self.mismatch(name, value, "bool")),
        }
    }

    fn list(
        &self,
        name: &str,
        wanted: &'static str,
    ) -> Result<Option<&'v Vec<Value>>, MetadataError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(value) => Err(self.mismatch(name, value, wanted)),
        }
    }
}

/// Unquoted numbers and booleans in text fields become text; `1.20` becomes `1.2`.
fn coerce(value: &Value, into: &mut String) -> Result<(), &'static str> {
    into.clear();
    match value {
        Value::Null => {}
        Value::String(text) => into.push_str(text),
        Value::Bool(flag) => into.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) if number.is_f64() => {
            write_go_float32(into, number.as_f64().unwrap_or_default());
        }
        Value::Number(number) => into.push_str(&number.to_string()),
        other => return Err(json_type(other)),
    }
    Ok(())
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// White space becomes spaces, what does not print goes.
fn sanitise(text: &mut String) {
    if text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        return;
    }
    let clean = text.chars().filter_map(|character| {
        if character.is_whitespace() {
            Some(' ')
        } else {
            (!character.is_control() && !is_invisible(character)).then_some(character)
        }
    });
    *text = clean.collect();
}

/// Format characters, surrogates, private use and unassigned: not printable for Go.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{E000}'..='\u{F8FF}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{FFFE}' | '\u{FFFF}' | '\u{E0000}'..='\u{10FFFF}')
}
