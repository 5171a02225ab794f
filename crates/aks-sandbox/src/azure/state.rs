//! [`AzureState`]: everything the simulated Azure remembers. It owns the data and the questions the
//! services ask of it; it refuses HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{ExternalIssuer, Issuer};
use crate::world::Faults;

/// The simulated Azure. Part of the world that persists between commands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AzureState {
    /// The tenant of the subscription.
    pub tenant: String,
    /// The only subscription.
    pub subscription: String,
    /// The object id of the caller who owns the subscription.
    pub deployer: String,
    /// Who signs tokens.
    pub issuer: Issuer,
    /// The issuer of the cluster's ServiceAccount tokens, where that is a real API server.
    #[serde(default)]
    pub external_issuer: Option<ExternalIssuer>,
    /// How long things take.
    pub delays: Delays,
    /// Every resource of Resource Manager, by its id in lower case.
    pub resources: BTreeMap<String, Resource>,
    /// The secrets of each vault, by the vault's name, then by the secret's name in lower case.
    pub secrets: BTreeMap<String, BTreeMap<String, StoredSecret>>,
    /// The containers of each storage account.
    pub containers: BTreeMap<String, BTreeMap<String, Container>>,
    /// The kubeconfig each cluster hands out, by the cluster's name in lower case.
    pub kubeconfigs: BTreeMap<String, String>,
    /// The account keys, by `ACCOUNT|key1` and `ACCOUNT|key2`.
    pub account_keys: BTreeMap<String, String>,
    /// Applications that log in with a secret, by client id.
    pub applications: BTreeMap<String, Application>,
    /// Images in container registries: `NAME.azurecr.io/REPOSITORY:TAG`.
    pub images: BTreeSet<String>,
    /// When a principal got its access policy, by `VAULT|OBJECT`.
    pub(super) policies_since: BTreeMap<String, Timestamp>,
    /// Until when a resource is being written, by what is locked.
    pub(super) busy: BTreeMap<String, Timestamp>,
    /// Until when a refusal of a token is remembered, by `CLIENT|SUBJECT`.
    pub(super) refused: BTreeMap<String, Timestamp>,
    /// Operations that run, by id: when they end and on which resource.
    pub(super) operations: BTreeMap<String, (Timestamp, String)>,
    pub(super) serial: u64,
}

/// How long things take, in the world's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delays {
    /// Until a new federated credential is seen by the token endpoint; 4 s by default.
    pub federation: Duration,
    /// How long a token refused for want of a credential stays refused; nothing by default.
    pub refusal_memory: Duration,
    /// Until a new access policy is seen by the vault; 1 s by default.
    pub access_policy: Duration,
    /// Until a new role assignment is seen; 5 s by default.
    pub role_assignment: Duration,
    /// How long a write to a lockable resource takes; 50 ms by default.
    pub write: Duration,
    /// How long a cluster takes to be made or changed; 60 s by default.
    pub cluster: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            federation: Duration::from_secs(4),
            refusal_memory: Duration::ZERO,
            access_policy: Duration::from_secs(1),
            role_assignment: Duration::from_secs(5),
            write: Duration::from_millis(50),
            cluster: Duration::from_secs(60),
        }
    }
}

impl Delays {
    /// Everything at once.
    pub fn none() -> Self {
        Self {
            federation: Duration::ZERO,
            refusal_memory: Duration::ZERO,
            access_policy: Duration::ZERO,
            role_assignment: Duration::ZERO,
            write: Duration::ZERO,
            cluster: Duration::ZERO,
        }
    }
}

/// One resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resource {
    /// The id as it was written first.
    pub id: String,
    /// `Microsoft.KeyVault/vaults`.
    pub kind: String,
    /// The document.
    pub body: Value,
    /// When it was written last.
    pub changed: Timestamp,
    /// Until when its last operation runs.
    pub settles: Option<Timestamp>,
}

/// A vault's secret with all its versions, newest last.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StoredSecret {
    /// The name as it was written first.
    pub name: String,
    /// The versions.
    pub versions: Vec<SecretVersion>,
    /// When it was deleted, if it was.
    pub deleted: Option<Timestamp>,
}

/// One version of a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecretVersion {
    /// 32 hexadecimal digits.
    pub version: String,
    /// The value.
    pub value: String,
    /// What the writer said it is.
    pub content_type: Option<String>,
    /// The writer's tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it can be read.
    pub enabled: bool,
    /// When it was written.
    pub created: Timestamp,
}

/// A blob container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Container {
    /// Its blobs.
    pub blobs: BTreeMap<String, Blob>,
    /// When it was made, in seconds since the epoch.
    pub created: i64,
}

/// One blob.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Blob {
    /// Its bytes.
    pub content: Vec<u8>,
    /// Its media type.
    pub content_type: String,
    /// When it was written.
    pub modified: Timestamp,
    /// Its entity tag.
    pub etag: String,
}

/// An application that logs in with a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Application {
    /// Its secret.
    pub secret: String,
    /// The object id of its service principal.
    pub object_id: String,
}

impl AzureState {
    /// A new identifier in the form of a GUID; the same world gives the same ones.
    pub(super) fn new_guid(&mut self, what: &str) -> String {
        let hex = self.new_hex(what);
        format!(
            "{}-{}-4{}-a{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..32]
        )
    }

    /// A new identifier of 32 hexadecimal digits.
    pub(super) fn new_hex(&mut self, what: &str) -> String {
        self.serial += 1;
        let text = format!("{}|{what}|{}", self.subscription, self.serial);
        let digest = Sha256::digest(text.as_bytes());
        hex(&digest[..16])
    }

    /// A resource by id, without regard to case.
    pub fn resource(&self, id: &str) -> Option<&Resource> {
        self.resources.get(&id.to_ascii_lowercase())
    }

    /// The resources of one kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.resources
            .values()
            .filter(move |resource| resource.kind.eq_ignore_ascii_case(kind))
    }

    /// The one resource of a kind with this name, as names of vaults and accounts are global.
    pub fn named(&self, kind: &str, name: &str) -> Option<&Resource> {
        self.resources.values().find(|resource| {
            resource.kind.eq_ignore_ascii_case(kind)
                && last(&resource.id).eq_ignore_ascii_case(name)
        })
    }

    /// The identity with this client id: its principal id, and its resource.
    pub fn identity(&self, client_id: &str) -> Option<&Resource> {
        self.of_kind("Microsoft.ManagedIdentity/userAssignedIdentities")
            .find(|identity| identity.body["properties"]["clientId"] == client_id)
    }

    /// The issuer URL of the cluster.
    pub fn issuer_url(&self) -> &str {
        match &self.external_issuer {
            Some(external) => &external.url,
            None => &self.issuer.url,
        }
    }

    /// Takes the lock of `what` for as long as a write takes; `false` if it is taken.
    pub(super) fn lock(&mut self, what: &str, now: Timestamp) -> bool {
        let what = what.to_ascii_lowercase();
        if self.busy.get(&what).is_some_and(|until| *until > now) {
            return false;
        }
        self.busy.insert(what, now + self.delays.write);
        true
    }

    /// An account's key; a new account has one that is derived from its name.
    pub fn account_key(&self, account: &str, key: &str) -> String {
        let slot = format!("{account}|{key}");
        match self.account_keys.get(&slot) {
            Some(key) => key.clone(),
            None => derived_key(&self.subscription, &slot),
        }
    }

    /// Replaces an account's key with a new one.
    pub(super) fn renew_account_key(&mut self, account: &str, key: &str) {
        let slot = format!("{account}|{key}");
        let fresh = self.new_hex(&slot);
        let key = derived_key(&self.subscription, &fresh);
        self.account_keys.insert(slot, key);
    }

    /// Takes over the delays the faults ask for.
    pub(super) fn heed(&mut self, faults: &Faults) {
        if let Some(millis) = faults.federated_propagation_ms {
            self.delays.federation = Duration::from_millis(millis);
        }
        if let Some(millis) = faults.grant_propagation_ms {
            self.delays.access_policy = Duration::from_millis(millis);
            self.delays.role_assignment = Duration::from_millis(millis);
        }
    }

    /// Whether an image is in a registry: `NAME.azurecr.io/REPOSITORY:TAG`.
    pub fn has_image(&self, reference: &str) -> bool {
        self.images.contains(reference)
    }
}

/// The last segment of an id.
pub(super) fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// 64 bytes in base64, as storage keys are.
fn derived_key(subscription: &str, slot: &str) -> String {
    let half = |part: u8| Sha256::digest(format!("{subscription}|{slot}|{part}").as_bytes());
    STANDARD.encode([half(0), half(1)].concat())
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}
