#!/usr/bin/env bash
# The GPU check in an unpacked kit: ./run.sh 1, mend what it finds, ./run.sh 2; see benchmarks/gpu/README.md.
# Options of benchmarks/gpu/check.py may follow. PYTHON names another interpreter.
set -euo pipefail
cd "$(dirname "$0")"
if [[ ! -f benchmarks/gpu/check.py ]]; then cd ../..; fi # it lies in the repository, not in a kit
if [[ ${1:-} != [12] ]]; then
  echo "usage: $0 1|2 [options of benchmarks/gpu/check.py]" >&2
  exit 2
fi
if [[ -f data/expected.json ]]; then
  export TRT_MTCNN_DATA=$PWD/data TRT_MTCNN_GPU_EXPECTED=$PWD/data/expected.json
fi
run=$1
shift
exec "${PYTHON:-python3}" benchmarks/gpu/check.py --run "$run" "$@"
