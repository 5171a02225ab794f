//! The rules of the simulated Azure, request by request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AzureState, Delays, respond};
use crate::world::{Faults, WorldSpec};

const DEPLOYER: &str = "99999999-9999-4999-8999-999999999999";
const ARM: &str = "https://management.azure.com";
const VAULT: &str = "https://vault.azure.net";

/// A world with a hand on its clock.
struct Scene {
    spec: WorldSpec,
    state: AzureState,
    faults: Faults,
    now: Timestamp,
}

/// An answer, read.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Seen {
    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

impl Scene {
    fn new() -> Self {
        Self::of(WorldSpec::default())
    }

    fn of(spec: WorldSpec) -> Self {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let mut state = AzureState::seeded(&spec, DEPLOYER, 7, now);
        state.delays = Delays::default();
        Self {
            spec,
            state,
            faults: Faults::default(),
            now,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn send(&mut self, method: &str, url: &str, token: Option<&str>, body: &str) -> Seen {
        let (host, path) = url
            .strip_prefix("https://")
            .unwrap()
            .split_once('/')
            .unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/{path}"))
            .header("host", host);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let reply = respond(&mut self.state, &self.faults, &request, self.now).unwrap();
        self.now += reply.after;
        Seen {
            status: reply.status(),
            headers: reply.response.headers().clone(),
            body: serde_json::from_slice(reply.response.body()).unwrap_or_default(),
        }
    }

    /// As the deployer, with the body in JSON.
    fn arm(&mut self, method: &str, path: &str, body: &Value) -> Seen {
        let token = unsigned(&self.spec.tenant, ARM);
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!("{ARM}{path}{separator}api-version=2024-11-30");
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(method, &url, Some(&token), &text)
    }

    fn group(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}",
            self.spec.subscription, self.spec.resource_group
        )
    }

    fn identity(&self) -> String {
        format!(
            "{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}",
            self.group(),
            self.spec.identity
        )
    }

    fn vault(&self) -> String {
        format!(
            "{}/providers/Microsoft.KeyVault/vaults/{}",
            self.group(),
            self.spec.vault
        )
    }

    fn federate(&mut self, name: &str, subject: &str) -> Seen {
        let path = format!("{}/federatedIdentityCredentials/{name}", self.identity());
        let issuer = self.spec.issuer_url();
        let body = json!({"properties": {
            "issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"],
        }});
        self.arm("PUT", &path, &body)
    }

    /// Exchanges a ServiceAccount's token; Entra's number, or 0 and the token.
    fn exchange(&mut self, account: &str, audience: &str) -> (u64, String) {
        let at = self.now.as_second();
        let audiences = [audience.to_owned()];
        let issuer = &self.state.issuer;
        let assertion = issuer.service_account_token("airflow", account, &audiences, at, at + 3600);
        let form: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.spec.client_id)
            .append_pair("client_assertion", &assertion)
            .append_pair("scope", "https://vault.azure.net/.default")
            .finish();
        let url = format!(
            "https://login.microsoftonline.com/{}/oauth2/v2.0/token",
            self.spec.tenant
        );
        let seen = self.send("POST", &url, None, &form);
        let token = seen.body["access_token"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (seen.body["error_codes"][0].as_u64().unwrap_or(0), token)
    }

    fn secret(&mut self, method: &str, name: &str, token: Option<&str>, body: &str) -> Seen {
        let vault = &self.spec.vault;
        let url = format!("https://{vault}.vault.azure.net/secrets/{name}?api-version=7.4");
        self.send(method, &url, token, body)
    }
}

/// The deployer's token.
fn unsigned(tenant: &str, audience: &str) -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!(
        "{}.{}.",
        part(json!({"alg": "none", "kid": "aks-sandbox"})),
        part(json!({
            "aud": audience,
            "iss": format!("https://sts.aks-sandbox.invalid/{tenant}/"),
            "oid": DEPLOYER,
            "aks-sandbox": true,
        }))
    )
}

const AUDIENCE: &str = "api://AzureADTokenExchange";

#[test]
fn the_front_door_of_resource_manager_refuses_in_order() {
    let mut scene = Scene::new();
    let path = format!("{ARM}{}", scene.group());
    let good = unsigned(&scene.spec.tenant, ARM);
    let for_vault = unsigned(&scene.spec.tenant, VAULT);
    let foreign = unsigned("elsewhere", ARM);
    for (token, query, status, code) in [
        (None, "?api-version=2024-11-30", 401, "AuthenticationFailed"),
        (
            Some(&foreign),
            "?api-version=2024-11-30",
            401,
            "InvalidAuthenticationToken",
        ),
        (
            Some(&for_vault),
            "?api-version=2024-11-30",
            401,
            "InvalidAuthenticationTokenAudience",
        ),
        (Some(&good), "", 400, "MissingApiVersionParameter"),
        (
            Some(&good),
            "?api-version=newest",
            400,
            "InvalidApiVersionParameter",
        ),
        (Some(&good), "?api-version=2024-11-30", 200, ""),
    ] {
        let url = format!("{path}{query}");
        let seen = scene.send("GET", &url, token.map(String::as_str), "");
        assert_eq!((seen.status, seen.code()), (status, code));
    }
    let seen = scene.arm("GET", "/subscriptions/other", &Value::Null);
    assert_eq!((seen.status, seen.code()), (404, "SubscriptionNotFound"));
    let seen = scene.arm(
        "GET",
        "/subscriptions/22222222-2222-4222-8222-222222222222",
        &Value::Null,
    );
    assert_eq!(seen.body["tenantId"], scene.spec.tenant);
}

#[test]
fn a_real_looking_token_is_refused_everywhere() {
    let mut scene = Scene::new();
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let real = format!(
        "{}.{}.c2ln",
        part(json!({"alg": "RS256", "kid": "x"})),
        part(json!({
            "aud": VAULT,
            "iss": format!("https://sts.windows.net/{}/", scene.spec.tenant),
            "oid": DEPLOYER,
        }))
    );
    assert_eq!(scene.secret("GET", "x", Some(&real), "").status, 401);
}

#[test]
fn absence_says_what_is_missing() {
    let mut scene = Scene::new();
    let group = scene.group();
    for (path, code) in [
        (
            format!("{group}/providers/Microsoft.KeyVault/vaults/none"),
            "ResourceNotFound",
        ),
        (
            format!("{group}x/providers/Microsoft.KeyVault/vaults/none"),
            "ResourceGroupNotFound",
        ),
        (
            format!("{group}/providers/Microsoft.Nothing/things/t"),
            "InvalidResourceType",
        ),
    ] {
        let seen = scene.arm("GET", &path, &Value::Null);
        assert_eq!((seen.status, seen.code()), (404, code), "{path}");
    }
    let seen = scene.arm(
        "PUT",
        &format!(
            "{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/none/\
             federatedIdentityCredentials/fic"
        ),
        &json!({"properties": {"issuer": "i", "subject": "s", "audiences": ["a"]}}),
    );
    assert_eq!(seen.code(), "ParentResourceNotFound");
}

#[test]
fn a_federated_credential_is_seen_after_a_while_and_compared_exactly() {
    let mut scene = Scene::new();
    assert_eq!(scene.exchange("airflow", AUDIENCE).0, 70025);
    let seen = scene.federate(
        "external-secret-operator",
        "system:serviceaccount:airflow:airflow",
    );
    assert_eq!(seen.status, 201);
    assert_eq!(scene.exchange("airflow", AUDIENCE).0, 70021);
    scene.pass(5);
    assert_eq!(scene.exchange("airflow", AUDIENCE).0, 0);
    assert_eq!(scene.exchange("scheduler", AUDIENCE).0, 700_213);
    assert_eq!(scene.exchange("Airflow", AUDIENCE).0, 7_002_131);
    assert_eq!(
        scene
            .exchange("airflow", "https://kubernetes.default.svc")
            .0,
        700_212
    );
    scene.state.issuer.url = "https://other.example/".into();
    assert_eq!(scene.exchange("airflow", AUDIENCE).0, 700_211);
}

#[test]
fn a_forged_or_expired_assertion_is_refused() {
    let mut scene = Scene::new();
    scene.federate(
        "external-secret-operator",
        "system:serviceaccount:airflow:airflow",
    );
    scene.pass(5);
    let real = scene.state.issuer.clone();
    scene.state.issuer = super::Issuer::seeded(real.url.clone(), 8);
    let at = scene.now.as_second();
    let audiences = [AUDIENCE.to_owned()];
    let forged =
        scene
            .state
            .issuer
            .service_account_token("airflow", "airflow", &audiences, at, at + 60);
    let old = real.service_account_token("airflow", "airflow", &audiences, at - 90, at - 30);
    scene.state.issuer = real;
    for (assertion, number) in [(forged, 700_027), (old, 700_024), ("x".into(), 50027)] {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_assertion={assertion}\
             &scope=https%3A%2F%2Fvault.azure.net%2F.default",
            scene.spec.client_id
        );
        let url = format!(
            "https://login.microsoftonline.com/{}/oauth2/v2.0/token",
            scene.spec.tenant
        );
        let seen = scene.send("POST", &url, None, &form);
        assert_eq!(seen.body["error_codes"][0], number);
    }
}

#[test]
fn a_refusal_can_be_remembered() {
    let mut scene = Scene::new();
    scene.state.delays.refusal_memory = Duration::from_secs(60);
    assert_eq!(scene.exchange("airflow", AUDIENCE).0, 70025);
    scene.federate(
        "external-secret-operator",
        "system:serviceaccount:airflow:airflow",
    );
    scene.pass(30);
    assert_eq!(scene.exchange("airflow", AUDIENCE).0, 70021);
    scene.pass(31);
    assert_eq!(scene.exchange("airflow", AUDIENCE).0, 0);
}

#[test]
fn credentials_are_unique_limited_and_written_one_at_a_time() {
    let mut scene = Scene::new();
    for number in 0..20 {
        let seen = scene.federate(&format!("fic-{number}"), &format!("subject-{number}"));
        assert_eq!(seen.status, 201);
    }
    assert_eq!(scene.federate("fic-20", "subject-20").status, 400);
    assert_eq!(scene.federate("fic-0", "subject-0").status, 200);
    let twin = scene.federate("fic-1", "subject-0");
    assert_eq!(twin.status, 400);
    assert!(
        twin.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("already exists")
    );
    for name in ["ab", "-abc", "a b c"] {
        assert_eq!(
            scene.federate(&name.replace(' ', "%20"), "s").status,
            400,
            "{name}"
        );
    }
    // A second write before the first has been answered.
    scene.federate("fic-0", "subject-0");
    scene.now -= scene.state.delays.write / 2;
    assert_eq!(
        scene.federate("fic-1", "subject-1").code(),
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
    );
}

#[test]
fn a_list_comes_in_pages_with_links() {
    let mut scene = Scene::new();
    for number in 0..5 {
        scene.federate(&format!("fic-{number}"), &format!("subject-{number}"));
    }
    let path = format!("{}/federatedIdentityCredentials?$top=2", scene.identity());
    let mut seen = scene.arm("GET", &path, &Value::Null);
    let mut sizes = Vec::new();
    let token = unsigned(&scene.spec.tenant, ARM);
    loop {
        sizes.push(seen.body["value"].as_array().unwrap().len());
        let Some(next) = seen.body["nextLink"].as_str().map(str::to_owned) else {
            break;
        };
        seen = scene.send("GET", &next, Some(&token), "");
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[test]
fn a_vault_challenges_then_asks_for_a_grant_that_takes_effect_later() {
    let mut scene = Scene::new();
    let deployer = unsigned(&scene.spec.tenant, VAULT);
    let challenge = scene.secret("GET", "key", None, "");
    assert_eq!(challenge.status, 401);
    let header = challenge.headers["www-authenticate"].to_str().unwrap();
    assert!(
        header.contains("resource=\"https://vault.azure.net\""),
        "{header}"
    );
    assert_eq!(
        scene
            .secret("PUT", "key", Some(&deployer), r#"{"value":"v"}"#)
            .status,
        200
    );

    scene.federate(
        "external-secret-operator",
        "system:serviceaccount:airflow:airflow",
    );
    scene.pass(5);
    let (_, token) = scene.exchange("airflow", AUDIENCE);
    let refused = scene.secret("GET", "key", Some(&token), "");
    assert_eq!(
        refused.body["error"]["innererror"]["code"],
        "ForbiddenByPolicy"
    );
    let policy = json!({"properties": {"accessPolicies": [{
        "tenantId": scene.spec.tenant,
        "objectId": scene.spec.principal_id,
        "permissions": {"secrets": ["Get"]},
    }]}});
    let path = format!("{}/accessPolicies/add", scene.vault());
    assert_eq!(scene.arm("PUT", &path, &policy).status, 200);
    assert_eq!(scene.secret("GET", "key", Some(&token), "").status, 403);
    scene.pass(2);
    let read = scene.secret("GET", "KEY", Some(&token), "");
    assert_eq!((read.status, read.body["value"].as_str()), (200, Some("v")));
    assert_eq!(
        scene
            .secret("PUT", "key", Some(&token), r#"{"value":"w"}"#)
            .status,
        403
    );
}

#[test]
fn access_policies_are_merged_by_holder() {
    let mut scene = Scene::new();
    let vault = scene.vault();
    let mut write = |how: &str, permissions: &[&str]| {
        let body = json!({"properties": {"accessPolicies": [{
            "tenantId": "t", "objectId": "o", "permissions": {"secrets": permissions},
        }]}});
        let path = format!("{vault}/accessPolicies/{how}");
        let seen = scene.arm("PUT", &path, &body);
        let policies = seen.body["properties"]["accessPolicies"]
            .as_array()
            .unwrap()
            .clone();
        let of = |object: &str| {
            policies
                .iter()
                .find(|policy| policy["objectId"] == object)
                .map(|policy| policy["permissions"]["secrets"].clone())
        };
        assert!(of(DEPLOYER).is_some(), "other holders stay");
        of("o")
    };
    assert_eq!(write("add", &["get"]), Some(json!(["get"])));
    assert_eq!(write("add", &["list", "GET"]), Some(json!(["get", "list"])));
    assert_eq!(write("replace", &["set"]), Some(json!(["set"])));
    assert_eq!(write("remove", &["Set"]), None);
}

#[test]
fn in_role_mode_policies_are_ignored_and_roles_count_after_a_while() {
    let spec = WorldSpec {
        vault_uses_roles: true,
        ..WorldSpec::default()
    };
    let mut scene = Scene::of(spec);
    let deployer = unsigned(&scene.spec.tenant, VAULT);
    assert_eq!(
        scene
            .secret("PUT", "key", Some(&deployer), r#"{"value":"v"}"#)
            .status,
        200
    );
    scene.federate(
        "external-secret-operator",
        "system:serviceaccount:airflow:airflow",
    );
    scene.pass(5);
    let (_, token) = scene.exchange("airflow", AUDIENCE);
    let policy = json!({"properties": {"accessPolicies": [{
        "tenantId": scene.spec.tenant,
        "objectId": scene.spec.principal_id,
        "permissions": {"secrets": ["get"]},
    }]}});
    let path = format!("{}/accessPolicies/add", scene.vault());
    assert_eq!(scene.arm("PUT", &path, &policy).status, 200);
    scene.pass(60);
    let refused = scene.secret("GET", "key", Some(&token), "");
    assert_eq!(
        refused.body["error"]["innererror"]["code"],
        "ForbiddenByRbac"
    );

    let assign = |name: &str, role: &str| {
        let path = format!(
            "{}/secrets/key/providers/Microsoft.Authorization/roleAssignments/{name}",
            scene.vault()
        );
        let body = json!({"properties": {
            "roleDefinitionId": format!("/x/roleDefinitions/{role}"),
            "principalId": scene.spec.principal_id,
            "principalType": "ServicePrincipal",
        }});
        (path, body)
    };
    let user = "4633458b-17de-408a-b874-0445c86b69e6";
    let (path, body) = assign("00000000-0000-4000-8000-000000000001", user);
    let (twin, _) = assign("00000000-0000-4000-8000-000000000002", user);
    let (_, other) = assign("", "7f951dda-4ed3-4680-a7ca-43fe172d538d");
    assert_eq!(scene.arm("PUT", &path, &body).status, 201);
    assert_eq!(scene.arm("PUT", &path, &body).status, 201);
    assert_eq!(
        scene.arm("PUT", &twin, &body).code(),
        "RoleAssignmentExists"
    );
    assert_eq!(
        scene.arm("PUT", &path, &other).code(),
        "RoleAssignmentUpdateNotPermitted"
    );
    assert_eq!(scene.secret("GET", "key", Some(&token), "").status, 403);
    scene.pass(6);
    assert_eq!(scene.secret("GET", "key", Some(&token), "").status, 200);
    let list = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'{}'",
        scene.vault(),
        scene.spec.principal_id
    );
    let listed = scene.arm("GET", &list, &Value::Null);
    assert_eq!(listed.body["value"].as_array().unwrap().len(), 1);
}

#[test]
fn a_deleted_secret_blocks_its_name_until_it_is_recovered() {
    let mut scene = Scene::new();
    let token = unsigned(&scene.spec.tenant, VAULT);
    let token = Some(token.as_str());
    scene.secret("PUT", "key", token, r#"{"value":"v"}"#);
    assert_eq!(scene.secret("DELETE", "key", token, "").status, 200);
    assert_eq!(scene.secret("GET", "key", token, "").status, 404);
    let refused = scene.secret("PUT", "key", token, r#"{"value":"w"}"#);
    assert_eq!(
        refused.body["error"]["innererror"]["code"],
        "ObjectIsDeletedButRecoverable"
    );
    let url = format!(
        "https://{}.vault.azure.net/deletedsecrets/key/recover?api-version=7.4",
        scene.spec.vault
    );
    assert_eq!(scene.send("POST", &url, token, "").status, 200);
    assert_eq!(
        scene.secret("PUT", "key", token, r#"{"value":"w"}"#).status,
        200
    );
    assert_eq!(scene.secret("GET", "key", token, "").body["value"], "w");
}

#[test]
fn a_slow_write_points_to_its_operation() {
    let mut scene = Scene::new();
    let path = format!(
        "{}/providers/Microsoft.ContainerService/managedClusters/{}",
        scene.group(),
        scene.spec.cluster
    );
    let body = scene.arm("GET", &path, &Value::Null).body;
    let seen = scene.arm("PUT", &path, &body);
    assert_eq!(seen.body["properties"]["provisioningState"], "Updating");
    let poll = seen.headers["azure-asyncoperation"]
        .to_str()
        .unwrap()
        .to_owned();
    let token = unsigned(&scene.spec.tenant, ARM);
    assert_eq!(
        scene.send("GET", &poll, Some(&token), "").body["status"],
        "InProgress"
    );
    scene.pass(61);
    assert_eq!(
        scene.send("GET", &poll, Some(&token), "").body["status"],
        "Succeeded"
    );
    let seen = scene.arm("GET", &path, &Value::Null);
    assert_eq!(seen.body["properties"]["provisioningState"], "Succeeded");
    assert_eq!(
        seen.body["properties"]["oidcIssuerProfile"]["issuerURL"],
        scene.spec.issuer_url()
    );
}

#[test]
fn a_cluster_hands_out_its_kubeconfig_unless_local_accounts_are_off() {
    use base64::engine::general_purpose::STANDARD;
    let mut scene = Scene::new();
    let cluster = scene.spec.cluster.clone();
    scene
        .state
        .kubeconfigs
        .insert(cluster.clone(), "kind: Config".into());
    let path = format!(
        "{}/providers/Microsoft.ContainerService/managedClusters/{cluster}",
        scene.group()
    );
    let user = scene.arm(
        "POST",
        &format!("{path}/listClusterUserCredential"),
        &Value::Null,
    );
    let text = user.body["kubeconfigs"][0]["value"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(STANDARD.decode(text).unwrap(), b"kind: Config");
    let change = json!({"properties": {"disableLocalAccounts": true}});
    assert_eq!(scene.arm("PATCH", &path, &change).status, 200);
    let admin = scene.arm(
        "POST",
        &format!("{path}/listClusterAdminCredential"),
        &Value::Null,
    );
    assert_eq!(admin.status, 400);
}

#[test]
fn storage_has_keys_containers_and_a_lifecycle() {
    let mut scene = Scene::new();
    let account = format!(
        "{}/providers/Microsoft.Storage/storageAccounts/{}",
        scene.group(),
        scene.spec.storage_account
    );
    let keys = scene.arm("POST", &format!("{account}/listKeys"), &Value::Null);
    assert_eq!(keys.body["keys"][0]["value"], scene.spec.storage_key);
    let second = keys.body["keys"][1]["value"].clone();
    let renew = format!("{account}/regenerateKey");
    let renewed = scene.arm("POST", &renew, &json!({"keyName": "key2"}));
    assert_ne!(renewed.body["keys"][1]["value"], second);

    let container = format!("{account}/blobServices/default/containers/airflow-logs");
    let body = json!({"properties": {"publicAccess": "None"}});
    assert_eq!(
        scene.arm("GET", &container, &Value::Null).code(),
        "ContainerNotFound"
    );
    assert_eq!(scene.arm("PUT", &container, &body).status, 201);
    assert_eq!(scene.arm("PUT", &container, &body).status, 200);

    let policy = format!("{account}/managementPolicies/default");
    assert_eq!(scene.arm("GET", &policy, &Value::Null).status, 404);
    let rule = json!({"name": "r", "type": "Lifecycle", "definition": {"actions": {}}});
    let rules = json!({"properties": {"policy": {"rules": [rule]}}});
    assert_eq!(scene.arm("PUT", &policy, &rules).status, 200);
    let twice = json!({"properties": {"policy": {"rules": [rule, rule]}}});
    assert_eq!(scene.arm("PUT", &policy, &twice).status, 400);
}

#[test]
fn blobs_need_a_role_or_the_key() {
    let mut scene = Scene::new();
    let account = scene.spec.storage_account.clone();
    let base = format!("https://{account}.blob.core.windows.net/logs");
    let token = unsigned(&scene.spec.tenant, "https://storage.azure.com");
    let container = format!("{base}?restype=container");
    assert_eq!(scene.send("PUT", &container, None, "").status, 401);
    let refused = scene.send("PUT", &container, Some(&token), "");
    assert_eq!(
        refused.headers["x-ms-error-code"],
        "AuthorizationPermissionMismatch"
    );

    let scope = format!(
        "{}/providers/Microsoft.Storage/storageAccounts/{account}",
        scene.group()
    );
    let path = format!(
        "{scope}/providers/Microsoft.Authorization/roleAssignments/\
         00000000-0000-4000-8000-000000000001"
    );
    let body = json!({"properties": {
        "roleDefinitionId": "/x/ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "principalId": DEPLOYER,
        "principalType": "User",
    }});
    assert_eq!(scene.arm("PUT", &path, &body).status, 201);
    scene.pass(6);
    assert_eq!(scene.send("PUT", &container, Some(&token), "").status, 201);
    let again = scene.send("PUT", &container, Some(&token), "");
    assert_eq!(again.headers["x-ms-error-code"], "ContainerAlreadyExists");
    let missing = scene.send("GET", &format!("{base}/dag%2Fx.log"), Some(&token), "");
    assert_eq!(missing.headers["x-ms-error-code"], "BlobNotFound");
    let elsewhere = format!("https://{account}.blob.core.windows.net/none/x");
    let missing = scene.send("GET", &elsewhere, Some(&token), "");
    assert_eq!(missing.headers["x-ms-error-code"], "ContainerNotFound");
}

#[test]
fn an_import_takes_a_tag_once() {
    let mut scene = Scene::new();
    let path = format!(
        "{}/providers/Microsoft.ContainerRegistry/registries/{}/importImage",
        scene.group(),
        scene.spec.registry
    );
    let body = json!({
        "source": {"registryUri": "docker.io", "sourceImage": "apache/airflow:9.9.9"},
        "targetTags": ["airflow:9.9.9"],
        "mode": "NoForce",
    });
    assert_eq!(scene.arm("POST", &path, &body).status, 200);
    assert_eq!(scene.arm("POST", &path, &body).code(), "Conflict");
    let image = format!("{}/airflow:9.9.9", scene.spec.registry_host());
    assert!(scene.state.has_image(&image));
}

#[test]
fn the_state_survives_being_written_and_read() {
    let mut scene = Scene::new();
    scene.federate(
        "external-secret-operator",
        "system:serviceaccount:airflow:airflow",
    );
    let text = serde_json::to_string(&scene.state).unwrap();
    scene.state = serde_json::from_str(&text).unwrap();
    scene.pass(5);
    assert_eq!(scene.exchange("airflow", AUDIENCE).0, 0);
}
