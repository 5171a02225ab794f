//! Lets a managed identity trust a cluster's ServiceAccount, in a simulated Azure; a second look
//! finds nothing to do. `cargo run -p aks-airflow --example federate_an_identity`

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, sync::Arc, time::Duration};

use aks_identity::{ArmIdentities, CredentialName, Facts, FactsStep, FederatedCredentialStep};
use aks_identity::{NamespaceName, ServiceAccountName};
use aks_sandbox::{DEPLOYER, Sandbox};
use azure::{Azure, ResourceId, SandboxCredential};
use converge::{RequestLog, Slot, StepContext};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::seeded(7);
    let spec = sandbox.spec();
    let credential = SandboxCredential::new(&spec.tenant, DEPLOYER);
    let azure = Azure::sandbox_over(sandbox.connector(), credential, RequestLog::new());
    let identities = Arc::new(ArmIdentities::new(azure.arm()));

    let group = ResourceId::resource_group(&spec.subscription, &spec.resource_group)?;
    let aks = group.provider(
        "Microsoft.ContainerService",
        "managedClusters",
        &spec.cluster,
    )?;
    let kind = "userAssignedIdentities";
    let identity = group.provider("Microsoft.ManagedIdentity", kind, &spec.identity)?;

    // What one step learns, the next one reads: the issuer is known once the facts are.
    let facts = Slot::<Facts>::new();
    let read = facts.of(FactsStep {
        arm: azure.arm(),
        identities: identities.clone(),
        cluster: aks,
        identity: identity.clone(),
    });
    let trusted = Slot::new();
    let trust = trusted.of(FederatedCredentialStep {
        identities,
        identity,
        credential: CredentialName::parse("external-secret-operator")?,
        issuer: facts.map(|facts| facts.issuer),
        namespace: NamespaceName::parse("airflow")?,
        service_account: ServiceAccountName::parse("airflow")?,
        take_over: false,
        limit: Duration::from_secs(120),
    });

    let context = StepContext::default();
    for step in [&read, &trust] {
        let outcome = step.run(&context).await?;
        println!("{}: {} ({})", step.name(), outcome.did, outcome.proof);
    }
    println!("trusts {}", trusted.get().ok_or("known by now")?.subject);
    assert!(
        trust.plan(&context).await?.is_empty(),
        "nothing is left to do"
    );
    Ok(())
}
