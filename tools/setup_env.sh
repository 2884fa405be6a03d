#!/usr/bin/env bash
# Makes the virtual environment that the other scripts use. Safe to run again, and then quick.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: bash tools/setup_env.sh [--help]

Makes a virtual environment in .venv and installs mmattn (editable) with everything it needs to
train, evaluate and be tested, in the exact versions of constraints.txt. Uses uv when it is on
PATH, else pip. Run again, it checks and repairs what is there.

Environment variables:
  MMATTN_VENV=DIR        where the environment lies (default: .venv in the repository)
  MMATTN_PYTHON=PROGRAM  the Python to make it with (default: the first suitable one found)
  MMATTN_COMPILE_OPS=1   compile mmcv's own operators (a C++ compiler and, on 2 cores, about
                         7 minutes) instead of using mmattn's stand-in for them
EOF
}

case "${1:-}" in
    '') ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

fail() { # what failed, what to do
    printf '\nerror: %s\n       %s\n' "$1" "$2" >&2
    exit 1
}

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }

[ -t 1 ] || say() { printf '==> %s\n' "$*"; }

venv=${MMATTN_VENV:-}
[ -z "$venv" ] || venv=$(realpath -m "$venv")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${venv:-$PWD/.venv}
python=$venv/bin/python
compile=${MMATTN_COMPILE_OPS:-0}
stamp=$venv/.mmattn-setup
network_hint="look at the lines above; if it was the network or a full disk (7 GB are needed), run the same command again: what has arrived is kept"

suitable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

find_python() {
    local name
    if [ -n "${MMATTN_PYTHON:-}" ]; then
        suitable "$MMATTN_PYTHON" || fail "MMATTN_PYTHON=$MMATTN_PYTHON is not a Python >= 3.10" \
            "name another, or unset it to let this script choose"
        command -v "$MMATTN_PYTHON"
        return
    fi
    for name in python3 python3.12 python3.11 python3.13 python3.10; do
        if suitable "$name"; then command -v "$name"; return; fi
    done
}

# The fingerprint of all that decides what is installed.
fingerprint() {
    { cat constraints.txt pyproject.toml setup.py tools/setup_env.sh; echo "$PWD $compile"; "$python" -V; } \
        | sha256sum | cut -d ' ' -f 1
}

# Cheap: looks for the packages without importing them.
complete() {
    "$python" - <<'EOF' 2>/dev/null
import importlib.util
import sys
names = ('torch', 'torchvision', 'cv2', 'mmengine', 'mmcv', 'mmdet', 'mmpretrain', 'mmseg', 'pycocotools',
         'matplotlib', 'pytest', 'pytest_timeout', 'xdist', 'ruff', 'mypy', 'zensical', 'mmattn')
sys.exit(any(importlib.util.find_spec(name) is None for name in names))
EOF
}

works() {
    complete && "$python" - "$compile" <<'EOF'
import sys
import cv2, matplotlib, mmengine, pycocotools.mask, torch, torchvision
import mmcv
if sys.argv[1] == '1':
    import mmcv._ext
import mmattn
import mmdet, mmpretrain, mmseg
assert mmattn.__version__
EOF
}

make_venv() {
    if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
        fail "$venv exists and is not a virtual environment" \
            "move it away, or choose another place with MMATTN_VENV=DIR"
    fi
    local base
    base=$(find_python)
    if [ "$tool" = uv ]; then
        say "making $venv with uv"
        uv venv --quiet --clear --python "${base:-3.12}" "$venv" \
            || fail "uv could not make $venv" "look at the lines above"
        return
    fi
    [ -n "$base" ] || fail "no Python >= 3.10 was found" \
        "install one (sudo apt-get install python3 python3-venv) or name it in MMATTN_PYTHON"
    local version
    version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$base" -c 'import ensurepip, venv' 2>/dev/null || fail \
        "Python $version at $base cannot make virtual environments" \
        "run: sudo apt-get install python$version-venv   (or install uv), then this command again"
    say "making $venv with Python $version"
    "$base" -m venv --clear "$venv" || fail "could not make $venv" "look at the lines above"
}

install() { # arguments of pip install
    if [ "$tool" = uv ]; then
        uv pip install --python "$python" "$@"
    else
        "$python" -m pip install --disable-pip-version-check "$@"
    fi
}

pinned() { grep "^$1==" constraints.txt; }

install_all() {
    rm -f "$stamp"
    if [ "$compile" = 1 ]; then
        command -v c++ >/dev/null || fail "MMATTN_COMPILE_OPS=1 needs a C++ compiler" \
            "run: sudo apt-get install g++, then this command again"
        say "installing torch and what the compilation needs"
        install -c constraints.txt torch torchvision setuptools wheel ninja psutil packaging \
            || fail "torch could not be installed" "$network_hint"
        say "compiling mmcv's operators (about 7 minutes on 2 cores)"
        fresh_mmcv -v --no-build-isolation \
            || fail "mmcv's operators could not be compiled" \
                "look at the lines above, or go without: unset MMATTN_COMPILE_OPS"
    fi
    say "installing mmattn and the packages it needs"
    # In an isolated build mmcv finds no torch, and so builds in seconds, without its operators.
    install -c constraints.txt -e '.[all]' || fail "the packages could not be installed" "$network_hint"
    if ! "$python" -c "$fits"; then
        say "the cached build of mmcv does not fit this torch: building it without the cache"
        fresh_mmcv || fail "onedl-mmcv could not be installed" "$network_hint"
    fi
    # Both OpenCV packages are required by others and share one folder; the headless one has to
    # be written last, because the other needs libGL, which servers lack.
    say "making OpenCV independent of a display"
    local opencv=(-c constraints.txt --no-deps)
    if [ "$tool" = uv ]; then opencv+=(--reinstall); else opencv+=(--quiet --force-reinstall); fi
    install "${opencv[@]}" opencv-python-headless \
        || fail "opencv-python-headless could not be installed" "$network_hint"
}

# A wheel cache may hold a build of the other kind: compiled for another torch, or not compiled.
fresh_mmcv() { # further options of pip install
    local options=(--no-deps --no-binary onedl-mmcv)
    if [ "$tool" = uv ]; then
        options+=(--no-cache --reinstall)
    else
        options+=(--no-cache-dir --force-reinstall)
    fi
    install "${options[@]}" "$@" "$(pinned onedl-mmcv)"
}
fits='import importlib.util as u, torch, mmcv; u.find_spec("mmcv._ext") and __import__("mmcv._ext")'

tool=pip
! command -v uv >/dev/null || tool=uv

existed=0
if [ -x "$python" ] && "$python" -c '' 2>/dev/null; then existed=1; fi
if [ $existed = 1 ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ] && complete; then
    say "$venv is ready"
    exit 0
fi

# An environment that a broken-off run left without pip is made anew.
if [ $existed = 0 ] || { [ "$tool" = pip ] && ! "$python" -m pip --version >/dev/null 2>&1; }; then
    make_venv
    existed=0
fi
install_all
say "checking that everything can be imported"
if ! works; then
    [ $existed = 1 ] || fail "the new environment does not import" \
        "look at the lines above; then remove $venv and run this command again"
    say "$venv is damaged: making it anew"
    make_venv
    install_all
    works || fail "the new environment does not import" "look at the lines above"
fi
fingerprint > "$stamp.tmp" && mv "$stamp.tmp" "$stamp"
say "$venv is ready"
