//! Which subcharts take part for given values, under which names, with which defaults: aliases,
//! tags, conditions, imported values (Helm `pkg/chart/v2/util/dependencies.go`).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use super::defaults::{Combined, Defaults};
use super::import::import_values;
use super::{Chart, ChartFile, Dependency, is_compatible};
use crate::Profile;
use crate::values::coalesce::{Coalescing, Nulls, ValuesSource};
use crate::values::{CoalesceError, Table, lookup_table, lookup_value};

/// A chart and the subcharts that take part, ready for values.
#[derive(Debug, Clone)]
pub struct ResolvedChart<'c> {
    chart: &'c Chart,
    name: Cow<'c, str>,
    dependencies: Option<Vec<Dependency>>,
    children: Vec<ResolvedChart<'c>>,
    values: Defaults<'c>,
}

/// A chart with everything decided that depends on the user's values.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Resolved<'c> {
    /// The chart.
    pub root: ResolvedChart<'c>,
    /// The values templates see, defaults of all charts included.
    pub values: Table,
    /// What Helm would warn about, in its words.
    pub warnings: Vec<String>,
}

/// Dependencies that stop an installation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum DependencyError {
    /// Charts listed in `Chart.yaml` are not under `charts/`.
    #[error("found in Chart.yaml, but missing in charts/ directory: {}", .names.join(", "))]
    #[diagnostic(
        code(aka::chart::missing_dependencies),
        help("run `helm dependency build` on the chart")
    )]
    Missing {
        /// Names of the missing charts.
        names: Vec<String>,
    },
    /// Values of the chart and the user do not fit, found while deciding which subcharts take part.
    /// Helm 3 does not say when it found them.
    #[error("chart dependencies processing failed")]
    #[diagnostic(
        code(aka::chart::dependency_values),
        help("each subchart takes a table of values")
    )]
    Processing(#[source] CoalesceError),
    /// Values of the chart and the user do not fit.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Values(#[from] CoalesceError),
}

impl Chart {
    /// Decides which subcharts take part for `user`'s values and combines all values.
    ///
    /// # Errors
    /// [`DependencyError`] when a listed subchart is missing or values have the wrong shape.
    pub fn resolve(&self, user: &Table, profile: Profile) -> Result<Resolved<'_>, DependencyError> {
        let names: Vec<String> = self
            .missing_dependencies()
            .into_iter()
            .map(str::to_owned)
            .collect();
        if !names.is_empty() {
            return Err(DependencyError::Missing { names });
        }
        let mut warnings = Vec::new();
        let mut root = ResolvedChart::whole(self, self.name().into(), profile);
        let processing = match profile {
            Profile::Helm4 => DependencyError::Processing,
            Profile::Helm3 => DependencyError::Values,
        };
        // Warnings of these first passes would come again from the last one.
        root.enable(user, "", profile, &mut warnings)
            .map_err(processing)?;
        root.import_values(profile, &mut warnings)
            .map_err(processing)?;
        let values = root.coalesce(user.clone(), Nulls::Apply, profile, &mut warnings)?;
        Ok(Resolved {
            root,
            values,
            warnings,
        })
    }
}

impl ValuesSource for ResolvedChart<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn values(&self) -> &Table {
        &self.values
    }

    fn children(&self) -> &[Self] {
        &self.children
    }
}

impl<'c> ResolvedChart<'c> {
    /// The chart with all of its subcharts.
    fn whole(chart: &'c Chart, name: Cow<'c, str>, profile: Profile) -> Self {
        let child = |child: &'c Chart| Self::whole(child, child.name().into(), profile);
        Self {
            chart,
            name,
            dependencies: chart.metadata().dependencies.clone(),
            children: chart.children().iter().map(child).collect(),
            values: Defaults::Packaged(chart.values(profile)),
        }
    }

    /// The chart as packaged.
    pub fn chart(&self) -> &'c Chart {
        self.chart
    }

    /// The name it goes by here: its alias, if it has one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The subcharts that take part.
    pub fn children(&self) -> &[ResolvedChart<'c>] {
        &self.children
    }

    /// Its default values, imported ones included; Helm stores these in the release.
    pub fn values(&self) -> &Table {
        &self.values
    }

    /// The listed dependencies that take part, under the names they go by.
    pub fn dependencies(&self) -> &[Dependency] {
        self.dependencies.as_deref().unwrap_or_default()
    }

    /// The CRD files, own ones first, each with the path Helm names as its source.
    pub fn crds(&self) -> Vec<(String, &'c ChartFile)> {
        let mut crds = Vec::new();
        self.collect_crds(&self.name, &mut crds);
        crds
    }

    fn collect_crds(&self, path: &str, into: &mut Vec<(String, &'c ChartFile)>) {
        into.extend(
            self.chart
                .crds()
                .map(|file| (format!("{path}/{}", file.name), file)),
        );
        for child in &self.children {
            child.collect_crds(&format!("{path}/charts/{}", child.name), into);
        }
    }

    fn coalesce(
        &self,
        mut user: Table,
        nulls: Nulls,
        profile: Profile,
        warnings: &mut Vec<String>,
    ) -> Result<Table, CoalesceError> {
        Coalescing {
            nulls,
            profile,
            warnings,
        }
        .chart(self, &mut user, "")?;
        Ok(user)
    }

    fn enable(
        &mut self,
        values: &Table,
        path: &str,
        profile: Profile,
        warnings: &mut Vec<String>,
    ) -> Result<(), CoalesceError> {
        let Some(mut dependencies) = self.dependencies.take() else {
            return Ok(());
        };
        self.children = place(&self.children, &mut dependencies);
        let values = self.deciding_values(values, &dependencies, path, profile)?;
        for dependency in &mut dependencies {
            dependency.enabled = true;
            apply_tags(dependency, &values, warnings);
            apply_conditions(dependency, &values, path, warnings);
        }
        let disabled: Vec<String> = dependencies
            .iter()
            .filter(|dependency| !dependency.enabled)
            .map(|dependency| dependency.name.clone())
            .collect();
        self.children
            .retain(|child| !disabled.iter().any(|name| *name == *child.name));
        dependencies.retain(|dependency| !disabled.contains(&dependency.name));
        for child in &mut self.children {
            let path = format!("{path}{}.", child.name);
            child.enable(&values, &path, profile, warnings)?;
        }
        self.dependencies = (!dependencies.is_empty()).then_some(dependencies);
        Ok(())
    }

    /// As much of the combined values as decides which subcharts take part, here and below.
    ///
    /// Values of different keys do not influence each other, so that the others need no combining.
    fn deciding_values(
        &self,
        values: &Table,
        dependencies: &[Dependency],
        path: &str,
        profile: Profile,
    ) -> Result<Table, CoalesceError> {
        let mut keys = HashSet::from(["tags", "global"]);
        keys.extend(path.split('.'));
        self.deciding_keys(dependencies, &mut keys);
        let part = self.part(&keys);
        part.coalesce(
            part_of(values, &keys),
            Nulls::Apply,
            profile,
            &mut Vec::new(),
        )
    }

    /// The names by which charts below go, or may go, and what conditions consist of.
    fn deciding_keys<'s>(&'s self, dependencies: &'s [Dependency], keys: &mut HashSet<&'s str>) {
        for dependency in dependencies {
            keys.insert(&dependency.name);
            keys.insert(&dependency.alias);
            keys.extend(dependency.condition.trim().split([',', '.']));
        }
        for child in &self.children {
            keys.insert(&child.name);
            child.deciding_keys(child.dependencies(), keys);
        }
    }

    /// The chart with no other default values than those under these keys; so are those below it.
    fn part(&self, keys: &HashSet<&str>) -> Self {
        Self {
            chart: self.chart,
            name: self.name.clone(),
            dependencies: None,
            children: self.children.iter().map(|child| child.part(keys)).collect(),
            values: Defaults::Part(Arc::new(part_of(&self.values, keys))),
        }
    }

    fn import_values(
        &mut self,
        profile: Profile,
        warnings: &mut Vec<String>,
    ) -> Result<(), CoalesceError> {
        for child in &mut self.children {
            child.import_values(profile, warnings)?;
        }
        if self.dependencies.is_none() {
            return Ok(());
        }
        let shape = self.shape(profile);
        let combined = match self.chart.combined.get(&shape) {
            Some(combined) => combined,
            None => self.chart.combined.keep(shape, self.combine(profile)?),
        };
        warnings.extend_from_slice(&combined.warnings);
        self.values = Defaults::Combined(combined);
        Ok(())
    }

    fn combine(&self, profile: Profile) -> Result<Combined, CoalesceError> {
        let mut warnings = Vec::new();
        let values = self.coalesce(Table::new(), Nulls::Keep, profile, &mut Vec::new())?;
        let values = import_values(values, self.dependencies(), &mut warnings);
        Ok(Combined { values, warnings })
    }

    /// A text that is equal where the same subcharts take part under the same names.
    fn shape(&self, profile: Profile) -> String {
        let mut out = format!("{profile:?}");
        self.write_shape(&mut out);
        out
    }

    fn write_shape(&self, out: &mut String) {
        let (name, of) = (self.name(), self.chart);
        // Writing to a string cannot fail.
        let _ = write!(out, "{name:?}={:?}@{:?}[", of.name(), of.version());
        for dependency in self.dependencies() {
            let _ = write!(out, "{:?}", dependency.name);
        }
        out.push_str("](");
        for child in &self.children {
            child.write_shape(out);
        }
        out.push(')');
    }
}

fn part_of(table: &Table, keys: &HashSet<&str>) -> Table {
    let wanted = keys.iter().filter_map(|key| table.get_key_value(*key));
    wanted
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Orders the children by the list, renames them by alias, repeats those that are listed twice.
fn place<'c>(
    existing: &[ResolvedChart<'c>],
    dependencies: &mut [Dependency],
) -> Vec<ResolvedChart<'c>> {
    let fits = |child: &ResolvedChart<'_>, dependency: &Dependency| {
        child.name == dependency.name && is_compatible(&dependency.version, child.chart.version())
    };
    let unlisted = existing
        .iter()
        .filter(|child| !dependencies.iter().any(|one| fits(child, one)));
    let mut placed: Vec<ResolvedChart<'c>> = unlisted.cloned().collect();
    for dependency in dependencies {
        if let Some(child) = existing.iter().find(|child| fits(child, dependency)) {
            let mut child = child.clone();
            if !dependency.alias.is_empty() {
                child.name = Cow::Owned(dependency.alias.clone());
            }
            placed.push(child);
        }
        if !dependency.alias.is_empty() {
            dependency.name.clone_from(&dependency.alias);
        }
    }
    placed
}

fn apply_tags(dependency: &mut Dependency, values: &Table, warnings: &mut Vec<String>) {
    let Some(tags) = lookup_table(values, "tags") else {
        return;
    };
    let (mut any_true, mut any_false) = (false, false);
    for tag in &dependency.tags {
        match tags.get(tag) {
            None => {}
            Some(Value::Bool(true)) => any_true = true,
            Some(Value::Bool(false)) => any_false = true,
            Some(_) => {
                warnings.push(format!(
                    "returned non-bool value tag={tag} chart={}",
                    dependency.name
                ));
            }
        }
    }
    dependency.enabled = any_true || !any_false;
}

fn apply_conditions(
    dependency: &mut Dependency,
    values: &Table,
    path: &str,
    warnings: &mut Vec<String>,
) {
    let conditions = dependency.condition.trim().to_owned();
    for condition in conditions
        .split(',')
        .filter(|condition| !condition.is_empty())
    {
        match lookup_value(values, &format!("{path}{condition}")) {
            Some(Value::Bool(enabled)) => {
                dependency.enabled = *enabled;
                return;
            }
            Some(_) => warnings.push(format!(
                "returned non-bool value path={condition} chart={}",
                dependency.name
            )),
            None => {}
        }
    }
}
