//! [`LifecycleRule`]: when logs are deleted. It owns the rule's document, its place among other
//! rules and the comparison with what is live; it refuses to touch rules of other names.
//!
//! Source: `Microsoft.Storage/storageAccounts/managementPolicies`, api-version 2025-08-01: one
//! policy named `default`, replaced as a whole, at most 100 rules.

use serde_json::{Map, Value, json};

use crate::{ContainerName, Ensured};

/// Deletes a container's block blobs some days after they were last written. A new or changed rule
/// takes up to a day to start and runs about daily.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleRule {
    /// The rule's name, by which it is found again; `expire-airflow-logs` by default.
    pub name: String,
    /// The container.
    pub container: ContainerName,
    /// After how many days; 30 by default.
    pub days: u32,
}

impl Default for LifecycleRule {
    fn default() -> Self {
        Self {
            name: "expire-airflow-logs".into(),
            container: ContainerName::default(),
            days: 30,
        }
    }
}

impl LifecycleRule {
    /// The rule as Azure takes it.
    pub fn document(&self) -> Value {
        json!({
            "enabled": true,
            "name": self.name,
            "type": "Lifecycle",
            "definition": {
                "actions": {
                    "baseBlob": {"delete": {"daysAfterModificationGreaterThan": self.days}},
                    "snapshot": {"delete": {"daysAfterCreationGreaterThan": self.days}},
                    "version": {"delete": {"daysAfterCreationGreaterThan": self.days}},
                },
                "filters": {
                    "blobTypes": ["blockBlob"],
                    "prefixMatch": [format!("{}/", self.container)],
                },
            },
        })
    }

    /// What it takes to have this rule among the live ones: the answer, and the whole policy to
    /// write unless it is there already.
    pub(crate) fn merge(&self, live: Option<&Value>) -> (Ensured, Value) {
        let mut rules = live
            .and_then(|policy| policy["properties"]["policy"]["rules"].as_array())
            .cloned()
            .unwrap_or_default();
        let wanted = self.document();
        let found = rules.iter_mut().find(|rule| rule["name"] == wanted["name"]);
        let ensured = match found {
            Some(rule) if holds(rule, &wanted) => Ensured::AlreadyThere,
            Some(rule) => {
                *rule = wanted;
                Ensured::Changed
            }
            None => {
                rules.push(wanted);
                Ensured::Created
            }
        };
        (ensured, json!({"properties": {"policy": {"rules": rules}}}))
    }
}

/// Whether `live` says everything `wanted` says. Azure adds fields of its own and writes whole days
/// with a decimal point.
fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => covers(live, wanted),
        (Value::Number(live), Value::Number(wanted)) => live.as_f64() == wanted.as_f64(),
        _ => live == wanted,
    }
}

fn covers(live: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    wanted
        .iter()
        .all(|(key, wanted)| live.get(key).is_some_and(|live| holds(live, wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &Value) -> Value {
        json!({"properties": {"lastModifiedTime": "…", "policy": {"rules": rules}}})
    }

    #[test]
    fn a_rule_is_added_replaced_or_left() {
        let rule = LifecycleRule::default();
        let other = json!({"name": "other", "type": "Lifecycle", "definition": {"actions": {}}});
        let mut as_azure_writes = rule.document();
        as_azure_writes["definition"]["actions"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"] =
            json!(30.0);
        as_azure_writes["definition"]["actions"]["baseBlob"]["tierToCool"] = Value::Null;
        let old = LifecycleRule {
            days: 7,
            ..rule.clone()
        }
        .document();
        for (live, ensured, rules) in [
            (None, Ensured::Created, 1),
            (Some(policy(&json!([other]))), Ensured::Created, 2),
            (Some(policy(&json!([old, other]))), Ensured::Changed, 2),
            (
                Some(policy(&json!([other, as_azure_writes]))),
                Ensured::AlreadyThere,
                2,
            ),
        ] {
            let (found, document) = rule.merge(live.as_ref());
            let written = document["properties"]["policy"]["rules"]
                .as_array()
                .unwrap();
            assert_eq!((found, written.len()), (ensured, rules), "{live:?}");
            assert!(
                live.is_none() || written.contains(&other),
                "other rules stay"
            );
        }
    }

    #[test]
    fn a_disabled_rule_differs() {
        let rule = LifecycleRule::default();
        let mut disabled = rule.document();
        disabled["enabled"] = false.into();
        assert_eq!(
            rule.merge(Some(&policy(&json!([disabled])))).0,
            Ensured::Changed
        );
    }
}
