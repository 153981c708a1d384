#!/usr/bin/env bash
# Runs blindseq on the cluster of the current kubeconfig: k8s.sh up|down|secrets|e2e|e2e-long <version>.
# Environment variables:
#   K8S_OVERLAY   overlay to deploy (k8s/overlays/dev)
#   K8S_COMPONENTS  components of k8s/components to add: "redis-sentinel monitoring"
#   K8S_NAMESPACE namespace of the deployment (blindseq)
#   K8S_SECRETS   arguments of blindseq-secrets (for overlays/dev: --keyholders 4 --chain-id 1337; for any other overlay none, so that
#                 nothing of the committee is made)
#   IMAGE_LOADER  command that loads the images given as arguments onto the nodes. The default is `kind load docker-image` on a
#                 kind cluster, and to load nothing elsewhere
#   K8S_TIMEOUT   timeout until pods are ready (300s)
#   BLINDSEQ_K8S_KILL  for e2e: command that kills the container with the given id on its node. By default e2e does so on a kind
#                 cluster with one node, and deletes pods elsewhere
#   K8S_E2E_ARGS  for e2e: arguments of the tests, for example -run
#   BLINDSEQ_SECRETS  path of a built blindseq-secrets. By default it is built
set -euo pipefail
namespace=${K8S_NAMESPACE:-blindseq}
command=$1 version=$2
overlay=${K8S_OVERLAY:-k8s/overlays/dev}
default_secrets=
[ "${overlay%/}" != k8s/overlays/dev ] || default_secrets="--keyholders 4 --chain-id 1337"
names=(producer-svc proposer-svc monitor-svc api-gw dsn-node redis)

say() { printf 'k8s: %s\n' "$*" >&2; }

load() {
  local images=("${names[@]/#/blindseq/}") context loader=${IMAGE_LOADER:-}
  images=("${images[@]/%/:$version}")
  context=$(kubectl config current-context)
  if [ -z "$loader" ] && [[ $context == kind-* ]]; then
    loader="kind load docker-image --name ${context#kind-}"
  fi
  if [ -z "$loader" ]; then
    say "IMAGE_LOADER is not set: the nodes must have, or be able to pull, ${images[*]}"
    return
  fi
  $loader "${images[@]}"
}

# Existing Secrets stay: the chain and every sealed transaction depend on them.
secrets() {
  sed "s/^  name: .*/  name: $namespace/" k8s/base/namespace.yaml | kubectl apply -f - >/dev/null
  if kubectl -n "$namespace" get secret sequencer-key >/dev/null 2>&1; then
    say "the secrets are there, they stay as they are"
    return
  fi
  local program=${BLINDSEQ_SECRETS:-"go run ./k8s/cmd/blindseq-secrets"}
  # shellcheck disable=SC2086 # a command and arguments
  $program --namespace "$namespace" ${K8S_SECRETS:-$default_secrets} | kubectl create -f - >/dev/null
  say "made the secrets; keep a copy of sequencer-key"
}

# Says which values of an overlay are still blank: kustomize itself names those that are not there.
blank() {
  local file empty
  for file in "$overlay"/*.env; do
    [ -e "$file" ] || continue
    empty=$(sed -n 's/^\([A-Z_]*\)= *$/\1/p' "$file" | paste -sd' ')
    [ -z "$empty" ] || { say "$file: give a value to $empty"; return 1; }
  done
}

# Says which Secrets and ConfigMaps the pods of a rendered file mount that neither it nor the cluster has: their pods would wait for ever.
absent() {
  local kind name found=0
  while read -r kind name; do
    kubectl -n "$namespace" get "$kind" "$name" >/dev/null 2>&1 && continue
    say "missing: $kind $name in namespace $namespace (docs/operations.md, \"Secrets\")"
    found=1
  done < <(mounted "$1" | sort -u | grep -vxFf <(kubectl apply --dry-run=client -f "$1" -o name | sed -n 's|^configmap/|configmap |p'))
  return $found
}

mounted() {
  kubectl apply --dry-run=client -f "$1" -o go-template='{{range .items}}{{if or (eq .kind "Deployment") (eq .kind "StatefulSet")}}{{range .spec.template.spec.volumes}}{{with .secret}}{{if not .optional}}secret {{.secretName}}{{"\n"}}{{end}}{{end}}{{with .configMap}}configmap {{.name}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}'
}

# Deploys this version's images and ignores the overlay's tag.
deploy() {
  local dir name
  blank
  dir=$(mktemp -d -p .)
  # shellcheck disable=SC2064 # this folder
  trap "rm -r '$dir'" EXIT
  {
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s\nresources: [../%s]\nimages:\n' "$namespace" "$overlay"
    for name in "${names[@]}"; do printf -- '  - {name: blindseq/%s, newTag: "%s"}\n' "$name" "$version"; done
    printf 'components:\n'
    for name in ${K8S_COMPONENTS:-}; do printf -- '  - ../k8s/components/%s\n' "$name"; done
  } >"$dir/kustomization.yaml"
  kubectl kustomize "$dir" >"$dir/all.yaml"
  # A kubelet that does not isolate local storage reports none, and a pod that asks for some is never scheduled there.
  if ! kubectl get nodes -o jsonpath='{.items[*].status.allocatable.ephemeral-storage}' | grep -q '[1-9]'; then
    echo "k8s: the nodes report no ephemeral storage, so no pod asks for any" >&2
    sed -i '/^ *ephemeral-storage: /d' "$dir/all.yaml"
  fi
  absent "$dir/all.yaml"
  if [ -n "$(kubectl -n "$namespace" get deployment,statefulset -o name)" ]; then
    upgrade "$dir/all.yaml"
  fi
  kubectl apply -f "$dir/all.yaml"
}

# Every workload of a rendered file, with the labels that it shares with its Service.
workloads() {
  kubectl apply --dry-run=client -f "$1" -o go-template='{{range .items}}{{if or (eq .kind "Deployment") (eq .kind "StatefulSet")}}{{.kind}}/{{.metadata.name}} app.kubernetes.io/name={{index .metadata.labels "app.kubernetes.io/name"}}{{with index .metadata.labels "blindseq/authority"}},blindseq/authority={{.}}{{end}}{{"\n"}}{{end}}{{end}}'
}

# Existing workloads are updated one after the other: updating all keyholders at once would leave no quorum.
upgrade() {
  local workload labels
  kubectl apply -f "$1" -l '!app.kubernetes.io/name'
  while read -r workload labels; do
    kubectl apply -f "$1" -l "$labels"
    # The tag of a tree with changes stays the same when the tree changes again.
    [[ $version != *-dirty ]] || kubectl -n "$namespace" rollout restart "$workload"
    kubectl -n "$namespace" rollout status "$workload" --timeout="${K8S_TIMEOUT:-300s}" >/dev/null
  done < <(workloads "$1")
}

ready() {
  local workload
  for workload in $(kubectl -n "$namespace" get deployment,statefulset -o name); do
    kubectl -n "$namespace" rollout status "$workload" --timeout="${K8S_TIMEOUT:-300s}" >/dev/null || {
      say "$workload does not become ready:"
      kubectl -n "$namespace" get pods >&2
      kubectl -n "$namespace" get events --sort-by=.lastTimestamp | tail -n 20 >&2
      return 1
    }
  done
}

up() {
  load
  secrets
  deploy
  ready
  kubectl -n "$namespace" get pods
  cat <<E
Ready. To reach it from here:
  kubectl -n $namespace port-forward service/api-gw 8080 8545 &     # REST and JSON-RPC
  kubectl -n $namespace port-forward service/bundler 3000:3000 &    # JSON-RPC that seals
  token=\$(kubectl -n $namespace get secret api-token -o jsonpath='{.data.token}' | base64 -d)
  curl -X POST -H "Authorization: Bearer \$token" localhost:8080/v1/produce_block
E
}

e2e() {
  local context
  context=$(kubectl config current-context)
  if [[ $context == kind-* ]]; then
    export BLINDSEQ_K8S_KILL=${BLINDSEQ_K8S_KILL:-docker exec ${context#kind-}-control-plane ctr -n k8s.io tasks kill -a -s KILL}
  fi
  # shellcheck disable=SC2086 # arguments
  BLINDSEQ_K8S=1 BLINDSEQ_K8S_NAMESPACE=$namespace go test -count=1 -v -timeout 90m ./e2e/k8s ${K8S_E2E_ARGS:-}
}

case $command in
  up) up ;;
  # Volumes and secrets go with the namespace.
  down) kubectl delete namespace "$namespace" --ignore-not-found ;;
  secrets) secrets ;;
  e2e) e2e ;;
  e2e-long) BLINDSEQ_K8S_KILL_FOR=${BLINDSEQ_K8S_KILL_FOR:-10m} BLINDSEQ_K8S_BLOCKS=${BLINDSEQ_K8S_BLOCKS:-10000} e2e ;;
  *) sed -n '2,3p' "$0" >&2; exit 2 ;;
esac
