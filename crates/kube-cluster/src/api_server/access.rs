//! Questions the server answers without keeping anything: a ServiceAccount's token, and whether the
//! caller may.

use converge::Secret;
use http::Method;
use serde_json::json;

use super::KubeCluster;
use super::request::{Ask, segment};
use crate::{
    AccessDecision, AccessQuestion, ClusterError, ClusterErrorKind, TokenGrant, TokenQuestion,
};

impl KubeCluster {
    pub(super) async fn ask_token(
        &self,
        question: &TokenQuestion,
    ) -> Result<TokenGrant, ClusterError> {
        let target = format!(
            "the token of ServiceAccount {}/{}",
            question.namespace, question.service_account
        );
        let fail = |kind| ClusterError::new("request", target.clone(), kind);
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}/token",
            segment(&question.namespace),
            segment(&question.service_account)
        );
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": question.audiences,
                "expirationSeconds": question.lifetime.as_secs(),
            },
        });
        let ask = Ask::with_body(Method::POST, path, "application/json", &body).repeatable(true);
        let answer =
            self.ask(&ask).await.map_err(fail)?.map_err(|refusal| {
                fail(refusal.into_kind("authentication.k8s.io/v1 TokenRequest"))
            })?;
        match (
            answer["status"]["token"].as_str(),
            answer["status"]["expirationTimestamp"].as_str(),
        ) {
            (Some(token), Some(expires)) => Ok(TokenGrant {
                token: Secret::new(token),
                expires: expires.to_owned(),
            }),
            _ => Err(fail(ClusterErrorKind::Answer(
                "the answer holds no token".into(),
            ))),
        }
    }

    pub(super) async fn ask_access(
        &self,
        question: &AccessQuestion,
    ) -> Result<AccessDecision, ClusterError> {
        let target = format!("the right to {} {}", question.verb, question.resource);
        let fail = |kind| ClusterError::new("review", target.clone(), kind);
        let (resource, subresource) = question
            .resource
            .split_once('/')
            .unwrap_or((&question.resource, ""));
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": question.verb,
                "group": question.group,
                "resource": resource,
                "subresource": subresource,
                "namespace": question.namespace.as_deref().unwrap_or_default(),
                "name": question.name.as_deref().unwrap_or_default(),
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned();
        let ask = Ask::with_body(Method::POST, path, "application/json", &body).repeatable(true);
        let answer = self.ask(&ask).await.map_err(fail)?.map_err(|refusal| {
            fail(refusal.into_kind("authorization.k8s.io/v1 SelfSubjectAccessReview"))
        })?;
        Ok(AccessDecision {
            allowed: answer["status"]["allowed"].as_bool().unwrap_or_default(),
            reason: answer["status"]["reason"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        })
    }
}
