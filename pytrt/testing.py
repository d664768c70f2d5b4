"""What only tests need: the GPU backend's code on the CPU, and steps of native operations that nothing else calls."""

from pytrt._pytrt import EmulatedGpu, halve, networks, pack_levels

__all__ = ["EmulatedGpu", "halve", "networks", "pack_levels"]
