#!/usr/bin/env bash
# Sets the environment up, then runs ruff, mypy and the tests.
set -euo pipefail

if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
    echo "Usage: bash tools/run_tests.sh [--fast] [options of pytest]
Sets the environment up (see tools/setup_env.sh --help), then runs ruff, mypy and pytest on 2 cores.
  --fast  leave out the tests that are marked as slow: a few minutes instead of a quarter of an hour
Example: bash tools/run_tests.sh tests/tools -k resume
See also tools/test_matrix.sh, which runs them in environments of other versions."
    exit 0
fi

[ -z "${MMATTN_VENV:-}" ] || MMATTN_VENV=$(realpath -m "$MMATTN_VENV")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lane=()
if [ "${1:-}" = --fast ]; then
    shift
    # What takes long here is shown, as it may have to be marked.
    lane=(-m 'not slow' --durations 10 --durations-min 3)
fi
bash tools/setup_env.sh
bin=${MMATTN_VENV:-$PWD/.venv}/bin

echo '==> ruff'
"$bin/python" -m ruff check . || {
    echo 'error: ruff found faults; fix them as it says above' >&2
    exit 1
}
"$bin/python" -m ruff format --check --quiet . || {
    echo 'error: the files named above are not formatted; run: ruff format .' >&2
    exit 1
}
echo '==> mypy'
"$bin/python" -m mypy || {
    echo 'error: mypy found types that do not fit; correct them as it says above' >&2
    exit 1
}
echo '==> pytest'
# Two processes with a thread each, rather than two that fight for the cores.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$bin/python" -m pytest -n 2 "${lane[@]}" "$@"
