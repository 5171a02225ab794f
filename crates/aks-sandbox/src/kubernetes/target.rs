//! [`Target`] and [`Params`]: what a request's path and query ask for. They own the URL scheme of
//! the API; they refuse to look anything up.

use std::collections::BTreeMap;

/// A resource path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Target {
    /// Reads a path below `/api/v1` or `/apis/GROUP/VERSION`; `None` if it is no resource's.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let decoded: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(decode)
            .collect();
        let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, below @ ..]
                if !(group.is_empty()
                    && matches!(*plural, "status" | "finalize")
                    && below.is_empty()) =>
            {
                (Some((*namespace).to_owned()), &rest[2..])
            }
            rest => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (plural, None, None),
            [plural, name] => (plural, Some(name), None),
            [plural, name, subresource] => (plural, Some(name), Some(subresource)),
            _ => return None,
        };
        Some(Self {
            group: group.into(),
            version: version.into(),
            plural: (*plural).into(),
            namespace,
            name: name.map(|name| (*name).to_owned()),
            subresource: subresource.map(|name| (*name).to_owned()),
        })
    }
}

pub(super) fn decode(segment: &str) -> String {
    // `+` is a plus in a path, unlike in a form.
    let escaped = segment.replace('+', "%2B");
    url::form_urlencoded::parse(format!("x={escaped}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// The query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a query; empty parts (`?&a=b`) are tolerated, as kube writes them.
    pub(crate) fn parse(query: &str) -> Self {
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .filter(|(key, _)| !key.is_empty())
                .collect(),
        )
    }

    /// A parameter that is there and not empty.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether a parameter is `true` or `1`.
    pub(crate) fn is(&self, key: &str) -> bool {
        self.0
            .get(key)
            .is_some_and(|value| matches!(value.as_str(), "true" | "1" | "True"))
    }

    /// A numeric parameter.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        path: &str,
        plural: &str,
        namespace: Option<&str>,
        name: Option<&str>,
        subresource: Option<&str>,
    ) {
        let target = Target::parse(path).unwrap();
        assert_eq!(
            (
                target.plural.as_str(),
                target.namespace.as_deref(),
                target.name.as_deref(),
                target.subresource.as_deref()
            ),
            (plural, namespace, name, subresource),
            "{path}"
        );
    }

    #[test]
    fn paths_name_resources_objects_and_subresources() {
        check("/api/v1/pods", "pods", None, None, None);
        check("/api/v1/namespaces", "namespaces", None, None, None);
        check("/api/v1/namespaces/a", "namespaces", None, Some("a"), None);
        check(
            "/api/v1/namespaces/a/finalize",
            "namespaces",
            None,
            Some("a"),
            Some("finalize"),
        );
        check("/api/v1/namespaces/a/pods", "pods", Some("a"), None, None);
        check(
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            "deployments",
            Some("a"),
            Some("d"),
            Some("scale"),
        );
        check(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Aadmin",
            "clusterroles",
            None,
            Some("system:admin"),
            None,
        );
        assert_eq!(Target::parse("/apis/apps/v1"), None);
    }
}
