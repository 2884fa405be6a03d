# Sourced by the launch scripts: sets PYTHON to an interpreter that has mmengine, and puts the
# repository on PYTHONPATH. A PYTHON that is already set wins, then an activated environment,
# then .venv (or MMATTN_VENV), then python3.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} ${VIRTUAL_ENV:+"$VIRTUAL_ENV/bin/python"} \
        ${CONDA_PREFIX:+"$CONDA_PREFIX/bin/python"} "${MMATTN_VENV:-$root/.venv}/bin/python" \
        python3 python; do
        if "$candidate" -c 'import importlib.util as u
raise SystemExit(u.find_spec("mmengine") is None)' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python with mmengine was found; run: bash tools/setup_env.sh" >&2
    return 1
}

PYTHON=$(find_python) || exit 2
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
