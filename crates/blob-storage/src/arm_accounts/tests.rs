//! Accounts over a mocked Resource Manager: which request, and never one too many.

use azure::MockArm;

use super::*;

const ACCOUNT: &str =
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/logs";

fn account() -> ResourceId {
    ACCOUNT.parse().unwrap()
}

fn over(arm: MockArm) -> ArmStorageAccounts {
    ArmStorageAccounts::new(Arc::new(arm))
}

#[test]
fn absent_flags_mean_that_keys_are_accepted_and_networks_open() {
    let endpoint = json!({"blob": "https://logs.blob.core.windows.net/"});
    for (properties, allowed, firewalled) in [
        (json!({}), true, false),
        (json!({"allowSharedKeyAccess": null}), true, false),
        (json!({"allowSharedKeyAccess": false}), false, false),
        (
            json!({"networkAcls": {"defaultAction": "Deny"}}),
            true,
            true,
        ),
        (json!({"publicNetworkAccess": "Disabled"}), true, true),
    ] {
        let mut properties = properties;
        properties["primaryEndpoints"] = endpoint.clone();
        let facts = read_facts(account(), &json!({"properties": properties})).unwrap();
        assert_eq!(
            (facts.shared_key_allowed, facts.firewalled),
            (allowed, firewalled),
            "{properties}"
        );
    }
    assert!(read_facts(account(), &json!({"properties": {}})).is_err());
}

#[tokio::test]
async fn the_key_is_chosen_by_name_and_asked_for_by_a_probe() {
    let mut arm = MockArm::new();
    arm.expect_post()
        .withf(|id, action, _, _, changes, _| *id == account() && action == "listKeys" && !changes)
        .times(1)
        .returning(|_, _, _, _, _, _| {
            Ok(json!({"keys": [
                {"keyName": "key2", "value": "b"},
                {"keyName": "key1", "value": "a"},
            ]}))
        });
    let key = over(arm).key(account()).await.unwrap();
    assert_eq!((key.name.as_str(), key.value.expose()), ("key1", "a"));
}

#[tokio::test]
async fn a_container_that_is_there_is_not_written() {
    let mut arm = MockArm::new();
    arm.expect_get()
        .withf(|id, _| {
            id.as_str()
                .ends_with("/blobServices/default/containers/airflow-logs")
        })
        .times(1)
        .returning(|_, _| Ok(Some(json!({}))));
    let ensured = over(arm)
        .ensure_container(account(), ContainerName::default())
        .await
        .unwrap();
    assert_eq!(ensured, Ensured::AlreadyThere);
}

#[tokio::test]
async fn a_rule_is_written_with_the_others_and_only_when_it_differs() {
    let rule = LifecycleRule::default();
    let live = json!({"properties": {"policy": {"rules": [{"name": "other"}]}}});
    let mut arm = MockArm::new();
    arm.expect_get()
        .times(1)
        .returning(move |_, _| Ok(Some(live.clone())));
    arm.expect_put()
        .withf(|id, _, body, _| {
            let rules = body["properties"]["policy"]["rules"].as_array().unwrap();
            id.as_str().ends_with("/managementPolicies/default") && rules.len() == 2
        })
        .times(1)
        .returning(|_, _, body, _| Ok(body));
    let ensured = over(arm).ensure_lifecycle(account(), rule.clone()).await;
    assert_eq!(ensured.unwrap(), Ensured::Created);

    let (_, same) = rule.merge(None);
    let mut arm = MockArm::new();
    arm.expect_get()
        .times(1)
        .returning(move |_, _| Ok(Some(same.clone())));
    let ensured = over(arm).ensure_lifecycle(account(), rule).await;
    assert_eq!(ensured.unwrap(), Ensured::AlreadyThere);
}

#[tokio::test]
async fn an_absent_account_is_named() {
    let mut arm = MockArm::new();
    arm.expect_get().returning(|_, _| Ok(None));
    arm.expect_put().returning(|id, _, _, _| {
        let kind = ArmErrorKind::NotFound {
            code: "ParentResourceNotFound".into(),
            message: String::new(),
        };
        Err(ArmError::new("write", id.to_string(), kind))
    });
    let accounts = over(arm);
    assert_eq!(accounts.facts(account()).await.unwrap(), None);
    let error = accounts
        .ensure_container(account(), ContainerName::default())
        .await
        .unwrap_err();
    assert!(matches!(error, StorageError::Missing { account } if account == "logs"));
}
