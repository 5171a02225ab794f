//! [`Run`]: a plan being carried out: a stream of events that ends with a report. It owns the order
//! of telling; it refuses to print, and to go on once it is dropped.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use converge::{
    Event, EventSink, Observer, Planned, RequestCount, RequestLog, StepContext, StepError, Written,
};
use futures::future::BoxFuture;
use futures::task::AtomicWaker;
use futures::{FutureExt, Stream};
use tokio::time::Instant;

use crate::graph::{Fate, Graph, Meanwhile, Node};
use crate::report::{REPORT_FORMAT, Report, StepReport, StepResult};

/// A run under way. It moves only while it is polled.
///
/// # Cancellation
/// Dropping it stops the run where it stands; the next run converges from what it finds.
pub struct Run {
    work: Option<BoxFuture<'static, Report>>,
    queue: Arc<Queue>,
    report: Option<Report>,
}

/// Events on their way from the steps to whoever polls the run.
#[derive(Default)]
struct Queue {
    events: Mutex<VecDeque<Event>>,
    waker: AtomicWaker,
}

impl EventSink for Queue {
    fn emit(&self, event: Event) {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(event);
        self.waker.wake();
    }
}

impl Queue {
    fn pop(&self) -> Option<Event> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}

impl Run {
    /// Starts carrying out `graph`; nothing happens before the first poll. If its steps were planned
    /// just now, `planned` says what was counted before that: the plan's requests are the run's then.
    pub(crate) fn start(
        deployment: String,
        graph: Graph,
        requests: RequestLog,
        planned: Option<RequestCount>,
    ) -> Self {
        let queue = Arc::new(Queue::default());
        let sink: Arc<dyn EventSink> = Arc::clone(&queue) as Arc<dyn EventSink>;
        Self {
            work: Some(carry_out(deployment, graph, requests, planned, sink).boxed()),
            queue,
            report: None,
        }
    }

    /// The report; `None` until the stream has ended.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Runs to the end without listening.
    pub async fn finish(mut self) -> Report {
        while futures::StreamExt::next(&mut self).await.is_some() {}
        self.report.expect("the stream has ended")
    }
}

impl Stream for Run {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.queue.waker.register(context.waker());
        if let Some(event) = self.queue.pop() {
            return Poll::Ready(Some(event));
        }
        if let Some(work) = self.work.as_mut()
            && let Poll::Ready(report) = work.as_mut().poll(context)
        {
            self.report = Some(report);
            self.work = None;
        }
        match (self.queue.pop(), &self.work) {
            (Some(event), _) => Poll::Ready(Some(event)),
            (None, None) => Poll::Ready(None),
            (None, Some(_)) => Poll::Pending,
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.work.is_some() {
            "Run(under way)"
        } else {
            "Run(ended)"
        })
    }
}

/// Runs every step and gathers the report.
async fn carry_out(
    deployment: String,
    graph: Graph,
    requests: RequestLog,
    planned: Option<RequestCount>,
    sink: Arc<dyn EventSink>,
) -> Report {
    let started = Instant::now();
    let before = planned.unwrap_or_else(|| requests.count());
    for node in graph.nodes().iter().filter(|node| !node.after.is_empty()) {
        sink.emit(Event::StepBlocked {
            step: node.step.name(),
            waiting_for: node.after.clone(),
        });
    }
    let moved = planned.map(|_| Arc::new(Moved::default()));
    let fates = graph
        .drive(|node, meanwhile| {
            run_step(node.clone(), meanwhile, moved.clone(), Arc::clone(&sink))
        })
        .await;
    let steps = fates
        .into_iter()
        .map(|(name, fate)| match fate {
            Fate::Done(report) | Fate::Failed(report) => report,
            Fate::Skipped(by) => StepReport {
                step: name.to_owned(),
                result: StepResult::KeptBack {
                    by: by.into_iter().map(str::to_owned).collect(),
                },
                took: std::time::Duration::ZERO,
            },
        })
        .collect();
    Report {
        format: REPORT_FORMAT,
        deployment,
        steps,
        took: started.elapsed(),
        requests: requests.count().since(&before),
    }
}

/// The steps that have acted since the plan, and those after them.
#[derive(Default)]
struct Moved(Mutex<Movement>);

#[derive(Default)]
struct Movement {
    moved: BTreeSet<&'static str>,
    ended: BTreeSet<&'static str>,
}

impl Moved {
    /// What the plan's look of this step is worth now.
    fn planned(&self, node: &Node) -> Planned {
        let Movement { moved, ended } = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One of which the effect was enough is still at work.
        let has_moved = |before: &&str| moved.contains(*before) || !ended.contains(*before);
        if node.after.iter().any(has_moved) {
            Planned::Overtaken
        } else {
            Planned::Untouched
        }
    }

    fn note(&self, node: &Node, planned: Planned) {
        let mut movement = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        movement.ended.insert(node.step.name());
        if planned == Planned::Overtaken || node.step.has_acted() {
            movement.moved.insert(node.step.name());
        }
    }
}

/// Runs one step and tells how it went.
async fn run_step(
    node: Node,
    meanwhile: Meanwhile,
    moved: Option<Arc<Moved>>,
    sink: Arc<dyn EventSink>,
) -> Result<StepReport, StepReport> {
    let name = node.step.name();
    let started = Instant::now();
    sink.emit(Event::StepStarted { step: name });
    let planned = moved
        .as_ref()
        .map_or(Planned::Stale, |moved| moved.planned(&node));
    let context = StepContext {
        observer: Observer::new(name, Arc::clone(&sink)),
        planned,
        prerequisites: meanwhile.prerequisites,
        effect: meanwhile.effect,
    };
    let result = node.step.run(&context).await;
    if let Some(moved) = moved {
        moved.note(&node, planned);
    }
    let took = started.elapsed();
    let report = |result| StepReport {
        step: name.to_owned(),
        result,
        took,
    };
    match result {
        Ok(outcome) => {
            sink.emit(Event::StepFinished {
                step: name,
                did: outcome.did.clone(),
                took,
                proof: outcome.proof.clone(),
            });
            Ok(report(StepResult::Done {
                did: outcome.did,
                proof: outcome.proof,
            }))
        }
        Err(error) => {
            sink.emit(Event::StepFailed {
                step: name,
                error: error.to_string(),
            });
            Err(report(failure(&error)))
        }
    }
}

/// An error as data: the chain of causes, the innermost code and help.
fn failure(error: &StepError) -> StepResult {
    let mut code = None;
    let mut diagnostic: Option<&dyn miette::Diagnostic> = Some(error.source.as_ref());
    while let Some(next) = diagnostic {
        code = next.code().map(|code| code.to_string()).or(code);
        diagnostic = next.diagnostic_source();
    }
    StepResult::Failed {
        causes: causes(error),
        code,
        help: help(error.source.as_ref()),
        written: error.written == Written::Something,
    }
}

/// An error and its causes, outermost first, without repetitions.
pub(crate) fn causes(error: &StepError) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(next) = cause {
        let text = next.to_string();
        if causes.last() != Some(&text) {
            causes.push(text);
        }
        cause = next.source();
    }
    causes
}

/// The innermost help.
pub(crate) fn help(error: &dyn miette::Diagnostic) -> Option<String> {
    let inner = error.diagnostic_source().and_then(help);
    inner.or_else(|| error.help().map(|help| help.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use converge::{Change, ErasedStep, Proof, StepOutcome};
    use futures::StreamExt;

    #[derive(Debug)]
    struct Scripted {
        name: &'static str,
        fails: bool,
    }

    #[derive(Debug, thiserror::Error, miette::Diagnostic)]
    #[error("broken")]
    #[diagnostic(code(aka::test::broken), help("mend it"))]
    struct Broken;

    #[async_trait]
    impl ErasedStep for Scripted {
        fn name(&self) -> &'static str {
            self.name
        }
        async fn plan(&self, _: &StepContext) -> Result<Vec<Change>, StepError> {
            Ok(Vec::new())
        }
        async fn run(&self, context: &StepContext) -> Result<StepOutcome<()>, StepError> {
            context.observer.progress("working");
            tokio::task::yield_now().await;
            if self.fails {
                return Err(StepError::after_writes(Broken));
            }
            Ok(StepOutcome {
                output: (),
                did: "made".into(),
                proof: Proof::effect("seen"),
            })
        }
    }

    fn graph(steps: &[(&'static str, bool, &[&'static str])]) -> Graph {
        Graph::new(
            steps
                .iter()
                .map(|&(name, fails, after)| Node::new(Arc::new(Scripted { name, fails }), after))
                .collect(),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn events_come_in_order_and_end_with_the_report() {
        let mut run = Run::start(
            "d".into(),
            graph(&[("a", false, &[]), ("b", false, &["a"])]),
            RequestLog::new(),
            None,
        );
        let mut told = Vec::new();
        while let Some(event) = run.next().await {
            told.push(
                serde_json::to_value(&event).unwrap()["event"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        assert_eq!(
            told,
            [
                "step-blocked",
                "step-started",
                "progress",
                "step-finished",
                "step-started",
                "progress",
                "step-finished"
            ]
        );
        assert!(run.report().unwrap().succeeded());
    }

    #[tokio::test]
    async fn a_failure_is_reported_with_code_help_and_what_was_written() {
        let run = Run::start(
            "d".into(),
            graph(&[("a", true, &[]), ("b", false, &["a"])]),
            RequestLog::new(),
            None,
        );
        let report = run.finish().await;
        let StepResult::Failed {
            causes,
            code,
            help,
            written,
        } = &report.steps[0].result
        else {
            panic!("{report}");
        };
        assert_eq!(
            (
                causes.as_slice(),
                code.as_deref(),
                help.as_deref(),
                *written
            ),
            (
                ["broken".to_owned()].as_slice(),
                Some("aka::test::broken"),
                Some("mend it"),
                true
            )
        );
        assert!(matches!(&report.steps[1].result, StepResult::KeptBack { by } if by == &["a"]));
    }
}
