#!/usr/bin/env bash
# The GPU check in an unpacked kit: ./run.sh 1, mend what it finds, ./run.sh 2; see benchmarks/gpu/README.md.
# Options of benchmarks/gpu/check.py may follow. PYTHON names another interpreter.
set -euo pipefail
if [[ ${1:-} != [12] ]]; then
  echo "usage: $0 1|2 [options of benchmarks/gpu/check.py]" >&2
  exit 2
fi
cd "$(dirname "$0")"
if [[ ! -f benchmarks/gpu/check.py ]]; then cd ../..; fi # it lies in the repository, not in a kit
python=${PYTHON:-python3}
if [[ -f data/expected.json ]]; then
  export TRT_MTCNN_DATA=$PWD/data TRT_MTCNN_GPU_EXPECTED=$PWD/data/expected.json
fi
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
if [[ ! -f $include/Python.h && -d python-headers ]]; then
  export CPATH=$PWD/python-headers${CPATH:+:$CPATH}
fi
run=$1
shift
exec "$python" benchmarks/gpu/check.py --run "$run" "$@"
