//! [`Target`]: what a Resource Manager URL names. It owns the shapes of paths and the kinds that
//! exist; it refuses all others with Resource Manager's own words.

use super::Reply;

/// The kinds of resource this world has.
const KINDS: &[&str] = &[
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
    "Microsoft.KeyVault/vaults",
    "Microsoft.KeyVault/vaults/accessPolicies",
    "Microsoft.KeyVault/vaults/secrets",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Storage/storageAccounts/managementPolicies",
    "Microsoft.ContainerRegistry/registries",
    "Microsoft.ContainerService/managedClusters",
];

/// A resource by its full id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// The whole id, as it was written.
    pub(super) id: String,
    /// The resource group's id.
    pub(super) group: String,
    /// The parent's id, for a child resource.
    pub(super) parent: Option<String>,
    /// `Microsoft.KeyVault/vaults`, in the provider's own spelling.
    pub(super) kind: String,
    /// The last segment.
    pub(super) name: String,
}

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Subscriptions,
    Subscription(String),
    /// Everything in it.
    Inventory(String),
    Provider(String, String),
    Operation(String, String),
    Groups(String),
    Group(String),
    Resource(Named),
    /// A child collection or an action: `kind` ends with its name.
    Collection {
        parent: String,
        kind: String,
    },
    Roles {
        scope: String,
        kind: String,
        name: Option<String>,
    },
}

impl Target {
    /// Reads the decoded segments of a path.
    pub(super) fn parse(segments: &[String]) -> Result<Self, Reply> {
        let lower: Vec<String> = segments
            .iter()
            .map(|text| text.to_ascii_lowercase())
            .collect();
        let is = |at: usize, text: &str| lower.get(at).is_some_and(|segment| segment == text);
        let authorization = (0..lower.len())
            .rev()
            .find(|at| is(*at, "providers") && is(*at + 1, "microsoft.authorization"));
        if let Some(at) = authorization {
            return Self::roles(segments, at);
        }
        if !is(0, "subscriptions") {
            return Err(malformed());
        }
        let Some(subscription) = segments.get(1) else {
            return Ok(Self::Subscriptions);
        };
        let base = format!("/subscriptions/{subscription}");
        match segments.len() {
            2 => Ok(Self::Subscription(subscription.clone())),
            3 if is(2, "resources") => Ok(Self::Inventory(subscription.clone())),
            3 if is(2, "resourcegroups") => Ok(Self::Groups(subscription.clone())),
            4 if is(2, "resourcegroups") => Ok(Self::Group(group_id(subscription, &segments[3]))),
            4 if is(2, "providers") => {
                Ok(Self::Provider(subscription.clone(), segments[3].clone()))
            }
            8 if is(2, "providers") && is(4, "locations") && is(6, "operations") => {
                Ok(Self::Operation(subscription.clone(), segments[7].clone()))
            }
            5 if is(2, "providers") => Ok(Self::Collection {
                parent: base,
                kind: spelled(&format!("{}/{}", segments[3], segments[4])),
            }),
            length if length >= 7 && is(2, "resourcegroups") && is(4, "providers") => {
                Self::resource(subscription, segments)
            }
            _ => Err(malformed()),
        }
    }

    fn resource(subscription: &str, segments: &[String]) -> Result<Self, Reply> {
        let group = group_id(subscription, &segments[3]);
        let (namespace, rest) = (&segments[5], &segments[6..]);
        let mut kind = namespace.clone();
        let mut id = format!("{group}/providers/{namespace}");
        let mut parent = None;
        for pair in rest.chunks(2) {
            kind = format!("{kind}/{}", pair[0]);
            let Some(name) = pair.get(1) else {
                let is_nested = rest.len() > 1;
                let parent = if is_nested { id } else { group };
                return Ok(Self::Collection {
                    parent,
                    kind: spelled(&kind),
                });
            };
            if rest.len() > 2 && id.matches('/').count() > 6 {
                parent = Some(id.clone());
            }
            id = format!("{id}/{}/{name}", pair[0]);
        }
        if !KINDS.iter().any(|known| known.eq_ignore_ascii_case(&kind)) {
            return Err(unknown_kind(&kind));
        }
        Ok(Self::Resource(Named {
            name: id.rsplit('/').next().unwrap_or_default().to_owned(),
            id,
            group,
            parent,
            kind: spelled(&kind),
        }))
    }

    fn roles(segments: &[String], at: usize) -> Result<Self, Reply> {
        let scope = format!("/{}", segments[..at].join("/"));
        match &segments[at + 2..] {
            [kind] => Ok(Self::Roles {
                scope,
                kind: kind.to_ascii_lowercase(),
                name: None,
            }),
            [kind, name] => Ok(Self::Roles {
                scope,
                kind: kind.to_ascii_lowercase(),
                name: Some(name.clone()),
            }),
            _ => Err(malformed()),
        }
    }

    /// The subscription a target lies in.
    pub(super) fn subscription(&self) -> Option<&str> {
        let id = match self {
            Self::Subscriptions => return None,
            Self::Subscription(subscription)
            | Self::Provider(subscription, _)
            | Self::Operation(subscription, _)
            | Self::Groups(subscription)
            | Self::Inventory(subscription) => return Some(subscription),
            Self::Group(id) => id,
            Self::Resource(named) => &named.id,
            Self::Collection { parent, .. } => parent,
            Self::Roles { scope, .. } => scope,
        };
        id.split('/').nth(2)
    }
}

fn group_id(subscription: &str, group: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{group}")
}

/// A kind in the provider's own spelling, where it is known.
fn spelled(kind: &str) -> String {
    KINDS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(kind))
        .map_or_else(|| kind.to_owned(), |known| (*known).to_owned())
}

/// Resource Manager's answer to a kind that does not exist.
pub(super) fn unknown_kind(kind: &str) -> Reply {
    let (namespace, resource) = kind.split_once('/').unwrap_or((kind, ""));
    Reply::refusal(
        404,
        "InvalidResourceType",
        format!(
            "The resource type '{resource}' could not be found in the namespace '{namespace}'."
        ),
    )
}

fn malformed() -> Reply {
    Reply::refusal(400, "InvalidRequestUri", "The provided URI is not valid.")
}

/// Whether a text has the form of an API version.
pub(super) fn is_api_version(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    date.len() == 10
        && date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Target {
        let segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        Target::parse(&segments).unwrap_or_else(|reply| panic!("{path}: {}", reply.status()))
    }

    #[test]
    fn paths_are_told_apart() {
        let group = "/subscriptions/s/resourcegroups/g";
        assert_eq!(parse("/subscriptions/s"), Target::Subscription("s".into()));
        assert_eq!(
            parse(group),
            Target::Group("/subscriptions/s/resourceGroups/g".into())
        );
        let vault = format!("{group}/providers/microsoft.keyvault/vaults/kv");
        let Target::Resource(named) = parse(&vault) else {
            panic!("no resource");
        };
        assert_eq!(
            (named.kind.as_str(), named.parent),
            ("Microsoft.KeyVault/vaults", None)
        );
        let fic = format!(
            "{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i/\
             federatedIdentityCredentials"
        );
        let Target::Collection { parent, kind } = parse(&fic) else {
            panic!("no collection");
        };
        assert!(parent.ends_with("/userAssignedIdentities/i"), "{parent}");
        assert!(kind.ends_with("/federatedIdentityCredentials"), "{kind}");
        let Target::Resource(named) = parse(&format!("{fic}/f")) else {
            panic!("no resource");
        };
        assert!(named.parent.unwrap().ends_with("/userAssignedIdentities/i"));
        let roles = format!("{vault}/providers/Microsoft.Authorization/roleAssignments");
        assert!(matches!(parse(&roles), Target::Roles { name: None, .. }));
        let vaults = format!("{group}/providers/Microsoft.KeyVault/vaults");
        let Target::Collection { parent, .. } = parse(&vaults) else {
            panic!("no collection");
        };
        assert_eq!(parent, "/subscriptions/s/resourceGroups/g");
    }

    #[test]
    fn api_versions_have_their_form() {
        assert!(is_api_version("2024-11-30") && is_api_version("2025-05-31-preview"));
        assert!(!is_api_version("latest") && !is_api_version("2024-11-3x"));
    }
}
