//! Constraints on versions: parsing, and which versions satisfy them.

use super::version::{Version, compare_prerelease};

/// A text that is no constraint, in the words of Masterminds/semver 3.5.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// Not of the form of a constraint.
    #[error("improper constraint: {}", go_text_template::fmt::quote(.0.as_bytes()))]
    Improper(String),
    /// A version inside it cannot be read.
    #[error("constraint parser error")]
    Version,
    /// Longer than 512 bytes.
    #[error("constraint string is too long (max 512 bytes)")]
    TooLong,
    /// More than 32 alternatives.
    #[error("too many constraint groups (max 32)")]
    TooManyGroups,
}

/// Alternatives of conditions, such as `>=1.19-0 <2 || ^3.1`.
#[derive(Debug, Clone)]
pub struct Constraint {
    groups: Vec<Group>,
}

#[derive(Debug, Clone)]
struct Group {
    comparators: Vec<Comparator>,
    allows_prereleases: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// Which parts of the version were left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Everything,
    Minor,
    Patch,
}

#[derive(Debug, Clone)]
struct Comparator {
    operator: Operator,
    version: Version,
    open: Open,
}

impl Constraint {
    /// Reads a constraint.
    ///
    /// Operators `=`, `!=`, `>`, `<`, `>=`, `=>`, `<=`, `=<`, `~`, `~>`, `^`; wildcards `x`, `X`, `*`;
    /// hyphen ranges; spaces or commas for *and*, `||` for *or*.
    ///
    /// # Errors
    /// [`ConstraintError`] when `text` is none.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > 512 {
            return Err(ConstraintError::TooLong);
        }
        let text = rewrite_ranges(text);
        let alternatives: Vec<&str> = text.split("||").collect();
        if alternatives.len() > 32 {
            return Err(ConstraintError::TooManyGroups);
        }
        let groups = alternatives
            .into_iter()
            .map(Group::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    /// Whether `version` satisfies the constraint.
    pub fn matches(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            group
                .comparators
                .iter()
                .all(|comparator| comparator.accepts(version, group.allows_prereleases))
        })
    }
}

impl std::str::FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        Self::parse(text)
    }
}

impl Group {
    fn parse(text: &str) -> Result<Self, ConstraintError> {
        let improper = || ConstraintError::Improper(text.to_owned());
        let mut parts = Vec::new();
        let mut rest = text.trim_start();
        loop {
            let (operator, after) = Operator::take(rest);
            let after = after.trim_start();
            let length = partial_version(after).ok_or_else(improper)?;
            parts.push((operator, &after[..length]));
            let tail = &after[length..];
            let trimmed = tail.trim_start();
            if trimmed.is_empty() {
                break;
            }
            rest = match trimmed.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if trimmed.len() < tail.len() => trimmed,
                None => return Err(improper()),
            };
        }
        // Only once the whole group has the right form are the versions looked at.
        let comparators = parts
            .into_iter()
            .map(|(operator, version)| Comparator::new(operator, version))
            .collect::<Result<Vec<_>, _>>()?;
        let allows_prereleases = comparators
            .iter()
            .any(|one| !one.version.prerelease().is_empty());
        Ok(Self {
            comparators,
            allows_prereleases,
        })
    }
}

impl Operator {
    fn take(text: &str) -> (Self, &str) {
        const OPERATORS: [(&str, Operator); 11] = [
            ("!=", Operator::NotEqual),
            (">=", Operator::GreaterEqual),
            ("=>", Operator::GreaterEqual),
            ("<=", Operator::LessEqual),
            ("=<", Operator::LessEqual),
            ("~>", Operator::Tilde),
            ("=", Operator::Equal),
            (">", Operator::Greater),
            ("<", Operator::Less),
            ("~", Operator::Tilde),
            ("^", Operator::Caret),
        ];
        OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)))
            .unwrap_or((Self::Equal, text))
    }
}

/// Length of the version with wildcards that `text` begins with. As in Masterminds' pattern, a `|`
/// counts as a digit: what it makes of the version is found out later.
fn partial_version(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let run = |from: usize, wanted: fn(u8) -> bool| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| wanted(**byte)).count()
    };
    let part = |from| {
        run(from, |byte| {
            byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'|')
        })
    };
    let word = |from| run(from, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let mut at = usize::from(bytes.first() == Some(&b'v'));
    let first = part(at);
    if first == 0 {
        return None;
    }
    at += first;
    for _ in 0..2 {
        if bytes.get(at) != Some(&b'.') || part(at + 1) == 0 {
            break;
        }
        at += 1 + part(at + 1);
    }
    for mark in [b'-', b'+'] {
        let mut separator = mark;
        while bytes.get(at) == Some(&separator) && word(at + 1) > 0 {
            at += 1 + word(at + 1);
            separator = b'.';
        }
    }
    Some(at)
}

/// `a - b` becomes `>= a, <= b`, whatever stands before it.
fn rewrite_ranges(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut from = 0;
    while let Some(dash) = rest[from..].find('-').map(|at| from + at) {
        from = dash + 1;
        let (before, after) = (rest[..dash].trim_end(), rest[dash + 1..].trim_start());
        let spaced = before.len() < dash && after.len() < rest.len() - dash - 1;
        let ends_version = |start: &usize| {
            before.is_char_boundary(*start)
                && partial_version(&before[*start..]) == Some(before.len() - start)
        };
        let start = (0..before.len()).find(ends_version);
        let (true, Some(start), Some(length)) = (spaced, start, partial_version(after)) else {
            continue;
        };
        out.push_str(before[..start].trim_end());
        for part in [">= ", &before[start..], ", <= ", &after[..length], " "] {
            out.push_str(part);
        }
        rest = after[length..].trim_start();
        from = 0;
    }
    out.push_str(rest);
    out
}

impl Comparator {
    fn new(operator: Operator, text: &str) -> Result<Self, ConstraintError> {
        let bare = text.strip_prefix('v').unwrap_or(text);
        let core = &bare[..bare.find(['-', '+']).unwrap_or(bare.len())];
        let suffix = &bare[core.len()..];
        let prerelease = suffix.split('+').next().unwrap_or_default();
        let mut parts = core.split('.');
        let mut next = || {
            parts
                .next()
                .filter(|part| !matches!(*part, "x" | "X" | "*"))
        };
        let (full, open) = match (next(), next(), next()) {
            (None, _, _) => (format!("0.0.0{prerelease}"), Open::Everything),
            (Some(major), None, _) => (format!("{major}.0.0{prerelease}"), Open::Minor),
            (Some(major), Some(minor), None) => {
                (format!("{major}.{minor}.0{prerelease}"), Open::Patch)
            }
            (Some(_), Some(_), Some(_)) => (bare.to_owned(), Open::Nothing),
        };
        let version = Version::parse(&full).map_err(|_| ConstraintError::Version)?;
        Ok(Self {
            operator,
            version,
            open,
        })
    }

    fn accepts(&self, version: &Version, prereleases: bool) -> bool {
        if !version.prerelease().is_empty() && !prereleases {
            return false;
        }
        let wanted = &self.version;
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => version == wanted,
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual => self.differs(version),
            Operator::Greater => match self.open {
                Open::Nothing => version > wanted,
                Open::Everything => version.major() > wanted.major() || version > wanted,
                Open::Minor => version.major() > wanted.major(),
                Open::Patch => {
                    (version.major(), version.minor()) > (wanted.major(), wanted.minor())
                }
            },
            Operator::Less => version < wanted,
            Operator::GreaterEqual => version >= wanted,
            Operator::LessEqual => match self.open {
                Open::Nothing => version <= wanted,
                Open::Minor => version.major() <= wanted.major(),
                Open::Everything | Open::Patch => {
                    (version.major(), version.minor()) <= (wanted.major(), wanted.minor())
                }
            },
            Operator::Caret => self.caret(version),
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version < wanted {
            return false;
        }
        let zero = (wanted.major(), wanted.minor(), wanted.patch()) == (0, 0, 0);
        if zero && matches!(self.open, Open::Nothing | Open::Everything) {
            return true;
        }
        version.major() == wanted.major()
            && (self.open == Open::Minor || version.minor() == wanted.minor())
    }

    fn differs(&self, version: &Version) -> bool {
        let wanted = &self.version;
        match self.open {
            Open::Nothing => version != wanted,
            _ if version.major() != wanted.major() => true,
            Open::Minor => false,
            _ if version.minor() != wanted.minor() => true,
            Open::Patch => compare_prerelease(version.prerelease(), wanted.prerelease()).is_ne(),
            Open::Everything => version != wanted,
        }
    }

    fn caret(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version < wanted {
            return false;
        }
        if wanted.major() > 0 || self.open == Open::Minor {
            return version.major() == wanted.major();
        }
        if version.major() > 0 {
            return false;
        }
        if wanted.minor() > 0 || self.open == Open::Patch {
            return version.minor() == wanted.minor();
        }
        version.minor() == 0 && version.patch() == wanted.patch()
    }
}

#[cfg(test)]
mod tests {
    use super::{Constraint, ConstraintError};
    use crate::semver::Version;

    fn check(constraint: &str, accepted: &[&str], refused: &[&str]) {
        let parsed = Constraint::parse(constraint).unwrap();
        for version in accepted {
            assert!(
                parsed.matches(&Version::parse(version).unwrap()),
                "{constraint} takes {version}"
            );
        }
        for version in refused {
            assert!(
                !parsed.matches(&Version::parse(version).unwrap()),
                "{constraint} refuses {version}"
            );
        }
    }

    #[test]
    fn operators_compare() {
        check(">1.2", &["1.3", "2"], &["1.2.9", "1.2"]);
        check("<=1.2", &["1.2.9", "1"], &["1.3"]);
        check("!=1.2", &["1.3"], &["1.2.5"]);
        check("^0.2.3", &["0.2.9"], &["0.3.0", "0.2.2"]);
        check("^1.2", &["1.9"], &["2.0", "1.1"]);
        check("^0.0.3", &["0.0.3"], &["0.0.4"]);
        check("~1.2.3", &["1.2.9"], &["1.3"]);
        check("~> 1.2", &["1.2.9"], &["1.3"]);
        check("2.x.x", &["2.13.3"], &["3.0.0"]);
        check("*", &["0.0.1", "9"], &["1.0.0-a"]);
        check("1.2.3 - 1.4", &["1.2.3", "1.4.9"], &["1.5.0"]);
        check(">=1.2 <2 || =>3, <4", &["1.5", "3.2"], &["2.1", "4"]);
    }

    #[test]
    fn prereleases_need_an_invitation() {
        check(
            ">=1.19-0",
            &["1.19.0-gke.1", "1.30.2-gke.1", "1.19"],
            &["1.18"],
        );
        check(">=1.19", &["1.30"], &["1.30.2-gke.1"]);
        check(">=1.19-0, <2", &["1.30.2-gke.1"], &["2.0.0"]);
    }

    #[test]
    fn nonsense_is_improper() {
        let error = |text: &str| Constraint::parse(text).unwrap_err();
        assert_eq!(error("foo").to_string(), "improper constraint: \"foo\"");
        assert_eq!(
            error("1.2 foo"),
            ConstraintError::Improper("1.2 foo".to_owned())
        );
        assert_eq!(error(""), ConstraintError::Improper(String::new()));
        assert_eq!(error("1.2 ||"), ConstraintError::Improper(String::new()));
        assert_eq!(error("1x>x"), ConstraintError::Improper("1x>x".to_owned()));
        assert_eq!(
            error("1.2.3-a."),
            ConstraintError::Improper("1.2.3-a.".to_owned())
        );
        assert_eq!(error(">1 | 3"), ConstraintError::Version);
    }
}
