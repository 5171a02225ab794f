//! External Secrets over Key Vault: operator, SecretStore, ExternalSecret, vault secrets and grants.
