//! [`ServiceAnswer`]: what an Azure service said when it refused. It owns the shapes of error bodies;
//! it refuses to decide what to do about them.

use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, Headers};
use serde_json::Value;

/// How much of a body that is no known shape is kept, in bytes.
const RAW_LIMIT: usize = 2048;

/// A refusal, read from whichever of Azure's shapes the body has: Resource Manager's
/// `{"error":{…}}`, the bare `{"code","message"}` of the AKS provider, Key Vault's `innererror`,
/// storage's XML with `x-ms-error-code`, Entra's `{"error","error_description"}`; or none, when a
/// gateway answers with HTML or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The most telling code: Key Vault's inner code where there is one, else the code. Empty when
    /// the body has none.
    pub code: String,
    /// The service's sentence, with that of the innermost detail where it adds something.
    pub message: String,
    /// The first `details[].target`; for an unregistered provider its namespace.
    pub target: Option<String>,
    /// `x-ms-request-id`, which support asks for.
    pub request_id: Option<String>,
}

impl ServiceAnswer {
    /// Reads an SDK client's error; `None` if it is no answer of a service.
    pub fn of(error: &azure_core::Error) -> Option<Self> {
        let ErrorKind::HttpResponse {
            status,
            error_code,
            raw_response,
        } = error.kind()
        else {
            return None;
        };
        let mut answer = match raw_response {
            Some(raw) => Self::read((*status).into(), raw.headers(), raw.body()),
            None => Self::read((*status).into(), &Headers::new(), b""),
        };
        if answer.code.is_empty() {
            answer.code = error_code.clone().unwrap_or_default();
        }
        if answer.message.is_empty() {
            answer.message = error.to_string();
        }
        Some(answer)
    }

    /// Reads a status, headers and a body.
    pub fn read(status: u16, headers: &Headers, body: &[u8]) -> Self {
        let header = |name| {
            headers
                .get_optional_str(&HeaderName::from_static(name))
                .map(str::to_owned)
        };
        let mut answer = Self {
            status,
            code: String::new(),
            message: String::new(),
            target: None,
            request_id: header("x-ms-request-id"),
        };
        match serde_json::from_slice::<Value>(body) {
            Ok(json) => answer.read_json(&json),
            Err(_) => answer.read_text(&String::from_utf8_lossy(body)),
        }
        if let Some(code) = header("x-ms-error-code") {
            answer.code = code;
        }
        answer
    }

    fn read_json(&mut self, json: &Value) {
        if let Some(description) = json["error_description"].as_str() {
            let code = json["error"].as_str().unwrap_or_default();
            code.clone_into(&mut self.code);
            description.clone_into(&mut self.message);
            return;
        }
        let error = json.get("error").filter(|error| error.is_object());
        let error = error.unwrap_or(json);
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        self.code = text(error, "code");
        self.message = text(error, "message");
        let mut innermost = error;
        while let Some(detail) = innermost["details"].get(0) {
            innermost = detail;
            self.target = self
                .target
                .take()
                .or_else(|| detail["target"].as_str().map(str::to_owned));
        }
        let (code, message) = (text(innermost, "code"), text(innermost, "message"));
        if !message.is_empty() && message != self.message {
            self.message = format!("{} ({code}: {message})", self.message);
        }
        if let Some(inner) = error["innererror"]["code"].as_str() {
            inner.clone_into(&mut self.code);
        }
    }

    fn read_text(&mut self, text: &str) {
        if let (Some(code), Some(message)) = (element(text, "Code"), element(text, "Message")) {
            code.clone_into(&mut self.code);
            message.clone_into(&mut self.message);
            return;
        }
        let mut end = text.len().min(RAW_LIMIT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text[..end].trim().clone_into(&mut self.message);
    }
}

/// The text of the first element with this name; storage's errors are flat.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let begin = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let end = xml[begin..].find(&format!("</{name}>"))?;
    Some(&xml[begin..begin + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_read() {
        for (body, code, message) in [
            (
                r#"{"error":{"code":"ResourceNotFound","message":"not there"}}"#,
                "ResourceNotFound",
                "not there",
            ),
            (
                r#"{"error":{"code":"DeploymentFailed","message":"see details",
                    "details":[{"code":"Conflict","message":"outer",
                        "details":[{"code":"QuotaExceeded","message":"no cores"}]}]}}"#,
                "DeploymentFailed",
                "see details (QuotaExceeded: no cores)",
            ),
            (
                r#"{"code":"EtagMismatch","message":"moved on","details":null,"subcode":""}"#,
                "EtagMismatch",
                "moved on",
            ),
            (
                r#"{"error":{"code":"Forbidden","message":"no","innererror":{"code":"ForbiddenByRbac"}}}"#,
                "ForbiddenByRbac",
                "no",
            ),
            (
                r#"{"error":"invalid_client","error_description":"AADSTS700016: …","error_codes":[700016]}"#,
                "invalid_client",
                "AADSTS700016: …",
            ),
            (
                "<?xml version=\"1.0\"?><Error><Code>BlobNotFound</Code><Message>gone</Message></Error>",
                "BlobNotFound",
                "gone",
            ),
            ("<html>Bad Gateway</html>", "", "<html>Bad Gateway</html>"),
            ("", "", ""),
        ] {
            let answer = ServiceAnswer::read(400, &Headers::new(), body.as_bytes());
            assert_eq!(
                (answer.code.as_str(), answer.message.as_str()),
                (code, message)
            );
        }
    }

    #[test]
    fn the_header_speaks_where_there_is_no_body() {
        let mut headers = Headers::new();
        headers.insert("x-ms-error-code", "ContainerNotFound");
        headers.insert("x-ms-request-id", "r1");
        let answer = ServiceAnswer::read(404, &headers, b"");
        assert_eq!(answer.code, "ContainerNotFound");
        assert_eq!(answer.request_id.as_deref(), Some("r1"));
    }

    #[test]
    fn a_long_page_is_cut_at_a_character() {
        let page = "ü".repeat(RAW_LIMIT);
        let answer = ServiceAnswer::read(502, &Headers::new(), page.as_bytes());
        assert!(answer.message.len() <= RAW_LIMIT && !answer.message.is_empty());
    }
}
