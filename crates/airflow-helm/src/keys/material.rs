//! [`KeyMaterial`]: the keys themselves. It owns their forms, as Airflow and the chart want them;
//! randomness comes in as bytes.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use converge::Secret;
use kube_cluster::Object;
use serde_json::json;

use super::{decode, encode};

/// How many random bytes one set of keys takes.
pub const RANDOM_BYTES: usize = 232;

/// Random bytes, drawn by the caller; used once.
#[derive(Clone)]
pub struct RandomBytes(pub [u8; RANDOM_BYTES]);

impl fmt::Debug for RandomBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomBytes(…)")
    }
}

/// Key of the Secret, number of random bytes, form.
const KEYS: [(&str, usize, Form); 7] = [
    ("fernet-key", 32, Form::Fernet),
    ("webserver-secret-key", 32, Form::Hex),
    ("api-secret-key", 32, Form::Hex),
    ("jwt-secret", 64, Form::Hex),
    ("postgres-password", 24, Form::Hex),
    ("password", 24, Form::Hex),
    ("admin-password", 24, Form::Hex),
];

#[derive(Clone, Copy)]
enum Form {
    /// URL-safe base64 of 32 bytes, as `cryptography.fernet` wants it.
    Fernet,
    /// Hexadecimal digits: safe in URLs, shells and `pgbouncer`'s files.
    Hex,
}

/// One set of keys: `fernet-key`, `webserver-secret-key`, `api-secret-key`, `jwt-secret`,
/// `postgres-password`, `password` (the broker's) and `admin-password`.
#[derive(Debug, Clone)]
pub struct KeyMaterial(BTreeMap<&'static str, Secret>);

impl KeyMaterial {
    /// The names of all keys.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KEYS.iter().map(|(name, _, _)| *name)
    }

    /// A new set.
    pub fn generate(random: &RandomBytes) -> Self {
        let mut rest = &random.0[..];
        let keys = KEYS.map(|(name, length, form)| {
            let (bytes, left) = rest.split_at(length);
            rest = left;
            (name, Secret::new(write(bytes, form)))
        });
        Self(keys.into())
    }

    /// The set a Secret holds; the name of the first key that is missing or empty otherwise.
    ///
    /// # Errors
    /// The name of the missing key.
    pub fn read(secret: &Object) -> Result<Self, &'static str> {
        KEYS.iter()
            .map(|(name, _, _)| {
                let value = decode(secret, name).filter(|value| !value.is_empty());
                value.map(|value| (*name, value)).ok_or(*name)
            })
            .collect::<Result<BTreeMap<_, _>, _>>()
            .map(Self)
    }

    /// The same set with the keys `known` holds in place of ours; other names are ignored.
    #[must_use]
    pub fn with_known(mut self, known: &BTreeMap<String, Secret>) -> Self {
        for (name, value) in &mut self.0 {
            if let Some(known) = known.get(*name).filter(|known| !known.is_empty()) {
                *value = known.clone();
            }
        }
        self
    }

    /// One key.
    ///
    /// # Panics
    /// When there is no key of this name, which is a mistake in the code.
    pub fn get(&self, name: &str) -> &Secret {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no key `{name}`"))
    }

    /// The immutable Secret.
    pub fn manifest(&self, namespace: &str, name: &str) -> Object {
        let data: BTreeMap<&str, String> = self
            .0
            .iter()
            .map(|(name, value)| (*name, encode(value.expose())))
            .collect();
        let value = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"app.kubernetes.io/managed-by": "aks-airflow"},
            },
            "type": "Opaque",
            "immutable": true,
            "data": data,
        });
        Object::from_value(value).expect("a table")
    }
}

fn write(bytes: &[u8], form: Form) -> String {
    match form {
        Form::Fernet => URL_SAFE.encode(bytes),
        Form::Hex => bytes.iter().fold(String::new(), |mut text, byte| {
            use std::fmt::Write;
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> RandomBytes {
        RandomBytes(std::array::from_fn(|index| index as u8))
    }

    #[test]
    fn every_random_byte_is_used_exactly_once() {
        assert_eq!(
            KEYS.iter().map(|(_, length, _)| length).sum::<usize>(),
            RANDOM_BYTES
        );
    }

    #[test]
    fn keys_have_the_forms_airflow_wants() {
        let material = KeyMaterial::generate(&bytes());
        assert_eq!(
            URL_SAFE
                .decode(material.get("fernet-key").expose())
                .unwrap()
                .len(),
            32
        );
        assert_eq!(material.get("jwt-secret").expose().len(), 128);
        let shown = format!("{material:?} {:?}", bytes());
        assert!(!shown.contains(material.get("password").expose()));
    }

    #[test]
    fn a_set_survives_its_secret() {
        let material = KeyMaterial::generate(&bytes());
        let secret = material.manifest("airflow", "airflow-keys");
        let read = KeyMaterial::read(&secret).unwrap();
        for name in KeyMaterial::names() {
            assert!(read.get(name).same_as(material.get(name)), "{name}");
        }
        assert_eq!(secret.at("/immutable"), Some(&json!(true)));
    }

    #[test]
    fn known_keys_win_and_a_missing_one_is_named() {
        let known = BTreeMap::from([("fernet-key".to_owned(), Secret::new("old"))]);
        let material = KeyMaterial::generate(&bytes()).with_known(&known);
        assert_eq!(material.get("fernet-key").expose(), "old");
        let mut secret = material.manifest("n", "s");
        secret.as_map_mut()["data"]
            .as_object_mut()
            .unwrap()
            .remove("jwt-secret");
        assert_eq!(KeyMaterial::read(&secret).unwrap_err(), "jwt-secret");
    }
}
