//! Tables of what applying does to fields and their owners. Expected ownership is as a real API
//! server writes it.

use serde_json::{Value, json};

use super::{ApplyError, ManagerKey, Operation, apply, track_update};
use crate::kubernetes::apply::Node;

const NOW: &str = "2026-01-05T09:00:00Z";
const LATER: &str = "2026-01-05T09:01:00Z";

fn manager(name: &str, operation: Operation) -> ManagerKey {
    ManagerKey {
        operation,
        name: name.into(),
        api_version: "apps/v1".into(),
        subresource: String::new(),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "tables read better with values"
)]
fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}, "spec": spec})
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "tables read better with values"
)]
fn containers(list: Value) -> Value {
    json!({"template": {"spec": {"containers": list}}})
}

fn applied(live: &Value, declared: &Value, name: &str, force: bool) -> Result<Value, Vec<String>> {
    apply(
        live,
        declared,
        &Node::builtin("Deployment"),
        &manager(name, Operation::Apply),
        force,
        NOW,
    )
    .map_err(|error| match error {
        ApplyError::Conflicts(conflicts) => conflicts
            .iter()
            .map(|conflict| format!("{} {}", conflict.manager.describe(), conflict.field))
            .collect(),
        ApplyError::Schema(error) => vec![error.to_string()],
    })
}

fn first(spec: Value, name: &str) -> Value {
    applied(&deployment(json!({})), &deployment(spec), name, false).unwrap()
}

fn owners(object: &Value) -> Vec<(String, Value)> {
    object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            (
                entry["manager"].as_str().unwrap().to_owned(),
                entry["fieldsV1"].clone(),
            )
        })
        .collect()
}

#[test]
fn an_apply_owns_leaves_and_list_items() {
    let object = first(
        containers(json!([{"name": "a", "image": "1", "ports": [{"containerPort": 80}]}])),
        "helm",
    );
    assert_eq!(
        owners(&object),
        [(
            "helm".to_owned(),
            json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {
                ".": {},
                "f:image": {},
                "f:name": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            }}}}}})
        )]
    );
}

#[test]
fn an_update_owns_what_it_added_with_the_tables_it_made() {
    let before = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}});
    let mut after = deployment(
        json!({"replicas": 1, "template": {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}}}),
    );
    after["metadata"]["labels"] = json!({"x": "y"});
    track_update(
        &before,
        &mut after,
        &Node::builtin("Deployment"),
        &manager("kubectl-create", Operation::Update),
        NOW,
    );
    assert_eq!(
        owners(&after),
        [(
            "kubectl-create".to_owned(),
            json!({
                "f:metadata": {"f:labels": {".": {}, "f:x": {}}},
                "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {
                    ".": {},
                    "f:name": {},
                    "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}},
                }}}}},
            })
        )]
    );
}

#[test]
fn another_value_of_an_owned_field_is_a_conflict_and_the_same_value_is_shared() {
    let live = first(json!({"replicas": 1, "paused": false}), "helm");
    let declared = deployment(json!({"replicas": 2, "paused": false}));
    assert_eq!(
        applied(&live, &declared, "aks-airflow", false),
        Err(vec!["\"helm\" .spec.replicas".to_owned()])
    );

    let shared = applied(
        &live,
        &deployment(json!({"paused": false})),
        "aks-airflow",
        false,
    )
    .unwrap();
    let fields = owners(&shared);
    assert_eq!(fields[0].1, json!({"f:spec": {"f:paused": {}}}));
    assert_eq!(
        fields[1].1,
        json!({"f:spec": {"f:paused": {}, "f:replicas": {}}})
    );

    let forced = applied(&live, &declared, "aks-airflow", true).unwrap();
    assert_eq!(forced["spec"]["replicas"], 2);
    assert_eq!(
        owners(&forced)[1],
        ("helm".to_owned(), json!({"f:spec": {"f:paused": {}}}))
    );
}

#[test]
fn a_plain_writer_is_named_with_its_version() {
    let live = first(json!({"replicas": 1}), "helm");
    let mut scaled = live.clone();
    scaled["spec"]["replicas"] = 3.into();
    track_update(
        &live,
        &mut scaled,
        &Node::builtin("Deployment"),
        &manager("kubectl-edit", Operation::Update),
        LATER,
    );
    assert_eq!(
        owners(&scaled),
        [(
            "kubectl-edit".to_owned(),
            json!({"f:spec": {"f:replicas": {}}})
        )]
    );
    assert_eq!(
        applied(&scaled, &deployment(json!({"replicas": 1})), "helm", false),
        Err(vec![
            "\"kubectl-edit\" using apps/v1 .spec.replicas".to_owned()
        ])
    );
}

#[test]
fn what_a_manager_no_longer_declares_goes_unless_another_owns_it() {
    let live = first(
        containers(
            json!([{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]}, {"name": "b", "image": "1"}]),
        ),
        "helm",
    );
    let shared = applied(
        &live,
        &deployment(containers(json!([{"name": "b", "image": "1"}]))),
        "other",
        false,
    )
    .unwrap();
    let next = applied(
        &shared,
        &deployment(containers(
            json!([{"name": "a", "env": [{"name": "Y", "value": "1"}]}]),
        )),
        "helm",
        false,
    )
    .unwrap();
    assert_eq!(
        next["spec"]["template"]["spec"]["containers"],
        json!([{"name": "a", "env": [{"name": "Y", "value": "1"}]}, {"name": "b", "image": "1"}])
    );
    let last = applied(
        &next,
        &deployment(containers(
            json!([{"name": "a", "env": [{"name": "Y", "value": "1"}]}]),
        )),
        "other",
        true,
    )
    .unwrap();
    assert_eq!(
        last["spec"]["template"]["spec"]["containers"],
        json!([{"name": "a", "env": [{"name": "Y", "value": "1"}]}])
    );
}

#[test]
fn items_keep_the_order_of_the_declaration_and_foreign_items_their_place() {
    let live = first(containers(json!([{"name": "a"}, {"name": "b"}])), "helm");
    let more = applied(
        &live,
        &deployment(containers(json!([{"name": "side"}]))),
        "injector",
        false,
    )
    .unwrap();
    let next = applied(
        &more,
        &deployment(containers(
            json!([{"name": "b"}, {"name": "c"}, {"name": "a"}]),
        )),
        "helm",
        false,
    )
    .unwrap();
    let names: Vec<_> = next["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names
            .iter()
            .filter(|name| **name != "side")
            .copied()
            .collect::<Vec<_>>(),
        ["b", "c", "a"]
    );
    assert!(names.contains(&"side"));
}

#[test]
fn atomic_values_are_owned_and_replaced_whole() {
    let live = first(
        json!({"selector": {"matchLabels": {"a": "1"}}, "template": {"spec": {"tolerations": [{"key": "x"}]}}}),
        "helm",
    );
    assert_eq!(
        owners(&live)[0].1,
        json!({"f:spec": {"f:selector": {}, "f:template": {"f:spec": {"f:tolerations": {}}}}})
    );
    let next = applied(&live, &deployment(json!({"selector": {"matchLabels": {"a": "1"}}, "template": {"spec": {"tolerations": [{"key": "y"}]}}})), "helm", false).unwrap();
    assert_eq!(
        next["spec"]["template"]["spec"]["tolerations"],
        json!([{"key": "y"}])
    );
}

#[test]
fn the_same_declaration_again_changes_nothing_at_all() {
    let declared = deployment(containers(json!([{"name": "a", "image": "1"}])));
    let live = applied(&deployment(json!({})), &declared, "helm", false).unwrap();
    let again = apply(
        &live,
        &declared,
        &Node::builtin("Deployment"),
        &manager("helm", Operation::Apply),
        false,
        LATER,
    )
    .ok()
    .unwrap();
    assert_eq!(again, live, "not even a time");
}

#[test]
fn an_item_without_its_key_and_one_that_is_there_twice_are_refused() {
    let refused = applied(
        &deployment(json!({})),
        &deployment(containers(json!([{"image": "1"}]))),
        "helm",
        false,
    );
    assert_eq!(refused, Err(vec![".spec.template.spec.containers: element 0: associative list with keys has an element that omits key field \"name\" (and doesn't have default value)".to_owned()]));
    let refused = applied(
        &deployment(json!({})),
        &deployment(containers(json!([{"name": "a"}, {"name": "a"}]))),
        "helm",
        false,
    );
    assert_eq!(
        refused,
        Err(vec![
            ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]".to_owned()
        ])
    );
}

#[test]
fn given_managed_fields_replace_the_stored_ones_and_an_empty_list_clears_them() {
    let live = first(json!({"replicas": 1}), "helm");
    let key = manager("migrator", Operation::Update);
    let mut cleared = live.clone();
    cleared["metadata"]["managedFields"] = json!([]);
    track_update(&live, &mut cleared, &Node::builtin("Deployment"), &key, NOW);
    assert_eq!(owners(&cleared), []);
    let mut renamed = live.clone();
    renamed["metadata"]["managedFields"][0]["manager"] = "aks-airflow".into();
    track_update(&live, &mut renamed, &Node::builtin("Deployment"), &key, NOW);
    assert_eq!(owners(&renamed)[0].0, "aks-airflow");
}

#[test]
fn a_custom_list_is_atomic_unless_its_schema_has_keys() {
    let schema = |extra: Value| {
        let mut list = json!({"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}});
        for (key, value) in extra.as_object().unwrap() {
            list[key] = value.clone();
        }
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"data": list}}}})
    };
    let object = |names: &[&str]| json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}, "spec": {"data": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}});
    let check = |schema: &Value, expected: usize| {
        let node = Node::custom(schema);
        let empty = json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}});
        let one = apply(
            &empty,
            &object(&["a"]),
            &node,
            &manager("one", Operation::Apply),
            false,
            NOW,
        )
        .ok()
        .unwrap();
        let two = apply(
            &one,
            &object(&["b"]),
            &node,
            &manager("two", Operation::Apply),
            true,
            NOW,
        )
        .ok()
        .unwrap();
        assert_eq!(two["spec"]["data"].as_array().unwrap().len(), expected);
    };
    check(&schema(json!({})), 1);
    check(
        &schema(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})),
        2,
    );
}
