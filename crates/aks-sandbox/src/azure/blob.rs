//! Blob storage's data plane: containers and block blobs in one piece. It owns the codes and the
//! lists; it refuses block lists, SAS and everything about versions and tiers.
//!
//! Source: Azure Storage, Blob service REST API 2021-12-02 and later.

use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;

use super::caller::{NotRecognised, decode, query, recognise};
use super::{AzureState, Blob, Container, Reply, shared_key};

const AUDIENCES: &[&str] = &["https://storage.azure.com"];

/// Answers `{account}.blob.core.windows.net`.
pub(super) fn respond(
    state: &mut AzureState,
    account: &str,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Reply {
    let id = state.new_guid("blob request");
    let version = request
        .headers()
        .get("x-ms-version")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("2021-12-02")
        .to_owned();
    answer(state, account, request, now)
        .unwrap_or_else(|refusal| refusal)
        .with("x-ms-request-id", id)
        .with("x-ms-version", version)
        .with("date", http_date(now))
}

fn answer(
    state: &mut AzureState,
    account: &str,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<Reply, Reply> {
    if state
        .named("Microsoft.Storage/storageAccounts", account)
        .is_none()
    {
        // In Azure the name does not resolve.
        return Err(Reply::empty(502));
    }
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let (container, blob) = path.split_once('/').unwrap_or((&path, ""));
    let (container, blob) = (decode(container), decode(blob));
    admit(state, account, &container, request, now)?;
    let is_container = query(request, "restype").as_deref() == Some("container");
    let comp = query(request, "comp").unwrap_or_default();
    let etag = format!("\"0x{}\"", &state.new_hex("etag")[..15].to_uppercase());
    let containers = state.containers.entry(account.to_owned()).or_default();
    match (request.method(), container.as_str(), blob.as_str()) {
        (&Method::GET, "", "") if comp == "list" => {
            let names = containers
                .keys()
                .map(|name| format!("<Container><Name>{}</Name></Container>", escape(name)))
                .collect::<Vec<_>>()
                .concat();
            Ok(xml(&format!(
                "<EnumerationResults><Containers>{names}</Containers><NextMarker/>\
                 </EnumerationResults>"
            )))
        }
        (&Method::PUT, name, "") if is_container => {
            if containers.contains_key(name) {
                let message = "The specified container already exists.";
                return Err(Reply::storage_refusal(
                    409,
                    "ContainerAlreadyExists",
                    message,
                ));
            }
            let made = Container {
                created: now.as_second(),
                ..Container::default()
            };
            containers.insert(name.to_owned(), made);
            Ok(Reply::empty(201)
                .with("etag", etag)
                .with("last-modified", http_date(now)))
        }
        (&Method::DELETE, name, "") if is_container => match containers.remove(name) {
            Some(_) => Ok(Reply::empty(202)),
            None => Err(no_container()),
        },
        (&Method::GET | &Method::HEAD, name, "") if is_container => {
            let found = containers.get(name).ok_or_else(no_container)?;
            if comp == "list" {
                return Ok(list(name, found, request));
            }
            Ok(Reply::empty(200)
                .with("etag", etag)
                .with("last-modified", http_date(now))
                .with("x-ms-lease-status", "unlocked")
                .with("x-ms-lease-state", "available"))
        }
        (method, name, blob) if !blob.is_empty() && comp.is_empty() => {
            let found = containers.get_mut(name).ok_or_else(no_container)?;
            one_blob(found, blob, method, request, (etag, now))
        }
        _ => Err(Reply::storage_refusal(
            400,
            "InvalidQueryParameterValue",
            "The sandbox does not model this operation.",
        )),
    }
}

/// Who may: the account's key where it is allowed, or a token with a data role.
fn admit(
    state: &AzureState,
    account: &str,
    container: &str,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<(), Reply> {
    let found = state.named("Microsoft.Storage/storageAccounts", account);
    let (id, properties) = found.map_or_else(Default::default, |found| {
        (found.id.clone(), found.body["properties"].clone())
    });
    let header = request.headers().get(http::header::AUTHORIZATION);
    let header = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if let Some(rest) = header.strip_prefix("SharedKey ") {
        if properties["allowSharedKeyAccess"] == false {
            let message = "Key based authentication is not permitted on this storage account.";
            return Err(Reply::storage_refusal(
                403,
                "KeyBasedAuthenticationNotPermitted",
                message,
            ));
        }
        let keys = ["key1", "key2"].map(|key| state.account_key(account, key));
        return match rest.split_once(':') {
            Some((name, signature))
                if name == account && shared_key::is_signed(request, account, signature, &keys) =>
            {
                Ok(())
            }
            _ => Err(Reply::storage_refusal(
                403,
                "AuthenticationFailed",
                "Server failed to authenticate the request. Make sure the value of Authorization \
                 header is formed correctly including the signature.",
            )),
        };
    }
    let caller = recognise(state, request, AUDIENCES, now).map_err(|reason| match reason {
        NotRecognised::Missing => Reply::storage_refusal(
            401,
            "NoAuthenticationInformation",
            "Server failed to authenticate the request. Please refer to the information in the \
             www-authenticate header.",
        )
        .with(
            "www-authenticate",
            format!(
                "Bearer authorization_uri=https://login.microsoftonline.com/{}/oauth2/authorize \
                 resource_id=https://storage.azure.com",
                state.tenant
            ),
        ),
        _ => Reply::storage_refusal(
            401,
            "InvalidAuthenticationInfo",
            "Authentication information is not given in the correct format.",
        ),
    })?;
    let action = match *request.method() {
        Method::GET | Method::HEAD => {
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
        }
        _ => "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
    };
    let scope = format!("{id}/blobServices/default/containers/{container}");
    if state.role_allows(&caller.object_id, &scope, action, now) {
        return Ok(());
    }
    Err(Reply::storage_refusal(
        403,
        "AuthorizationPermissionMismatch",
        "This request is not authorized to perform this operation using this permission.",
    ))
}

fn one_blob(
    container: &mut Container,
    name: &str,
    method: &Method,
    request: &Request<Bytes>,
    (etag, now): (String, Timestamp),
) -> Result<Reply, Reply> {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    match *method {
        Method::PUT => {
            if header("x-ms-blob-type") != Some("BlockBlob") {
                let message = "The sandbox models block blobs only.";
                return Err(Reply::storage_refusal(400, "InvalidHeaderValue", message));
            }
            if header("if-none-match") == Some("*") && container.blobs.contains_key(name) {
                let message = "The specified blob already exists.";
                return Err(Reply::storage_refusal(409, "BlobAlreadyExists", message));
            }
            let content_type = header("x-ms-blob-content-type")
                .or_else(|| header("content-type"))
                .unwrap_or("application/octet-stream");
            let blob = Blob {
                content: request.body().to_vec(),
                content_type: content_type.to_owned(),
                modified: now,
                etag: etag.clone(),
            };
            container.blobs.insert(name.to_owned(), blob);
            Ok(Reply::empty(201)
                .with("etag", etag)
                .with("last-modified", http_date(now))
                .with("x-ms-request-server-encrypted", "true"))
        }
        Method::GET | Method::HEAD => {
            let blob = container.blobs.get(name).ok_or_else(no_blob)?;
            Ok(download(
                blob,
                method,
                header("x-ms-range").or_else(|| header("range")),
            ))
        }
        Method::DELETE => match container.blobs.remove(name) {
            Some(_) => Ok(Reply::empty(202)),
            None => Err(no_blob()),
        },
        _ => Err(Reply::storage_refusal(
            405,
            "UnsupportedHttpVerb",
            "The resource doesn't support specified Http Verb.",
        )),
    }
}

fn download(blob: &Blob, method: &Method, range: Option<&str>) -> Reply {
    let length = blob.content.len();
    let wanted = range
        .and_then(|text| text.strip_prefix("bytes="))
        .and_then(|text| text.split_once('-'))
        .and_then(|(first, last)| {
            let first: usize = first.parse().ok()?;
            let last = last.parse().unwrap_or(usize::MAX);
            Some((first, last.min(length.saturating_sub(1))))
        });
    let (status, first, end) = match wanted {
        None => (200, 0, length),
        Some((first, _)) if first >= length => {
            let message = "The range specified is invalid for the current size of the resource.";
            return Reply::storage_refusal(416, "InvalidRange", message);
        }
        Some((first, last)) => (206, first, last + 1),
    };
    let content = if *method == Method::HEAD {
        Bytes::new()
    } else {
        Bytes::copy_from_slice(&blob.content[first..end])
    };
    let mut reply = Reply::bytes(status, content)
        .with("content-type", &blob.content_type)
        .with("etag", &blob.etag)
        .with("last-modified", http_date(blob.modified))
        .with("accept-ranges", "bytes")
        .with("x-ms-blob-type", "BlockBlob");
    if *method == Method::HEAD {
        reply = reply.with("content-length", length.to_string());
    }
    if status == 206 {
        reply = reply.with(
            "content-range",
            format!("bytes {first}-{}/{length}", end - 1),
        );
    }
    reply
}

fn list(name: &str, container: &Container, request: &Request<Bytes>) -> Reply {
    let prefix = query(request, "prefix").unwrap_or_default();
    let marker = query(request, "marker").unwrap_or_default();
    let most: usize = query(request, "maxresults")
        .and_then(|text| text.parse().ok())
        .unwrap_or(5000);
    let mut found = container
        .blobs
        .iter()
        .filter(|(name, _)| name.starts_with(&prefix) && **name >= marker)
        .peekable();
    let blobs = found
        .by_ref()
        .take(most)
        .map(|(name, blob)| {
            format!(
                "<Blob><Name>{}</Name><Properties><Last-Modified>{}</Last-Modified>\
                 <Etag>{}</Etag><Content-Length>{}</Content-Length>\
                 <Content-Type>{}</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob>",
                escape(name),
                http_date(blob.modified),
                escape(&blob.etag),
                blob.content.len(),
                escape(&blob.content_type)
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let next = found
        .next()
        .map(|(name, _)| escape(name))
        .unwrap_or_default();
    xml(&format!(
        "<EnumerationResults ContainerName=\"{}\"><Prefix>{}</Prefix><Blobs>{blobs}</Blobs>\
         <NextMarker>{next}</NextMarker></EnumerationResults>",
        escape(name),
        escape(&prefix)
    ))
}

fn xml(body: &str) -> Reply {
    let text = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{body}");
    Reply::bytes(200, text.into()).with("content-type", "application/xml")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn no_container() -> Reply {
    let message = "The specified container does not exist.";
    Reply::storage_refusal(404, "ContainerNotFound", message)
}

fn no_blob() -> Reply {
    Reply::storage_refusal(404, "BlobNotFound", "The specified blob does not exist.")
}

/// RFC 7231's date.
fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
