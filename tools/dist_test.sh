#!/usr/bin/env bash
# Evaluates on several GPUs, or, on a machine without any, in as many CPU processes over gloo.
set -euo pipefail

usage="Usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]
  GPUS is the number per machine. For several machines set NNODES, NODE_RANK, MASTER_ADDR and PORT
  (default 29500) in the environment of each.
Example: bash tools/dist_test.sh configs/mask_rcnn_sda.py work_dirs/mask_rcnn_sda/epoch_12.pth 4"

if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then echo "$usage"; exit 0; fi
if [ $# -lt 3 ]; then echo "$usage" >&2; exit 2; fi

here=$(dirname "${BASH_SOURCE[0]}")
source "$here/python.sh"
source "$here/torchrun.sh"
launch "$3" "$here/test.py" "$1" "$2" "${@:4}"
