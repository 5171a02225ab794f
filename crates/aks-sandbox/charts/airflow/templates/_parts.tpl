{{- define "part.labels" -}}
tier: airflow
component: {{ .component }}
release: {{ .root.Release.Name }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "part.metadata-labels" -}}
{{ include "part.labels" . }}
chart: "{{ .root.Chart.Name }}-{{ .root.Chart.Version }}"
heritage: {{ .root.Release.Service }}
{{- end }}

{{- define "image.airflow" -}}
{{ .Values.images.airflow.repository | default .Values.defaultAirflowRepository }}:{{ .Values.images.airflow.tag | default .Values.defaultAirflowTag }}
{{- end }}

{{- define "image.migration" -}}
{{- if .Values.images.useDefaultImageForMigration -}}
{{ .Values.defaultAirflowRepository }}:{{ .Values.defaultAirflowTag }}
{{- else -}}
{{ include "image.airflow" . }}
{{- end -}}
{{- end }}

{{- define "env.airflow" -}}
{{- $fernet := .Values.fernetKeySecretName | default (printf "%s-fernet-key" .Release.Name) }}
{{- $metadata := .Values.data.metadataSecretName | default (printf "%s-metadata" .Release.Name) }}
{{- $session := .Values.webserverSecretKeySecretName | default (printf "%s-webserver-secret-key" .Release.Name) -}}
- name: AIRFLOW__CORE__FERNET_KEY
  valueFrom: {secretKeyRef: {name: {{ $fernet }}, key: fernet-key}}
- name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN
  valueFrom: {secretKeyRef: {name: {{ $metadata }}, key: connection}}
- name: AIRFLOW__WEBSERVER__SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ $session }}, key: webserver-secret-key}}
{{- end }}

{{- define "env.custom" -}}
{{- range .Values.env }}
- name: {{ .name }}
  value: {{ .value | quote }}
{{- if eq $.Values.executor "KubernetesExecutor" }}
- name: AIRFLOW__KUBERNETES_ENVIRONMENT_VARIABLES__{{ .name }}
  value: {{ .value | quote }}
{{- end }}
{{- end }}
{{- range .Values.secret }}
- name: {{ .envName }}
  valueFrom: {secretKeyRef: {name: {{ .secretName }}, key: {{ .secretKey }}}}
{{- end }}
{{- with .Values.extraEnv }}
{{ tpl . $ }}
{{- end }}
{{- end }}

{{- define "container.wait" -}}
- name: wait-for-airflow-migrations
  image: {{ include "image.migration" . }}
  imagePullPolicy: {{ .Values.images.airflow.pullPolicy }}
  args: [airflow, db, check-migrations, --migration-wait-timeout={{ .Values.images.migrationsWaitTimeout }}]
  env:
    {{- include "env.airflow" . | nindent 4 }}
    {{- include "env.custom" . | indent 4 }}
  volumeMounts:
    - {name: config, mountPath: /opt/airflow/airflow.cfg, subPath: airflow.cfg, readOnly: true}
{{- end }}

{{- define "container.git-sync" -}}
{{- $git := .root.Values.dags.gitSync -}}
- name: {{ .name }}
  image: {{ .root.Values.images.gitSync.repository }}:{{ .root.Values.images.gitSync.tag }}
  imagePullPolicy: {{ .root.Values.images.gitSync.pullPolicy }}
  env:
    - {name: GITSYNC_REPO, value: {{ $git.repo | quote }}}
    - {name: GIT_SYNC_BRANCH, value: {{ $git.branch | quote }}}
    - {name: GIT_SYNC_REV, value: {{ $git.rev | quote }}}
    - {name: GITSYNC_REF, value: {{ $git.ref | quote }}}
    - {name: GITSYNC_DEPTH, value: {{ $git.depth | quote }}}
    - {name: GITSYNC_MAX_FAILURES, value: {{ $git.maxFailures | quote }}}
    - {name: GITSYNC_PERIOD, value: {{ $git.period | quote }}}
    - {name: GITSYNC_ROOT, value: /git}
    - {name: GITSYNC_LINK, value: repo}
    {{- if .once }}
    - {name: GITSYNC_ONE_TIME, value: "true"}
    {{- end }}
    {{- with $git.credentialsSecret }}
    {{- range list "GIT_SYNC_USERNAME" "GITSYNC_USERNAME" "GIT_SYNC_PASSWORD" "GITSYNC_PASSWORD" }}
    - name: {{ . }}
      valueFrom: {secretKeyRef: {name: {{ $git.credentialsSecret }}, key: {{ . }}}}
    {{- end }}
    {{- end }}
    {{- if or $git.sshKeySecret $git.sshKey }}
    - {name: GITSYNC_SSH_KEY_FILE, value: /etc/git-secret/ssh}
    {{- if $git.knownHosts }}
    - {name: GITSYNC_SSH_KNOWN_HOSTS, value: "true"}
    - {name: GITSYNC_SSH_KNOWN_HOSTS_FILE, value: /etc/git-secret/known_hosts}
    {{- else }}
    - {name: GITSYNC_SSH_KNOWN_HOSTS, value: "false"}
    {{- end }}
    {{- end }}
  volumeMounts:
    - {name: dags, mountPath: /git}
    {{- if or $git.sshKeySecret $git.sshKey }}
    - {name: git-sync-ssh-key, mountPath: /etc/git-secret/ssh, subPath: gitSshKey, readOnly: true}
    {{- end }}
{{- end }}

{{- define "volumes.airflow" -}}
- name: config
  configMap: {name: {{ .Release.Name }}-config}
{{- if .Values.dags.gitSync.enabled }}
- name: dags
  emptyDir: {}
{{- if or .Values.dags.gitSync.sshKeySecret .Values.dags.gitSync.sshKey }}
- name: git-sync-ssh-key
  secret: {secretName: {{ .Values.dags.gitSync.sshKeySecret | default (printf "%s-ssh-secret" .Release.Name) }}, defaultMode: 288}
{{- end }}
{{- end }}
{{- if .Values.logs.persistence.enabled }}
- name: logs
  persistentVolumeClaim: {claimName: {{ .Values.logs.persistence.existingClaim | default (printf "%s-logs" .Release.Name) }}}
{{- else }}
- name: logs
  emptyDir: {}
{{- end }}
{{- end }}

{{- define "container.airflow" -}}
- name: {{ .name }}
  image: {{ include "image.airflow" .root }}
  imagePullPolicy: {{ .root.Values.images.airflow.pullPolicy }}
  args: {{ toJson .args }}
  resources: {{ toJson (.resources | default dict) }}
  env:
    {{- include "env.airflow" .root | nindent 4 }}
    {{- include "env.custom" .root | indent 4 }}
  volumeMounts:
    - {name: config, mountPath: /opt/airflow/airflow.cfg, subPath: airflow.cfg, readOnly: true}
    - {name: logs, mountPath: /opt/airflow/logs}
    {{- if and .root.Values.dags.gitSync.enabled .dags }}
    - {name: dags, mountPath: /opt/airflow/dags, readOnly: true}
    {{- end }}
{{- end }}

{{- define "container.groomer" -}}
- name: {{ .name }}
  image: {{ include "image.airflow" .root }}
  imagePullPolicy: {{ .root.Values.images.airflow.pullPolicy }}
  args: [bash, /clean-logs]
  env:
    - {name: AIRFLOW__LOG_RETENTION_DAYS, value: {{ .days | quote }}}
  volumeMounts:
    - {name: logs, mountPath: /opt/airflow/logs}
{{- end }}
