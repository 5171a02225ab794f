//! [`Secret`]: text that cannot be printed, formatted or serialised. It owns the redaction and
//! refuses `Display`, a telling `Debug` and `Serialize`.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A text that must not leak: a key, a password, a token.
///
/// There is deliberately no `Display`, no `Serialize` and no `PartialEq` by operator; the only way
/// to the text is [`expose`](Self::expose), which is easy to find in a review.
///
/// ```
/// let key = converge::Secret::new("s3cr3t");
/// assert_eq!(format!("{key:?}"), "Secret(…)");
/// assert_eq!(key.expose(), "s3cr3t");
/// ```
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. The caller takes over the duty not to print or store it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty, which is always a mistake for a secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares two secrets without stopping at the first difference.
    pub fn same_as(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Best effort without `unsafe`: overwrite through the safe API before the buffer is freed.
        let length = self.0.len();
        self.0.clear();
        self.0.extend(std::iter::repeat_n('\0', length));
        std::hint::black_box(&self.0);
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_text_nor_length() {
        assert_eq!(
            format!("{:?}", Secret::new("a")),
            format!("{:?}", Secret::new("abcdef"))
        );
    }

    #[test]
    fn comparison_is_by_content() {
        assert!(Secret::new("abc").same_as(&Secret::new("abc")));
        assert!(!Secret::new("abc").same_as(&Secret::new("abd")));
        assert!(!Secret::new("abc").same_as(&Secret::new("ab")));
    }
}
