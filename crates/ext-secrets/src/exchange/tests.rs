//! The proof over mocks, on a paused clock: what is waited for, what is not, and what is said.

use azure::{AccessToken, MockTokenExchange};
use converge::Secret;
use kube_cluster::{MockCluster, TokenGrant};

use super::*;
use crate::{AccessModel, MockVaultSecrets, VaultErrorKind, VaultSecret};

fn cluster() -> MockCluster {
    let mut cluster = MockCluster::new();
    cluster.expect_request_token().returning(|question| {
        assert_eq!(question.audiences, [AUDIENCE]);
        Ok(TokenGrant {
            token: Secret::new("jwt"),
            expires: "2026-01-01T00:00:00Z".into(),
        })
    });
    cluster
}

fn given() -> AccessToken {
    AccessToken {
        token: Secret::new("access"),
        expires_in: Duration::from_secs(3600),
    }
}

fn readable() -> MockVaultSecrets {
    let mut secrets = MockVaultSecrets::new();
    secrets.expect_get_as().returning(|_, _, token| {
        assert_eq!(token.expose(), "access");
        Ok(Some(VaultSecret {
            value: Secret::new("v"),
            version: "1".into(),
            enabled: true,
        }))
    });
    secrets
}

fn step(exchange: MockTokenExchange, secrets: MockVaultSecrets) -> ProveExchange {
    let vault = Slot::new();
    vault.fill(VaultFacts {
        id: "/subscriptions/s".parse().unwrap(),
        uri: "https://kv.vault.azure.net/".parse().unwrap(),
        tenant_id: "t".into(),
        model: AccessModel::Roles,
        firewalled: false,
    });
    let identity = Slot::new();
    identity.fill(ReaderIdentity {
        client_id: "c".into(),
        tenant_id: "t".into(),
    });
    ProveExchange {
        cluster: Arc::new(cluster()),
        exchange: Arc::new(exchange),
        secrets: Arc::new(secrets),
        inputs: ExchangeInputs::new(
            vault,
            identity,
            "airflow",
            "airflow",
            vec![SecretName::parse("name").unwrap()],
        ),
    }
}

#[tokio::test]
async fn a_chain_that_holds_is_done_without_a_write() {
    let mut exchange = MockTokenExchange::new();
    exchange
        .expect_exchange()
        .withf(|tenant, client, _, scope| {
            (tenant.as_str(), client.as_str(), scope.as_str())
                == ("t", "c", "https://vault.azure.net/.default")
        })
        .returning(|_, _, _, _| Ok(given()));
    let step = step(exchange, readable());
    let observed = step.observe(&StepContext::default()).await.unwrap();
    assert!(
        matches!(step.decide(&observed).unwrap(), Decision::Done { proof, .. }
        if proof.to_string() == "effect: token exchanged, 1 vault secrets read")
    );
}

#[tokio::test(start_paused = true)]
async fn a_credential_on_its_way_is_waited_for() {
    let mut exchange = MockTokenExchange::new();
    let mut tries = 0;
    exchange.expect_exchange().returning(move |_, _, _, _| {
        tries += 1;
        if tries < 4 {
            Err(EntraError::refused(70021, "AADSTS70021: no match"))
        } else {
            Ok(given())
        }
    });
    let step = step(exchange, readable());
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Act { action, .. } = step.decide(&observed).unwrap() else {
        panic!("it was refused");
    };
    let outcome = step.perform(action, &StepContext::default()).await.unwrap();
    assert_eq!(outcome.proof.kind, converge::ProofKind::Effect);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_stays_ends_at_the_deadline_with_entras_own_number() {
    let mut exchange = MockTokenExchange::new();
    exchange
        .expect_exchange()
        .returning(|_, _, _, _| Err(EntraError::refused(700_213, "AADSTS700213: subject")));
    let step = step(exchange, MockVaultSecrets::new());
    let action = step.known().unwrap();
    let error = step
        .perform(action, &StepContext::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Entra does not accept `system:serviceaccount:airflow:airflow` as client c, even after 600 s"
    );
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("AADSTS700213"), "{source}");
}

#[tokio::test(start_paused = true)]
async fn what_waiting_cannot_mend_fails_at_once() {
    let mut exchange = MockTokenExchange::new();
    exchange
        .expect_exchange()
        .returning(|_, _, _, _| Ok(given()));
    let mut secrets = MockVaultSecrets::new();
    secrets.expect_get_as().times(1).returning(|_, name, _| {
        Err(VaultError {
            verb: "read",
            name,
            vault: "kv".into(),
            kind: VaultErrorKind::Firewall("Client address".into()),
        })
    });
    let step = step(exchange, secrets);
    let action = step.known().unwrap();
    let error = step
        .perform(action, &StepContext::default())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the identity c cannot read the vault");
}
