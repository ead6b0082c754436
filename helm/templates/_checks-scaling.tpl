{{/* Rejects contradictory values about the number of pods. */}}

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
{{- fail "replicaCount has no effect with autoscaling.mode: set autoscaling.minReplicas instead." }}
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

{{/* Empty if pdb.maxUnavailable applies; null counts as empty. */}}
{{- define "inkwell.minAvailable" -}}
{{- if not (kindIs "invalid" .Values.pdb.minAvailable) }}{{ .Values.pdb.minAvailable }}{{ end }}
{{- end }}

{{/* A node drain must be able to evict a pod at the minimum number of pods. Kubernetes rounds percentages up. */}}
{{- define "inkwell.checkDrains" -}}
{{- $least := include "inkwell.minAvailable" . }}
{{- if not $least }}
{{- if eq (int (trimSuffix "%" (toString .Values.pdb.maxUnavailable))) 0 }}
{{- fail (printf "pdb.maxUnavailable is %v: nodes could never be drained; 1 evicts one pod at a time." .Values.pdb.maxUnavailable) }}
{{- end }}
{{- else if gt (int (include "inkwell.maxPods" .)) 0 }}
{{- $pods := int (max 1 (include "inkwell.minPods" .)) }}
{{- $kept := int (trimSuffix "%" $least) }}
{{- if hasSuffix "%" $least }}
{{- $kept = int (div (add (mul $kept $pods) 99) 100) }}
{{- end }}
{{- if and (gt $kept 0) (ge $kept $pods) }}
{{- fail (printf "pdb.minAvailable is %s, but there may be as few pods as %d: nodes could never be drained." $least $pods) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "inkwell.checkMode" -}}
{{- $scaling := .Values.autoscaling }}
{{- $wake := and $scaling.keda.wake.query $scaling.keda.wake.perReplica }}
{{- if and (eq $scaling.mode "hpa-cpu") .Values.gpu.enabled }}
{{- fail "autoscaling.mode=hpa-cpu measures CPU use, which does not reflect a GPU's load: use hpa-queue or keda." }}
{{- end }}
{{- if and (eq $scaling.mode "hpa-cpu") (not (dig "requests" "cpu" "" .Values.resources)) }}
{{- fail "autoscaling.mode=hpa-cpu scales on a percentage of resources.requests.cpu: set it." }}
{{- end }}
{{- if and (eq $scaling.mode "hpa-cpu") (not (dig "limits" "cpu" "" .Values.resources)) (not (int .Values.settings.threads)) }}
{{- fail "autoscaling.mode=hpa-cpu needs a CPU bound: without one, a single stream uses all cores of its node, and CPU use does not reflect the load. Set resources.limits.cpu, or set settings.threads to the value of resources.requests.cpu." }}
{{- end }}
{{- $rows := int (include "inkwell.rows" .) }}
{{- $running := float64 $scaling.targetRunningRequests }}
{{- if and (has $scaling.mode (list "hpa-queue" "keda")) (ge $running (float64 $rows)) }}
{{- fail (printf "autoscaling.targetRunningRequests is %s, but a pod computes %d requests at once at most (limited by settings.maxRows, and by the contexts of the default model that fit into settings.cacheMib): busy pods would be removed. Half of that number is a good target; 0 disables it." (include "inkwell.text" $running) $rows) }}
{{- end }}
{{- if and (eq (int $scaling.minReplicas) 0) (or (ne $scaling.mode "keda") (not $wake)) }}
{{- fail "autoscaling.minReplicas=0 needs mode=keda, keda.wake.query and keda.wake.perReplica: without a running pod, the service reports no requests." }}
{{- end }}
{{- if eq $scaling.mode "keda" }}
{{- if not $scaling.keda.serverAddress }}
{{- fail "autoscaling.mode=keda queries Prometheus: set autoscaling.keda.serverAddress." }}
{{- end }}
{{- if and $scaling.keda.wake.query (gt (int $scaling.minReplicas) 0) }}
{{- fail "autoscaling.keda.wake applies only with autoscaling.minReplicas=0: leave its query empty." }}
{{- end }}
{{- if gt (int $scaling.keda.fallbackReplicas) (int $scaling.maxReplicas) }}
{{- fail "autoscaling.keda.fallbackReplicas is above autoscaling.maxReplicas." }}
{{- end }}
{{- end }}
{{- end }}
