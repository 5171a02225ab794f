//! [`FederatedCredentialStep`]: the identity trusts the cluster's ServiceAccount. It owns the
//! convergence of credentials; it refuses to end a trust it does not know, unless told to.
//!
//! Source: Microsoft Entra, workload identity federation considerations (at most 20 credentials,
//! issuer and subject unique within an identity, compared to the letter).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure::ResourceId;
use converge::{
    Change, ChangeKind, Decision, FieldChange, Proof, Slot, Step, StepContext, StepError,
    StepOutcome, Verification,
};

use crate::{
    AUDIENCE, CredentialName, FederatedCredential, Identities, IdentityError, MOST_CREDENTIALS,
    NamespaceName, ServiceAccountName, subject_of,
};

/// Ensures that an identity trusts a ServiceAccount.
#[derive(Debug, Clone)]
pub struct FederatedCredentialStep {
    /// Managed identities.
    pub identities: Arc<dyn Identities>,
    /// The identity.
    pub identity: ResourceId,
    /// The credential's name, if it must be made.
    pub credential: CredentialName,
    /// The cluster's OIDC issuer.
    pub issuer: Slot<String>,
    /// The ServiceAccount's namespace.
    pub namespace: NamespaceName,
    /// The ServiceAccount's name.
    pub service_account: ServiceAccountName,
    /// Replace a credential of our name that trusts somebody else; off means: stop and name both.
    pub take_over: bool,
    /// How long writing may take, an identity that is not known everywhere yet included.
    pub limit: Duration,
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct CredentialsSeen {
    live: Option<Vec<FederatedCredential>>,
    issuer: Option<String>,
}

/// What is to be done about a wanted credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Convergence {
    /// Nothing: this one trusts as wanted, perhaps under another name.
    Keep(FederatedCredential),
    /// Make or change this one; what it was before.
    Put(FederatedCredential, Option<FederatedCredential>),
}

/// Decides what makes an identity with the `live` credentials trust as `wanted`; pure.
///
/// The same trust under another name is kept: Azure allows it once per identity. A credential of the
/// wanted name with the same subject and another issuer (the cluster was made anew) or audience is
/// changed; one with another subject only with `take_over`.
///
/// # Errors
/// [`IdentityError::CredentialNameTaken`] and [`IdentityError::CredentialLimit`].
pub fn converge_credential(
    identity: &str,
    wanted: &FederatedCredential,
    live: &[FederatedCredential],
    take_over: bool,
) -> Result<Convergence, IdentityError> {
    let same_trust =
        |one: &&FederatedCredential| one.issuer == wanted.issuer && one.subject == wanted.subject;
    if let Some(found) = live.iter().find(same_trust) {
        if found.audience == wanted.audience {
            return Ok(Convergence::Keep(found.clone()));
        }
        let corrected = FederatedCredential {
            name: found.name.clone(),
            ..wanted.clone()
        };
        return Ok(Convergence::Put(corrected, Some(found.clone())));
    }
    // Names are compared as Azure does: without regard to case.
    let same_name =
        |one: &&FederatedCredential| one.name.as_str().eq_ignore_ascii_case(wanted.name.as_str());
    if let Some(found) = live.iter().find(same_name) {
        if found.subject != wanted.subject && !take_over {
            return Err(IdentityError::CredentialNameTaken {
                name: found.name.clone(),
                live: found.subject.clone(),
                wanted: wanted.subject.clone(),
            });
        }
        return Ok(Convergence::Put(wanted.clone(), Some(found.clone())));
    }
    if live.len() >= MOST_CREDENTIALS {
        return Err(IdentityError::CredentialLimit {
            identity: identity.to_owned(),
            names: live.iter().map(|one| one.name.to_string()).collect(),
        });
    }
    Ok(Convergence::Put(wanted.clone(), None))
}

impl FederatedCredentialStep {
    fn wanted(&self, issuer: &str) -> FederatedCredential {
        FederatedCredential {
            name: self.credential.clone(),
            issuer: issuer.to_owned(),
            subject: subject_of(&self.namespace, &self.service_account),
            audience: AUDIENCE.into(),
        }
    }

    fn change(kind: ChangeKind, name: &CredentialName, verification: Verification) -> Change {
        Change::new(
            kind,
            format!("federatedIdentityCredential {name}"),
            verification,
        )
    }
}

#[async_trait]
impl Step for FederatedCredentialStep {
    type Observed = CredentialsSeen;
    type Action = FederatedCredential;
    type Output = FederatedCredential;

    fn name(&self) -> &'static str {
        "federated credential"
    }

    async fn observe(&self, _context: &StepContext) -> Result<CredentialsSeen, StepError> {
        let live = self.identities.credentials(self.identity.clone()).await;
        Ok(CredentialsSeen {
            live: live.map_err(StepError::before_writes)?,
            issuer: self.issuer.get(),
        })
    }

    fn decide(
        &self,
        seen: &CredentialsSeen,
    ) -> Result<Decision<FederatedCredential, FederatedCredential>, StepError> {
        let (Some(live), Some(issuer)) = (&seen.live, &seen.issuer) else {
            let row = Self::change(
                ChangeKind::Create,
                &self.credential,
                Verification::Predicted,
            );
            return Ok(Decision::Later {
                changes: vec![
                    row.with_note("once the identity and the cluster's issuer are known"),
                ],
            });
        };
        let wanted = self.wanted(issuer);
        let convergence = converge_credential(self.identity.name(), &wanted, live, self.take_over)
            .map_err(StepError::before_writes)?;
        Ok(match convergence {
            Convergence::Keep(found) => Decision::Done {
                proof: Proof::observed(format!("{} → {}", found.subject, found.name)),
                output: found,
            },
            Convergence::Put(credential, None) => Decision::Act {
                changes: vec![
                    Self::change(ChangeKind::Create, &credential.name, Verification::Verified)
                        .with_note(credential.subject.clone()),
                ],
                action: credential,
            },
            Convergence::Put(credential, Some(before)) => Decision::Act {
                changes: vec![
                    Self::change(ChangeKind::Update, &credential.name, Verification::Verified)
                        .with_fields(field_changes(&before, &credential)),
                ],
                action: credential,
            },
        })
    }

    async fn perform(
        &self,
        credential: FederatedCredential,
        _context: &StepContext,
    ) -> Result<StepOutcome<FederatedCredential>, StepError> {
        let written = self
            .identities
            .put_credential(self.identity.clone(), credential, self.limit)
            .await
            .map_err(StepError::before_writes)?;
        Ok(StepOutcome {
            did: format!("{} trusted", written.subject),
            proof: Proof::observed("Azure answered with the credential; the exchange proves it"),
            output: written,
        })
    }
}

fn field_changes(before: &FederatedCredential, after: &FederatedCredential) -> Vec<FieldChange> {
    let fields = [
        ("issuer", &before.issuer, &after.issuer),
        ("subject", &before.subject, &after.subject),
        ("audiences[0]", &before.audience, &after.audience),
    ];
    fields
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(path, before, after)| FieldChange {
            path: path.to_owned(),
            before: Some(before.clone().into()),
            after: Some(after.clone().into()),
            manager: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MockIdentities;

    fn credential(name: &str, issuer: &str, account: &str) -> FederatedCredential {
        FederatedCredential {
            name: CredentialName::parse(name).unwrap(),
            issuer: issuer.into(),
            subject: format!("system:serviceaccount:airflow:{account}"),
            audience: AUDIENCE.into(),
        }
    }

    #[track_caller]
    fn check(live: &[FederatedCredential], take_over: bool, expected: &str) {
        let wanted = credential("eso", "https://oidc/", "airflow");
        let seen = match converge_credential("id", &wanted, live, take_over) {
            Ok(Convergence::Keep(found)) => format!("keep {}", found.name),
            Ok(Convergence::Put(put, None)) => format!("create {}", put.name),
            Ok(Convergence::Put(put, Some(before))) => {
                let fields = field_changes(&before, &put);
                let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
                format!("change {} {}", put.name, paths.join(" "))
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn credentials_converge_by_trust_first_and_name_second() {
        let other = credential("other", "https://oidc/", "web");
        check(&[], false, "create eso");
        check(std::slice::from_ref(&other), false, "create eso");
        check(
            &[other.clone(), credential("eso", "https://oidc/", "airflow")],
            false,
            "keep eso",
        );
        check(
            &[credential("by-hand", "https://oidc/", "airflow")],
            false,
            "keep by-hand",
        );
        check(
            &[credential("eso", "https://old/", "airflow")],
            false,
            "change eso issuer",
        );
        // A missing slash is another issuer.
        check(
            &[credential("eso", "https://oidc", "airflow")],
            false,
            "change eso issuer",
        );
        let wrong_audience = FederatedCredential {
            audience: "api://other".into(),
            ..credential("by-hand", "https://oidc/", "airflow")
        };
        check(&[wrong_audience], false, "change by-hand audiences[0]");
    }

    #[test]
    fn a_foreign_credential_of_our_name_stops_or_is_taken_over() {
        let foreign = [credential("ESO", "https://oidc/", "airflw")];
        check(
            &foreign,
            false,
            "federated credential `ESO` trusts `system:serviceaccount:airflow:airflw`, not `system:serviceaccount:airflow:airflow`",
        );
        check(&foreign, true, "change eso subject");
    }

    #[test]
    fn the_twenty_first_is_refused_before_azure_does() {
        let live: Vec<_> = (0..20)
            .map(|number| {
                credential(
                    &format!("c-{number}"),
                    "https://oidc/",
                    &format!("a{number}"),
                )
            })
            .collect();
        let wanted = credential("eso", "https://oidc/", "airflow");
        let refused = converge_credential("id", &wanted, &live, false);
        assert!(matches!(
            refused,
            Err(IdentityError::CredentialLimit { .. })
        ));
        check(&live[..19], false, "create eso");
    }

    fn step(identities: MockIdentities, issuer: Slot<String>) -> FederatedCredentialStep {
        FederatedCredentialStep {
            identities: Arc::new(identities),
            identity: "/subscriptions/s/resourceGroups/g".parse().unwrap(),
            credential: CredentialName::parse("eso").unwrap(),
            issuer,
            namespace: NamespaceName::parse("airflow").unwrap(),
            service_account: ServiceAccountName::parse("airflow").unwrap(),
            take_over: false,
            limit: Duration::from_secs(300),
        }
    }

    #[tokio::test]
    async fn the_step_writes_once_and_is_done_afterwards() {
        let mut identities = MockIdentities::new();
        identities
            .expect_put_credential()
            .times(1)
            .returning(|_, credential, _| Ok(credential));
        let step = step(identities, Slot::known("https://oidc/".into()));
        let mut seen = CredentialsSeen {
            live: Some(Vec::new()),
            issuer: Some("https://oidc/".into()),
        };
        let Ok(Decision::Act { action, .. }) = step.decide(&seen) else {
            panic!("something is to be done");
        };
        let outcome = step.perform(action, &StepContext::default()).await.unwrap();
        assert_eq!(outcome.did, "system:serviceaccount:airflow:airflow trusted");
        seen.live = Some(vec![outcome.output]);
        assert!(matches!(step.decide(&seen), Ok(Decision::Done { .. })));
    }

    #[tokio::test]
    async fn without_an_issuer_it_is_decided_later() {
        let mut identities = MockIdentities::new();
        identities
            .expect_credentials()
            .returning(|_| Ok(Some(Vec::new())));
        let step = step(identities, Slot::new());
        let seen = step.observe(&StepContext::default()).await.unwrap();
        assert!(matches!(step.decide(&seen), Ok(Decision::Later { .. })));
    }
}
