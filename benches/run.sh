#!/usr/bin/env bash
# Builds both sides of the render benchmarks and prints their table.
#   run.sh                                  everything
#   run.sh --only warm,tenants --rounds 3   these; see `run.sh --help`
#   PROFILE=dist run.sh                     our side as it is shipped, whole-program optimised
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-release}
tools=${E2E_TOOLS_DIR:-$PWD/target/e2e-tools}

E2E_TOOLS_DIR=$tools e2e/tools/build.sh helm4 >&2
(cd benches/helm-sdk && GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$tools/helm-sdk" .)
cargo build --quiet --profile "$profile" -p aks-airflow -p aks-airflow-benches
exec "target/$profile/render" --helm "$tools/helm4" --helm-sdk "$tools/helm-sdk" --ours "target/$profile/aks-airflow" "$@"
