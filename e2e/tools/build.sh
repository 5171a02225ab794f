#!/usr/bin/env bash
# Builds the real components the proofs run against, each from its own pinned module.
# Idempotent: a binary is rebuilt when its go.mod, its go.sum or what it is linked with changed. Nothing
# built is committed.
#   build.sh                    everything but external-secrets, which takes long
#   build.sh helm4 etcd         only these
set -euo pipefail
cd "$(dirname "$0")"
export GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false -mod=readonly"
out=${E2E_TOOLS_DIR:-$PWD/../../target/e2e-tools}
mkdir -p "$out"

wanted=("$@")
want() { # true if the component was asked for, or all are
  [[ ${#wanted[@]} -eq 0 ]] || [[ " ${wanted[*]} " == *" $1 "* ]]
}

build() { # module-folder output-name package [linker flags]
  local key flags="-s -w ${4:-}"
  key=$({ cat "$1/go.mod" "$1/go.sum" && echo "$flags"; } | sha256sum | cut -c1-16)
  if [[ -x $out/$2 && $(cat "$out/.$2.key" 2>/dev/null || true) == "$key" ]]; then
    echo "$2: up to date"
    return
  fi
  echo "$2: building"
  (cd "$1" && go build -tags grpcnotrace -ldflags "$flags" -o "$out/$2" "$3")
  echo "$key" >"$out/.$2.key"
}

version_of() { # module-folder module-path
  (cd "$1" && go list -m -f '{{.Version}}' "$2")
}

if want helm4; then
  build helm4 helm4 helm.sh/helm/v4/cmd/helm "-X helm.sh/helm/v4/internal/version.version=$(version_of helm4 helm.sh/helm/v4)"
fi
if want helm3; then
  # The Kubernetes version it assumes without a cluster comes from the linker alone: its Makefile takes the
  # client's v0.36.2 for Kubernetes 1.36. Without these flags it is v1.20.0. (Helm 4 asks its build info.)
  client=$(version_of helm3 k8s.io/client-go)
  client=${client#v}
  major=$((${client%%.*} + 1))
  minor=${client#*.}
  minor=${minor%%.*}
  flags="-X helm.sh/helm/v3/internal/version.version=$(version_of helm3 helm.sh/helm/v3)"
  for package in pkg/lint/rules pkg/chartutil; do
    flags+=" -X helm.sh/helm/v3/$package.k8sVersionMajor=$major -X helm.sh/helm/v3/$package.k8sVersionMinor=$minor"
  done
  build helm3 helm3 helm.sh/helm/v3/cmd/helm "$flags"
fi
if want etcd; then
  build etcd etcd go.etcd.io/etcd/server/v3
fi
if want kubernetes; then
  kubernetes=$(version_of kubernetes k8s.io/kubernetes)
  minor=${kubernetes#v1.}
  stamp=k8s.io/component-base/version
  flags="-X $stamp.gitVersion=$kubernetes -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*} -X $stamp.gitTreeState=clean"
  for command in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
    build kubernetes "$command" "k8s.io/kubernetes/cmd/$command" "$flags"
  done
fi
if want kwok; then
  build kwok kwok sigs.k8s.io/kwok/cmd/kwok
fi
# Only when named: with the clients of every provider of secrets it takes minutes.
if [[ " ${wanted[*]} " == *" external-secrets "* ]]; then
  build external-secrets external-secrets github.com/external-secrets/external-secrets
fi
