//! [`Graph`]: the steps of a workflow and what each waits for. It owns order and concurrency; it
//! refuses to know what a step does, and to run anything twice.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use converge::ErasedStep;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// A step and the names of the steps it comes after.
#[derive(Debug, Clone)]
pub struct Node {
    /// The step.
    pub step: Arc<dyn ErasedStep>,
    /// The steps that must have succeeded before it starts.
    pub after: Vec<&'static str>,
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
            if let Some(missing) = node.after.iter().find(|name| !names.contains(*name)) {
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
        mut work: impl FnMut(&Node) -> F,
    ) -> Vec<(&'static str, Fate<T, E>)>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut fates: BTreeMap<&'static str, Fate<T, E>> = BTreeMap::new();
        let mut started = BTreeSet::new();
        let mut running = FuturesUnordered::new();
        loop {
            let mut settled = false;
            for node in &self.nodes {
                let name = node.step.name();
                if started.contains(name) || !node.after.iter().all(|dep| fates.contains_key(dep)) {
                    continue;
                }
                started.insert(name);
                let unmet: Vec<_> = node
                    .after
                    .iter()
                    .copied()
                    .filter(|dep| !matches!(fates.get(dep), Some(Fate::Done(_))))
                    .collect();
                if unmet.is_empty() {
                    let task = work(node);
                    running.push(async move { (name, task.await) });
                } else {
                    fates.insert(name, Fate::Skipped(unmet));
                    settled = true;
                }
            }
            if settled {
                continue;
            }
            match running.next().await {
                Some((name, Ok(value))) => fates.insert(name, Fate::Done(value)),
                Some((name, Err(error))) => fates.insert(name, Fate::Failed(error)),
                None => break,
            };
        }
        self.nodes
            .iter()
            .filter_map(|node| fates.remove_entry(node.step.name()))
            .collect()
    }
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
}
