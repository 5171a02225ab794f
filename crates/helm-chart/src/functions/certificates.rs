//! Certificates: authorities, self-signed ones, and those an authority signs.
//!
//! Serial numbers and keys come from the tape, validity from its clock. RSA and Ed25519 signatures
//! follow from key and content; an ECDSA signature (only with a key handed in) has a nonce of its
//! own, so such a certificate differs from render to render.

use std::net::IpAddr;
use std::time::Duration;

use chacha20::rand_core::Rng;
use go_text_template::{FunctionError, Purity, Scope, Type, Value, fmt};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, SanType, SerialNumber,
};

use super::arguments::{Answer, any, int, string, tape};
use super::encoding::decode_base64;
use super::entry::Entry;
use super::keys::{Block, SigningPair, rsa_key};
use super::random::draw;
use super::record::{Field, Record};

/// The Go type of a certificate with its key.
const CERTIFICATE: &str = "sprig.certificate";
const DAY: i64 = 86_400;

/// Certificate functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "buildCustomCert",
        &[Type::String, Type::String],
        |_, args| custom(&string(args, 0)?, &string(args, 1)?),
        "A certificate and its key out of two base64 texts of PEM.",
    ),
    Entry::new(
        "genCA",
        &[Type::String, Type::Int],
        |scope, args| authority(scope, "genCA", args, None),
        "A certificate authority: common name, days valid.",
    )
    .purity(Purity::Random),
    Entry::new(
        "genCAWithKey",
        &[Type::String, Type::Int, Type::String],
        |scope, args| authority(scope, "genCAWithKey", args, Some(&string(args, 2)?)),
        "A certificate authority with a key of one's own.",
    )
    .purity(Purity::Random),
    Entry::new(
        "genSelfSignedCert",
        &[Type::String, Type::List, Type::List, Type::Int],
        |scope, args| leaf(scope, "genSelfSignedCert", args, None, None),
        "A self-signed certificate: common name, addresses, host names, days valid.",
    )
    .purity(Purity::Random),
    Entry::new(
        "genSelfSignedCertWithKey",
        &[Type::String, Type::List, Type::List, Type::Int, Type::String],
        |scope, args| leaf(scope, "genSelfSignedCertWithKey", args, None, Some(&string(args, 4)?)),
        "A self-signed certificate with a key of one's own.",
    )
    .purity(Purity::Random),
    Entry::new(
        "genSignedCert",
        &[Type::String, Type::List, Type::List, Type::Int, Type::Named(CERTIFICATE)],
        |scope, args| leaf(scope, "genSignedCert", args, Some(any(args, 4)), None),
        "A certificate signed by an authority: common name, addresses, host names, days valid, authority.",
    )
    .purity(Purity::Random),
    Entry::new(
        "genSignedCertWithKey",
        &[Type::String, Type::List, Type::List, Type::Int, Type::Named(CERTIFICATE), Type::String],
        |scope, args| leaf(scope, "genSignedCertWithKey", args, Some(any(args, 4)), Some(&string(args, 5)?)),
        "A certificate with a key of one's own, signed by an authority.",
    )
    .purity(Purity::Random),
];

fn certificate(cert: String, key: String) -> Value {
    Value::object(Record::new(
        CERTIFICATE,
        vec![Field::new("Cert", cert), Field::new("Key", key)],
    ))
}

fn custom(cert: &str, key: &str) -> Answer {
    let text = |encoded: &str, what: &str| match decode_base64(encoded.as_bytes()) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => Err(FunctionError::new(format!(
            "unable to decode base64 {what}"
        ))),
    };
    let (cert, key) = (text(cert, "certificate")?, text(key, "private key")?);
    let block = Block::first_in(&cert).ok_or("unable to decode certificate")?;
    // Reading a certificate needs some key beside it; only the certificate is looked at.
    let pair = SigningPair::parse(&key);
    let reader = pair
        .as_ref()
        .ok()
        .map(|key| Issuer::from_ca_cert_der(&block.der.as_slice().into(), &key.pair));
    if let Some(Err(error)) = reader {
        return Err(format!("error parsing certificate: decodedCert.Bytes: {error}").into());
    }
    pair.map_err(|error| format!("error parsing private key: {error}"))?;
    Ok(certificate(cert, key))
}

/// The key handed in, or a new RSA key of 2048 bits.
fn key_of(
    scope: &mut Scope<'_>,
    function: &'static str,
    pem: Option<&str>,
) -> Result<SigningPair, FunctionError> {
    let Some(pem) = pem else {
        let block = rsa_key(&mut draw(scope, function)?, 2048)
            .map_err(|error| format!("error generating rsa key: {error}"))?;
        return Ok(SigningPair::parse(&block.to_pem())?);
    };
    SigningPair::parse(pem).map_err(|error| format!("parsing private key: {error}").into())
}

fn authority(
    scope: &mut Scope<'_>,
    function: &'static str,
    args: &[Value],
    pem: Option<&str>,
) -> Answer {
    let key = key_of(scope, function, pem)?;
    let mut params = parameters(scope, function, &string(args, 0)?, int(args, 1)?)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    self_signed(&params, &key)
}

fn leaf(
    scope: &mut Scope<'_>,
    function: &'static str,
    args: &[Value],
    signer: Option<&Value>,
    pem: Option<&str>,
) -> Answer {
    let key = key_of(scope, function, pem)?;
    let signer = signer.map(read_signer).transpose()?;
    let names = alternative_names(any(args, 1), any(args, 2))?;
    let mut params = parameters(scope, function, &string(args, 0)?, int(args, 3)?)?;
    params.subject_alt_names = names;
    let Some((signer_cert, signer_key)) = signer else {
        return self_signed(&params, &key);
    };
    params.use_authority_key_identifier_extension = true;
    let failed = |error: rcgen::Error| format!("error creating certificate: {error}");
    let issuer = Issuer::from_ca_cert_der(&signer_cert.der.as_slice().into(), &signer_key.pair)
        .map_err(|error| format!("error parsing certificate: decodedSignerCert.Bytes: {error}"))?;
    let signed = params.signed_by(&key.pair, &issuer).map_err(failed)?;
    Ok(certificate(
        Block::new("CERTIFICATE", signed.der().to_vec()).to_pem(),
        key.block.to_pem(),
    ))
}

fn self_signed(params: &CertificateParams, key: &SigningPair) -> Answer {
    let signed = params
        .self_signed(&key.pair)
        .map_err(|error| format!("error creating certificate: {error}"))?;
    Ok(certificate(
        Block::new("CERTIFICATE", signed.der().to_vec()).to_pem(),
        key.block.to_pem(),
    ))
}

fn read_signer(authority: &Value) -> Result<(Block, SigningPair), FunctionError> {
    let record = authority.downcast::<Record>().ok_or("not a certificate")?;
    let field = |name: &str| {
        use go_text_template::Object;
        record
            .field(name)
            .map(|value| value.to_string())
            .unwrap_or_default()
    };
    let cert = Block::first_in(&field("Cert")).ok_or("unable to decode certificate")?;
    let key = SigningPair::parse(&field("Key"))
        .map_err(|error| format!("error parsing private key: {error}"))?;
    Ok((cert, key))
}

/// What all certificates have: name, serial number, validity, use by servers and clients.
fn parameters(
    scope: &mut Scope<'_>,
    function: &'static str,
    name: &str,
    days: i64,
) -> Result<CertificateParams, FunctionError> {
    let mut serial = [0; 16];
    draw(scope, function)?.fill_bytes(&mut serial);
    let template = scope.template_name().to_owned();
    let now = tape(scope)?.now(&template, function).as_second();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name(name));
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |seconds: i64| {
        let span = Duration::from_secs(seconds.unsigned_abs());
        // Beyond year 9999 a certificate has no date.
        let latest = Duration::from_secs(253_402_300_799);
        if seconds < 0 {
            epoch - span.min(Duration::from_secs(62_135_596_800))
        } else {
            epoch + span.min(latest)
        }
    };
    params.not_before = at(now);
    params.not_after = at(now.saturating_add(days.saturating_mul(DAY)));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

/// Host names and addresses, in the order Go writes them.
fn alternative_names(addresses: &Value, hosts: &Value) -> Result<Vec<SanType>, FunctionError> {
    let items = |value: &Value| {
        value
            .as_list()
            .map(|list| list.to_vec())
            .unwrap_or_default()
    };
    let mut ips = Vec::new();
    for address in items(addresses) {
        let text = address.as_text().ok_or_else(|| {
            FunctionError::new(format!("error parsing ip: {address} is not a string"))
        })?;
        let ip: IpAddr = text
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| FunctionError::new(format!("error parsing ip: {text}")))?;
        ips.push(SanType::IpAddress(ip));
    }
    let mut names = Vec::new();
    for host in items(hosts) {
        let text = host.as_text().ok_or_else(|| {
            FunctionError::new(format!(
                "error processing alternate dns name: {host} is not a string"
            ))
        })?;
        let name = text.to_str().into_owned().try_into().map_err(|_| {
            let quoted = fmt::quote(text.as_bytes());
            format!("error creating certificate: x509: {quoted} cannot be encoded as an IA5String")
        })?;
        names.push(SanType::DnsName(name));
    }
    names.append(&mut ips);
    Ok(names)
}

/// A name as Go's `encoding/asn1` writes it: a `PrintableString` where each character allows it.
fn common_name(name: &str) -> DnValue {
    match name.try_into() {
        Ok(printable) => DnValue::PrintableString(printable),
        Err(_) => DnValue::Utf8String(name.to_owned()),
    }
}
