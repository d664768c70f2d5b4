#!/bin/sh
# The networks on AMX's own instructions, bit for bit beside the tiles in plain C++: amx.sh [BOCHS FIRMWARE KERNEL].
# On this machine where it has AMX; else on a Linux (KERNEL, a bzImage) that BOCHS runs on the Sapphire Rapids it plays.
# FIRMWARE: the folder bios of Bochs. Its AMX is younger than version 2.8, and what Linux needs beside the instructions
# is in none yet: docs/precision.md says what to add. Needs xorriso, cpio and isolinux for the second, and AVX-512.
set -eu

folder=$PWD/build/amx
mkdir -p "$folder/objects" "$folder/root" "$folder/iso/isolinux"
avx512="-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mprefer-vector-width=512"
ccache=$(command -v ccache || true)

compile() { # SOURCE OBJECT FLAGS
  # shellcheck disable=SC2086
  $ccache "${CXX:-g++}" -std=c++20 -O3 -g0 -Wall -Wextra -DTRTMTCNN_X86=1 -Icsrc $3 -c "$1" -o "$folder/objects/$2.o"
}

echo "== compiling tests/native/amx_machine.cpp"
for source in tests/native/amx_machine.cpp csrc/engine.cpp csrc/outputs.cpp csrc/cpu/amx.cpp csrc/cpu/kernels.cpp \
  csrc/cpu/nets/*.cpp csrc/nets/*.cpp csrc/runtime/*.cpp; do
  case $source in
    *_isa.cpp | *_windows.cpp | *_macos.cpp | *cuda_driver.cpp) ;;
    *) compile "$source" "$(basename "$source" .cpp)" "" ;;
  esac
done
for isa in baseline avx2 avx512; do
  case $isa in
    avx2) flags="-mavx2 -mfma -mf16c" ;;
    avx512) flags=$avx512 ;;
    *) flags="" ;;
  esac
  compile csrc/cpu/kernels_isa.cpp "kernels-$isa" "-DTRTMTCNN_ISA=$isa $flags"
  compile csrc/cpu/nets/net_kernels_isa.cpp "net_kernels-$isa" "-DTRTMTCNN_ISA=$isa $flags"
done
# With the same vectors, in which the heads sum.
compile csrc/cpu/nets/tile_kernels_isa.cpp tiles-emulated "-DTRTMTCNN_ISA=emulated_amx $avx512"
compile csrc/cpu/nets/tile_kernels_isa.cpp tiles-amx \
  "-DTRTMTCNN_ISA=amx $avx512 -mavx512bf16 -mamx-tile -mamx-bf16 -DTRTMTCNN_AMX"
"${CXX:-g++}" -static -pthread -o "$folder/root/init" "$folder"/objects/*.o 2>"$folder/link.log" ||
  { cat "$folder/link.log" >&2; exit 1; }
cp mtcnn/models/[pro]net.onnx "$folder/root"
"$folder/root/init" "$folder/root" write

if grep -q amx_bf16 /proc/cpuinfo; then
  exec "$folder/root/init" "$folder/root" check
fi
test $# -eq 3 || { echo "this processor has no AMX: make amx AMX=\"BOCHS FIRMWARE KERNEL\" plays one" >&2; exit 1; }
for tool in xorriso cpio; do
  command -v "$tool" >/dev/null || { echo "missing: $tool; sudo apt install xorriso cpio isolinux" >&2; exit 1; }
done

echo "== starting Linux in Bochs"
(cd "$folder/root" && find . | cpio -o -H newc --quiet | gzip >"$folder/iso/isolinux/initrd")
cp "$3" "$folder/iso/isolinux/linux"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$folder/iso/isolinux"
# Bochs has short REP MOVSB without that of any length; Linux 6.1's memmove() takes the one for the other.
arguments="console=ttyS0 mitigations=off nokaslr clearcpuid=fsrm quiet"
printf 'DEFAULT l\nLABEL l\n KERNEL linux\n INITRD initrd\n APPEND %s\n' "$arguments" >"$folder/iso/isolinux/isolinux.cfg"
xorriso -as mkisofs -quiet -o "$folder/amx.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
  -boot-load-size 4 -boot-info-table "$folder/iso" 2>"$folder/iso.log"
cat >"$folder/bochsrc" <<END
megs: 512
romimage: file=$2/BIOS-bochs-latest
vgaromimage: file=$2/VGABIOS-lgpl/VGABIOS-lgpl-latest.bin
cpu: model=sapphire_rapids, count=1, ips=50000000
ata0: enabled=1
ata0-master: type=cdrom, path=$folder/amx.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$folder/serial.txt
display_library: nogui
log: $folder/bochs.log
panic: action=fatal
END
: >"$folder/serial.txt"
"$1" -q -f "$folder/bochsrc" >"$folder/console.txt" 2>&1 </dev/null &
bochs=$!
trap 'kill $bochs 2>/dev/null || true' EXIT
while kill -0 $bochs 2>/dev/null && ! grep -qE "^AMX: (WRONG|all good)" "$folder/serial.txt"; do sleep 2; done
grep -E "^(good|WRONG|AMX)" "$folder/serial.txt" || { tail "$folder/serial.txt" "$folder/console.txt" >&2; exit 1; }
grep -q "^AMX: all good" "$folder/serial.txt"
