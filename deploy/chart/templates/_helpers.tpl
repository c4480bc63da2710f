{{- define "gateway.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "gateway.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "gateway.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "gateway.configText" -}}
{{- if kindIs "string" .Values.config }}{{ .Values.config | trim }}{{ else }}{{ toYaml .Values.config }}{{ end }}
{{- end }}

{{/* The port that an address like 0.0.0.0:8443 or [::]:8443 ends in. */}}
{{- define "gateway.portOf" -}}
{{- regexFind "[0-9]+$" (. | toString) | required (printf "config: %v is no host:port" .) }}
{{- end }}

{{/* The ports of a configuration, as JSON. Its own check, of everything, is the gateway's when it starts. */}}
{{- define "gateway.ports" -}}
{{- $config := include "gateway.configText" . | fromYaml }}
{{- if $config.Error }}{{ fail (printf "config is not YAML: %s" $config.Error) }}{{ end }}
{{- $listener := first ($config.listeners | required "config: listeners are missing") }}
{{- $admin := dig "admin" "address" "127.0.0.1:9090" $config }}
{{- if hasPrefix "127." $admin }}{{ fail "config: admin.address must be 0.0.0.0:9090 or the like: probes and Prometheus come from outside the pod" }}{{ end }}
{{- $clients := include "gateway.portOf" $listener.address | int }}
{{- dict "clients" $clients "admin" (include "gateway.portOf" $admin | int) "name" (ternary "https" "http" (hasKey $listener "tls")) | toJson }}
{{- end }}

{{/* The gateway's container; in mode sidecar it is an init container that goes on. */}}
{{- define "gateway.container" -}}
{{- $ports := include "gateway.ports" . | fromJson }}
{{- $sidecar := eq .Values.mode "sidecar" }}
name: gateway
image: {{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve, --config, /etc/s3-kms-gateway/config/gateway.yaml]
{{- if $sidecar }}
# Starts before the application and ends after it.
restartPolicy: Always
{{- end }}
ports:
  {{- if not $sidecar }}
  - { name: {{ $ports.name }}, containerPort: {{ $ports.clients }} }
  {{- end }}
  - { name: admin, containerPort: {{ $ports.admin }} }
{{- $role := and $sidecar .Values.serviceAccount.roleArn }}
{{- if or .Values.env $role }}
env:
  {{- if $role }}
  - { name: AWS_ROLE_ARN, value: {{ .Values.serviceAccount.roleArn | quote }} }
  - { name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /var/run/secrets/s3-kms-gateway/token }
  - { name: AWS_REGION, value: {{ .Values.sidecar.region | quote }} }
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
  seccompProfile: { type: RuntimeDefault }
resources: {{- toYaml .Values.resources | nindent 2 }}
startupProbe:
  httpGet: { path: /livez, port: admin }
  periodSeconds: 1
  failureThreshold: 60
# Only whether the process answers: a backend that is down is no reason to restart it.
livenessProbe:
  httpGet: { path: /livez, port: admin }
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 5
  timeoutSeconds: 5
volumeMounts:
  - { name: gateway-config, mountPath: /etc/s3-kms-gateway/config, readOnly: true }
  {{- if and .Values.secrets.tls (not $sidecar) }}
  - { name: gateway-tls, mountPath: /etc/s3-kms-gateway/tls, readOnly: true }
  {{- end }}
  {{- if and .Values.secrets.clients (not $sidecar) }}
  - { name: gateway-clients, mountPath: /etc/s3-kms-gateway/clients, readOnly: true }
  {{- end }}
  {{- if $role }}
  - { name: gateway-token, mountPath: /var/run/secrets/s3-kms-gateway, readOnly: true }
  {{- end }}
{{- end }}

{{- define "gateway.volumes" -}}
{{- $sidecar := eq .Values.mode "sidecar" }}
- name: gateway-config
  configMap: { name: {{ include "gateway.name" . }} }
{{- if and .Values.secrets.tls (not $sidecar) }}
- name: gateway-tls
  secret: { secretName: {{ .Values.secrets.tls }}, defaultMode: 0440 }
{{- end }}
{{- if and .Values.secrets.clients (not $sidecar) }}
- name: gateway-clients
  secret: { secretName: {{ .Values.secrets.clients }}, defaultMode: 0440 }
{{- end }}
{{- if and $sidecar .Values.serviceAccount.roleArn }}
# The role is the gateway's: no other container of the pod mounts its token.
- name: gateway-token
  projected:
    sources:
      - serviceAccountToken: { audience: sts.amazonaws.com, expirationSeconds: 3600, path: token }
{{- end }}
{{- end }}
