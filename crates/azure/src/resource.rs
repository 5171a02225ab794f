//! [`ResourceId`] and [`ApiVersion`]: how Azure names a resource and a contract. They own parsing
//! and building; they refuse identifiers that could leave their place in a URL.

use std::fmt;
use std::str::FromStr;

/// An ARM API version such as `2024-11-30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiVersion(pub &'static str);

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The full identifier of a resource, a resource group or a subscription, as
/// `/subscriptions/…/resourceGroups/…/providers/Microsoft.KeyVault/vaults/…`.
///
/// Identifiers compare without regard to ASCII case, as ARM does.
#[derive(Debug, Clone)]
pub struct ResourceId(String);

/// An identifier that cannot be one.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{text}` is not a resource id: {reason}")]
#[diagnostic(
    code(aka::azure::resource_id),
    help("copy it from `Properties → Resource ID` in the portal")
)]
pub struct ResourceIdError {
    /// What was given.
    pub text: String,
    /// Why it cannot be one.
    pub reason: &'static str,
}

impl ResourceId {
    /// The root scope `/`, parent of `/subscriptions` and of tenant-level collections.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// `/subscriptions/{subscription}`.
    ///
    /// # Errors
    /// When the text cannot be one path segment.
    pub fn subscription(subscription: &str) -> Result<Self, ResourceIdError> {
        Self::root().child("subscriptions", subscription)
    }

    /// `/subscriptions/{subscription}/resourceGroups/{group}`.
    ///
    /// # Errors
    /// When a text cannot be one path segment.
    pub fn resource_group(subscription: &str, group: &str) -> Result<Self, ResourceIdError> {
        Self::subscription(subscription)?.child("resourceGroups", group)
    }

    /// A resource in this group: `…/providers/{provider}/{kind}/{name}`, for instance
    /// `provider("Microsoft.KeyVault", "vaults", "kv")`.
    ///
    /// # Errors
    /// When a text cannot be one path segment.
    pub fn provider(
        &self,
        provider: &str,
        kind: &str,
        name: &str,
    ) -> Result<Self, ResourceIdError> {
        self.child("providers", provider)?.child(kind, name)
    }

    /// A child resource: `…/{kind}/{name}`.
    ///
    /// # Errors
    /// When a text cannot be one path segment.
    pub fn child(&self, kind: &str, name: &str) -> Result<Self, ResourceIdError> {
        for segment in [kind, name] {
            check(segment)?;
        }
        Ok(Self(format!("{}/{kind}/{name}", self.0)))
    }

    /// The last segment: the resource's own name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The segment after `key` (ASCII case ignored): `segment("resourceGroups")`.
    pub fn segment(&self, key: &str) -> Option<&str> {
        let mut segments = self.0.split('/').skip(1);
        while let (Some(name), Some(value)) = (segments.next(), segments.next()) {
            if name.eq_ignore_ascii_case(key) {
                return Some(value);
            }
        }
        None
    }

    /// The identifier as a URL path, beginning with `/`; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Refuses what could change the meaning of a URL.
fn check(segment: &str) -> Result<(), ResourceIdError> {
    let reason = if segment.is_empty() {
        "a segment is empty"
    } else if segment == "." || segment == ".." {
        "a segment is a relative path"
    } else if segment.contains(['/', '\\', '?', '#', '%']) || segment.chars().any(char::is_control)
    {
        "a segment has a character that a URL would read differently"
    } else {
        return Ok(());
    };
    Err(ResourceIdError {
        text: segment.to_owned(),
        reason,
    })
}

impl FromStr for ResourceId {
    type Err = ResourceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| ResourceIdError {
            text: text.to_owned(),
            reason,
        };
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| refuse("it does not begin with `/`"))?;
        let segments: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        if !segments.len().is_multiple_of(2) {
            return Err(refuse("kinds and names do not pair up"));
        }
        if !segments[0].eq_ignore_ascii_case("subscriptions")
            && !segments[0].eq_ignore_ascii_case("providers")
        {
            return Err(refuse(
                "it begins neither with `/subscriptions` nor with `/providers`",
            ));
        }
        for segment in &segments {
            check(segment).map_err(|error| refuse(error.reason))?;
        }
        Ok(Self(format!("/{}", segments.join("/"))))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_built_parsed_and_compared_without_case() {
        let built = ResourceId::resource_group("sub", "rg")
            .and_then(|group| group.provider("Microsoft.KeyVault", "vaults", "kv"))
            .unwrap();
        let parsed: ResourceId =
            "/subscriptions/sub/resourcegroups/RG/providers/Microsoft.KeyVault/vaults/kv"
                .parse()
                .unwrap();
        assert_eq!(built, parsed);
        assert_eq!(
            (parsed.name(), parsed.segment("resourceGroups")),
            ("kv", Some("RG"))
        );
    }

    #[test]
    fn segments_that_leave_their_place_are_refused() {
        for bad in ["..", "a/b", "a?b", "a#b", "%2e", "", "a\nb"] {
            assert!(ResourceId::subscription(bad).is_err(), "{bad:?}");
        }
        assert!(
            "/subscriptions/a/resourceGroups"
                .parse::<ResourceId>()
                .is_err()
        );
    }
}
