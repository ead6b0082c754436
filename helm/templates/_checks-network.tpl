{{/* Values about reaching and watching the service that contradict each other. */}}

{{- define "inkwell.checkNetwork" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.enabled needs a name: add one to ingress.hosts." }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled needs a Gateway: name it in httpRoute.parentRefs." }}
{{- end }}
{{- include "inkwell.checkTraces" . }}
{{- $service := .Values.service }}
{{- if and $service.nodePort (eq $service.type "ClusterIP") }}
{{- fail "service.nodePort has no effect with service.type=ClusterIP: set NodePort or LoadBalancer." }}
{{- end }}
{{- if and $service.loadBalancerSourceRanges (ne $service.type "LoadBalancer") }}
{{- fail (printf "service.loadBalancerSourceRanges has no effect with service.type=%s." $service.type) }}
{{- end }}
{{- end }}

{{/* A collector beside the service, in the same pod, is reached whatever the policy says; traces that are off
need no way. */}}
{{- define "inkwell.checkTraces" -}}
{{- $off := false }}
{{- range .Values.extraEnv }}
{{- $setting := printf "%s=%s" .name (lower (default "" .value)) }}
{{- $off = or $off (has $setting (list "OTEL_SDK_DISABLED=true" "OTEL_TRACES_EXPORTER=none")) }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.extraEgress) (not $off) }}
{{- range .Values.extraEnv }}
{{- $local := regexMatch "^https?://(localhost|127\\.[0-9.]+|\\[::1\\])([:/]|$)" (default "" .value) }}
{{- if and (regexMatch "^OTEL_EXPORTER_OTLP_(TRACES_)?ENDPOINT$" .name) (not $local) }}
{{- fail (printf "extraEnv sets %s and the NetworkPolicy lets nothing out: let traces reach the collector with networkPolicy.extraEgress." .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Both are written as Prometheus writes durations; the schema holds them to that. */}}
{{- define "inkwell.checkWatching" -}}
{{- $epoch := toDate "2006-01-02" "2000-01-01" }}
{{- $monitor := .Values.serviceMonitor }}
{{- if gt (dateModify $monitor.scrapeTimeout $epoch).UnixNano (dateModify $monitor.interval $epoch).UnixNano }}
{{- fail (printf "serviceMonitor.scrapeTimeout is %s, and serviceMonitor.interval only %s: Prometheus would refuse the scrape." $monitor.scrapeTimeout $monitor.interval) }}
{{- end }}
{{- end }}
