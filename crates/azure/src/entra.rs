//! [`TokenExchange`]: a ServiceAccount's token for a token of Entra ID. It owns the contract and the
//! reading of Entra's refusals; it refuses to decide how long anyone waits.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use converge::Secret;
use miette::Diagnostic;

/// Workload identity federation, as External Secrets and every Azure SDK do it: the client
/// credentials grant with a `client_assertion`.
///
/// Source: Entra ID, OAuth 2.0 client credentials flow, third case (federated credential).
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait TokenExchange: fmt::Debug + Send + Sync + 'static {
    /// Exchanges `assertion` (a ServiceAccount's token for the audience
    /// `api://AzureADTokenExchange`) for a token of `client_id` in `tenant` with `scope`, for
    /// instance `https://vault.azure.net/.default`. A probe: nothing is kept.
    ///
    /// # Errors
    /// What Entra said, classified. Asking before the federated credential exists makes Entra
    /// remember the refusal for minutes: create it first.
    async fn exchange(
        &self,
        tenant: String,
        client_id: String,
        assertion: Secret,
        scope: String,
    ) -> Result<AccessToken, EntraError>;
}

/// A bearer token.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token itself.
    pub token: Secret,
    /// How long it is valid from now.
    pub expires_in: Duration,
}

/// A token that was not given.
#[derive(Debug)]
#[non_exhaustive]
pub struct EntraError {
    /// The first of Entra's numbers: `700213` of `AADSTS700213`. Absent when Entra was not reached
    /// or answered something else.
    pub aadsts: Option<u32>,
    /// Entra's first sentence, or ours when there is none.
    pub message: String,
    /// What support asks for.
    pub correlation_id: Option<String>,
    /// Why, in our words.
    pub refusal: Refusal,
    /// What broke below, when Entra was not reached.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

/// Why a token was not given.
///
/// Microsoft asks clients not to depend on its numbers, so this chooses wording and whether waiting
/// makes sense; a deadline decides failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 70021, 70025: no federated credential matches, or there is none at all.
    NoCredential,
    /// 700211: no credential names the token's issuer.
    Issuer,
    /// 700212: no credential names the token's audience.
    Audience,
    /// 700213: no credential names the token's subject.
    Subject,
    /// 7002131, 7002138: equal but for upper and lower case.
    LetterCase,
    /// 700016: the tenant does not know the client id.
    UnknownClient,
    /// 90002: there is no such tenant.
    UnknownTenant,
    /// 90061, 7000272 and the like: Entra cannot read the issuer's keys.
    IssuerUnreachable,
    /// 700024: the token is not valid now.
    AssertionExpired,
    /// 50005, 53003: Conditional Access forbids it.
    ConditionalAccess,
    /// 7000215: the client secret is wrong.
    ClientSecret,
    /// Entra was not reached, or its answer is not one of Entra's.
    NotAnswered,
    /// Any other number.
    Other,
}

impl Refusal {
    /// Reads one of Entra's numbers.
    ///
    /// Source: Microsoft identity platform, error code reference, and the workload identity
    /// federation pages.
    pub fn of(aadsts: u32) -> Self {
        match aadsts {
            70021 | 70025 => Self::NoCredential,
            700_211 => Self::Issuer,
            700_212 => Self::Audience,
            700_213 => Self::Subject,
            7_002_131 | 7_002_138 => Self::LetterCase,
            700_016 => Self::UnknownClient,
            90002 => Self::UnknownTenant,
            50166 | 90061 | 7_000_272 => Self::IssuerUnreachable,
            700_024 => Self::AssertionExpired,
            50005 | 53003 => Self::ConditionalAccess,
            7_000_215 => Self::ClientSecret,
            _ => Self::Other,
        }
    }
}

impl EntraError {
    /// A refusal by number and sentence, as backends and mocks make it.
    pub fn refused(aadsts: u32, message: impl Into<String>) -> Self {
        Self {
            aadsts: Some(aadsts),
            message: message.into(),
            correlation_id: None,
            refusal: Refusal::of(aadsts),
            cause: None,
        }
    }

    /// No answer, or none of Entra's.
    pub fn not_answered(
        message: impl Into<String>,
        cause: Option<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            aadsts: None,
            message: message.into(),
            correlation_id: None,
            refusal: Refusal::NotAnswered,
            cause,
        }
    }

    /// The same error with the id that support asks for.
    #[must_use]
    pub fn with_correlation_id(mut self, id: Option<String>) -> Self {
        self.correlation_id = id;
        self
    }

    /// Whether a credential or identity that was made a short while ago may explain this: then
    /// waiting makes sense, up to ten minutes. The same refusals have lasting causes too (a wrong
    /// issuer, a wrong subject): compare with the live credential before waiting.
    pub fn is_propagating(&self) -> bool {
        matches!(
            self.refusal,
            Refusal::NoCredential
                | Refusal::Issuer
                | Refusal::Subject
                | Refusal::UnknownClient
                | Refusal::IssuerUnreachable
        )
    }

    /// Whether trying the same again may help without anything having changed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.refusal,
            Refusal::NotAnswered | Refusal::IssuerUnreachable
        )
    }
}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(number) = self.aadsts else {
            return write!(f, "Entra did not answer: {}", self.message);
        };
        let prefix = format!("AADSTS{number}");
        let sentence = self
            .message
            .strip_prefix(&prefix)
            .map_or(self.message.as_str(), |rest| {
                rest.trim_start_matches([':', ' '])
            });
        write!(f, "Entra refused the token: {prefix}: {sentence}")
    }
}

impl Error for EntraError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl Diagnostic for EntraError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(match self.refusal {
            Refusal::NoCredential => "aka::entra::no_credential",
            Refusal::Issuer => "aka::entra::issuer_mismatch",
            Refusal::Audience => "aka::entra::audience_mismatch",
            Refusal::Subject => "aka::entra::subject_mismatch",
            Refusal::LetterCase => "aka::entra::letter_case",
            Refusal::UnknownClient => "aka::entra::unknown_client",
            Refusal::UnknownTenant => "aka::entra::unknown_tenant",
            Refusal::IssuerUnreachable => "aka::entra::issuer_unreachable",
            Refusal::AssertionExpired => "aka::entra::assertion_expired",
            Refusal::ConditionalAccess => "aka::entra::conditional_access",
            Refusal::ClientSecret => "aka::entra::client_secret",
            Refusal::NotAnswered => "aka::entra::not_answered",
            Refusal::Other => "aka::entra::refused",
        }))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = match self.refusal {
            Refusal::NoCredential => {
                "the identity has no federated credential that matches; a new one takes up to some \
                 minutes to be seen"
            }
            Refusal::Issuer => {
                "the credential's issuer must be the cluster's OIDC issuer URL to the letter, with \
                 its trailing slash; a cluster that was made anew has a new one"
            }
            Refusal::Audience => "the credential's audience must be `api://AzureADTokenExchange`",
            Refusal::Subject => {
                "the credential's subject must be `system:serviceaccount:NAMESPACE:NAME` of the \
                 ServiceAccount"
            }
            Refusal::LetterCase => {
                "issuer, subject and audience are compared with upper and lower case"
            }
            Refusal::UnknownClient => {
                "the client id belongs to no identity of this tenant: it was deleted or made anew, \
                 or the tenant is another one"
            }
            Refusal::UnknownTenant => "check the tenant id; it is the subscription's",
            Refusal::IssuerUnreachable => {
                "Entra must be able to read the cluster's OIDC documents over the internet"
            }
            Refusal::AssertionExpired => "check the clocks, and that the token file is renewed",
            Refusal::ConditionalAccess => {
                "an administrator of the tenant must exempt this workload identity"
            }
            Refusal::ClientSecret => "give the secret's value, not its id, and check its expiry",
            Refusal::NotAnswered => "check the network and the proxy settings",
            Refusal::Other => return None,
        };
        Some(Box::new(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_said_once_and_the_cause_is_left_to_the_source() {
        let error = EntraError::refused(70021, "AADSTS70021: No matching federated identity");
        assert_eq!(
            error.to_string(),
            "Entra refused the token: AADSTS70021: No matching federated identity"
        );
        let error = EntraError::not_answered("no route", Some("deep".into()));
        assert_eq!(error.to_string(), "Entra did not answer: no route");
        assert_eq!(error.source().unwrap().to_string(), "deep");
    }

    #[test]
    fn waiting_makes_sense_only_for_what_propagation_can_explain() {
        for (number, waits) in [
            (70021, true),
            (70025, true),
            (700_211, true),
            (700_213, true),
            (700_016, true),
            (700_212, false),
            (7_002_131, false),
            (700_024, false),
            (53003, false),
            (1, false),
        ] {
            let error = EntraError::refused(number, "");
            assert_eq!(error.is_propagating(), waits, "{number}");
        }
    }
}
