//! Workload identity on AKS: what the cluster and the managed identity are, namespace and
//! ServiceAccount, whom the identity trusts, how to log in, and the proof that trust works.
//!
//! The parts are [`Step`](converge::Step)s ([`FactsStep`], [`NamespaceStep`],
//! [`ServiceAccountStep`], [`FederatedCredentialStep`]) and functions ([`login`], [`prove_trust`],
//! [`findings`]). The crate asks Azure through [`azure::Arm`] and the cluster through
//! [`kube_cluster::Cluster`]; it refuses to know vaults, storage and Airflow.
//!
//! Client id and principal id, which everybody mixes up once, are two types:
//!
//! ```compile_fail
//! fn annotate(_: aks_identity::ClientId) {}
//! fn grant(principal: aks_identity::PrincipalId) {
//!     annotate(principal);
//! }
//! ```

mod cluster_facts;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod exchange;
mod facts;
mod federation;
mod identities;
mod login;
mod names;
mod namespace;
mod service_account;

pub use cluster_facts::{CLUSTERS, ClusterFacts, Finding, Severity, findings};
pub use error::IdentityError;
pub use exchange::{ExchangeError, ExchangePatience, ExchangeQuestion, prove_trust};
pub use facts::{Facts, FactsSeen, FactsStep};
pub use federation::{Convergence, CredentialsSeen, FederatedCredentialStep, converge_credential};
#[cfg(any(test, feature = "mock"))]
pub use identities::MockIdentities;
pub use identities::{
    AUDIENCE, ArmIdentities, FederatedCredential, Identities, IdentityFacts, MOST_CREDENTIALS,
};
pub use login::{
    EntraTokens, Entrance, SERVER_SCOPE, entrance, login, login_with_kubeconfig, user_kubeconfig,
};
pub use names::{
    ClientId, CredentialName, IdentityName, NameError, NamespaceName, PrincipalId,
    ServiceAccountName, TenantId, subject_of,
};
pub use namespace::NamespaceStep;
pub use service_account::{
    CLIENT_ID_ANNOTATION, ServiceAccountSeen, ServiceAccountStep, TENANT_ID_ANNOTATION,
};
