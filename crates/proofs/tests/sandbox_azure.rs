//! The simulated Azure keeps the contracts of `Arm`, `TokenExchange`, `StorageAccounts`,
//! `LogStore` and `Identities`, with our real clients and Microsoft's over in-memory pipes, and on loopback.

use std::sync::Arc;
use std::time::Duration;

use aks_sandbox::{DEPLOYER, Sandbox};
use azure::conformance::Subject;
use azure::{ApiVersion, ArmErrorKind, Azure, ResourceId, SandboxCredential};
use blob_storage::{ArmStorageAccounts, BlobLogStore};
use converge::{RequestClass, RequestLog};

fn credential(sandbox: &Sandbox) -> SandboxCredential {
    SandboxCredential::new(sandbox.spec().tenant, DEPLOYER)
}

fn over_pipes(sandbox: &Sandbox) -> Azure {
    Azure::sandbox_over(sandbox.connector(), credential(sandbox), RequestLog::new())
}

fn group(sandbox: &Sandbox) -> ResourceId {
    let spec = sandbox.spec();
    ResourceId::resource_group(&spec.subscription, &spec.resource_group).unwrap()
}

fn subject(azure: &Azure, sandbox: Sandbox) -> Subject {
    let spec = sandbox.spec();
    Subject {
        arm: azure.arm(),
        entra: azure.entra(),
        group: group(&sandbox),
        location: spec.location,
        tenant: spec.tenant,
        guard: Box::new(sandbox),
    }
}

mod resource_manager_over_pipes {
    use super::*;

    #[expect(clippy::unused_async, reason = "a suite's setup is awaited")]
    async fn setup() -> Subject {
        let sandbox = Sandbox::seeded(7);
        subject(&over_pipes(&sandbox), sandbox)
    }

    azure::arm_conformance!(setup());
    azure::token_exchange_conformance!(setup());
}

mod resource_manager_on_loopback {
    use super::*;

    async fn setup() -> Subject {
        let sandbox = Sandbox::seeded(7);
        let endpoints = sandbox.listen().await.unwrap();
        let address = endpoints
            .http
            .trim_start_matches("http://")
            .parse()
            .unwrap();
        let azure = Azure::sandbox_at(address, credential(&sandbox), RequestLog::new()).unwrap();
        subject(&azure, sandbox)
    }

    azure::arm_conformance!(setup());
    azure::token_exchange_conformance!(setup());
}

mod storage_over_pipes {
    use super::*;
    use blob_storage::LogContainer;
    use blob_storage::conformance::{LogSubject, Subject};

    #[expect(clippy::unused_async, reason = "a suite's setup is awaited")]
    async fn setup() -> Subject {
        let sandbox = Sandbox::seeded(7);
        let azure = over_pipes(&sandbox);
        let account = |name: &str| {
            group(&sandbox)
                .provider("Microsoft.Storage", "storageAccounts", name)
                .unwrap()
        };
        Subject {
            accounts: Arc::new(ArmStorageAccounts::new(azure.arm())),
            account: account(&sandbox.spec().storage_account),
            absent: account("nosuchaccount"),
            free: "airflow-logs".parse().unwrap(),
            guard: Box::new(sandbox),
        }
    }

    /// A container that was just made, with the account's key.
    async fn logs() -> LogSubject {
        let Subject {
            accounts,
            account,
            free,
            guard,
            ..
        } = setup().await;
        let sandbox = guard.downcast::<Sandbox>().unwrap();
        accounts
            .ensure_container(account.clone(), free.clone())
            .await
            .unwrap();
        let facts = accounts.facts(account.clone()).await.unwrap().unwrap();
        LogSubject {
            store: Arc::new(BlobLogStore::new(over_pipes(&sandbox))),
            container: LogContainer {
                account: facts.name,
                endpoint: facts.blob_endpoint,
                container: free,
                key: Some(accounts.key(account).await.unwrap()),
            },
            guard: sandbox,
        }
    }

    blob_storage::storage_accounts_conformance!(setup());
    blob_storage::log_store_conformance!(logs());
}

mod identities_over_pipes {
    use super::*;
    use aks_identity::ArmIdentities;
    use aks_identity::conformance::Subject;

    /// The subject keeps the connector, and with it the world.
    #[expect(clippy::unused_async, reason = "a suite's setup is awaited")]
    async fn setup() -> Subject {
        let sandbox = Sandbox::seeded(7);
        let spec = sandbox.spec();
        let identity = group(&sandbox).provider(
            "Microsoft.ManagedIdentity",
            "userAssignedIdentities",
            &spec.identity,
        );
        Subject {
            identities: Arc::new(ArmIdentities::new(over_pipes(&sandbox).arm())),
            identity: identity.unwrap(),
            location: spec.location,
        }
    }

    aks_identity::identities_conformance!(setup());
}

const CLUSTERS: ApiVersion = ApiVersion("2026-06-01");

fn cluster(sandbox: &Sandbox) -> ResourceId {
    group(sandbox)
        .provider(
            "Microsoft.ContainerService",
            "managedClusters",
            &sandbox.spec().cluster,
        )
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_slow_operation_is_followed_to_its_end() {
    let sandbox = Sandbox::seeded(7);
    let arm = over_pipes(&sandbox).arm();
    let id = cluster(&sandbox);
    let body = arm.get(id.clone(), CLUSTERS).await.unwrap().unwrap();
    let begun = tokio::time::Instant::now();
    let made = arm
        .put(id, CLUSTERS, body, Duration::from_secs(600))
        .await
        .unwrap();
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    assert!(
        begun.elapsed() >= Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_and_says_what_was_seen() {
    let sandbox = Sandbox::seeded(7);
    let arm = over_pipes(&sandbox).arm();
    let id = cluster(&sandbox);
    let body = arm.get(id.clone(), CLUSTERS).await.unwrap().unwrap();
    let error = arm
        .put(id, CLUSTERS, body, Duration::from_secs(20))
        .await
        .unwrap_err();
    let ArmErrorKind::Deadline { last, .. } = error.kind else {
        panic!("{error:?}");
    };
    assert_eq!(last, "InProgress");
}

#[tokio::test]
async fn requests_are_counted_by_what_they_do() {
    let sandbox = Sandbox::seeded(7);
    let azure = over_pipes(&sandbox);
    let account = group(&sandbox)
        .provider(
            "Microsoft.Storage",
            "storageAccounts",
            &sandbox.spec().storage_account,
        )
        .unwrap();
    let version = ApiVersion("2025-08-01");
    let arm = azure.arm();
    arm.get(account.clone(), version).await.unwrap();
    let limit = Duration::from_secs(9);
    arm.post(account, "listKeys".into(), version, None, false, limit)
        .await
        .unwrap();
    let count = azure.requests().count();
    assert_eq!(
        (
            count.of(RequestClass::Read),
            count.of(RequestClass::Probe),
            count.of(RequestClass::Write)
        ),
        (1, 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_is_sent_again_when_azure_says() {
    use aks_sandbox::world::Verdict;
    let sandbox = Sandbox::seeded(7);
    sandbox.on_request(Some(Arc::new(|record| match record.index {
        0 | 1 => Verdict::Answer {
            status: 429_u16.try_into().unwrap(),
            headers: vec![("retry-after".into(), "7".into())],
            body: String::new(),
        },
        _ => Verdict::Proceed,
    })));
    let azure = over_pipes(&sandbox);
    let begun = tokio::time::Instant::now();
    let found = azure
        .arm()
        .get(group(&sandbox), ApiVersion("2024-11-01"))
        .await;
    assert!(found.unwrap().is_some());
    assert!(
        begun.elapsed() >= Duration::from_secs(14),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn an_answer_that_never_comes_is_asked_for_again_only_where_that_is_harmless() {
    use aks_sandbox::world::Verdict;
    let sandbox = Sandbox::seeded(7);
    sandbox.on_request(Some(Arc::new(|record| match record.index {
        0 => Verdict::CutAfter,
        _ => Verdict::Proceed,
    })));
    let azure = over_pipes(&sandbox);
    let account = group(&sandbox)
        .provider(
            "Microsoft.Storage",
            "storageAccounts",
            &sandbox.spec().storage_account,
        )
        .unwrap();
    let body = serde_json::json!({"keyName": "key2"});
    let renewed = azure
        .arm()
        .post(
            account,
            "regenerateKey".into(),
            ApiVersion("2025-08-01"),
            Some(body),
            true,
            Duration::from_secs(60),
        )
        .await
        .unwrap_err();
    assert!(
        matches!(renewed.kind, ArmErrorKind::Unreachable(_)),
        "{renewed:?}"
    );
    assert_eq!(azure.requests().count().of(RequestClass::Write), 1);
}
