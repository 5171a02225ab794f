//! The simulated Azure at wire level: Entra ID, Resource Manager, Key Vault, blob storage. It owns
//! one function, [`respond`], from a request to a reply over an [`AzureState`]; it refuses sockets,
//! clocks and tasks, which are the world's.
//!
//! Hosts decide the service, as in Azure: `login.microsoftonline.com`, `management.azure.com`,
//! `*.vault.azure.net`, `*.blob.core.windows.net`, the clusters' OIDC issuer.
//!
//! # Rules that hold here as they do there
//! - Tokens are checked (issuer, audience, expiry); a real Entra token is refused before anything
//!   else is looked at, and no signature of ours would ever pass at Azure.
//! - A federated credential, an access policy and a role assignment take effect after a delay
//!   ([`Delays`]); a token asked for too early may be remembered as refused.
//! - Two writes to one identity's credentials or one vault's policies at a time are a 409; the
//!   21st credential of an identity is refused; issuer and subject are unique within it.
//! - Role assignments are unique by scope, role and principal, whatever their name.
//! - Access policies of a vault in role mode are kept and ignored.
//!
//! # What is not modelled
//! RS256 signatures of its own tokens (those of an [`ExternalIssuer`] are checked) and MSAL's
//! instance discovery; throttling counters; Azure Policy, locks, tags
//! as a resource; custom roles, deny assignments, conditions, groups; regions and quotas; private
//! endpoints (a vault's firewall is: it refuses); vault-level soft delete; keys and certificates;
//! SAS, leases, snapshots, versions, tiers, append and page blobs; the running of lifecycle rules.

mod arm;
mod blob;
mod caller;
mod entra;
mod external_issuer;
mod reply;
mod roles;
mod seed;
mod service;
mod shared_key;
mod state;
mod token;
mod vault;

pub use external_issuer::ExternalIssuer;
pub use reply::Reply;
pub(crate) use seed::{DEPLOYER_APPLICATION, DEPLOYER_SECRET};
pub use service::mount;
pub(crate) use state::hex;
pub use state::{
    Application, AzureState, Blob, Container, Delays, Resource, SecretVersion, StoredSecret,
};
pub use token::{Claims, Issuer};

use bytes::Bytes;
use jiff::Timestamp;

use crate::world::Faults;

/// Answers one request to any host of the simulated Azure; `None` if the host is none of its.
pub fn respond(
    state: &mut AzureState,
    faults: &Faults,
    request: &http::Request<Bytes>,
    now: Timestamp,
) -> Option<Reply> {
    state.heed(faults);
    let host = host(request);
    let reply = if host == "login.microsoftonline.com" {
        entra::respond(state, faults, request, now)
    } else if host == "management.azure.com" {
        arm::respond(state, request, now)
    } else if let Some(vault) = host.strip_suffix(".vault.azure.net") {
        vault::respond(state, faults, vault, request, now)
    } else if let Some(account) = host.strip_suffix(".blob.core.windows.net") {
        blob::respond(state, account, request, now)
    } else if host == state.issuer.host() {
        entra::issuer_documents(state, request)
    } else {
        return None;
    };
    Some(reply)
}

/// Whether a request carries a token for Resource Manager, as registries take it.
pub(crate) fn is_arm_caller(
    state: &AzureState,
    request: &http::Request<Bytes>,
    now: Timestamp,
) -> bool {
    caller::recognise(state, request, arm::AUDIENCES, now).is_ok()
}

/// The host a request was meant for, in lower case and without its port.
pub(crate) fn host(request: &http::Request<Bytes>) -> String {
    let header = request.headers().get(http::header::HOST);
    let text = request
        .uri()
        .host()
        .or_else(|| header.and_then(|value| value.to_str().ok()))
        .unwrap_or_default();
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => text,
    };
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
