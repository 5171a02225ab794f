//! Why a YAML text was refused, in the words of go-yaml and sigs.k8s.io/yaml, with the line as data.

use super::scanner::Mark;

/// Which part of the reader noticed; go-yaml counts lines differently for the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Scanner,
    Parser,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Reading YAML, or turning it into JSON-like data.
    Converting,
    /// Fitting that data to what the caller asked for.
    Decoding,
    /// Cutting the text into documents.
    Separating,
}

/// A YAML text that cannot be read.
///
/// Displayed as `sigs.k8s.io/yaml` 1.6 words it, for example
/// `error converting YAML to JSON: yaml: line 2: did not find expected ',' or ']'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    stage: Stage,
    from_yaml: bool,
    shown_line: Option<u32>,
    line: Option<u32>,
    column: Option<u32>,
    reason: String,
}

impl YamlError {
    pub(super) fn syntax(reason: impl Into<String>, mark: Option<Mark>) -> Self {
        Self {
            stage: Stage::Converting,
            from_yaml: true,
            shown_line: None,
            line: mark.map(|mark| mark.line + 1),
            column: mark.map(|mark| mark.column + 1),
            reason: reason.into(),
        }
    }

    pub(super) fn located(
        reason: String,
        origin: Origin,
        context: Option<Mark>,
        problem: Mark,
    ) -> Self {
        let shown_line = match (problem.line, context.map_or(0, |mark| mark.line), origin) {
            (0, 0, _) => None,
            (0, context, _) => Some(context),
            (problem, _, Origin::Scanner) => Some(problem + 1),
            (problem, _, Origin::Parser) => Some(problem),
        };
        Self {
            shown_line,
            ..Self::syntax(reason, Some(problem))
        }
    }

    /// Data that YAML can express and JSON cannot.
    pub(super) fn unrepresentable(reason: impl Into<String>) -> Self {
        Self {
            from_yaml: false,
            ..Self::syntax(reason, None)
        }
    }

    /// Data of another shape than the caller asked for.
    pub(crate) fn mismatch(found: &str, wanted: &str) -> Self {
        let reason = format!(
            "while decoding JSON: json: cannot unmarshal {found} into Go value of type {wanted}"
        );
        Self {
            stage: Stage::Decoding,
            ..Self::unrepresentable(reason)
        }
    }

    /// A field of another type than the caller asked for.
    pub(crate) fn field_mismatch(found: &str, field: &str, wanted: &str) -> Self {
        let reason = format!(
            "while decoding JSON: json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
        );
        Self {
            stage: Stage::Decoding,
            ..Self::unrepresentable(reason)
        }
    }

    /// The same where the type wanted is in another package.
    pub(crate) fn with_type(mut self, package: &str, other: &str) -> Self {
        let [package, other] = [package, other].map(|name| format!("of type {name}"));
        if self.stage == Stage::Decoding {
            self.reason = self.reason.replacen(&package, &other, 1);
        }
        self
    }

    /// A line that looks like a separator of documents and is none (Kubernetes' `YAMLReader`).
    pub(crate) fn separator(rest: &str) -> Self {
        let reason = format!("invalid Yaml document separator: {rest}");
        Self {
            stage: Stage::Separating,
            ..Self::unrepresentable(reason)
        }
    }

    /// What Helm 4 says before the problem when it reads values.
    pub(crate) fn helm4_prefix(&self) -> &'static str {
        match self.stage {
            Stage::Separating => "",
            Stage::Converting | Stage::Decoding => ": cannot unmarshal yaml document",
        }
    }

    /// Line of the problem, from one, where it is known.
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// Column of the problem in characters, from one, where it is known.
    pub fn column(&self) -> Option<u32> {
        self.column
    }

    /// The problem alone, without place or prefixes.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The text without sigs.k8s.io/yaml's prefix, as go-yaml itself reports it.
    pub fn go_yaml(&self) -> String {
        match (self.from_yaml, self.shown_line) {
            (false, _) => self.reason.clone(),
            (true, None) => format!("yaml: {}", self.reason),
            (true, Some(line)) => format!("yaml: line {line}: {}", self.reason),
        }
    }
}

impl std::fmt::Display for YamlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.stage {
            Stage::Converting => write!(f, "error converting YAML to JSON: {}", self.go_yaml()),
            Stage::Decoding => write!(f, "error unmarshaling JSON: {}", self.go_yaml()),
            Stage::Separating => write!(f, "error reading yaml document: {}", self.reason),
        }
    }
}

impl std::error::Error for YamlError {}
