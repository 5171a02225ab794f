//! [`IdentityError`]: what stops this domain's steps. It owns the sentences and the fixes; it
//! refuses to hide what Azure or the cluster said, which is in the source.

use azure::{ArmError, ResourceId};
use kube_cluster::{ClusterError, FieldConflict};

use crate::{CredentialName, NameError};

/// Why identity, namespace, ServiceAccount or login cannot be brought about.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum IdentityError {
    /// The subscription does not take changes.
    #[error("subscription {subscription} is {state}")]
    #[diagnostic(
        code(aka::identity::subscription),
        help("an owner of the subscription must enable it again")
    )]
    SubscriptionUnusable {
        /// Its id.
        subscription: String,
        /// Its state: `Disabled`, `Deleted`.
        state: String,
    },

    /// Something that had to be there is not.
    #[error("{what} `{id}` is not there")]
    #[diagnostic(
        code(aka::identity::missing),
        help("check name, resource group and subscription; the infrastructure must exist first")
    )]
    Missing {
        /// What it is.
        what: &'static str,
        /// Its id.
        id: ResourceId,
    },

    /// The cluster is there and cannot be used as it is.
    #[error("cluster `{cluster}`: {what}")]
    #[diagnostic(code(aka::identity::cluster), help("{fix}"))]
    ClusterUnusable {
        /// Its name.
        cluster: String,
        /// What is wrong.
        what: String,
        /// What to do.
        fix: String,
    },

    /// The namespace is going away.
    #[error("namespace `{namespace}` is {reason}")]
    #[diagnostic(
        code(aka::identity::namespace_terminating),
        help("wait until it is gone and run again, or choose another namespace")
    )]
    NamespaceTerminating {
        /// Its name.
        namespace: String,
        /// What holds it.
        reason: String,
    },

    /// Other managers own fields we declare.
    #[error("{target}: {}", conflicts.iter().map(|one| format!("{} is owned by {}", one.field, one.manager)).collect::<Vec<_>>().join(", "))]
    #[diagnostic(
        code(aka::identity::conflict),
        help("let the other manager keep the field, or take it with `--take FIELD`")
    )]
    Conflict {
        /// The object.
        target: String,
        /// The fields and their managers.
        conflicts: Vec<FieldConflict>,
    },

    /// A federated credential of this name trusts somebody else.
    #[error("federated credential `{name}` trusts `{live}`, not `{wanted}`")]
    #[diagnostic(
        code(aka::identity::credential_name_taken),
        help("choose another name for ours, or take this one over, which ends the other trust")
    )]
    CredentialNameTaken {
        /// The name.
        name: CredentialName,
        /// The subject it trusts.
        live: String,
        /// The subject we want it to trust.
        wanted: String,
    },

    /// An identity holds at most twenty.
    #[error("identity `{identity}` holds {} federated credentials already: {}", names.len(), names.join(", "))]
    #[diagnostic(
        code(aka::identity::credential_limit),
        help("delete one that nothing uses any more, or use another identity; Azure allows 20")
    )]
    CredentialLimit {
        /// The identity's name.
        identity: String,
        /// Those it holds.
        names: Vec<String>,
    },

    /// A name in an answer is not one.
    #[error("Azure's answer about {what} cannot be used")]
    #[diagnostic(code(aka::identity::answer))]
    Name {
        /// About what.
        what: &'static str,
        /// Why.
        #[source]
        source: NameError,
    },

    /// An answer lacks what it must hold.
    #[error("Azure's answer about {what} holds no `{field}`")]
    #[diagnostic(code(aka::identity::answer))]
    Incomplete {
        /// About what.
        what: &'static str,
        /// The field that is missing or not understood.
        field: &'static str,
    },

    /// The cluster wants an Entra login and none was given.
    #[error("cluster `{cluster}` wants an Entra login and no credential was given")]
    #[diagnostic(
        code(aka::identity::login),
        help("configure an Azure credential; kubelogin is not needed")
    )]
    LoginNeeded {
        /// Its name.
        cluster: String,
    },

    /// Azure said no.
    #[error("Azure did not do what was asked")]
    #[diagnostic(code(aka::identity::azure))]
    Arm(
        #[from]
        #[diagnostic_source]
        ArmError,
    ),

    /// The cluster said no.
    #[error("the cluster did not do what was asked")]
    #[diagnostic(code(aka::identity::cluster_request))]
    Cluster(
        #[from]
        #[diagnostic_source]
        ClusterError,
    ),
}
