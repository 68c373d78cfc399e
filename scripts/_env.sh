# Sourced by the scripts: finds Python >= 3.12 that really runs, makes .venv, installs. Prints talk on stderr only.
# Usage: . scripts/_env.sh; zg_setup [dev]   → sets $ROOT and $VENV_PYTHON
#        zg_runtime   → Google's runtime is there, or ANTIGRAVITY_HARNESS_PATH names ours, in .cache/runtime

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV="$ROOT/.venv"
VENV_PYTHON="$VENV/bin/python"

zg_runs() { # a Python >= 3.12 that runs (a pyenv shim on PATH may not) and can make environments
  "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

zg_find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ] && ! zg_runs "$PYTHON"; then
    echo "zerogravity: PYTHON=$PYTHON is no Python >= 3.12 that runs; looking for another" >&2
  fi
  for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.14 python3 python; do
    if zg_runs "$candidate"; then command -v "$candidate"; return 0; fi
  done
  for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[3-9]*/bin/python "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python; do
    if zg_runs "$candidate"; then echo "$candidate"; return 0; fi
  done
  if command -v uv >/dev/null 2>&1 && candidate=$(uv python find '>=3.12' 2>/dev/null) && zg_runs "$candidate"; then
    echo "$candidate"; return 0
  fi
  return 1
}

zg_no_python() {
  cat >&2 <<'TEXT'
zerogravity needs Python 3.12 or newer, and none was found that runs.
Looked at: $PYTHON, python3.13, python3.12 and python3 on PATH, pyenv's versions, uv.
Do one of these and start again:
  * install it with your system's packages, e.g.   apt-get install python3.12 python3.12-venv
  * pyenv install 3.13        (then this script finds it by itself)
  * uv python install 3.13    (the same)
  * PYTHON=/path/to/python3.12 ./scripts/demo
TEXT
  exit 1
}

zg_setup() {
  local extra=${1:-} stamp want python
  want="$(cat "$ROOT/pyproject.toml" "$ROOT/scripts/constraints.txt" | cksum) ${extra}"
  stamp="$VENV/.zerogravity-${extra:-run}"
  if [ -x "$VENV_PYTHON" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then return 0; fi
  if ! zg_runs "$VENV_PYTHON"; then
    python=$(zg_find_python) || zg_no_python
    echo "zerogravity: making .venv with $("$python" --version)" >&2
    rm -rf "$VENV"
    if ! "$python" -m venv "$VENV" >&2; then
      echo "zerogravity: '$python -m venv' failed; on Debian and Ubuntu install the package python3-venv." >&2
      exit 1
    fi
  fi
  echo "zerogravity: installing (once)" >&2
  if ! "$VENV_PYTHON" -m pip install --quiet --disable-pip-version-check --no-input \
      -c "$ROOT/scripts/constraints.txt" -e "$ROOT${extra:+[$extra]}" >&2; then
    echo "zerogravity: installation failed; the lines above say why (no network? a proxy for pip?)." >&2
    exit 1
  fi
  echo "$want" > "$stamp"
}

# The wheel alone, in a folder of its own: .venv stays as it is, and serve does not choose the runtime for that.
zg_runtime() {
  local folder="$ROOT/.cache/runtime" stamp want
  local program="$folder/google/antigravity/bin/localharness"
  if [ -n "${ANTIGRAVITY_HARNESS_PATH:-}" ] || "$VENV_PYTHON" -c 'import sys
from zerogravity.backends.runtime.settings import Settings
sys.exit(Settings.of(None, None).binary is None)'; then return 0; fi
  want=$(grep '^google-antigravity==' "$ROOT/scripts/constraints.txt")
  stamp="$folder/.installed"
  if [ ! -x "$program" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
    echo "zerogravity: installing Google's runtime, $want, in .cache/runtime (once)" >&2
    rm -rf "$folder"
    if ! "$VENV_PYTHON" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
        --target "$folder" "$want" >&2; then
      echo "zerogravity: Google's runtime cannot be installed; the lines above say why (no network? a proxy for pip?)." >&2
      echo "If it is somewhere on this machine, name it: ANTIGRAVITY_HARNESS_PATH=FILE ./scripts/demo --real" >&2
      exit 1
    fi
    echo "$want" > "$stamp"
  fi
  export ANTIGRAVITY_HARNESS_PATH="$program"
}
