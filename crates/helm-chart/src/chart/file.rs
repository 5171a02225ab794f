//! One file of a chart.

use std::borrow::Cow;
use std::sync::Arc;

use crate::yaml::YamlError;

/// A file of a chart: path from the chart's root, with `/`, and content without byte-order mark.
/// Cheap to clone: the content is shared.
#[derive(Clone, PartialEq, Eq)]
pub struct ChartFile {
    /// Path from the chart's root.
    pub name: String,
    content: Content,
}

#[derive(Clone, PartialEq, Eq)]
enum Content {
    Text(Arc<str>),
    /// Only for bytes that are no UTF-8.
    Bytes(Arc<[u8]>),
}

impl ChartFile {
    /// A file from a path and its content, of which a byte-order mark is dropped.
    pub fn new(name: impl Into<String>, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        let data = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
        Self {
            name: name.into(),
            content: match std::str::from_utf8(data) {
                Ok(text) => Content::Text(text.into()),
                Err(_) => Content::Bytes(data.into()),
            },
        }
    }

    /// The same content under another name.
    pub(crate) fn renamed(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            content: self.content,
        }
    }

    /// The content.
    pub fn data(&self) -> &[u8] {
        match &self.content {
            Content::Text(text) => text.as_bytes(),
            Content::Bytes(bytes) => bytes,
        }
    }

    /// The content, without copying it.
    pub(crate) fn shared_data(&self) -> Arc<[u8]> {
        match &self.content {
            Content::Text(text) => Arc::clone(text).into(),
            Content::Bytes(bytes) => Arc::clone(bytes),
        }
    }

    /// The content as text; bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.content {
            Content::Text(text) => Cow::Borrowed(text),
            Content::Bytes(bytes) => String::from_utf8_lossy(bytes),
        }
    }

    /// The content as a reader of YAML takes it.
    ///
    /// # Errors
    /// For bytes that are no text.
    pub(crate) fn yaml_text(&self) -> Result<Cow<'_, str>, YamlError> {
        match &self.content {
            Content::Text(text) => Ok(Cow::Borrowed(text)),
            Content::Bytes(bytes) => crate::yaml::text_of(bytes),
        }
    }

    /// The content as [`ChartFile::text`] gives it, without copying it where it is text.
    pub(crate) fn shared_text(&self) -> Arc<str> {
        match &self.content {
            Content::Text(text) => Arc::clone(text),
            Content::Bytes(_) => self.text().into(),
        }
    }

    /// The last part of the path.
    pub fn base_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Whether the file is a manifest under `crds/`.
    pub fn is_crd(&self) -> bool {
        let extension = self
            .base_name()
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension);
        self.name.starts_with("crds/")
            && ["yaml", "yml", "json"]
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
    }
}

impl std::fmt::Debug for ChartFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.data().len())
    }
}
