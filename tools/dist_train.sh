#!/usr/bin/env bash
# Trains on several GPUs, or, on a machine without any, in as many CPU processes over gloo.
set -euo pipefail

usage="Usage: bash tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
  GPUS is the number per machine. For several machines set NNODES, NODE_RANK, MASTER_ADDR and PORT
  (default 29500) in the environment of each. With RESTARTS=3 all processes start again, up to
  three times, from the newest checkpoint when one of them dies. With MMATTN_TIMEOUT=600 a process
  that waits 600 seconds for another in vain ends the run and names it (default 1800).
Example: bash tools/dist_train.sh configs/mask_rcnn_sda.py 4"

if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then echo "$usage"; exit 0; fi
if [ $# -lt 2 ]; then echo "$usage" >&2; exit 2; fi

here=$(dirname "${BASH_SOURCE[0]}")
source "$here/python.sh"
source "$here/torchrun.sh"
launch "$2" "$here/train.py" "$1" "${@:3}"
