//! [`Graph`]: the steps of a workflow and what each waits for. It owns order and concurrency; it
//! refuses to know what a step does, and to run anything twice.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use converge::ErasedStep;
use futures::StreamExt;
use futures::future::{Either, Ready};
use futures::stream::FuturesUnordered;

/// A step and the names of the steps it comes after.
#[derive(Debug, Clone)]
pub struct Node {
    /// The step.
    pub step: Arc<dyn ErasedStep>,
    /// The steps that must have succeeded before it starts.
    pub after: Vec<&'static str>,
    /// The steps after which a plan may let it look already, where these are fewer.
    pub looks_after: Option<Vec<&'static str>>,
}

/// A checked, acyclic set of steps.
#[derive(Debug, Clone)]
pub struct Graph {
    nodes: Vec<Node>,
}

/// A graph that cannot be run: a mistake in wiring.
#[derive(Debug, thiserror::Error, miette::Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphError {
    /// Two steps have one name.
    #[error("two steps are named `{0}`")]
    #[diagnostic(code(aka::graph::duplicate), help("give each step its own name"))]
    Duplicate(&'static str),
    /// A step waits for one that does not exist.
    #[error("step `{step}` comes after `{missing}`, which does not exist")]
    #[diagnostic(code(aka::graph::missing), help("add the step or drop the dependency"))]
    Missing {
        /// The waiting step.
        step: &'static str,
        /// The step that is not there.
        missing: &'static str,
    },
    /// Steps wait for each other.
    #[error("steps wait for each other: {}", .0.join(" → "))]
    #[diagnostic(code(aka::graph::cycle), help("break one of these dependencies"))]
    Cycle(Vec<&'static str>),
}

/// What became of one step in [`Graph::drive`].
#[derive(Debug)]
pub enum Fate<T, E> {
    /// It ran and succeeded.
    Done(T),
    /// It ran and failed.
    Failed(E),
    /// It did not run, because these steps did not succeed.
    Skipped(Vec<&'static str>),
}

impl Graph {
    /// Checks the steps: unique names, known dependencies, no cycle.
    ///
    /// # Errors
    /// The first mistake found; cycles name the steps around them.
    pub fn new(nodes: Vec<Node>) -> Result<Self, GraphError> {
        let mut names = BTreeSet::new();
        for node in &nodes {
            if !names.insert(node.step.name()) {
                return Err(GraphError::Duplicate(node.step.name()));
            }
        }
        for node in &nodes {
            let named = node.after.iter().chain(node.looks_after.iter().flatten());
            if let Some(missing) = named.clone().find(|name| !names.contains(*name)) {
                return Err(GraphError::Missing {
                    step: node.step.name(),
                    missing,
                });
            }
        }
        let graph = Self { nodes };
        match graph.cycle() {
            Some(cycle) => Err(GraphError::Cycle(cycle)),
            None => Ok(graph),
        }
    }

    /// The steps, in the order they were declared.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The steps in layers: each layer needs only earlier ones.
    pub fn layers(&self) -> Vec<Vec<&'static str>> {
        let mut placed = BTreeSet::new();
        let mut layers = Vec::new();
        while placed.len() < self.nodes.len() {
            let layer: Vec<_> = self
                .nodes
                .iter()
                .filter(|node| !placed.contains(node.step.name()))
                .filter(|node| node.after.iter().all(|name| placed.contains(name)))
                .map(|node| node.step.name())
                .collect();
            if layer.is_empty() {
                break;
            }
            placed.extend(layer.iter().copied());
            layers.push(layer);
        }
        layers
    }

    /// A chain of steps that ends where it began, if there is one.
    fn cycle(&self) -> Option<Vec<&'static str>> {
        let placed: BTreeSet<_> = self.layers().into_iter().flatten().collect();
        let stuck: BTreeMap<_, _> = self
            .nodes
            .iter()
            .filter(|node| !placed.contains(node.step.name()))
            .map(|node| (node.step.name(), &node.after))
            .collect();
        // Every stuck step waits for a stuck step: following one such edge each time must repeat.
        let mut path = vec![*stuck.keys().next()?];
        loop {
            let next = stuck[path[path.len() - 1]]
                .iter()
                .find(|name| stuck.contains_key(*name))?;
            if let Some(start) = path.iter().position(|name| name == next) {
                path.drain(..start);
                path.push(next);
                return Some(path);
            }
            path.push(next);
        }
    }

    /// Does `work` for every step, each as soon as the steps before it have succeeded, all that can
    /// at the same time. A failure keeps back only what depends on it.
    ///
    /// Returns the steps in declared order with what became of each.
    ///
    /// # Cancellation
    /// Dropping the future drops whatever work is under way.
    pub async fn drive<T, E, F>(
        &self,
        work: impl FnMut(&Node) -> F,
    ) -> Vec<(&'static str, Fate<T, E>)>
    where
        F: Future<Output = Result<T, E>>,
    {
        let none = None::<fn(&Node) -> Ready<Result<(), E>>>;
        self.drive_all(none, work).await
    }

    /// [`drive`](Self::drive), with `look` done before for every step that may look sooner than it may
    /// start, as soon as it may. A failing look is the step's failure.
    ///
    /// # Cancellation
    /// As [`drive`](Self::drive).
    pub async fn drive_looking_ahead<T, E, L, F>(
        &self,
        look: impl FnMut(&Node) -> L,
        work: impl FnMut(&Node) -> F,
    ) -> Vec<(&'static str, Fate<T, E>)>
    where
        L: Future<Output = Result<(), E>>,
        F: Future<Output = Result<T, E>>,
    {
        self.drive_all(Some(look), work).await
    }

    async fn drive_all<T, E, L, F>(
        &self,
        mut look: Option<impl FnMut(&Node) -> L>,
        mut work: impl FnMut(&Node) -> F,
    ) -> Vec<(&'static str, Fate<T, E>)>
    where
        L: Future<Output = Result<(), E>>,
        F: Future<Output = Result<T, E>>,
    {
        let mut fates: BTreeMap<&'static str, Fate<T, E>> = BTreeMap::new();
        let mut started = BTreeSet::new();
        let mut looks: BTreeMap<&'static str, Look> = BTreeMap::new();
        let mut running = FuturesUnordered::new();
        loop {
            let mut settled = false;
            for node in &self.nodes {
                let name = node.step.name();
                if started.contains(name) {
                    continue;
                }
                let is_done = |dep: &&'static str| matches!(fates.get(dep), Some(Fate::Done(_)));
                if let (Some(look), Some(sooner)) = (&mut look, &node.looks_after)
                    && !looks.contains_key(name)
                    && sooner.iter().all(&is_done)
                {
                    looks.insert(name, Look::UnderWay);
                    let task = look(node);
                    running.push(Either::Left(async move { (name, Part::Look(task.await)) }));
                }
                let is_looking = looks.get(name) == Some(&Look::UnderWay);
                if is_looking || !node.after.iter().all(|dep| fates.contains_key(dep)) {
                    continue;
                }
                started.insert(name);
                let unmet: Vec<_> = node
                    .after
                    .iter()
                    .copied()
                    .filter(|dep| !is_done(dep))
                    .collect();
                if unmet.is_empty() {
                    let task = work(node);
                    running.push(Either::Right(async move { (name, Part::Work(task.await)) }));
                } else {
                    fates.insert(name, Fate::Skipped(unmet));
                    settled = true;
                }
            }
            if settled {
                continue;
            }
            match running.next().await {
                Some((name, Part::Look(Ok(())))) => {
                    looks.insert(name, Look::Done);
                }
                Some((name, Part::Work(Ok(value)))) => {
                    fates.insert(name, Fate::Done(value));
                }
                Some((name, Part::Look(Err(error)) | Part::Work(Err(error)))) => {
                    started.insert(name);
                    fates.insert(name, Fate::Failed(error));
                }
                None => break,
            }
        }
        self.nodes
            .iter()
            .filter_map(|node| fates.remove_entry(node.step.name()))
            .collect()
    }
}

/// How far the look of a step is that looks ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    UnderWay,
    Done,
}

/// What has ended.
enum Part<T, E> {
    Look(Result<(), E>),
    Work(Result<T, E>),
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use converge::{Change, Proof, StepContext, StepError, StepOutcome};

    use super::*;

    #[derive(Debug)]
    struct Named(&'static str);

    #[async_trait]
    impl ErasedStep for Named {
        fn name(&self) -> &'static str {
            self.0
        }
        async fn plan(&self, _: &StepContext) -> Result<Vec<Change>, StepError> {
            Ok(Vec::new())
        }
        async fn run(&self, _: &StepContext) -> Result<StepOutcome<()>, StepError> {
            Ok(StepOutcome {
                output: (),
                did: "ran".into(),
                proof: Proof::observed(""),
            })
        }
    }

    fn graph(edges: &[(&'static str, &[&'static str])]) -> Result<Graph, GraphError> {
        Graph::new(
            edges
                .iter()
                .map(|(name, after)| Node {
                    step: Arc::new(Named(name)),
                    after: after.to_vec(),
                    looks_after: None,
                })
                .collect(),
        )
    }

    #[test]
    fn a_cycle_names_the_steps_around_it() {
        let error =
            graph(&[("a", &[]), ("b", &["a", "d"]), ("c", &["b"]), ("d", &["c"])]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "steps wait for each other: b → d → c → b"
        );
    }

    #[test]
    fn unknown_and_duplicate_steps_are_refused() {
        assert_eq!(
            graph(&[("a", &["x"])]).unwrap_err(),
            GraphError::Missing {
                step: "a",
                missing: "x"
            }
        );
        assert_eq!(
            graph(&[("a", &[]), ("a", &[])]).unwrap_err(),
            GraphError::Duplicate("a")
        );
    }

    #[test]
    fn layers_follow_the_dependencies() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &["b", "c"])]).unwrap();
        assert_eq!(graph.layers(), [vec!["a", "c"], vec!["b"], vec!["d"]]);
    }

    #[tokio::test]
    async fn a_failure_keeps_back_only_what_depends_on_it() {
        let graph = graph(&[
            ("a", &[]),
            ("b", &["a"]),
            ("c", &[]),
            ("d", &["c"]),
            ("e", &["b", "d"]),
        ])
        .unwrap();
        let order = Mutex::new(Vec::new());
        let fates = graph
            .drive(|node| {
                let name = node.step.name();
                order.lock().unwrap().push(name);
                async move { if name == "a" { Err("broken") } else { Ok(()) } }
            })
            .await;
        assert!(matches!(fates[0], ("a", Fate::Failed("broken"))));
        assert!(matches!(&fates[1], ("b", Fate::Skipped(unmet)) if unmet == &["a"]));
        assert!(matches!(fates[3], ("d", Fate::Done(()))));
        assert!(matches!(&fates[4], ("e", Fate::Skipped(unmet)) if unmet == &["b"]));
        assert_eq!(*order.lock().unwrap(), ["a", "c", "d"]);
    }

    #[tokio::test]
    async fn a_step_that_may_looks_ahead_and_fails_by_its_look() {
        let node = |name, after: &[&'static str], looks_after: Option<&[&'static str]>| Node {
            step: Arc::new(Named(name)),
            after: after.to_vec(),
            looks_after: looks_after.map(<[_]>::to_vec),
        };
        let graph = Graph::new(vec![
            node("a", &[], None),
            node("b", &["a"], None),
            node("c", &["b"], Some(&["a"])),
            node("d", &["b"], Some(&[])),
            node("e", &["d"], None),
        ])
        .unwrap();
        let order = Mutex::new(Vec::new());
        let note = |verb: &str, node: &Node| {
            let name = node.step.name();
            order.lock().unwrap().push(format!("{verb} {name}"));
            name
        };
        let fates = graph
            .drive_looking_ahead(
                |node| {
                    let name = note("look", node);
                    async move { if name == "d" { Err("broken") } else { Ok(()) } }
                },
                |node| {
                    let name = note("do", node);
                    // What takes long is overtaken by the look of what comes after it.
                    async move {
                        if name == "b" {
                            tokio::task::yield_now().await;
                        }
                        Ok(())
                    }
                },
            )
            .await;
        let order = order.into_inner().unwrap();
        assert_eq!(order, ["do a", "look d", "do b", "look c", "do c"]);
        assert!(matches!(fates[3], ("d", Fate::Failed("broken"))));
        assert!(matches!(&fates[4], ("e", Fate::Skipped(unmet)) if unmet == &["d"]));
    }
}
