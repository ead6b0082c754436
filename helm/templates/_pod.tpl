{{/* Parts shared by all pods of the release. */}}

{{/* Service links are off: they would set variables such as INKWELL_PORT to values that are not ports. */}}
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

{{/* Image and security context of every container. */}}
{{- define "inkwell.container" -}}
image: {{ include "inkwell.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}
