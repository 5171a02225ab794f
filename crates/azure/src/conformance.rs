//! What every [`Arm`] and [`TokenExchange`] must do: one public function per behaviour, each true of
//! Azure. [`arm_conformance!`](crate::arm_conformance) and
//! [`token_exchange_conformance!`](crate::token_exchange_conformance) expand the whole lists. They
//! use managed identities, which cost nothing. The module refuses to know any backend.
//!
//! ```ignore
//! // `setup()` is an async function that answers a `Subject`, fresh for each test.
//! azure::arm_conformance!(setup());
//! ```

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use converge::Secret;
use serde_json::{Value, json};

use crate::{ApiVersion, Arm, ArmDeleted, ArmErrorKind, Refusal, ResourceId, TokenExchange};

const IDENTITIES: ApiVersion = ApiVersion("2024-11-30");
const SUBSCRIPTIONS: ApiVersion = ApiVersion("2022-12-01");

/// How long one write may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A backend under test.
pub struct Subject {
    /// Resource Manager; its caller may do everything in the group.
    pub arm: Arc<dyn Arm>,
    /// Entra.
    pub entra: Arc<dyn TokenExchange>,
    /// A resource group that is there and that nobody else uses during the test.
    pub group: ResourceId,
    /// Where resources may be made.
    pub location: String,
    /// The tenant.
    pub tenant: String,
    /// Kept alive until the test is over.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?} in {})", self.arm, self.group)
    }
}

impl Subject {
    fn identity(&self, name: &str) -> ResourceId {
        let kind = "userAssignedIdentities";
        let id = self.group.provider("Microsoft.ManagedIdentity", kind, name);
        id.expect("a good name")
    }

    async fn made_identity(&self, name: &str) -> (ResourceId, Value) {
        let id = self.identity(name);
        let body = json!({"location": self.location});
        let made = self.arm.put(id.clone(), IDENTITIES, body, PATIENCE).await;
        (id, made.expect("an identity can be made"))
    }

    fn credential(identity: &ResourceId, name: &str) -> (ResourceId, Value) {
        let id = identity.child("federatedIdentityCredentials", name);
        let body = json!({"properties": {
            "issuer": "https://issuer.example/",
            "subject": format!("subject-of-{name}"),
            "audiences": ["api://AzureADTokenExchange"],
        }});
        (id.expect("a good name"), body)
    }
}

/// A resource that is not there is `None`, also in a group that is not there.
pub async fn an_absent_resource_is_none(subject: Subject) {
    let absent_group: ResourceId = format!("{}-absent", subject.group).parse().expect("an id");
    let kind = "userAssignedIdentities";
    let elsewhere = absent_group.provider("Microsoft.ManagedIdentity", kind, "none");
    for id in [subject.identity("none"), elsewhere.expect("an id")] {
        let read = subject.arm.get(id, IDENTITIES).await;
        assert_eq!(read.expect("reading may not fail"), None);
    }
}

/// A subscription that is not there is an error, not an absence: the caller is at the wrong place.
pub async fn an_unknown_subscription_is_said(subject: Subject) {
    let id = ResourceId::subscription("00000000-0000-0000-0000-000000000000").expect("an id");
    let error = subject
        .arm
        .get(id, SUBSCRIPTIONS)
        .await
        .expect_err("there is none");
    assert_eq!(error.code(), Some("SubscriptionNotFound"), "{error:?}");
}

/// What was written is read back, and written again it is the same resource.
pub async fn a_resource_is_written_and_read_back(subject: Subject) {
    let (id, first) = subject.made_identity("suite-identity").await;
    let (_, again) = subject.made_identity("suite-identity").await;
    let read = subject
        .arm
        .get(id, IDENTITIES)
        .await
        .expect("reading may not fail");
    let read = read.expect("it was written");
    for seen in [&again, &read] {
        assert_eq!(
            seen["properties"]["principalId"],
            first["properties"]["principalId"]
        );
        assert_eq!(seen["name"], "suite-identity");
    }
}

/// A write into a group that is not there is an error with Azure's code.
pub async fn a_write_into_an_absent_group_is_not_found(subject: Subject) {
    let group: ResourceId = format!("{}-absent", subject.group).parse().expect("an id");
    let kind = "userAssignedIdentities";
    let id = group
        .provider("Microsoft.ManagedIdentity", kind, "x")
        .expect("an id");
    let body = json!({"location": subject.location});
    let error = subject.arm.put(id, IDENTITIES, body, PATIENCE).await;
    let error = error.expect_err("there is no such group");
    assert!(error.is_not_found(), "{error:?}");
    assert_eq!(error.code(), Some("ResourceGroupNotFound"));
}

/// A body Azure refuses is refused, with its sentence.
pub async fn a_bad_body_is_refused(subject: Subject) {
    let (identity, _) = subject.made_identity("suite-refused").await;
    let (id, mut body) = Subject::credential(&identity, "two-audiences");
    body["properties"]["audiences"] = json!(["a", "b"]);
    let error = subject.arm.put(id, IDENTITIES, body, PATIENCE).await;
    let kind = error.expect_err("one audience is the limit").kind;
    let ArmErrorKind::Refused {
        status, message, ..
    } = kind
    else {
        panic!("{kind:?}");
    };
    assert_eq!(status, 400);
    assert!(!message.is_empty());
}

/// A list holds everything, whatever the size of its pages.
pub async fn a_list_holds_all_pages(subject: Subject) {
    let (identity, _) = subject.made_identity("suite-pages").await;
    for name in ["fic-one", "fic-two", "fic-three"] {
        let (id, body) = Subject::credential(&identity, name);
        let made = subject.arm.put(id, IDENTITIES, body, PATIENCE).await;
        made.expect("a credential can be made");
    }
    for collection in [
        "federatedIdentityCredentials",
        "federatedIdentityCredentials?$top=2",
    ] {
        let listed = subject
            .arm
            .list(identity.clone(), collection.into(), IDENTITIES)
            .await;
        let listed = listed.expect("listing may not fail");
        let mut names: Vec<_> = listed
            .iter()
            .filter_map(|item| item["name"].as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["fic-one", "fic-three", "fic-two"], "{collection}");
    }
}

/// A list below something that is not there is an error.
pub async fn a_list_below_an_absent_parent_is_not_found(subject: Subject) {
    let collection = "federatedIdentityCredentials".to_owned();
    let listed = subject
        .arm
        .list(subject.identity("none"), collection, IDENTITIES)
        .await;
    let error = listed.expect_err("there is no such identity");
    assert!(error.is_not_found(), "{error:?}");
}

/// Deleting twice is deleting once.
pub async fn deleting_nothing_is_an_answer(subject: Subject) {
    let (id, _) = subject.made_identity("suite-deleted").await;
    for expected in [ArmDeleted::Gone, ArmDeleted::AlreadyAbsent] {
        let deleted = subject.arm.delete(id.clone(), IDENTITIES, PATIENCE).await;
        assert_eq!(deleted.expect("deleting may not fail"), expected);
    }
    let read = subject.arm.get(id, IDENTITIES).await;
    assert_eq!(read.expect("reading may not fail"), None);
}

/// Two writes that Azure takes one at a time both arrive: the 409 is waited out.
pub async fn writes_that_exclude_each_other_both_arrive(subject: Subject) {
    let (identity, _) = subject.made_identity("suite-locked").await;
    let write = |name: &str| {
        let (id, body) = Subject::credential(&identity, name);
        subject.arm.put(id, IDENTITIES, body, PATIENCE)
    };
    let (one, two) = futures::join!(write("fic-one"), write("fic-two"));
    one.expect("the first arrives");
    two.expect("the second arrives");
}

/// A tenant that is not there is told from a client that is not there.
pub async fn unknown_tenants_and_clients_are_told_apart(subject: Subject) {
    let nobody = "00000000-0000-0000-0000-00000000dead";
    let scope = "https://vault.azure.net/.default";
    for (tenant, refusal) in [
        (nobody, Refusal::UnknownTenant),
        (subject.tenant.as_str(), Refusal::UnknownClient),
    ] {
        let assertion = Secret::new("e30.e30.e30");
        let error = subject
            .entra
            .exchange(tenant.into(), nobody.into(), assertion, scope.into())
            .await
            .expect_err("there is nobody");
        assert_eq!(error.refusal, refusal, "{error}");
    }
}

/// A tenant that could leave its place in a URL is refused before anything is sent.
pub async fn a_tenant_is_one_segment(subject: Subject) {
    let exchanged = subject
        .entra
        .exchange("../x".into(), "c".into(), Secret::new("a"), "s".into())
        .await;
    let error = exchanged.expect_err("it is no tenant");
    assert_eq!(error.refusal, Refusal::UnknownTenant, "{error}");
}

/// Expands every behaviour of [`Arm`] into a test over a fresh [`Subject`].
#[macro_export]
macro_rules! arm_conformance {
    ($(#[$attribute:meta])* $setup:expr) => {
        $crate::azure_conformance_tests!([$(#[$attribute])*] $setup;
            an_absent_resource_is_none
            an_unknown_subscription_is_said
            a_resource_is_written_and_read_back
            a_write_into_an_absent_group_is_not_found
            a_bad_body_is_refused
            a_list_holds_all_pages
            a_list_below_an_absent_parent_is_not_found
            deleting_nothing_is_an_answer
            writes_that_exclude_each_other_both_arrive
        );
    };
}

/// Expands every behaviour of [`TokenExchange`] into a test over a fresh [`Subject`].
#[macro_export]
macro_rules! token_exchange_conformance {
    ($(#[$attribute:meta])* $setup:expr) => {
        $crate::azure_conformance_tests!([$(#[$attribute])*] $setup;
            unknown_tenants_and_clients_are_told_apart
            a_tenant_is_one_segment
        );
    };
}

/// One test per behaviour.
#[doc(hidden)]
#[macro_export]
macro_rules! azure_conformance_tests {
    (@one [$(#[$attribute:meta])*] $setup:expr; $behaviour:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $behaviour() {
            $crate::conformance::$behaviour($setup.await).await;
        }
    };
    ($attributes:tt $setup:expr; $($behaviour:ident)+) => {
        $($crate::azure_conformance_tests!(@one $attributes $setup; $behaviour);)+
    };
}
