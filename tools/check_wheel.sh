#!/bin/sh
# Installs the wheel in dist/ as a user gets it and tries it, in an environment of its own, away from the sources.
#   check_wheel.sh [PYTHON ...]  default: python3
# On Linux the wheel must have the CUDA kernels, but for CUDA_HOME=none. $WHEELS: the folder, in place of dist/.
# Says what it holds and how long it is from `pip install` to the first face.
set -eu
sources=$(cd "$(dirname "$0")/.." && pwd)
wheels=$(cd "${WHEELS:-$sources/dist}" && pwd)
unset TRT_MTCNN_ENGINES PYTHONPATH VIRTUAL_ENV
cuda=--cuda
[ "$(uname -s)" = Linux ] && [ "${CUDA_HOME:-}" != none ] || cuda=
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in "${@:-python3}"; do
  tag=$("$python" -c 'import sys; print("cp%d%d%s" % (*sys.version_info[:2], getattr(sys, "abiflags", "")))')
  wheel=$(ls "$wheels"/*-"$tag"-[lm]*"$(uname -m)"*.whl 2>/dev/null || ls "$wheels"/*-abi3-*"$(uname -m)"*.whl)
  case $tag in
    *t) set -- "$wheel[pillow]" ;; # OpenCV has no wheels for Pythons without the GIL
    *) set -- "$wheel[images]" ;;
  esac
  "$python" -m venv --clear "$folder/venv"
  cd "$folder"
  began=$(date +%s.%N)
  venv/bin/pip install --quiet "$@"
  XDG_CACHE_HOME=$folder/first venv/bin/python - "$sources/docs/images/astronaut.jpg" <<END
import sys, mtcnn
from mtcnn.utils.images import load_image
assert len(mtcnn.TrtMtcnn().detect(load_image(sys.argv[1]), color="rgb")[0]) == 1
END
  ended=$(date +%s.%N)
  XDG_CACHE_HOME=$folder/cache venv/bin/python "$sources/tools/smoke.py" "$sources/docs/images/astronaut.jpg" $cuda
  echo "$(basename "$wheel"): $(($(stat -c %s "$wheel") / 1024)) KiB," \
    "$(echo "$ended $began" | awk '{printf "%.1f", $1 - $2}') s from pip install to the first face"
done
