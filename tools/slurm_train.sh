#!/usr/bin/env bash
# Trains in a slurm allocation, one process per GPU.
set -euo pipefail

usage="Usage: [VARIABLE=VALUE …] bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [WORK_DIR] [options of tools/train.py]
  GPUS (default 4) in all, GPUS_PER_NODE (4 or GPUS, if fewer), CPUS_PER_TASK (5), SRUN_ARGS
Example: GPUS=4 bash tools/slurm_train.sh gpu sda configs/mask_rcnn_sda.py work_dirs/sda"

if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then echo "$usage"; exit 0; fi
if [ $# -lt 3 ]; then echo "$usage" >&2; exit 2; fi
command -v srun >/dev/null || {
    echo "error: srun is not here; run this on a slurm machine, or use tools/dist_train.sh" >&2
    exit 2
}

partition=$1 job_name=$2 config=$3
shift 3
work_dir=()
if [ $# -gt 0 ] && [[ $1 != -* ]]; then
    work_dir=(--work-dir "$1")
    shift
fi
gpus=${GPUS:-4}
gpus_per_node=${GPUS_PER_NODE:-$((gpus < 4 ? gpus : 4))}

here=$(dirname "${BASH_SOURCE[0]}")
source "$here/python.sh"
# SRUN_ARGS holds several words.
# shellcheck disable=SC2086
exec srun --partition="$partition" --job-name="$job_name" --gres="gpu:$gpus_per_node" \
    --ntasks="$gpus" --ntasks-per-node="$gpus_per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "$PYTHON" -u "$here/train.py" "$config" "${work_dir[@]}" --launcher slurm "$@"
