//! What the server says about itself: versions, groups, resources (both forms), a minimal OpenAPI
//! v3 so that kubectl finds server-side validation and dry-run.

use serde_json::{Value, json};

use super::resource::{Resource, priority};
use crate::world::Store;

const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// Answers a discovery path; `None` if it is none. `accept` decides on the aggregated form.
pub(crate) fn answer(store: &Store, version: &str, path: &str, accept: &str) -> Option<Value> {
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let aggregated = accept.contains("as=APIGroupDiscoveryList");
    match segments.as_slice() {
        ["version"] => Some(version_info(version)),
        ["api"] if aggregated => Some(aggregated_groups(store, true)),
        ["apis"] if aggregated => Some(aggregated_groups(store, false)),
        ["api"] => Some(
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ),
        ["apis"] => {
            let groups: Vec<Value> = groups(store)
                .iter()
                .filter(|group| !group.is_empty())
                .map(|group| group_document(store, group, false))
                .collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", group] if groups(store).iter().any(|known| known == group) => {
            Some(group_document(store, group, true))
        }
        ["api", version] => resource_list(store, "", version),
        ["apis", group, version] => resource_list(store, group, version),
        ["openapi", "v3"] => Some(open_api_index(store)),
        ["openapi", "v3", rest @ ..] => open_api(store, rest),
        _ => None,
    }
}

fn version_info(version: &str) -> Value {
    let mut numbers = version.trim_start_matches('v').split('.');
    json!({
        "major": numbers.next().unwrap_or("1"),
        "minor": numbers.next().unwrap_or("33"),
        "gitVersion": version,
        "gitCommit": "sandbox",
        "gitTreeState": "clean",
        "buildDate": "2025-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": "sandbox",
    })
}

/// The groups, the core group first.
fn groups(store: &Store) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for resource in Resource::all(store) {
        if !groups.contains(&resource.group) {
            groups.push(resource.group);
        }
    }
    for virtual_group in ["authentication.k8s.io", "authorization.k8s.io"] {
        groups.push(virtual_group.into());
    }
    groups
}

fn versions(store: &Store, group: &str) -> Vec<String> {
    if matches!(group, "authentication.k8s.io" | "authorization.k8s.io") {
        return vec!["v1".into()];
    }
    let mut versions: Vec<String> = Vec::new();
    for resource in Resource::all(store) {
        if resource.group == group && !versions.contains(&resource.version) {
            versions.push(resource.version);
        }
    }
    versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
    versions
}

fn group_document(store: &Store, group: &str, whole: bool) -> Value {
    let versions: Vec<Value> = versions(store, group)
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    let mut document =
        json!({"name": group, "versions": versions, "preferredVersion": versions[0]});
    if whole {
        document["kind"] = "APIGroup".into();
        document["apiVersion"] = "v1".into();
    }
    document
}

/// Reviews: resources that can only be created.
fn reviews(group: &str) -> &'static [(&'static str, &'static str)] {
    match group {
        "authorization.k8s.io" => &[
            ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
            ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
        ],
        "authentication.k8s.io" => &[("selfsubjectreviews", "SelfSubjectReview")],
        _ => &[],
    }
}

fn subresource_kind(name: &str, resource: &Resource) -> (String, String, String) {
    match name {
        "scale" => ("autoscaling".into(), "v1".into(), "Scale".into()),
        "token" => (
            "authentication.k8s.io".into(),
            "v1".into(),
            "TokenRequest".into(),
        ),
        "eviction" => ("policy".into(), "v1".into(), "Eviction".into()),
        "portforward" => (String::new(), "v1".into(), "PodPortForwardOptions".into()),
        _ => (
            resource.group.clone(),
            resource.version.clone(),
            resource.kind.clone(),
        ),
    }
}

fn subresource_verbs(name: &str) -> Vec<&'static str> {
    match name {
        "token" | "eviction" => vec!["create"],
        "log" => vec!["get"],
        "portforward" => vec!["create", "get"],
        "finalize" => vec!["update"],
        _ => vec!["get", "patch", "update"],
    }
}

fn resource_list(store: &Store, group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for resource in Resource::all(store)
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
    {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": VERBS,
            "storageVersionHash": "",
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        resources.push(entry);
        for name in &resource.subresources {
            let (sub_group, sub_version, kind) = subresource_kind(name, resource);
            let mut entry = json!({
                "name": format!("{}/{name}", resource.plural),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": kind,
                "verbs": subresource_verbs(name),
            });
            if sub_group != resource.group {
                entry["group"] = sub_group.into();
                entry["version"] = sub_version.into();
            }
            resources.push(entry);
        }
    }
    if version == "v1" {
        for (plural, kind) in reviews(group) {
            resources.push(json!({"name": plural, "singularName": kind.to_ascii_lowercase(), "namespaced": false, "kind": kind, "verbs": ["create"]}));
        }
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    (!resources.is_empty()).then(|| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}

fn aggregated_groups(store: &Store, core: bool) -> Value {
    let items: Vec<Value> = groups(store)
        .iter()
        .filter(|group| group.is_empty() == core)
        .map(|group| {
            let versions: Vec<Value> = versions(store, group)
                .iter()
                .map(|version| json!({"version": version, "resources": aggregated_resources(store, group, version), "freshness": "Current"}))
                .collect();
            let mut metadata = json!({"creationTimestamp": null});
            if !group.is_empty() {
                metadata["name"] = group.as_str().into();
            }
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resources(store: &Store, group: &str, version: &str) -> Vec<Value> {
    let kind_of = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut listed: Vec<Value> = Resource::all(store)
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
        .map(|resource| {
            let mut entry = json!({
                "resource": resource.plural,
                "responseKind": kind_of(group, version, &resource.kind),
                "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
                "singularResource": resource.singular,
                "verbs": VERBS,
            });
            if !resource.short_names.is_empty() {
                entry["shortNames"] = json!(resource.short_names);
            }
            if !resource.categories.is_empty() {
                entry["categories"] = json!(resource.categories);
            }
            if !resource.subresources.is_empty() {
                entry["subresources"] = resource
                    .subresources
                    .iter()
                    .map(|name| {
                        let (group, version, kind) = subresource_kind(name, resource);
                        json!({"subresource": name, "responseKind": kind_of(&group, &version, &kind), "verbs": subresource_verbs(name)})
                    })
                    .collect();
            }
            entry
        })
        .collect();
    for (plural, kind) in reviews(group) {
        listed.push(json!({
            "resource": plural,
            "responseKind": kind_of(group, version, kind),
            "scope": "Cluster",
            "singularResource": kind.to_ascii_lowercase(),
            "verbs": ["create"],
        }));
    }
    listed
}

fn open_api_index(store: &Store) -> Value {
    let mut paths = serde_json::Map::new();
    for resource in Resource::all(store) {
        let path = if resource.group.is_empty() {
            format!("api/{}", resource.version)
        } else {
            format!("apis/{}/{}", resource.group, resource.version)
        };
        let url = format!("/openapi/v3/{path}?hash={}", store.revision());
        paths.insert(path, json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

fn open_api(store: &Store, rest: &[&str]) -> Option<Value> {
    let (group, version) = match rest {
        ["api", version] => ("", *version),
        ["apis", group, version] => (*group, *version),
        _ => return None,
    };
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"]
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}))
        .collect();
    let (mut paths, mut schemas) = (serde_json::Map::new(), serde_json::Map::new());
    for resource in Resource::all(store)
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
    {
        let kind = json!([{"group": group, "version": version, "kind": resource.kind}]);
        let prefix = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        let scope = if resource.namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        let operation = |action: &str| json!({"x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind[0], "parameters": parameters});
        paths.insert(
            format!("{prefix}{scope}/{}", resource.plural),
            json!({"post": operation("post")}),
        );
        paths.insert(
            format!("{prefix}{scope}/{}/{{name}}", resource.plural),
            json!({"patch": operation("patch"), "put": operation("put")}),
        );
        let schema = resource.schema().cloned().unwrap_or_else(
            || json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        );
        let mut schema = schema;
        schema["x-kubernetes-group-version-kind"] = kind;
        schemas.insert(
            format!("sandbox.{group}.{version}.{}", resource.kind),
            schema,
        );
    }
    (!paths.is_empty()).then(|| json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "sandbox"}, "paths": paths, "components": {"schemas": schemas}}))
}
