//! [`login`]: from a cluster's resource id to a connected cluster, without kubelogin. It owns the
//! choice of the way in; it refuses to run any program a kubeconfig names.
//!
//! Source: AKS `listClusterUserCredential`; the server application's id is the same in every cloud.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure::{Arm, ArmError, ArmErrorKind, Azure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use converge::Secret;
use kube_cluster::{ConnectOptions, KubeCluster, TokenError, TokenSource};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster_facts::CLUSTERS;
use crate::{ClusterFacts, IdentityError};

/// The Entra application every AKS API server is: tokens are for this scope.
pub const SERVER_SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";

/// A token is renewed so long before it expires.
const EARLY: Duration = Duration::from_secs(300);
/// How long asking for the kubeconfig may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tokens for an AKS API server from an Azure credential.
#[derive(Debug)]
pub struct EntraTokens {
    azure: Azure,
    kept: Mutex<Option<(Secret, Instant)>>,
}

impl EntraTokens {
    /// From this credential. Asks nobody yet.
    pub fn new(azure: Azure) -> Self {
        Self {
            azure,
            kept: Mutex::new(None),
        }
    }
}

#[async_trait]
impl TokenSource for EntraTokens {
    async fn token(&self) -> Result<Secret, TokenError> {
        let mut kept = self.kept.lock().await;
        if let Some((token, until)) = &*kept
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let fresh = self.azure.token_for(SERVER_SCOPE).await;
        let fresh = fresh.map_err(|error| TokenError(Box::new(error)))?;
        let until = Instant::now() + fresh.expires_in.saturating_sub(EARLY);
        *kept = Some((fresh.token.clone(), until));
        Ok(fresh.token)
    }
}

/// How a cluster is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// With what the kubeconfig from Azure holds: a certificate.
    Certificate,
    /// With a token of Entra.
    Entra,
}

/// Which way in a cluster wants.
pub fn entrance(facts: &ClusterFacts) -> Entrance {
    if facts.entra_login {
        Entrance::Entra
    } else {
        Entrance::Certificate
    }
}

/// Connects to an AKS cluster: fetches the user's kubeconfig from Azure and, where the cluster uses
/// Entra, brings its own token instead of the exec plugin the kubeconfig names. `azure` is where
/// tokens come from.
///
/// # Errors
/// When Azure does not give the kubeconfig, or it cannot be used. Nothing was written.
pub async fn login(
    arm: &dyn Arm,
    azure: Option<&Azure>,
    facts: &ClusterFacts,
    options: ConnectOptions,
) -> Result<KubeCluster, IdentityError> {
    let kubeconfig = user_kubeconfig(arm, facts).await?;
    let options = match (entrance(facts), azure) {
        (Entrance::Certificate, _) => options,
        (Entrance::Entra, _) if options.token.is_some() => options,
        (Entrance::Entra, Some(azure)) => ConnectOptions {
            token: Some(Arc::new(EntraTokens::new(azure.clone()))),
            ..options
        },
        (Entrance::Entra, None) => {
            return Err(IdentityError::LoginNeeded {
                cluster: facts.id.name().to_owned(),
            });
        }
    };
    Ok(KubeCluster::from_kubeconfig(&kubeconfig, options).await?)
}

/// Connects with a kubeconfig file of this machine. With `azure` an Entra token stands in for a login
/// program of its user, so that an AKS kubeconfig works without kubelogin; a user with a certificate
/// or a token of its own stays.
///
/// # Errors
/// When the file cannot be used. Nothing was sent.
pub async fn login_with_kubeconfig(
    path: &Path,
    azure: Option<&Azure>,
    options: ConnectOptions,
) -> Result<KubeCluster, IdentityError> {
    let token =
        azure.map(|azure| -> Arc<dyn TokenSource> { Arc::new(EntraTokens::new(azure.clone())) });
    let options = ConnectOptions {
        prefer_own_user: options.token.is_none(),
        token: options.token.clone().or(token),
        ..options
    };
    Ok(KubeCluster::from_kubeconfig_file(path, options).await?)
}

/// The kubeconfig Azure keeps for users of the cluster. A probe.
///
/// # Errors
/// When Azure does not give it.
pub async fn user_kubeconfig(arm: &dyn Arm, facts: &ClusterFacts) -> Result<Secret, IdentityError> {
    let action = "listClusterUserCredential".to_owned();
    let answer = arm.post(facts.id.clone(), action, CLUSTERS, None, false, PATIENCE);
    let answer = answer.await?;
    let encoded = answer["kubeconfigs"][0]["value"]
        .as_str()
        .ok_or(IdentityError::Incomplete {
            what: "the user's kubeconfig",
            field: "kubeconfigs[0].value",
        })?;
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| {
        ArmError::new(
            "listClusterUserCredential",
            facts.id.as_str(),
            ArmErrorKind::Answer(error),
        )
    };
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|error| unreadable(error.into()))?;
    let text = String::from_utf8(bytes).map_err(|error| unreadable(error.utf8_error().into()))?;
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure::{AzureOptions, MockArm, StaticCredential};
    use serde_json::json;

    fn facts(entra: bool) -> ClusterFacts {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks";
        let mut answer = json!({"properties": {}});
        if entra {
            answer["properties"]["aadProfile"] = json!({"managed": true});
        }
        ClusterFacts::read(id.parse().unwrap(), &answer).unwrap()
    }

    fn arm() -> MockArm {
        let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: aks\n\
            clusters: [{name: aks, cluster: {server: 'https://aks.invalid:443'}}]\n\
            contexts: [{name: aks, context: {cluster: aks, user: u}}]\n\
            users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin-must-not-run, args: [get-token]}}}]\n";
        let mut arm = MockArm::new();
        arm.expect_post().returning(move |_, action, _, _, changes, _| {
            assert_eq!((action.as_str(), changes), ("listClusterUserCredential", false));
            Ok(json!({"kubeconfigs": [{"name": "clusterUser", "value": STANDARD.encode(kubeconfig)}]}))
        });
        arm
    }

    fn azure() -> Azure {
        let credential = StaticCredential::new(Secret::new("t0k3n"), Duration::from_secs(3600));
        Azure::connect(AzureOptions::default())
            .unwrap()
            .acting_as(Arc::new(credential))
    }

    #[tokio::test]
    async fn an_entra_cluster_is_entered_without_running_its_plugin() {
        let cluster = login(
            &arm(),
            Some(&azure()),
            &facts(true),
            ConnectOptions::default(),
        )
        .await
        .unwrap();
        assert_eq!(cluster.server(), "https://aks.invalid:443/");
    }

    #[tokio::test]
    async fn without_a_credential_an_entra_cluster_says_what_it_needs() {
        let error = login(&arm(), None, &facts(true), ConnectOptions::default())
            .await
            .unwrap_err();
        assert!(
            matches!(error, IdentityError::LoginNeeded { .. }),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn tokens_are_kept_until_shortly_before_they_expire() {
        let tokens = EntraTokens::new(azure());
        assert_eq!(tokens.token().await.unwrap().expose(), "t0k3n");
        let kept = tokens.kept.lock().await;
        let left = kept
            .as_ref()
            .map(|(_, until)| *until - Instant::now())
            .unwrap();
        assert!(
            left < Duration::from_secs(3301) && left > Duration::from_secs(3000),
            "{left:?}"
        );
    }
}
