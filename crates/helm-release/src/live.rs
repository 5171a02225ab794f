//! What is there of a set of objects, in few requests. It owns the grouping; it refuses to compare.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use kube_cluster::{Cluster, ClusterError, Kind, Object, ObjectRef, Query};

use crate::storage::RECORD_TYPE;

/// How many requests run at once; a server's fair queuing takes more from one client.
pub(crate) const CONCURRENCY: usize = 32;

/// Live objects by reference.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live(HashMap<ObjectRef, Object>);

impl Live {
    pub(crate) fn get(&self, target: &ObjectRef) -> Option<&Object> {
        self.0.get(target)
    }

    /// Keeps the state that a write has answered. Of a definition the schemas are left out: they are
    /// most of it, and nothing that is waited for is in them.
    pub(crate) fn put(&mut self, target: ObjectRef, mut live: Object) {
        if target.kind.kind == "CustomResourceDefinition" {
            live.as_map_mut().remove("spec");
            live.metadata().remove("managedFields");
        }
        self.0.insert(target, live);
    }
}

/// The list by which a release looks for its objects of a kind: all there are, but for the Secrets
/// that hold records, which are large and which no chart declares.
pub fn objects_of(kind: Kind, namespace: Option<String>) -> Query {
    let is_secret = kind == Kind::new("v1", "Secret");
    let query = Query::all(kind, namespace);
    if is_secret {
        query.with_fields(format!("type!={RECORD_TYPE}"))
    } else {
        query
    }
}

/// Reads objects: one list per kind and namespace, or one get where a single object is asked for.
/// Kinds that are not served have no objects.
pub(crate) async fn read<'a>(
    cluster: &dyn Cluster,
    wanted: impl IntoIterator<Item = &'a ObjectRef>,
) -> Result<Live, ClusterError> {
    let mut groups: BTreeMap<(Kind, Option<String>), Vec<String>> = BTreeMap::new();
    for target in wanted {
        let names = groups
            .entry((target.kind.clone(), target.namespace.clone()))
            .or_default();
        if !target.name.is_empty() && !names.contains(&target.name) {
            names.push(target.name.clone());
        }
    }
    let reads: Vec<_> = groups
        .into_iter()
        .map(|((kind, namespace), names)| read_group(cluster, kind, namespace, names))
        .collect();
    let found: Vec<Vec<(ObjectRef, Object)>> = stream::iter(reads)
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(Live(found.into_iter().flatten().collect()))
}

async fn read_group(
    cluster: &dyn Cluster,
    kind: Kind,
    namespace: Option<String>,
    names: Vec<String>,
) -> Result<Vec<(ObjectRef, Object)>, ClusterError> {
    let reference = |name: String| ObjectRef {
        kind: kind.clone(),
        namespace: namespace.clone(),
        name,
    };
    let answer = match names.as_slice() {
        [] => return Ok(Vec::new()),
        [name] => cluster
            .get(reference(name.clone()))
            .await
            .map(|found| found.into_iter().collect()),
        _ => {
            let query = objects_of(kind.clone(), namespace.clone());
            cluster.list(query).await.map(|list| list.items)
        }
    };
    match answer {
        Ok(objects) => Ok(objects
            .into_iter()
            .filter(|object| names.iter().any(|name| name == object.name()))
            .map(|object| (reference(object.name().to_owned()), object))
            .collect()),
        Err(error) if error.is_unknown_kind() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
