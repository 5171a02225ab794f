//! What every backend of [`VaultSecrets`] and [`VaultAccess`] must do, one public function per
//! behaviour. It owns the expectations; it refuses to know the backend. The world a function needs
//! is its argument: a vault the caller may read and write, and a name that is free in it.

use azure::ResourceId;
use converge::Secret;
use url::Url;

use crate::{
    GrantScope, Granted, ReadGrant, SecretName, VaultAccess, VaultErrorKind, VaultSecrets,
};

/// A secret that was never written is `None`, not an error.
pub async fn an_absent_secret_is_none(secrets: &dyn VaultSecrets, vault: Url, free: SecretName) {
    let read = secrets
        .get(vault, free)
        .await
        .expect("reading may not fail");
    assert!(read.is_none());
}

/// What was written is read back, enabled, in the version that was returned.
pub async fn a_written_secret_is_read_back(
    secrets: &dyn VaultSecrets,
    vault: Url,
    free: SecretName,
) {
    let written = secrets
        .set(vault.clone(), free.clone(), Secret::new("first"))
        .await
        .expect("writing may not fail");
    let read = secrets
        .get(vault, free)
        .await
        .expect("reading may not fail")
        .expect("it was written");
    assert!(read.enabled);
    assert!(read.value.same_as(&Secret::new("first")));
    assert_eq!(read.version, written.version);
}

/// Every write makes another version, even of the same value.
pub async fn every_write_is_a_new_version(
    secrets: &dyn VaultSecrets,
    vault: Url,
    free: SecretName,
) {
    let mut versions = Vec::new();
    for _ in 0..2 {
        let written = secrets
            .set(vault.clone(), free.clone(), Secret::new("same"))
            .await
            .expect("writing may not fail");
        versions.push(written.version);
    }
    assert_ne!(versions[0], versions[1]);
}

/// A token the vault does not accept is refused as such, not as absence.
pub async fn a_foreign_token_is_refused(secrets: &dyn VaultSecrets, vault: Url, name: SecretName) {
    let error = secrets
        .get_as(vault, name, Secret::new("not-a-token"))
        .await
        .expect_err("a foreign token must be refused");
    assert!(
        matches!(
            error.kind,
            VaultErrorKind::Unauthenticated(_) | VaultErrorKind::Forbidden(_)
        ),
        "{error:?}"
    );
}

/// A vault that is not there is `None`.
pub async fn an_absent_vault_is_none(access: &dyn VaultAccess, absent: ResourceId) {
    assert!(
        access
            .facts(absent)
            .await
            .expect("reading may not fail")
            .is_none()
    );
}

/// A grant is written once; granting it again writes nothing, and both are seen.
pub async fn a_grant_is_idempotent(
    access: &dyn VaultAccess,
    vault: ResourceId,
    principal_id: String,
) {
    let vault = access
        .facts(vault)
        .await
        .expect("reading may not fail")
        .expect("the vault is there");
    let grant = ReadGrant {
        vault,
        principal_id,
        scope: GrantScope::Vault,
    };
    assert_eq!(
        access
            .grant(grant.clone())
            .await
            .expect("granting may not fail"),
        Granted::Added
    );
    assert!(
        access
            .is_granted(grant.clone())
            .await
            .expect("reading may not fail")
    );
    assert_eq!(
        access.grant(grant).await.expect("granting may not fail"),
        Granted::AlreadyThere
    );
}

/// A grant takes nothing from other holders.
pub async fn a_grant_keeps_other_holders(
    access: &dyn VaultAccess,
    vault: ResourceId,
    first: String,
    second: String,
) {
    let vault = access
        .facts(vault)
        .await
        .expect("reading may not fail")
        .expect("the vault is there");
    let to = |principal_id| ReadGrant {
        vault: vault.clone(),
        principal_id,
        scope: GrantScope::Vault,
    };
    for principal in [&first, &second] {
        access
            .grant(to(principal.clone()))
            .await
            .expect("granting may not fail");
    }
    assert!(
        access
            .is_granted(to(first))
            .await
            .expect("reading may not fail")
    );
}

/// Expands to one test per behaviour of [`VaultSecrets`]. `$world` is an expression that yields
/// `(backend, vault, free name)`, evaluated anew for each test.
#[macro_export]
macro_rules! vault_secrets_conformance {
    ($world:expr) => {
        $crate::vault_secrets_conformance!(@each $world,
            an_absent_secret_is_none,
            a_written_secret_is_read_back,
            every_write_is_a_new_version,
            a_foreign_token_is_refused);
    };
    (@each $world:expr, $($name:ident),+) => {$(
        #[tokio::test]
        async fn $name() {
            let (secrets, vault, name) = $world;
            $crate::conformance::$name(&secrets, vault, name).await;
        }
    )+};
}
