"""How the kernels are compiled for 64-bit Arm, once for each set of instructions that a processor may have."""

# GCC's first pass of scheduling moves loads so far ahead that sums no longer fit the registers.
_FLAGS = ["-fno-schedule-insns"]
ARM_ISA_FLAGS: dict[str, list[str]] = {
    "neon": _FLAGS,
    "neon_fp16": [*_FLAGS, "-march=armv8.2-a+fp16", "-DTRTMTCNN_FLOAT16"],
}
# As Zig, whose clang takes no -march and does not know that pass, says the same.
ZIG_ARM_ISA_FLAGS: dict[str, list[str]] = {
    "neon": [],
    "neon_fp16": ["-mcpu=generic+v8_2a+fullfp16", "-DTRTMTCNN_FLOAT16"],
}
# Their arithmetic on another processor, slowly.
EMULATED_FLOAT16 = {"emulated_fp16": ["-DTRTMTCNN_FLOAT16", "-Wno-psabi"]}
NETS_ONLY = ("neon_fp16", "emulated_fp16")  # nothing else has instructions of them
