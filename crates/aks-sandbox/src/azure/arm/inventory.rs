//! `GET /subscriptions/{id}/resources`: the top-level resources of every kind, as `az` asks for them
//! where it was given a name without its resource group. It owns the filter; it refuses conditions
//! it does not know.
//!
//! Source of the behaviour: Resource Manager, "Resources - List", API version 2024-11-01.

use serde_json::{Value, json};

use super::{AzureState, Question, Reply, store};
use crate::azure::Resource;

/// One condition of a filter; all of them must hold.
#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Kind(String),
    Name(String),
    Group(String),
}

/// The resources that satisfy `$filter`, without their properties.
pub(super) fn list(state: &AzureState, question: &Question<'_>) -> Result<Reply, Reply> {
    let conditions = match question.query("$filter") {
        Some(filter) => read(&filter)?,
        None => Vec::new(),
    };
    let value: Vec<Value> = state
        .resources
        .values()
        .filter(|resource| is_top_level(resource))
        .filter(|resource| conditions.iter().all(|one| one.holds(resource)))
        .map(entry)
        .collect();
    Ok(store::page(question, &value))
}

/// Resource groups and what lies within resources are listed elsewhere.
fn is_top_level(resource: &Resource) -> bool {
    resource.kind.matches('/').count() == 1 && resource.id.contains("/providers/")
}

fn entry(resource: &Resource) -> Value {
    let mut entry = json!({"id": resource.id, "type": resource.kind});
    for field in ["name", "location", "tags", "sku", "kind", "identity"] {
        if let Some(value) = resource.body.get(field) {
            entry[field] = value.clone();
        }
    }
    entry
}

impl Condition {
    fn holds(&self, resource: &Resource) -> bool {
        let segment = |at: usize| resource.id.split('/').nth(at).unwrap_or_default();
        match self {
            Self::Kind(kind) => resource.kind.eq_ignore_ascii_case(kind),
            Self::Name(name) => {
                let own = resource.id.rsplit('/').next().unwrap_or_default();
                own.eq_ignore_ascii_case(name)
            }
            Self::Group(group) => segment(4).eq_ignore_ascii_case(group),
        }
    }
}

/// Reads `FIELD eq 'VALUE' and FIELD eq 'VALUE'`.
fn read(filter: &str) -> Result<Vec<Condition>, Reply> {
    let unknown = || {
        let message = format!("The filter '{filter}' is not one this sandbox knows.");
        Reply::refusal(400, "InvalidFilterInQueryString", message)
    };
    filter
        .split(" and ")
        .map(|condition| {
            let (field, value) = condition.split_once(" eq ").ok_or_else(unknown)?;
            let value = value
                .trim()
                .strip_prefix('\'')
                .and_then(|value| value.strip_suffix('\''))
                .ok_or_else(unknown)?
                .to_owned();
            match field.trim().to_ascii_lowercase().as_str() {
                "resourcetype" => Ok(Condition::Kind(value)),
                "name" => Ok(Condition::Name(value)),
                "resourcegroup" => Ok(Condition::Group(value)),
                _ => Err(unknown()),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_conjunction_of_equalities() {
        let filter =
            "resourceType eq 'Microsoft.KeyVault/vaults' and name eq 'v' and resourceGroup eq 'g'";
        assert_eq!(
            read(filter).unwrap(),
            [
                Condition::Kind("Microsoft.KeyVault/vaults".into()),
                Condition::Name("v".into()),
                Condition::Group("g".into()),
            ]
        );
        for wrong in ["", "name", "name eq v", "tagName eq 'v'", "name ne 'v'"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
