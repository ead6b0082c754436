{{/* Outbound rules of NetworkPolicies. */}}

{{/* Allows DNS: port 53, and port 5353 for OpenShift's DNS pods. */}}
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

{{/* Ports on which Jobs may reach the hub: networkPolicy.hubPorts, and the ports of a configured mirror or proxy. */}}
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
