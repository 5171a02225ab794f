//! What every backend of [`StorageAccounts`] and [`LogStore`] must do, one public function per
//! behaviour; each macro expands its whole list. It owns the expectations; it refuses to know the
//! backend.
//!
//! [`storage_accounts_conformance!`](crate::storage_accounts_conformance) and
//! [`log_store_conformance!`](crate::log_store_conformance) take an expression that makes a
//! [`Subject`], fresh for each test.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use azure::ResourceId;
use converge::Secret;

use crate::{
    AccountKey, ContainerName, Ensured, LifecycleRule, LogContainer, LogStore, LogStoreErrorKind,
    StorageAccounts, StorageError,
};

/// A backend under test.
pub struct Subject {
    /// The control plane.
    pub accounts: Arc<dyn StorageAccounts>,
    /// The data plane.
    pub store: Arc<dyn LogStore>,
    /// An account that is there, accepts its keys, and has no lifecycle rule of ours.
    pub account: ResourceId,
    /// An account that is not there, in the same group.
    pub absent: ResourceId,
    /// A name no container of the account has.
    pub free: ContainerName,
    /// Kept alive until the test is over.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?}, {:?})", self.accounts, self.store)
    }
}

impl Subject {
    /// A container that was just made, with the account's key.
    async fn container(&self) -> LogContainer {
        let (accounts, account) = (&self.accounts, &self.account);
        accounts
            .ensure_container(account.clone(), self.free.clone())
            .await
            .expect("a container can be made");
        let facts = accounts
            .facts(account.clone())
            .await
            .expect("facts can be read");
        let facts = facts.expect("the account is there");
        LogContainer {
            account: facts.name,
            endpoint: facts.blob_endpoint,
            container: self.free.clone(),
            key: Some(accounts.key(account.clone()).await.expect("it has a key")),
        }
    }
}

/// An absent account is `None`, and missing for everything below it.
pub async fn an_absent_account_is_none(subject: Subject) {
    let Subject {
        accounts,
        absent,
        free,
        ..
    } = subject;
    let facts = accounts.facts(absent.clone()).await;
    assert_eq!(facts.expect("reading may not fail"), None);
    let error = accounts.ensure_container(absent, free).await;
    assert!(
        matches!(error, Err(StorageError::Missing { .. })),
        "{error:?}"
    );
}

/// An account says who it is, where its blobs are and that its keys are accepted.
pub async fn an_account_says_what_it_is(subject: Subject) {
    let Subject {
        accounts, account, ..
    } = subject;
    let facts = accounts
        .facts(account.clone())
        .await
        .expect("reading may not fail");
    let facts = facts.expect("it is there");
    assert_eq!(facts.id, account);
    assert_eq!(facts.name, account.name());
    assert!(facts.shared_key_allowed);
    let key = accounts.key(account).await.expect("it has keys");
    assert_eq!(key.name, "key1");
    assert!(!key.value.is_empty());
}

/// A container is made once.
pub async fn a_container_is_made_once(subject: Subject) {
    let Subject {
        accounts,
        account,
        free,
        ..
    } = subject;
    let has = || accounts.has_container(account.clone(), free.clone());
    let ensure = || accounts.ensure_container(account.clone(), free.clone());
    assert!(!has().await.expect("reading may not fail"));
    assert_eq!(
        ensure().await.expect("writing may not fail"),
        Ensured::Created
    );
    assert!(has().await.expect("reading may not fail"));
    assert_eq!(
        ensure().await.expect("writing may not fail"),
        Ensured::AlreadyThere
    );
}

/// A rule is created, left, and changed; what would happen is what happens.
pub async fn a_lifecycle_rule_is_kept_as_declared(subject: Subject) {
    let Subject {
        accounts, account, ..
    } = subject;
    let first = LifecycleRule::default();
    let longer = LifecycleRule {
        days: 60,
        ..first.clone()
    };
    for (rule, expected) in [
        (&first, Ensured::Created),
        (&first, Ensured::AlreadyThere),
        (&longer, Ensured::Changed),
        (&longer, Ensured::AlreadyThere),
    ] {
        let would = accounts.lifecycle(account.clone(), rule.clone()).await;
        assert_eq!(would.expect("reading may not fail"), expected);
        let did = accounts
            .ensure_lifecycle(account.clone(), rule.clone())
            .await;
        assert_eq!(did.expect("writing may not fail"), expected);
    }
}

/// What was written is read back, replaced by the next write, and gone after a delete.
pub async fn a_blob_is_written_read_replaced_and_deleted(subject: Subject) {
    let container = subject.container().await;
    let blob = "dag_id=a/run_id=b c/é?x#y.log".to_owned();
    let read = || subject.store.read(container.clone(), blob.clone());
    assert_eq!(read().await.expect("reading may not fail"), None);
    for content in [b"first".to_vec(), b"second, longer".to_vec()] {
        let written = subject
            .store
            .write(container.clone(), blob.clone(), content.clone());
        written.await.expect("writing may not fail");
        assert_eq!(read().await.expect("reading may not fail"), Some(content));
    }
    for there in [true, false] {
        let deleted = subject.store.delete(container.clone(), blob.clone()).await;
        assert_eq!(deleted.expect("deleting may not fail"), there);
    }
    assert_eq!(read().await.expect("reading may not fail"), None);
}

/// An absent container is told from an absent blob.
pub async fn an_absent_container_is_said(subject: Subject) {
    let mut container = subject.container().await;
    container.container = "no-such-container".parse().expect("a good name");
    let written = subject
        .store
        .write(container.clone(), "a".into(), b"a".to_vec())
        .await;
    let read = subject.store.read(container, "a".into()).await.map(|_| ());
    for error in [written, read] {
        let kind = error.expect_err("there is no container").kind;
        assert!(matches!(kind, LogStoreErrorKind::NoContainer), "{kind:?}");
    }
}

/// A wrong key is refused as such.
pub async fn a_wrong_key_is_refused(subject: Subject) {
    let mut container = subject.container().await;
    container.key = Some(AccountKey {
        name: "key1".into(),
        value: Secret::new("d3Jvbmc="),
    });
    let kind = subject
        .store
        .read(container, "a".into())
        .await
        .expect_err("the key is wrong")
        .kind;
    assert!(
        matches!(kind, LogStoreErrorKind::Unauthenticated { .. }),
        "{kind:?}"
    );
}

/// Expands the behaviours of [`StorageAccounts`] into tests over a fresh [`Subject`] each.
#[macro_export]
macro_rules! storage_accounts_conformance {
    ($(#[$attribute:meta])* $setup:expr) => {
        $crate::storage_conformance_tests!([$(#[$attribute])*] $setup;
            an_absent_account_is_none
            an_account_says_what_it_is
            a_container_is_made_once
            a_lifecycle_rule_is_kept_as_declared
        );
    };
}

/// Expands the behaviours of [`LogStore`] into tests over a fresh [`Subject`] each.
#[macro_export]
macro_rules! log_store_conformance {
    ($(#[$attribute:meta])* $setup:expr) => {
        $crate::storage_conformance_tests!([$(#[$attribute])*] $setup;
            a_blob_is_written_read_replaced_and_deleted
            an_absent_container_is_said
            a_wrong_key_is_refused
        );
    };
}

/// One test per behaviour.
#[doc(hidden)]
#[macro_export]
macro_rules! storage_conformance_tests {
    (@one [$(#[$attribute:meta])*] $setup:expr; $behaviour:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $behaviour() {
            $crate::conformance::$behaviour($setup.await).await;
        }
    };
    ($attributes:tt $setup:expr; $($behaviour:ident)+) => {
        $($crate::storage_conformance_tests!(@one $attributes $setup; $behaviour);)+
    };
}
