#!/usr/bin/env bash
# All that a change must pass: style, types, layers, tests. Uses the active virtual environment, else .venv.
#   tools/check.sh              everything
#   tools/check.sh lint         style, types and layers
#   tools/check.sh tests [...]  the tests; what follows goes to pytest
#   tools/check.sh fuzz [...]   commands on damaged inputs, for a minute; what follows goes to tools/fuzz.py
#   tools/check.sh quick [...]  those without processes, network, torch, browser and what takes long, on few examples
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python="${VIRTUAL_ENV:-$PWD/.venv}/bin/python"
if [[ ! -x $python ]]; then
    echo "error: no virtual environment: activate one that has segdata[dev], or use \`make check\`, which makes .venv" >&2
    exit 1
fi

say() { printf '\n== %s\n' "$*"; }

lint() {
    say "ruff check"
    "$python" -m ruff check .
    say "ruff format --check"
    "$python" -m ruff format --check .
    say "mypy --strict"
    "$python" -m mypy
    if [[ -e tests/test_layers.py ]]; then
        say "layers"
        "$python" -m pytest -q tests/test_layers.py
    fi
}

tests() {
    say "pytest"
    PYTHONDONTWRITEBYTECODE="" "$python" -m pytest -n auto --maxprocesses 2 -p tools.pytest_skips "$@"
}

fuzz() {
    say "fuzz"
    "$python" tools/fuzz.py --minutes 1 "$@"
}

case ${1:-all} in
    all) lint; tests ;;
    lint) lint ;;
    tests) shift; tests "$@" ;;
    fuzz) shift; fuzz "$@" ;;
    quick) shift; tests --quick "$@" ;;
    *) echo "usage: tools/check.sh [lint | (tests | quick) [pytest arguments] | fuzz [options]]" >&2; exit 2 ;;
esac
