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
  systems=$("$python" -c 'import sysconfig as s
print("musllinux" if "musl" in str(s.get_config_var("SOABI")) else "linux manylinux macosx")')
  wheel=$(for abi in "$tag" abi3; do for system in $systems; do
    ls "$wheels"/*-"$abi"-"$system"_*"$(uname -m)"*.whl 2>/dev/null || true
  done; done | head -n 1)
  if [ -z "$wheel" ]; then echo "$wheels has no wheel for $python: make wheel" >&2; exit 1; fi
  case $tag-$systems in
    *t-* | *-musllinux) set -- "$wheel[pillow]" ;; # OpenCV has no wheels for Pythons without the GIL, nor for musl
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
