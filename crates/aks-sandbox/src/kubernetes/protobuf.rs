//! Bodies in Kubernetes' protobuf, as typed Go clients send them: Helm its records, kubectl its
//! questions about rights. It owns the kinds those clients write; it refuses all others with the
//! answer of a server that does not know the format. Answers are always JSON, which they accept.
//!
//! Source of the numbers: `generated.proto` of `k8s.io/api/core/v1`, `k8s.io/api/authorization/v1`
//! and `k8s.io/apimachinery/pkg/apis/meta/v1`; of the envelope, `runtime.Unknown` behind `k8s\0`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use prost::Message;
use serde_json::{Map, Value, json};

use super::status::ApiError;

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// The object of a body, in its JSON form.
///
/// # Errors
/// 415 for a kind that is not known here, 400 for what is no such body.
pub(super) fn read(body: &[u8]) -> Result<Value, ApiError> {
    let malformed = || ApiError::bad_request("the object provided is unrecognized");
    let envelope = body.strip_prefix(MAGIC).ok_or_else(malformed)?;
    let envelope = Envelope::decode(envelope).map_err(|_| malformed())?;
    let kind = envelope.type_meta.unwrap_or_default();
    let raw = envelope.raw.as_slice();
    let fields = match (kind.api_version.as_str(), kind.kind.as_str()) {
        ("v1", "Secret") => Secret::decode(raw).map(|secret| secret.fields()),
        ("v1", "ConfigMap") => ConfigMap::decode(raw).map(|map| map.fields()),
        ("v1", "Namespace") => Namespace::decode(raw).map(|namespace| namespace.fields()),
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview") => {
            Review::decode(raw).map(|review| review.fields())
        }
        (_, "DeleteOptions") => DeleteOptions::decode(raw).map(|options| options.fields()),
        _ => return Err(ApiError::unsupported_media_type("application/json")),
    };
    let mut object = fields.map_err(|_| malformed())?;
    object.insert("apiVersion".into(), kind.api_version.into());
    object.insert("kind".into(), kind.kind.into());
    Ok(Value::Object(object))
}

#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

#[derive(Clone, PartialEq, Message)]
struct OwnerReference {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    uid: String,
    #[prost(string, tag = "5")]
    api_version: String,
    #[prost(bool, optional, tag = "6")]
    controller: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    block_owner_deletion: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct ObjectMeta {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    generate_name: String,
    #[prost(string, tag = "3")]
    namespace: String,
    #[prost(string, tag = "5")]
    uid: String,
    #[prost(string, tag = "6")]
    resource_version: String,
    #[prost(message, optional, tag = "8")]
    creation_timestamp: Option<Time>,
    #[prost(btree_map = "string, string", tag = "11")]
    labels: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "12")]
    annotations: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "13")]
    owner_references: Vec<OwnerReference>,
    #[prost(string, repeated, tag = "14")]
    finalizers: Vec<String>,
}

impl ObjectMeta {
    /// Zero values are absent, as in the JSON that Go writes of the same object.
    fn value(&self) -> Value {
        let mut meta = Map::new();
        for (field, text) in [
            ("name", &self.name),
            ("generateName", &self.generate_name),
            ("namespace", &self.namespace),
            ("uid", &self.uid),
            ("resourceVersion", &self.resource_version),
        ] {
            if !text.is_empty() {
                meta.insert(field.into(), text.clone().into());
            }
        }
        // Go writes its zero time as an empty message.
        let created = self.creation_timestamp.as_ref();
        let created = created.filter(|time| time.seconds != 0);
        if let Some(Ok(created)) = created.map(|time| Timestamp::from_second(time.seconds)) {
            meta.insert("creationTimestamp".into(), created.to_string().into());
        }
        for (field, texts) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !texts.is_empty() {
                meta.insert(field.into(), json!(texts));
            }
        }
        if !self.finalizers.is_empty() {
            meta.insert("finalizers".into(), json!(self.finalizers));
        }
        if !self.owner_references.is_empty() {
            let owners = self.owner_references.iter().map(OwnerReference::value);
            meta.insert("ownerReferences".into(), owners.collect());
        }
        Value::Object(meta)
    }
}

impl OwnerReference {
    fn value(&self) -> Value {
        let mut owner = json!({
            "apiVersion": self.api_version, "kind": self.kind, "name": self.name, "uid": self.uid,
        });
        for (field, flag) in [
            ("controller", self.controller),
            ("blockOwnerDeletion", self.block_owner_deletion),
        ] {
            if let Some(flag) = flag {
                owner[field] = flag.into();
            }
        }
        owner
    }
}

/// The fields every object has.
fn object(metadata: Option<&ObjectMeta>) -> Map<String, Value> {
    let metadata = metadata.map_or_else(|| json!({}), ObjectMeta::value);
    Map::from_iter([("metadata".to_owned(), metadata)])
}

fn encoded(data: &BTreeMap<String, Vec<u8>>) -> Value {
    data.iter()
        .map(|(key, bytes)| (key.clone(), Value::from(STANDARD.encode(bytes))))
        .collect()
}

#[derive(Clone, PartialEq, Message)]
struct Secret {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(btree_map = "string, bytes", tag = "2")]
    data: BTreeMap<String, Vec<u8>>,
    #[prost(string, tag = "3")]
    kind: String,
    #[prost(btree_map = "string, string", tag = "4")]
    string_data: BTreeMap<String, String>,
    #[prost(bool, optional, tag = "5")]
    immutable: Option<bool>,
}

impl Secret {
    fn fields(&self) -> Map<String, Value> {
        let mut fields = object(self.metadata.as_ref());
        if !self.data.is_empty() {
            fields.insert("data".into(), encoded(&self.data));
        }
        if !self.string_data.is_empty() {
            fields.insert("stringData".into(), json!(self.string_data));
        }
        if !self.kind.is_empty() {
            fields.insert("type".into(), self.kind.clone().into());
        }
        if let Some(immutable) = self.immutable {
            fields.insert("immutable".into(), immutable.into());
        }
        fields
    }
}

#[derive(Clone, PartialEq, Message)]
struct ConfigMap {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(btree_map = "string, string", tag = "2")]
    data: BTreeMap<String, String>,
    #[prost(btree_map = "string, bytes", tag = "3")]
    binary_data: BTreeMap<String, Vec<u8>>,
    #[prost(bool, optional, tag = "4")]
    immutable: Option<bool>,
}

impl ConfigMap {
    fn fields(&self) -> Map<String, Value> {
        let mut fields = object(self.metadata.as_ref());
        if !self.data.is_empty() {
            fields.insert("data".into(), json!(self.data));
        }
        if !self.binary_data.is_empty() {
            fields.insert("binaryData".into(), encoded(&self.binary_data));
        }
        if let Some(immutable) = self.immutable {
            fields.insert("immutable".into(), immutable.into());
        }
        fields
    }
}

#[derive(Clone, PartialEq, Message)]
struct Namespace {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
}

impl Namespace {
    fn fields(&self) -> Map<String, Value> {
        object(self.metadata.as_ref())
    }
}

#[derive(Clone, PartialEq, Message)]
struct ResourceAttributes {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    verb: String,
    #[prost(string, tag = "3")]
    group: String,
    #[prost(string, tag = "4")]
    version: String,
    #[prost(string, tag = "5")]
    resource: String,
    #[prost(string, tag = "6")]
    subresource: String,
    #[prost(string, tag = "7")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct NonResourceAttributes {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, tag = "2")]
    verb: String,
}

#[derive(Clone, PartialEq, Message)]
struct ReviewSpec {
    #[prost(message, optional, tag = "1")]
    resource_attributes: Option<ResourceAttributes>,
    #[prost(message, optional, tag = "2")]
    non_resource_attributes: Option<NonResourceAttributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Review {
    #[prost(message, optional, tag = "2")]
    spec: Option<ReviewSpec>,
}

impl Review {
    fn fields(&self) -> Map<String, Value> {
        let mut spec = Map::new();
        let asked = self.spec.clone().unwrap_or_default();
        if let Some(asked) = asked.resource_attributes {
            let attributes = json!({
                "namespace": asked.namespace,
                "verb": asked.verb,
                "group": asked.group,
                "version": asked.version,
                "resource": asked.resource,
                "subresource": asked.subresource,
                "name": asked.name,
            });
            spec.insert("resourceAttributes".into(), attributes);
        }
        if let Some(asked) = asked.non_resource_attributes {
            let attributes = json!({"path": asked.path, "verb": asked.verb});
            spec.insert("nonResourceAttributes".into(), attributes);
        }
        Map::from_iter([("spec".to_owned(), Value::Object(spec))])
    }
}

#[derive(Clone, PartialEq, Message)]
struct Preconditions {
    #[prost(string, optional, tag = "1")]
    uid: Option<String>,
    #[prost(string, optional, tag = "2")]
    resource_version: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct DeleteOptions {
    #[prost(int64, optional, tag = "1")]
    grace_period_seconds: Option<i64>,
    #[prost(message, optional, tag = "2")]
    preconditions: Option<Preconditions>,
    #[prost(string, optional, tag = "4")]
    propagation_policy: Option<String>,
    #[prost(string, repeated, tag = "5")]
    dry_run: Vec<String>,
}

impl DeleteOptions {
    fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(seconds) = self.grace_period_seconds {
            fields.insert("gracePeriodSeconds".into(), seconds.into());
        }
        if let Some(conditions) = &self.preconditions {
            let mut value = Map::new();
            for (field, text) in [
                ("uid", &conditions.uid),
                ("resourceVersion", &conditions.resource_version),
            ] {
                if let Some(text) = text {
                    value.insert(field.into(), text.clone().into());
                }
            }
            fields.insert("preconditions".into(), Value::Object(value));
        }
        if let Some(policy) = &self.propagation_policy {
            fields.insert("propagationPolicy".into(), policy.clone().into());
        }
        if !self.dry_run.is_empty() {
            fields.insert("dryRun".into(), json!(self.dry_run));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(api_version: &str, kind: &str, raw: Vec<u8>) -> Vec<u8> {
        let envelope = Envelope {
            type_meta: Some(TypeMeta {
                api_version: api_version.into(),
                kind: kind.into(),
            }),
            raw,
        };
        [MAGIC, &envelope.encode_to_vec()].concat()
    }

    #[test]
    fn a_secret_is_what_its_json_would_be() {
        let secret = Secret {
            metadata: Some(ObjectMeta {
                name: "sh.helm.release.v1.a.v1".into(),
                labels: BTreeMap::from([("owner".into(), "helm".into())]),
                creation_timestamp: Some(Time { seconds: 0 }),
                uid: "u".into(),
                ..ObjectMeta::default()
            }),
            data: BTreeMap::from([("release".into(), b"H4sI".to_vec())]),
            kind: "helm.sh/release.v1".into(),
            ..Secret::default()
        };
        assert_eq!(
            read(&body("v1", "Secret", secret.encode_to_vec())).unwrap(),
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "helm.sh/release.v1",
                "metadata": {
                    "name": "sh.helm.release.v1.a.v1",
                    "labels": {"owner": "helm"},
                    "uid": "u",
                },
                "data": {"release": "SDRzSQ=="},
            })
        );
    }

    #[test]
    fn other_kinds_and_other_bytes_are_refused() {
        let unknown = read(&body("v1", "Pod", Vec::new())).unwrap_err();
        assert_eq!(unknown.to_value()["code"], 415);
        for wrong in [&b"k8s\0\xff"[..], b"{}", b""] {
            assert_eq!(read(wrong).unwrap_err().to_value()["code"], 400);
        }
        let wrong = body("v1", "Secret", b"\xff\xff".to_vec());
        assert_eq!(read(&wrong).unwrap_err().to_value()["code"], 400);
    }
}
