//! [`prove_trust`]: a ServiceAccount's token exchanged at Entra, the effect everything else rests
//! on. It owns telling "not seen everywhere yet" from "will never match"; it refuses to keep the
//! token longer than its caller.

use std::time::Duration;

use azure::{AccessToken, EntraError, Refusal, ResourceId, TokenExchange};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use converge::{Backoff, Observer, Secret};
use kube_cluster::{Cluster, ClusterError, TokenQuestion};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    AUDIENCE, ClientId, FederatedCredential, Identities, IdentityError, NamespaceName,
    ServiceAccountName, TenantId,
};

/// Whose token is exchanged, for whose, to what end.
#[derive(Debug, Clone)]
pub struct ExchangeQuestion {
    /// The ServiceAccount's namespace.
    pub namespace: NamespaceName,
    /// The ServiceAccount.
    pub service_account: ServiceAccountName,
    /// The identity, to compare its credentials when Entra refuses.
    pub identity: ResourceId,
    /// The identity's client id.
    pub client_id: ClientId,
    /// The identity's tenant.
    pub tenant: TenantId,
    /// What the token is for: `https://vault.azure.net/.default`.
    pub scope: String,
}

/// How long to wait for a trust to be seen everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangePatience {
    /// The pause before the first try; zero by default. After a credential was written give it 15 s:
    /// Entra remembers a refusal that came too early for minutes.
    pub settle: Duration,
    /// How long to try; five minutes by default.
    pub limit: Duration,
}

impl Default for ExchangePatience {
    fn default() -> Self {
        Self {
            settle: Duration::ZERO,
            limit: Duration::from_secs(300),
        }
    }
}

/// Why no token came of it. Nothing was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ExchangeError {
    /// No credential of the identity matches what the cluster sends.
    #[error("Entra refuses the token: cluster sends {claim} `{sends}`, credential has {}", quoted(.has))]
    #[diagnostic(
        code(aka::identity::subject_mismatch),
        help("plan again: the federated credential is the one row that changes")
    )]
    Mismatch {
        /// `issuer`, `subject` or `audience`.
        claim: &'static str,
        /// What the cluster's token says.
        sends: String,
        /// What the nearest credentials say; empty when the identity has none.
        has: Vec<String>,
        /// What Entra said.
        #[source]
        source: EntraError,
    },

    /// The trust is in place and was not seen in time.
    #[error("the trust is in place, and Entra has not seen it after {limit:?}")]
    #[diagnostic(
        code(aka::identity::propagation),
        help("wait some minutes and run again; nothing has to be changed")
    )]
    NotSeenInTime {
        /// How long was waited.
        limit: Duration,
        /// What Entra said last.
        #[source]
        source: EntraError,
    },

    /// Entra refuses, and waiting does not help.
    #[error("the token exchange failed")]
    #[diagnostic(code(aka::identity::exchange))]
    Refused(
        #[source]
        #[diagnostic_source]
        EntraError,
    ),

    /// The cluster gives no token.
    #[error("the cluster gives no token for the ServiceAccount")]
    #[diagnostic(code(aka::identity::token_request))]
    NoToken(
        #[source]
        #[diagnostic_source]
        ClusterError,
    ),

    /// The identity's credentials cannot be read.
    #[error("the identity's credentials cannot be read")]
    #[diagnostic(code(aka::identity::credentials))]
    Credentials(
        #[source]
        #[diagnostic_source]
        IdentityError,
    ),
}

fn quoted(has: &[String]) -> String {
    if has.is_empty() {
        return "none: the identity has no federated credential".into();
    }
    let texts: Vec<String> = has.iter().map(|text| format!("`{text}`")).collect();
    texts.join(", ")
}

/// Exchanges the ServiceAccount's token until Entra gives one, at most `patience.limit`.
///
/// A refusal is compared with the identity's credentials: when one matches to the letter the trust
/// is merely young and is waited for, with the reason told to the observer; otherwise the
/// difference is the error, at once.
///
/// # Errors
/// [`ExchangeError`]. Nothing was written: every request is a probe or a read.
pub async fn prove_trust(
    cluster: &dyn Cluster,
    identities: &dyn Identities,
    entra: &dyn TokenExchange,
    question: &ExchangeQuestion,
    patience: ExchangePatience,
    observer: &Observer,
) -> Result<AccessToken, ExchangeError> {
    let started = Instant::now();
    let mut pauses = Backoff::new(Duration::from_secs(3), Duration::from_secs(10), 0);
    if !patience.settle.is_zero() {
        let reason = "a new credential is left alone before the first try";
        observer.waiting(reason, Duration::ZERO, patience.limit);
        tokio::time::sleep(patience.settle).await;
    }
    let mut assertion = request_assertion(cluster, question).await?;
    loop {
        let answer = entra.exchange(
            question.tenant.to_string(),
            question.client_id.to_string(),
            assertion.clone(),
            question.scope.clone(),
        );
        let error = match answer.await {
            Ok(token) => return Ok(token),
            Err(error) => error,
        };
        let reason = match error.refusal {
            Refusal::NoCredential
            | Refusal::Issuer
            | Refusal::Subject
            | Refusal::Audience
            | Refusal::LetterCase => {
                let live = identities.credentials(question.identity.clone()).await;
                let live = live
                    .map_err(ExchangeError::Credentials)?
                    .unwrap_or_default();
                if let Some((claim, sends, has)) = mismatch(&assertion, &live) {
                    return Err(ExchangeError::Mismatch {
                        claim,
                        sends,
                        has,
                        source: error,
                    });
                }
                format!("{}, propagating", number(&error))
            }
            Refusal::AssertionExpired => {
                assertion = request_assertion(cluster, question).await?;
                format!("{}, the token is asked for again", number(&error))
            }
            _ if error.is_transient() || error.is_propagating() => error.to_string(),
            _ => return Err(ExchangeError::Refused(error)),
        };
        let pause = pauses.next().unwrap_or_default();
        if started.elapsed() + pause >= patience.limit {
            return Err(match error.refusal {
                Refusal::NotAnswered | Refusal::UnknownClient | Refusal::IssuerUnreachable => {
                    ExchangeError::Refused(error)
                }
                _ => ExchangeError::NotSeenInTime {
                    limit: patience.limit,
                    source: error,
                },
            });
        }
        observer.waiting(reason, started.elapsed(), patience.limit);
        tokio::time::sleep(pause).await;
    }
}

async fn request_assertion(
    cluster: &dyn Cluster,
    question: &ExchangeQuestion,
) -> Result<Secret, ExchangeError> {
    let asked = TokenQuestion {
        namespace: question.namespace.to_string(),
        service_account: question.service_account.to_string(),
        audiences: vec![AUDIENCE.into()],
        lifetime: Duration::from_secs(3600),
    };
    let grant = cluster.request_token(asked).await;
    Ok(grant.map_err(ExchangeError::NoToken)?.token)
}

fn number(error: &EntraError) -> String {
    match error.aadsts {
        Some(number) => format!("AADSTS{number}"),
        None => "no answer".into(),
    }
}

/// Which claim no credential has; `None` when one matches the token to the letter, or when the
/// token cannot be read.
fn mismatch(
    assertion: &Secret,
    live: &[FederatedCredential],
) -> Option<(&'static str, String, Vec<String>)> {
    let claims = claims(assertion)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (issuer, subject) = (text(&claims["iss"]), text(&claims["sub"]));
    let audiences: Vec<String> = match &claims["aud"] {
        Value::Array(items) => items.iter().map(text).collect(),
        single => vec![text(single)],
    };
    let issuer_matches: Vec<_> = live.iter().filter(|one| one.issuer == issuer).collect();
    let subject_matches: Vec<_> = live.iter().filter(|one| one.subject == subject).collect();
    let both: Vec<_> = issuer_matches
        .iter()
        .filter(|one| one.subject == subject)
        .collect();
    let distinct = |mut texts: Vec<String>| {
        texts.sort();
        texts.dedup();
        texts
    };
    if both.iter().any(|one| audiences.contains(&one.audience)) {
        return None;
    }
    if !both.is_empty() {
        let has = both.iter().map(|one| one.audience.clone()).collect();
        return Some(("audience", audiences.join(", "), distinct(has)));
    }
    if !subject_matches.is_empty() {
        let has = subject_matches
            .iter()
            .map(|one| one.issuer.clone())
            .collect();
        return Some(("issuer", issuer, distinct(has)));
    }
    let nearest = if issuer_matches.is_empty() {
        live.iter().collect()
    } else {
        issuer_matches
    };
    let has = nearest.iter().map(|one| one.subject.clone()).collect();
    Some(("subject", subject, distinct(has)))
}

/// The claims of a JWT, unverified: they are only compared and shown.
fn claims(token: &Secret) -> Option<Value> {
    let payload = token.expose().split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use azure::MockTokenExchange;
    use converge::Event;
    use kube_cluster::{MockCluster, TokenGrant};
    use serde_json::json;

    use super::*;
    use crate::{CredentialName, MockIdentities};

    const SUBJECT: &str = "system:serviceaccount:airflow:airflow";

    fn question() -> ExchangeQuestion {
        ExchangeQuestion {
            namespace: NamespaceName::parse("airflow").unwrap(),
            service_account: ServiceAccountName::parse("airflow").unwrap(),
            identity: "/subscriptions/s/resourceGroups/g".parse().unwrap(),
            client_id: ClientId::parse("11111111-2222-3333-4444-555555555555").unwrap(),
            tenant: TenantId::parse("31111111-2222-3333-4444-555555555555").unwrap(),
            scope: "https://vault.azure.net/.default".into(),
        }
    }

    fn cluster() -> MockCluster {
        let mut cluster = MockCluster::new();
        cluster.expect_request_token().returning(|_| {
            let claims = json!({"iss": "https://oidc/", "sub": SUBJECT, "aud": [AUDIENCE]});
            let token = format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()));
            Ok(TokenGrant {
                token: Secret::new(token),
                expires: "2026-01-01T00:00:00Z".into(),
            })
        });
        cluster
    }

    fn identities(issuer: &'static str, subject: &'static str) -> MockIdentities {
        let mut identities = MockIdentities::new();
        identities.expect_credentials().returning(move |_| {
            Ok(Some(vec![FederatedCredential {
                name: CredentialName::parse("eso").unwrap(),
                issuer: issuer.into(),
                subject: subject.into(),
                audience: AUDIENCE.into(),
            }]))
        });
        identities
    }

    /// Entra refuses with these numbers and then gives a token.
    fn entra(refusals: &'static [u32]) -> MockTokenExchange {
        let mut entra = MockTokenExchange::new();
        let mut tries = 0;
        entra.expect_exchange().returning(move |_, _, _, _| {
            tries += 1;
            match refusals.get(tries - 1) {
                Some(number) => Err(EntraError::refused(*number, "no")),
                None => Ok(AccessToken {
                    token: Secret::new("t"),
                    expires_in: Duration::from_secs(60),
                }),
            }
        });
        entra
    }

    async fn prove(
        identities: &MockIdentities,
        entra: &MockTokenExchange,
        observer: &Observer,
    ) -> Result<AccessToken, ExchangeError> {
        let patience = ExchangePatience {
            limit: Duration::from_secs(30),
            ..ExchangePatience::default()
        };
        prove_trust(
            &cluster(),
            identities,
            entra,
            &question(),
            patience,
            observer,
        )
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_young_trust_is_waited_for_with_its_reason() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let observer = Observer::new(
            "token exchange",
            Arc::new(move |event: Event| {
                if let Event::Waiting { reason, .. } = event {
                    sink.lock().unwrap().push(reason);
                }
            }),
        );
        let token = prove(
            &identities("https://oidc/", SUBJECT),
            &entra(&[70021, 700_213]),
            &observer,
        )
        .await;
        assert!(token.is_ok(), "{token:?}");
        assert_eq!(
            *told.lock().unwrap(),
            ["AADSTS70021, propagating", "AADSTS700213, propagating"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_never_match_is_named_at_once() {
        for (issuer, subject, expected) in [
            (
                "https://oidc/",
                "system:serviceaccount:airflw:airflow",
                "Entra refuses the token: cluster sends subject `system:serviceaccount:airflow:airflow`, credential has `system:serviceaccount:airflw:airflow`",
            ),
            (
                "https://oidc",
                SUBJECT,
                "Entra refuses the token: cluster sends issuer `https://oidc/`, credential has `https://oidc`",
            ),
        ] {
            let started = Instant::now();
            let error = prove(
                &identities(issuer, subject),
                &entra(&[700_213]),
                &Observer::default(),
            )
            .await
            .unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(started.elapsed(), Duration::ZERO);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_trust_that_is_never_seen_ends_at_the_limit() {
        let error = prove(
            &identities("https://oidc/", SUBJECT),
            &entra(&[70021; 99]),
            &Observer::default(),
        )
        .await
        .unwrap_err();
        assert!(
            matches!(error, ExchangeError::NotSeenInTime { .. }),
            "{error:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_administrator_forbids_is_not_waited_for() {
        let error = prove(
            &identities("https://oidc/", SUBJECT),
            &entra(&[53003]),
            &Observer::default(),
        )
        .await
        .unwrap_err();
        assert!(matches!(error, ExchangeError::Refused(_)), "{error:?}");
    }
}
