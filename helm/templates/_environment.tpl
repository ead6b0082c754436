{{/* Environment variables of the service. */}}

{{/* A value in the notation that the service parses. Helm reads numbers as floats and would print a million as 1e+06. */}}
{{- define "inkwell.text" -}}
{{- if kindIs "slice" . -}}
{{ join "," . }}
{{- else if kindIs "bool" . -}}
{{ ternary "1" "0" . }}
{{- else if kindIs "float64" . -}}
{{ ternary (printf "%.0f" .) (toString .) (eq (floor .) .) }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}

{{- define "inkwell.device" -}}
{{- if not .Values.gpu.enabled -}}cpu
{{- else if eq (int .Values.gpu.count) 1 -}}cuda
{{- else -}}spread
{{- end -}}
{{- end }}

{{- define "inkwell.environment" -}}
- {name: INKWELL_HOST, value: 0.0.0.0}
- {name: INKWELL_PORT, value: "8000"}
- {name: INKWELL_DEVICE, value: {{ include "inkwell.device" . }}}
- {name: INKWELL_DEFAULT_MODEL, value: {{ include "inkwell.defaultModel" . | quote }}}
- {name: INKWELL_PRELOAD, value: {{ include "inkwell.models.preload" . | quote }}}
{{- if .Values.persistence.enabled }}
- {name: INKWELL_MODELS_DIR, value: /models}
{{- end }}
{{- if .Values.open }}
- {name: INKWELL_OPEN, value: "1"}
{{- else }}
- {name: INKWELL_KEYS_FILE, value: /etc/inkwell/keys}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: INKWELL_{{ snakecase $name | upper }}, value: {{ include "inkwell.text" $value | quote }}}
{{- end }}
{{- if and (not (hasKey .Values.settings "threads")) (dig "limits" "cpu" "" .Values.resources) }}
- name: INKWELL_THREADS
  valueFrom:
    resourceFieldRef: {resource: limits.cpu}
{{- end }}
# For the run folder with its sockets; /run and /tmp are the only writable folders.
- {name: TMPDIR, value: /run}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
