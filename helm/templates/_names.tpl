{{/* Names, labels and the image, shared by all objects. */}}

{{- define "inkwell.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* At most 40 characters, to leave room for suffixes. */}}
{{- define "inkwell.fullname" -}}
{{- $name := include "inkwell.name" . -}}
{{- $default := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $default .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* Labels of pods; takes (list CONTEXT COMPONENT). They contain no version, because a Deployment's selector and a Job's
pod template are immutable. */}}
{{- define "inkwell.identity" -}}
app.kubernetes.io/name: {{ include "inkwell.name" (first .) | quote }}
app.kubernetes.io/instance: {{ (first .).Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Selector labels of the service's pods. */}}
{{- define "inkwell.selector" -}}
{{- include "inkwell.identity" (list . "server") -}}
{{- end }}

{{/* Labels of an object; takes (list CONTEXT COMPONENT), or (list CONTEXT COMPONENT LABELS) with additional labels. */}}
{{- define "inkwell.labels" -}}
{{- $context := first . -}}
{{ include "inkwell.identity" . }}
app.kubernetes.io/version: {{ $context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $context.Chart.Name $context.Chart.Version | replace "+" "_" }}
{{- $own := ternary (last .) dict (gt (len .) 2) }}
{{- with merge dict $own $context.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "inkwell.image" -}}
{{- $image := .Values.image -}}
{{- $default := ternary (printf "%s-cuda" .Chart.AppVersion) .Chart.AppVersion .Values.gpu.enabled -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{ printf "%s:%s" $image.repository (default $default $image.tag) }}
{{- end -}}
{{- end }}

{{- define "inkwell.serviceAccount" -}}
{{- default (ternary (include "inkwell.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end }}

{{- define "inkwell.claim" -}}
{{- default (printf "%s-models" (include "inkwell.fullname" .)) .Values.persistence.existingClaim -}}
{{- end }}

