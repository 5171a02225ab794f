//! External Secrets over Azure Key Vault: the vault's facts and grants, the secrets in it, the
//! operator, a SecretStore and an ExternalSecret, each as a step that proves its effect.
//!
//! [`VaultAccess`] (control plane) and [`VaultSecrets`] (data plane) are the seams;
//! [`ArmVaultAccess`] and [`KeyVault`] are the real implementations. The steps are wired by typed
//! slots: [`FindVault`] → [`GrantVault`], [`StoreSecrets`] → [`ProveExchange`];
//! [`EnsureOperator`] → [`EnsureStore`] → [`EnsureExternalSecret`]. The crate refuses to know whose
//! secrets these are, and how the identity that reads them came to be.

mod api_version;
#[cfg(feature = "conformance")]
pub mod conformance;
mod exchange;
mod external_secret;
mod grant;
mod key_vault;
mod known_challenge;
mod manifest;
mod operator;
mod reason;
mod secret_name;
mod store;
mod store_secrets;
mod vault_access;
mod vault_facts;
mod vault_secrets;

pub use api_version::{StoreApi, negotiate};
pub use exchange::{ExchangeInputs, ExchangeProofError, ProveExchange, ReaderIdentity};
pub use external_secret::{EnsureExternalSecret, SyncedSecret};
pub use grant::GrantVault;
pub use key_vault::{KeyVault, KeyVaultOptions};
pub use manifest::{ExternalSecretSettings, KeyMapping, SecretStoreSettings};
pub use operator::{EnsureOperator, OperatorError, OperatorFacts, OperatorMode, OperatorSettings};
pub use reason::{Blockage, explain};
pub use secret_name::{InvalidSecretName, SecretName};
pub use store::{EnsureStore, StoreError, StoreReady, why_not_ready};
pub use store_secrets::{StoreSecrets, VaultItem};
#[cfg(any(test, feature = "mock"))]
pub use vault_access::MockVaultAccess;
pub use vault_access::{
    AccessModel, ArmVaultAccess, GrantScope, Granted, ReadGrant, VaultAccess, VaultAccessError,
    VaultFacts,
};
pub use vault_facts::FindVault;
#[cfg(any(test, feature = "mock"))]
pub use vault_secrets::MockVaultSecrets;
pub use vault_secrets::{VaultError, VaultErrorKind, VaultSecret, VaultSecrets};
