{{/* What NetworkPolicies let out. */}}

{{/* A rule for names: 53, and 5353 where OpenShift's servers listen. */}}
{{- define "inkwell.namesEgress" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
    - {port: 5353, protocol: UDP}
    - {port: 5353, protocol: TCP}
{{- end }}

{{/* The port of an address such as https://name:8443/path or user@name:3128. */}}
{{- define "inkwell.portOf" -}}
{{- $authority := . | regexFind "^([a-z0-9+]+://)?[^/?#]*" -}}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" -}}
{{- default (ternary "80" "443" (hasPrefix "http://" .)) $port -}}
{{- end }}

{{/* Ports on which Jobs reach the hub: those of the values, and of a mirror or proxy that the values name. */}}
{{- define "inkwell.hubPorts" -}}
{{- $ports := list }}
{{- range .Values.networkPolicy.hubPorts }}
{{- $ports = append $ports (toString .) }}
{{- end }}
{{- with .Values.models.hub.endpoint }}
{{- $ports = append $ports (include "inkwell.portOf" .) }}
{{- end }}
{{- range .Values.models.jobEnv }}
{{- if and .value (regexMatch "(?i)^(https?|all)_proxy$" .name) }}
{{- $ports = append $ports (include "inkwell.portOf" .value) }}
{{- end }}
{{- end }}
{{- uniq $ports | join "," -}}
{{- end }}
