//! Typed names: what may be a namespace, a ServiceAccount, a managed identity, a federated
//! credential, and which id is which. They own validation; they refuse to look anything up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that cannot be the name it was given as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`{text}` cannot be the name of a {what}")]
#[diagnostic(code(aka::identity::name), help("{rule}"))]
pub struct NameError {
    /// What was given.
    pub text: String,
    /// Of what it cannot be the name.
    pub what: &'static str,
    /// What a name of that kind is.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$docs:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$docs])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks a text.
            ///
            /// # Errors
            /// [`NameError`] with the rule, when the text cannot be one.
            pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) {
                    Ok(Self(text))
                } else {
                    Err(NameError { text, what: $what, rule: $rule })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name!(
    /// A namespace: a DNS label (RFC 1123).
    NamespaceName,
    "namespace",
    "1 to 63 of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit",
    |text| text.len() <= 63 && is_label(text)
);
name!(
    /// A ServiceAccount: a DNS subdomain (RFC 1123).
    ServiceAccountName,
    "ServiceAccount",
    "1 to 253 of `a-z`, `0-9`, `-` and `.`; each part between dots begins and ends with a letter or digit",
    |text| text.len() <= 253 && text.split('.').all(is_label)
);
name!(
    /// A user-assigned managed identity.
    ///
    /// Source: Azure resource name rules, `Microsoft.ManagedIdentity/userAssignedIdentities`.
    IdentityName,
    "managed identity",
    "3 to 128 of letters, digits, `-` and `_`, beginning with a letter or digit",
    |text| is_azure_name(text, 3, 128)
);
name!(
    /// A federated credential of a managed identity.
    ///
    /// Source: Microsoft Entra, workload identity federation considerations.
    CredentialName,
    "federated credential",
    "3 to 120 of letters, digits, `-` and `_`, beginning with a letter or digit",
    |text| is_azure_name(text, 3, 120)
);
name!(
    /// The id by which an identity logs in (`clientId`, "application id"): what a ServiceAccount's
    /// annotation and a token exchange want.
    ClientId,
    "client id",
    "a UUID such as `11111111-2222-3333-4444-555555555555`",
    is_uuid
);
name!(
    /// The id by which an identity is granted rights (`principalId`, "object id"): what role
    /// assignments and access policies want.
    PrincipalId,
    "principal id",
    "a UUID such as `11111111-2222-3333-4444-555555555555`",
    is_uuid
);
name!(
    /// A tenant of Entra ID.
    TenantId,
    "tenant",
    "a UUID such as `11111111-2222-3333-4444-555555555555`",
    is_uuid
);

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| inner(*byte));
    let bytes = text.as_bytes();
    ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| inner(*byte) || *byte == b'-')
}

fn is_azure_name(text: &str, least: usize, most: usize) -> bool {
    let bytes = text.as_bytes();
    (least..=most).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// What a ServiceAccount's tokens say about whose they are:
/// `system:serviceaccount:airflow:airflow`.
pub fn subject_of(namespace: &NamespaceName, service_account: &ServiceAccountName) -> String {
    format!("system:serviceaccount:{namespace}:{service_account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_their_kind() {
        let long = "a".repeat(64);
        for (text, namespace, account, credential) in [
            ("airflow", true, true, true),
            ("a.b", false, true, false),
            ("Airflow", false, false, true),
            ("-a-", false, false, false),
            ("a..b", false, false, false),
            ("external_secret", false, false, true),
            ("ab", true, true, false),
            ("", false, false, false),
            (long.as_str(), false, true, true),
        ] {
            assert_eq!(NamespaceName::parse(text).is_ok(), namespace, "{text}");
            assert_eq!(ServiceAccountName::parse(text).is_ok(), account, "{text}");
            assert_eq!(CredentialName::parse(text).is_ok(), credential, "{text}");
        }
        assert!(ClientId::parse("11111111-2222-3333-4444-555555555555").is_ok());
        assert!(ClientId::parse("airflow-identity").is_err());
    }

    #[test]
    fn a_documents_name_is_checked_while_it_is_read() {
        let error = serde_json::from_str::<NamespaceName>("\"Air_flow\"").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("cannot be the name of a namespace")
        );
    }
}
