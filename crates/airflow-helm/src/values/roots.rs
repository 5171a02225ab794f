//! [`check_roots`]: root keys of raw values the chart does not know. It owns the comparison and the
//! suggestion; it refuses lists of its own: what is known comes from the chart.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Root keys the chart ignores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("the chart does not know {}", list(.keys))]
#[diagnostic(code(aka::airflow::unknown_value), help("{}", suggestions(.keys)))]
pub struct UnknownRoots {
    /// Each key and, if there is one, what may have been meant.
    pub keys: Vec<(String, Option<String>)>,
}

fn list(keys: &[(String, Option<String>)]) -> String {
    let names: Vec<String> = keys.iter().map(|(key, _)| format!("`{key}`")).collect();
    names.join(", ")
}

fn suggestions(keys: &[(String, Option<String>)]) -> String {
    let lines: Vec<String> = keys
        .iter()
        .map(|(key, near)| match near {
            Some(near) => format!("did you mean `{near}` instead of `{key}`?"),
            None => format!("remove `{key}`, or use a chart version that has it"),
        })
        .collect();
    lines.join("; ")
}

/// The root keys a chart knows: those of its default values, of its schema, of its dependencies
/// (by name or alias), and `global`.
pub fn roots_of(
    chart_values: &Value,
    schema: Option<&Value>,
    dependencies: &[String],
) -> BTreeSet<String> {
    let keys = |table: Option<&Value>| {
        table
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|table| table.keys().cloned())
            .collect::<Vec<_>>()
    };
    let mut roots: BTreeSet<String> = keys(Some(chart_values)).into_iter().collect();
    roots.extend(keys(schema.and_then(|schema| schema.get("properties"))));
    roots.extend(dependencies.iter().cloned());
    roots.insert("global".into());
    roots
}

/// Refuses root keys the chart ignores.
///
/// # Errors
/// All unknown keys at once, with suggestions.
pub fn check_roots(raw: &Map<String, Value>, roots: &BTreeSet<String>) -> Result<(), UnknownRoots> {
    let keys: Vec<(String, Option<String>)> = raw
        .keys()
        .filter(|key| !roots.contains(*key))
        .map(|key| (key.clone(), nearest(key, roots)))
        .collect();
    if keys.is_empty() {
        Ok(())
    } else {
        Err(UnknownRoots { keys })
    }
}

fn nearest(key: &str, roots: &BTreeSet<String>) -> Option<String> {
    roots
        .iter()
        .map(|root| (distance(&key.to_lowercase(), &root.to_lowercase()), root))
        .min()
        .filter(|(distance, _)| *distance <= (key.len() / 5).max(1))
        .map(|(_, root)| root.clone())
}

/// Edits between two texts, a swap of neighbours counted as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_roots_are_refused_with_a_suggestion() {
        let roots = roots_of(
            &json!({"scheduler": {}, "webserver": {}, "postgresql": {}}),
            Some(&json!({"properties": {"executor": {}}})),
            &["common".into()],
        );
        let raw =
            json!({"shceduler": {}, "executor": "x", "global": {}, "common": {}, "apiServer": {}});
        let error = check_roots(raw.as_object().unwrap(), &roots).unwrap_err();
        assert_eq!(
            error.keys,
            [
                ("apiServer".to_owned(), None),
                ("shceduler".to_owned(), Some("scheduler".to_owned()))
            ]
        );
        assert_eq!(
            error.to_string(),
            "the chart does not know `apiServer`, `shceduler`"
        );
    }
}
