//! [`ContainerName`]: the name of a blob container. It owns the rules; it refuses what the service
//! would refuse, before it reaches a URL.

use std::fmt;
use std::str::FromStr;

/// The name of a blob container.
///
/// Source: Azure Storage, "Naming and referencing containers, blobs, and metadata".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContainerName(String);

/// A text that cannot be a container's name.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{0}` cannot be the name of a container")]
#[diagnostic(
    code(aka::storage::container_name),
    help("3 to 63 lower-case letters, digits and single hyphens; a letter or digit at both ends")
)]
pub struct InvalidContainerName(pub String);

impl ContainerName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ContainerName {
    /// The guide's: `airflow-logs`.
    fn default() -> Self {
        Self("airflow-logs".into())
    }
}

impl FromStr for ContainerName {
    type Err = InvalidContainerName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let good = (3..=63).contains(&text.len())
            && text.bytes().all(|byte| plain(byte) || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--");
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidContainerName(text.to_owned()))
        }
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_service() {
        for good in ["airflow-logs", "abc", "0-9", &"a".repeat(63)] {
            assert!(good.parse::<ContainerName>().is_ok(), "{good}");
        }
        for bad in [
            "ab",
            "-ab",
            "ab-",
            "a--b",
            "Airflow",
            "a/b",
            "a_b",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<ContainerName>().is_err(), "{bad}");
        }
    }
}
