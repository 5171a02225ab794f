//! Password hashes, derived passwords and AES.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use chacha20::rand_core::Rng;
use go_text_template::{FunctionError, Purity, Scope, Text, Type};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::arguments::{any, string, text};
use super::encoding::{decode_base64, encode_base64};
use super::entry::Entry;
use super::random::draw;

const TWO: &[Type] = &[Type::String, Type::String];

/// What bcrypt can hash.
const BCRYPT_LIMIT: usize = 72;
const BCRYPT_COST: u32 = 10;
const BLOCK: usize = 16;

/// Password functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "bcrypt",
        &[Type::String],
        |scope, args| Ok(hash(scope, "bcrypt", text(args, 0)?)?.into()),
        "The bcrypt hash of a password.",
    )
    .purity(Purity::Random),
    Entry::new(
        "htpasswd",
        TWO,
        |scope, args| {
            let user = string(args, 0)?;
            if user.contains(':') {
                return Ok(format!("invalid username: {user}").into());
            }
            Ok(format!("{user}:{}", hash(scope, "htpasswd", text(args, 1)?)?).into())
        },
        "A line of an htpasswd file: user and bcrypt hash.",
    )
    .purity(Purity::Random),
    Entry::new(
        "derivePassword",
        &[
            Type::Uint32,
            Type::String,
            Type::String,
            Type::String,
            Type::String,
        ],
        |_, args| {
            let counter = any(args, 0)
                .as_i64()
                .and_then(|counter| u32::try_from(counter).ok())
                .unwrap_or(0);
            let kind = string(args, 1)?;
            let Some(templates) = templates(&kind) else {
                return Ok(format!("cannot find password template {kind}").into());
            };
            Ok(derive(
                counter,
                templates,
                text(args, 2)?,
                text(args, 3)?,
                text(args, 4)?,
            )?
            .into())
        },
        "A site password by the Master Password algorithm: counter, type, password, user, site.",
    ),
    Entry::new(
        "encryptAES",
        TWO,
        |scope, args| {
            let (password, plain) = (text(args, 0)?, text(args, 1)?);
            if plain.is_empty() {
                return Ok("".into());
            }
            let mut vector = [0; BLOCK];
            draw(scope, "encryptAES")?.fill_bytes(&mut vector);
            Ok(encode_base64(&encrypt(password, plain.as_bytes(), vector)).into())
        },
        "The second text encrypted with AES-256-CBC under the first.",
    )
    .purity(Purity::Random),
    Entry::new(
        "decryptAES",
        TWO,
        |_, args| Ok(decrypt(text(args, 0)?, text(args, 1)?)?.into()),
        "What encryptAES encrypted.",
    ),
];

fn hash(
    scope: &mut Scope<'_>,
    function: &'static str,
    password: &Text,
) -> Result<String, FunctionError> {
    if password.len() > BCRYPT_LIMIT {
        let reason = "bcrypt: password length exceeds 72 bytes";
        return Ok(format!("failed to encrypt string with bcrypt: {reason}"));
    }
    let mut salt = [0; 16];
    draw(scope, function)?.fill_bytes(&mut salt);
    let hashed =
        bcrypt::hash_with_salt(password.as_bytes(), BCRYPT_COST, salt).map_err(|error| {
            FunctionError::new(format!("failed to encrypt string with bcrypt: {error}"))
        })?;
    Ok(hashed.format_for_version(bcrypt::Version::TwoA))
}

/// The shapes of a type of password: each letter stands for a class of characters.
fn templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

/// The characters of a class.
fn class(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

fn derive(
    counter: u32,
    templates: &[&str],
    password: &Text,
    user: &Text,
    site: &Text,
) -> Result<String, FunctionError> {
    const NAMESPACE: &[u8] = b"com.lyndir.masterpassword";
    let failed = |error: String| FunctionError::new(format!("failed to derive password: {error}"));
    let sized = |name: &Text| {
        let length = (name.len() as u32).to_be_bytes();
        [NAMESPACE, &length[..], name.as_bytes()].concat()
    };
    let parameters = scrypt::Params::new(15, 8, 2).map_err(|error| failed(error.to_string()))?;
    let mut key = [0; 64];
    scrypt::scrypt(password.as_bytes(), &sized(user), &parameters, &mut key)
        .map_err(|error| failed(error.to_string()))?;
    let mut seal = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&key)
        .map_err(|error| failed(error.to_string()))?;
    seal.update(&sized(site));
    seal.update(&counter.to_be_bytes());
    let seed = seal.finalize().into_bytes();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let letters = template.bytes().zip(&seed[1..]).map(|(letter, number)| {
        let characters = class(letter);
        char::from(characters[usize::from(*number) % characters.len()])
    });
    Ok(letters.collect())
}

/// AES-256 under a password, zero-padded or cut to 32 bytes.
fn cipher(password: &Text) -> Aes256 {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password.as_bytes()[..length]);
    Aes256::new(&key.into())
}

/// CBC with PKCS #7 padding; the initialisation vector goes in front.
fn encrypt(password: &Text, plain: &[u8], vector: [u8; BLOCK]) -> Vec<u8> {
    let cipher = cipher(password);
    let padding = BLOCK - plain.len() % BLOCK;
    let mut padded = plain.to_vec();
    padded.resize(plain.len() + padding, padding as u8);
    let mut out = vector.to_vec();
    let mut previous = vector;
    for chunk in padded.as_chunks::<BLOCK>().0 {
        let mixed: [u8; BLOCK] = std::array::from_fn(|index| chunk[index] ^ previous[index]);
        let mut block = mixed.into();
        cipher.encrypt_block(&mut block);
        previous = block.into();
        out.extend_from_slice(&previous);
    }
    out
}

fn decrypt(password: &Text, encoded: &Text) -> Result<Text, FunctionError> {
    if encoded.is_empty() {
        return Ok(Text::default());
    }
    let bytes = decode_base64(encoded.as_bytes())?;
    let Some((vector, sealed)) = bytes.split_first_chunk::<BLOCK>() else {
        // Go sees the room the decoder made.
        let capacity = encoded.len() / 4 * 3;
        let message =
            format!("runtime error: slice bounds out of range [:{BLOCK}] with capacity {capacity}");
        return Err(message.into());
    };
    let (blocks, rest) = sealed.as_chunks::<BLOCK>();
    if !rest.is_empty() {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let cipher = cipher(password);
    let mut plain = Vec::with_capacity(sealed.len());
    let mut previous = vector;
    for chunk in blocks {
        let mut block = (*chunk).into();
        cipher.decrypt_block(&mut block);
        let opened: [u8; BLOCK] = block.into();
        plain.extend(opened.iter().zip(previous).map(|(byte, mask)| byte ^ mask));
        previous = chunk;
    }
    let Some(padding) = plain.last().copied().map(usize::from) else {
        return Err("runtime error: index out of range [-1]".into());
    };
    match plain.len().checked_sub(padding) {
        Some(length) => Ok(plain[..length].into()),
        None => Err(format!(
            "runtime error: slice bounds out of range [:-{}]",
            padding - plain.len()
        )
        .into()),
    }
}
