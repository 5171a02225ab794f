//! A run may die at any request. The matrix: one run is watched, the world is kept as it is before
//! every request, and from each of these moments a new process runs the same command. Each succeeds,
//! even where its own first Write is cut or its answer is lost, ends in the state the undisturbed
//! run ends in, has kept the keys that were made, and left one deployed revision of each release.
//!
//! Between two Writes of a run only the world's own controllers move, so moments whose objects are
//! the same are run once.

mod guide_world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aks_sandbox::Moment;
use aks_sandbox::world::{Class, Key, Verdict};
use guide_world::{Guide, NAMESPACE};
use orchestrate::Policy;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// A moment of the watched run: the request that comes next.
struct Kept {
    next: String,
    moment: Moment,
}

/// A run that was watched from its beginning to its end.
struct Watched {
    /// The world before each of its requests, once per state of its objects.
    moments: Vec<Kept>,
    /// How many Writes it made.
    writes: usize,
    /// The state it ended in.
    end: Value,
}

/// The one run all tests of this file go on from.
async fn watched() -> &'static Watched {
    static WATCHED: OnceCell<Watched> = OnceCell::const_new();
    WATCHED.get_or_init(watch).await
}

async fn watch() -> Watched {
    let guide = Guide::new();
    let kept: Arc<Mutex<Vec<Kept>>> = Arc::default();
    let (into, world) = (Arc::clone(&kept), Arc::downgrade(guide.sandbox.world()));
    let last = Mutex::new(String::new());
    guide.sandbox.on_request(Some(Arc::new(move |record| {
        if let Some(world) = world.upgrade() {
            let moment = Moment::of(&world);
            let print = fingerprint(&moment);
            let mut last = last.lock().unwrap();
            if *last != print {
                *last = print;
                let next = format!(
                    "{} {} {}{}",
                    record.index, record.method, record.host, record.path
                );
                into.lock().unwrap().push(Kept { next, moment });
            }
        }
        Verdict::Proceed
    })));
    guide.up().await.succeeded();
    guide.sandbox.on_request(None);
    let writes = guide.writes_since(0).len();
    let end = end_state(&guide);
    let moments = std::mem::take(&mut *kept.lock().unwrap());
    Watched {
        moments,
        writes,
        end,
    }
}

/// What tells two moments apart: what clients wrote, in Kubernetes and Azure.
fn fingerprint(moment: &Moment) -> String {
    let state = moment.state();
    let mut text = serde_json::to_string(&state.azure).unwrap();
    for resource in state.store.resources() {
        for (_, object) in state.store.all(&resource) {
            text.push_str(object["metadata"]["uid"].as_str().unwrap_or_default());
            text.push_str(&object["metadata"]["generation"].to_string());
            if resource == "/secrets" || resource == "/configmaps" {
                text.push_str(&object["metadata"]["resourceVersion"].to_string());
            }
        }
    }
    text
}

/// The state that counts: everything declared, without what chance, time or a number decides.
fn end_state(guide: &Guide) -> Value {
    const OF_CONTROLLERS: [&str; 6] = [
        "/events",
        "/pods",
        "apps/replicasets",
        "apps/controllerrevisions",
        "coordination.k8s.io/leases",
        "discovery.k8s.io/endpointslices",
    ];
    let mut objects = BTreeMap::new();
    for (resource, mut object) in guide.objects() {
        if OF_CONTROLLERS.contains(&resource.as_str()) {
            continue;
        }
        let metadata = object["metadata"].clone();
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        let place = format!(
            "{resource} {}/{name}",
            metadata["namespace"].as_str().unwrap_or_default()
        );
        if name.starts_with("sh.helm.release.v1.") {
            continue; // judged by `releases`
        }
        if resource == "/secrets" {
            // Which keys there are; their values are chance.
            let keys: Vec<_> = object["data"]
                .as_object()
                .into_iter()
                .flat_map(|data| data.keys().cloned())
                .collect();
            object["data"] = json!(keys);
        }
        if let Some(object) = object.as_object_mut() {
            object.remove("status");
        }
        object["metadata"] = json!({
            "labels": metadata["labels"],
            "annotations": metadata["annotations"],
            "finalizers": metadata["finalizers"],
        });
        if place.contains("/pvc-") {
            continue; // a provisioned disk is named by its claim's uid
        }
        objects.insert(place, scrubbed(object));
    }
    json!(objects)
}

/// Without values that differ from world to world: uids, injected certificates, allocated addresses.
fn scrubbed(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            for chance in [
                "uid",
                "force-sync",
                "aks-airflow.io/requeued",
                "volumeName",
                "volumeHandle",
                "resourceVersion",
                "caBundle",
                "clusterIP",
                "clusterIPs",
                "controller-uid",
                "batch.kubernetes.io/controller-uid",
            ] {
                map.remove(chance);
            }
            for (_, inner) in map.iter_mut() {
                *inner = scrubbed(inner.take());
            }
            map.retain(|_, inner| {
                !inner.is_null() && inner.as_object().is_none_or(|inner| !inner.is_empty())
            });
        }
        Value::Array(items) => {
            for item in items {
                *item = scrubbed(item.take());
            }
        }
        _ => {}
    }
    value
}

/// How many revisions of each release have which status, by Helm's labels.
fn releases(guide: &Guide) -> BTreeMap<(String, String), usize> {
    let mut counted = BTreeMap::new();
    for (resource, object) in guide.objects() {
        let labels = &object["metadata"]["labels"];
        if resource == "/secrets" && labels["owner"] == "helm" {
            let text = |key: &str| labels[key].as_str().unwrap_or_default().to_owned();
            *counted.entry((text("name"), text("status"))).or_default() += 1;
        }
    }
    counted
}

/// The keys that are made once.
fn keys(moment: &Moment) -> Option<Value> {
    let key = Key::new(NAMESPACE, "airflow-keys");
    let secret = moment.state().store.get("/secrets", &key)?;
    Some(secret["data"].clone())
}

/// What else happens to the second run.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    None,
    /// Its first Write is cut before it is executed.
    Before,
    /// Its first Write is executed and its answer lost.
    After,
}

/// Has the world cut the first Write from now on.
fn cut_first_write(guide: &Guide, trouble: Trouble) {
    let verdict = match trouble {
        Trouble::None => return,
        Trouble::Before => Verdict::CutBefore,
        Trouble::After => Verdict::CutAfter,
    };
    let verdict = Mutex::new(Some(verdict));
    guide.sandbox.on_request(Some(Arc::new(move |record| {
        if record.class == Class::Write {
            return verdict.lock().unwrap().take().unwrap_or_default();
        }
        Verdict::Proceed
    })));
}

/// Goes on from a moment and judges the end; an empty answer is a good one.
async fn goes_on(kept: &Kept, trouble: Trouble, end: &Value) -> Vec<String> {
    let guide = Guide::resumed(&kept.moment, 1);
    cut_first_write(&guide, trouble);
    let mut problems = Vec::new();
    let world = guide.world();
    match guide.try_plan(&world, &Policy::default()).await {
        Err(error) => problems.push(format!("no plan: {}", guide_world::told(&error))),
        Ok(plan) => match plan.apply(&world, &Policy::default()) {
            Err(error) => problems.push(format!("refused: {error}")),
            Ok(run) => {
                let report = guide.bounded(run.finish()).await;
                if !report.succeeded() {
                    problems.push(format!("failed:\n{}", guide_world::failures(&report)));
                }
            }
        },
    }
    if !problems.is_empty() {
        return problems;
    }
    problems.extend(differences(end, &end_state(&guide)));
    let revisions = releases(&guide);
    for release in ["airflow", "external-secrets"] {
        let of = |status: &str| {
            revisions
                .get(&(release.to_owned(), status.to_owned()))
                .copied()
                .unwrap_or(0)
        };
        if of("deployed") != 1
            || revisions
                .keys()
                .any(|(name, status)| name == release && status.starts_with("pending"))
        {
            problems.push(format!("revisions of {release}: {revisions:?}"));
        }
    }
    if let Some(before) = keys(&kept.moment) {
        let now = keys(&Moment::of(guide.sandbox.world()));
        if now.as_ref() != Some(&before) {
            problems.push("the keys have changed".into());
        }
    }
    problems
}

/// The objects in which two ends differ.
fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let (expected, found) = (expected.as_object().unwrap(), found.as_object().unwrap());
    let mut differences = Vec::new();
    for name in expected
        .keys()
        .chain(found.keys().filter(|name| !expected.contains_key(*name)))
    {
        match (expected.get(name), found.get(name)) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => {
                differences.push(format!("{name} differs:\n  {one}\n  {other}"));
            }
            (Some(_), None) => differences.push(format!("{name} is missing")),
            (None, _) => differences.push(format!("{name} is too much")),
        }
    }
    differences
}

/// Goes on from every `of`th moment, beginning with number `from`.
async fn walk(from: usize, of: usize, trouble: Trouble) {
    let watched = watched().await;
    assert!(
        watched.moments.len() >= watched.writes,
        "{} moments of {} writes",
        watched.moments.len(),
        watched.writes
    );
    let mut bad = Vec::new();
    let mut ran = 0;
    for one in watched.moments.iter().skip(from).step_by(of) {
        let problems = goes_on(one, trouble, &watched.end).await;
        ran += 1;
        if !problems.is_empty() {
            bad.push(format!(
                "died before {}, then {trouble:?}:\n{}",
                one.next,
                problems.join("\n")
            ));
        }
    }
    assert!(ran > 0, "of {} moments", watched.moments.len());
    assert!(
        bad.is_empty(),
        "{} of {ran} moments end badly\n\n{}",
        bad.len(),
        bad.join("\n\n")
    );
}

/// Every moment. In two parts that run beside each other.
mod after_a_death_at_any_request_the_next_run_ends_where_an_undisturbed_one_does {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn even_moments() {
        walk(0, 2, Trouble::None).await;
    }

    #[tokio::test(start_paused = true)]
    async fn odd_moments() {
        walk(1, 2, Trouble::None).await;
    }
}

mod after_a_death_a_write_that_is_cut_changes_nothing_about_the_end {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_twelfth_moment() {
        walk(4, 12, Trouble::Before).await;
    }

    #[tokio::test(start_paused = true)]
    #[ignore = "needs minutes: a run from every moment of the first one"]
    async fn every_moment() {
        walk(0, 1, Trouble::Before).await;
    }
}

mod after_a_death_a_write_whose_answer_is_lost_changes_nothing_about_the_end {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_twelfth_moment() {
        walk(8, 12, Trouble::After).await;
    }

    #[tokio::test(start_paused = true)]
    #[ignore = "needs minutes: a run from every moment of the first one"]
    async fn every_moment() {
        walk(0, 1, Trouble::After).await;
    }
}
