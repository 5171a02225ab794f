//! The objects templates see: one map per chart, linked as Helm links them.
//!
//! A chart's map is shared by all its templates and, as `.Subcharts`, by its parent's; its
//! `.Values` are a part of its parent's. A change made with `set` is seen through every name.

use go_text_template::{Map, MapType, Type, Value};
use serde_json::Value as Json;

use super::{capabilities, files, metadata};
use crate::chart::ResolvedChart;
use crate::values::Table;
use crate::{Capabilities, Profile, Release};

/// The Go type of `.Values`, with the methods templates can call on it.
pub(super) fn values_type(profile: Profile) -> MapType {
    match profile {
        Profile::Helm4 => MapType::named("common.Values", Type::Any).with_methods(METHODS),
        Profile::Helm3 => MapType::named("chartutil.Values", Type::Any).with_methods(METHODS),
    }
}

const METHODS: &[go_text_template::Function] = &[
    go_text_template::Function::new("AsMap", &[], |_, arguments| {
        let map = arguments.first().and_then(Value::as_map);
        Ok(map.map_or(Value::Nil, |map| map.retyped(MapType::ANY).into()))
    }),
    go_text_template::Function::new("YAML", &[], |_, arguments| {
        let text = crate::yaml::to_string(arguments.first().unwrap_or(&Value::Nil));
        Ok(text
            .map(|text| text + "\n")
            .map_err(|error| error.to_string())?
            .into())
    }),
];

/// Everything the maps of all charts have in common.
pub(super) struct Common {
    pub(super) release: Value,
    pub(super) capabilities: Value,
    pub(super) profile: Profile,
}

impl Common {
    pub(super) fn new(release: &Release, target: &Capabilities, profile: Profile) -> Self {
        let (release, capabilities) = (
            capabilities::release(release),
            capabilities::capabilities(target, profile),
        );
        Self {
            release,
            capabilities,
            profile,
        }
    }

    /// The maps of a chart and all below it, depth first, the chart's own before its children's.
    pub(super) fn maps(&self, root: &ResolvedChart<'_>, values: &Map) -> Vec<Map> {
        let mut maps = Vec::new();
        self.chart(root, values, true, &mut maps);
        maps
    }

    fn chart(
        &self,
        chart: &ResolvedChart<'_>,
        values: &Map,
        is_root: bool,
        maps: &mut Vec<Map>,
    ) -> Map {
        let values_type = values_type(self.profile);
        let metadata = chart.chart().metadata();
        let subcharts = Map::new();
        let map = Map::from_iter([
            ("Capabilities", self.capabilities.clone()),
            (
                "Chart",
                metadata::value(
                    metadata,
                    chart.name(),
                    chart.dependencies(),
                    is_root,
                    self.profile,
                ),
            ),
            ("Files", files::value(chart.chart().files(), self.profile)),
            ("Release", self.release.clone()),
            ("Subcharts", subcharts.clone().into()),
            ("Values", values.retyped(values_type).into()),
        ]);
        maps.push(map.retyped(values_type));
        for child in chart.children() {
            let own = match values.get(child.name()) {
                Some(Value::Map(own)) => own,
                _ => Map::new(),
            };
            subcharts.insert(child.name(), self.chart(child, &own, false, maps));
        }
        map
    }
}

/// A table of values as templates see it.
pub(super) fn table(table: &Table) -> Map {
    table
        .iter()
        .map(|(key, value)| (key.as_str(), from_json(value)))
        .collect()
}

/// A value of a values file or of the `--set` family: floats stay floats, integers are `int64`.
pub(super) fn from_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.is_f64(), number.as_i64()) {
            (false, Some(integer)) => Value::Int64(integer),
            _ => Value::Float64(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::list(items.iter().map(from_json)),
        Json::Object(entries) => table(entries).into(),
    }
}
