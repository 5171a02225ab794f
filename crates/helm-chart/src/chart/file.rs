//! One file of a chart.

use std::borrow::Cow;

/// A file of a chart: path from the chart's root, with `/`, and content without byte-order mark.
#[derive(Clone, PartialEq, Eq)]
pub struct ChartFile {
    /// Path from the chart's root.
    pub name: String,
    /// Content.
    pub data: Vec<u8>,
}

impl ChartFile {
    /// A file from a path and its content, of which a byte-order mark is dropped.
    pub fn new(name: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        let mut data = data.into();
        if data.starts_with(b"\xEF\xBB\xBF") {
            data.drain(..3);
        }
        Self {
            name: name.into(),
            data,
        }
    }

    /// The content as text; bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        // Checking alone is several times faster than looking for what to replace.
        match std::str::from_utf8(&self.data) {
            Ok(text) => text.into(),
            Err(_) => String::from_utf8_lossy(&self.data),
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
        write!(f, "{} ({} bytes)", self.name, self.data.len())
    }
}
