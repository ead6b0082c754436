{{/* What every pod of the release is made with. */}}

{{/* Service links would put variables such as INKWELL_PORT into it, with something else in them than a port. */}}
{{- define "inkwell.pod" -}}
serviceAccountName: {{ include "inkwell.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .Values.tolerations .Values.gpu.enabled }}
tolerations:
  {{- with .Values.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if .Values.gpu.enabled }}
  - {key: {{ .Values.gpu.resourceName }}, operator: Exists, effect: NoSchedule}
  {{- end }}
{{- end }}
{{- end }}

{{/* Image and rights of every container. */}}
{{- define "inkwell.container" -}}
image: {{ include "inkwell.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}
