//! Drift: fields of live objects changed at random by another client, and what a plan says.

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::NAMESPACE;
use kube_cluster::{FieldPath, FieldStep};
use serde_json::{Map, Value, json};

use crate::ground::{Ground, expect};

/// What plays the other client; the server keeps it as the owner of what it changed.
const SOMEBODY: &str = "kubectl-edit";
/// How many fields are changed in all, unless `E2E_MUTATIONS` says otherwise.
const MUTATIONS: usize = 100;
/// How many objects are changed before each plan, one field each.
const AT_ONCE: usize = 40;

/// The kinds the guide declares, by their lists.
const LISTS: [&str; 15] = [
    "/api/v1/namespaces/~/configmaps",
    "/api/v1/namespaces/~/secrets",
    "/api/v1/namespaces/~/serviceaccounts",
    "/api/v1/namespaces/~/services",
    "/apis/apps/v1/namespaces/~/deployments",
    "/apis/apps/v1/namespaces/~/statefulsets",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/~/roles",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/~/rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/external-secrets.io/@/namespaces/~/secretstores",
    "/apis/external-secrets.io/@/namespaces/~/externalsecrets",
    "/api/v1/persistentvolumes",
    "/api/v1/namespaces/~/persistentvolumeclaims",
];

/// A changed field: where it is, and its object.
#[derive(Debug)]
struct Mutation {
    path: String,
    target: String,
    field: FieldPath,
    pointer: String,
    /// Whether it is gone; then nobody owns it.
    is_removal: bool,
    /// The object with and without it.
    before: Value,
    after: Value,
}

/// Each plan names every changed field and no other, and who changed it.
pub(crate) async fn every_changed_field_is_named(ground: &Ground) -> Result<(), Failed> {
    let wanted = std::env::var("E2E_MUTATIONS").ok();
    let wanted = wanted.map_or(Ok(MUTATIONS), |text| text.parse())?;
    let mut random = fastrand::Rng::with_seed(7);
    let (mut done, mut removed, mut refused) = (0, 0, 0);
    let mut wrong = Vec::new();
    while done < wanted {
        let count = AT_ONCE.min(wanted - done);
        let mutations = mutate(ground, &mut random, count, &mut refused).await?;
        expect(!mutations.is_empty(), || "nothing could be changed".into())?;
        let plan = ground.plan().await?;
        wrong.extend(judge(&plan, &mutations));
        done += mutations.len();
        removed += mutations.iter().filter(|one| one.is_removal).count();
        // The last first: without its Service a webhook refuses every change.
        for mutation in mutations.iter().rev() {
            put_back(ground, mutation).await?;
        }
    }
    aks_airflow_e2e::say_once(&format!(
        "{done} fields changed, {removed} of them removed ({refused} more were refused by the server); {} not named exactly",
        wrong.len()
    ));
    expect(wrong.is_empty(), || wrong.join("\n"))?;
    let plan = ground.plan().await?;
    expect(plan.is_noop(), || plan.to_string())
}

/// What the plan says too much or too little.
fn judge(plan: &orchestrate::Plan, mutations: &[Mutation]) -> Vec<String> {
    let mut said: Vec<(String, String, Option<String>)> = plan
        .rows()
        .flat_map(|(_, change)| {
            change.fields.iter().map(|field| {
                let path = field.path.clone();
                (change.target.clone(), path, field.manager.clone())
            })
        })
        .collect();
    let mut wrong = Vec::new();
    for mutation in mutations {
        let owner = (!mutation.is_removal).then_some(SOMEBODY);
        let is_it = |(target, path, manager): &(String, String, Option<String>)| {
            *target == mutation.target
                && *path == mutation.field.to_string()
                && manager.as_deref() == owner
        };
        match said.iter().position(is_it) {
            Some(at) => drop(said.swap_remove(at)),
            None => wrong.push(format!(
                "not named: {} {} ({:?} became {:?})",
                mutation.target,
                mutation.field,
                mutation.before.pointer(&mutation.pointer),
                mutation.after.pointer(&mutation.pointer)
            )),
        }
    }
    wrong.extend(said.iter().map(|row| format!("named besides: {row:?}")));
    wrong
}

/// Changes one field of each of some objects.
async fn mutate(
    ground: &Ground,
    random: &mut fastrand::Rng,
    count: usize,
    refused: &mut usize,
) -> Result<Vec<Mutation>, Failed> {
    let mut objects = declared(ground).await?;
    random.shuffle(&mut objects);
    let mut mutations = Vec::new();
    for (path, object) in objects {
        if mutations.len() == count {
            break;
        }
        let mut fields = owned_values(&object);
        random.shuffle(&mut fields);
        // Immutable and checked fields are refused; a few tries find one that is neither.
        for (field, pointer, was) in fields.into_iter().take(6) {
            let Some(now) = another(&field, &was) else {
                continue;
            };
            let operation = if random.u8(..) < 64 {
                json!([{"op": "remove", "path": pointer}])
            } else {
                json!([{"op": "replace", "path": pointer, "value": now}])
            };
            let patch = format!("{path}?fieldManager={SOMEBODY}");
            let Ok(after) = ground.aks.api.patch(&patch, &operation).await else {
                *refused += 1;
                continue;
            };
            // What is removed may come back by default, and `false` may be nothing at all.
            let value = after.pointer(&pointer);
            let is_removal = value.is_none();
            if value == Some(&was) {
                continue;
            }
            mutations.push(Mutation {
                target: name(&object),
                path,
                field,
                pointer,
                is_removal,
                before: object,
                after,
            });
            break;
        }
    }
    Ok(mutations)
}

/// The value as it was, and then its owners: another write would be one of somebody's.
async fn put_back(ground: &Ground, mutation: &Mutation) -> Result<(), Failed> {
    let path = format!("{}?fieldManager={SOMEBODY}", mutation.path);
    // A map that was emptied is gone itself; `add` replaces what is there.
    let ends = mutation.pointer.char_indices().skip(1);
    let ends = ends.filter(|(_, character)| *character == '/');
    let mut prefixes = ends.map(|(end, _)| &mutation.pointer[..end]);
    let is_gone = |prefix: &&str| mutation.after.pointer(prefix).is_none();
    let pointer = prefixes.find(is_gone).unwrap_or(&mutation.pointer);
    let op = if mutation.is_removal {
        "add"
    } else {
        "replace"
    };
    let was = mutation.before.pointer(pointer);
    let value = json!([{"op": op, "path": pointer, "value": was}]);
    ground.aks.api.patch(&path, &value).await?;
    let owners = json!([{"op": "replace", "path": "/metadata/managedFields", "value": mutation.before["metadata"]["managedFields"]}]);
    ground.aks.api.patch(&path, &owners).await?;
    Ok(())
}

/// The objects that have a field we declared, each with its path.
async fn declared(ground: &Ground) -> Result<Vec<(String, Value)>, Failed> {
    let version = match ground.generation {
        aks_airflow_e2e::Generation::Guide2024 => "v1beta1",
        aks_airflow_e2e::Generation::Current => "v1",
    };
    let mut objects = Vec::new();
    for list in LISTS {
        let list = list.replace('~', NAMESPACE).replace('@', version);
        let kind = ground.get(&list).await?;
        for mut object in kind["items"].as_array().cloned().unwrap_or_default() {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            // The release's own records are no declared objects.
            if name.starts_with("sh.helm.release.") || name.starts_with("aks-airflow.") {
                continue;
            }
            let path = format!("{list}/{name}");
            let items = kind["kind"].as_str().unwrap_or_default();
            object["kind"] = items.trim_end_matches("List").into();
            if !owned_values(&object).is_empty() {
                objects.push((path, object));
            }
        }
    }
    Ok(objects)
}

/// As a plan names an object.
fn name(object: &Value) -> String {
    let meta = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let place = match meta["namespace"].as_str() {
        Some(namespace) => format!("{namespace}/{}", text(&meta["name"])),
        None => text(&meta["name"]),
    };
    format!("{} {place}", text(&object["kind"]))
}

/// The fields that are ours alone, scalars and lists that are one field: path, JSON pointer, value.
fn owned_values(object: &Value) -> Vec<(FieldPath, String, Value)> {
    let entries = object["metadata"]["managedFields"].as_array();
    let mut ours = Vec::new();
    let mut others = Vec::new();
    for entry in entries.into_iter().flatten() {
        let manager = entry["manager"].as_str().unwrap_or_default();
        let mine = matches!(manager, "helm" | "aks-airflow") && entry["operation"] == "Apply";
        let into = if mine { &mut ours } else { &mut others };
        leaves(&entry["fieldsV1"], object, &FieldPath::default(), "", into);
    }
    ours.retain(|(field, _, value): &(FieldPath, String, Value)| {
        !value.is_object() && !value.is_null() && !others.iter().any(|(other, _, _)| other == field)
    });
    ours
}

fn leaves(
    fields: &Value,
    value: &Value,
    path: &FieldPath,
    pointer: &str,
    found: &mut Vec<(FieldPath, String, Value)>,
) {
    let Some(fields) = fields.as_object() else {
        return;
    };
    for (key, below) in fields {
        let (step, at, next) = if let Some(name) = key.strip_prefix("f:") {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            (FieldStep::Field(name.to_owned()), escaped, value.get(name))
        } else if let Some(keys) = key.strip_prefix("k:") {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let items = value.as_array();
            let is_it = |item: &Value| keys.iter().all(|(name, want)| item.get(name) == Some(want));
            let at = items.and_then(|items| items.iter().position(is_it));
            let Some(at) = at else { continue };
            (FieldStep::Keyed(keys), at.to_string(), value.get(at))
        } else {
            continue;
        };
        let Some(next) = next else { continue };
        let path = path.then(step);
        let pointer = format!("{pointer}/{at}");
        if below.as_object().is_none_or(Map::is_empty) {
            found.push((path, pointer, next.clone()));
        } else {
            leaves(below, next, &path, &pointer, found);
        }
    }
}

/// Another value of the same type; none where the key of a list element would change.
fn another(field: &FieldPath, value: &Value) -> Option<Value> {
    if let [.., FieldStep::Keyed(keys), FieldStep::Field(last)] = field.0.as_slice()
        && keys.contains_key(last)
    {
        return None;
    }
    Some(match value {
        Value::Bool(is) => (!is).into(),
        Value::Number(number) => (number.as_i64()? + 1).into(),
        // Base64, quantities and names stay what they are by their first letters.
        Value::String(text) if text.is_empty() => "x".into(),
        Value::String(text) => format!("{text}x").into(),
        Value::Array(items) => {
            let last = items.last().filter(|last| last.is_string())?;
            let more = [last.clone()];
            items.iter().cloned().chain(more).collect()
        }
        _ => return None,
    })
}
