#!/bin/sh
# What a build needs of the machine; says what is missing and how to get it.
#   machine.sh python PYTHON     Python 3.10 or newer, with venv
#   machine.sh compiler CXX      a C++20 compiler
#   machine.sh headers PYTHON    prints the CPATH with which Python.h is found
#   machine.sh programs NAME...  programs for tests, NAME=PACKAGE where that differs; root gets them installed
set -eu

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

check_python() {
  command -v "$1" >/dev/null || fail "$1 is missing: sudo apt install python3 python3-venv"
  version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$1 is Python $version, but trt-mtcnn needs 3.10 or newer." \
      "Name a newer one: make PYTHON=python3.12 (or activate a virtual environment of one)"
  "$1" -c 'import ensurepip, venv' 2>/dev/null || "$1" -m pip --version >/dev/null 2>&1 ||
    fail "$1 cannot make virtual environments: sudo apt install python$version-venv"
}

check_compiler() {
  command -v "${1%% *}" >/dev/null || fail "a C++ compiler is missing ($1): sudo apt install g++"
  printf '#include <bit>\n#include <span>\nint main() { return std::bit_ceil(1u) - 1; }\n' |
    $1 -std=c++20 -fsyntax-only -x c++ - 2>/dev/null ||
    fail "$1 does not know C++20: trt-mtcnn needs g++ 10 or clang 12 or newer (make CXX=g++-12 CC=gcc-12)"
}

# Debian and Ubuntu keep Python.h in a package of its own, which can be unpacked here without being root.
find_headers() {
  include=$("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  if [ -f "$include/Python.h" ]; then
    echo "${CPATH:-}"
    return
  fi
  name=$(basename "$include")
  folder=$PWD/build/python-headers
  if [ ! -f "$folder/usr/include/$name/Python.h" ]; then
    echo "== getting Python.h, which python3-dev would bring" >&2
    mkdir -p "$folder"
    (cd "$folder" && apt-get download "lib$name-dev" && dpkg -x "lib$name-dev"*.deb . && rm -f ./*.deb) \
      >/dev/null 2>"$folder/log" ||
      fail "Python.h is missing: sudo apt install $name-dev (or python3-dev)" "$(cat "$folder/log")"
  fi
  echo "$folder/usr/include/$name:$folder/usr/include${CPATH:+:$CPATH}"
}

# Programs, each with the package that has it where that is called otherwise; libraries, too.
find_programs() {
  packages=
  for wanted in "$@"; do
    command -v "${wanted%=*}" >/dev/null || /sbin/ldconfig -p | grep -q "${wanted%=*} " || packages="$packages ${wanted#*=}"
  done
  [ -n "$packages" ] || return 0
  [ "$(id -u)" = 0 ] || fail "missing:$packages. sudo apt install$packages"
  echo "== installing$packages"
  log=$(mktemp)
  # shellcheck disable=SC2086  # several names
  { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $packages; } \
    >"$log" 2>&1 || fail "apt cannot install$packages:" "$(tail -n 5 "$log")"
  rm -f "$log"
}

case $1 in
  python) check_python "$2" ;;
  compiler) check_compiler "$2" ;;
  headers) find_headers "$2" ;;
  programs) shift && find_programs "$@" ;;
esac
