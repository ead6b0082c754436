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
{{- define "inkwell.preload" -}}
{{- prepend .Values.models.preload (include "inkwell.defaultModel" .) | uniq | join "," -}}
{{- end }}

{{/* "yes" where only the pods of one node can mount the volume. */}}
{{- define "inkwell.oneNode" -}}
{{- $modes := .Values.persistence.accessModes -}}
{{- if and .Values.persistence.enabled (not (has "ReadWriteMany" $modes)) (not (has "ReadOnlyMany" $modes)) -}}yes{{- end -}}
{{- end }}

{{/* Mount of the models; takes whether it is read-only. */}}
{{- define "inkwell.modelsMount" -}}
- {name: models, mountPath: /models, readOnly: {{ . }}}
{{- end }}
{{- define "inkwell.modelsVolume" -}}
- name: models
  persistentVolumeClaim: {claimName: {{ include "inkwell.claim" . }}}
{{- end }}
