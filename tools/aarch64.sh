#!/bin/sh
# Cross-compiles for 64-bit Arm and detects in QEMU: aarch64.sh PYTHON. On Debian and its like.
# Faces must be those that this machine finds.
set -eu

python=$1
folder=$PWD/build/aarch64
root=$folder/root
for tool in aarch64-linux-gnu-g++ qemu-aarch64-static apt-get; do
  command -v "$tool" >/dev/null || {
    echo "make aarch64 needs $tool: sudo apt install g++-aarch64-linux-gnu qemu-user-static" >&2
    exit 1
  }
done
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
mkdir -p "$folder/apt/partial" "$folder/debs" "$folder/wheels" "$root"

if [ ! -x "$root/usr/bin/python$version" ]; then
  echo "== getting Python $version for aarch64"
  apt="-qq -oAPT::Architecture=arm64 -oAPT::Architectures=arm64 -oDir::State::Lists=$folder/apt -oDebug::NoLocking=1"
  apt-get $apt update
  (
    cd "$folder/debs"
    apt-get $apt download "python$version-minimal" "libpython$version-minimal" "libpython$version-stdlib" \
      libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libbz2-1.0 liblzma5 libssl3 ||
      { echo "this system has no Python $version for aarch64: make aarch64 PYTHON=... with its own version" >&2; exit 1; }
    for deb in *.deb; do dpkg -x "$deb" "$root"; done
  )
fi
"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version "$version" --implementation cp \
  --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 \
  --dest "$folder/wheels" numpy platformdirs
rm -rf "$folder/site" "$folder/lib"
for wheel in "$folder"/wheels/*.whl; do "$python" -m zipfile -e "$wheel" "$folder/site"; done

echo "== building for aarch64"
_PYTHON_HOST_PLATFORM=linux-aarch64 CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ CUDA_HOME=none TENSORRT_ROOT=/nonexistent \
  "$python" setup.py -q build --build-lib "$folder/lib" --build-temp "$folder/objects"
find "$folder/lib" -name '_pytrt*.so' -execdir mv {} _pytrt.so ';'

"$python" tools/detect_to.py docs/images/astronaut.jpg "$folder/here.npz"

# detect CPU PRECISION: on a processor that QEMU plays.
detect() {
  qemu-aarch64-static -cpu "$1" -L "$root" -E PYTHONHOME="$root/usr" -E PYTHONPATH="$folder/lib:$folder/site" \
    -E TRT_MTCNN_ENGINES="$folder/engines-$2" \
    "$root/usr/bin/python$version" tools/detect_to.py "$folder/here.npz" "$folder/there.npz" "$2"
  "$python" tools/detect_to.py --compare "$folder/here.npz" "$folder/there.npz" "$2"
}
echo "== detecting in QEMU"
detect cortex-a72 fp32
detect cortex-a72 bf16 # it has no arithmetic in float16: the kernels of float32
detect max fp32
detect cortex-a76 bf16
