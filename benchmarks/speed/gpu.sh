#!/usr/bin/env bash
# What RESULTS.md could not measure without a GPU, in eight minutes and one table; with --dry the same code paths on a
# CPU at tiny sizes. Other arguments go to benchmarks/speed/gpu.py.
#
#   bash benchmarks/speed/gpu.sh          # on a machine with a CUDA build of torch
#   bash benchmarks/speed/gpu.sh --dry
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH="$PWD" MPLBACKEND=Agg OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "${PYTHON:-python}" -m benchmarks.speed.gpu "$@"
