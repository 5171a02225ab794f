#!/usr/bin/env bash
# Installs the real components that are not built from Go modules (those: build.sh), each pinned:
# Azurite from npm, docker-registry from Debian (unpacked only: no service is started), two Airflows
# and Microsoft's az from PyPI by lock files with hashes. Idempotent: a component is installed anew when its lock
# changed. Nothing installed is committed.
#   install.sh                    everything
#   install.sh azurite airflow2   only these
# Ends with an error if a component could not be had; the others are installed all the same.
set -uo pipefail
cd "$(dirname "$0")"
out=${E2E_TOOLS_DIR:-$PWD/../../target/e2e-tools}
mkdir -p "$out"
out=$(cd "$out" && pwd)
limit=${E2E_INSTALL_LIMIT:-300} # seconds for one component

key_of() { # files, and words that matter
  local what
  for what in "$@"; do
    if [[ -f $what ]]; then cat "$what"; else printf '%s\n' "$what"; fi
  done | sha256sum | cut -c1-16
}

up_to_date() { # name program key
  if [[ -e $out/$2 && $(cat "$out/.$1.key" 2>/dev/null || true) == "$3" ]]; then
    echo "$1: up to date"
    return 0
  fi
  echo "$1: installing"
  return 1
}

install_azurite() {
  local key
  key=$(key_of azurite/package.json azurite/package-lock.json)
  up_to_date azurite azurite/node_modules/azurite/dist/src/blob/main.js "$key" && return
  command -v npm >/dev/null || { echo "azurite: needs npm" >&2; return 1; }
  rm -rf "$out/azurite" && mkdir -p "$out/azurite" &&
    cp azurite/package.json azurite/package-lock.json azurite/.npmrc "$out/azurite/" &&
    (cd "$out/azurite" && timeout "$limit" npm ci --omit=dev --ignore-scripts --loglevel=error) &&
    echo "$key" >"$out/.azurite.key"
}

install_registry() {
  local key deb
  key=$(key_of "docker-registry 2.8")
  up_to_date registry registry/usr/bin/docker-registry "$key" && return
  command -v apt-get >/dev/null || { echo "registry: needs Debian's apt-get" >&2; return 1; }
  rm -rf "$out/registry" && mkdir -p "$out/registry" || return 1
  (
    cd "$out/registry" || exit 1
    fetch() { timeout "$limit" apt-get download -qq docker-registry; }
    fetch 2>/dev/null || { timeout "$limit" apt-get update -qq && fetch; } || exit 1
    for deb in docker-registry_*.deb; do dpkg -x "$deb" . && rm "$deb"; done
  ) && "$out/registry/usr/bin/docker-registry" --version | grep -q 'v\?2\.8\.' &&
    echo "$key" >"$out/.registry.key"
}

# The locks are made with `uv pip compile --no-header --no-annotate --generate-hashes
# --python-version 3.11 --exclude-newer DATE NAME.in -o NAME.lock`, DATE being the .in file's.
# PyPI, as pip is configured on this machine. uv installs in seconds what takes pip a minute.
install_uv() {
  [[ -x $out/uv/bin/uv ]] && return
  python3.11 -m venv "$out/uv" &&
    timeout "$limit" "$out/uv/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9
}

install_python() { # name folder program; sources are built with what was current then, too
  local key index date
  key=$(key_of "$2/$1.lock" "python 3.11")
  date=$(sed -n 's/^# PyPI as of: //p' "$2/$1.in")
  up_to_date "$1" "$1/bin/$3" "$key" && return
  command -v python3.11 >/dev/null || { echo "$1: needs Python 3.11 with venv" >&2; return 1; }
  index=$(pip config get global.index-url 2>/dev/null || true)
  rm -rf "${out:?}/$1"
  install_uv && python3.11 -m venv --without-pip "$out/$1" &&
    UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-${index:-}} bash -c '
      [[ -n $UV_DEFAULT_INDEX ]] || unset UV_DEFAULT_INDEX
      exec timeout "$@"' bash "$limit" "$out/uv/bin/uv" pip install --quiet --python "$out/$1/bin/python" --no-cache \
      --require-hashes --exclude-newer "$date" -r "$2/$1.lock" &&
    echo "$key" >"$out/.$1.key"
}

wanted=("$@")
[[ $# -gt 0 ]] || wanted=(azurite registry airflow2 airflow3 azure-cli)
missing=()
for component in "${wanted[@]}"; do
  case $component in
  azurite) install_azurite ;;
  registry) install_registry ;;
  airflow2 | airflow3) install_python "$component" airflow airflow ;;
  azure-cli) install_python azure-cli azure-cli az ;;
  *) echo "unknown component: $component" >&2; exit 64 ;;
  esac || missing+=("$component")
done
if [[ ${#missing[@]} -gt 0 ]]; then
  echo "could not be had: ${missing[*]}" >&2
  exit 1
fi
