//! Releases on a real API server with nodes: ours, Helm 3's and Helm 4's, killed clients, a server
//! that goes away, and the official Airflow chart.
//!
//! One control plane for the whole run, one namespace for each test. Without the programs the tests
//! are *ignored*; named in `E2E_REQUIRE` they fail.

mod airflow;
mod both_ways;
mod disturbed;
mod ground;
mod killed;
mod ours;

use std::path::PathBuf;
use std::pin::Pin;

use aks_airflow_e2e::{Component, Failed, Needs, official_charts, say_once};
use ground::Ground;
use helm_release::conformance::Subject;
use libtest_mimic::{Arguments, Trial};

type Proof = fn(Ground) -> Pin<Box<dyn Future<Output = Result<(), Failed>>>>;
type Behaviour = fn(Subject) -> Pin<Box<dyn Future<Output = ()>>>;

/// A test: its name, what it needs besides the control plane and nodes, and itself.
macro_rules! proof {
    ($module:ident :: $name:ident $(, $need:ident)*) => {
        proof(
            concat!(stringify!($module), "::", stringify!($name)),
            &[$(Component::$need),*],
            |ground| Box::pin($module::$name(ground)),
        )
    };
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    let mut trials = vec![
        proof!(killed::a_client_killed_at_any_request_is_finished_by_the_next),
        proof!(killed::a_client_killed_at_any_moment_is_finished_by_the_next),
        proof!(ours::a_release_lives_its_whole_life),
        proof!(ours::a_scaled_deployment_is_one_conflict_on_one_field),
        proof!(both_ways::helm4_goes_on_with_ours, Helm4),
        proof!(both_ways::helm3_goes_on_with_ours, Helm3),
        proof!(both_ways::we_go_on_with_helm4s, Helm4),
        proof!(both_ways::we_go_on_with_helm3s, Helm3),
        proof!(disturbed::two_runs_at_once_do_not_mix),
        proof!(
            disturbed::a_run_beside_a_living_one_is_refused_by_name,
            Helm4
        ),
    ];
    trials.extend(airflow_trials());
    trials.extend(
        behaviours()
            .into_iter()
            .map(|(name, behaviour)| conformance(name, behaviour)),
    );
    let mut conclusion = libtest_mimic::run(&arguments, trials);
    if !conclusion.has_failed() {
        // It takes the server away from everybody, so it runs alone, last.
        let alone = vec![proof!(disturbed::the_api_server_may_go_away_in_the_middle)];
        let second = libtest_mimic::run(&arguments, alone);
        conclusion.num_failed += second.num_failed;
    }
    ground::end(conclusion.has_failed());
    conclusion.exit();
}

/// The control plane, nodes, and these.
fn needs(more: &[Component]) -> Needs {
    let ground = [Component::ControlPlane, Component::Kwok];
    Needs::of(ground.into_iter().chain(more.iter().copied()))
}

fn proof(name: &'static str, more: &[Component], proof: Proof) -> Trial {
    needs(more).trial(name, move || ground::run(proof))
}

fn conformance(name: &'static str, behaviour: Behaviour) -> Trial {
    needs(&[]).trial(format!("conformance::{name}"), move || {
        ground::subject(behaviour)
    })
}

fn behaviours() -> Vec<(&'static str, Behaviour)> {
    fn each(name: &'static str, behaviour: Behaviour) -> (&'static str, Behaviour) {
        (name, behaviour)
    }
    helm_release::releases_conformance!(list = each)
}

/// The official chart's archive, outside of the project.
fn official_chart() -> PathBuf {
    official_charts().join("airflow-1.15.0.tgz")
}

fn airflow_trials() -> Vec<Trial> {
    let absent = !official_chart().is_file();
    if absent {
        say_once(&format!("needs {}", official_chart().display()));
    }
    [
        proof!(airflow::the_schedule_installs_the_official_chart),
        proof!(airflow::helm_waits_for_ever_on_the_official_chart, Helm4),
    ]
    .into_iter()
    .map(|trial| {
        let ignored = absent || trial.has_ignored_flag();
        trial.with_ignored_flag(ignored)
    })
    .collect()
}
