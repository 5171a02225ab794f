//! The data plane of logs on Azurite: every behaviour the sandbox claims must be true here. The
//! client is the one for real Azure, over real HTTP; only the endpoint is the emulator's.
//!
//! One emulator for the whole run, one container for each test. Without it the tests are *ignored*;
//! named in `E2E_REQUIRE` they fail.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::{Azurite, Component, azurite, trial};
use azure::{Azure, AzureOptions};
use blob_storage::conformance::LogSubject;
use blob_storage::{AccountKey, BlobLogStore, LogContainer, ProveLogStore};
use converge::{RequestClass, Secret, Slot, StepContext};
use libtest_mimic::{Arguments, Trial};
use tokio::sync::Mutex;

type Behaviour = fn(LogSubject) -> Pin<Box<dyn Future<Output = ()>>>;

/// The emulator of this run, started by the first test that needs it.
static AZURITE: Mutex<Option<Azurite>> = Mutex::const_new(None);

fn main() {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = behaviours()
        .into_iter()
        .map(|(name, behaviour)| {
            let test = move || async move {
                let (azure, container) = container().await?;
                behaviour(LogSubject {
                    store: Arc::new(BlobLogStore::new(azure)),
                    container,
                    guard: Box::new(()),
                })
                .await;
                Ok(())
            };
            trial(format!("log_store::{name}"), &[Component::Azurite], test)
        })
        .collect();
    trials.push(trial(
        "the_marker_is_written_once_and_read_back",
        &[Component::Azurite],
        the_marker_is_written_once_and_read_back,
    ));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(azurite) = AZURITE.blocking_lock().as_mut() {
        if conclusion.has_failed() {
            azurite.keep_logs();
        }
        azurite.end();
    }
    conclusion.exit();
}

fn behaviours() -> Vec<(&'static str, Behaviour)> {
    fn each(name: &'static str, behaviour: Behaviour) -> (&'static str, Behaviour) {
        (name, behaviour)
    }
    blob_storage::log_store_conformance!(list = each)
}

/// A new container of the emulator, and a way to it.
async fn container() -> Result<(Azure, LogContainer), Failed> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let mut running = AZURITE.lock().await;
    let azurite = match running.take() {
        Some(azurite) => azurite,
        None => Azurite::start().await?,
    };
    let azurite = running.insert(azurite);
    let name = format!("logs-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    azurite.make_container(&name).await?;
    let container = LogContainer {
        account: azurite::ACCOUNT.into(),
        endpoint: azurite.endpoint().parse()?,
        container: name.parse()?,
        key: Some(AccountKey {
            name: "key1".into(),
            value: Secret::new(azurite.key()),
        }),
    };
    // No credential: whoever asks for a token would fail.
    Ok((Azure::connect(AzureOptions::default())?, container))
}

/// The step of the workflow: it writes the marker, reads it back, and a second run only reads.
async fn the_marker_is_written_once_and_read_back() -> Result<(), Failed> {
    let (azure, container) = container().await?;
    let mut before = azure.requests().count();
    for (did, writes) in [("marker written", 1), ("unchanged", 0)] {
        let step = ProveLogStore {
            store: Arc::new(BlobLogStore::new(azure.clone())),
            container: Slot::known(container.clone()),
            limit: std::time::Duration::from_secs(30),
        };
        let outcome = Slot::new().of(step).run(&StepContext::default()).await?;
        if outcome.did != did {
            return Err(format!("{} is not {did}", outcome.did).into());
        }
        let after = azure.requests().count();
        let made = after.since(&before).of(RequestClass::Write);
        if made != writes {
            return Err(format!("{did}: {made} writes").into());
        }
        before = after;
    }
    Ok(())
}
