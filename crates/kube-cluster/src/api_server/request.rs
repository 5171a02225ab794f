//! From a question to an HTTP request: paths, parameters, content types, and the class a request
//! is counted under. Pure; it refuses to send.

use converge::RequestClass;
use http::{Method, Uri};
use serde::Serialize;

use crate::{Query, Resource};

/// What a request needs besides its client. It can be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content_type: Option<&'static str>,
    pub(super) accept: &'static str,
    pub(super) body: Vec<u8>,
    /// Whether repeating it can do no harm.
    pub(super) repeatable: bool,
}

impl Ask {
    pub(super) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            content_type: None,
            accept: "application/json",
            body: Vec::new(),
            repeatable: true,
        }
    }

    pub(super) fn with_body(
        method: Method,
        path: String,
        content_type: &'static str,
        body: &impl Serialize,
    ) -> Self {
        Self {
            method,
            path,
            content_type: Some(content_type),
            accept: "application/json",
            // JSON whose keys are texts can always be written.
            body: serde_json::to_vec(body).unwrap_or_default(),
            repeatable: false,
        }
    }

    pub(super) fn repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }
}

/// `/api/v1` or `/apis/apps/v1`.
pub(super) fn group_version_path(api_version: &str) -> String {
    if api_version.contains('/') {
        let (group, version) = api_version.split_once('/').unwrap_or_default();
        format!("/apis/{}/{}", segment(group), segment(version))
    } else {
        format!("/api/{}", segment(api_version))
    }
}

/// The path of a kind's collection, in one namespace or in all.
pub(super) fn collection_path(resource: &Resource, namespace: Option<&str>) -> String {
    let base = group_version_path(&resource.kind.api_version);
    match namespace.filter(|_| resource.namespaced) {
        Some(namespace) => format!(
            "{base}/namespaces/{}/{}",
            segment(namespace),
            resource.plural
        ),
        None => format!("{base}/{}", resource.plural),
    }
}

/// The path of one object.
pub(super) fn object_path(resource: &Resource, namespace: Option<&str>, name: &str) -> String {
    format!("{}/{}", collection_path(resource, namespace), segment(name))
}

/// The parameters of a list or watch.
pub(super) fn query_parameters(query: &Query) -> Parameters {
    let mut parameters = Parameters::default();
    if let Some(labels) = &query.labels {
        parameters.add("labelSelector", labels);
    }
    if let Some(fields) = &query.fields {
        parameters.add("fieldSelector", fields);
    }
    parameters
}

/// Query parameters in the order they were added.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters(String);

impl Parameters {
    pub(super) fn add(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(key);
        self.0.push('=');
        self.0.push_str(&segment(value));
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.add(key, value);
        self
    }

    /// Those of every write.
    pub(super) fn write(manager: &str, dry_run: bool) -> Self {
        let parameters = Self::default().with("fieldManager", manager);
        if dry_run {
            parameters.with("dryRun", "All")
        } else {
            parameters
        }
    }

    pub(super) fn on(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(byte as char);
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The class a request is counted under: what it does to the world, not its verb.
pub(super) fn class(method: &Method, uri: &Uri) -> RequestClass {
    if *method == Method::GET || *method == Method::HEAD {
        return RequestClass::Read;
    }
    let path = uri.path();
    let asks = path.ends_with("/selfsubjectaccessreviews")
        || (path.contains("/serviceaccounts/") && path.ends_with("/token"))
        || path.ends_with("/portforward");
    let dry = uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "dryRun=All"));
    if asks || dry {
        RequestClass::Probe
    } else {
        RequestClass::Write
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn resource(api_version: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
        Resource {
            kind: Kind::new(api_version, kind),
            plural: plural.into(),
            namespaced,
            verbs: Vec::new(),
        }
    }

    #[test]
    fn paths_follow_group_scope_and_name() {
        let deployment = resource("apps/v1", "Deployment", "deployments", true);
        assert_eq!(
            object_path(&deployment, Some("airflow"), "web"),
            "/apis/apps/v1/namespaces/airflow/deployments/web"
        );
        assert_eq!(
            collection_path(&deployment, None),
            "/apis/apps/v1/deployments"
        );
        let namespace = resource("v1", "Namespace", "namespaces", false);
        assert_eq!(
            object_path(&namespace, Some("ignored"), "a/b"),
            "/api/v1/namespaces/a%2Fb"
        );
    }

    #[test]
    fn a_request_is_counted_by_what_it_does() {
        let class = |method: Method, uri: &'static str| class(&method, &Uri::from_static(uri));
        assert_eq!(
            class(Method::GET, "/api/v1/pods?watch=1"),
            RequestClass::Read
        );
        assert_eq!(
            class(Method::POST, "/api/v1/namespaces/a/pods"),
            RequestClass::Write
        );
        for (method, uri) in [
            (
                Method::PATCH,
                "/api/v1/namespaces/a?fieldManager=m&dryRun=All",
            ),
            (Method::POST, "/api/v1/namespaces/a/serviceaccounts/s/token"),
            (
                Method::POST,
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            ),
        ] {
            assert_eq!(class(method, uri), RequestClass::Probe, "{uri}");
        }
    }

    #[test]
    fn parameters_are_encoded() {
        let parameters = Parameters::default()
            .with("labelSelector", "owner=helm,name in (a,b)")
            .with("watch", "1");
        assert_eq!(
            parameters.on("/x"),
            "/x?labelSelector=owner%3Dhelm%2Cname%20in%20%28a%2Cb%29&watch=1"
        );
    }
}
