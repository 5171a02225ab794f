//! One document of a manifest: its text as rendered, its data, and what it is about.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::Profile;
use crate::manifest::split_documents;
use crate::number::write_go_float32;
use crate::yaml::{Fields, YamlError, parse_exact, parse_fields, parse_fields_before};

/// A rendered text that is no manifest.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
#[error("YAML parse error on {path}")]
#[diagnostic(
    code(aka::chart::manifest_yaml),
    help("render the chart alone and look at that file")
)]
#[non_exhaustive]
pub struct ManifestError {
    /// The file it comes from.
    pub path: String,
    /// What is wrong with it.
    pub source: YamlError,
}

/// One document of a manifest. Cheap to clone: text and data are shared.
#[derive(Clone)]
pub struct Manifest {
    source: Arc<str>,
    document: Arc<Document>,
}

/// What follows from the text of a document alone.
pub(super) struct Document {
    file: Arc<str>,
    range: Range<usize>,
    /// Where in the text come only fields that are not of the head, if that is known.
    rest: Option<usize>,
    head: Head,
    is_empty: bool,
    /// Built when someone asks: a render needs no more than the head.
    object: OnceLock<Value>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Head {
    api_version: String,
    kind: String,
    name: String,
    namespace: Option<String>,
    annotations: BTreeMap<String, String>,
}

impl Document {
    /// Reads the document at `range` of `file`. How it ends is not read again if `former`, another
    /// document, ended in the same way.
    ///
    /// # Errors
    /// When the text is not YAML or not shaped like an object.
    pub(super) fn read(
        file: &Arc<str>,
        range: Range<usize>,
        former: Option<&Self>,
    ) -> Result<Self, YamlError> {
        let text = &file[range.clone()];
        let known = former.and_then(|former| {
            let rest = former.text().get(former.rest?..)?;
            parse_fields_before(text, HEAD_FIELDS, rest)
        });
        let Fields { value, rest } = match known {
            Some(fields) => fields,
            None => parse_fields(text, HEAD_FIELDS)?,
        };
        Ok(Self {
            head: Head::read(&value)?,
            is_empty: value.is_null(),
            file: Arc::clone(file),
            range,
            rest,
            object: OnceLock::new(),
        })
    }

    fn text(&self) -> &str {
        &self.file[self.range.clone()]
    }
}

impl Manifest {
    /// Reads one document; `source` is the file it comes from.
    ///
    /// # Errors
    /// [`ManifestError`] when the text is not YAML or not shaped like an object.
    pub fn parse(
        source: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<Self, ManifestError> {
        let (path, text) = (source.into(), Arc::from(text.into()));
        match Document::read(&text, 0..text.len(), None) {
            Ok(document) => Ok(Self::new(path.into(), Arc::new(document))),
            Err(source) => Err(ManifestError { path, source }),
        }
    }

    pub(super) fn new(source: Arc<str>, document: Arc<Document>) -> Self {
        Self { source, document }
    }

    /// Reads the documents of a stored manifest text, with the sources its comments name.
    ///
    /// # Errors
    /// See [`Manifest::parse`].
    pub fn parse_all(text: &str, profile: Profile) -> Result<Vec<Self>, ManifestError> {
        let documents = split_documents(text, profile).into_iter().map(|document| {
            match document
                .strip_prefix("# Source: ")
                .and_then(|rest| rest.split_once('\n'))
            {
                Some((source, body)) => Self::parse(source, body),
                None => Self::parse("", document),
            }
        });
        documents.collect()
    }

    /// The file it comes from, such as `airflow/templates/secrets/fernetkey-secret.yaml`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The document as rendered.
    pub fn text(&self) -> &str {
        self.document.text()
    }

    /// The document as data; null where it holds nothing but comments. The first call builds it.
    pub fn object(&self) -> &Value {
        // The text was read before, so that it cannot fail now.
        let build = || parse_exact(self.text()).unwrap_or_default();
        self.document.object.get_or_init(build)
    }

    /// `apiVersion`, empty where absent.
    pub fn api_version(&self) -> &str {
        &self.document.head.api_version
    }

    /// `kind`, empty where absent.
    pub fn kind(&self) -> &str {
        &self.document.head.kind
    }

    /// `metadata.name`, empty where absent.
    pub fn name(&self) -> &str {
        &self.document.head.name
    }

    /// `metadata.namespace`, where given.
    pub fn namespace(&self) -> Option<&str> {
        self.document.head.namespace.as_deref()
    }

    /// `metadata.annotations`.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.document.head.annotations
    }

    /// Whether it holds nothing but comments.
    pub fn is_empty(&self) -> bool {
        self.document.is_empty
    }
}

/// Equal texts of equal files are equal documents.
impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.text() == other.text()
    }
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manifest")
            .field("source", &self.source)
            .field("text", &self.text())
            .field("head", &self.document.head)
            .finish_non_exhaustive()
    }
}

/// The type of the metadata, as Go prints it.
const METADATA_TYPE: &str = r#"struct { Name string "json:\"name\""; Annotations map[string]string "json:\"annotations\"" }"#;

/// The fields [`Head`] is read from.
const HEAD_FIELDS: &[&str] = &["apiVersion", "kind", "metadata"];

impl Head {
    fn read(object: &Value) -> Result<Self, YamlError> {
        let wanted = "util.SimpleHead";
        let fields = match object {
            Value::Null => return Ok(Self::default()),
            Value::Object(fields) => fields,
            other => return Err(YamlError::mismatch(json_type(other), wanted)),
        };
        let mut head = Self {
            api_version: text(fields.get("apiVersion"), "SimpleHead.apiVersion")?,
            kind: text(fields.get("kind"), "SimpleHead.kind")?,
            ..Self::default()
        };
        let metadata = match fields.get("metadata") {
            None | Some(Value::Null) => return Ok(head),
            Some(Value::Object(metadata)) => metadata,
            Some(other) => {
                return Err(YamlError::field_mismatch(
                    json_type(other),
                    "SimpleHead.metadata",
                    METADATA_TYPE,
                ));
            }
        };
        head.name = text(metadata.get("name"), ".metadata.name")?;
        head.namespace = metadata
            .get("namespace")
            .and_then(Value::as_str)
            .map(str::to_owned);
        match metadata.get("annotations") {
            None | Some(Value::Null) => {}
            Some(Value::Object(annotations)) => {
                for (key, value) in annotations {
                    let value = text(Some(value), ".metadata.annotations")?;
                    head.annotations.insert(key.clone(), value);
                }
            }
            Some(other) => {
                let field = ".metadata.annotations";
                return Err(YamlError::field_mismatch(
                    json_type(other),
                    field,
                    "map[string]string",
                ));
            }
        }
        Ok(head)
    }
}

/// A text field; unquoted numbers and booleans are taken as text.
fn text(value: Option<&Value>, field: &str) -> Result<String, YamlError> {
    Ok(match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) if number.is_f64() => {
            let mut text = String::new();
            write_go_float32(&mut text, number.as_f64().unwrap_or_default());
            text
        }
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => return Err(YamlError::field_mismatch(json_type(other), field, "string")),
    })
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
