{{/* The one namespace that everything is in. */}}
{{- define "ambit.namespace" -}}ambit-system{{- end -}}

{{/* Labels of every object; pass (dict "root" $ "name" "ambit-controller"). */}}
{{- define "ambit.labels" -}}
{{ include "ambit.selector" . }}
app.kubernetes.io/part-of: ambit
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Of the node agents of a node. The first has the plain name. */}}
{{- define "ambit.slots" -}}
{{- ternary "a b" "a" (eq (int .Values.nodeAgent.perNode) 2) -}}
{{- end -}}

{{/* Labels that pods are found by. They must never change: a Deployment's selector cannot. */}}
{{- define "ambit.selector" -}}
app.kubernetes.io/name: {{ .name }}
{{- end -}}

{{/* Name, namespace and labels of an object in our namespace. */}}
{{- define "ambit.metadata" -}}
name: {{ .name }}
namespace: {{ include "ambit.namespace" .root }}
labels:
  {{- include "ambit.labels" . | nindent 2 }}
{{- end -}}

{{/* Labels and annotations of a pod; pass (dict "root" $ "name" ... "values" .Values.controller). */}}
{{- define "ambit.podMetadata" -}}
labels:
  {{- include "ambit.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: ambit
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What an image is called; pass (dict "root" $ "image" "controller"). */}}
{{- define "ambit.imageName" -}}
{{- with .root.Values.images -}}
{{ printf "%s/%s:%s" .registry $.image (.tag | default $.root.Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* Image of a container; pass (dict "root" $ "image" "controller"). */}}
{{- define "ambit.image" -}}
image: {{ include "ambit.imageName" . | quote }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
{{- end -}}

{{- define "ambit.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Variables that all processes have. */}}
{{- define "ambit.env.log" -}}
- name: AMBIT_LOG_LEVEL
  value: {{ .Values.log.level | quote }}
- name: AMBIT_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
{{- end -}}

{{- define "ambit.env.nodeName" -}}
- name: AMBIT_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- end -}}

{{- define "ambit.env.podNamespace" -}}
- name: AMBIT_POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- end -}}

{{/*
Pod and service ranges, separated by commas. Without a value they are what the API server says of its nodes and services;
without that the chart refuses, because outside these ranges unknown addresses are reached in plaintext.
*/}}
{{- define "ambit.meshCidrs" -}}
{{- include "ambit.checks" . -}}
{{- if .Values.mesh.cidrs -}}
{{- join "," .Values.mesh.cidrs -}}
{{- else -}}
{{- $pods := list -}}
{{- range (lookup "v1" "Node" "" "").items -}}
{{- $pods = concat $pods (.spec.podCIDRs | default list) -}}
{{- end -}}
{{- $services := list -}}
{{- if .Capabilities.APIVersions.Has "networking.k8s.io/v1/ServiceCIDR" -}}
{{- range (lookup "networking.k8s.io/v1" "ServiceCIDR" "" "").items -}}
{{- $services = concat $services (.spec.cidrs | default list) -}}
{{- end -}}
{{- end -}}
{{- if or (empty $pods) (empty $services) -}}
{{- fail "\n\nmesh.cidrs is empty, and the API server does not tell which ranges pods and services have.\nSet the pod and service ranges of the cluster, for instance --set 'mesh.cidrs={10.244.0.0/16,10.96.0.0/12}'.\n" -}}
{{- end -}}
{{- concat $services $pods | uniq | join "," -}}
{{- end -}}
{{- end -}}

{{/* Whole seconds of a duration such as 90s, 10m, 1h, which values.schema.json has checked. */}}
{{- define "ambit.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- mul $number (index (dict "s" 1 "m" 60 "h" 3600) $unit) -}}
{{- end -}}

{{/* Container settings of small programs that need nothing: hooks and tests. */}}
{{- define "ambit.restricted" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What would go wrong later is refused now, in words. */}}
{{- define "ambit.checks" -}}
{{- $namespace := include "ambit.namespace" . }}
{{- if ne .Release.Namespace $namespace }}
{{- fail (printf "\n\nAmbit is installed in the namespace %s, not in %s: use --namespace %s --create-namespace.\n" $namespace .Release.Namespace $namespace) }}
{{- end }}
{{- with lookup "rbac.authorization.k8s.io/v1" "ClusterRole" "" "ambit-controller" }}
{{- $annotations := .metadata.annotations | default dict }}
{{- $owner := index $annotations "meta.helm.sh/release-name" | default "" }}
{{- if ne $owner $.Release.Name }}
{{- fail (printf "\n\nThis cluster has Ambit already, as the release %q in %s. Two cannot share a cluster: upgrade that one (helm upgrade %s ...), or uninstall it first.\n" $owner (index $annotations "meta.helm.sh/release-namespace" | default "no namespace") $owner) }}
{{- end }}
{{- end }}
{{- end -}}
