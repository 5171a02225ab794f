//! Private keys: making them from the tape, and reading and writing them as PEM.
//!
//! RSA and DSA numbers come from the `rsa` and `dsa` crates because they take a given source of
//! randomness; everything else about keys and signatures is `rcgen`'s.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::Rng;
use dsa::{Components, KeySize};
use go_text_template::{Purity, Type};
use rcgen::KeyPair;
use rsa::PrivateKey as RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;

use super::arguments::string;
use super::encoding::{decode_base64, encode_base64};
use super::entry::Entry;
use super::random::draw;

/// Key functions.
pub(super) const ENTRIES: &[Entry] = &[Entry::new(
    "genPrivateKey",
    &[Type::String],
    |scope, args| {
        let kind = string(args, 0)?;
        let mut source = draw(scope, "genPrivateKey")?;
        let key = match &*kind {
            "" | "rsa" => rsa_key(&mut source, 4096),
            "dsa" => Ok(dsa_key(&mut source)),
            "ecdsa" => ecdsa_key(&mut source),
            "ed25519" => Ok(ed25519_key(&mut source)),
            other => return Ok(format!("Unknown type {other}").into()),
        };
        Ok(key
            .map_or_else(
                |error| format!("failed to generate private key: {error}"),
                |key| key.to_pem(),
            )
            .into())
    },
    "A private key as PEM: rsa (4096 bits), dsa, ecdsa (P-256) or ed25519.",
)
.purity(Purity::Random)];

/// The order of the group of P-256, the bound of its private keys.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// Object identifier of P-256, with tag and length.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// Object identifier of RSA keys, with tag and length.
const RSA: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
];
/// Object identifier of elliptic curve keys, with tag and length.
const CURVE: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// PKCS #8 of an Ed25519 key up to the 32 bytes of its seed.
const ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A labelled block of a PEM file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) label: String,
    pub(super) der: Vec<u8>,
}

impl Block {
    pub(super) fn new(label: &str, der: Vec<u8>) -> Self {
        Self {
            label: label.to_owned(),
            der,
        }
    }

    /// The first block in a text.
    pub(super) fn first_in(text: &str) -> Option<Self> {
        let (_, after) = text.split_once("-----BEGIN ")?;
        let (label, body) = after.split_once("-----")?;
        let (body, _) = body.split_once(&format!("-----END {label}-----"))?;
        // Headers, if any, end with an empty line.
        let body = body.rsplit_once("\n\n").map_or(body, |(_, body)| body);
        let compact: Vec<u8> = body
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        Some(Self::new(label, decode_base64(&compact).ok()?))
    }

    /// The block as text, 64 characters a line.
    pub(super) fn to_pem(&self) -> String {
        let body = encode_base64(&self.der);
        let mut out = format!("-----BEGIN {}-----\n", self.label);
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, next) = rest.split_at(rest.len().min(64));
            out.push_str(line);
            out.push('\n');
            rest = next;
        }
        out.push_str("-----END ");
        out.push_str(&self.label);
        out.push_str("-----\n");
        out
    }
}

/// An RSA key in PKCS #1.
pub(super) fn rsa_key(source: &mut ChaCha20Rng, bits: usize) -> Result<Block, String> {
    let key = RsaPrivateKey::new(source, bits).map_err(|error| error.to_string())?;
    let der = key.to_pkcs1_der().map_err(|error| error.to_string())?;
    Ok(Block::new("RSA PRIVATE KEY", der.as_bytes().to_vec()))
}

fn dsa_key(source: &mut ChaCha20Rng) -> Block {
    let Ok(components) =
        Components::try_generate_from_rng_with_key_size(source, KeySize::DSA_2048_256);
    let Ok(key) = dsa::SigningKey::try_generate_from_rng_with_components(source, components);
    let public = key.verifying_key();
    let parameters = public.components();
    let numbers = [
        integer(&[0]),
        integer(&parameters.p().to_be_bytes()),
        integer(&parameters.q().to_be_bytes()),
        integer(&parameters.g().to_be_bytes()),
        integer(&public.y().to_be_bytes()),
        integer(&key.x().to_be_bytes()),
    ];
    Block::new("DSA PRIVATE KEY", tagged(0x30, &numbers.concat()))
}

fn ecdsa_key(source: &mut ChaCha20Rng) -> Result<Block, String> {
    let mut secret = [0; 32];
    loop {
        source.fill_bytes(&mut secret);
        if secret < P256_ORDER && secret.iter().any(|byte| *byte != 0) {
            break;
        }
    }
    let half = Block::new("EC PRIVATE KEY", sec1(&secret, None));
    let pair = KeyPair::from_pem(&half.to_pem()).map_err(|error| error.to_string())?;
    Ok(Block::new(
        "EC PRIVATE KEY",
        sec1(&secret, Some(pair.public_key_raw())),
    ))
}

fn ed25519_key(source: &mut ChaCha20Rng) -> Block {
    let mut der = ED25519.to_vec();
    der.resize(ED25519.len() + 32, 0);
    source.fill_bytes(&mut der[ED25519.len()..]);
    Block::new("PRIVATE KEY", der)
}

/// A P-256 key in SEC 1.
fn sec1(secret: &[u8], public: Option<&[u8]>) -> Vec<u8> {
    let mut fields = vec![integer(&[1]), tagged(0x04, secret), tagged(0xa0, &P256)];
    if let Some(public) = public {
        fields.push(tagged(0xa1, &tagged(0x03, &[&[0], public].concat())));
    }
    tagged(0x30, &fields.concat())
}

/// A DER value with a tag.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let first = length
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(length.len() - 1);
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        out.push(0x80 | (length.len() - first) as u8);
    }
    out.extend_from_slice(&length[first..]);
    out.extend_from_slice(content);
    out
}

/// A positive DER integer.
fn integer(magnitude: &[u8]) -> Vec<u8> {
    let first = magnitude
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(magnitude.len() - 1);
    let mut content = magnitude[first..].to_vec();
    if content[0] >= 0x80 {
        content.insert(0, 0);
    }
    tagged(0x02, &content)
}

/// The tag and content of the first DER value, and what follows.
fn untagged(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let fold =
            |length: usize, digit: &u8| length.checked_mul(256)?.checked_add(usize::from(*digit));
        (digits.iter().try_fold(0, fold)?, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// What a PKCS #8 key wraps: the algorithm (object identifier and parameters) and the key.
fn unwrapped(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, fields, _) = untagged(der)?;
    let (_, _, fields) = untagged(fields)?;
    let (_, algorithm, fields) = untagged(fields)?;
    let (_, key, _) = untagged(fields)?;
    Some((algorithm, key))
}

/// A private key that can sign, in the form Go writes it.
#[derive(Debug)]
pub(super) struct SigningPair {
    pub(super) pair: KeyPair,
    pub(super) block: Block,
}

impl SigningPair {
    /// Reads the first block of `pem`.
    ///
    /// # Errors
    /// The text sprig gives for the same block, if it holds no key that can sign.
    pub(super) fn parse(pem: &str) -> Result<Self, String> {
        let block = Block::first_in(pem).ok_or("no PEM data in input")?;
        let failed = match block.label.as_str() {
            "PRIVATE KEY" => "decoding PEM as PKCS#8",
            "RSA PRIVATE KEY" => "parsing RSA private key from PEM",
            "EC PRIVATE KEY" => "parsing EC private key from PEM",
            "DSA PRIVATE KEY" => {
                return Err("x509: only RSA, ECDSA and Ed25519 keys can sign".to_owned());
            }
            label if label.ends_with(" PRIVATE KEY") => {
                return Err(format!("invalid private key type {label}"));
            }
            label => return Err(format!("no private key data in PEM block of type {label}")),
        };
        let pair =
            KeyPair::from_pem(&block.to_pem()).map_err(|error| format!("{failed}: {error}"))?;
        let block = in_go_form(block, &pair);
        Ok(Self { pair, block })
    }
}

/// RSA keys as PKCS #1 and P-256 keys as SEC 1, whatever they came as.
fn in_go_form(block: Block, pair: &KeyPair) -> Block {
    if block.label != "PRIVATE KEY" {
        return block;
    }
    let Some((algorithm, key)) = unwrapped(&block.der) else {
        return block;
    };
    if algorithm.starts_with(&RSA) {
        return Block::new("RSA PRIVATE KEY", key.to_vec());
    }
    let secret = untagged(key).and_then(|(_, fields, _)| {
        let (_, _, fields) = untagged(fields)?;
        let (_, secret, _) = untagged(fields)?;
        Some(secret.to_vec())
    });
    match secret {
        Some(secret) if algorithm.starts_with(&CURVE) && algorithm.ends_with(&P256) => {
            Block::new("EC PRIVATE KEY", sec1(&secret, Some(pair.public_key_raw())))
        }
        _ => block,
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, SigningPair, ecdsa_key, ed25519_key, integer, tagged};
    use chacha20::ChaCha20Rng;
    use chacha20::rand_core::SeedableRng;

    #[test]
    fn keys_follow_from_the_seed_and_can_be_read_back() {
        let source = || ChaCha20Rng::from_seed([3; 32]);
        let key = ecdsa_key(&mut source()).unwrap();
        assert_eq!(key, ecdsa_key(&mut source()).unwrap());
        assert_eq!(SigningPair::parse(&key.to_pem()).unwrap().block, key);
        let key = ed25519_key(&mut source());
        assert_eq!(SigningPair::parse(&key.to_pem()).unwrap().block, key);
    }

    #[test]
    fn blocks_go_there_and_back() {
        let block = Block::new("CERTIFICATE", (0..200).collect());
        assert_eq!(
            Block::first_in(&format!("noise\n{}", block.to_pem())),
            Some(block)
        );
        assert_eq!(Block::first_in("-----BEGIN X-----"), None);
    }

    #[test]
    fn der_lengths_and_signs_are_right() {
        assert_eq!(integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(tagged(4, &[7; 200])[..3], [4, 0x81, 200]);
    }
}
