//! Label and field selectors.

use serde_json::Value;

use super::status::ApiError;

#[derive(Debug, Clone)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// A label and a field selector together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

impl Selector {
    /// Reads both selectors.
    pub(crate) fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, ApiError> {
        let labels = labels.map_or_else(|| Ok(Vec::new()), parse_labels)?;
        let mut parsed = Vec::new();
        for term in fields
            .unwrap_or_default()
            .split(',')
            .filter(|term| !term.is_empty())
        {
            let (key, equal, value) = if let Some((key, value)) = term.split_once("!=") {
                (key, false, value)
            } else if let Some((key, value)) =
                term.split_once("==").or_else(|| term.split_once('='))
            {
                (key, true, value)
            } else {
                return Err(ApiError::bad_request(format!(
                    "invalid selector: '{term}'; can't understand '{term}'"
                )));
            };
            parsed.push((key.to_owned(), equal, value.to_owned()));
        }
        Ok(Self {
            labels,
            fields: parsed,
        })
    }

    /// Whether an object is selected. Fields are looked up by path, in any kind.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let label = |key: &str| {
            labels
                .and_then(|labels| labels.get(key))
                .and_then(Value::as_str)
        };
        let by_labels = self.labels.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                label(key).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|value| values.iter().all(|one| one != value))
            }
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
        });
        by_labels
            && self.fields.iter().all(|(path, equal, wanted)| {
                let found = object.pointer(&format!("/{}", path.replace('.', "/")));
                let text = match found {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                (text == *wanted) == *equal
            })
    }
}

/// Splits at commas outside parentheses.
fn terms(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, ApiError> {
    terms(text)
        .into_iter()
        .map(|term| {
            let values = |list: &str| -> Option<Vec<String>> {
                let inner = list.trim().strip_prefix('(')?.strip_suffix(')')?;
                Some(
                    inner
                        .split(',')
                        .map(|value| value.trim().to_owned())
                        .collect(),
                )
            };
            let word = |text: &str| text.trim().to_owned();
            let is_key = |text: &str| {
                !text.is_empty()
                    && text
                        .chars()
                        .all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter))
            };
            let parsed = if let Some((key, list)) = term.split_once(" notin ") {
                values(list).map(|values| Requirement::NotIn(word(key), values))
            } else if let Some((key, list)) = term.split_once(" in ") {
                values(list).map(|values| Requirement::In(word(key), values))
            } else if let Some((key, value)) = term.split_once("!=") {
                Some(Requirement::NotIn(word(key), vec![word(value)]))
            } else if let Some((key, value)) =
                term.split_once("==").or_else(|| term.split_once('='))
            {
                Some(Requirement::In(word(key), vec![word(value)]))
            } else if let Some(key) = term.strip_prefix('!') {
                is_key(key.trim()).then(|| Requirement::Absent(word(key)))
            } else {
                is_key(term).then(|| Requirement::Exists(word(term)))
            };
            parsed.ok_or_else(|| {
                ApiError::bad_request(format!(
                    "unable to parse requirement: found '{term}', expected: ',' or 'end of string'"
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(labels: &str, fields: &str, expected: bool) {
        let object = json!({"metadata": {"name": "n", "labels": {"a": "1", "b/c": "2"}}, "status": {"phase": "Running"}});
        let selector = Selector::parse(Some(labels), Some(fields)).unwrap();
        assert_eq!(selector.matches(&object), expected, "{labels} {fields}");
    }

    #[test]
    fn selectors_choose_by_labels_and_fields() {
        check("", "", true);
        check("a=1,b/c==2", "", true);
        check("a!=1", "", false);
        check(
            "a in (0, 1),!d,b/c",
            "metadata.name=n,status.phase!=Pending",
            true,
        );
        check("a notin (1)", "", false);
        check("", "metadata.name=m", false);
        assert!(Selector::parse(Some("a b"), None).is_err());
    }
}
