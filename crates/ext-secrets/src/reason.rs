//! [`explain`]: the operator's conditions and events as a sentence a person can act on. It owns the
//! translation; it refuses to decide whether to wait.

use std::fmt;

use azure::Refusal;

/// What keeps a secret from arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blockage {
    /// Entra refuses the token, and why.
    Token(Refusal),
    /// The vault refuses the identity: the grant is missing or on its way.
    Grant,
    /// The vault's firewall refuses the cluster.
    Firewall,
    /// The vault has no such secret.
    SecretMissing,
    /// The secret in the vault is disabled.
    SecretDisabled,
    /// The ServiceAccount is missing or lacks its annotations.
    ServiceAccount,
    /// The SecretStore itself is not ready.
    Store,
    /// Another ExternalSecret owns the Secret.
    TargetOwned,
    /// The vault's name does not resolve or nothing answers there.
    VaultUnreachable,
    /// Nothing this crate knows.
    Unknown,
}

impl Blockage {
    /// What to do about it.
    pub fn help(self) -> &'static str {
        match self {
            Self::Token(Refusal::Subject) => {
                "the federated credential's subject must be `system:serviceaccount:NAMESPACE:NAME` of the store's ServiceAccount"
            }
            Self::Token(Refusal::Issuer) => {
                "the federated credential's issuer must be this cluster's OIDC issuer URL, to the letter"
            }
            Self::Token(_) => {
                "compare client id, tenant and federated credential with the cluster's ServiceAccount; a new credential takes some minutes"
            }
            Self::Grant => {
                "let the identity read the vault: an access policy with `get`, or the role Key Vault Secrets User; it can take ten minutes to arrive"
            }
            Self::Firewall => {
                "allow the cluster's outbound address or subnet in the vault's network settings; AKS is not a trusted service"
            }
            Self::SecretMissing => "write the secret into the vault, under exactly this name",
            Self::SecretDisabled => "enable the secret's current version in the vault",
            Self::ServiceAccount => {
                "the ServiceAccount needs the annotations `azure.workload.identity/client-id` and `…/tenant-id`"
            }
            Self::Store => "look at the SecretStore's own condition and events",
            Self::TargetOwned => "give this ExternalSecret another target, or delete the other one",
            Self::VaultUnreachable => "check the vault's URL and the cluster's DNS and egress",
            Self::Unknown => {
                "look at the operator's log: `kubectl logs deployment/external-secrets`"
            }
        }
    }
}

impl fmt::Display for Blockage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(refusal) => {
                return write!(f, "Entra refuses the token: {}", refusal_words(*refusal));
            }
            Self::Grant => "the vault refuses the identity (403)",
            Self::Firewall => "the vault's firewall refuses the cluster (403)",
            Self::SecretMissing => "the vault has no such secret (404)",
            Self::SecretDisabled => "the secret is disabled in the vault (403)",
            Self::ServiceAccount => {
                "the ServiceAccount is missing or lacks its workload identity annotations"
            }
            Self::Store => "the SecretStore is not ready",
            Self::TargetOwned => "the Secret is owned by another ExternalSecret",
            Self::VaultUnreachable => "the vault cannot be reached from the cluster",
            Self::Unknown => "the operator reports an error",
        })
    }
}

fn refusal_words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoCredential => "no federated credential matches",
        Refusal::Issuer => "no federated credential names this cluster's issuer",
        Refusal::Audience => "the federated credential names another audience",
        Refusal::Subject => "no federated credential names this ServiceAccount",
        Refusal::LetterCase => "upper and lower case differ between token and credential",
        Refusal::UnknownClient => "the tenant does not know the client id",
        Refusal::UnknownTenant => "there is no such tenant",
        Refusal::IssuerUnreachable => "Entra cannot read the cluster's issuer",
        Refusal::AssertionExpired => "the ServiceAccount's token is not valid now",
        Refusal::ConditionalAccess => "Conditional Access forbids it",
        _ => "it gives another reason",
    }
}

/// Reads a condition's reason and message together with recent event messages (newest last).
///
/// The operator hides the cause in events, so they are read first. Source: External Secrets
/// `apis/externalsecrets/v1/*_types.go` and `providers/v1/azure/keyvault`, 0.10 to 2.9.
pub fn explain(reason: &str, message: &str, events: &[String]) -> Blockage {
    events
        .iter()
        .rev()
        .map(String::as_str)
        .chain([message])
        .map(read)
        .find(|blockage| *blockage != Blockage::Unknown)
        .unwrap_or(match reason {
            "InvalidProviderConfig" => Blockage::Token(Refusal::Other),
            _ => Blockage::Unknown,
        })
}

/// Entra's number for it, where it said one: as they are read, the newest event first.
pub(crate) fn entra_code(message: &str, events: &[String]) -> Option<String> {
    let texts = events.iter().rev().map(String::as_str);
    let number = texts.chain([message]).find_map(aadsts)?;
    Some(format!("AADSTS{number}"))
}

fn read(text: &str) -> Blockage {
    let lower = text.to_ascii_lowercase();
    let has = |needle: &str| lower.contains(needle);
    if let Some(number) = aadsts(text) {
        Blockage::Token(Refusal::of(number))
    } else if has("forbiddenbyfirewall") || has("client address") || has("forbiddenbyconnection") {
        Blockage::Firewall
    } else if has("secretdisabled") || has("operation get is not allowed on a disabled secret") {
        Blockage::SecretDisabled
    } else if has("secretnotfound") || has("secret does not exist") || has("statuscode=404") {
        Blockage::SecretMissing
    } else if has("forbidden")
        || has("statuscode=403")
        || has("does not have secrets get permission")
    {
        Blockage::Grant
    } else if has("missing clientid")
        || has("missing tenantid")
        || (has("serviceaccount") && has("not found"))
    {
        Blockage::ServiceAccount
    } else if has("owned by another") {
        Blockage::TargetOwned
    } else if has("no such host") || has("connection refused") || has("i/o timeout") {
        Blockage::VaultUnreachable
    } else if has("is not ready") {
        Blockage::Store
    } else {
        Blockage::Unknown
    }
}

/// The first of Entra's numbers in a text.
fn aadsts(text: &str) -> Option<u32> {
    let start = text.find("AADSTS")? + "AADSTS".len();
    let digits: String = text[start..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_hidden_in_events_are_found() {
        let cases = [
            (
                "InvalidProviderConfig",
                "unable to create client",
                "AADSTS700213: No matching federated identity record found for presented assertion subject",
                Blockage::Token(Refusal::Subject),
            ),
            (
                "SecretSyncedError",
                "could not get secret data from provider",
                "keyvault.BaseClient#GetSecret: Failure responding to request: StatusCode=403 -- Code=\"Forbidden\" InnerError={\"code\":\"ForbiddenByPolicy\"}",
                Blockage::Grant,
            ),
            (
                "SecretSyncedError",
                "could not get secret data from provider",
                "StatusCode=403 Code=\"Forbidden\" Message=\"Client address is not authorized\"",
                Blockage::Firewall,
            ),
            (
                "SecretSyncedError",
                "could not get secret data from provider",
                "StatusCode=404 -- Code=\"SecretNotFound\"",
                Blockage::SecretMissing,
            ),
            (
                "SecretSyncedError",
                "Secret does not exist",
                "",
                Blockage::SecretMissing,
            ),
            (
                "SecretSyncedError",
                "SecretStore \"azure-store\" is not ready",
                "",
                Blockage::Store,
            ),
            (
                "SecretSyncedError",
                "target is owned by another ExternalSecret",
                "",
                Blockage::TargetOwned,
            ),
            (
                "InvalidProviderConfig",
                "unable to create client",
                "missing clientID: either serviceAccountRef or service account annotation is missing",
                Blockage::ServiceAccount,
            ),
            (
                "InvalidProviderConfig",
                "unable to create client",
                "",
                Blockage::Token(Refusal::Other),
            ),
            ("Whatever", "hm", "", Blockage::Unknown),
        ];
        for (reason, message, event, expected) in cases {
            let events: Vec<String> = [event]
                .iter()
                .filter(|e| !e.is_empty())
                .map(|e| (*e).to_owned())
                .collect();
            assert_eq!(
                explain(reason, message, &events),
                expected,
                "{reason} {message} {event}"
            );
        }
    }

    #[test]
    fn entras_number_is_found_in_the_operators_json() {
        let event = r#"error processing spec.data[0]: {"error":"invalid_client","error_description":"AADSTS70025: none"}"#;
        let code = entra_code(
            "could not get secret data from provider",
            &[event.to_owned()],
        );
        assert_eq!(code.as_deref(), Some("AADSTS70025"));
        assert_eq!(entra_code("StatusCode=403", &[]), None);
    }

    #[test]
    fn the_newest_event_that_says_something_wins() {
        let events = [
            "StatusCode=403 Forbidden".to_owned(),
            "AADSTS70021: x".to_owned(),
            "updated".to_owned(),
        ];
        assert_eq!(
            explain("", "", &events),
            Blockage::Token(Refusal::NoCredential)
        );
    }
}
