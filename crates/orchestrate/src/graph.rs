//! [`Graph`]: the steps of a workflow and what each waits for. It owns order and concurrency; it
//! refuses to know what a step does, and to run anything twice.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use converge::{ErasedStep, Prerequisites, Signal};
use futures::future::{Either, Ready};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

/// A step and the names of the steps it comes after.
#[derive(Debug, Clone)]
pub struct Node {
    /// The step.
    pub step: Arc<dyn ErasedStep>,
    /// The steps that must have succeeded before it starts.
    pub after: Vec<&'static str>,
    /// Of these, the ones of which the effect is enough: it starts once they have
    /// [told](converge::StepContext::effect) that only bookkeeping is left.
    pub on_effect: Vec<&'static str>,
    /// The steps beside which it runs: it waits for them [itself](converge::StepContext::prerequisites),
    /// and does not start once one of them has not succeeded. It is planned after them.
    pub beside: Vec<&'static str>,
    /// The steps after which a plan may let it look already, where these are fewer.
    pub looks_after: Option<Vec<&'static str>>,
}

impl Node {
    /// A step that comes after others.
    pub fn new(step: Arc<dyn ErasedStep>, after: &[&'static str]) -> Self {
        Self {
            step,
            after: after.to_vec(),
            on_effect: Vec::new(),
            beside: Vec::new(),
            looks_after: None,
        }
    }

    /// The steps that must have succeeded before it ends.
    pub fn needs(&self) -> impl Iterator<Item = &'static str> {
        self.after.iter().chain(&self.beside).copied()
    }
}

/// How a step that is under way and the steps around it hear of each other.
#[derive(Debug, Clone, Default)]
pub struct Meanwhile {
    /// The steps it runs [beside](Node::beside).
    pub prerequisites: Prerequisites,
    /// For the step to set when its effect is there.
    pub effect: Signal,
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
            let looks = node.looks_after.iter().flatten().copied();
            let mut named = node.needs().chain(looks);
            if let Some(missing) = named.find(|name| !names.contains(name)) {
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
                .filter(|node| node.needs().all(|name| placed.contains(name)))
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
            .map(|node| (node.step.name(), node.needs().collect::<Vec<_>>()))
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
    /// at the same time. A failure keeps back only what depends on it; a step that has started beside
    /// others hears of theirs by its prerequisites.
    ///
    /// Returns the steps in declared order with what became of each.
    ///
    /// # Cancellation
    /// Dropping the future drops whatever work is under way.
    pub async fn drive<T, E, F>(
        &self,
        work: impl FnMut(&Node, Meanwhile) -> F,
    ) -> Vec<(&'static str, Fate<T, E>)>
    where
        F: Future<Output = Result<T, E>>,
    {
        let none = None::<fn(&Node) -> Ready<Result<(), E>>>;
        self.drive_all(none, work).await
    }

    /// [`drive`](Self::drive) for a plan, in which no step starts beside another: with `look` done before
    /// for every step that may look sooner than it may start, as soon as it may. A failing look is the
    /// step's failure.
    ///
    /// # Cancellation
    /// As [`drive`](Self::drive).
    pub async fn drive_looking_ahead<T, E, L, F>(
        &self,
        look: impl FnMut(&Node) -> L,
        mut work: impl FnMut(&Node) -> F,
    ) -> Vec<(&'static str, Fate<T, E>)>
    where
        L: Future<Output = Result<(), E>>,
        F: Future<Output = Result<T, E>>,
    {
        self.drive_all(Some(look), |node, _| work(node)).await
    }

    async fn drive_all<T, E, L, F>(
        &self,
        mut look: Option<impl FnMut(&Node) -> L>,
        mut work: impl FnMut(&Node, Meanwhile) -> F,
    ) -> Vec<(&'static str, Fate<T, E>)>
    where
        L: Future<Output = Result<(), E>>,
        F: Future<Output = Result<T, E>>,
    {
        let mut course = Course {
            is_plan: look.is_some(),
            ..Course::default()
        };
        let mut running = FuturesUnordered::new();
        loop {
            let mut settled = false;
            for node in &self.nodes {
                let name = node.step.name();
                if course.started.contains(name) {
                    continue;
                }
                if let (Some(look), Some(sooner)) = (&mut look, &node.looks_after)
                    && !course.looks.contains_key(name)
                    && sooner.iter().all(|before| course.is_done(before))
                {
                    course.looks.insert(name, Look::UnderWay);
                    let task = look(node).map(move |looked| (name, Part::Look(looked)));
                    running.push(Either::Left(task));
                }
                if !course.may_start(node) {
                    continue;
                }
                course.started.insert(name);
                let unmet = course.unmet(node);
                if !unmet.is_empty() {
                    course.end(name, Fate::Skipped(unmet));
                    settled = true;
                    continue;
                }
                let meanwhile = course.start(node);
                let effect = meanwhile.effect.clone();
                if self.nodes.iter().any(|node| node.on_effect.contains(&name)) {
                    let effect = effect.clone();
                    let seen = async move {
                        effect.wait().await;
                        (name, Part::Effect)
                    };
                    running.push(Either::Right(Either::Left(seen)));
                }
                let task = work(node, meanwhile).map(move |worked| {
                    effect.set();
                    (name, Part::Work(worked))
                });
                running.push(Either::Right(Either::Right(task)));
            }
            if settled {
                continue;
            }
            match running.next().await {
                Some((name, Part::Look(Ok(())))) => {
                    course.looks.insert(name, Look::Done);
                }
                Some((name, Part::Effect)) => {
                    course.effects.insert(name);
                }
                Some((name, Part::Work(Ok(value)))) => course.end(name, Fate::Done(value)),
                Some((name, Part::Look(Err(error)) | Part::Work(Err(error)))) => {
                    course.started.insert(name);
                    course.end(name, Fate::Failed(error));
                }
                None => break,
            }
        }
        self.nodes
            .iter()
            .filter_map(|node| course.fates.remove_entry(node.step.name()))
            .collect()
    }
}

/// How far a drive is.
struct Course<T, E> {
    is_plan: bool,
    fates: BTreeMap<&'static str, Fate<T, E>>,
    started: BTreeSet<&'static str>,
    looks: BTreeMap<&'static str, Look>,
    effects: BTreeSet<&'static str>,
    /// Of the steps that run beside others.
    prerequisites: Vec<Prerequisites>,
}

impl<T, E> Default for Course<T, E> {
    fn default() -> Self {
        Self {
            is_plan: false,
            fates: BTreeMap::new(),
            started: BTreeSet::new(),
            looks: BTreeMap::new(),
            effects: BTreeSet::new(),
            prerequisites: Vec::new(),
        }
    }
}

impl<T, E> Course<T, E> {
    fn is_done(&self, step: &str) -> bool {
        matches!(self.fates.get(step), Some(Fate::Done(_)))
    }

    /// Whether the effect of a step is there, and enough for this node.
    fn has_effect(&self, node: &Node, step: &str) -> bool {
        self.effects.contains(step) && node.on_effect.contains(&step)
    }

    /// Whether everything before a step has come to an end, and its look, if it looks ahead.
    fn may_start(&self, node: &Node) -> bool {
        let is_over = |step: &&str| self.fates.contains_key(*step) || self.has_effect(node, step);
        self.looks.get(node.step.name()) != Some(&Look::UnderWay)
            && node.after.iter().all(is_over)
            && (!self.is_plan || node.beside.iter().all(is_over))
    }

    /// The steps a step needs that have ended without success.
    fn unmet(&self, node: &Node) -> Vec<&'static str> {
        let has_not = |step: &&str| {
            matches!(
                self.fates.get(*step),
                Some(Fate::Failed(_) | Fate::Skipped(_))
            )
        };
        node.needs().filter(has_not).collect()
    }

    fn start(&mut self, node: &Node) -> Meanwhile {
        let pending = node.beside.iter().copied();
        let pending: Vec<_> = pending.filter(|step| !self.is_done(step)).collect();
        let meanwhile = Meanwhile {
            prerequisites: Prerequisites::new(pending),
            effect: Signal::new(),
        };
        self.prerequisites.push(meanwhile.prerequisites.clone());
        meanwhile
    }

    fn end(&mut self, step: &'static str, fate: Fate<T, E>) {
        let succeeded = matches!(fate, Fate::Done(_));
        self.fates.insert(step, fate);
        for prerequisites in &self.prerequisites {
            prerequisites.ended(step, succeeded);
        }
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
    Effect,
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
                .map(|(name, after)| Node::new(Arc::new(Named(name)), after))
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
            .drive(|node, _| {
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
            looks_after: looks_after.map(<[_]>::to_vec),
            ..Node::new(Arc::new(Named(name)), after)
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

    /// Four steps: `b` runs beside `a`, `c` needs only `b`'s effect, `d` all of it.
    fn overlapping() -> Graph {
        let named = |name| Arc::new(Named(name));
        Graph::new(vec![
            Node::new(named("a"), &[]),
            Node {
                beside: vec!["a"],
                ..Node::new(named("b"), &[])
            },
            Node {
                on_effect: vec!["b"],
                ..Node::new(named("c"), &["b"])
            },
            Node::new(named("d"), &["b"]),
        ])
        .unwrap()
    }

    #[tokio::test]
    async fn a_step_runs_beside_another_and_is_followed_once_its_effect_is_there() {
        let value = converge::Slot::<u8>::new();
        let order = Mutex::new(Vec::new());
        let note = |what: &str, name: &str| order.lock().unwrap().push(format!("{what} {name}"));
        let (note, value) = (&note, &value);
        let fates = overlapping()
            .drive(|node, meanwhile| {
                let name = node.step.name();
                note("start", name);
                async move {
                    match name {
                        "a" => value.fill(1),
                        "b" => {
                            meanwhile.prerequisites.known(value).await.unwrap();
                            meanwhile.effect.set();
                            tokio::task::yield_now().await;
                        }
                        _ => {}
                    }
                    note("end", name);
                    Ok::<(), ()>(())
                }
            })
            .await;
        assert!(fates.iter().all(|(_, fate)| matches!(fate, Fate::Done(()))));
        let order = order.lock().unwrap();
        let at = |what: &str| order.iter().position(|one| one == what).unwrap();
        assert!(at("start b") < at("end a"), "{order:?}");
        assert!(at("start c") < at("end b"), "{order:?}");
        assert!(at("start d") > at("end b"), "{order:?}");
    }

    #[tokio::test]
    async fn a_step_hears_of_the_failure_of_one_it_runs_beside() {
        let value = converge::Slot::<u8>::new();
        let value = &value;
        let fates = overlapping()
            .drive(|node, meanwhile| {
                let name = node.step.name();
                async move {
                    match name {
                        "a" => Err("broken".to_owned()),
                        "b" => {
                            let known = meanwhile.prerequisites.known(value).await;
                            known.map(drop).map_err(|error| error.to_string())
                        }
                        _ => Ok(()),
                    }
                }
            })
            .await;
        let Fate::Failed(why) = &fates[1].1 else {
            panic!("{fates:?}");
        };
        assert!(why.contains("`a` did not succeed"), "{why}");
        assert!(matches!(&fates[3].1, Fate::Skipped(unmet) if unmet == &["b"]));
    }

    #[tokio::test]
    async fn a_step_does_not_start_beside_one_that_has_failed() {
        let mut graph = overlapping();
        graph.nodes.push(Node {
            beside: vec!["a"],
            ..Node::new(Arc::new(Named("late")), &["c"])
        });
        let fates = graph
            .drive(|node, _| {
                let fails = node.step.name() == "a";
                async move { if fails { Err(()) } else { Ok(()) } }
            })
            .await;
        assert!(matches!(&fates[4].1, Fate::Skipped(unmet) if unmet.contains(&"a")));
    }
}
