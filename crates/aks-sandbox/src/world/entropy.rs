//! [`Entropy`]: the world's chance, from its seed. It owns uids, name suffixes and jitter; it
//! refuses to make keys.

use serde::{Deserialize, Serialize};

/// The alphabet of Kubernetes' name suffixes: no vowels, nothing easily confused
/// (`k8s.io/apimachinery/pkg/util/rand`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A small deterministic generator (SplitMix64).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entropy(u64);

impl Entropy {
    /// The generator of a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.number() % (high - low + 1).unsigned_abs()) as i64
    }

    /// A version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.number(), self.number());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// A name suffix of Kubernetes' alphabet.
    pub fn suffix(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| ALPHABET[(self.number() % ALPHABET.len() as u64) as usize] as char)
            .collect()
    }
}

/// Kubernetes' encoding of a hash as a name: the decimal digits in the safe alphabet
/// (`rand.SafeEncodeString`).
pub(crate) fn safe_encode(hash: u32) -> String {
    hash.to_string()
        .bytes()
        .map(|byte| ALPHABET[byte as usize % ALPHABET.len()] as char)
        .collect()
}

/// FNV-1a, 32 bits.
pub(crate) fn fnv32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
