//! [`Output`]: the text written so far. A `String` as long as everything in it is UTF-8, so that no
//! byte is checked twice; plain bytes from the first one that is not.

use std::borrow::Cow;

use crate::value::Text;

#[derive(Default)]
pub(super) struct Output {
    text: String,
    /// In use instead of `text` once something was written that is not UTF-8.
    bytes: Option<Vec<u8>>,
}

impl Output {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.as_ref().map_or(self.text.len(), Vec::len)
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(self.text.as_bytes())
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.bytes = None;
    }

    #[inline]
    pub(super) fn push_str(&mut self, text: &str) {
        match &mut self.bytes {
            None => self.text.push_str(text),
            Some(bytes) => bytes.extend_from_slice(text.as_bytes()),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, text: &Text) {
        if let Some(text) = text.as_str() {
            return self.push_str(text);
        }
        let written = std::mem::take(&mut self.text);
        self.bytes
            .get_or_insert_with(|| written.into_bytes())
            .extend_from_slice(text.as_bytes());
    }

    /// What was written since the output was this long, as far as it is UTF-8.
    pub(super) fn lossy_from(&self, start: usize) -> Cow<'_, str> {
        match &self.bytes {
            None => self.text.get(start..).unwrap_or_default().into(),
            Some(bytes) => String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()),
        }
    }

    /// Removes and returns what was written since the output was this long.
    pub(super) fn take_from(&mut self, start: usize) -> Text {
        if let Some(bytes) = &mut self.bytes {
            let text = Text::from(bytes.get(start..).unwrap_or_default());
            bytes.truncate(start);
            return text;
        }
        let text = Text::from(self.text.get(start..).unwrap_or_default());
        self.text.truncate(start.min(self.text.len()));
        text
    }
}
