{{/* Values that each are possible and together are not. Every `fail` is a sentence that says what to do. */}}

{{- define "inkwell.minPods" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicaCount (ne .Values.autoscaling.mode "") -}}
{{- end }}
{{- define "inkwell.maxPods" -}}
{{- ternary .Values.autoscaling.maxReplicas .Values.replicaCount (ne .Values.autoscaling.mode "") -}}
{{- end }}

{{- define "inkwell.checks" -}}
{{- include "inkwell.checkAccess" . -}}
{{- include "inkwell.checkModels" . -}}
{{- include "inkwell.checkStorage" . -}}
{{- include "inkwell.checkSettings" . -}}
{{- include "inkwell.checkGrace" . -}}
{{- include "inkwell.checkNetwork" . -}}
{{- include "inkwell.checkScaling" . -}}
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
{{- $preload := splitList "," (include "inkwell.preload" .) }}
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
{{- range list "name" "instance" "component" }}
{{- if hasKey $.Values.podLabels (printf "app.kubernetes.io/%s" .) }}
{{- fail (printf "podLabels sets app.kubernetes.io/%s, by which the pods are selected: choose another label." .) }}
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

{{- define "inkwell.checkNetwork" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.enabled needs a name: add one to ingress.hosts." }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled needs a Gateway: name it in httpRoute.parentRefs." }}
{{- end }}
{{- $service := .Values.service }}
{{- if and $service.nodePort (eq $service.type "ClusterIP") }}
{{- fail "service.nodePort has no effect with service.type=ClusterIP: set NodePort or LoadBalancer." }}
{{- end }}
{{- if and $service.loadBalancerSourceRanges (ne $service.type "LoadBalancer") }}
{{- fail (printf "service.loadBalancerSourceRanges has no effect with service.type=%s." $service.type) }}
{{- end }}
{{- end }}

{{- define "inkwell.checkScaling" -}}
{{- $scaling := .Values.autoscaling }}
{{- $min := int $scaling.minReplicas }}
{{- if $scaling.mode }}
{{- if ne (int .Values.replicaCount) 1 }}
{{- fail "replicaCount has no effect with autoscaling.mode: set autoscaling.minReplicas." }}
{{- end }}
{{- if gt $min (int $scaling.maxReplicas) }}
{{- fail (printf "autoscaling.minReplicas is %d, above autoscaling.maxReplicas, which is %d." $min (int $scaling.maxReplicas)) }}
{{- end }}
{{- include "inkwell.checkMode" . }}
{{- end }}
{{- $pdb := .Values.pdb }}
{{- if and $pdb.enabled (regexMatch "^[0-9]+$" (toString $pdb.minAvailable)) }}
{{- if ge (int $pdb.minAvailable) (int (include "inkwell.minPods" .)) }}
{{- fail (printf "pdb.minAvailable is %d, and there may be only %s pods: nodes could never be drained." (int $pdb.minAvailable) (include "inkwell.minPods" .)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "inkwell.checkMode" -}}
{{- $scaling := .Values.autoscaling }}
{{- $wake := and $scaling.keda.wake.query $scaling.keda.wake.perReplica }}
{{- if and (eq $scaling.mode "hpa-cpu") .Values.gpu.enabled }}
{{- fail "autoscaling.mode=hpa-cpu looks at the processor, which tells nothing of a GPU's load: use hpa-queue or keda." }}
{{- end }}
{{- if and (eq $scaling.mode "hpa-cpu") (not (dig "requests" "cpu" "" .Values.resources)) }}
{{- fail "autoscaling.mode=hpa-cpu measures against resources.requests.cpu: set it." }}
{{- end }}
{{- if and (eq (int $scaling.minReplicas) 0) (or (ne $scaling.mode "keda") (not $wake)) }}
{{- fail "autoscaling.minReplicas=0 needs mode=keda, and keda.wake.query and keda.wake.perReplica: pods that do not run report no requests." }}
{{- end }}
{{- if eq $scaling.mode "keda" }}
{{- if not $scaling.keda.serverAddress }}
{{- fail "autoscaling.mode=keda asks Prometheus: set autoscaling.keda.serverAddress." }}
{{- end }}
{{- if and $scaling.keda.wake.query (gt (int $scaling.minReplicas) 0) }}
{{- fail "autoscaling.keda.wake is for autoscaling.minReplicas=0: leave its query empty." }}
{{- end }}
{{- if gt (int $scaling.keda.fallbackReplicas) (int $scaling.maxReplicas) }}
{{- fail "autoscaling.keda.fallbackReplicas is above autoscaling.maxReplicas." }}
{{- end }}
{{- end }}
{{- end }}
