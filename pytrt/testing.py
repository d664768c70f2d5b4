"""What only tests need: the GPU backend's code on the CPU, and steps of native operations that nothing else calls."""

from pytrt._pytrt import (
    BoxSet,
    EmulatedGpu,
    emulate_tiles,
    halve,
    load_amx,
    networks,
    pack_levels,
    start_launch_trace,
    take_launch_trace,
    tile_layer,
)

__all__ = [
    "BoxSet",
    "EmulatedGpu",
    "emulate_tiles",
    "halve",
    "load_amx",
    "networks",
    "pack_levels",
    "start_launch_trace",
    "take_launch_trace",
    "tile_layer",
]
