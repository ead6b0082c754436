{{/* Prometheus queries. */}}

{{/* Selector of this release's series, with the labels that the Prometheus Operator sets. */}}
{{- define "inkwell.series" -}}
job={{ include "inkwell.fullname" . | quote }},namespace={{ .Release.Namespace | quote }}
{{- end }}

{{- define "inkwell.waitQuery" -}}
sum(inkwell_estimated_wait_seconds{ {{- include "inkwell.series" . -}} })
{{- end }}
{{- define "inkwell.runningQuery" -}}
sum(inkwell_requests_running{ {{- include "inkwell.series" . -}} })
{{- end }}

{{/* A KEDA trigger; takes (list CONTEXT QUERY TARGET). No series means no pod, which is acceptable only if 0 are allowed. */}}
{{- define "inkwell.trigger" -}}
{{- $scaling := (first .).Values.autoscaling -}}
- type: prometheus
  metricType: AverageValue
  metadata:
    serverAddress: {{ $scaling.keda.serverAddress | quote }}
    query: {{ index . 1 | quote }}
    threshold: {{ include "inkwell.text" (last .) | quote }}
    ignoreNullValues: {{ ternary "true" "false" (eq (int $scaling.minReplicas) 0) | quote }}
  {{- with $scaling.keda.authenticationRef }}
  authenticationRef: {name: {{ . }}}
  {{- end }}
{{- end }}
