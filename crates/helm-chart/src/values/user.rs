//! The user's values: files merged in order, then the `--set` family in Helm's order.

use serde_json::Value;

use super::set::{Mode, SetError, apply};
use super::{CoalesceError, Table};
use crate::Profile;
use crate::json;
use crate::yaml::{self, YamlError};

/// Values a user gives to a chart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    table: Table,
}

/// Values that cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ValuesError {
    /// A values text is not YAML, or no table.
    #[error("cannot read the values")]
    #[diagnostic(code(aka::values::yaml))]
    Yaml(#[from] YamlError),
    /// A values file is not YAML, or no table.
    #[error("failed to parse {file}{}", if *.profile == Profile::Helm4 { .source.helm4_prefix() } else { "" })]
    #[diagnostic(code(aka::values::file))]
    File {
        /// Name of the file.
        file: String,
        /// Whose words are used.
        profile: Profile,
        /// What is wrong with it.
        source: YamlError,
    },
    /// An argument of the `--set` family cannot be read.
    #[error("failed parsing --{flag} data: {problem}")]
    #[diagnostic(code(aka::values::set))]
    Set {
        /// The flag, such as `set` or `set-string`.
        flag: &'static str,
        /// What is wrong with its argument.
        problem: SetError,
    },
    /// An argument of `--set-json` cannot be read.
    #[error("failed parsing --set-json data {argument}")]
    #[diagnostic(
        code(aka::values::set_json),
        help("quote keys and strings, and the whole argument for the shell")
    )]
    SetJson {
        /// The argument.
        argument: String,
    },
    /// Values and chart do not fit.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Coalesce(#[from] CoalesceError),
}

impl Values {
    /// Reads a values file; all its documents are merged, as Helm 4 does.
    ///
    /// # Errors
    /// [`ValuesError::Yaml`] when `text` is not YAML or a document is no table.
    pub fn parse(text: &str) -> Result<Self, ValuesError> {
        Self::parse_as(text, Profile::Helm4)
    }

    /// Reads a values file as `profile` does; Helm 3 looks at the first document only.
    ///
    /// # Errors
    /// See [`Values::parse`].
    pub fn parse_as(text: &str, profile: Profile) -> Result<Self, ValuesError> {
        Ok(Self {
            table: parse_table(text, profile)?,
        })
    }

    /// These values with `other` over them: tables merge, everything else, null too, is replaced.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        merge_over(&mut self.table, other.table);
        self
    }

    /// These values after `--set ARGUMENT`.
    ///
    /// # Errors
    /// [`ValuesError::Set`] when the argument cannot be read.
    pub fn set(self, argument: &str) -> Result<Self, ValuesError> {
        self.apply(Profile::Helm4, "set", argument, Mode::Typed)
    }

    /// These values after `--set-string ARGUMENT`.
    ///
    /// # Errors
    /// [`ValuesError::Set`] when the argument cannot be read.
    pub fn set_string(self, argument: &str) -> Result<Self, ValuesError> {
        self.apply(Profile::Helm4, "set-string", argument, Mode::Strings)
    }

    /// These values after `--set-literal ARGUMENT`.
    ///
    /// # Errors
    /// [`ValuesError::Set`] when the argument cannot be read.
    pub fn set_literal(self, argument: &str) -> Result<Self, ValuesError> {
        self.apply(Profile::Helm4, "set-literal", argument, Mode::Literal)
    }

    /// These values after `--set-file ARGUMENT`; `read` returns the text of a file, or why not.
    ///
    /// # Errors
    /// [`ValuesError::Set`] when the argument or a file cannot be read.
    pub fn set_file(
        self,
        argument: &str,
        mut read: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, ValuesError> {
        self.apply(Profile::Helm4, "set-file", argument, Mode::Files(&mut read))
    }

    /// These values after `--set-json ARGUMENT`: pairs, or a whole object to merge.
    ///
    /// # Errors
    /// [`ValuesError::SetJson`] when the argument cannot be read.
    pub fn set_json(self, argument: &str) -> Result<Self, ValuesError> {
        self.apply_json(Profile::Helm4, argument)
    }

    /// Helm 3 knows pairs only.
    fn apply_json(mut self, profile: Profile, argument: &str) -> Result<Self, ValuesError> {
        let refused = || ValuesError::SetJson {
            argument: argument.to_owned(),
        };
        if profile == Profile::Helm4 && argument.trim().starts_with('{') {
            let Ok(Value::Object(table)) = json::parse(argument.trim()) else {
                let argument = format!("JSON: {argument}");
                return Err(ValuesError::SetJson { argument });
            };
            merge_over(&mut self.table, table);
            return Ok(self);
        }
        apply(&mut self.table, argument, Mode::Json, profile).map_err(|_| refused())?;
        Ok(self)
    }

    fn apply(
        mut self,
        profile: Profile,
        flag: &'static str,
        argument: &str,
        mode: Mode<'_>,
    ) -> Result<Self, ValuesError> {
        apply(&mut self.table, argument, mode, profile)
            .map_err(|problem| ValuesError::Set { flag, problem })?;
        Ok(self)
    }

    /// The values as a table.
    pub fn as_table(&self) -> &Table {
        &self.table
    }

    /// The values as a table.
    pub fn into_table(self) -> Table {
        self.table
    }
}

impl From<Table> for Values {
    fn from(table: Table) -> Self {
        Self { table }
    }
}

/// Everything a command line can say about values; kinds apply in the order of the fields, whatever
/// the order on the command line (Helm `pkg/cli/values`).
#[derive(Debug, Clone, Default)]
pub struct ValueOptions {
    /// Values files as name and text, in order.
    pub files: Vec<(String, String)>,
    /// Arguments of `--set-json`.
    pub set_json: Vec<String>,
    /// Arguments of `--set`.
    pub set: Vec<String>,
    /// Arguments of `--set-string`.
    pub set_string: Vec<String>,
    /// Arguments of `--set-file`.
    pub set_file: Vec<String>,
    /// Arguments of `--set-literal`.
    pub set_literal: Vec<String>,
}

impl ValueOptions {
    /// Merges everything into one set of values; `read` returns the text of a `--set-file` file.
    ///
    /// # Errors
    /// [`ValuesError`] for the first part that cannot be read.
    pub fn merge(
        &self,
        profile: Profile,
        mut read: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Values, ValuesError> {
        let mut values = Values::default();
        for (file, text) in &self.files {
            let table = parse_table(text, profile).map_err(|source| ValuesError::File {
                file: file.clone(),
                profile,
                source,
            })?;
            values = values.merge(table.into());
        }
        for argument in &self.set_json {
            values = values.apply_json(profile, argument)?;
        }
        for argument in &self.set {
            values = values.apply(profile, "set", argument, Mode::Typed)?;
        }
        for argument in &self.set_string {
            values = values.apply(profile, "set-string", argument, Mode::Strings)?;
        }
        for argument in &self.set_file {
            values = values.apply(profile, "set-file", argument, Mode::Files(&mut read))?;
        }
        for argument in &self.set_literal {
            values = values.apply(profile, "set-literal", argument, Mode::Literal)?;
        }
        Ok(values)
    }
}

/// Reads a table of values; Helm 4 merges all documents, Helm 3 takes the first.
pub(crate) fn parse_table(text: &str, profile: Profile) -> Result<Table, YamlError> {
    if profile == Profile::Helm3 {
        return yaml::parse_table(text);
    }
    let (mut merged, mut document) = (Table::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("---") {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(YamlError::separator(rest));
            }
            if !document.is_empty() {
                merge_over(&mut merged, yaml::parse_table(&document)?);
                document.clear();
                continue;
            }
        }
        document.push_str(line);
        document.push('\n');
    }
    merge_over(&mut merged, yaml::parse_table(&document)?);
    Ok(merged)
}

fn merge_over(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(base)), Value::Object(over)) => merge_over(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Values;

    fn check(argument: &str, wanted: &Value) {
        let values = Values::default().set(argument).unwrap();
        assert_eq!(&Value::Object(values.into_table()), wanted, "{argument}");
    }

    fn refused(argument: &str, error: &str) {
        let found = Values::default().set(argument).unwrap_err();
        assert_eq!(
            found.to_string(),
            format!("failed parsing --set data: {error}"),
            "{argument}"
        );
    }

    #[test]
    fn set_understands_paths_lists_and_types() {
        check(
            "a=5432,b=1.5,c=007,d=TRUE,e=null,f=",
            &json!({"a": 5432, "b": "1.5", "c": "007", "d": true, "e": null, "f": ""}),
        );
        check("a.b.c=x,a.b.d=+4", &json!({"a": {"b": {"c": "x", "d": 4}}}));
        check("a={x,1,},b={}", &json!({"a": ["x", 1, ""], "b": [""]}));
        check("a[1].b=c,a[0]=x", &json!({"a": ["x", {"b": "c"}]}));
        check("a[0][1]=x", &json!({"a": [[null, "x"]]}));
        check(r"a\.b=c\,d", &json!({"a.b": "c,d"}));
        check("a=1,", &json!({"a": 1}));
        check("=1", &json!({}));
    }

    #[test]
    fn set_refuses_in_helms_words() {
        refused("a", "key \"a\" has no value");
        refused("a,b=1", "key \"a\" has no value (cannot end with ,)");
        refused("a.=1", "key map \"a\" has no value");
        refused("a[-1]=1", "negative -1 index not allowed");
        refused(
            "a[99999]=1",
            "index of 99999 is greater than maximum supported index of 65536",
        );
        refused("a={x", "list must terminate with '}'");
        refused(
            "a=1,a.b=2",
            "unable to parse key: interface conversion: interface {} is int64, not map[string]interface {}",
        );
        refused(
            &format!("{}=1", vec!["a"; 32].join(".")),
            "value name nested level is greater than maximum supported nested level of 30",
        );
    }

    #[test]
    fn the_other_kinds_have_their_own_grammar() {
        let values = Values::default()
            .set_string("a=1,b={1,null}")
            .unwrap()
            .set_json("c=[1,{\"d\":2}],e=")
            .unwrap()
            .set_json("{\"f\":{\"g\":1}}")
            .unwrap()
            .set_literal("h=x,y=z")
            .unwrap()
            .set_file("i=name", |name| Ok(format!("text of {name}")))
            .unwrap();
        let wanted = json!({
            "a": "1", "b": ["1", "null"], "c": [1.0, {"d": 2.0}], "e": null, "f": {"g": 1.0}, "h": "x,y=z",
            "i": "text of name",
        });
        assert_eq!(Value::Object(values.into_table()), wanted);
    }

    #[test]
    fn files_merge_tables_and_replace_the_rest() {
        let base = Values::parse("a: {b: 1, c: [1, 2]}\n---\na: {d: x}\n").unwrap();
        let merged = base.merge(Values::parse("a: {c: [3], b: null}").unwrap());
        assert_eq!(
            Value::Object(merged.into_table()),
            json!({"a": {"b": null, "c": [3.0], "d": "x"}})
        );
        assert!(Values::parse("- a").is_err());
    }
}
