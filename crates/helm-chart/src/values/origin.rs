//! [`Origins`]: who set a value: a default of a chart, a values file or a flag, and where.
//!
//! Owns the search through the layers of values, the last one first. Refuses to know what the value
//! became; that is what combining them is for.

use std::fmt;

use serde_json::Value;

use super::{ValueOptions, ValuePath, Values, ValuesError};
use crate::Profile;
use crate::chart::{Resolved, ResolvedChart};
use crate::yaml::{Position, parse_spanned_documents};

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// `values.yaml` of the chart or a subchart.
    Default {
        /// The file, such as `airflow/charts/postgresql/values.yaml`.
        file: String,
        /// Where in it; unknown if the value was imported from a subchart.
        position: Option<Position>,
    },
    /// A values file of the user.
    File {
        /// The file as the user named it.
        file: String,
        /// Where in it.
        position: Option<Position>,
    },
    /// A flag of the `--set` family.
    Flag {
        /// The flag without its dashes, such as `set-string`.
        flag: &'static str,
        /// Its argument, as given.
        argument: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { file, position } | Self::File { file, position } => {
                out.write_str(file)?;
                match position {
                    Some(position) => write!(out, ":{}:{}", position.line, position.column),
                    None => Ok(()),
                }
            }
            Self::Flag { flag, argument } => write!(out, "--{flag} {argument}"),
        }
    }
}

/// The layers of values of one render.
#[derive(Debug)]
pub struct Origins {
    /// The last one wins.
    layers: Vec<Layer>,
    charts: Vec<ChartLayer>,
}

#[derive(Debug)]
struct Layer {
    origin: Origin,
    texts: Vec<Spanned>,
}

#[derive(Debug)]
struct Spanned {
    value: Value,
    positions: Option<crate::yaml::Spanned>,
}

#[derive(Debug)]
struct ChartLayer {
    /// The JSON pointer of the chart's own values.
    pointer: String,
    layer: Layer,
}

impl Origins {
    /// The layers of what the user gave and of the charts that take part.
    ///
    /// # Errors
    /// [`ValuesError`] where `options` cannot be read; the render would have failed, too.
    pub fn new(
        resolved: &Resolved<'_>,
        options: &ValueOptions,
        profile: Profile,
    ) -> Result<Self, ValuesError> {
        let mut layers = Vec::new();
        for (file, text) in &options.files {
            layers.push(Layer {
                origin: Origin::File {
                    file: file.clone(),
                    position: None,
                },
                texts: spanned(text, profile).map_err(|source| ValuesError::File {
                    file: file.clone(),
                    profile,
                    source,
                })?,
            });
        }
        let flag = |flag: &'static str, argument: &str, values: Values| Layer {
            origin: Origin::Flag {
                flag,
                argument: argument.to_owned(),
            },
            texts: vec![Spanned {
                value: Value::Object(values.into_table()),
                positions: None,
            }],
        };
        let none = Values::default;
        for argument in &options.set_json {
            layers.push(flag("set-json", argument, none().set_json(argument)?));
        }
        for argument in &options.set {
            layers.push(flag("set", argument, none().set(argument)?));
        }
        for argument in &options.set_string {
            layers.push(flag("set-string", argument, none().set_string(argument)?));
        }
        for argument in &options.set_file {
            let values = none().set_file(argument, |_| Ok(String::new()))?;
            layers.push(flag("set-file", argument, values));
        }
        for argument in &options.set_literal {
            layers.push(flag("set-literal", argument, none().set_literal(argument)?));
        }
        let mut charts = Vec::new();
        defaults(
            &resolved.root,
            "",
            resolved.root.name(),
            profile,
            &mut charts,
        );
        Ok(Self { layers, charts })
    }

    /// Who set the value at this path: the last one, or all that add to a table, the last first.
    /// Nobody, if the value does not come from there.
    pub fn of(&self, path: &ValuePath) -> Vec<Origin> {
        let pointer = path.pointer();
        let mut found = self.search(pointer);
        if found.is_empty()
            && let Some(at) = pointer.find("/global/").filter(|at| *at > 0)
        {
            // Globals of a chart are those of all charts below it.
            found = self.search(&pointer[at..]);
        }
        found
    }

    fn search(&self, pointer: &str) -> Vec<Origin> {
        let users = self.layers.iter().rev().map(|layer| (layer, pointer));
        let charts = self.charts.iter().filter_map(|chart| {
            let rest = pointer.strip_prefix(chart.pointer.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((&chart.layer, rest))
        });
        let mut found = Vec::new();
        for (layer, pointer) in users.chain(charts) {
            match layer.find(pointer) {
                Some((origin, true)) => found.push(origin),
                Some((origin, false)) => {
                    // A table that others had filled was replaced.
                    if found.is_empty() {
                        found.push(origin);
                    }
                    break;
                }
                None => {}
            }
        }
        found
    }
}

impl Layer {
    /// Who sets this, and whether it is a table, to which lower layers add.
    fn find(&self, pointer: &str) -> Option<(Origin, bool)> {
        let text = self
            .texts
            .iter()
            .rev()
            .find(|text| text.value.pointer(pointer).is_some())?;
        let is_table = text.value.pointer(pointer).is_some_and(Value::is_object);
        let position = text
            .positions
            .as_ref()
            .and_then(|positions| positions.key_position(pointer));
        let mut origin = self.origin.clone();
        if let Origin::Default { position: at, .. } | Origin::File { position: at, .. } =
            &mut origin
        {
            *at = position;
        }
        Some((origin, is_table))
    }
}

fn spanned(text: &str, profile: Profile) -> Result<Vec<Spanned>, crate::yaml::YamlError> {
    let mut documents = parse_spanned_documents(text)?;
    if profile == Profile::Helm3 {
        documents.truncate(1);
    }
    let texts = documents.into_iter().map(|positions| Spanned {
        value: positions.value.clone(),
        positions: Some(positions),
    });
    Ok(texts.collect())
}

/// The defaults of a chart and those below it: what is nearer to the root counts more.
fn defaults(
    chart: &ResolvedChart<'_>,
    pointer: &str,
    path: &str,
    profile: Profile,
    layers: &mut Vec<ChartLayer>,
) {
    // Texts that could not be read have not become a chart.
    let texts = chart
        .chart()
        .raw_values()
        .and_then(|text| spanned(text, profile).ok());
    layers.push(ChartLayer {
        pointer: pointer.to_owned(),
        layer: Layer {
            origin: Origin::Default {
                file: format!("{path}/values.yaml"),
                position: None,
            },
            texts: texts.unwrap_or_default(),
        },
    });
    for child in chart.children() {
        let name = child.name();
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        defaults(
            child,
            &pointer,
            &format!("{path}/charts/{name}"),
            profile,
            layers,
        );
    }
}
