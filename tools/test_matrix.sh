#!/usr/bin/env bash
# Runs the tests in fresh environments with other versions of Python and of the libraries.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: bash tools/test_matrix.sh [--fast] [CELL …]

For each cell: makes a virtual environment, installs mmattn and the libraries of the cell, runs the
tests that apply there, and removes the environment. Ends with a line for each cell; exit status 1
if the tests of one failed, or it could not be installed.

A cell is LIBRARIES or LIBRARIES-PYTHON; without cells all of these are run:
  onedl-3.10 onedl-3.13          the newest releases of OneDL's libraries, torch and all others
  openmmlab-3.10 openmmlab-3.12  the last releases of OpenMMLab's libraries, with the oldest torch
                                 that runs with this Python: 2.1, and 2.2 with Python 3.12
  minimal                        torch, mmengine and mmcv without its operators; no mmdet, no
                                 mmpretrain, nothing to draw or to evaluate with

  --fast  leave out the tests that are marked as slow

Example: bash tools/test_matrix.sh --fast minimal openmmlab-3.10

Environment variables:
  MMATTN_MATRIX=DIR  where environments and logs are (default: work_dirs/test_matrix)
  MMATTN_KEEP=1      keep the environments
  PROCESSES=N        processes that run tests side by side (default: 2)
EOF
}

lane=() cells=()
for argument in "$@"; do
    case $argument in
        -h | --help) usage; exit 0 ;;
        --fast) lane=(-m 'not slow') ;;
        onedl | openmmlab | minimal | onedl-3.* | openmmlab-3.* | minimal-3.*) cells+=("$argument") ;;
        *) printf 'error: %s is no cell; see bash tools/test_matrix.sh --help\n' "$argument" >&2; exit 2 ;;
    esac
done
[ ${#cells[@]} -gt 0 ] || cells=(onedl-3.10 onedl-3.13 openmmlab-3.10 openmmlab-3.12 minimal)

folder=$(realpath -m "${MMATTN_MATRIX:-$(dirname "${BASH_SOURCE[0]}")/../work_dirs/test_matrix}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p "$folder"

say() { printf '==> %s\n' "$*"; }

make_venv() { # where, and the version of Python, '' for any
    if command -v uv >/dev/null; then
        uv venv --quiet --clear --seed --python "${2:-3.12}" "$1"
    else
        "python${2:-3}" -m venv --clear "$1"
    fi
}

install() { # the environment, and arguments of pip install
    local python=$1/bin/python
    shift
    if command -v uv >/dev/null; then
        uv pip install --python "$python" "$@"
    else
        "$python" -m pip install --disable-pip-version-check --quiet "$@"
    fi
}

headless() { # Both packages of OpenCV share a folder; the one that needs no display has to be written last.
    local version
    version=$("$1/bin/python" -c 'import importlib.metadata as m; print(m.version("opencv-python"))') || return 0
    install "$1" --no-deps --force-reinstall "opencv-python-headless==$version"
}

libraries() { # the environment, the kind of libraries and the version of Python
    # setuptools from 81 on has no pkg_resources, which mmengine and some builds import.
    install "$1" 'setuptools<81' wheel
    case $2 in
        onedl) install "$1" -e '.[mm,seg,viz,fit,test]' ;;
        openmmlab)
            local torch=(torch==2.1.2 torchvision==0.16.2)
            [ "$3" = 3.10 ] || [ "$3" = 3.11 ] || torch=(torch==2.2.2 torchvision==0.17.2)
            install "$1" "${torch[@]}" -e '.[openmmlab,viz,fit,test]' mmsegmentation==1.2.2 ftfy regex
            ;;
        minimal) install "$1" -e . onedl-mmengine onedl-mmcv pytest pytest-timeout pytest-xdist ;;
    esac && headless "$1"
}

run_cell() { # a cell; its output goes to a log
    local kind=${1%%-*} python= venv=$folder/$1
    [ "$kind" = "$1" ] || python=${1#*-}
    make_venv "$venv" "$python" || return 3
    python=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    libraries "$venv" "$kind" "$python" || return 3
    "$venv/bin/python" -m pip freeze
    OMP_NUM_THREADS=1 MMATTN_VENV=$venv PATH=$venv/bin:$PATH \
        "$venv/bin/python" -m pytest -n "${PROCESSES:-2}" -p no:cacheprovider "${lane[@]}"
}

failed=0 summary=()
for cell in "${cells[@]}"; do
    log=$folder/$cell.log
    say "$cell: installing and testing; log: $log"
    status=0
    run_cell "$cell" >"$log" 2>&1 || status=$?
    case $status in
        0) result=$(tail -n 1 "$log") ;;
        3) result="could not be installed: $(grep -iE '^error' "$log" | tail -n 1)" ;;
        *) result="failed: $(tail -n 1 "$log")" ;;
    esac
    [ $status = 0 ] || failed=1
    summary+=("$(printf '%-16s %s' "$cell" "$result")")
    [ "${MMATTN_KEEP:-0}" = 1 ] || rm -rf "${folder:?}/$cell"
done
say 'results'
printf '%s\n' "${summary[@]}"
exit $failed
