//! Container registries as resources, and the import of images. It owns the 409 of a taken tag; it
//! refuses to fetch anything: every source has every image.

use serde_json::Value;

use super::store::{Made, need_location};
use super::{Named, Question, Reply};
use crate::azure::state::last;
use crate::azure::{AzureState, Resource};

pub(super) fn registry(named: &Named, body: &mut Value) -> Result<Made, Reply> {
    need_location(body)?;
    let name = &named.name;
    if !(5..=50).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let message = format!("The registry name '{name}' is invalid.");
        return Err(Reply::refusal(400, "InvalidRegistryName", message));
    }
    if !body["properties"].is_object() {
        body["properties"] = serde_json::json!({});
    }
    let properties = &mut body["properties"];
    properties["loginServer"] = format!("{}.azurecr.io", name.to_ascii_lowercase()).into();
    properties["provisioningState"] = "Succeeded".into();
    if properties["roleAssignmentMode"].is_null() {
        properties["roleAssignmentMode"] = "LegacyRegistryPermissions".into();
    }
    Ok(Made::default())
}

/// `importImage`.
pub(super) fn import(
    state: &mut AzureState,
    question: &Question<'_>,
    registry: &Resource,
) -> Result<Reply, Reply> {
    let body = question.body()?;
    let source = body["source"]["sourceImage"].as_str().unwrap_or_default();
    let tags: Vec<String> = body["targetTags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tag| tag.as_str().map(str::to_owned))
        .collect();
    if source.is_empty() || tags.is_empty() {
        let message = "The properties 'source.sourceImage' and 'targetTags' are required.";
        return Err(Reply::refusal(400, "InvalidParameters", message));
    }
    let server = format!("{}.azurecr.io", last(&registry.id).to_ascii_lowercase());
    let force = body["mode"] == "Force";
    for tag in &tags {
        if !force && state.has_image(&format!("{server}/{tag}")) {
            let message = format!("Tag {tag} already exists in target registry.");
            return Err(Reply::refusal(409, "Conflict", message));
        }
    }
    for tag in tags {
        state.images.insert(format!("{server}/{tag}"));
    }
    Ok(Reply::empty(200))
}
