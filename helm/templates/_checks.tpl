{{/* Values that each are possible and together are not. Every `fail` is a sentence that says what to do. */}}

{{- define "inkwell.checks" -}}
{{- include "inkwell.checkNulls" . -}}
{{- include "inkwell.checkLabels" . -}}
{{- include "inkwell.checkAccess" . -}}
{{- include "inkwell.checkModels" . -}}
{{- include "inkwell.checkStorage" . -}}
{{- include "inkwell.checkSettings" . -}}
{{- include "inkwell.checkGrace" . -}}
{{- include "inkwell.checkNetwork" . -}}
{{- include "inkwell.checkWatching" . -}}
{{- include "inkwell.checkScaling" . -}}
{{- end }}

{{/* A null takes a default away, whole. */}}
{{- define "inkwell.checkNulls" -}}
{{- range list "startupProbe" "livenessProbe" "readinessProbe" "resources" "settings" }}
{{- if not (kindIs "map" (index $.Values .)) }}
{{- fail (printf "%s is null, and cannot be left out: change single entries of it, to null where you do not want one." .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* By these labels pods and Services are found. */}}
{{- define "inkwell.checkLabels" -}}
{{- $pods := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" }}
{{- $objects := concat $pods (list "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart") }}
{{- include "inkwell.refuseLabels" (list "podLabels" .Values.podLabels $pods) }}
{{- include "inkwell.refuseLabels" (list "commonLabels" .Values.commonLabels $objects) }}
{{- range list "service" "serviceMonitor" "prometheusRule" "dashboard" }}
{{- include "inkwell.refuseLabels" (list (printf "%s.labels" .) (index $.Values .).labels $objects) }}
{{- end }}
{{- end }}
{{- define "inkwell.refuseLabels" -}}
{{- $name := first . }}
{{- $labels := index . 1 }}
{{- range last . }}
{{- if hasKey $labels . }}
{{- fail (printf "%s sets %s, which is the chart's own: choose another label." $name .) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "inkwell.checkAccess" -}}
{{- if and .Values.open .Values.apiKeys.existingSecret }}
{{- fail "open lets everybody in without keys, and apiKeys.existingSecret asks for keys: choose one." }}
{{- end }}
{{- if not (or .Values.open .Values.apiKeys.existingSecret) }}
{{- fail "Name the Secret with the file of keys in apiKeys.existingSecret, or set open=true to let everybody in." }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.open) (not .Values.serviceMonitor.existingSecret) }}
{{- fail "serviceMonitor.enabled needs a key to read /metrics with: put one of the scope metrics into a Secret and name it in serviceMonitor.existingSecret." }}
{{- end }}
{{- end }}

{{- define "inkwell.checkModels" -}}
{{- $models := .Values.models }}
{{- if and $models.download (not .Values.persistence.enabled) }}
{{- fail "models.download needs a place to put the models: set persistence.enabled=true." }}
{{- end }}
{{- $folders := list }}
{{- range $models.download }}
{{- $folders = append $folders (include "inkwell.folder" .) }}
{{- end }}
{{- if ne (len $folders) (len (uniq $folders)) }}
{{- fail (printf "Two entries of models.download would become the same folder (%s): give one of them another name with as." (join ", " $folders)) }}
{{- end }}
{{- $default := include "inkwell.defaultModel" . }}
{{- if not $default }}
{{- fail "The volume's models are not known here: set models.default, or name a model in models.download." }}
{{- end }}
{{- $preload := splitList "," (include "inkwell.models.preload" .) }}
{{- if and $folders (not .Values.persistence.existingClaim) }}
{{- range $preload }}
{{- if not (has . $folders) }}
{{- fail (printf "The model %s is to be loaded at the start and nothing puts it into the new volume: add it to models.download." .) }}
{{- end }}
{{- end }}
{{- end }}
{{- $most := int (default 3 .Values.settings.maxModels) }}
{{- if gt (len $preload) $most }}
{{- fail (printf "%d models are to be loaded at the start and settings.maxModels is %d: the first would make room for the last." (len $preload) $most) }}
{{- end }}
{{- end }}

{{- define "inkwell.checkStorage" -}}
{{- $modes := .Values.persistence.accessModes }}
{{- if and (include "inkwell.oneNode" .) (gt (int (include "inkwell.maxPods" .)) 1) }}
{{- fail (printf "%s pods cannot share a volume of %s: set persistence.accessModes to [ReadWriteMany] or [ReadOnlyMany]." (include "inkwell.maxPods" .) (join ", " $modes)) }}
{{- end }}
{{- $readOnly := eq (join "," $modes) "ReadOnlyMany" }}
{{- if and .Values.persistence.enabled $readOnly (not .Values.persistence.existingClaim) }}
{{- fail "Nobody can write models into a new volume of ReadOnlyMany: name one that holds them in persistence.existingClaim, or use ReadWriteMany." }}
{{- end }}
{{- if and .Values.models.download (not (has "ReadWriteMany" $modes)) (not (has "ReadWriteOnce" $modes)) }}
{{- fail (printf "A Job cannot write into a volume of %s beside the service: use ReadWriteOnce or ReadWriteMany, or leave models.download empty." (join ", " $modes)) }}
{{- end }}
{{- end }}

{{- define "inkwell.checkSettings" -}}
{{- range .Values.extraEnv }}
{{- if or (hasPrefix "INKWELL_" .name) (eq .name "TMPDIR") }}
{{- fail (printf "extraEnv sets %s, which is the chart's own: use settings, or the value that is made for it." .name) }}
{{- end }}
{{- end }}
{{- range .Values.models.jobEnv }}
{{- if has .name (list "HOME" "HF_ENDPOINT" "HF_TOKEN") }}
{{- fail (printf "models.jobEnv sets %s, which is the chart's own: models.hub has the mirror and the token." .name) }}
{{- end }}
{{- end }}
{{- $device := include "inkwell.device" . }}
{{- if and .Values.settings.maxMemory (ne $device "spread") }}
{{- fail "settings.maxMemory is for models that are spread over GPUs: set gpu.enabled=true and gpu.count above 1." }}
{{- end }}
{{- if and .Values.gpu.enabled (has .Values.settings.dtype (list "int8" "int4")) }}
{{- fail (printf "settings.dtype=%s computes on CPUs alone: choose another, or set gpu.enabled=false." .Values.settings.dtype) }}
{{- end }}
{{- end }}

{{/* The launcher waits 315 s for requests, and Apache has been seen to take ten more to collect its processes. */}}
{{- define "inkwell.checkGrace" -}}
{{- $request := int (include "inkwell.requestSeconds" .) }}
{{- if gt $request 315 }}
{{- fail (printf "settings.requestTimeoutS is %d and a stop waits 315 s for requests: longer ones would be cut." $request) }}
{{- end }}
{{- $needed := add .Values.preStopSeconds $request 15 }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $needed) }}
{{- fail (printf "terminationGracePeriodSeconds is %d and a stop can take %d: preStopSeconds, settings.requestTimeoutS and 15 s." (int .Values.terminationGracePeriodSeconds) (int $needed)) }}
{{- end }}
{{- end }}
