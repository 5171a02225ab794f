#!/usr/bin/env bash
# Part 3 of the guide with today's tools, in its own order. `az` answers at once and asks nobody: what
# its commands do in Azure is there already. Charts are local archives, as for ours.
#   today.sh CHARTS VALUES HELM KUBECTL WAIT [again]
# WAIT is what Helm is told for External Secrets: `--wait` as in the guide, or `--wait=legacy`.
set -euo pipefail
charts=$1 values=$2 helm=$3 kubectl=$4 wait=$5 again=${6:-}
install=install
[[ -n $again ]] && install=upgrade

az() {
  case "$1 $2" in
    "account show") tenant=11111111-1111-4111-8111-111111111111 ;;
    "identity show") client=33333333-3333-4333-8333-333333333333 ;;
  esac
}

az account show --query tenantId -o tsv
az identity show --name airflow-identity-123 --query clientId -o tsv
"$kubectl" create namespace airflow --dry-run=client -o yaml | "$kubectl" apply -f -
"$kubectl" apply -f - <<YAML
apiVersion: v1
kind: ServiceAccount
metadata:
  name: airflow
  namespace: airflow
  annotations:
    azure.workload.identity/client-id: $client
    azure.workload.identity/tenant-id: $tenant
YAML
"$helm" "$install" external-secrets "$charts/external-secrets-0.10.5.tgz" -n airflow --set installCRDs=true "$wait"
store() {
  "$kubectl" apply -f - <<YAML
apiVersion: external-secrets.io/v1beta1
kind: SecretStore
metadata: {name: azure-store, namespace: airflow}
spec:
  provider:
    azurekv:
      authType: WorkloadIdentity
      vaultUrl: https://airflow-vault-123-kv.vault.azure.net
      serviceAccountRef: {name: airflow}
YAML
}
# The webhook answers some time after `--wait`; people try again.
until store; do sleep 1; done
"$kubectl" apply -f - <<YAML
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: airflow-aks-azure-logs-secrets, namespace: airflow}
spec:
  refreshInterval: 1h
  secretStoreRef: {kind: SecretStore, name: azure-store}
  target: {name: storage-account-credentials, creationPolicy: Owner}
  data:
    - secretKey: azurestorageaccountname
      remoteRef: {key: AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME}
    - secretKey: azurestorageaccountkey
      remoteRef: {key: AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY}
YAML
az identity federated-credential create --name external-secret-operator
az keyvault set-policy --name airflow-vault-123-kv --secret-permissions get
"$kubectl" wait -n airflow --for=condition=Ready externalsecret/airflow-aks-azure-logs-secrets --timeout=120s
"$kubectl" apply -f - <<YAML
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pv-airflow-logs
  labels: {type: local}
spec:
  capacity: {storage: 5Gi}
  accessModes: [ReadWriteMany]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: azureblob-fuse-premium
  mountOptions: [-o allow_other, --file-cache-timeout-in-seconds=120]
  csi:
    driver: blob.csi.azure.com
    readOnly: false
    volumeHandle: airflow-logs-1
    volumeAttributes: {resourceGroup: apache-airflow-rg, storageAccount: airflowsasa123, containerName: airflow-logs}
    nodeStageSecretRef: {name: storage-account-credentials, namespace: airflow}
YAML
"$kubectl" apply -f - <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: pvc-airflow-logs, namespace: airflow}
spec:
  storageClassName: azureblob-fuse-premium
  accessModes: [ReadWriteMany]
  resources: {requests: {storage: 5Gi}}
  volumeName: pv-airflow-logs
YAML
"$kubectl" wait -n airflow --for=jsonpath='{.status.phase}'=Bound pvc/pvc-airflow-logs --timeout=120s
"$helm" "$install" airflow "$charts/airflow-1.15.0.tgz" -n airflow -f "$values"
# What `kubectl get pods` by eye is, without the eye.
for workload in $("$kubectl" get deployments,statefulsets -n airflow -o name); do
  "$kubectl" rollout status -n airflow "$workload" --timeout=300s
done
