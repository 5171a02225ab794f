//! Workload identity on AKS: namespace, ServiceAccount, managed identity, federated credential, cluster facts and login.
