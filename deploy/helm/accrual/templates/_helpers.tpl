{{- define "accrual.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "accrual.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "accrual.labels" -}}
{{ include "accrual.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "accrual.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Words and numbers of JSON are those of TOML. */}}
{{- define "accrual.toml" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "http" (merge (dict "listen" "0.0.0.0:8080") ($config.http | default dict)) }}
{{- range $key, $value := $config }}
{{- if not (kindIs "map" $value) -}}
{{ $key }} = {{ mustToRawJson $value }}
{{ end }}
{{- end }}
{{- range $section, $settings := $config }}
{{- if kindIs "map" $settings -}}
[{{ $section }}]
{{ range $key, $value := $settings }}
{{- if not (kindIs "map" $value) -}}
{{ $key }} = {{ mustToRawJson $value }}
{{ end }}
{{- end }}
{{- range $key, $table := $settings }}
{{- if kindIs "map" $table -}}
[{{ $section }}.{{ $key }}]
{{ range $name, $value := $table -}}
{{ mustToRawJson $name }} = {{ mustToRawJson $value }}
{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "accrual.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "accrual.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "accrual.mounts" -}}
- {name: config, mountPath: /etc/accrual, readOnly: true}
{{- range $index, $certificate := .Values.certificates }}
- {name: certificate-{{ $index }}, mountPath: {{ $certificate.path }}, readOnly: true}
{{- end }}
{{- end }}

{{/* Of a ConfigMap's name and the root. */}}
{{- define "accrual.volumes" -}}
- name: config
  configMap: {name: {{ .configMap }}}
{{- range $index, $certificate := .root.Values.certificates }}
- name: certificate-{{ $index }}
  secret: {secretName: {{ $certificate.secret }}}
{{- end }}
{{- end }}

{{/* The labels by which Prometheus knows this release's series. */}}
{{- define "accrual.series" -}}
namespace={{ .Release.Namespace | quote }},job={{ include "accrual.fullname" . | quote }}
{{- end }}

{{- define "accrual.scheduling" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
