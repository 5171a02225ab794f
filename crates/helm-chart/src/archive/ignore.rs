//! `.helmignore`: which files of a chart folder stay out (Helm `pkg/ignore`).

use super::pattern::matches;

/// A `.helmignore` that cannot be read, in Helm's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum IgnoreError {
    /// `**` crosses folders, which Helm does not support.
    #[error("double-star (**) syntax is not supported")]
    #[diagnostic(code(aka::chart::ignore_double_star))]
    DoubleStar,
    /// A pattern cannot be read.
    #[error("syntax error in pattern")]
    #[diagnostic(code(aka::chart::ignore_pattern))]
    Syntax,
}

/// The rules of a `.helmignore` file.
#[derive(Debug, Clone)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: String,
    negated: bool,
    folders_only: bool,
    whole_path: bool,
}

impl Default for IgnoreRules {
    /// The rules of a chart without a `.helmignore`.
    fn default() -> Self {
        let mut rules = Self { rules: Vec::new() };
        rules.add_defaults();
        rules
    }
}

impl IgnoreRules {
    /// Reads the text of a `.helmignore`; hidden files under `templates/` are always ignored.
    ///
    /// # Errors
    /// [`IgnoreError`] for a pattern Helm refuses.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let mut rules = Self { rules: Vec::new() };
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.contains("**") {
                return Err(IgnoreError::DoubleStar);
            }
            if matches(line, "abc").is_err() {
                return Err(IgnoreError::Syntax);
            }
            rules.rules.push(Rule::parse(line));
        }
        rules.add_defaults();
        Ok(rules)
    }

    fn add_defaults(&mut self) {
        self.rules.push(Rule::parse("templates/.?*"));
    }

    /// Whether the file or folder at `path`, relative to the chart, stays out; what is inside an
    /// ignored folder stays out as well and need not be asked for.
    ///
    /// The first rule that decides wins. A rule with `!` ignores everything it does *not* match,
    /// which is Helm's reading, not git's.
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        if matches!(path, "" | "." | "./") {
            return false;
        }
        for rule in &self.rules {
            let in_scope = !rule.folders_only || is_folder;
            if rule.negated {
                if !in_scope || !rule.matches(path) {
                    return true;
                }
            } else if in_scope && rule.matches(path) {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn parse(line: &str) -> Self {
        let (negated, line) = line
            .strip_prefix('!')
            .map_or((false, line), |rest| (true, rest));
        let (folders_only, line) = line
            .strip_suffix('/')
            .map_or((false, line), |rest| (true, rest));
        let whole_path = line.contains('/');
        let pattern = line.strip_prefix('/').unwrap_or(line).to_owned();
        Self {
            pattern,
            negated,
            folders_only,
            whole_path,
        }
    }

    fn matches(&self, path: &str) -> bool {
        let subject = if self.whole_path {
            path
        } else {
            path.rsplit('/').next().unwrap_or(path)
        };
        matches(&self.pattern, subject).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::{IgnoreError, IgnoreRules};

    #[test]
    fn rules_decide_in_order() {
        let rules = IgnoreRules::parse("# c\n*.bak\n/root.txt\nsub/x.txt\ntmp/\n").unwrap();
        for (path, folder, ignored) in [
            ("deep/a.bak", false, true),
            ("root.txt", false, true),
            ("deep/root.txt", false, false),
            ("sub/x.txt", false, true),
            ("tmp", true, true),
            ("tmp", false, false),
            ("templates/.hidden", false, true),
            ("templates/shown", false, false),
        ] {
            assert_eq!(rules.ignores(path, folder), ignored, "{path}");
        }
        assert!(
            IgnoreRules::parse("!keep\n")
                .unwrap()
                .ignores("other", false)
        );
        assert_eq!(
            IgnoreRules::parse("a/**").unwrap_err(),
            IgnoreError::DoubleStar
        );
        assert_eq!(IgnoreRules::parse("[").unwrap_err(), IgnoreError::Syntax);
    }
}
