//! External Secrets' own controller: it reads the vault by itself, and its words are understood.

use std::time::Duration;

use aks_airflow_e2e::{Failed, NAMESPACE};
use serde_json::json;

use crate::ground::{Ground, expect, words};

const WANTED: &str = "/apis/external-secrets.io/v1beta1/namespaces/airflow/externalsecrets/\
    airflow-aks-azure-logs-secrets";

/// The Secret was written by the controller, which had exchanged a token of the ServiceAccount and
/// read the vault: with an API version that nobody else here asks for.
pub(crate) async fn its_own_requests_brought_the_secret(ground: &Ground) -> Result<(), Failed> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets/storage-account-credentials");
    let secret = ground.get(&path).await?;
    let managers = secret["metadata"]["managedFields"].to_string();
    expect(managers.contains("external-secrets"), || managers.clone())?;
    let requests = ground.aks.sandbox.requests();
    for name in ["NAME", "KEY"] {
        let read = requests.iter().find(|request| {
            request.path.contains(&format!("STORAGE-ACCOUNT-{name}"))
                && request.path.ends_with("api-version=7.0")
        });
        expect(read.is_some_and(|read| read.status == Some(200)), || {
            format!("{name} was not read: {requests:#?}")
        })?;
    }
    Ok(())
}

/// Without its federated credential the controller is refused, and the status says why, with Entra's
/// number, from what the controller itself says.
pub(crate) async fn a_lost_credential_is_named(ground: &Ground) -> Result<(), Failed> {
    let world = ground.aks.sandbox.world();
    let kept = world.update(|state| {
        let resources = &mut state.azure.resources;
        let key = resources
            .keys()
            .find(|key| key.contains("/federatedidentitycredentials/"))?
            .clone();
        resources.remove(&key).map(|credential| (key, credential))
    });
    let (key, credential) = kept.ok_or("no federated credential is there")?;
    let force = json!({"metadata": {"annotations": {"force-sync": "1"}}});
    ground.aks.api.merge(WANTED, &force).await?;
    let mut tries = 0;
    let told = loop {
        let clients = ground.world().await?;
        let status = ground.deployment.status(&clients).await;
        let causes = status.map_err(|error| words(&error))?.causes();
        let named = causes.iter().find(|cause| cause.contains("AADSTS70025"));
        if let Some(named) = named {
            break named.clone();
        }
        tries += 1;
        expect(tries < 30, || format!("not named: {causes:#?}"))?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    world.update(|state| state.azure.resources.insert(key, credential));
    let is_a_sentence = told.contains("Entra refuses the token") && !told.contains('{');
    expect(is_a_sentence, || told.clone())?;
    expect(told.contains("airflow-aks-azure-logs-secrets"), || told)
}
