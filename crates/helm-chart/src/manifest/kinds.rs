//! The order in which kinds are installed and uninstalled (Helm `kind_sorter.go`).

use crate::Profile;

const INSTALL_ORDER: &[&str] = &[
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// The kinds only Helm 4 orders stand at the end of the list.
const HELM_3_KINDS: usize = 36;

/// Place of a kind in the order of installation; `None` for kinds that come last, by name.
pub fn install_rank(kind: &str, profile: Profile) -> Option<usize> {
    let known = match profile {
        Profile::Helm4 => INSTALL_ORDER,
        Profile::Helm3 => &INSTALL_ORDER[..HELM_3_KINDS],
    };
    known.iter().position(|name| *name == kind)
}

/// Sorts items by kind in the order of installation; equal kinds keep their order.
pub fn sort_for_install<T>(items: &mut [T], kind: impl Fn(&T) -> &str, profile: Profile) {
    sort(items, kind, |kind| install_rank(kind, profile));
}

/// Sorts items by kind in the order of removal; equal kinds keep their order.
pub fn sort_for_uninstall<T>(items: &mut [T], kind: impl Fn(&T) -> &str, profile: Profile) {
    sort(items, kind, |kind| {
        install_rank(kind, profile).map(|rank| INSTALL_ORDER.len() - rank)
    });
}

fn sort<T>(items: &mut [T], kind: impl Fn(&T) -> &str, rank: impl Fn(&str) -> Option<usize>) {
    items.sort_by(|a, b| {
        let (a, b) = (kind(a), kind(b));
        match (rank(a), rank(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => a.cmp(b),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{sort_for_install, sort_for_uninstall};
    use crate::Profile;

    #[test]
    fn kinds_have_their_order_and_strangers_come_last() {
        let mut kinds = [
            "Zebra",
            "ValidatingWebhookConfiguration",
            "Job",
            "Alpaca",
            "Namespace",
            "Service",
        ];
        sort_for_install(&mut kinds, |kind| kind, Profile::Helm4);
        assert_eq!(
            kinds,
            [
                "Namespace",
                "Service",
                "Job",
                "ValidatingWebhookConfiguration",
                "Alpaca",
                "Zebra"
            ]
        );
        sort_for_install(&mut kinds, |kind| kind, Profile::Helm3);
        assert_eq!(
            kinds,
            [
                "Namespace",
                "Service",
                "Job",
                "Alpaca",
                "ValidatingWebhookConfiguration",
                "Zebra"
            ]
        );
        sort_for_uninstall(&mut kinds, |kind| kind, Profile::Helm4);
        assert_eq!(
            kinds,
            [
                "ValidatingWebhookConfiguration",
                "Job",
                "Service",
                "Namespace",
                "Alpaca",
                "Zebra"
            ]
        );
    }
}
