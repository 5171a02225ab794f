//! Combining values of users, parents and charts (Helm `pkg/chart/common/util/coalesce.go`, v4.2.4
//! and v3.21.4): the user wins, tables merge, lists are replaced, nulls delete, globals flow down.

use serde_json::Value;

use super::Table;
use crate::Profile;
use crate::number::write_go_float;

/// Values that cannot be combined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum CoalesceError {
    /// The key of a subchart holds something else than a table.
    #[error("type mismatch on {chart}: {found}")]
    #[diagnostic(
        code(aka::values::type_mismatch),
        help("give the subchart `{chart}` a table of values")
    )]
    TypeMismatch {
        /// Name of the subchart.
        chart: String,
        /// The value, as Go's `%t` prints it.
        found: String,
    },
}

/// What combining reads of a chart.
pub(crate) trait ValuesSource {
    fn name(&self) -> &str;
    fn values(&self) -> &Table;
    fn children(&self) -> &[Self]
    where
        Self: Sized;
}

/// Whether nulls are kept for a later step or applied now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// Keep them (`MergeValues`).
    Keep,
    /// Delete what they point at (`CoalesceValues`).
    Apply,
}

pub(crate) struct Coalescing<'w> {
    pub(crate) nulls: Nulls,
    pub(crate) profile: Profile,
    pub(crate) warnings: &'w mut Vec<String>,
}

/// Merges `src` under `dst`: `dst` wins, nulls in `dst` delete entries of `src` (`CoalesceTables`).
pub fn coalesce_tables(dst: &mut Table, src: &Table, profile: Profile) -> Vec<String> {
    let mut warnings = Vec::new();
    Coalescing {
        nulls: Nulls::Apply,
        profile,
        warnings: &mut warnings,
    }
    .tables(dst, src, "", false);
    warnings
}

/// Merges `src` under `dst`: `dst` wins and nulls stay (`MergeTables`).
pub fn merge_tables(dst: &mut Table, src: &Table) -> Vec<String> {
    let mut warnings = Vec::new();
    let profile = Profile::Helm4;
    Coalescing {
        nulls: Nulls::Keep,
        profile,
        warnings: &mut warnings,
    }
    .tables(dst, src, "", false);
    warnings
}

impl Coalescing<'_> {
    /// Combines `dest`, the user's values, with those of `chart` and its subcharts.
    pub(crate) fn chart<S: ValuesSource>(
        &mut self,
        chart: &S,
        dest: &mut Table,
        prefix: &str,
    ) -> Result<(), CoalesceError> {
        self.defaults(chart, dest, prefix);
        let prefix = join(prefix, chart.name());
        for child in chart.children() {
            let entry = dest
                .entry(child.name())
                .or_insert_with(|| Value::Object(Table::new()));
            let Value::Object(table) = entry else {
                let (chart, found) = (child.name().to_owned(), go_bool_verb(entry));
                return Err(CoalesceError::TypeMismatch { chart, found });
            };
            let mut table = std::mem::take(table);
            self.globals(&mut table, dest, &prefix);
            let result = self.chart(child, &mut table, &prefix);
            dest.insert(child.name().to_owned(), Value::Object(table));
            result?;
        }
        Ok(())
    }

    fn cleans_defaults(&self, nulls: Nulls) -> bool {
        nulls == Nulls::Apply && self.profile == Profile::Helm4
    }

    fn defaults<S: ValuesSource>(&mut self, chart: &S, dest: &mut Table, prefix: &str) {
        let prefix = join(prefix, chart.name());
        for (key, default) in chart.values() {
            match dest.get_mut(key) {
                Some(Value::Null) if self.nulls == Nulls::Apply => {
                    dest.remove(key);
                }
                Some(Value::Object(table)) => match default {
                    Value::Object(default) => {
                        // A subchart's table keeps its nulls until the subchart's own turn.
                        let is_child = chart.children().iter().any(|child| child.name() == key);
                        let nulls = if is_child { Nulls::Keep } else { self.nulls };
                        let clean = self.cleans_defaults(nulls);
                        let outer = std::mem::replace(&mut self.nulls, nulls);
                        self.tables(table, default, &join(&prefix, key), clean);
                        self.nulls = outer;
                    }
                    Value::Null => {}
                    _ => self.warnings.push(format!(
                        "warning: skipped value for {prefix}.{key}: Not a table."
                    )),
                },
                Some(_) => {}
                None => {
                    let clean = self.cleans_defaults(self.nulls);
                    if let Some(value) = copy(default, clean) {
                        dest.insert(key.clone(), value);
                    }
                }
            }
        }
    }

    /// `clean` leaves out what is null in `src`.
    fn tables(&mut self, dst: &mut Table, src: &Table, prefix: &str, clean: bool) {
        for (key, default) in src {
            if clean && default.is_null() {
                continue;
            }
            match dst.get_mut(key) {
                None => {
                    if let Some(value) = copy(default, clean) {
                        dst.insert(key.clone(), value);
                    }
                }
                Some(Value::Null) => {
                    if self.nulls == Nulls::Apply && !default.is_null() {
                        dst.remove(key);
                    }
                }
                Some(Value::Object(table)) => match default {
                    Value::Object(default) => {
                        self.tables(table, default, &join(prefix, key), clean);
                    }
                    Value::Null => {}
                    _ => {
                        let shown = go_value(default);
                        let full = join(prefix, key);
                        self.warnings.push(format!(
                            "warning: destination for {full} is a table. Ignoring non-table value ({shown})"
                        ));
                    }
                },
                Some(_) => {
                    if default.is_object() {
                        let shown = go_value(default);
                        let full = join(prefix, key);
                        self.warnings.push(format!(
                            "warning: cannot overwrite table with non table for {full} ({shown})"
                        ));
                    }
                }
            }
        }
    }

    /// Pushes the globals of `src`, a parent, into `dest`, its child.
    fn globals(&mut self, dest: &mut Table, src: &Table, prefix: &str) {
        let empty = Table::new();
        let source = match src.get("global") {
            None => Some(&empty),
            Some(Value::Object(table)) => Some(table),
            Some(_) => None,
        };
        let mut globals = match dest.get_mut("global") {
            Some(Value::Object(table)) if source.is_some() => std::mem::take(table),
            None | Some(Value::Object(_)) => Table::new(),
            Some(_) => {
                let text = "warning: skipping globals because destination global is not a table.";
                self.warnings.push(text.to_owned());
                return;
            }
        };
        let Some(source) = source else {
            let text = "warning: skipping globals because source global is not a table.";
            self.warnings.push(text.to_owned());
            return;
        };
        for (key, value) in source {
            match (value, globals.get_mut(key)) {
                (Value::Object(table), Some(Value::Object(own))) => {
                    let mut merged = table.clone();
                    let outer = std::mem::replace(&mut self.nulls, Nulls::Keep);
                    self.tables(&mut merged, own, &join(prefix, key), false);
                    self.nulls = outer;
                    globals.insert(key.clone(), Value::Object(merged));
                }
                (Value::Object(_), Some(_)) => self.warnings.push(format!(
                    "Conflict: cannot merge map onto non-map for {key:?}. Skipping."
                )),
                (_, Some(Value::Object(_))) => {
                    self.warnings.push(format!("key {key} is table. Skipping"));
                }
                (value, _) => {
                    globals.insert(key.clone(), value.clone());
                }
            }
        }
        dest.insert("global".to_owned(), Value::Object(globals));
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

/// A deep copy; `clean` leaves out nulls, though never from lists.
fn copy(value: &Value, clean: bool) -> Option<Value> {
    match value {
        Value::Null if clean => None,
        Value::Object(table) if clean => Some(Value::Object(
            table
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), copy(value, true)?)))
                .collect(),
        )),
        other => Some(other.clone()),
    }
}

/// A value as Go's `%v` prints it.
pub(crate) fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => {
            if let Some(value) = number.as_i64() {
                return value.to_string();
            }
            let mut text = String::new();
            write_go_float(&mut text, number.as_f64().unwrap_or_default());
            text
        }
        Value::String(text) => text.clone(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(go_value).collect::<Vec<_>>().join(" ")
        ),
        Value::Object(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{key}:{}", go_value(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// Go's name of the type of a value.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go's `%t` prints it, complaint included.
fn go_bool_verb(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Null => "%!t(<nil>)".to_owned(),
        Value::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(go_bool_verb).collect::<Vec<_>>().join(" ")
            )
        }
        other => format!("%!t({}={})", go_type(other), go_value(other)),
    }
}
