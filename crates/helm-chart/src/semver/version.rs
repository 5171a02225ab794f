//! One version: parsing, printing, precedence.

use std::cmp::Ordering;

/// A semantic version.
///
/// Equality and order follow precedence: build metadata and the original spelling do not count.
#[derive(Debug, Clone)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    metadata: String,
    original: String,
}

/// A text that is no version, in the words of Masterminds/semver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// Not of the form of a version.
    #[error("invalid semantic version")]
    Invalid,
    /// Nothing at all, where strictness is asked for.
    #[error("version string empty")]
    Empty,
    /// A character that no part of a version allows.
    #[error("invalid characters in version")]
    InvalidCharacters,
    /// A number with a leading zero where none may be.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// A number beyond 64 bits.
    #[error(
        "error parsing version segment: strconv.ParseUint: parsing \"{0}\": value out of range"
    )]
    OutOfRange(String),
    /// Longer than 256 bytes.
    #[error("version string is too long (max 256 bytes)")]
    TooLong,
}

const LONGEST: usize = 256;

impl Version {
    /// Reads a version leniently: a leading `v`, missing minor and patch, leading zeros.
    ///
    /// # Errors
    /// [`VersionError`] when `text` is no version even so.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.len() > LONGEST {
            return Err(VersionError::TooLong);
        }
        let bare = text.strip_prefix('v').unwrap_or(text);
        let (bare, metadata) = split_suffix(bare, '+')?;
        let (numbers, prerelease) = split_suffix(bare, '-')?;
        let numbers: Vec<&str> = numbers.split('.').collect();
        let is_number =
            |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if numbers.len() > 3 || !numbers.iter().all(is_number) {
            return Err(VersionError::Invalid);
        }
        let mut parts = [0; 3];
        for (slot, number) in parts.iter_mut().zip(numbers) {
            *slot = number
                .parse()
                .map_err(|_| VersionError::OutOfRange(number.to_owned()))?;
        }
        let leading_zero = |part: &str| {
            part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit())
        };
        if prerelease.split('.').any(leading_zero) {
            return Err(VersionError::LeadingZero);
        }
        let [major, minor, patch] = parts;
        Ok(Self {
            major,
            minor,
            patch,
            prerelease: prerelease.to_owned(),
            metadata: metadata.to_owned(),
            original: text.to_owned(),
        })
    }

    /// Reads a version as the SemVer 2 page writes them: three numbers, no `v`, no leading zeros.
    ///
    /// # Errors
    /// [`VersionError`] when `text` is anything else.
    pub fn parse_strict(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let parts: Vec<&str> = core.split('.').collect();
        if parts.len() != 3 {
            return Err(VersionError::Invalid);
        }
        for part in parts {
            if !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(VersionError::InvalidCharacters);
            }
            if part.len() > 1 && part.starts_with('0') {
                return Err(VersionError::LeadingZero);
            }
        }
        Self::parse(text)
    }

    /// A release version of three numbers.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        let (prerelease, metadata) = (String::new(), String::new());
        Self {
            major,
            minor,
            patch,
            prerelease,
            metadata,
            original: format!("{major}.{minor}.{patch}"),
        }
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.major
    }

    /// The second number.
    pub fn minor(&self) -> u64 {
        self.minor
    }

    /// The third number.
    pub fn patch(&self) -> u64 {
        self.patch
    }

    /// What follows the `-`; empty for a release.
    pub fn prerelease(&self) -> &str {
        &self.prerelease
    }

    /// What follows the `+`; empty without build metadata.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The version as it was written.
    pub fn original(&self) -> &str {
        &self.original
    }
}

/// Splits off `-…` or `+…`, whose dot-separated parts must be alphanumeric or hyphens.
fn split_suffix(text: &str, mark: char) -> Result<(&str, &str), VersionError> {
    let Some((before, after)) = text.split_once(mark) else {
        return Ok((text, ""));
    };
    let valid = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if after.split('.').all(valid) {
        Ok((before, after))
    } else {
        Err(VersionError::Invalid)
    }
}

impl std::fmt::Display for Version {
    /// The normalised form: three numbers, then pre-release and metadata.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_prerelease(&self.prerelease, &other.prerelease))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

pub(super) fn compare_prerelease(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                return match (a.parse::<u64>(), b.parse::<u64>()) {
                    (Ok(a), Ok(b)) => a.cmp(&b),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => a.cmp(b),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Version, VersionError};

    #[test]
    fn lenient_versions_print_normalised() {
        for (text, normal) in [
            ("v1", "1.0.0"),
            ("1.2", "1.2.0"),
            ("01.2.3", "1.2.3"),
            ("1.2.3-a.1+b", "1.2.3-a.1+b"),
        ] {
            assert_eq!(Version::parse(text).unwrap().to_string(), normal);
        }
        for text in ["", "a", "1.", "1.2.3.4", "1.2.3-", "1.2.3-a..b", " 1"] {
            assert_eq!(Version::parse(text), Err(VersionError::Invalid), "{text}");
        }
        assert_eq!(Version::parse("1.2.3-01"), Err(VersionError::LeadingZero));
        assert!(Version::parse_strict("1.2").is_err());
        assert!(Version::parse_strict("v1.2.3").is_err());
    }

    #[test]
    fn precedence_follows_the_specification() {
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "2.0.0",
        ];
        for pair in ordered.windows(2) {
            assert!(
                Version::parse(pair[0]).unwrap() < Version::parse(pair[1]).unwrap(),
                "{pair:?}"
            );
        }
        assert_eq!(
            Version::parse("1.0.0+a").unwrap(),
            Version::parse("v1+b").unwrap()
        );
    }
}
