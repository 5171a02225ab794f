"""The guide's steps in Azure by Microsoft's Python SDKs: vault, identity, storage and blob.

Some twice, since each step may be taken again; prints one JSON document of what it was answered.
Arguments: tenant, application, its secret, subscription, a file with a ServiceAccount's token.
"""

import json
import sys
import time

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import ClientSecretCredential, WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.resource.subscriptions import SubscriptionClient
from azure.mgmt.storage import StorageManagementClient
from azure.storage.blob import BlobServiceClient

tenant, application, secret, subscription, token_file = sys.argv[1:6]
group, cluster = "apache-airflow-rg", "apache-airflow-aks"
identity, vault = "airflow-identity-123", "airflow-vault-123-kv"
account, container = "airflowsasa123", "airflow-logs"
credential = ClientSecretCredential(tenant, application, secret)
said = {}

said["subscription"] = SubscriptionClient(credential).subscriptions.get(subscription).state

# Storage: the account, its key, the container, how long logs are kept.
storage = StorageManagementClient(credential, subscription)
found = storage.storage_accounts.get_properties(group, account)
said["account"] = {"kind": found.kind, "blob": found.primary_endpoints.blob}
key = storage.storage_accounts.list_keys(group, account)["keys"][0]["value"]
made = storage.blob_containers.create(
    group, account, container, {"properties": {"publicAccess": "None"}}
)
said["container"] = storage.blob_containers.get(group, account, made.name).name
try:
    storage.management_policies.get(group, account, "default")
except ResourceNotFoundError as error:
    said["no lifecycle"] = error.status_code
days = {"delete": {"daysAfterCreationGreaterThan": 90}}
rule = {
    "name": "expire-airflow-logs",
    "enabled": True,
    "type": "Lifecycle",
    "definition": {
        "actions": {
            "baseBlob": {"delete": {"daysAfterModificationGreaterThan": 90}},
            "snapshot": days,
            "version": days,
        },
        "filters": {"blobTypes": ["blockBlob"], "prefixMatch": [f"{container}/"]},
    },
}
kept = storage.management_policies.create_or_update(
    group, account, "default", {"properties": {"policy": {"rules": [rule]}}}
)
said["lifecycle"] = [one.name for one in kept.properties.policy.rules]

# The vault, its two secrets, and the identity's right to read them.
vaults = KeyVaultManagementClient(credential, subscription)
url = vaults.vaults.get(group, vault).properties.vault_uri
secrets = SecretClient(url, credential)
wanted = {
    "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME": account,
    "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY": key,
}
for name, value in wanted.items():
    secrets.set_secret(name, value, tags={"managed-by": "aks-airflow"})
said["secrets"] = [secrets.get_secret(name).value == value for name, value in wanted.items()]
try:
    secrets.get_secret("NOT-THERE")
except ResourceNotFoundError as error:
    said["missing secret"] = [error.status_code, error.error.code]

identities = ManagedServiceIdentityClient(credential, subscription)
who = identities.user_assigned_identities.get(group, identity)
permission = {
    "tenantId": tenant,
    "objectId": who.principal_id,
    "permissions": {"secrets": ["get"]},
}
policies = vaults.vaults.update_access_policy(
    group, vault, "add", {"properties": {"accessPolicies": [permission]}}
)
said["policy"] = [
    policy.permissions.secrets
    for policy in policies.properties.access_policies
    if policy.object_id == who.principal_id
]

# The federated credential for the cluster's ServiceAccount.
clusters = ContainerServiceClient(credential, subscription)
issuer = clusters.managed_clusters.get(group, cluster).oidc_issuer_profile.issuer_url
federated = identities.federated_identity_credentials
for _ in range(2):
    federated.create_or_update(
        group,
        identity,
        "external-secret-operator",
        {
            "properties": {
                "issuer": issuer,
                "subject": "system:serviceaccount:airflow:airflow",
                "audiences": ["api://AzureADTokenExchange"],
            }
        },
    )
said["credentials"] = [one.subject for one in federated.list(group, identity)]
try:
    federated.create_or_update(
        group,
        identity,
        "of-the-same-subject",
        {
            "properties": {
                "issuer": issuer,
                "subject": "system:serviceaccount:airflow:airflow",
                "audiences": ["api://AzureADTokenExchange"],
            }
        },
    )
except HttpResponseError as error:
    said["second credential"] = [error.status_code, error.error.code if error.error else None]

# The ServiceAccount reads the vault, as the operator does.
pod = WorkloadIdentityCredential(
    tenant_id=tenant, client_id=who.client_id, token_file_path=token_file
)
for _ in range(60):  # The federated credential and the grant are on their way.
    try:
        pod.get_token("https://vault.azure.net/.default")
        break
    except ClientAuthenticationError as error:
        assert "AADSTS70021" in error.message, error
        time.sleep(1)
reader = SecretClient(url, pod)
said["read by the pod"] = [reader.get_secret(name).value == value for name, value in wanted.items()]

# Blobs by the account's key: a marker and a log, and back.
blobs = BlobServiceClient(f"https://{account}.blob.core.windows.net", credential=key)
logs = blobs.get_container_client(container)
try:
    logs.create_container()
except ResourceExistsError as error:
    said["container again"] = [error.status_code, error.error_code]
marker = b"aks-airflow wrote this to see that the container takes and gives.\n"
logs.upload_blob("_aks-airflow/marker", marker, overwrite=True)
said["marker"] = logs.download_blob("_aks-airflow/marker").readall() == marker
body = b"line of a log\n" * 100_000
logs.upload_blob("dag_id=a/run_id=b/task_id=c/attempt=1.log", body, overwrite=True)
said["log"] = logs.download_blob("dag_id=a/run_id=b/task_id=c/attempt=1.log").readall() == body
said["logs"] = [blob.name for blob in logs.list_blobs(name_starts_with="dag_id=a/")]
wrong = BlobServiceClient(
    f"https://{account}.blob.core.windows.net", credential="d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXk="
)
try:
    list(wrong.get_container_client(container).list_blobs())
except HttpResponseError as error:
    said["wrong key"] = [error.status_code, error.error_code]
logs.delete_blob("dag_id=a/run_id=b/task_id=c/attempt=1.log")
said["logs after"] = [blob.name for blob in logs.list_blobs(name_starts_with="dag_id=a/")]

print(json.dumps(said))
