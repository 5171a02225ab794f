//! Behaviours of TokenRequest and access reviews.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Subject;
use crate::{AccessQuestion, ClusterErrorKind, Object, ObjectRef, TokenQuestion};

fn question(subject: &Subject, name: &str) -> TokenQuestion {
    TokenQuestion {
        namespace: subject.namespace.clone(),
        service_account: name.into(),
        audiences: vec!["api://AzureADTokenExchange".into()],
        lifetime: Duration::from_secs(3600),
    }
}

async fn service_account(subject: &Subject, name: &str) {
    let target = ObjectRef::namespaced("v1", "ServiceAccount", &subject.namespace, name);
    subject.created(Object::named(&target)).await;
}

/// The token is a JWT that says for whom and from whom it is.
pub async fn a_token_carries_audience_and_subject(subject: &Subject) {
    service_account(subject, "token").await;
    let grant = subject
        .cluster
        .request_token(question(subject, "token"))
        .await;
    let grant = grant.expect("a token");
    assert!(!grant.expires.is_empty());
    let claims = grant
        .token
        .expose()
        .split('.')
        .nth(1)
        .expect("a JWT has three parts");
    let claims = URL_SAFE_NO_PAD
        .decode(claims)
        .expect("claims are base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("claims are JSON");
    assert_eq!(
        claims["aud"],
        serde_json::json!(["api://AzureADTokenExchange"])
    );
    let expected = format!("system:serviceaccount:{}:token", subject.namespace);
    assert_eq!(claims["sub"].as_str(), Some(expected.as_str()));
    assert!(
        claims["iss"]
            .as_str()
            .is_some_and(|issuer| !issuer.is_empty())
    );
}

/// Ten minutes are the least.
pub async fn a_token_for_a_moment_is_refused(subject: &Subject) {
    service_account(subject, "moment").await;
    let short = TokenQuestion {
        lifetime: Duration::from_secs(60),
        ..question(subject, "moment")
    };
    let error = subject
        .cluster
        .request_token(short)
        .await
        .expect_err("too short");
    assert!(
        matches!(error.kind, ClusterErrorKind::Invalid { .. }),
        "{error:?}"
    );
}

/// A ServiceAccount that is not there has no token.
pub async fn a_token_of_nobody_is_not_found(subject: &Subject) {
    let error = subject
        .cluster
        .request_token(question(subject, "nobody"))
        .await;
    let error = error.expect_err("nobody is there");
    assert!(
        matches!(error.kind, ClusterErrorKind::NotFound(_)),
        "{error:?}"
    );
}

/// The suite's caller may do everything.
pub async fn a_caller_who_may_do_everything_is_told_so(subject: &Subject) {
    let decision = subject
        .cluster
        .review_access(AccessQuestion {
            verb: "create".into(),
            group: String::new(),
            resource: "pods/portforward".into(),
            namespace: Some(subject.namespace.clone()),
            name: None,
        })
        .await;
    assert!(decision.expect("a decision").allowed);
}
