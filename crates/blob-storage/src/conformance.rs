//! What every backend of [`StorageAccounts`] and [`LogStore`] must do, one public function per
//! behaviour; each macro expands its whole list. It owns the expectations; it refuses to know the
//! backend.
//!
//! [`storage_accounts_conformance!`](crate::storage_accounts_conformance) and
//! [`log_store_conformance!`](crate::log_store_conformance) take an expression that makes a
//! [`Subject`] or a [`LogSubject`], fresh for each test.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use azure::ResourceId;
use converge::Secret;

use crate::{
    AccountKey, ContainerName, Ensured, LifecycleRule, LogContainer, LogStore, LogStoreErrorKind,
    StorageAccounts, StorageError,
};

/// A control plane under test.
pub struct Subject {
    /// The control plane.
    pub accounts: Arc<dyn StorageAccounts>,
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
        write!(f, "Subject({:?})", self.accounts)
    }
}

/// A data plane under test.
pub struct LogSubject {
    /// The data plane.
    pub store: Arc<dyn LogStore>,
    /// An empty container of the test's own, with the account's key.
    pub container: LogContainer,
    /// Kept alive until the test is over.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for LogSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSubject({:?})", self.store)
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
pub async fn a_blob_is_written_read_replaced_and_deleted(subject: LogSubject) {
    let container = subject.container;
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
pub async fn an_absent_container_is_said(subject: LogSubject) {
    let mut container = subject.container;
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
pub async fn a_wrong_key_is_refused(subject: LogSubject) {
    let mut container = subject.container;
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
        $crate::storage_conformance_tests!([test [$(#[$attribute])*] $setup];
            an_absent_account_is_none
            an_account_says_what_it_is
            a_container_is_made_once
            a_lifecycle_rule_is_kept_as_declared
        );
    };
}

/// Expands the behaviours of [`LogStore`] into tests over a fresh [`LogSubject`] each.
///
/// `log_store_conformance!(list = each)` makes a `Vec` instead: `each(name, behaviour)` is called for
/// every behaviour, a function from a [`LogSubject`] to a boxed future; for harnesses of one's own.
#[macro_export]
macro_rules! log_store_conformance {
    (list = $each:ident) => {
        $crate::log_store_conformance! { @all [list $each] }
    };
    (@all $how:tt) => {
        $crate::storage_conformance_tests! { $how;
            a_blob_is_written_read_replaced_and_deleted
            an_absent_container_is_said
            a_wrong_key_is_refused
        }
    };
    ($(#[$attribute:meta])* $setup:expr) => {
        $crate::log_store_conformance!(@all [test [$(#[$attribute])*] $setup]);
    };
}

/// One test per behaviour.
#[doc(hidden)]
#[macro_export]
macro_rules! storage_conformance_tests {
    ([list $each:ident]; $($behaviour:ident)+) => {
        vec![$($each(
            stringify!($behaviour),
            |subject| Box::pin($crate::conformance::$behaviour(subject)),
        )),+]
    };
    (@one [$(#[$attribute:meta])*] $setup:expr; $behaviour:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $behaviour() {
            $crate::conformance::$behaviour($setup.await).await;
        }
    };
    ([test $attributes:tt $setup:expr]; $($behaviour:ident)+) => {
        $($crate::storage_conformance_tests!(@one $attributes $setup; $behaviour);)+
    };
}
