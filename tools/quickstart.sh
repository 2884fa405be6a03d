#!/usr/bin/env bash
# From a fresh clone to COCO AP: set-up, training on the embedded images, evaluation, report.
set -euo pipefail

config=configs/demo/mask_rcnn_sda_nuclei.py
work_dir=work_dirs/quickstart

usage="Usage: bash tools/quickstart.sh [--force]
Sets the environment up (see tools/setup_env.sh --help), trains $config, and
reports AP, plots and pictures in $work_dir. Run again, it keeps a finished training and goes
on with a broken-off one, as long as the code has not changed; --force trains afresh."

force=0
case "${1:-}" in
    '') ;;
    --force) force=1 ;;
    -h | --help) echo "$usage"; exit 0 ;;
    *) echo "$usage" >&2; exit 2 ;;
esac

fail() { # what failed, what to do
    printf '\nerror: %s\n       %s\n' "$1" "$2" >&2
    exit 1
}

minutes() { # since this number of seconds
    local s=$((SECONDS - $1))
    printf '%d min %02d s' $((s / 60)) $((s % 60))
}

[ -z "${MMATTN_VENV:-}" ] || MMATTN_VENV=$(realpath -m "$MMATTN_VENV")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

start=$SECONDS
bash tools/setup_env.sh </dev/null || exit 1 # has said why
python=${MMATTN_VENV:-$PWD/.venv}/bin/python
setup_time=$(minutes "$start")
echo "==> set-up: $setup_time"

# All that decides the outcome of the training; names are sorted, so that it repeats.
fingerprint=$(find mmattn configs/demo demo/nuclei_mini tools/train.py -type f ! -path "mmattn/analysis/*" ! -name '*.pyc' -print0 \
    | LC_ALL=C sort -z | xargs -0 cat | sha256sum | cut -d ' ' -f 1)
started=$work_dir/.started
finished=$work_dir/.finished

same() { [ -f "$1" ] && [ "$(head -n 1 "$1")" = "$fingerprint" ]; }

resume=()
if [ $force = 1 ] || ! same "$started"; then
    if [ -e "$work_dir" ]; then
        "$python" -m mmattn.engine.resuming.lock "$work_dir" || exit 2 # says who uses it
        echo "==> training afresh: removing $work_dir"
        rm -rf "$work_dir"
    fi
fi
if same "$finished"; then
    echo "==> $work_dir holds the finished training; --force trains afresh"
else
    [ ! -d "$work_dir" ] || resume=(--resume) # what was saved of it; --force trains afresh
    mkdir -p "$work_dir"
    echo "$fingerprint" > "$started"
    start=$SECONDS
    echo "==> training $config"
    "$python" tools/train.py "$config" --work-dir "$work_dir" ${resume[@]+"${resume[@]}"} </dev/null \
        || fail "the training broke off" \
            "look at the lines above; the same command goes on from the last checkpoint"
    training_time=$(minutes "$start")
    echo "==> training and evaluation: $training_time"
    printf '%s\n%s\n' "$fingerprint" "$training_time" > "$finished"
fi

echo "==> report"
"$python" demo/quickstart_report.py "$work_dir" </dev/null \
    || fail "the report could not be made" \
        "look at the lines above; once it is fixed, the same command makes the report without training again"
echo "==> set-up $setup_time, training and evaluation $(sed -n 2p "$finished")"
echo "==> for further commands: source ${MMATTN_VENV:-.venv}/bin/activate"
