//! The certificates of one control plane. It owns one authority and the leaves it signs; it refuses
//! to outlive the folder they are written to.

use std::fs;
use std::io;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

/// A certificate and key, PEM.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// An authority for one cluster.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = name("aks-airflow e2e", None);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let pair = KeyPair::generate()?;
        let certificate = parameters.self_signed(&pair)?.pem();
        let key = pair.serialize_pem();
        Ok(Self {
            issuer: Issuer::new(parameters, pair),
            certificate,
            key,
        })
    }

    /// A certificate for a server under these names and addresses.
    pub(crate) fn server(&self, common_name: &str, names: &[&str]) -> Result<Leaf, rcgen::Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.leaf(
            CertificateParams::new(names)?,
            common_name,
            None,
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    /// A certificate for a client, with an optional group.
    pub(crate) fn client(
        &self,
        common_name: &str,
        group: Option<&str>,
    ) -> Result<Leaf, rcgen::Error> {
        self.leaf(
            CertificateParams::default(),
            common_name,
            group,
            ExtendedKeyUsagePurpose::ClientAuth,
        )
    }

    fn leaf(
        &self,
        mut parameters: CertificateParams,
        common_name: &str,
        group: Option<&str>,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Leaf, rcgen::Error> {
        parameters.distinguished_name = name(common_name, group);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![usage];
        let pair = KeyPair::generate()?;
        let certificate = parameters.signed_by(&pair, &self.issuer)?.pem();
        Ok(Leaf {
            certificate,
            key: pair.serialize_pem(),
        })
    }
}

impl Leaf {
    /// Writes `{stem}.crt` and `{stem}.key`.
    pub(crate) fn write(&self, folder: &Path, stem: &str) -> io::Result<()> {
        fs::write(folder.join(format!("{stem}.crt")), &self.certificate)?;
        fs::write(folder.join(format!("{stem}.key")), &self.key)
    }
}

fn name(common_name: &str, group: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    name.push(DnType::CommonName, common_name);
    name
}
