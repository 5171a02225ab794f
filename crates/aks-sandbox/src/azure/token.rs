//! [`Issuer`]: the signer of every simulated token, ServiceAccounts' and Entra's. It owns their form
//! and their check; it refuses to make anything that Azure would take.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a token says.
pub type Claims = serde_json::Map<String, Value>;

/// A token issuer with its OIDC issuer URL. Signatures are HMAC-SHA-256 under a key of the world:
/// enough to notice a forged or foreign token, useless anywhere else.
#[derive(Clone, Serialize, Deserialize)]
pub struct Issuer {
    /// The issuer URL of the cluster, with its trailing slash.
    pub url: String,
    key: String,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuer({})", self.url)
    }
}

impl Issuer {
    /// An issuer with a key derived from a seed.
    pub fn seeded(url: impl Into<String>, seed: u64) -> Self {
        Self {
            url: url.into(),
            key: format!("aks-sandbox-{seed:016x}"),
        }
    }

    /// The host of the issuer URL.
    pub fn host(&self) -> &str {
        self.url
            .split_once("://")
            .map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default())
    }

    /// Signs claims into a JWT.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": "aks-sandbox"});
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let mac = hmac_sha256(self.key.as_bytes(), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// A ServiceAccount's token, as TokenRequest gives it. Times are Unix seconds.
    pub fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[String],
        issued: i64,
        expires: i64,
    ) -> String {
        self.sign(&json!({
            "aud": audiences,
            "iss": self.url,
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "iat": issued,
            "nbf": issued,
            "exp": expires,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name}},
        }))
    }

    /// The claims of a token this issuer signed; `None` for any other.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let (text, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let expected = hmac_sha256(self.key.as_bytes(), text.as_bytes());
        if signature != expected {
            return None;
        }
        claims(token)
    }
}

/// The claims of a token, unchecked.
pub(crate) fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The header of a token, unchecked.
pub(crate) fn header(token: &str) -> Option<Claims> {
    let json = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&json).ok()
}

/// RFC 2104 over SHA-256.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let keyed = |pad: u8, message: &[u8]| -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(block.map(|byte| byte ^ pad));
        hash.update(message);
        hash.finalize().into()
    };
    keyed(0x5c, &keyed(0x36, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        // Test case 2: key "Jefe".
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            crate::azure::hex(&mac),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn only_its_own_tokens_pass() {
        let issuer = Issuer::seeded("https://oidc.example/x/", 1);
        let token = issuer.service_account_token("ns", "sa", &["a".into()], 1, 2);
        assert_eq!(
            issuer.verify(&token).unwrap()["sub"],
            "system:serviceaccount:ns:sa"
        );
        assert!(
            Issuer::seeded("https://oidc.example/x/", 2)
                .verify(&token)
                .is_none()
        );
        let forged = token.replacen('.', ".e30", 1);
        assert!(issuer.verify(&forged).is_none());
        assert_eq!(issuer.host(), "oidc.example");
    }
}
