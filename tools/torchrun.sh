# Sourced by dist_train.sh and dist_test.sh, which set usage. Defines launch GPUS SCRIPT ARGUMENTS.

launch() { # number of processes, then script and arguments
    local gpus=$1
    shift
    if ! [[ $gpus =~ ^[1-9][0-9]*$ ]]; then
        printf "error: the number of GPUs must be a positive number, not '%s'\n%s\n" \
            "$gpus" "$usage" >&2
        exit 2
    fi
    # Checked once before torchrun, which would wrap what a process says in a traceback of its own; the processes then
    # need not read annotations and try the evaluation again.
    LOCAL_WORLD_SIZE=$gpus "$PYTHON" "$@" --check || exit $?
    export MMATTN_CHECKED=1

    local cores
    cores=$(nproc)
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((cores > gpus ? cores / gpus : 1))}
    export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS} # or mmengine sets it, with a warning
    local place=(--nnodes "${NNODES:-1}" --node_rank "${NODE_RANK:-0}"
        --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}")
    # A single machine can use any free port, so that several jobs do not meet.
    if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
        place=(--standalone --nnodes 1)
    fi
    exec "$PYTHON" -m mmattn.engine.torchrun "${place[@]}" --nproc_per_node "$gpus" --max_restarts "${RESTARTS:-0}" \
        "$@" --launcher pytorch
}
