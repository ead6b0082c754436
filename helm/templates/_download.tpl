{{/* The pod of a Job that downloads one model; takes (list CONTEXT MODEL). */}}

{{- define "inkwell.downloadPod" -}}
{{- $context := first . -}}
{{- $model := last . -}}
{{- $hub := $context.Values.models.hub -}}
{{- include "inkwell.pod" $context }}
{{- if include "inkwell.oneNode" $context }}
{{- /* A single-node volume: the Job must run on the node of the service's pod, which waits there for the model. */}}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "inkwell.selector" $context | nindent 12 }}
{{- end }}
restartPolicy: Never
containers:
  - name: download
    {{- include "inkwell.container" $context | nindent 4 }}
    command: [python, -m, scripts.download_model]
    args:
      - {{ $model.name | quote }}
      - --as={{ include "inkwell.folder" $model }}
      - --models-dir=/models
      {{- with $model.revision }}
      - --revision={{ . }}
      {{- end }}
    env:
      - {name: HOME, value: /tmp}
      {{- with $hub.endpoint }}
      - {name: HF_ENDPOINT, value: {{ . | quote }}}
      {{- end }}
      {{- if $hub.existingSecret }}
      - name: HF_TOKEN
        valueFrom:
          secretKeyRef: {name: {{ $hub.existingSecret }}, key: {{ $hub.key | quote }}}
      {{- end }}
      {{- with $context.Values.models.jobEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    resources: {{- toYaml $context.Values.models.jobResources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "inkwell.modelsMount" false | nindent 6 }}
      {{- with $context.Values.models.jobVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 2Gi}}
  {{- include "inkwell.modelsVolume" $context | nindent 2 }}
  {{- with $context.Values.models.jobVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
