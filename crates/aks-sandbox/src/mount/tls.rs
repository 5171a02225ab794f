//! [`Certificates`]: the sandbox's own authority, its server certificate and a client certificate.
//! It owns making them and the TLS settings from them; it refuses every other trust.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde::{Deserialize, Serialize};

/// Certificates could not be made or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare the sandbox's certificates")]
pub struct TlsError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// PEM texts: an authority and what it signed. Worth nothing outside this machine's sandbox.
#[derive(Clone, Serialize, Deserialize)]
pub struct Certificates {
    /// The authority's certificate, for a kubeconfig's `certificate-authority-data`.
    pub authority: String,
    server: String,
    server_key: String,
    /// The administrator's certificate (`CN=sandbox-admin, O=system:masters`).
    pub client: String,
    /// The administrator's key.
    pub client_key: String,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError(Box::new(error))
}

impl Certificates {
    /// Makes an authority, a leaf for `localhost`, 127.0.0.1 and Azure's hosts, and a client
    /// certificate.
    ///
    /// # Errors
    /// [`TlsError`] when the machine gives no randomness.
    pub fn generate() -> Result<Self, TlsError> {
        let authority_key = KeyPair::generate().map_err(failed)?;
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::CommonName, "aks-airflow sandbox");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_pem = authority.self_signed(&authority_key).map_err(failed)?.pem();
        let issuer = Issuer::new(authority, authority_key);

        // A wildcard stands for one label, as every name of a vault, account or registry is.
        let names = [
            "localhost",
            "127.0.0.1",
            "kubernetes.default.svc",
            "login.microsoftonline.com",
            "management.azure.com",
            "*.vault.azure.net",
            "*.blob.core.windows.net",
            "*.azurecr.io",
            "charts.external-secrets.io",
            "airflow.apache.org",
        ]
        .map(String::from);
        let mut server = CertificateParams::new(names).map_err(failed)?;
        server
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_key = KeyPair::generate().map_err(failed)?;
        let server_pem = server
            .signed_by(&server_key, &issuer)
            .map_err(failed)?
            .pem();

        let mut client = CertificateParams::default();
        client
            .distinguished_name
            .push(DnType::CommonName, "sandbox-admin");
        client
            .distinguished_name
            .push(DnType::OrganizationName, "system:masters");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client_key = KeyPair::generate().map_err(failed)?;
        let client_pem = client
            .signed_by(&client_key, &issuer)
            .map_err(failed)?
            .pem();

        Ok(Self {
            authority: authority_pem,
            server: server_pem,
            server_key: server_key.serialize_pem(),
            client: client_pem,
            client_key: client_key.serialize_pem(),
        })
    }

    /// Settings of a TLS listener: HTTP/1.1 only; a client certificate is verified if one is shown
    /// (a bearer token is the other way in).
    ///
    /// # Errors
    /// [`TlsError`] when the stored texts are not certificates.
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate(&self.authority)?).map_err(failed)?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .map_err(failed)?;
        let key = PrivateKeyDer::from_pem_slice(self.server_key.as_bytes()).map_err(failed)?;
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate(&self.server)?], key)
            .map_err(failed)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificate(pem: &str) -> Result<CertificateDer<'static>, TlsError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(failed)
}
