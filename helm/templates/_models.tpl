{{/* Model names and the model volume. */}}

{{/* The folder of an entry of `models.download`, which is also the model's name. */}}
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

{{/* Models that are loaded at startup, comma-separated. */}}
{{- define "inkwell.models.preload" -}}
{{- prepend .Values.models.preload (include "inkwell.defaultModel" .) | uniq | join "," -}}
{{- end }}

{{/* "yes" if only the pods of one node can mount the volume. */}}
{{- define "inkwell.oneNode" -}}
{{- $modes := .Values.persistence.accessModes -}}
{{- if and .Values.persistence.enabled (not (has "ReadWriteMany" $modes)) (not (has "ReadOnlyMany" $modes)) -}}yes{{- end -}}
{{- end }}

{{/* Number of requests that a pod computes at once: settings.maxRows, limited by the number of whole contexts of the
default model that fit into settings.cacheMib. The table has the MiB per context of known models, at two bytes per
number. */}}
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

{{/* Mount of the model volume; takes whether it is read-only. */}}
{{- define "inkwell.modelsMount" -}}
- {name: models, mountPath: /models, readOnly: {{ . }}}
{{- end }}
{{/* The volume is declared read-only if its only access mode is ReadOnlyMany; many volume types require that for
attaching it to several nodes. */}}
{{- define "inkwell.modelsVolume" -}}
{{- $readOnly := eq (join "," .Values.persistence.accessModes) "ReadOnlyMany" -}}
- name: models
  persistentVolumeClaim: {claimName: {{ include "inkwell.claim" . }}{{ if $readOnly }}, readOnly: true{{ end }}}
{{- end }}

{{/* Delays the service until the models that it loads at startup are in the volume: otherwise they would only be loaded
with the first request. */}}
{{- define "inkwell.waitForModels" -}}
- name: wait-for-models
  {{- include "inkwell.container" . | nindent 2 }}
  # Shows the container's last log lines in the pod's status.
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
