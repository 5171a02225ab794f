//! `.Chart`: a map of Go field names in Helm 4, a struct in Helm 3.

use go_text_template::{List, ListType, Map, MapType, Type, Value};

use crate::Profile;
use crate::chart::{Dependency, Maintainer, Metadata, child_and_parent};
use crate::functions::{Field, Record};

/// The value of `.Chart` for a chart under this name with these dependencies.
pub(super) fn value(
    metadata: &Metadata,
    name: &str,
    dependencies: &[Dependency],
    is_root: bool,
    profile: Profile,
) -> Value {
    let fields = fields(metadata, name, dependencies, profile);
    match profile {
        Profile::Helm4 => {
            let map: Map = fields
                .into_iter()
                .map(|field| (field.name, field.value))
                .collect();
            map.insert("IsRoot", is_root);
            map.into()
        }
        Profile::Helm3 => {
            let mut fields = fields;
            let embedded = Some(("Metadata", fields.len()));
            fields.push(Field::new("IsRoot", is_root));
            let mut record = Record::new("struct { chart.Metadata; IsRoot bool }", fields);
            record.embedded = embedded;
            Value::object(record)
        }
    }
}

/// The fields of Helm's `Metadata`, in its order.
fn fields(
    metadata: &Metadata,
    name: &str,
    dependencies: &[Dependency],
    profile: Profile,
) -> Vec<Field> {
    let text = |name, key, value: &str| Field {
        name,
        key,
        omit_empty: true,
        value: value.into(),
    };
    let list = |name, key, value: Value| Field {
        name,
        key,
        omit_empty: true,
        value,
    };
    vec![
        text("Name", "name", name),
        text("Home", "home", &metadata.home),
        list("Sources", "sources", strings(&metadata.sources, profile)),
        text("Version", "version", &metadata.version),
        text("Description", "description", &metadata.description),
        list("Keywords", "keywords", strings(&metadata.keywords, profile)),
        list(
            "Maintainers",
            "maintainers",
            maintainers(&metadata.maintainers, profile),
        ),
        text("Icon", "icon", &metadata.icon),
        text("APIVersion", "apiVersion", &metadata.api_version),
        text("Condition", "condition", &metadata.condition),
        text("Tags", "tags", &metadata.tags),
        text("AppVersion", "appVersion", &metadata.app_version),
        Field {
            name: "Deprecated",
            key: "deprecated",
            omit_empty: true,
            value: metadata.deprecated.into(),
        },
        list("Annotations", "annotations", annotations(metadata)),
        text("KubeVersion", "kubeVersion", &metadata.kube_version),
        list(
            "Dependencies",
            "dependencies",
            all_dependencies(dependencies, profile),
        ),
        text("Type", "type", &metadata.chart_type),
    ]
}

fn strings(items: &[String], profile: Profile) -> Value {
    match profile {
        Profile::Helm4 => Value::list(items.iter().map(String::as_str)),
        Profile::Helm3 if items.is_empty() => List::nil(ListType::STRING).into(),
        Profile::Helm3 => Value::strings(items.iter().map(String::as_str)),
    }
}

fn annotations(metadata: &Metadata) -> Value {
    if metadata.annotations.is_empty() {
        return Map::nil(MapType::STRING).into();
    }
    let entries = metadata.annotations.iter();
    let map: Map = entries
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    map.retyped(MapType::STRING).into()
}

/// The lists of Helm 3, of pointers to structs.
const MAINTAINERS: ListType =
    ListType::named("[]*chart.Maintainer", Type::Named("*chart.Maintainer"));
const DEPENDENCIES: ListType =
    ListType::named("[]*chart.Dependency", Type::Named("*chart.Dependency"));

fn maintainers(items: &[Maintainer], profile: Profile) -> Value {
    let fields = |item: &Maintainer| {
        [
            ("Name", "name", &item.name),
            ("Email", "email", &item.email),
            ("URL", "url", &item.url),
        ]
        .map(|(name, key, value)| Field {
            name,
            key,
            omit_empty: true,
            value: value.as_str().into(),
        })
    };
    nested(items, profile, MAINTAINERS, |item| fields(item).into())
}

fn all_dependencies(items: &[Dependency], profile: Profile) -> Value {
    nested(items, profile, DEPENDENCIES, |item| {
        let text = |name, key, omit_empty, value: &str| Field {
            name,
            key,
            omit_empty,
            value: value.into(),
        };
        let imports = item.import_values.iter().filter_map(child_and_parent);
        let import = |[child, parent]: [String; 2]| {
            let map = Map::from_iter([("child", child), ("parent", parent)]);
            Value::from(map.retyped(MapType::STRING))
        };
        let imports = Value::list(imports.map(import));
        vec![
            text("Name", "name", false, &item.name),
            text("Version", "version", true, &item.version),
            text("Repository", "repository", false, &item.repository),
            text("Condition", "condition", true, &item.condition),
            Field {
                name: "Tags",
                key: "tags",
                omit_empty: true,
                value: strings(&item.tags, profile),
            },
            Field {
                name: "Enabled",
                key: "enabled",
                omit_empty: true,
                value: item.enabled.into(),
            },
            Field {
                name: "ImportValues",
                key: "import-values",
                omit_empty: true,
                value: imports,
            },
            text("Alias", "alias", true, &item.alias),
        ]
    })
}

fn nested<T>(
    items: &[T],
    profile: Profile,
    list_type: ListType,
    fields: impl Fn(&T) -> Vec<Field>,
) -> Value {
    match profile {
        Profile::Helm4 => {
            let table = |item| {
                Value::map(
                    fields(item)
                        .into_iter()
                        .map(|field| (field.name, field.value)),
                )
            };
            Value::list(items.iter().map(table))
        }
        Profile::Helm3 if items.is_empty() => List::nil(list_type).into(),
        Profile::Helm3 => {
            let record =
                |item| Value::object(Record::new(list_type.element().name(), fields(item)));
            List::with_type(list_type, items.iter().map(record).collect()).into()
        }
    }
}
