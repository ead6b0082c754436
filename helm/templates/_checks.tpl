{{/* Rejects values that are valid individually but contradict each other. Every `fail` message says what to do. */}}

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

{{/* In Helm, null removes the whole default. */}}
{{- define "inkwell.checkNulls" -}}
{{- range list "startupProbe" "livenessProbe" "readinessProbe" "resources" "settings" }}
{{- if not (kindIs "map" (index $.Values .)) }}
{{- fail (printf "%s is null, but it is required: override single entries, with null for those you do not want." .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Selectors rely on these labels. */}}
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
{{- fail (printf "%s sets %s, which the chart sets itself: choose another label." $name .) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "inkwell.checkAccess" -}}
{{- if and .Values.open .Values.apiKeys.existingSecret }}
{{- fail "open serves clients without keys, but apiKeys.existingSecret requires keys: choose one." }}
{{- end }}
{{- if not (or .Values.open .Values.apiKeys.existingSecret) }}
{{- fail "Name the Secret with the keys file in apiKeys.existingSecret, or set open=true to serve clients without keys." }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.open) (not .Values.serviceMonitor.existingSecret) }}
{{- fail "serviceMonitor.enabled needs a key for /metrics: put one with the scope metrics into a Secret and name the Secret in serviceMonitor.existingSecret." }}
{{- end }}
{{- end }}

{{- define "inkwell.checkModels" -}}
{{- $models := .Values.models }}
{{- if and $models.download (not .Values.persistence.enabled) }}
{{- fail "models.download needs a volume for the models: set persistence.enabled=true." }}
{{- end }}
{{- $folders := list }}
{{- range $models.download }}
{{- $folders = append $folders (include "inkwell.folder" .) }}
{{- end }}
{{- if ne (len $folders) (len (uniq $folders)) }}
{{- fail (printf "Two entries of models.download would use the same folder (%s): give one of them another name with `as`." (join ", " $folders)) }}
{{- end }}
{{- $default := include "inkwell.defaultModel" . }}
{{- if not $default }}
{{- fail "The chart does not know which models the volume holds: set models.default, or name a model in models.download." }}
{{- end }}
{{- $preload := splitList "," (include "inkwell.models.preload" .) }}
{{- if and $folders (not .Values.persistence.existingClaim) }}
{{- range $preload }}
{{- if not (has . $folders) }}
{{- fail (printf "The model %s is to be loaded at startup, but nothing puts it into the new volume: add it to models.download." .) }}
{{- end }}
{{- end }}
{{- end }}
{{- $most := int (default 3 .Values.settings.maxModels) }}
{{- if gt (len $preload) $most }}
{{- fail (printf "%d models are to be loaded at startup, but settings.maxModels is %d: loading the last would evict the first." (len $preload) $most) }}
{{- end }}
{{- end }}

{{- define "inkwell.checkStorage" -}}
{{- $modes := .Values.persistence.accessModes }}
{{- if and (include "inkwell.oneNode" .) (gt (int (include "inkwell.maxPods" .)) 1) }}
{{- fail (printf "%s pods cannot share a volume with access mode %s: set persistence.accessModes to [ReadWriteMany] or [ReadOnlyMany]." (include "inkwell.maxPods" .) (join ", " $modes)) }}
{{- end }}
{{- $readOnly := eq (join "," $modes) "ReadOnlyMany" }}
{{- if and .Values.persistence.enabled $readOnly (not .Values.persistence.existingClaim) }}
{{- fail "Models cannot be written into a new volume with access mode ReadOnlyMany: name a claim that holds them in persistence.existingClaim, or use ReadWriteMany." }}
{{- end }}
{{- if and .Values.models.download (not (has "ReadWriteMany" $modes)) (not (has "ReadWriteOnce" $modes)) }}
{{- fail (printf "A Job cannot write into a volume with access mode %s while the service uses it: use ReadWriteOnce or ReadWriteMany, or leave models.download empty." (join ", " $modes)) }}
{{- end }}
{{- end }}

{{- define "inkwell.checkSettings" -}}
{{- range .Values.extraEnv }}
{{- if or (hasPrefix "INKWELL_" .name) (eq .name "TMPDIR") }}
{{- fail (printf "extraEnv sets %s, which the chart sets itself: use settings, or the chart value for it." .name) }}
{{- end }}
{{- end }}
{{- range .Values.models.jobEnv }}
{{- if has .name (list "HOME" "HF_ENDPOINT" "HF_TOKEN") }}
{{- fail (printf "models.jobEnv sets %s, which the chart sets itself: configure the mirror and the token in models.hub." .name) }}
{{- end }}
{{- end }}
{{- $device := include "inkwell.device" . }}
{{- if and .Values.settings.maxMemory (ne $device "spread") }}
{{- fail "settings.maxMemory applies only to models that are spread across GPUs: set gpu.enabled=true and gpu.count above 1." }}
{{- end }}
{{- $requests := int (.Values.settings.maxRequests | default 72) }}
{{- $connections := int (.Values.settings.maxConnections | default 250) }}
{{- if gt $requests (sub $connections 8 | int) }}
{{- fail (printf "settings.maxRequests is %d and settings.maxConnections %d: it must be at least 8 more, which stay free for probes and refusals." $requests $connections) }}
{{- end }}
{{- if and .Values.gpu.enabled (has .Values.settings.dtype (list "int8" "int4")) }}
{{- fail (printf "settings.dtype=%s runs only on CPUs: choose another, or set gpu.enabled=false." .Values.settings.dtype) }}
{{- end }}
{{- end }}

{{/* The launcher waits up to 315 s for requests; Apache has been observed to take another ten to end its processes. */}}
{{- define "inkwell.checkGrace" -}}
{{- $request := int (include "inkwell.requestSeconds" .) }}
{{- if gt $request 315 }}
{{- fail (printf "settings.requestTimeoutS is %d, but shutdown waits only 315 s for requests: longer ones would be aborted." $request) }}
{{- end }}
{{- $needed := add .Values.preStopSeconds $request 15 }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $needed) }}
{{- fail (printf "terminationGracePeriodSeconds is %d, but shutdown can take %d: the sum of preStopSeconds, settings.requestTimeoutS and 15 s." (int .Values.terminationGracePeriodSeconds) (int $needed)) }}
{{- end }}
{{- end }}
