{{/* Rejects contradictory values about network access and monitoring. */}}

{{- define "inkwell.checkNetwork" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.enabled needs a host: add one to ingress.hosts." }}
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

{{/* No egress rule is needed for a collector in the same pod, which network policies do not affect, or if tracing is
disabled. */}}
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
{{- fail (printf "extraEnv sets %s, but the NetworkPolicy blocks all outbound traffic: let traces reach the collector with networkPolicy.extraEgress." .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Both values are durations in Prometheus's notation, which the schema enforces. */}}
{{- define "inkwell.checkWatching" -}}
{{- $epoch := toDate "2006-01-02" "2000-01-01" }}
{{- $monitor := .Values.serviceMonitor }}
{{- if gt (dateModify $monitor.scrapeTimeout $epoch).UnixNano (dateModify $monitor.interval $epoch).UnixNano }}
{{- fail (printf "serviceMonitor.scrapeTimeout is %s, but serviceMonitor.interval is only %s: Prometheus would reject the scrape configuration." $monitor.scrapeTimeout $monitor.interval) }}
{{- end }}
{{- end }}
