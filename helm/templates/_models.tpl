{{/* Which models there are, and where. */}}

{{/* The folder that one entry of `models.download` becomes, which is the model's name. */}}
{{- define "inkwell.folder" -}}
{{- default (base .name) .as -}}
{{- end }}

{{- define "inkwell.defaultModel" -}}
{{- if .Values.models.default -}}
{{ .Values.models.default }}
{{- else if .Values.models.download -}}
{{ include "inkwell.folder" (first .Values.models.download) }}
{{- else if not .Values.persistence.enabled -}}
demo
{{- end -}}
{{- end }}

{{/* Models that are loaded at the start, with commas between them. */}}
{{- define "inkwell.models.preload" -}}
{{- prepend .Values.models.preload (include "inkwell.defaultModel" .) | uniq | join "," -}}
{{- end }}

{{/* "yes" where only the pods of one node can mount the volume. */}}
{{- define "inkwell.oneNode" -}}
{{- $modes := .Values.persistence.accessModes -}}
{{- if and .Values.persistence.enabled (not (has "ReadWriteMany" $modes)) (not (has "ReadOnlyMany" $modes)) -}}yes{{- end -}}
{{- end }}

{{/* How many requests a pod computes at once: settings.maxRows, but no more than settings.cacheMib holds whole contexts of
the default model. Of known models a context's keys and values take this many MiB in two bytes a number. */}}
{{- define "inkwell.rows" -}}
{{- $contexts := dict "124m" 36 "gpt2" 36 "355m" 96 "gpt2-medium" 96 "774m" 180 "gpt2-large" 180 "1558m" 300 "gpt2-xl" 300 "gpt-j-6b" 896 -}}
{{- $most := int (default 16 .Values.settings.maxRows) -}}
{{- $context := int (get $contexts (lower (include "inkwell.defaultModel" .))) -}}
{{- if eq (toString .Values.settings.dtype) "float32" -}}
{{- $context = mul 2 $context -}}
{{- end -}}
{{- $fitting := div (int (default 4096 .Values.settings.cacheMib)) (max 1 $context) -}}
{{- ternary $most (max 1 (min $most $fitting)) (eq (int $context) 0) -}}
{{- end }}

{{/* Mount of the models; takes whether it is read-only. */}}
{{- define "inkwell.modelsMount" -}}
- {name: models, mountPath: /models, readOnly: {{ . }}}
{{- end }}
{{/* The volume itself is read-only where nothing else is possible: many kinds are then attached to several nodes. */}}
{{- define "inkwell.modelsVolume" -}}
{{- $readOnly := eq (join "," .Values.persistence.accessModes) "ReadOnlyMany" -}}
- name: models
  persistentVolumeClaim: {claimName: {{ include "inkwell.claim" . }}{{ if $readOnly }}, readOnly: true{{ end }}}
{{- end }}

{{/* Starts before the service and ends when the models that it loads at the start are there: a service that starts
first would load them with the first request. */}}
{{- define "inkwell.waitForModels" -}}
- name: wait-for-models
  {{- include "inkwell.container" . | nindent 2 }}
  # What it says at its end stands in the pod's status.
  terminationMessagePolicy: FallbackToLogsOnError
  command: [python, -m, scripts.wait_for_models]
  args:
    - --models-dir=/models
    {{- range .Values.models.download }}
    - --from={{ include "inkwell.folder" . }}={{ .name }}{{ with .revision }}@{{ . }}{{ end }}
    {{- end }}
    {{- range splitList "," (include "inkwell.models.preload" .) }}
    - {{ . | quote }}
    {{- end }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
    limits: {memory: 64Mi}
  volumeMounts:
    {{- include "inkwell.modelsMount" true | nindent 4 }}
{{- end }}
