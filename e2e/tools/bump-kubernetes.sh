#!/usr/bin/env bash
# Points the Kubernetes tool module at one release: `bump-kubernetes.sh v1.35.8`.
# The staging modules a release replaces are read from its own go.mod, so that no list goes stale.
set -euo pipefail
version=${1:?usage: bump-kubernetes.sh vX.Y.Z}
staging=v0.${version#v1.}
cd "$(dirname "$0")/kubernetes"
export GOTOOLCHAIN=local GOWORK=off GOFLAGS=

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
gomod=$(cd "$scratch" && go mod init scratch.invalid >/dev/null 2>&1 &&
  go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/^[[:space:]]*"GoMod": "\(.*\)",$/\1/p')

edits=("-require=k8s.io/kubernetes@$version")
while read -r module; do
  edits+=("-replace=$module=$module@$staging")
done < <(sed -n 's#^[[:space:]]*\(k8s\.io/[a-z-]*\) => \./staging/.*#\1#p' "$gomod")
go mod edit "${edits[@]}"
go mod tidy
