//! [`ArmClient`]: the Resource Manager over the wire. It owns URLs, headers, paging and the reading
//! of answers; it refuses retries of its own (the transport's) and knowledge of any resource.

use std::time::Duration;

use async_trait::async_trait;
use azure_core::Uuid;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{Method, Request, Url};
use converge::RequestClass;
use serde_json::Value;

use crate::operation::{Attempt, Clock};
use crate::{
    ApiVersion, Arm, ArmDeleted, ArmError, ArmErrorKind, Azure, CredentialError, ResourceId,
    ServiceAnswer,
};

/// The most pages of one collection that are read; a chain of links longer than this is a loop.
const MOST_PAGES: usize = 1000;

/// The Resource Manager over the wire. Made by [`Azure::arm`].
#[derive(Debug, Clone)]
pub struct ArmClient {
    azure: Azure,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers
            .get_optional_str(&HeaderName::from_static(name))
    }
}

/// Which request: what is done to what, for errors, and where.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) verb: String,
    pub(crate) target: String,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Value>,
    pub(crate) class: RequestClass,
}

impl Call {
    /// The same target, read at a URL.
    pub(crate) fn reading(&self, url: Url) -> Self {
        Self {
            method: Method::Get,
            url,
            body: None,
            class: RequestClass::Read,
            ..self.clone()
        }
    }

    pub(crate) fn fails(&self, kind: ArmErrorKind) -> ArmError {
        ArmError::new(self.verb.clone(), self.target.clone(), kind)
    }
}

impl ArmClient {
    pub(crate) fn new(azure: Azure) -> Self {
        Self { azure }
    }

    fn call(
        &self,
        verb: &str,
        method: Method,
        id: &ResourceId,
        suffix: &str,
        version: ApiVersion,
    ) -> Result<Call, ArmError> {
        let target = format!("{id}{suffix}");
        let text = format!(
            "{}{}{suffix}",
            self.azure.cloud().resource_manager,
            id.as_str()
        );
        let url = Url::parse(&text).map(|mut url| {
            url.query_pairs_mut()
                .append_pair("api-version", version.0)
                .finish();
            url
        });
        let class = match method {
            Method::Get | Method::Head => RequestClass::Read,
            _ => RequestClass::Write,
        };
        match url {
            Ok(url) => Ok(Call {
                verb: verb.to_owned(),
                target,
                method,
                url,
                body: None,
                class,
            }),
            Err(error) => Err(ArmError::new(
                verb,
                target,
                ArmErrorKind::Answer(Box::new(error)),
            )),
        }
    }

    /// Refuses a link that would take the token to another host.
    pub(crate) fn link(&self, call: &Call, text: &str) -> Result<Url, ArmError> {
        let foreign = || {
            call.fails(ArmErrorKind::Answer(
                "a link in the answer leads away from Resource Manager".into(),
            ))
        };
        let url = Url::parse(text).map_err(|_| foreign())?;
        let home = Url::parse(&self.azure.cloud().resource_manager).map_err(|_| foreign())?;
        if url.origin() == home.origin() {
            Ok(url)
        } else {
            Err(foreign())
        }
    }

    /// Sends one request, with the transport's retries bounded by what is `left`. The answer may be
    /// a refusal.
    pub(crate) async fn send(
        &self,
        call: &Call,
        left: Option<Duration>,
    ) -> Result<Result<Answer, ServiceAnswer>, ArmError> {
        let cloud = self.azure.cloud();
        let token = self
            .azure
            .credential()
            .get_token(&[&cloud.resource_manager_scope], None)
            .await
            .map_err(|error| call.fails(credential_kind(error)))?;

        let mut request = Request::new(call.url.clone(), call.method);
        request.insert_header("authorization", format!("Bearer {}", token.token.secret()));
        request.insert_header("accept", "application/json");
        request.insert_header("user-agent", USER_AGENT);
        request.insert_header("x-ms-client-request-id", Uuid::new_v4().to_string());
        if let Some(body) = &call.body {
            request.insert_header("content-type", "application/json");
            request.set_body(body.to_string());
        }

        let transport = self.azure.transport();
        let response = match left {
            Some(left) => transport.within(left).send(&request, call.class).await,
            None => transport.send(&request, call.class).await,
        };
        let response = response
            .map_err(|error| call.fails(ArmErrorKind::Unreachable(Box::new(error))))?
            .try_into_raw_response()
            .await
            .map_err(|error| call.fails(ArmErrorKind::Unreachable(Box::new(error))))?;

        let status = u16::from(response.status());
        let (headers, body) = (response.headers().clone(), response.body());
        if !(200..300).contains(&status) {
            return Ok(Err(ServiceAnswer::read(status, &headers, body)));
        }
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(body)
                .map_err(|error| call.fails(ArmErrorKind::Answer(Box::new(error))))?
        };
        Ok(Ok(Answer {
            status,
            headers,
            body,
        }))
    }

    /// Sends one request; a refusal is an error.
    pub(crate) async fn accepted(
        &self,
        call: &Call,
        left: Option<Duration>,
    ) -> Result<Answer, ArmError> {
        self.send(call, left)
            .await?
            .map_err(|refusal| refused(call, refusal))
    }
}

const USER_AGENT: &str = concat!("aks-airflow/", env!("CARGO_PKG_VERSION"));

/// A refusal as an error about this call.
pub(crate) fn refused(call: &Call, refusal: ServiceAnswer) -> ArmError {
    let id = refusal.request_id.clone();
    call.fails(refusal.into()).with_request_id(id)
}

/// A failure to get a token: the chain's own error where it is one.
fn credential_kind(error: azure_core::Error) -> ArmErrorKind {
    match error.into_downcast::<CredentialError>() {
        Ok(chain) => ArmErrorKind::Credential(Box::new(chain)),
        Err(error) if matches!(error.kind(), ErrorKind::Connection | ErrorKind::Io) => {
            ArmErrorKind::Unreachable(Box::new(error))
        }
        Err(error) => ArmErrorKind::Credential(Box::new(error)),
    }
}

/// Whether a 404 means that the resource, or its group or parent, is not there; and not that the
/// subscription or the kind of resource is unknown.
fn means_absent(refusal: &ServiceAnswer) -> bool {
    refusal.status == 404
        && (refusal.code.is_empty()
            || (refusal.code.ends_with("NotFound") && refusal.code != "SubscriptionNotFound"))
}

#[async_trait]
impl Arm for ArmClient {
    async fn get(&self, id: ResourceId, version: ApiVersion) -> Result<Option<Value>, ArmError> {
        let call = self.call("read", Method::Get, &id, "", version)?;
        match self.send(&call, None).await? {
            Ok(answer) => Ok(Some(answer.body)),
            Err(refusal) if means_absent(&refusal) => Ok(None),
            Err(refusal) => Err(refused(&call, refusal)),
        }
    }

    async fn list(
        &self,
        id: ResourceId,
        collection: String,
        version: ApiVersion,
    ) -> Result<Vec<Value>, ArmError> {
        let mut call = self.call("list", Method::Get, &id, &format!("/{collection}"), version)?;
        let mut items = Vec::new();
        for _ in 0..MOST_PAGES {
            let mut page = self.accepted(&call, None).await?.body;
            let Value::Array(values) = page["value"].take() else {
                let problem = "a list has no `value`";
                return Err(call.fails(ArmErrorKind::Answer(problem.into())));
            };
            items.extend(values);
            match page["nextLink"].as_str() {
                Some(next) if !next.is_empty() => {
                    let url = self.link(&call, next)?;
                    call = call.reading(url);
                }
                _ => return Ok(items),
            }
        }
        Err(call.fails(ArmErrorKind::Answer("the list has no end".into())))
    }

    async fn put(
        &self,
        id: ResourceId,
        version: ApiVersion,
        body: Value,
        deadline: Duration,
    ) -> Result<Value, ArmError> {
        let mut call = self.call("write", Method::Put, &id, "", version)?;
        let resource = call.url.clone();
        call.body = Some(body);
        let clock = Clock::starting(deadline);
        match self.begin(&call, &clock).await? {
            Attempt::Accepted(answer) => self.follow_put(&call, answer, resource, &clock).await,
            Attempt::Refused(refusal) => Err(refused(&call, refusal)),
        }
    }

    async fn post(
        &self,
        id: ResourceId,
        action: String,
        version: ApiVersion,
        body: Option<Value>,
        changes: bool,
        deadline: Duration,
    ) -> Result<Value, ArmError> {
        let mut call = self.call(&action, Method::Post, &id, &format!("/{action}"), version)?;
        call.target = id.to_string();
        call.body = body;
        if !changes {
            call.class = RequestClass::Probe;
        }
        let clock = Clock::starting(deadline);
        match self.begin(&call, &clock).await? {
            Attempt::Accepted(answer) => self.follow_post(&call, answer, &clock).await,
            Attempt::Refused(refusal) => Err(refused(&call, refusal)),
        }
    }

    async fn delete(
        &self,
        id: ResourceId,
        version: ApiVersion,
        deadline: Duration,
    ) -> Result<ArmDeleted, ArmError> {
        let call = self.call("delete", Method::Delete, &id, "", version)?;
        let clock = Clock::starting(deadline);
        match self.begin(&call, &clock).await? {
            Attempt::Accepted(answer) if answer.status == 204 => Ok(ArmDeleted::AlreadyAbsent),
            Attempt::Accepted(answer) => {
                self.follow_post(&call, answer, &clock).await?;
                Ok(ArmDeleted::Gone)
            }
            Attempt::Refused(refusal) if means_absent(&refusal) => Ok(ArmDeleted::AlreadyAbsent),
            Attempt::Refused(refusal) => Err(refused(&call, refusal)),
        }
    }
}
