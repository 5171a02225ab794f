//! What every [`Identities`] must do: one public function per behaviour, each true of Azure.
//! [`identities_conformance!`](crate::identities_conformance) expands the list into tests.

use std::sync::Arc;
use std::time::Duration;

use azure::{ArmDeleted, ResourceId};

use crate::{AUDIENCE, CredentialName, FederatedCredential, Identities};

const PATIENCE: Duration = Duration::from_secs(300);

/// A backend under test.
#[derive(Debug)]
pub struct Subject {
    /// The backend.
    pub identities: Arc<dyn Identities>,
    /// An identity that exists, without credentials, that nobody else uses during the test.
    pub identity: ResourceId,
    /// Its region.
    pub location: String,
}

impl Subject {
    fn credential(name: &str, account: &str) -> FederatedCredential {
        FederatedCredential {
            name: CredentialName::parse(name).expect("the suite's names are names"),
            issuer: "https://issuer.example.com/tenant/cluster/".into(),
            subject: format!("system:serviceaccount:suite:{account}"),
            audience: AUDIENCE.into(),
        }
    }

    async fn put(&self, credential: &FederatedCredential) -> FederatedCredential {
        let written =
            self.identities
                .put_credential(self.identity.clone(), credential.clone(), PATIENCE);
        written.await.expect("the credential is written")
    }

    async fn live(&self) -> Vec<FederatedCredential> {
        let live = self.identities.credentials(self.identity.clone()).await;
        let mut live = live
            .expect("credentials are listed")
            .expect("the identity is there");
        live.sort_by(|left, right| left.name.cmp(&right.name));
        live
    }

    fn absent(&self) -> ResourceId {
        let group = self
            .identity
            .as_str()
            .rsplit_once('/')
            .map_or("", |(group, _)| group);
        format!("{group}/no-such-identity")
            .parse()
            .expect("an id beside the identity's")
    }
}

/// Absence is `None`.
pub async fn an_absent_identity_is_none(subject: &Subject) {
    let identity = subject.identities.identity(subject.absent()).await;
    assert!(matches!(identity, Ok(None)), "{identity:?}");
    let credentials = subject.identities.credentials(subject.absent()).await;
    assert!(matches!(credentials, Ok(None)), "{credentials:?}");
}

/// Client id and principal id are two ids.
pub async fn an_identity_has_two_ids_and_a_tenant(subject: &Subject) {
    let identity = subject.identities.identity(subject.identity.clone()).await;
    let identity = identity.expect("an answer").expect("the identity is there");
    assert_ne!(identity.client_id.as_str(), identity.principal_id.as_str());
    assert!(!identity.tenant_id.as_str().is_empty());
}

/// Ensuring what is there changes nothing.
pub async fn ensuring_an_identity_keeps_its_ids(subject: &Subject) {
    let before = subject.identities.identity(subject.identity.clone()).await;
    let ensured = subject
        .identities
        .ensure_identity(subject.identity.clone(), subject.location.clone(), PATIENCE)
        .await;
    let before = before.expect("an answer").expect("the identity is there");
    assert_eq!(ensured.expect("an answer"), before);
}

/// What was put is listed, to the letter.
pub async fn a_credential_reads_back_as_it_was_put(subject: &Subject) {
    let wanted = Subject::credential("reads-back", "a");
    assert_eq!(subject.put(&wanted).await, wanted);
    assert_eq!(subject.live().await, [wanted]);
}

/// A second put replaces.
pub async fn putting_again_replaces(subject: &Subject) {
    subject.put(&Subject::credential("replaced", "a")).await;
    let changed = Subject::credential("replaced", "b");
    subject.put(&changed).await;
    subject.put(&changed).await;
    assert_eq!(subject.live().await, [changed]);
}

/// An issuer and subject are trusted once per identity.
pub async fn the_same_trust_under_two_names_is_refused(subject: &Subject) {
    subject.put(&Subject::credential("first", "a")).await;
    let second = Subject::credential("second", "a");
    let refused = subject
        .identities
        .put_credential(subject.identity.clone(), second, PATIENCE)
        .await;
    assert!(refused.is_err(), "{refused:?}");
}

/// Writes at the same time go one after the other.
pub async fn writes_at_the_same_time_all_arrive(subject: &Subject) {
    let (one, two, three) = (
        Subject::credential("one", "a"),
        Subject::credential("two", "b"),
        Subject::credential("three", "c"),
    );
    futures::join!(subject.put(&one), subject.put(&two), subject.put(&three));
    assert_eq!(subject.live().await, [one, three, two]);
}

/// Deleting nothing is an answer.
pub async fn a_deleted_credential_is_gone(subject: &Subject) {
    let credential = subject.put(&Subject::credential("deleted", "a")).await;
    for expected in [ArmDeleted::Gone, ArmDeleted::AlreadyAbsent] {
        let name = credential.name.clone();
        let deleted = subject
            .identities
            .delete_credential(subject.identity.clone(), name, PATIENCE)
            .await;
        assert_eq!(deleted.expect("an answer"), expected);
    }
    assert_eq!(subject.live().await, []);
}

/// Expands every behaviour into a test of its own. The argument is an expression whose future
/// answers a [`Subject`](crate::conformance::Subject); attributes before it go to every test.
#[macro_export]
macro_rules! identities_conformance {
    ($(#[$attribute:meta])* $setup:expr) => {
        $crate::identities_conformance! { @each { $(#[$attribute])* } { $setup }
            an_absent_identity_is_none
            an_identity_has_two_ids_and_a_tenant
            ensuring_an_identity_keeps_its_ids
            a_credential_reads_back_as_it_was_put
            putting_again_replaces
            the_same_trust_under_two_names_is_refused
            writes_at_the_same_time_all_arrive
            a_deleted_credential_is_gone
        }
    };
    (@each $attributes:tt $setup:tt $($behaviour:ident)*) => {
        $($crate::identities_conformance! { @one $attributes $setup $behaviour })*
    };
    (@one { $(#[$attribute:meta])* } { $setup:expr } $behaviour:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $behaviour() {
            let subject: $crate::conformance::Subject = $setup.await;
            $crate::conformance::$behaviour(&subject).await;
        }
    };
}
