{{/* Values about the number of pods that contradict each other. */}}

{{- define "inkwell.minPods" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicaCount (ne .Values.autoscaling.mode "") -}}
{{- end }}
{{- define "inkwell.maxPods" -}}
{{- ternary .Values.autoscaling.maxReplicas .Values.replicaCount (ne .Values.autoscaling.mode "") -}}
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
{{- if .Values.pdb.enabled }}
{{- include "inkwell.checkDrains" . }}
{{- end }}
{{- end }}

{{/* Empty where pdb.maxUnavailable counts; null is as good as empty. */}}
{{- define "inkwell.minAvailable" -}}
{{- if not (kindIs "invalid" .Values.pdb.minAvailable) }}{{ .Values.pdb.minAvailable }}{{ end }}
{{- end }}

{{/* A drain of nodes must be able to take a pod when the fewest run. Kubernetes rounds shares of pods up. */}}
{{- define "inkwell.checkDrains" -}}
{{- $least := include "inkwell.minAvailable" . }}
{{- if not $least }}
{{- if eq (int (trimSuffix "%" (toString .Values.pdb.maxUnavailable))) 0 }}
{{- fail (printf "pdb.maxUnavailable is %v: nodes could never be drained; 1 takes one pod after the other." .Values.pdb.maxUnavailable) }}
{{- end }}
{{- else if gt (int (include "inkwell.maxPods" .)) 0 }}
{{- $pods := int (max 1 (include "inkwell.minPods" .)) }}
{{- $kept := int (trimSuffix "%" $least) }}
{{- if hasSuffix "%" $least }}
{{- $kept = int (div (add (mul $kept $pods) 99) 100) }}
{{- end }}
{{- if and (gt $kept 0) (ge $kept $pods) }}
{{- fail (printf "pdb.minAvailable is %s, and there may be as few pods as %d: nodes could never be drained." $least $pods) }}
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
{{- if and (eq $scaling.mode "hpa-cpu") (not (dig "limits" "cpu" "" .Values.resources)) (not (int .Values.settings.threads)) }}
{{- fail "autoscaling.mode=hpa-cpu needs a bound: without one a single stream takes all cores of its node, and use says nothing. Set resources.limits.cpu, or settings.threads to what resources.requests.cpu asks for." }}
{{- end }}
{{- $rows := int (include "inkwell.rows" .) }}
{{- $running := float64 $scaling.targetRunningRequests }}
{{- if and (has $scaling.mode (list "hpa-queue" "keda")) (ge $running (float64 $rows)) }}
{{- fail (printf "autoscaling.targetRunningRequests is %s, and a pod computes %d requests at once at most (settings.maxRows, and what settings.cacheMib holds of the default model): busy pods would be taken away. Half of them is a good target; 0 is none." (include "inkwell.text" $running) $rows) }}
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
