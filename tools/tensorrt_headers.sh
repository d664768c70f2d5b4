#!/bin/sh
# Puts the headers of a TensorRT release (NVIDIA, Apache-2.0) into ROOT/include; compiling needs no more of it.
#   tensorrt_headers.sh REPO TAG ROOT      REPO: a git URL, or the folder of a clone (a bare one, too)
set -eu
repo=$1 tag=$2 root=$3

command -v git >/dev/null || {
  echo "git is missing: sudo apt install git" >&2
  exit 1
}
mkdir -p "$root/include" 2>/dev/null && [ -w "$root/include" ] || {
  echo "cannot write $root: use sudo, or another folder: make tensorrt-headers TENSORRT_ROOT=\$HOME/tensorrt" >&2
  exit 1
}
filter=--filter=blob:none # of the files, only those asked for
if [ -d "$repo" ]; then
  repo=file://$(cd "$repo" && pwd)
  filter=
fi
clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
git -c advice.detachedHead=false clone --quiet --depth 1 $filter --sparse --branch "$tag" "$repo" "$clone/repo"
git -C "$clone/repo" sparse-checkout set include
test -f "$clone/repo/include/NvInfer.h" || {
  echo "$repo at $tag has no include/NvInfer.h" >&2
  exit 1
}
cp -R "$clone/repo/include/." "$root/include/"
cp "$clone/repo/LICENSE" "$root/LICENSE"
echo "TensorRT headers $tag: $root/include"
