#!/usr/bin/env bash
# Part 3 of the guide by its own commands: az, kubectl and helm, as a reader types them, in its order.
# Part 2's last steps (container, vault secrets) go first, as part 3 presumes them.
# Expects az, kubectl and helm in PATH, a login, and the kubeconfig to be written at $KUBECONFIG.
set -euo pipefail
group=apache-airflow-rg cluster=apache-airflow-aks identity=airflow-identity-123
vault=airflow-vault-123-kv account=airflowsasa123 registry=airflowregistry123
namespace=airflow service_account=airflow

step() { printf '\n== %s\n' "$*"; }

step "part 2: the log container and the vault's secrets"
key=$(az storage account keys list --account-name "$account" --resource-group "$group" --query '[0].value' -o tsv)
az storage container create --name airflow-logs --account-name "$account" --account-key "$key" -o table
az keyvault secret set --vault-name "$vault" --name AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME --value "$account" -o none
az keyvault secret set --vault-name "$vault" --name AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY --value "$key" -o none

step "reach the cluster"
az aks get-credentials --resource-group "$group" --name "$cluster" --overwrite-existing --only-show-errors --file "$KUBECONFIG"
client=$(az identity show --resource-group "$group" --name "$identity" --query clientId -o tsv)
principal=$(az identity show --resource-group "$group" --name "$identity" --query principalId -o tsv)
tenant=$(az account show --query tenantId -o tsv)
vault_url=$(az keyvault show --name "$vault" --query properties.vaultUri -o tsv)
issuer=$(az aks show --resource-group "$group" --name "$cluster" --query oidcIssuerProfile.issuerUrl -o tsv)
server=$(az acr show --name "$registry" --query loginServer -o tsv)

step "namespace and service account"
kubectl create namespace "$namespace" --dry-run=client --output yaml | kubectl apply -f -
kubectl apply -f - <<EOF
apiVersion: v1
kind: ServiceAccount
metadata:
  annotations:
    azure.workload.identity/client-id: "$client"
    azure.workload.identity/tenant-id: "$tenant"
  name: "$service_account"
  namespace: "$namespace"
EOF

step "external secrets operator"
helm repo add external-secrets https://charts.external-secrets.io
helm repo update
helm install external-secrets external-secrets/external-secrets --version 0.10.5 \
  --namespace "$namespace" --create-namespace --set installCRDs=true --wait

step "secrets"
kubectl apply -f - <<EOF
apiVersion: external-secrets.io/v1beta1
kind: SecretStore
metadata:
  name: azure-store
  namespace: $namespace
spec:
  provider:
    azurekv:
      authType: WorkloadIdentity
      vaultUrl: "$vault_url"
      serviceAccountRef:
        name: $service_account
EOF
kubectl apply -f - <<EOF
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata:
  name: airflow-aks-azure-logs-secrets
  namespace: $namespace
spec:
  refreshInterval: 1h
  secretStoreRef:
    kind: SecretStore
    name: azure-store
  target:
    name: storage-account-credentials
    creationPolicy: Owner
  data:
    - secretKey: azurestorageaccountname
      remoteRef: {key: AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME}
    - secretKey: azurestorageaccountkey
      remoteRef: {key: AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY}
EOF

step "workload identity"
az identity federated-credential create --name external-secret-operator --identity-name "$identity" \
  --resource-group "$group" --issuer "$issuer" \
  --subject "system:serviceaccount:$namespace:$service_account" -o table
az keyvault set-policy --name "$vault" --object-id "$principal" --secret-permissions get -o table

step "log volume"
kubectl apply -f - <<EOF
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pv-airflow-logs
  labels:
    type: local
spec:
  capacity: {storage: 5Gi}
  accessModes: [ReadWriteMany]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: azureblob-fuse-premium
  mountOptions: ["-o allow_other", "--file-cache-timeout-in-seconds=120"]
  csi:
    driver: blob.csi.azure.com
    readOnly: false
    volumeHandle: airflow-logs-1
    volumeAttributes:
      resourceGroup: $group
      storageAccount: $account
      containerName: airflow-logs
    nodeStageSecretRef: {name: storage-account-credentials, namespace: $namespace}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: pvc-airflow-logs
  namespace: $namespace
spec:
  storageClassName: azureblob-fuse-premium
  accessModes: [ReadWriteMany]
  resources: {requests: {storage: 5Gi}}
  volumeName: pv-airflow-logs
EOF

step "Airflow"
cat >airflow_values.yaml <<EOF
images:
  airflow: {repository: $server/airflow, tag: 2.9.3, digest: ~, pullPolicy: IfNotPresent}
  useDefaultImageForMigration: false
  migrationsWaitTimeout: 60
  pod_template: {repository: $server/airflow, tag: 2.9.3, pullPolicy: IfNotPresent}
  flower: {repository: $server/airflow, tag: 2.9.3, pullPolicy: IfNotPresent}
  statsd: {repository: $server/statsd-exporter, tag: v0.26.1, pullPolicy: IfNotPresent}
  pgbouncer: {repository: $server/airflow, tag: airflow-pgbouncer-2024.01.19-1.21.0, pullPolicy: IfNotPresent}
  pgbouncerExporter: {repository: $server/airflow, tag: airflow-pgbouncer-exporter-2024.06.18-0.17.0, pullPolicy: IfNotPresent}
  gitSync: {repository: $server/git-sync, tag: v4.1.0, pullPolicy: IfNotPresent}
executor: KubernetesExecutor
env: [{name: ENVIRONMENT, value: dev}]
extraEnv: |
  - name: AIRFLOW__CORE__DEFAULT_TIMEZONE
    value: America/New_York
postgresql: {enabled: true}
pgbouncer: {enabled: true}
dags:
  gitSync:
    enabled: true
    repo: https://github.com/donhighmsft/airflowexamples.git
    branch: main
    rev: HEAD
    depth: 1
    maxFailures: 0
    subPath: dags
logs:
  persistence: {enabled: true, existingClaim: pvc-airflow-logs, storageClassName: azureblob-fuse-premium}
triggerer: {logGroomerSidecar: {enabled: false}}
scheduler: {logGroomerSidecar: {enabled: false}}
workers: {logGroomerSidecar: {enabled: false}}
EOF
helm repo add apache-airflow https://airflow.apache.org
helm repo update
helm search repo airflow
# Since Docker Hub lost the database's image, the guide ends here: the migration waits for a database
# that never comes. The guide gives no --timeout, so that a reader learns of it after five minutes.
helm install airflow apache-airflow/airflow --version 1.15.0 --namespace "$namespace" \
  --create-namespace -f airflow_values.yaml --timeout 40s && exit 1

step "verify"
kubectl get pods -n "$namespace"
