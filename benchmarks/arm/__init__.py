"""64-bit Arm without such a machine: results in QEMU, speed by counted instructions and predicted cycles."""
