//! Grants over a mocked Resource Manager: which model, which request, and never more than one.

use azure::MockArm;

use super::*;

const VAULT: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv";

fn vault(rbac: &Value, policies: &Value) -> Value {
    json!({"properties": {
        "vaultUri": "https://kv.vault.azure.net/",
        "tenantId": "t",
        "enableRbacAuthorization": rbac,
        "accessPolicies": policies,
    }})
}

fn facts(rbac: bool) -> VaultFacts {
    read_facts(VAULT.parse().unwrap(), &vault(&rbac.into(), &json!([]))).unwrap()
}

fn grant_of(vault: VaultFacts, scope: GrantScope) -> ReadGrant {
    ReadGrant {
        vault,
        principal_id: "P-1".into(),
        scope,
    }
}

#[test]
fn the_access_model_is_read_from_the_flag_and_absence_means_policies() {
    let cases = [
        (json!(true), AccessModel::Roles),
        (json!(false), AccessModel::Policies),
        (Value::Null, AccessModel::Policies),
    ];
    for (flag, expected) in cases {
        let facts = read_facts(VAULT.parse().unwrap(), &vault(&flag, &json!([]))).unwrap();
        assert_eq!(facts.model, expected, "{flag}");
    }
}

#[test]
fn a_scope_covers_itself_and_what_is_below_without_regard_to_case() {
    let wanted: ResourceId = format!("{VAULT}/secrets/a").parse().unwrap();
    for (held, expected) in [
        (VAULT.to_uppercase(), true),
        ("/subscriptions/s".into(), true),
        ("/".into(), true),
        (format!("{VAULT}/secrets/a"), true),
        (format!("{VAULT}/secrets/ab"), false),
        (format!("{VAULT}2"), false),
        (VAULT[..VAULT.len() - 1].to_owned(), false),
    ] {
        assert_eq!(covers(&held, &wanted), expected, "{held}");
    }
}

#[test]
fn assignment_names_are_guids_that_follow_scope_and_principal() {
    let scope: ResourceId = VAULT.parse().unwrap();
    let name = assignment_name(&scope, "p");
    assert_eq!(
        name,
        assignment_name(
            &VAULT
                .to_uppercase()
                .replacen("SUBSCRIPTIONS", "subscriptions", 1)
                .parse()
                .unwrap(),
            "P"
        )
    );
    assert_ne!(name, assignment_name(&scope, "q"));
    assert_eq!((name.len(), &name[14..15]), (36, "8"));
}

#[tokio::test]
async fn a_policy_that_is_there_is_not_written_again() {
    let mut arm = MockArm::new();
    arm.expect_get().times(1).returning(|_, _| {
        Ok(Some(vault(
            &json!(false),
            &json!([{"objectId": "p-1", "permissions": {"secrets": ["Get"]}}]),
        )))
    });
    let access = ArmVaultAccess::new(Arc::new(arm));
    let granted = access
        .grant(grant_of(facts(false), GrantScope::Vault))
        .await
        .unwrap();
    assert_eq!(granted, Granted::AlreadyThere);
}

#[tokio::test]
async fn a_missing_policy_is_added_without_replacing_others() {
    let mut arm = MockArm::new();
    arm.expect_get()
        .returning(|_, _| Ok(Some(vault(&json!(false), &json!([])))));
    arm.expect_put()
        .times(1)
        .withf(|id, _, body, _| {
            id.as_str().ends_with("/vaults/kv/accessPolicies/add")
                && body["properties"]["accessPolicies"][0]["permissions"]
                    == json!({"secrets": ["get"]})
        })
        .returning(|_, _, body, _| Ok(body));
    let access = ArmVaultAccess::new(Arc::new(arm));
    let granted = access
        .grant(grant_of(facts(false), GrantScope::Vault))
        .await
        .unwrap();
    assert_eq!(granted, Granted::Added);
}

#[tokio::test]
async fn only_the_secrets_without_a_reading_role_get_one() {
    let mut arm = MockArm::new();
    arm.expect_list().returning(|_, _, _| {
        Ok(vec![json!({"properties": {
            "principalId": "p-1",
            "roleDefinitionId": format!("/x/roleDefinitions/{SECRETS_USER}"),
            "scope": format!("{VAULT}/secrets/one"),
        }})])
    });
    arm.expect_put()
        .times(1)
        .withf(|id, _, body, _| {
            id.as_str()
                .contains("/secrets/two/providers/Microsoft.Authorization/roleAssignments/")
                && body["properties"]["principalType"] == "ServicePrincipal"
        })
        .returning(|_, _, body, _| Ok(body));
    let access = ArmVaultAccess::new(Arc::new(arm));
    let names = ["one", "two"]
        .map(|name| SecretName::parse(name).unwrap())
        .to_vec();
    let granted = access
        .grant(grant_of(facts(true), GrantScope::Secrets(names)))
        .await
        .unwrap();
    assert_eq!(granted, Granted::Added);
}

#[tokio::test]
async fn an_assignment_somebody_else_made_meanwhile_is_fine() {
    let mut arm = MockArm::new();
    arm.expect_list().returning(|_, _, _| Ok(Vec::new()));
    arm.expect_put().returning(|id, _, _, _| {
        Err(ArmError::new(
            "write",
            id.as_str(),
            ArmErrorKind::Conflict {
                code: "RoleAssignmentExists".into(),
                message: String::new(),
            },
        ))
    });
    let access = ArmVaultAccess::new(Arc::new(arm));
    assert!(
        access
            .grant(grant_of(facts(true), GrantScope::Vault))
            .await
            .is_ok()
    );
}
