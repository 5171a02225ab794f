//! [`SecretName`]: a name a vault accepts. It owns Key Vault's rule and refuses everything that
//! could leave its place in a URL, which the SDK client would let through.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a secret in a vault: 1 to 127 letters, digits and hyphens.
///
/// Names compare without regard to case, as the vault does. Source: Key Vault REST API,
/// `^[0-9a-zA-Z-]{1,127}$`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// A text that cannot name a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`{text}` cannot name a secret in a key vault")]
#[diagnostic(
    code(aka::vault::secret_name),
    help("use 1 to 127 letters, digits and hyphens; `_` and `.` are not allowed")
)]
pub struct InvalidSecretName {
    /// The text.
    pub text: String,
}

impl SecretName {
    /// Checks a text and takes it as a name.
    ///
    /// # Errors
    /// [`InvalidSecretName`] when the vault would refuse it.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidSecretName> {
        let text = text.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=127).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text))
        } else {
            Err(InvalidSecretName { text })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for SecretName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for SecretName {}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = InvalidSecretName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_vaults_rule() {
        for good in [
            "A",
            "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY",
            &"a".repeat(127),
        ] {
            assert!(SecretName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a_b",
            "a.b",
            "../keys/k",
            "a/b",
            "a b",
            "a%2e",
            &"a".repeat(128),
        ] {
            assert!(SecretName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_compare_as_the_vault_compares_them() {
        assert_eq!(
            SecretName::parse("Ab-1").unwrap(),
            SecretName::parse("aB-1").unwrap()
        );
    }
}
