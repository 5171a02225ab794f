//! The whole guide with the official archives on a real control plane: Azure is the sandbox, which
//! takes the real API server's tokens; External Secrets' CRDs are real API objects and its
//! operator is simulated by the harness, but where its own controller was built
//! (`e2e/tools/build.sh external-secrets`): there the guide of 2024 is carried out once more with it.
//!
//! One control plane for each of them. Without the programs or the archives the tests are
//! *ignored*; named in `E2E_REQUIRE` they fail.

mod drift;
mod ground;
mod killed;
mod neighbours;
mod operator;
mod picture;
mod rights;
mod whole;

use std::pin::Pin;

use aks_airflow_e2e::{Component, Failed, Needs, official_charts, say_once};
use ground::{Ground, Place};
use libtest_mimic::{Arguments, Trial};

type Proof = for<'g> fn(&'g Ground) -> Pin<Box<dyn Future<Output = Result<(), Failed>> + 'g>>;

/// A test of one place: what it needs besides the place's programs, and itself.
macro_rules! proof {
    ($place:ident, $module:ident :: $name:ident $(, $need:ident)*) => {
        proof(
            Place::$place,
            concat!(stringify!($place), "::", stringify!($module), "::", stringify!($name)),
            &[$(Component::$need),*],
            |ground| Box::pin($module::$name(ground)),
        )
    };
}

fn main() {
    let mut arguments = Arguments::from_args();
    // They take the same cluster's one guide through its life, in this order.
    arguments.test_threads = Some(1);
    let mut failed = false;
    for trials in [
        vec![
            proof!(Guide2024, whole::the_guide_installs),
            proof!(Guide2024, whole::a_second_run_writes_nothing),
            proof!(Guide2024, rights::a_missing_right_is_named),
            proof!(Guide2024, drift::every_changed_field_is_named),
            proof!(Guide2024, neighbours::a_person_who_scales_is_named),
            proof!(Guide2024, neighbours::a_person_who_edits_is_named),
            proof!(Guide2024, neighbours::an_autoscaler_keeps_what_it_scales),
            proof!(Guide2024, rights::a_run_without_a_right_says_which),
            proof!(Guide2024, neighbours::two_runs_at_once_do_not_mix),
            proof!(Guide2024, neighbours::the_api_server_may_go_away),
            proof!(Guide2024, neighbours::etcd_may_stand_still),
            proof!(Guide2024, neighbours::connections_may_be_cut),
            proof!(Guide2024, neighbours::helm_upgrades_at_the_same_time, Helm4),
            killed(proof!(
                Guide2024,
                killed::the_program_is_finished_by_its_next_run
            )),
            proof!(Guide2024, rights::nothing_is_granted_that_is_not_used),
        ],
        vec![
            proof!(Current, whole::the_guide_installs),
            proof!(Current, whole::a_second_run_writes_nothing),
        ],
        vec![
            proof!(RealOperator, whole::the_guide_installs),
            proof!(RealOperator, operator::its_own_requests_brought_the_secret),
            proof!(RealOperator, whole::a_second_run_writes_nothing),
            proof!(RealOperator, operator::a_lost_credential_is_named),
        ],
    ] {
        failed |= libtest_mimic::run(&arguments, trials).has_failed();
        ground::end(failed);
    }
    if failed {
        std::process::exit(101);
    }
}

fn proof(place: Place, name: &'static str, needs: &[Component], proof: Proof) -> Trial {
    let all = place.needs().into_iter().chain(needs.iter().copied());
    Needs::of(all)
        .with_file(&official_charts().join("airflow-1.15.0.tgz"))
        .trial(name, move || ground::run(place, proof))
}

/// A test that needs the program itself.
fn killed(trial: Trial) -> Trial {
    let program = killed::program();
    let absent = !program.is_file();
    if absent {
        let name = program.display();
        say_once(&format!(
            "needs {name}: cargo test --workspace --test render --no-run"
        ));
    }
    let ignored = absent || trial.has_ignored_flag();
    trial.with_ignored_flag(ignored)
}
