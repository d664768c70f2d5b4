#!/bin/sh
# Installs the wheel in dist/ as a user gets it and tries it, in an environment of its own, away from the sources.
#   check_wheel.sh [PYTHON ...]  default: python3
# Says what it holds and how long it is from `pip install` to the first face.
set -eu
sources=$(cd "$(dirname "$0")/.." && pwd)
unset TRT_MTCNN_ENGINES PYTHONPATH VIRTUAL_ENV
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in "${@:-python3}"; do
  tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
  wheel=$(ls "$sources"/dist/*-"$tag"-*.whl)
  "$python" -m venv --clear "$folder/venv"
  cd "$folder"
  began=$(date +%s.%N)
  venv/bin/pip install --quiet "$wheel[images]"
  venv/bin/python -c 'import cv2, sys, mtcnn; assert len(mtcnn.TrtMtcnn().detect(cv2.imread(sys.argv[1]))[0]) == 1' \
    "$sources/docs/images/astronaut.jpg"
  ended=$(date +%s.%N)
  XDG_CACHE_HOME=$folder/cache venv/bin/python "$sources/tools/smoke.py" "$sources/docs/images/astronaut.jpg"
  echo "$(basename "$wheel"): $(($(stat -c %s "$wheel") / 1024)) KiB," \
    "$(echo "$ended $began" | awk '{printf "%.1f", $1 - $2}') s from pip install to the first face"
done
