//! [`ValuePath`]: the name of one of the values, from the root chart's table on.

use std::fmt;
use std::sync::Arc;

/// The way from the values of the root chart to one of them, `postgresql.auth.users[0]`.
///
/// Displays as `--set` takes it; [`ValuePath::pointer`] is the same as a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValuePath {
    pointer: Arc<str>,
    text: Arc<str>,
}

impl ValuePath {
    /// All values.
    pub fn root() -> Self {
        let (pointer, text) = ("".into(), "".into());
        Self { pointer, text }
    }

    /// The entry of this table under a key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        let mut text = self.text.to_string();
        if !text.is_empty() {
            text.push('.');
        }
        for character in key.chars() {
            if matches!(character, '.' | '[' | ']' | ',' | '=' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        Self {
            pointer: format!("{}/{escaped}", self.pointer).into(),
            text: text.into(),
        }
    }

    /// The item of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self {
            pointer: format!("{}/{index}", self.pointer).into(),
            text: format!("{}[{index}]", self.text).into(),
        }
    }

    /// Whether this is the table of all values.
    pub fn is_root(&self) -> bool {
        self.pointer.is_empty()
    }

    /// The same as a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Whether `other` is somewhere in the table or list this names.
    pub fn contains(&self, other: &Self) -> bool {
        let rest = other.pointer.strip_prefix(&*self.pointer);
        rest.is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for ValuePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::ValuePath;

    #[test]
    fn a_path_is_written_as_set_takes_it_and_as_a_pointer() {
        let path = ValuePath::root().key("a.b").key("c/d").index(2);
        assert_eq!(path.to_string(), r"a\.b.c/d[2]");
        assert_eq!(path.pointer(), "/a.b/c~1d/2");
        assert!(
            ValuePath::root()
                .key("a")
                .contains(&ValuePath::root().key("a").index(0))
        );
        assert!(
            !ValuePath::root()
                .key("a")
                .contains(&ValuePath::root().key("ab"))
        );
    }
}
