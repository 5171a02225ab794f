//! The digest that tells equal intents: archive, values, profile, capabilities, schedule. It owns
//! what counts; it refuses to look at what was rendered.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::ReleaseIntent;

/// What templates see of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// `v1.33.1`.
    pub kube_version: String,
    /// Group versions and `group/version/Kind`, sorted, each once.
    pub api_versions: Vec<String>,
}

/// SHA-256 of everything an intent is made of, lower-case hex.
pub(crate) fn of_intent(intent: &ReleaseIntent, capabilities: &Capabilities) -> String {
    let inputs = json!({
        "format": 1,
        "name": intent.name,
        "namespace": intent.namespace,
        "chart": intent.chart.digest(),
        "values": intent.values,
        "profile": format!("{:?}", intent.profile),
        "kubeVersion": capabilities.kube_version,
        "apiVersions": capabilities.api_versions,
        "schedule": intent.schedule,
        "noHooks": intent.no_hooks,
        "skipCrds": intent.skip_crds,
    });
    let mut text = String::new();
    write_canonical(&inputs, &mut text);
    hex(&Sha256::digest(text.as_bytes()))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// JSON with sorted keys and no spaces, so that equal values give equal texts however they were
/// built.
fn write_canonical(value: &Value, into: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            into.push('{');
            for key in keys {
                into.push_str(&Value::from(key.as_str()).to_string());
                into.push(':');
                write_canonical(&map[key.as_str()], into);
                into.push(',');
            }
            into.push('}');
        }
        Value::Array(items) => {
            into.push('[');
            for item in items {
                write_canonical(item, into);
                into.push(',');
            }
            into.push(']');
        }
        scalar => into.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(value: &Value) -> String {
        let mut text = String::new();
        write_canonical(value, &mut text);
        text
    }

    #[test]
    fn key_order_does_not_count_and_everything_else_does() {
        let text = canonical(&json!({"a": [1, "x"], "b": null}));
        let other: Value = serde_json::from_str(r#"{"b":null,"a":[1,"x"]}"#).unwrap();
        assert_eq!(canonical(&other), text);
        for different in [json!({"a": ["x", 1], "b": null}), json!({"a": [1, "x"]})] {
            assert_ne!(canonical(&different), text);
        }
    }
}
