{{/* Update strategy, spread across nodes, and the request timeout. */}}

{{/* The request timeout, rounded up to whole seconds. */}}
{{- define "inkwell.requestSeconds" -}}
{{- ceil (default 300 .Values.settings.requestTimeoutS) -}}
{{- end }}

{{- define "inkwell.strategy" -}}
{{- if .Values.updateStrategy -}}
{{ toYaml .Values.updateStrategy }}
{{- else if include "inkwell.oneNode" . -}}
{{/* A new pod on another node would wait for the volume that the old one holds. */ -}}
type: Recreate
{{- else if .Values.gpu.enabled -}}
{{/* A new pod would wait for a GPU, and most clusters have none to spare. */ -}}
type: RollingUpdate
rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
{{- else -}}
type: RollingUpdate
rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- end -}}
{{- end }}

{{- define "inkwell.spread" -}}
{{- if or .Values.spreadOverNodes .Values.topologySpreadConstraints -}}
topologySpreadConstraints:
  {{- if .Values.spreadOverNodes }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{- include "inkwell.selector" . | nindent 8 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
