//! [`ExternalIssuer`]: an OIDC issuer outside of this world, such as a real API server, whose
//! ServiceAccount tokens Entra is to take. It owns the check of a signature against the issuer's
//! published keys; it refuses to fetch them: who adds an issuer hands its key set over.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::token::{Claims, claims, header};

/// An issuer with its JSON Web Key Set, as `/openid/v1/jwks` publishes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExternalIssuer {
    /// The issuer URL, exactly as in the tokens' `iss`.
    pub url: String,
    keys: Value,
}

impl ExternalIssuer {
    /// An issuer by its URL and the document at its `jwks_uri`.
    pub fn new(url: impl Into<String>, keys: Value) -> Self {
        Self {
            url: url.into(),
            keys,
        }
    }

    /// The claims of a token one of the keys signed with RS256, the one algorithm Entra takes from
    /// external issuers; `None` for any other token.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let header = header(token)?;
        if header.get("alg")? != "RS256" {
            return None;
        }
        let id = header.get("kid")?;
        let keys = self.keys["keys"].as_array()?;
        let key = keys.iter().find(|key| key["kid"] == *id)?;
        is_signed_with(key, token)?.then(|| claims(token))?
    }
}

/// Whether an RSA key signed the token; `None` if either is malformed.
fn is_signed_with(key: &Value, token: &str) -> Option<bool> {
    let (text, signature) = token.rsplit_once('.')?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let public = RsaPublicKeyComponents {
        n: decode(key["n"].as_str()?)?,
        e: decode(key["e"].as_str()?)?,
    };
    let signature = decode(signature)?;
    let checked = public.verify(&RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), &signature);
    Some(checked.is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // RFC 7515, appendix A.2: a token signed with RS256, and its key.
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

    #[test]
    fn a_signature_is_checked_against_the_key() {
        let key = json!({"kty": "RSA", "n": MODULUS, "e": "AQAB"});
        assert_eq!(is_signed_with(&key, TOKEN), Some(true));
        let (text, signature) = TOKEN.rsplit_once('.').unwrap();
        let other = format!("{text}A.{signature}");
        assert_eq!(is_signed_with(&key, &other), Some(false));
    }

    #[test]
    fn a_token_must_name_a_key_of_the_set() {
        let key = json!({"kty": "RSA", "kid": "one", "n": MODULUS, "e": "AQAB"});
        let issuer = ExternalIssuer::new("joe", json!({"keys": [key]}));
        // The RFC's token names none; API servers always do.
        assert!(issuer.verify(TOKEN).is_none());
        assert!(issuer.verify("no token").is_none());
    }
}
