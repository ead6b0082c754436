{{/* The service's container. */}}

{{- define "inkwell.server" -}}
- name: inkwell
  {{- include "inkwell.container" . | nindent 2 }}
  env: {{- include "inkwell.environment" . | nindent 4 }}
  {{- with .Values.extraEnvFrom }}
  envFrom: {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - {name: http, containerPort: 8000, protocol: TCP}
  startupProbe:
    httpGet: {path: /livez, port: http}
    {{- toYaml .Values.startupProbe | nindent 4 }}
  livenessProbe:
    httpGet: {path: /livez, port: http}
    {{- toYaml .Values.livenessProbe | nindent 4 }}
  readinessProbe:
    httpGet: {path: /readyz, port: http}
    {{- toYaml .Values.readinessProbe | nindent 4 }}
  {{- if .Values.preStopSeconds }}
  # The pod keeps serving during this delay, because load balancers and proxies learn of its termination late. After it,
  # the image's stop signal starts the drain.
  lifecycle:
    preStop:
      exec: {command: [sleep, {{ .Values.preStopSeconds | quote }}]}
  {{- end }}
  resources: {{- include "inkwell.resources" . | nindent 4 }}
  volumeMounts:
    - {name: run, mountPath: /run}
    - {name: tmp, mountPath: /tmp}
    {{- if .Values.persistence.enabled }}
    {{- include "inkwell.modelsMount" true | nindent 4 }}
    {{- end }}
    {{- if .Values.apiKeys.existingSecret }}
    - {name: keys, mountPath: /etc/inkwell, readOnly: true}
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "inkwell.resources" -}}
{{- $resources := deepCopy .Values.resources }}
{{- if .Values.gpu.enabled }}
{{- $limits := merge (dict .Values.gpu.resourceName (int .Values.gpu.count)) (default dict $resources.limits) }}
{{- $_ := set $resources "limits" $limits }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{- define "inkwell.volumes" -}}
- {name: run, emptyDir: {sizeLimit: 2Gi}}
- {name: tmp, emptyDir: {sizeLimit: 2Gi}}
{{- if .Values.persistence.enabled }}
{{ include "inkwell.modelsVolume" . }}
{{- end }}
{{- with .Values.apiKeys }}
{{- if .existingSecret }}
- name: keys
  secret: {secretName: {{ .existingSecret }}, defaultMode: 0440, items: [{key: {{ .key | quote }}, path: keys}]}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
