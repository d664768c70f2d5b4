"""What the networks' kernels cost on x86 processors: predicted cycles for others, measured ones for this one."""
